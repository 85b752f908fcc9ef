// Splits text into the pieces within which byte pairs may merge: hand-written scanners for the regular expressions of
// two tokenizer families. Every scanner is one pass, without recursion and without a regular-expression engine.
//   qwen2   (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} | ?[^\s\p{L}\p{N}]+[\r\n]* |
//           \s*[\r\n]+ | \s+(?!\S) | \s+
//   gpt2_single_digits (SmolLM2)   every number character alone, and the text between them by
//           's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
// Sources: the tokenizer.json of Qwen2/Qwen3 and SmolLM2. (?i:'s) also takes U+017F, the long s, as the reference does.
#pragma once

#include <cstddef>
#include <string_view>

#include "unicode.hpp"

namespace medmo::inline MEDMO_ABI::text {

enum class pretokenizer_scheme { qwen2, gpt2_single_digits };

namespace detail {
/// Walks over valid UTF-8; at the end it sees a character of no class.
class scanner {
 public:
  scanner(std::string_view text, std::size_t at) : text_(text), at_(at) { look(); }

  std::size_t at() const { return at_; }
  bool at_end() const { return at_ >= text_.size(); }
  char32_t character() const { return character_; }
  void advance() {
    at_ += size_;
    look();
  }

  bool is(character_class c) const { return !at_end() && class_of(character_) == c; }
  bool is_newline() const { return !at_end() && (character_ == '\n' || character_ == '\r'); }
  template <class Predicate>
  void skip_while(Predicate predicate) {
    while (!at_end() && predicate(*this)) advance();
  }

 private:
  void look() {
    if (at_end()) {
      character_ = 0;
      size_ = 0;
      return;
    }
    auto [c, size] = decode_valid(text_, at_);
    character_ = c;
    size_ = size;
  }

  std::string_view text_;
  std::size_t at_;
  char32_t character_ = 0;
  std::size_t size_ = 0;
};

constexpr char32_t ascii_lower(char32_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

enum class letter_case { exact, ignored };

/// Bytes of an English contraction's suffix at text[at] == '\'', or 0.
inline std::size_t contraction_size(std::string_view text, std::size_t at, letter_case match) {
  scanner s(text, at + 1);
  if (s.at_end()) return 0;
  auto folded = [&] {
    if (match == letter_case::exact) return s.character();
    return s.character() == 0x17F ? U's' : ascii_lower(s.character());
  };
  char32_t first = folded();
  s.advance();
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return s.at() - at;
  if (s.at_end()) return 0;
  char32_t second = folded();
  s.advance();
  bool two = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return two ? s.at() - at : 0;
}

inline constexpr auto is_letter = [](scanner const& s) { return s.is(character_class::letter); };
inline constexpr auto is_other = [](scanner const& s) { return s.is(character_class::other); };
inline constexpr auto is_newline = [](scanner const& s) { return s.is_newline(); };

/// End of the piece that a run of white space yields: up to its last newline if newlines cut (`\s*[\r\n]+`), else all of
/// it at the end of the text, else all but its last character, which belongs to what follows.
template <bool NewlinesCut>
std::size_t white_space_end(std::string_view text, std::size_t begin) {
  scanner s(text, begin);
  std::size_t last = begin, after_newline = 0;
  while (s.is(character_class::space)) {
    last = s.at();
    bool newline = s.is_newline();
    s.advance();
    if (newline) after_newline = s.at();
  }
  if (NewlinesCut && after_newline != 0) return after_newline;
  if (s.at_end() || last == begin) return s.at();
  return last;
}

inline std::size_t qwen2_piece_end(std::string_view text, std::size_t begin) {
  scanner s(text, begin);
  if (s.character() == '\'') {
    if (auto size = contraction_size(text, begin, letter_case::ignored)) return begin + size;
  }
  auto first = class_of(s.character());
  if (first == character_class::number) {
    s.advance();
    return s.at();
  }
  bool newline = s.is_newline(), blank = s.character() == ' ';
  s.advance();
  if (first == character_class::letter || (!newline && is_letter(s))) {
    s.skip_while(is_letter);
    return s.at();
  }
  if (first == character_class::other || (blank && is_other(s))) {
    s.skip_while(is_other);
    s.skip_while(is_newline);
    return s.at();
  }
  return white_space_end<true>(text, begin);
}

/// `text` holds no number character, or is one.
inline std::size_t gpt2_piece_end(std::string_view text, std::size_t begin) {
  scanner s(text, begin);
  if (s.character() == '\'') {
    if (auto size = contraction_size(text, begin, letter_case::exact)) return begin + size;
  }
  auto first = class_of(s.character());
  if (s.character() == ' ') {
    s.advance();
    if (!is_letter(s) && !is_other(s)) return white_space_end<false>(text, begin);
    first = class_of(s.character());
  }
  if (first == character_class::letter) {
    s.skip_while(is_letter);
  } else if (first == character_class::other) {
    s.skip_while(is_other);
  } else if (first == character_class::number) {
    s.advance();
  } else {
    return white_space_end<false>(text, begin);
  }
  return s.at();
}
}  // namespace detail

/// Calls piece(std::string_view) for each piece of `text`, in order; together they are `text`.
/// `text` is valid UTF-8. Time linear in its size, no allocation.
template <pretokenizer_scheme Scheme, class F>
void split(std::string_view text, F&& piece) {
  if constexpr (Scheme == pretokenizer_scheme::qwen2) {
    for (std::size_t at = 0; at < text.size();) {
      auto end = detail::qwen2_piece_end(text, at);
      piece(text.substr(at, end - at));
      at = end;
    }
  } else {
    for (std::size_t at = 0; at < text.size();) {
      detail::scanner s(text, at);
      if (s.is(character_class::number)) {
        s.advance();
      } else {
        s.skip_while([](detail::scanner const& t) { return !t.is(character_class::number); });
      }
      auto part = text.substr(at, s.at() - at);
      for (std::size_t in = 0; in < part.size();) {
        auto end = detail::gpt2_piece_end(part, in);
        piece(part.substr(in, end - in));
        in = end;
      }
      at = s.at();
    }
  }
}

}  // namespace medmo::inline MEDMO_ABI::text
