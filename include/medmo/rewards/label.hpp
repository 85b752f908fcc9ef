// Label accuracy: is the named finding, or the chosen option, the right one? 1 or 0, and F1 where several labels are due.
// The paper names such a reward and gives no formula; these are the usual ones. Nothing is graded by similarity: a reward
// must not be earned by writing something alike. Scores of benchmarks are metrics/answer.hpp's.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../metrics/answer_text.hpp"
#include "../metrics/choice_answer.hpp"
#include "../text/grounding.hpp"

namespace medmo::inline MEDMO_ABI::rewards {

enum class label_form {
  exact,       ///< byte for byte, but for white space at the ends
  normalised,  ///< metrics::normalize_answer: lower case, without marks and articles
};

/// Labels that mean the same, as the caller says: each group's members stand for its first.
class synonyms {
 public:
  synonyms() = default;
  /// Compared in normal form, whatever label_form says. Errors: bad_argument for a label without letters or in two groups.
  explicit synonyms(std::span<std::vector<std::string> const> groups) {
    for (auto const& group : groups)
      for (auto const& label : group) {
        auto [at, fresh] =
            first_of_.emplace(metrics::normalize_answer(label), metrics::normalize_answer(group.front()));
        if (at->first.empty() || (!fresh && at->second != metrics::normalize_answer(group.front())))
          MEDMO_THROW(errc::bad_argument, "synonyms", "labels, each in one group", "'" + label + "'");
      }
  }

  /// What stands for a label in normal form; nullptr if it is in no group.
  std::string const* operator()(std::string const& normal) const {
    auto at = first_of_.find(normal);
    return at == first_of_.end() ? nullptr : &at->second;
  }

 private:
  std::map<std::string, std::string> first_of_;
};

struct label_options {
  label_form form = label_form::normalised;
  rewards::synonyms synonyms{};
};

namespace detail {
/// The form in which labels are compared.
inline std::string compared(std::string_view label, label_options const& o) {
  auto normal = metrics::normalize_answer(label);
  if (auto const* first = o.synonyms(normal)) return *first;
  return o.form == label_form::exact ? std::string(metrics::strip(label)) : normal;
}

inline std::vector<std::string> distinct(std::span<std::string const> labels, label_options const& o) {
  std::vector<std::string> out;
  for (auto const& label : labels) out.push_back(compared(label, o));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}
}  // namespace detail

/// 1 if a label is the true one, else 0; an empty label is never.
inline double label_match(std::string_view label, std::string_view truth, label_options const& options = {}) {
  auto found = detail::compared(label, options);
  return !found.empty() && found == detail::compared(truth, options) ? 1 : 0;
}

/// label_match of what a completion answers: the content of its <answer> tags, or all of it.
inline double label_reward(std::string_view completion, std::string_view truth, label_options const& options = {}) {
  auto tagged = metrics::tagged_answer(completion);
  return label_match(tagged ? std::string_view(*tagged) : completion, truth, options);
}

/// F1 of two sets of labels; 1 if both are empty. Labels said twice count once.
///   F1 = 2 |A n B| / (|A| + |B|)
inline double label_f1(std::span<std::string const> labels, std::span<std::string const> truth,
                       label_options const& options = {}) {
  auto a = detail::distinct(labels, options), b = detail::distinct(truth, options);
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  auto all = a.size() + b.size();
  return all == 0 ? 1 : 2.0 * static_cast<double>(both.size()) / static_cast<double>(all);
}

/// The labels before the boxes of a completion, in their order, each once; those without a valid box do not count.
inline std::vector<std::string> box_labels(std::string_view completion) {
  std::vector<std::string> out;
  for (auto& b : text::parse_grounding(completion).boxes)
    if (!b.label.empty() && std::find(out.begin(), out.end(), b.label) == out.end()) out.push_back(std::move(b.label));
  return out;
}

/// label_f1 of the labels of its boxes.
inline double box_label_reward(std::string_view completion, std::span<std::string const> truth,
                               label_options const& options = {}) {
  auto labels = box_labels(completion);
  return label_f1(labels, truth, options);
}

/// How freely an option may be named.
enum class choice_reading {
  letter_or_text,  ///< the answer begins with the letter ("B", "(b) text", "**B**:"), or it is the option's text
  in_prose,        ///< also where one letter, or the words of one option, stand in it; never by similarity
};

/// 1 if a completion chooses the right option, else 0. Options as texts without letters; key a letter or an option's text. Read as
/// metrics::judge_choice does. Errors: bad_argument for no or more than 26 options, or a key that is none of them.
inline double choice_reward(std::string_view completion, std::span<std::string const> options, std::string_view key,
                            choice_reading reading = choice_reading::letter_or_text) {
  auto verdict = metrics::judge_choice(completion, options, key);
  using enum metrics::answer_rule;
  bool plain = verdict.rule == letter || verdict.rule == option_text;
  bool prose = verdict.rule == letter_in_text || verdict.rule == text_in_text;
  return verdict.correct && (plain || (prose && reading == choice_reading::in_prose)) ? 1 : 0;
}

}  // namespace medmo::inline MEDMO_ABI::rewards
