// Which option does a model's answer choose? MedEvalKit's multiple-choice rule and MMMU's, each as published and put right.
// Options are counted from 0; their letters are A, B, C ... in that order, 26 at most.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "answer.hpp"
#include "similarity_ratio.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Least similarity_ratio by which medmo's rules take an option for meant (difflib's own cut-off for close matches).
inline constexpr double least_similarity = 0.6;

namespace choice_detail {
using options = std::span<std::string const>;

inline void check(options o) {
  if (o.empty() || o.size() > 26)
    MEDMO_THROW(errc::bad_argument, "multiple choice", "1 to 26 options", std::to_string(o.size()));
}
inline std::optional<std::size_t> index_of(char letter, options o) {
  char const c = lowercase(letter);
  if (c < 'a' || static_cast<std::size_t>(c - 'a') >= o.size()) return std::nullopt;
  return static_cast<std::size_t>(c - 'a');
}
inline std::optional<std::size_t> letter_index(std::string_view text, options o) {
  return text.size() == 1 ? index_of(text[0], o) : std::nullopt;
}

/// The one element of a set of options; none if there are several or none.
class single {
 public:
  void add(std::size_t i) { several_ = several_ || (found_ && *found_ != i), found_ = i; }
  std::optional<std::size_t> get() const { return several_ ? std::nullopt : found_; }

 private:
  std::optional<std::size_t> found_;
  bool several_ = false;
};

/// "b", "b.", "(b) text", "**b**", "b: text", "option b": but not "a mass", where the a is a word.
inline std::optional<std::size_t> leading_letter(std::string_view text, options o) {
  auto skip = [&](std::string_view marks) {
    std::size_t const n = std::min(text.find_first_not_of(marks), text.size());
    text.remove_prefix(n);
    return n > 0;
  };
  skip(" \t\r\n*_\"'`");
  bool named = false;
  for (std::string_view word : {"option ", "choice "})
    if (text.starts_with(word)) text.remove_prefix(word.size()), named = true;
  bool const bracket = skip("([{*");
  if (text.empty() || !index_of(text[0], o)) return std::nullopt;
  std::string_view const rest = text.substr(1);
  bool const ends = rest.empty() || std::string_view(".):]}*\n").find(rest[0]) != std::string_view::npos ||
                    (rest.starts_with(" -") || rest.starts_with(" =")) || (named && rest[0] == ' ');
  if (bracket && !rest.empty() && (is_letter(rest[0]) || rest[0] == ' ')) return std::nullopt;
  // "e.g." and "b.i.d." are words: a letter behind the point without a space between.
  bool const abbreviation = rest.size() > 1 && rest[0] == '.' && is_letter(rest[1]);
  return ends && !abbreviation ? index_of(text[0], o) : std::nullopt;
}

/// Letters named in the original text: "(B)", "option B", or a capital standing alone (A and I only before a mark or the end).
inline std::optional<std::size_t> named_letter(std::string_view text, options o) {
  single found;
  auto at = [&](std::size_t i) { return i < text.size() ? text[i] : ' '; };
  auto word = [](char c) {
    return is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80 || c == '-' || c == '\'';
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const index = index_of(text[i], o);
    if (!index || (i > 0 && word(text[i - 1])) || word(at(i + 1))) continue;
    bool const abbreviates =
        (at(i + 1) == '.' && is_letter(at(i + 2))) || (i > 1 && text[i - 1] == '.' && is_letter(text[i - 2]));
    if (abbreviates) continue;
    bool const bracketed = i > 0 && text[i - 1] == '(' && at(i + 1) == ')';
    std::string const before = lowercase(text.substr(i < 7 ? 0 : i - 7, i < 7 ? i : 7));
    bool const named = before == "option " || before == "choice ";
    bool const capital = text[i] >= 'A' && text[i] <= 'Z';
    bool const a_word = (text[i] == 'A' || text[i] == 'I') && at(i + 1) == ' ' && !strip(text.substr(i + 1)).empty();
    if (bracketed || named || (capital && !a_word)) found.add(*index);
  }
  return found.get();
}

/// The piece of a response whose lower case is `parsed`, most often its end: capitals tell a letter from a word. `parsed` itself
/// where it is no piece of it.
inline std::string_view as_written(std::string_view response, std::string const& parsed) {
  std::size_t const at = lowercase(response).rfind(parsed);
  if (at == std::string::npos || at > response.size()) return parsed;
  auto const piece = response.substr(at, parsed.size());
  return lowercase(piece) == parsed ? piece : std::string_view(parsed);
}

/// Does `part` stand in `text` as whole words? Both normalised.
inline bool holds_words(std::string_view text, std::string_view part) {
  if (part.empty()) return false;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at)
    if ((at == 0 || text[at - 1] == ' ') && (at + part.size() == text.size() || text[at + part.size()] == ' '))
      return true;
  return false;
}

/// The one option whose words stand in the text, not counting those inside a longer option that does.
inline std::optional<std::size_t> contained_option(std::string_view text, std::span<std::string const> normal) {
  std::vector<std::size_t> held;
  for (std::size_t i = 0; i < normal.size(); ++i)
    if (holds_words(text, normal[i])) held.push_back(i);
  single found;
  for (std::size_t i : held) {
    bool const inside = std::any_of(held.begin(), held.end(), [&](std::size_t j) {
      return j != i && normal[j].size() > normal[i].size() && holds_words(normal[j], normal[i]);
    });
    if (!inside) found.add(i);
  }
  return found.get();
}

inline verdict medevalkit_choice(std::string_view response, options o, std::string_view key) {
  std::vector<std::string> lower;
  for (auto const& option : o) lower.push_back(lowercase(option));
  std::string const wanted = lowercase(strip(key));
  std::string text = lowercase(response);
  std::size_t const first = text.find("\n\n"), last = text.rfind("\n\n");
  std::string const head = text.substr(0, first);
  std::string const tail = last == std::string::npos ? text : text.substr(last + 2);
  std::string const tail_word = tail.substr(0, tail.find('.'));
  if (letter_index(head, o))
    text = head;
  else if (letter_index(tail_word, o))
    text = tail_word;
  text = replace_all(lowercase(strip(parse_answer(text, answer_rules::medevalkit))), "\n", "");
  std::string part = text.substr(0, text.find('.'));
  part = part.substr(part.rfind(':') + 1);  // npos + 1 == 0

  verdict out{false, answer_rule::none, std::nullopt, part};
  auto const as_text = std::find(lower.begin(), lower.end(), part);
  auto const as_letter = letter_index(part, o), wanted_letter = letter_index(wanted, o);
  if (as_letter)
    out.choice = as_letter;
  else if (as_text != lower.end())
    out.choice = static_cast<std::size_t>(as_text - lower.begin());
  if (part == wanted) {
    out.rule = answer_rule::equal, out.correct = true;
  } else if (as_letter) {
    out.rule = answer_rule::letter, out.correct = lower[*as_letter] == wanted;
  } else if (as_text != lower.end()) {
    out.rule = answer_rule::option_text, out.correct = wanted_letter && part == lower[*wanted_letter];
  } else {
    out.rule = answer_rule::similarity;
    double best = -1;
    for (std::size_t i = 0; i < lower.size(); ++i)
      if (double const ratio = similarity_ratio(lower[i], text); ratio > best) best = ratio, out.choice = i;
    out.correct = wanted == lower[*out.choice] || wanted_letter == out.choice;
  }
  return out;
}
}  // namespace choice_detail

/// The option that a key names: a letter of the options, else an option's text (normal form). Errors: bad_argument if neither.
inline std::size_t find_key(std::span<std::string const> options, std::string_view key) {
  choice_detail::check(options);
  if (auto letter = choice_detail::letter_index(strip(key), options)) return *letter;
  for (std::size_t i = 0; i < options.size(); ++i)
    if (normalize_answer(options[i]) == normalize_answer(key)) return i;
  MEDMO_THROW(errc::bad_argument, "multiple choice: key", "a letter or the text of an option", std::string(key));
}

/// A multiple-choice question; options as texts without letters, key a letter or an option's text.
/// medmo, the first that fits; two candidates for one rule are none:
///   letter          the parsed answer begins with a letter that is not a word ("B", "(b) ...", "**B**: ...", "Option B")
///   option_text     it is an option, in normal form
///   letter_in_text  one letter is named in it: in brackets, after "option", or a capital standing alone
///   text_in_text    one option stands in it as whole words (an option inside a longer one that is there does not count)
///   similarity      one option is most alike in normal form, by at least least_similarity
///   none            wrong
/// medevalkit: a letter alone in the first or last paragraph is taken; s = what is left of the parsed answer before its first
/// full stop and behind its last colon; right if s is the key, a letter whose option is the key, or the option whose letter is
/// the key; if s is no option at all, the option most alike counts as the answer, whatever was said (the first of equals).
/// Errors: bad_argument for no or more than 26 options, or a key that is none of them.
inline verdict judge_choice(std::string_view response, std::span<std::string const> options, std::string_view key,
                            answer_rules rules = answer_rules::medmo) {
  std::size_t const wanted = find_key(options, key);
  if (rules == answer_rules::medevalkit) return choice_detail::medevalkit_choice(response, options, key);

  verdict out;
  out.parsed = parse_answer(response);
  std::string const plain = normalize_answer(out.parsed);
  std::vector<std::string> normal;
  for (auto const& option : options) normal.push_back(normalize_answer(option));
  auto decide = [&](std::optional<std::size_t> choice, answer_rule rule) {
    if (!choice) return false;
    out.choice = choice, out.rule = rule, out.correct = *choice == wanted;
    return true;
  };
  choice_detail::single equal;
  for (std::size_t i = 0; i < normal.size(); ++i)
    if (!plain.empty() && normal[i] == plain) equal.add(i);
  if (decide(choice_detail::leading_letter(out.parsed, options), answer_rule::letter) ||
      decide(equal.get(), answer_rule::option_text) ||
      decide(choice_detail::named_letter(choice_detail::as_written(response, out.parsed), options),
             answer_rule::letter_in_text) ||
      decide(choice_detail::contained_option(plain, normal), answer_rule::text_in_text))
    return out;
  std::vector<double> ratios;
  for (auto const& option : normal) ratios.push_back(similarity_ratio(option, plain));
  auto const best = std::max_element(ratios.begin(), ratios.end());
  if (*best >= least_similarity && std::count(ratios.begin(), ratios.end(), *best) == 1)
    decide(static_cast<std::size_t>(best - ratios.begin()), answer_rule::similarity);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
