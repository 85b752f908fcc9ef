// One reply judged: the numbers that an item contributes, and which rule decided. Pure functions of item and reply.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/random.hpp"
#include "../metrics/answer.hpp"
#include "../metrics/choice_answer.hpp"
#include "../metrics/detection.hpp"
#include "../metrics/meteor.hpp"
#include "../metrics/mmmu_answer.hpp"
#include "benchmarks.hpp"
#include "reply.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

using metrics::answer_rules;

/// Numbers by name, each 0..1; every one is a mean over items in the end.
using scores = std::vector<std::pair<std::string, double>>;

struct judgement {
  scores values;
  std::string rule;  ///< that decided; empty where none is needed
  std::string parsed;
  metrics::grounded_picture<pixel> boxes;  ///< of a grounding task
};

/// The candidates of likelihood scoring: the letters of a choice, yes and no; none for other tasks.
inline std::vector<std::string> candidates_of(item const& i) {
  if (i.kind == task::yes_no) return {"yes", "no"};
  std::vector<std::string> out;
  if (i.kind == task::choice)
    for (std::size_t n = 0; n < i.options.size(); ++n) out.emplace_back(1, static_cast<char>('A' + n));
  return out;
}

namespace detail {
/// Options as texts without letters, which as_given options carry.
inline std::vector<std::string> bare_options(item const& i, option_marks marks) {
  auto out = i.options;
  if (marks == option_marks::as_given)
    for (auto& one : out)
      if (auto const bare = lettered(one)) one = std::string(bare->second);
  return out;
}

inline metrics::verdict judge_words(benchmark const& b, item const& i, reply const& r, answer_rules rules) {
  std::string const letter(1, static_cast<char>('A' + i.right.value_or(0)));
  if (i.kind == task::choice) {
    auto const options = bare_options(i, b.marks);
    return b.matcher == matcher::mmmu ? metrics::judge_mmmu_choice(r.text, options, letter, rules, {.item = stream_of(i.id)})
                                      : metrics::judge_choice(r.text, options, letter, rules);
  }
  if (i.kind == task::closed && b.matcher == matcher::mmmu) return metrics::judge_mmmu_open(r.text, i.answers, rules);
  metrics::verdict out;
  for (auto const& key : i.answers) {
    out = i.kind == task::yes_no ? metrics::judge_yes_no(r.text, key, rules) : metrics::judge_closed(r.text, key, rules);
    if (out.correct) break;
  }
  return out;
}

inline void judge_free_text(item const& i, reply const& r, answer_rules rules, judgement& out) {
  metrics::open_scores best;
  for (std::size_t n = 0; n < i.answers.size(); ++n)
    if (auto const s = metrics::judge_open(r.text, i.answers[n], rules); n == 0 || s.tokens.f1 > best.tokens.f1) best = s;
  for (std::size_t n = 0; n < best.bleu.size(); ++n) out.values.emplace_back("bleu_" + std::to_string(n + 1), best.bleu[n]);
  out.values.insert(out.values.end(), {{"rouge_1", best.rouge.rouge_1.f1}, {"rouge_2", best.rouge.rouge_2.f1}, {"rouge_l", best.rouge.rouge_l.f1},
                                       {"token_precision", best.tokens.precision}, {"token_recall", best.tokens.recall}, {"token_f1", best.tokens.f1}});
}

inline void judge_report(item const& i, reply const& r, judgement& out) {
  auto const& reference = i.answers.at(0);
  auto words = [](std::string const& text) { return metrics::tokenize_medevalkit(text, metrics::empty_words::drop); };
  auto const answer = words(r.text), truth = words(reference);
  auto const bleu = metrics::bleu_nltk_all(metrics::count_bleu(answer, truth));
  auto const rouge = metrics::rouge_sets(metrics::lowercase(r.text), metrics::lowercase(reference));
  for (std::size_t n = 0; n < bleu.size(); ++n) out.values.emplace_back("bleu_" + std::to_string(n + 1), bleu[n]);
  out.values.insert(out.values.end(), {{"meteor", metrics::meteor(answer, truth)}, {"rouge_1", rouge.rouge_1.f1}, {"rouge_2", rouge.rouge_2.f1},
                                       {"rouge_l", rouge.rouge_l.f1}});
}

/// A label as a number, the same in every picture: a hash of its text, case and blanks at the ends apart.
inline index label_number(std::string_view label) { return static_cast<index>(stream_of(lower(trimmed(label))) >> 1); }

/// Truth and prediction of one picture in its pixels.
inline metrics::grounded_picture<pixel> boxes_of(item const& i, reply const& r, box_labels labels) {
  metrics::grounded_picture<pixel> out;
  auto number = [&](std::string const& label) { return labels == box_labels::ignored ? 0 : label_number(label); };
  index const width = std::max<index>(r.width, 1), height = std::max<index>(r.height, 1);
  for (auto const& t : i.boxes) out.truth.push_back({in_pixels(t, width, height), number(t.label)});
  for (auto const& d : r.detections) out.predicted.push_back({d.box_px, number(d.label), d.confidence.value_or(0)});
  return out;
}
}  // namespace detail

/// Judges one reply. A failed one scores 0 throughout.
inline judgement judge(benchmark const& b, item const& i, reply const& r, answer_rules rules = answer_rules::medmo) {
  judgement out;
  if (i.kind == task::grounding) {
    out.boxes = detail::boxes_of(i, r, b.labels);
    auto const s = metrics::score_picture(out.boxes);
    out.values = {{"mean_iou", s.mean_iou()}, {"f1_50", s.at[0].f1()}};
    return out;
  }
  if (i.kind == task::report) {
    detail::judge_report(i, r, out);
    return out;
  }
  bool correct = false;
  if (!r.log_probabilities.empty()) {
    auto const best = std::max_element(r.log_probabilities.begin(), r.log_probabilities.end()) - r.log_probabilities.begin();
    out.rule = "likelihood";
    correct = i.kind == task::yes_no ? best == (detail::lower(detail::trimmed(i.answers.at(0))) == "yes" ? 0 : 1) : best == i.right.value_or(-1);
    out.parsed = candidates_of(i).at(static_cast<std::size_t>(best));
  } else if (r.failure.empty()) {
    auto const v = detail::judge_words(b, i, r, rules);
    correct = v.correct;
    out.rule = name_of(v.rule);
    out.parsed = v.parsed;
  }
  out.values.emplace_back("accuracy", correct ? 1.0 : 0.0);
  if (i.kind == task::open) detail::judge_free_text(i, r, rules, out);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
