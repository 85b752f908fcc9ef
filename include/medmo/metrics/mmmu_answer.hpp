// MMMU's own way of finding an answer in a text, which its published scores use: the letter or text named last, and, where
// there is none, a random option. The draw is medevalkit's rules' only; medmo's count such an answer wrong.
// Source: the benchmark's public evaluation rules as MedEvalKit has them; the search for "key phrases" before an open answer
// is left out: the whole text is looked at.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/random.hpp"
#include "choice_answer.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// For draws: the same seed and item give the same option whatever else is judged. Not Python's generator: an answer drawn
/// there may be another one here.
struct answer_draw {
  std::uint64_t seed = 42;
  std::uint64_t item = 0;
};

/// A multiple-choice question of MMMU; options as texts, key a letter or an option's text. Marks , . ! ? ; : ' at the ends are
/// stripped; then the first of these that is found, its last occurrence deciding between several options:
///   "(B)";  " B " as a capital;  the text of an option, any case, in answers of more than 5 words (medmo: as whole words)
/// Errors: as judge_choice.
inline verdict judge_mmmu_choice(std::string_view response, std::span<std::string const> options, std::string_view key,
                                 answer_rules rules = answer_rules::medmo, answer_draw draw = {}) {
  std::size_t const wanted = find_key(options, key);
  std::string text = " " + std::string(response) + " ";
  for (char mark : {',', '.', '!', '?', ';', ':', '\''}) {
    std::size_t const begin = text.find_first_not_of(mark, 1), end = text.find_last_not_of(mark, text.size() - 2);
    text = begin < text.size() - 1 && end != 0 ? " " + text.substr(begin, end + 1 - begin) + " " : "  ";
  }
  verdict out;
  out.parsed = text.substr(1, text.size() - 2);
  std::size_t last = 0;
  auto look = [&](std::string_view where, std::string_view what, std::size_t option, answer_rule rule) {
    std::size_t const at = where.rfind(what);
    if (at == std::string_view::npos || (out.choice && at <= last)) return;
    out.choice = option, out.rule = rule, last = at;
  };
  auto letter = [](std::size_t i) { return static_cast<char>('A' + i); };
  for (std::size_t i = 0; i < options.size(); ++i)
    look(text, std::string("(") + letter(i) + ")", i, answer_rule::letter_in_text);
  if (!out.choice)
    for (std::size_t i = 0; i < options.size(); ++i)
      look(text, std::string(" ") + letter(i) + " ", i, answer_rule::letter_in_text);
  if (!out.choice && split_words(text).size() > 5) {
    bool const compatible = rules == answer_rules::medevalkit;
    std::string const where = compatible ? lowercase(text) : " " + normalize_answer(text) + " ";
    for (std::size_t i = 0; i < options.size(); ++i) {
      std::string const what = compatible ? lowercase(options[i]) : " " + normalize_answer(options[i]) + " ";
      if (compatible || what.size() > 2) look(where, what, i, answer_rule::text_in_text);
    }
  }
  if (!out.choice && rules == answer_rules::medevalkit) {
    std::uint64_t const bits = random_stream(draw.seed, stream_of("mmmu")).bits(draw.item);
    out.choice = static_cast<std::size_t>(bits % options.size()), out.rule = answer_rule::drawn;
  }
  out.correct = out.choice == wanted;
  return out;
}

namespace mmmu_detail {
/// The numbers in a text, rounded to two decimals: digits with commas between groups, a fraction, an exponent, a sign.
inline std::vector<double> numbers_in(std::string_view text) {
  std::vector<double> out;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text[at]) && !(text[at] == '.' && at + 1 < text.size() && is_digit(text[at + 1]))) {
      ++at;
      continue;
    }
    std::string digits;
    bool const sign = at > 0 && text[at - 1] == '-' && (at < 2 || !(is_digit(text[at - 2]) || is_letter(text[at - 2])));
    if (sign) digits += '-';
    auto more = [&] {
      return at < text.size() &&
             (is_digit(text[at]) || (text[at] == ',' && at + 1 < text.size() && is_digit(text[at + 1])));
    };
    for (; more(); ++at)
      if (text[at] != ',') digits += text[at];
    if (at + 1 < text.size() && text[at] == '.' && is_digit(text[at + 1]))
      for (digits += text[at++]; at < text.size() && is_digit(text[at]); ++at) digits += text[at];
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      std::size_t const power = at + 1 + (at + 1 < text.size() && (text[at + 1] == '-' || text[at + 1] == '+'));
      if (power < text.size() && is_digit(text[power]))
        for (digits.append(text, at, power - at), at = power; at < text.size() && is_digit(text[at]); ++at)
          digits += text[at];
    }
    double const value = std::strtod(digits.c_str(), nullptr);
    if (std::isfinite(value)) out.push_back(std::abs(value) < 1e15 ? std::round(value * 100) / 100 : value);
  }
  return out;
}
}  // namespace mmmu_detail

/// An open question of MMMU; any of several keys. A key that is a number is right if it is among the answer's numbers, both to
/// two decimals; another is right if the answer contains it, any case (medmo: as whole words in normal form).
inline verdict judge_mmmu_open(std::string_view response, std::span<std::string const> keys,
                               answer_rules rules = answer_rules::medmo) {
  verdict out;
  bool const compatible = rules == answer_rules::medevalkit;
  out.parsed = compatible ? lowercase(strip(response)) : normalize_answer(parse_answer(response));
  auto const numbers = mmmu_detail::numbers_in(response);
  for (auto const& key : keys) {
    std::string const plain = compatible ? lowercase(strip(key)) : normalize_answer(key);
    auto const wanted = mmmu_detail::numbers_in(key);
    bool const is_number = wanted.size() == 1 && key.find_first_not_of("0123456789.,+-eE ") == std::string::npos;
    bool const found = is_number    ? std::find(numbers.begin(), numbers.end(), wanted[0]) != numbers.end()
                       : compatible ? !plain.empty() && out.parsed.find(plain) != std::string::npos
                                    : choice_detail::holds_words(out.parsed, plain);
    if (!found) continue;
    out.correct = true;
    out.rule = is_number ? answer_rule::same_number : answer_rule::contained;
    break;
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
