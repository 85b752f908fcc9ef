// Unicode normalisation form C, which Qwen's tokenizer applies first.
// Text is cut at characters that NFC can neither change nor move anything across (class 0, quick check Yes); each cut is
// decomposed, its marks are put in canonical order, and it is composed again. Linear up to the ordering of marks
// (n log n in the length of one run of marks), no recursion. Source: Unicode Standard Annex 15; Hangul: chapter 3.12.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "unicode.hpp"

namespace medmo::inline MEDMO_ABI::text {

namespace detail {
// Hangul syllables are arithmetic: 19 leading x 21 vowel x 28 trailing (the first: none).
inline constexpr char32_t syllable_base = 0xAC00, leading_base = 0x1100, vowel_base = 0x1161, trailing_base = 0x11A7;
inline constexpr char32_t leading_count = 19, vowel_count = 21, trailing_count = 28;
inline constexpr char32_t syllable_count = leading_count * vowel_count * trailing_count;

/// Unsigned distance, so that one comparison tests both ends of a range.
constexpr bool within(char32_t c, char32_t base, char32_t count) { return c - base < count; }

inline void append_decomposed(std::vector<char32_t>& out, char32_t c) {
  if (within(c, syllable_base, syllable_count)) {
    char32_t s = c - syllable_base, trailing = s % trailing_count;
    out.push_back(leading_base + s / (vowel_count * trailing_count));
    out.push_back(vowel_base + s / trailing_count % vowel_count);
    if (trailing != 0) out.push_back(trailing_base + trailing);
    return;
  }
  // Only the first part of a decomposition decomposes further; the second parts come out last to first.
  char32_t later[8];
  std::size_t count = 0;
  for (;;) {
    auto row = std::lower_bound(std::begin(unicode_decompositions), std::end(unicode_decompositions), c,
                                [](unicode_decomposition const& d, char32_t v) { return d.whole < v; });
    if (row == std::end(unicode_decompositions) || row->whole != c || count == std::size(later)) break;
    if (row->second != 0) later[count++] = row->second;
    c = row->first;
  }
  out.push_back(c);
  while (count > 0) out.push_back(later[--count]);
}

/// The primary composite of two characters, or 0.
inline char32_t compose(char32_t first, char32_t second) {
  if (within(first, leading_base, leading_count) && within(second, vowel_base, vowel_count))
    return syllable_base + ((first - leading_base) * vowel_count + (second - vowel_base)) * trailing_count;
  if (within(first, syllable_base, syllable_count) && (first - syllable_base) % trailing_count == 0 &&
      within(second, trailing_base + 1, trailing_count - 1))
    return first + (second - trailing_base);
  auto row =
      std::lower_bound(std::begin(unicode_compositions), std::end(unicode_compositions), 0, [&](std::uint16_t i, int) {
        auto const& d = unicode_decompositions[i];
        return d.first != first ? d.first < first : d.second < second;
      });
  if (row == std::end(unicode_compositions)) return 0;
  auto const& d = unicode_decompositions[*row];
  return d.first == first && d.second == second ? d.whole : 0;
}

/// Runs of marks go into ascending combining class, equal classes keeping their order.
inline void order_marks(std::vector<char32_t>& text) {
  auto by_class = [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); };
  for (auto at = text.begin(); at != text.end();) {
    if (combining_class(*at) == 0) {
      ++at;
      continue;
    }
    auto end = std::find_if(at, text.end(), [](char32_t c) { return combining_class(c) == 0; });
    if (!std::is_sorted(at, end, by_class)) std::stable_sort(at, end, by_class);
    at = end;
  }
}

/// Composes in place: a character joins the last starter unless something between them blocks it.
inline void compose_all(std::vector<char32_t>& text) {
  std::size_t kept = 0, starter = 0;
  bool has_starter = false;
  int last_class = 0;  // of the last character kept after the starter; 0: nothing was kept after it
  for (char32_t c : text) {
    int own = combining_class(c);
    bool blocked = has_starter && kept > starter + 1 && last_class >= own;
    if (has_starter && !blocked) {
      if (char32_t whole = compose(text[starter], c)) {
        text[starter] = whole;
        continue;
      }
    }
    if (own == 0) {
      starter = kept;
      has_starter = true;
    }
    last_class = own;
    text[kept++] = c;
  }
  text.resize(kept);
}

/// Does NFC leave the text as it is for certain? Then it need not be copied.
inline bool is_surely_nfc(std::string_view text) {
  int last = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      last = 0;
      ++at;
      continue;
    }
    auto [c, size] = decode_valid(text, at);
    int own = combining_class(c);
    if (changes_under_nfc(c) || (own != 0 && own < last)) return false;
    last = own;
    at += size;
  }
  return true;
}
}  // namespace detail

/// Normalisation form C of valid UTF-8, appended to `out`. Text that is already in it costs one pass and one copy.
/// Equal to the reference for every string: Hugging Face `tokenizers`, which normalises as Unicode 9.0 does.
inline void append_nfc(std::string& out, std::string_view text) {
  if (detail::is_surely_nfc(text)) {
    out.append(text);
    return;
  }
  std::vector<char32_t> part;
  auto finish = [&] {
    detail::order_marks(part);
    detail::compose_all(part);
    for (char32_t c : part) append_utf8(out, c);
    part.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    auto [c, size] = decode_valid(text, at);
    if (!part.empty() && !changes_under_nfc(c) && combining_class(c) == 0) finish();
    detail::append_decomposed(part, c);
    at += size;
  }
  finish();
}

/// Normalisation form C of `text`. Throws errc::bad_text if it is not UTF-8.
inline std::string nfc(std::string_view text) {
  require_utf8(text, "text");
  std::string out;
  out.reserve(text.size());
  append_nfc(out, text);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::text
