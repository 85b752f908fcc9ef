// The alphabet in which tokenizer files write bytes: one printable character a byte. Bytes 33..126, 161..172 and 174..255
// are the characters of the same number; the 68 others are U+0100 onwards, in order (space is U+0120).
// Source: GPT-2's byte-to-unicode table. Used by tokenizer.json, vocab.json and merges.txt; tiktoken files use base64.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "unicode.hpp"

namespace medmo::inline MEDMO_ABI::text {

namespace detail {
inline constexpr auto byte_characters = [] {
  std::array<char32_t, 256> a{};
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    a[b] = printable ? b : next++;
  }
  return a;
}();
inline constexpr std::size_t alphabet_size = 0x100 + 68;
inline constexpr auto character_bytes = [] {
  std::array<short, alphabet_size> a{};
  for (auto& v : a) v = -1;
  for (std::size_t b = 0; b < 256; ++b) a[byte_characters[b]] = static_cast<short>(b);
  return a;
}();
}  // namespace detail

/// Bytes -> their spelling in the alphabet, as UTF-8.
inline std::string spell_bytes(std::string_view bytes) {
  std::string out;
  for (char b : bytes) append_utf8(out, detail::byte_characters[static_cast<unsigned char>(b)]);
  return out;
}

/// Spelling -> bytes; nothing if it is not UTF-8 or holds a character outside the alphabet.
inline std::optional<std::string> unspell_bytes(std::string_view spelling) {
  std::string out;
  out.reserve(spelling.size());
  for (std::size_t at = 0; at < spelling.size();) {
    auto head = look_at_utf8(spelling, at);
    if (head.state != utf8_state::valid) return std::nullopt;
    auto c = decode_valid(spelling, at).code_point;
    if (c >= detail::alphabet_size || detail::character_bytes[c] < 0) return std::nullopt;
    out.push_back(static_cast<char>(static_cast<unsigned char>(detail::character_bytes[c])));
    at += head.size;
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::text
