// tokenizer.json of Hugging Face `tokenizers`, read and written. The whole format, as far as it is a byte-level BPE:
//   added_tokens   [{id, content, special, normalized, single_word, lstrip, rstrip}]
//   normalizer     null | {type: NFC}
//   pre_tokenizer  Sequence of a splitting part and ByteLevel;  post_processor, decoder  ByteLevel (null allowed for the first)
//   model          {type: BPE, vocab: {spelling: id}, merges: [[left, right]] or ["left right"], ...}
// What a file asks for and we do not do is an error that names it. truncation and padding concern batches and are ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../io/json.hpp"
#include "byte_alphabet.hpp"
#include "byte_pairs.hpp"
#include "tokenizer.hpp"

namespace medmo::inline MEDMO_ABI::text {

namespace detail {
using io::json;

inline json const* member(json const& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}
/// A member, or null where there is none.
inline json const& member_or_null(json const& object, std::string_view key) {
  static json const null;
  auto found = member(object, key);
  return found ? *found : null;
}
inline std::string_view string_or_empty(json const& value) {
  return value.is_string() ? std::string_view(value.get_ref<std::string const&>()) : std::string_view{};
}
/// For error messages.
inline std::string shown(json const& value) { return io::excerpt(value, 200); }
/// A whole number that fits into an index, or -1.
inline index whole_number(json const& value) {
  if (!value.is_number_integer()) return -1;
  if (value.is_number_unsigned()) {
    auto v = value.get<std::uint64_t>();
    return v <= INT64_MAX ? static_cast<index>(v) : -1;
  }
  return static_cast<index>(value.get<std::int64_t>());
}

inline constexpr std::string_view qwen2_expression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

inline json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", use_regex}};
}
inline json first_splitter(pretokenizer_scheme scheme) {
  if (scheme == pretokenizer_scheme::gpt2_single_digits) return {{"type", "Digits"}, {"individual_digits", true}};
  return {{"type", "Split"}, {"pattern", {{"Regex", qwen2_expression}}}, {"behavior", "Isolated"}, {"invert", false}};
}
inline bool is_byte_level(json const& part, std::optional<bool> use_regex) {
  if (string_or_empty(member_or_null(part, "type")) != "ByteLevel") return false;
  if (!use_regex) return true;  // as a decoder or post-processor its options change no id and no text
  return member_or_null(part, "add_prefix_space") == json(false) &&
         part.value("use_regex", json(true)) == json(*use_regex);
}

/// Checks that the parts around the model are those that T stands for.
template <tokenizer_configuration T>
void check_tokenizer_parts(json const& file, std::string_view where) {
  auto refuse = [&](std::string_view part, std::string expected) {
    MEDMO_THROW(errc::unsupported, std::string(where) + ", " + std::string(part), std::move(expected),
                shown(member_or_null(file, part)));
  };
  auto const& normalizer = member_or_null(file, "normalizer");
  if constexpr (T::normalize == normalization::nfc) {
    if (string_or_empty(member_or_null(normalizer, "type")) != "NFC") refuse("normalizer", "NFC");
  } else {
    if (!normalizer.is_null()) refuse("normalizer", "null");
  }
  auto const& parts = member_or_null(member_or_null(file, "pre_tokenizer"), "pretokenizers");
  bool regex_in_byte_level = T::scheme == pretokenizer_scheme::gpt2_single_digits;
  if (!parts.is_array() || parts.size() != 2 || parts[0] != first_splitter(T::scheme) ||
      !is_byte_level(parts[1], regex_in_byte_level))
    refuse("pre_tokenizer", shown(json::array({first_splitter(T::scheme), byte_level(regex_in_byte_level)})));
  auto const& post = member_or_null(file, "post_processor");
  if (!post.is_null() && !is_byte_level(post, std::nullopt)) refuse("post_processor", "ByteLevel or null");
  if (!is_byte_level(member_or_null(file, "decoder"), std::nullopt)) refuse("decoder", "ByteLevel");
}

inline void check_bpe_model(json const& model, std::string_view where) {
  auto refuse = [&](std::string_view key, std::string expected) {
    MEDMO_THROW(errc::unsupported, std::string(where) + ", model." + std::string(key), std::move(expected),
                shown(member_or_null(model, key)));
  };
  if (auto const& type = member_or_null(model, "type"); !type.is_null() && string_or_empty(type) != "BPE")
    refuse("type", "BPE");
  for (auto key : {"dropout", "unk_token"})
    if (!member_or_null(model, key).is_null()) refuse(key, "null");
  for (auto key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    auto const& value = member_or_null(model, key);
    if (!value.is_null() && value != json("")) refuse(key, "an empty string or null");
  }
  for (auto key : {"byte_fallback", "ignore_merges"}) {
    auto const& value = member_or_null(model, key);
    if (!value.is_null() && value != json(false)) refuse(key, "false");
  }
}

/// Base tokens from their spellings by id, merges from merge(i) -> (left, right) for 0 <= i < count.
template <class MergeAt>
byte_pairs assemble(std::vector<std::string_view> const& spelling, std::size_t count, MergeAt&& merge_at, std::string_view where) {
  std::string name(where);
  std::unordered_map<std::string_view, index> ids;
  ids.reserve(spelling.size());
  byte_pairs base;
  for (auto s : spelling) {
    auto bytes = unspell_bytes(s);
    if (!bytes)
      MEDMO_THROW(errc::bad_format, name + ", token '" + std::string(s.substr(0, 80)) + "'", "the byte-level alphabet", "another character");
    base.add_token(*bytes, where);
    auto [at, fresh] = ids.emplace(s, static_cast<index>(ids.size()));
    if (!fresh)
      MEDMO_THROW(errc::bad_format, name + ", token '" + std::string(s.substr(0, 80)) + "'", "every token once",
                  "the spelling of token " + std::to_string(at->second));
  }
  std::string whole;
  for (std::size_t i = 0; i < count; ++i) {
    auto [left, right] = merge_at(i);
    whole.assign(left).append(right);
    auto find = [&](std::string_view s) {
      auto it = ids.find(s);
      if (it == ids.end())
        MEDMO_THROW(errc::bad_format, name + ", merge " + std::to_string(i), "tokens of the vocabulary",
                    "'" + std::string(s.substr(0, 80)) + "'");
      return it->second;
    };
    base.add_merge({find(left), find(right), find(whole)}, where);
  }
  return base;
}

/// The same from a {spelling: id} object.
template <class MergeAt>
byte_pairs assemble(json const& vocab, std::size_t count, MergeAt&& merge_at, std::string_view where) {
  std::string name(where);
  if (!vocab.is_object()) MEDMO_THROW(errc::bad_json, name + ", vocab", "an object of tokens", shown(vocab));
  if (vocab.size() > static_cast<std::size_t>(byte_pairs::max_tokens))
    MEDMO_THROW(errc::too_large, name + ", vocab", "at most 2^24 tokens", std::to_string(vocab.size()));
  std::vector<std::string_view> spelling(vocab.size());
  std::vector<bool> taken(vocab.size());
  for (auto const& [key, value] : vocab.items()) {
    index id = whole_number(value);
    if (id < 0 || id >= static_cast<index>(spelling.size()))
      MEDMO_THROW(errc::bad_format, name + ", token '" + key + "'",
                  "an id below " + std::to_string(spelling.size()) + " (ids without gaps)", shown(value));
    auto at = static_cast<std::size_t>(id);
    if (taken[at])
      MEDMO_THROW(errc::bad_format, name + ", token '" + key + "'", "an id of its own", "that of '" + std::string(spelling[at]) + "'");
    taken[at] = true;
    spelling[at] = key;
  }
  return assemble(spelling, count, std::forward<MergeAt>(merge_at), where);
}

/// "left right" in its two parts; nothing if it is not of that form.
inline std::optional<std::pair<std::string_view, std::string_view>> two_words(std::string_view text) {
  auto space = text.find(' ');
  if (space == text.npos || space == 0 || space + 1 == text.size() || text.find(' ', space + 1) != text.npos)
    return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

/// One entry of `merges`: ["left", "right"] or "left right".
inline std::pair<std::string_view, std::string_view> merge_parts(json const& entry, std::size_t i,
                                                                 std::string_view where) {
  if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string())
    return {string_or_empty(entry[0]), string_or_empty(entry[1])};
  auto parts = two_words(string_or_empty(entry));
  if (!parts)
    MEDMO_THROW(errc::bad_format, std::string(where) + ", merge " + std::to_string(i), "two tokens", shown(entry));
  return *parts;
}

inline added_token read_added_token(json const& entry, index id, std::string_view where) {
  std::string name = std::string(where) + ", added token " + std::to_string(id);
  auto const& content = member_or_null(entry, "content");
  if (!content.is_string()) MEDMO_THROW(errc::bad_json, name, "content", shown(entry));
  for (auto key : {"single_word", "lstrip", "rstrip", "normalized"})
    if (auto const& value = member_or_null(entry, key); !value.is_null() && value != json(false))
      MEDMO_THROW(errc::unsupported, name + ", " + key, "false", shown(value));
  auto special = member_or_null(entry, "special") == json(true);
  return {std::string(string_or_empty(content)), id, special ? token_kind::special : token_kind::markup};
}
}  // namespace detail

/// The tokenizer of a tokenizer.json. Throws errc::bad_json (not JSON, wrong shape), errc::unsupported (a part that is not
/// what T stands for), errc::bad_format (ids with gaps or doubled, a merge of absent tokens, a pair twice ...), and as
/// the tokenizer's constructor does; each names `where` and the place in the file.
template <tokenizer_configuration T>
tokenizer<T> read_tokenizer_json(std::span<std::byte const> bytes, std::string_view where) {
  auto file = io::parse_json(bytes, std::string(where));
  if (!file.is_object()) MEDMO_THROW(errc::bad_json, std::string(where), "an object", detail::shown(file));
  auto const& model = detail::member_or_null(file, "model");
  if (!model.is_object())
    MEDMO_THROW(errc::bad_json, std::string(where) + ", model", "an object", detail::shown(model));
  detail::check_bpe_model(model, where);
  detail::check_tokenizer_parts<T>(file, where);
  auto const& merges = detail::member_or_null(model, "merges");
  if (!merges.is_array())
    MEDMO_THROW(errc::bad_json, std::string(where) + ", model.merges", "an array", detail::shown(merges));
  auto base = detail::assemble(
      detail::member_or_null(model, "vocab"), merges.size(),
      [&](std::size_t i) { return detail::merge_parts(merges[i], i, where); }, where);
  std::vector<added_token> added;
  auto const& entries = detail::member_or_null(file, "added_tokens");
  if (!entries.is_null() && !entries.is_array())
    MEDMO_THROW(errc::bad_json, std::string(where) + ", added_tokens", "an array", detail::shown(entries));
  for (auto const& entry : entries)
    added.push_back(detail::read_added_token(entry, detail::whole_number(detail::member_or_null(entry, "id")), where));
  return {std::move(base), std::move(added), where};
}

/// The tokenizer as a tokenizer.json with which Hugging Face `tokenizers` gives the same ids and texts.
template <tokenizer_configuration T>
std::string write_tokenizer_json(tokenizer<T> const& t) {
  auto quoted = [](std::string_view s) { return detail::json(s).dump(); };
  std::vector<std::string> spelling;
  for (index id = 0; id < t.base().size(); ++id) spelling.push_back(quoted(spell_bytes(t.base().bytes(id))));
  bool gpt2 = T::scheme == pretokenizer_scheme::gpt2_single_digits;
  std::string out =
      "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n";
  for (auto const& token : t.added())
    out += "    {\"id\": " + std::to_string(token.id) + ", \"content\": " + quoted(token.content) +
           ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": " +
           (token.kind == token_kind::special ? "true" : "false") + "}" + (&token == &t.added().back() ? "\n" : ",\n");
  out += "  ],\n  \"normalizer\": " + std::string(T::normalize == normalization::nfc ? "{\"type\": \"NFC\"}" : "null");
  out += ",\n  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [" +
         detail::first_splitter(T::scheme).dump() + ", " + detail::byte_level(gpt2).dump() + "]}";
  out += ",\n  \"post_processor\": " + detail::byte_level(gpt2).dump();
  out += ",\n  \"decoder\": " + detail::byte_level(gpt2).dump();
  out +=
      ",\n  \"model\": {\n    \"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
      "\"continuing_subword_prefix\": \"\", \"end_of_word_suffix\": \"\", \"fuse_unk\": false, "
      "\"byte_fallback\": false, \"ignore_merges\": false,\n    \"vocab\": {";
  for (std::size_t id = 0; id < spelling.size(); ++id)
    out += (id ? ",\n      " : "\n      ") + spelling[id] + ": " + std::to_string(id);
  out += "\n    },\n    \"merges\": [";
  for (index rank = 0; rank < t.base().merge_count(); ++rank) {
    auto m = t.base().merge_at(rank);
    out += (rank ? ",\n      [" : "\n      [") + spelling[static_cast<std::size_t>(m.left)] + ", " +
           spelling[static_cast<std::size_t>(m.right)] + "]";
  }
  return out + "\n    ]\n  }\n}\n";
}

}  // namespace medmo::inline MEDMO_ABI::text
