// Text from data and models on its way into a page.
#pragma once

#include <string>
#include <string_view>

#include "json.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// Text as HTML shows it: markup means nothing, bytes that are no UTF-8 are U+FFFD, control characters are spaces.
inline std::string escape_html(std::string_view text) {
  auto const quoted = json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace);
  auto const sound = json::parse(quoted, nullptr, false).get<std::string>();
  std::string out;
  for (char c : sound) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += "&#39;";
    else out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::io
