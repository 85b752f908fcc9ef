// vocab.json ({spelling: id}) and merges.txt (one `left right` a line, best first, an optional "#version" line), the older
// form of a tokenizer; its added tokens are in tokenizer_config.json (added_tokens_decoder {"id": {content, special}}).
// Neither file says how text is split or normalised: the configuration does.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../io/json.hpp"
#include "tokenizer.hpp"
#include "tokenizer_json.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// Contents of the three files; `tokenizer_config` may be empty: then the added tokens are those of the configuration.
struct vocabulary_files {
  std::span<std::byte const> vocab, merges, tokenizer_config;
};

namespace detail {
inline std::vector<std::pair<std::string_view, std::string_view>> read_merges_text(std::string_view text,
                                                                                   std::string const& where) {
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number++ == 0 && line.starts_with("#version"))) continue;
    auto parts = two_words(line);
    if (!parts)
      MEDMO_THROW(errc::bad_format, where + ", merges, line " + std::to_string(number), "two tokens",
                  "'" + std::string(line.substr(0, 80)) + "'");
    merges.push_back(*parts);
  }
  return merges;
}

inline std::vector<added_token> read_added_tokens_decoder(json const& config, std::string const& where) {
  std::vector<added_token> added;
  auto const& decoder = member_or_null(config, "added_tokens_decoder");
  if (!decoder.is_object()) MEDMO_THROW(errc::bad_json, where + ", added_tokens_decoder", "an object", shown(decoder));
  for (auto const& [key, entry] : decoder.items()) {
    index id = -1;
    auto [stop, problem] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (problem != std::errc{} || stop != key.data() + key.size())
      MEDMO_THROW(errc::bad_format, where + ", added_tokens_decoder", "an id", "'" + key.substr(0, 80) + "'");
    added.push_back(read_added_token(entry, id, where));
  }
  return added;
}
}  // namespace detail

/// The tokenizer of vocab.json, merges.txt and tokenizer_config.json. Throws as read_tokenizer_json does.
template <tokenizer_configuration T>
tokenizer<T> read_vocabulary_files(vocabulary_files const& files, std::string const& where) {
  auto vocab = io::parse_json(files.vocab, where + ", vocab");
  std::string_view text(reinterpret_cast<char const*>(files.merges.data()), files.merges.size());
  auto merges = detail::read_merges_text(text, where);
  auto base = detail::assemble(
      vocab, merges.size(), [&](std::size_t i) { return merges[i]; }, where);
  if (files.tokenizer_config.empty()) return {std::move(base), configured_added_tokens<T>(), where};
  auto config = io::parse_json(files.tokenizer_config, where + ", tokenizer_config");
  return {std::move(base), detail::read_added_tokens_decoder(config, where), where};
}

}  // namespace medmo::inline MEDMO_ABI::text
