// Is a model's answer right? Yes/no, closed and open questions, after MedEvalKit's rules, which its scores are published with.
// Multiple choice is choice_answer.hpp. By default what MedEvalKit gets wrong is put right (docs/metrics.md lists each case);
// its own behaviour is a named option. Every verdict says which rule decided.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "answer_text.hpp"
#include "bleu.hpp"
#include "rouge.hpp"
#include "token_f1.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// What decided a verdict.
enum class answer_rule {
  none,            ///< no rule found an answer: counted wrong
  equal,           ///< the answer is the key
  first_word,      ///< it begins with yes or no
  only_word,       ///< of yes and no, exactly one occurs
  letter,          ///< it is, or begins with, an option's letter
  option_text,     ///< it is an option's text
  letter_in_text,  ///< exactly one option's letter is named in it
  text_in_text,    ///< exactly one option's text stands in it
  similarity,      ///< the option most alike (similarity_ratio)
  drawn,           ///< a random option: MMMU's way out, medevalkit only
  same_number,     ///< a number of the key, to two decimals, is among its numbers
  contained,       ///< it contains the key
};

constexpr std::string_view name_of(answer_rule rule) {
  constexpr std::array<std::string_view, 12> names = {"none",       "equal",       "first_word",     "only_word",
                                                      "letter",     "option_text", "letter_in_text", "text_in_text",
                                                      "similarity", "drawn",       "same_number",    "contained"};
  return names[static_cast<std::size_t>(rule)];
}

struct verdict {
  bool correct = false;
  answer_rule rule = answer_rule::none;
  std::optional<std::size_t> choice{};  ///< multiple choice: the option found, 0 is A
  std::string parsed{};                 ///< the answer as it was compared
};

namespace answer_detail {
/// MedEvalKit's cleaning before it compares: lower case, the parsed answer, stripped, without line breaks and full stops.
inline std::string medevalkit_clean(std::string_view response) {
  std::string const parsed = parse_answer(response, answer_rules::medevalkit);
  return replace_all(replace_all(strip(parsed), "\n", ""), ".", "");
}
inline bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }
}  // namespace answer_detail

/// A yes/no question; key "yes" or "no" (any case, marks at its ends).
///   medmo: the parsed answer's first word, if it is yes or no; else whichever of the two occurs as a word, if only one does
///   medevalkit: exactly one of the substrings yes, no ("normal" and "know" hold a no), and the key contained
/// Errors: bad_argument for another key.
inline verdict judge_yes_no(std::string_view response, std::string_view key, answer_rules rules = answer_rules::medmo) {
  std::string const wanted = normalize_answer(key);
  if (wanted != "yes" && wanted != "no") MEDMO_THROW(errc::bad_argument, "yes/no key", "yes or no", std::string(key));
  verdict out;
  if (rules == answer_rules::medevalkit) {
    out.parsed = answer_detail::medevalkit_clean(response);
    if (answer_detail::holds(out.parsed, "yes") != answer_detail::holds(out.parsed, "no")) {
      out.rule = answer_rule::only_word;
      out.correct = answer_detail::holds(out.parsed, wanted);
    }
    return out;
  }
  out.parsed = normalize_answer(parse_answer(response));
  auto const found = split_words(out.parsed);
  auto const yes = static_cast<std::size_t>(std::count(found.begin(), found.end(), "yes"));
  auto const no = static_cast<std::size_t>(std::count(found.begin(), found.end(), "no"));
  if (!found.empty() && (found[0] == "yes" || found[0] == "no")) {
    out.rule = answer_rule::first_word;
    out.correct = found[0] == wanted;
  } else if ((yes > 0) != (no > 0)) {
    out.rule = answer_rule::only_word;
    out.correct = (yes > 0) == (wanted == "yes");
  }
  return out;
}

/// A closed question, answered by one word or phrase: equality, in medmo's rules of normalize_answer on both sides, in
/// medevalkit's of the lower-case text without line breaks and full stops.
inline verdict judge_closed(std::string_view response, std::string_view key, answer_rules rules = answer_rules::medmo) {
  bool const compatible = rules == answer_rules::medevalkit;
  verdict out;
  out.parsed = compatible ? answer_detail::medevalkit_clean(response) : normalize_answer(parse_answer(response));
  std::string const wanted =
      compatible ? replace_all(replace_all(strip(lowercase(key)), "\n", ""), ".", "") : normalize_answer(key);
  out.correct = out.parsed == wanted && !(out.parsed.empty() && !compatible);
  out.rule = out.correct ? answer_rule::equal : answer_rule::none;
  return out;
}

struct open_scores {
  verdict exact;
  std::array<double, bleu_orders> bleu{};  ///< BLEU-1..4, nltk's, unsmoothed
  rouge_scores rouge;                      ///< PyPI rouge's
  overlap_score tokens;                    ///< of sets of words
};

/// An open question: all that MedEvalKit reports, of the parsed answer and the key in lower case, words as tokenize_medevalkit.
/// medevalkit rotates the tokens' names as published tables do: its "precision" is F1, its "recall" precision, its "f1" recall.
inline open_scores judge_open(std::string_view response, std::string_view key,
                              answer_rules rules = answer_rules::medmo) {
  open_scores out;
  out.exact = judge_closed(response, key, rules);
  std::string const answer = parse_answer(response, rules), reference = lowercase(key);
  words const answer_words = tokenize_medevalkit(answer), reference_words = tokenize_medevalkit(reference);
  out.bleu = bleu_nltk_all(count_bleu(answer_words, reference_words));
  out.rouge = rouge_sets(answer, reference);
  auto const t = token_f1(answer_words, reference_words);
  out.tokens = rules == answer_rules::medevalkit ? overlap_score{t.f1, t.precision, t.recall} : t;
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
