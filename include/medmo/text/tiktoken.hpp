// tiktoken rank files (qwen.tiktoken): one line a token, `<base64 of its bytes> <rank>`, ranks 0, 1, 2 ... in order.
// The rank is the id. The first 256 tokens are the bytes; every later one is the merge of two earlier ones, which are
// found again by encoding its bytes with the merges before it. The file names no added tokens: the configuration does.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "byte_pairs.hpp"
#include "tokenizer.hpp"

namespace medmo::inline MEDMO_ABI::text {

namespace detail {
/// RFC 4648, section 4: whole groups of four, padded; nothing if malformed.
inline std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr auto digits = [] {
    std::array<signed char, 256> a{};
    for (auto& v : a) v = -1;
    signed char n = 0;
    for (char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
      a[static_cast<unsigned char>(c)] = n++;
    return a;
  }();
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out;
  unsigned bits = 0, count = 0;
  for (char c : text.substr(0, text.size() - padding)) {
    auto digit = digits[static_cast<unsigned char>(c)];
    if (digit < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(static_cast<unsigned char>(bits >> count)));
  }
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return out;
}
}  // namespace detail

/// Base tokens and merges of a rank file. Throws errc::bad_format, naming `where` and the line: not base64, no number,
/// a gap in the ranks, a token twice, a token that no two earlier ones make.
inline byte_pairs read_tiktoken_ranks(std::string_view file, std::string_view where) {
  byte_pairs base;
  byte_pairs::workspace w;
  std::vector<index> parts;
  std::unordered_set<std::string> seen;
  std::size_t line_number = 0;
  for (std::size_t at = 0; at < file.size();) {
    auto end = std::min(file.find('\n', at), file.size());
    auto line = file.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    auto fail = [&](std::string expected, std::string found) {
      MEDMO_THROW(errc::bad_format, std::string(where) + ", line " + std::to_string(line_number), std::move(expected),
                  std::move(found));
    };
    auto space = line.find(' ');
    if (space == std::string_view::npos) fail("base64, a space, a rank", "no space");
    auto bytes = detail::decode_base64(line.substr(0, space));
    if (!bytes || bytes->empty())
      fail("base64 of at least one byte", "'" + std::string(line.substr(0, std::min<std::size_t>(space, 40))) + "'");
    auto number = line.substr(space + 1);
    index rank = -1;
    auto [stop, problem] = std::from_chars(number.data(), number.data() + number.size(), rank);
    if (problem != std::errc{} || stop != number.data() + number.size() || rank != base.size())
      fail("rank " + std::to_string(base.size()), "'" + std::string(number.substr(0, 40)) + "'");
    if (!seen.insert(*bytes).second) fail("every token once", "the bytes of an earlier token");
    if (bytes->size() > 1) {
      for (char b : *bytes)
        if (base.single(static_cast<unsigned char>(b)) == byte_pairs::none)
          fail("the tokens of single bytes first", "a longer token before one of its bytes");
      parts.clear();
      base.encode(*bytes, w, parts);
      if (parts.size() != 2) fail("a token that two earlier ones make", std::to_string(parts.size()) + " parts");
    }
    base.add_token(*bytes, where);
    if (bytes->size() > 1) base.add_merge({parts[0], parts[1], rank}, where);
  }
  return base;
}

/// The tokenizer of a rank file, with the added tokens of the configuration T.
/// Throws as read_tiktoken_ranks and the tokenizer's constructor do.
template <tokenizer_configuration T>
tokenizer<T> read_tiktoken(std::string_view file, std::string_view where) {
  return {read_tiktoken_ranks(file, where), configured_added_tokens<T>(), where};
}

}  // namespace medmo::inline MEDMO_ABI::text
