// UTF-8 and the character classes that a pre-tokenizer asks for: letter (L), number (N), white space, anything else.
// Text inside this room is UTF-8 that was validated once, at its entrance; the fast decoder relies on that.
// Not a Unicode library: normalization.hpp adds NFC, and nothing else of Unicode is needed here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "unicode_tables.hpp"

namespace medmo::inline MEDMO_ABI::text {

inline constexpr char32_t replacement_character = 0xFFFD;

enum class character_class : std::uint8_t { other, letter, number, space };

namespace detail {
constexpr std::uint16_t find_record(char32_t c) {
  if (c >= unicode_runs_end) return unicode_records[0];
  auto first = unicode_runs + unicode_blocks[c >> 8], last = unicode_runs + unicode_blocks[(c >> 8) + 1] + 1;
  auto run = std::upper_bound(first, last, (static_cast<std::uint32_t>(c) << 8) | 0xFF) - 1;
  return unicode_records[*run & 0xFF];
}

inline constexpr auto first_records = [] {
  std::array<std::uint16_t, 0x250> a{};  // the Latin blocks
  for (char32_t c = 0; c < a.size(); ++c) a[c] = find_record(c);
  return a;
}();

constexpr std::uint16_t record_of(char32_t c) { return c < first_records.size() ? first_records[c] : find_record(c); }
}  // namespace detail

/// Class of a code point, as the reference's \p{L}, \p{N} and \s see it. Code points beyond Unicode are `other`.
constexpr character_class class_of(char32_t c) { return static_cast<character_class>(detail::record_of(c) & 3); }

/// Canonical combining class, 0 for everything that is not a combining mark.
constexpr int combining_class(char32_t c) { return detail::record_of(c) >> 3; }

/// May NFC change text because of this character? (The property NFC_Quick_Check is not Yes.)
constexpr bool changes_under_nfc(char32_t c) { return (detail::record_of(c) & 4) != 0; }

/// One decoded character: its code point and how many bytes it took.
struct decoded {
  char32_t code_point = 0;
  std::size_t size = 0;
};

/// Decodes the character that starts at text[at] of *valid* UTF-8; at < text.size().
constexpr decoded decode_valid(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {((lead & 0x1F) << 6) | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {((lead & 0x0F) << 12) | ((byte(1) & 0x3F) << 6) | (byte(2) & 0x3F), 3};
  return {((lead & 0x07) << 18) | ((byte(1) & 0x3F) << 12) | ((byte(2) & 0x3F) << 6) | (byte(3) & 0x3F), 4};
}

/// What stands at the head of some bytes.
enum class utf8_state { valid, incomplete, invalid };
struct utf8_head {
  utf8_state state = utf8_state::valid;
  std::size_t size = 0;  ///< bytes of the character, or of the longest beginning of one
};

/// Looks at the character that starts at text[at], at < text.size(): whole, cut short by the end of the text, or broken.
/// A broken one's size is the part to be replaced by one U+FFFD (the Unicode standard's "maximal subpart").
constexpr utf8_head look_at_utf8(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  unsigned char lead = byte(0);
  if (lead < 0x80) return {utf8_state::valid, 1};
  if (lead < 0xC2 || lead > 0xF4) return {utf8_state::invalid, 1};
  std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF.
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < size; ++i, low = 0x80, high = 0xBF) {
    if (i >= text.size() - at) return {utf8_state::incomplete, i};
    if (byte(i) < low || byte(i) > high) return {utf8_state::invalid, i};
  }
  return {utf8_state::valid, size};
}

/// Offset of the first byte that is not part of valid UTF-8, or npos.
constexpr std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    auto head = look_at_utf8(text, at);
    if (head.state != utf8_state::valid) return at;
    at += head.size;
  }
  return std::string_view::npos;
}

/// Throws errc::bad_text, naming `where` and the offset, unless `text` is valid UTF-8.
inline void require_utf8(std::string_view text, std::string_view where) {
  auto at = find_invalid_utf8(text);
  if (at == std::string_view::npos) return;
  MEDMO_THROW(errc::bad_text, std::string(where) + ", byte " + std::to_string(at), "valid UTF-8",
              "byte " + std::to_string(static_cast<unsigned char>(text[at])));
}

/// Appends one code point; surrogates and values beyond U+10FFFF become U+FFFD.
constexpr void append_utf8(std::string& out, char32_t c) {
  if ((c >= 0xD800 && c < 0xE000) || c > 0x10FFFF) c = replacement_character;
  auto put = [&](char32_t b) { out.push_back(static_cast<char>(static_cast<unsigned char>(b))); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      put(0xE0 | (c >> 12));
    } else {
      put(0xF0 | (c >> 18));
      put(0x80 | ((c >> 12) & 0x3F));
    }
    put(0x80 | ((c >> 6) & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

/// Appends bytes as text: what is valid as it is, every maximal broken part as one U+FFFD.
inline void append_lossy(std::string& out, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    auto head = look_at_utf8(bytes, at);
    if (head.state == utf8_state::valid)
      out.append(bytes, at, head.size);
    else
      append_utf8(out, replacement_character);
    at += head.size;
  }
}

}  // namespace medmo::inline MEDMO_ABI::text
