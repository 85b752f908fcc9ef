// Characters as the metrics need them: UTF-8 one code point at a time, lower case, white space. Not a Unicode library:
// lower case covers Latin, Greek, Cyrillic, full-width letters and the letter-like units (Angstrom, Kelvin, Ohm), which is
// what medical English holds; other scripts stay as they are. Python's special final sigma is not applied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// The code point that begins at `at`, which moves behind it; at < text.size(). A byte that begins no valid sequence is
/// taken alone, as 0xDC00 + byte (Python's "surrogateescape"), so that any bytes can be read.
inline char32_t next_character(std::string_view text, std::size_t& at) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char const first = byte(at++);
  if (first < 0x80) return first;
  std::size_t const more = first >= 0xC2 && first < 0xE0   ? 1
                           : first >= 0xE0 && first < 0xF0 ? 2
                           : first >= 0xF0 && first < 0xF5 ? 3
                                                           : 0;
  if (more == 0 || more > text.size() - at) return 0xDC00u + first;
  char32_t c = first & (0x3Fu >> more);
  for (std::size_t i = 0; i < more; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0xDC00u + first;
    c = (c << 6) | (byte(at + i) & 0x3Fu);
  }
  bool const shortest = more == 1 || c >= (more == 2 ? 0x800u : 0x10000u);
  if (!shortest || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0xDC00u + first;
  at += more;
  return c;
}

/// Appends the UTF-8 of what next_character gave: a byte taken alone comes back as that byte.
inline void append_character(std::string& text, char32_t c) {
  auto put = [&](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80 || (c >= 0xDC80 && c < 0xDD00)) return put(c & 0xFF);
  if (c < 0x800) return put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
  if (c < 0x10000) return put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
  put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
}

constexpr char lowercase(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return lowercase(c) >= 'a' && lowercase(c) <= 'z'; }

/// Lower case of one code point, for the scripts named above.
constexpr char32_t lowercase(char32_t c) {
  auto within = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  if (c < 0x80) return within('A', 'Z') ? c + 32 : c;
  if (within(0xC0, 0xDE)) return c == 0xD7 ? c : c + 32;
  if (within(0x100, 0x137) || within(0x14A, 0x177) || within(0x1E00, 0x1E95) || within(0x1EA0, 0x1EFF) ||
      within(0x460, 0x481) || within(0x48A, 0x4BF) || within(0x4D0, 0x52F) || within(0x3D8, 0x3EF))
    return c | 1;  // pairs, the capital first
  if (within(0x139, 0x148) || within(0x179, 0x17E) || within(0x4C1, 0x4CE)) return c & 1 ? c + 1 : c;
  if (c == 0x178) return 0xFF;
  if (within(0x391, 0x3AB)) return c == 0x3A2 ? c : c + 32;
  if (c == 0x386) return 0x3AC;
  if (within(0x388, 0x38A)) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (within(0x38E, 0x38F)) return c + 63;
  if (within(0x410, 0x42F)) return c + 32;
  if (within(0x400, 0x40F)) return c + 80;
  if (c == 0x2126) return 0x3C9;
  if (c == 0x212A) return 'k';
  if (c == 0x212B) return 0xE5;
  if (within(0x2160, 0x216F)) return c + 16;
  if (within(0xFF21, 0xFF3A)) return c + 32;
  return c;
}

/// Lower case of a text, as Python's str.lower for the scripts named above. Invalid UTF-8 stays as it is.
inline std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      out += lowercase(text[at++]);
      continue;
    }
    char32_t const c = next_character(text, at);
    if (c == 0x130)
      out += "i\xCC\x87";  // capital I with a dot: the one letter here whose lower case is two
    else
      append_character(out, lowercase(c));
  }
  return out;
}

/// What Python's str.split and str.strip take for white space.
constexpr bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// The text without white space at its ends.
inline std::string_view strip(std::string_view text) {
  std::size_t begin = text.size(), end = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const here = at;
    if (is_space(next_character(text, at))) continue;
    if (begin == text.size()) begin = here;
    end = at;
  }
  return end > begin ? text.substr(begin, end - begin) : std::string_view{};
}

/// Every `what` (not empty) becomes `by`, from left to right, as Python's str.replace.
inline std::string replace_all(std::string_view text, std::string_view what, std::string_view by) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(what, at)) != std::string_view::npos; at = found + what.size())
    out.append(text.substr(at, found - at)).append(by);
  return out.append(text.substr(at));
}

}  // namespace medmo::inline MEDMO_ABI::metrics
