// Answer rules, report labels and text metrics: any bytes are judged, a verdict fits its rule, and scores stay in their range.
#include "harness.hpp"

#include "medmo/metrics/choice_answer.hpp"
#include "medmo/metrics/cider.hpp"
#include "medmo/metrics/meteor.hpp"
#include "medmo/metrics/mmmu_answer.hpp"
#include "medmo/metrics/report.hpp"

namespace fuzz_answers {
using namespace medmo::metrics;

void require_share(double value) { fuzz::require(value >= 0 && value <= 1 + 1e-12, "a score is from 0 to 1"); }
void require_shares(overlap_score const& s) {
  require_share(s.precision), require_share(s.recall), require_share(s.f1);
}
void require_shares(rouge_scores const& s) {
  require_shares(s.rouge_1), require_shares(s.rouge_2), require_shares(s.rouge_l);
}

void require_verdict(verdict const& v, std::size_t options) {
  fuzz::require(!v.correct || v.rule != answer_rule::none, "nothing is right without a rule");
  fuzz::require(!v.choice || *v.choice < options, "a choice is an option");
}

MEDMO_FUZZ_TARGET(answers) {
  fuzz::choices in(input);
  auto const rules = in.byte() & 1 ? answer_rules::medevalkit : answer_rules::medmo;
  std::vector<std::string> options(in.below(30));
  for (auto& option : options) option = in.text().substr(0, 200);
  std::string const key(in.text());
  auto const response = in.rest().substr(0, 4000);
  std::size_t const words_squared = response.size() / 2 * std::min<std::size_t>(key.size(), 4000) / 2;
  fuzz::weight() = 40 * input.size() + words_squared;  // difflib's places; the table of a longest common subsequence

  if (auto v = fuzz::accepted([&] { return judge_choice(response, options, key, rules); }))
    require_verdict(*v, options.size());
  if (auto v = fuzz::accepted([&] { return judge_mmmu_choice(response, options, key, rules); }))
    require_verdict(*v, options.size());
  if (auto v = fuzz::accepted([&] { return judge_yes_no(response, key, rules); })) require_verdict(*v, 0);
  require_verdict(judge_closed(response, key, rules), 0);
  require_verdict(judge_mmmu_open(response, options, rules), 0);
  auto const open = judge_open(response, std::string_view(key).substr(0, 4000), rules);
  require_shares(open.tokens), require_shares(open.rouge);
  for (double b : open.bleu) require_share(b);

  auto const a = tokenize_words(response), k = tokenize_words(std::string_view(key).substr(0, 4000));
  require_share(meteor(a, k));
  require_share(bleu_sacre(count_bleu(tokenize_13a(response), tokenize_13a(key))));
  require_shares(rouge(response, std::string_view(key).substr(0, 4000), stemming::porter));
  require_share(similarity_ratio(response.substr(0, 300), std::string_view(key).substr(0, 300)));
  std::vector<std::vector<words>> const references = {{k}, {split_words(response)}};
  double const consensus = cider(references).score(0, a);
  fuzz::require(consensus >= 0 && consensus <= 10 + 1e-9, "CIDEr is from 0 to 10");

  auto const labels = label_report(response);
  bool clean = true;
  for (std::size_t i = 1; i < observation_count; ++i)
    clean = clean && (static_cast<observation>(i) == observation::support_devices || labels.of[i] < mention::uncertain);
  fuzz::require(clean || labels[observation::no_finding] == mention::none, "No Finding stands alone");
  fuzz::require(normalize_answer(normalize_answer(response)) == normalize_answer(response), "the normal form is one");
}
}  // namespace fuzz_answers
