// Texts into words, one function a definition: each overlap metric names the tokenizer it was published with, and its value
// means nothing without it. No regular expressions; every function is linear in the text. Not the model's tokenizer
// (text/tokenizer.hpp), and not the Stanford PTB tokenizer (Java) behind pycocoevalcap: give that one's output as words.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "characters.hpp"
#include "porter_stemmer.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

using words = std::vector<std::string>;
using word_span = std::span<std::string const>;

/// Splits at runs of white space; no empty words. Source: Python's str.split().
inline words split_words(std::string_view text) {
  words out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const here = at;
    if (!is_space(next_character(text, at))) continue;
    if (here > begin) out.emplace_back(text.substr(begin, here - begin));
    begin = at;
  }
  if (begin < text.size()) out.emplace_back(text.substr(begin));
  return out;
}

/// Splits at each occurrence of `separator`; words may be empty, and an empty text is one empty word.
/// Source: Python's str.split(separator).
inline words split_at(std::string_view text, char separator) {
  words out;
  for (std::size_t end; (end = text.find(separator)) != std::string_view::npos; text.remove_prefix(end + 1))
    out.emplace_back(text.substr(0, end));
  out.emplace_back(text);
  return out;
}

enum class empty_words { keep, drop };

/// MedEvalKit's words: lower case, a space before each full stop, split at single spaces. Its report metrics drop the empty
/// words that runs of spaces leave; its metrics of open answers keep them.
inline words tokenize_medevalkit(std::string_view text, empty_words empty = empty_words::keep) {
  auto out = split_at(replace_all(lowercase(text), ".", " ."), ' ');
  if (empty == empty_words::drop) std::erase(out, std::string());
  return out;
}

/// "13a", the default of sacrebleu (mteval-v13a): punctuation apart, full stops and commas only beside a non-digit, a dash
/// behind a digit. Case is kept. Source: sacrebleu 2.6.0, tokenizers/tokenizer_13a.py.
inline words tokenize_13a(std::string_view text) {
  std::string_view const core = strip(text);  // only the end is stripped, so that a final "-\n" breaks no word
  text = core.empty() ? core : text.substr(0, static_cast<std::size_t>(core.data() - text.data()) + core.size());
  std::string line = replace_all(text, "<skipped>", "");
  line = replace_all(replace_all(line, "-\n", ""), "\n", " ");
  constexpr std::array<std::array<std::string_view, 2>, 4> entities{
      {{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}}};
  for (auto const& [entity, character] : entities) line = replace_all(line, entity, character);

  // Three passes as the definition has them, since each sees the spaces of the one before.
  std::string apart = " ";
  for (char c : line) {
    bool const mark =
        (c > ' ' && c <= '~') && !is_letter(c) && !is_digit(c) && c != '\'' && c != ',' && c != '-' && c != '.';
    mark ? (apart.append(1, ' ').append(1, c).append(1, ' ')) : apart.append(1, c);
  }
  apart += ' ';
  auto point = [](char c) { return c == '.' || c == ','; };
  std::string behind;  // a space around a point behind a non-digit
  for (std::size_t i = 0; i < apart.size(); ++i) {
    behind += apart[i];
    if (i + 1 < apart.size() && !is_digit(apart[i]) && point(apart[i + 1]))
      behind.append(1, ' ').append(1, apart[++i]).append(1, ' ');
  }
  std::string before;  // a space around a point before a non-digit
  for (std::size_t i = 0; i < behind.size(); ++i) {
    if (i + 1 < behind.size() && point(behind[i]) && !is_digit(behind[i + 1])) {
      before.append(1, ' ').append(1, behind[i]).append(1, ' ').append(1, behind[i + 1]);
      ++i;
    } else {
      before += behind[i];
    }
  }
  std::string dashes;
  for (std::size_t i = 0; i < before.size(); ++i) {
    dashes += before[i];
    if (i + 1 < before.size() && is_digit(before[i]) && before[i + 1] == '-') dashes.append(" - "), ++i;
  }
  return split_words(dashes);
}

enum class stemming { none, porter };

/// Lower case; runs of a-z and 0-9 are the words; with Porter's stemmer, words of more than three letters are stemmed.
/// Source: rouge-score 0.1.2, tokenize.py.
inline words tokenize_rouge(std::string_view text, stemming stem = stemming::none) {
  std::string const lower = lowercase(text);
  words out;
  auto word = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c); };
  for (std::size_t begin = 0, end; begin < lower.size(); begin = end) {
    for (end = begin; end < lower.size() && word(lower[end]); ++end) {}
    if (end == begin) {
      ++end;
      continue;
    }
    std::string_view const one = std::string_view(lower).substr(begin, end - begin);
    out.push_back(stem == stemming::porter && one.size() > 3 ? porter_stem(one) : std::string(one));
  }
  return out;
}

/// Ours, for CIDEr and METEOR where no other is asked for: lower case; words are runs of letters, digits and anything beyond
/// ASCII, joined inside by a hyphen, an apostrophe or a slash, or by a point or comma between digits; other marks are dropped.
///   "T2-weighted, 2.3 cm (right)." -> t2-weighted 2.3 cm right
inline words tokenize_words(std::string_view text) {
  std::string const lower = lowercase(text);
  words out;
  std::string word;
  auto part = [](char c) { return is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80; };
  for (std::size_t at = 0; at < lower.size();) {
    std::size_t const here = at;
    char const c = lower[at];
    bool const space = is_space(next_character(lower, at));
    char const next = at < lower.size() ? lower[at] : ' ';
    bool const joins = !word.empty() && (((c == '-' || c == '\'' || c == '/') && part(next)) ||
                                         ((c == '.' || c == ',') && is_digit(word.back()) && is_digit(next)));
    if (!space && (part(c) || joins)) {
      word.append(lower, here, at - here);
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
