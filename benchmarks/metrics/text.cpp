// Text metrics, texts in and value out, in microseconds a pair: the pairs of tests/data/metrics/text.json, or of the file that
// MEDMO_TEXT_GOLDENS names. Ratios to the Python packages on the same pairs:
//   tools/time_text_metrics.py --program build/release/benchmarks/bench_metrics_text
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <medmo/metrics/bleu.hpp>
#include <medmo/metrics/choice_answer.hpp>
#include <medmo/metrics/cider.hpp>
#include <medmo/metrics/meteor.hpp>
#include <medmo/metrics/report.hpp>
#include <medmo/metrics/rouge.hpp>
#include <medmo/metrics/token_f1.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {
using namespace medmo::metrics;

struct pair {
  std::string answer, reference;
};

std::vector<pair> const& pairs() {
  static auto const all = [] {
    char const* named = std::getenv("MEDMO_TEXT_GOLDENS");
    std::ifstream in(named ? named : MEDMO_TEST_DATA "/metrics/text.json");
    std::vector<pair> out;
    auto const golden = nlohmann::json::parse(in);
    auto says_something = [](std::string const& text) { return text.find_first_not_of(" .") != std::string::npos; };
    for (auto const& item : golden.at("items")) {
      pair p{item.at("answer").get<std::string>(), item.at("references").at(0).get<std::string>()};
      if (says_something(p.answer) && says_something(p.reference)) out.push_back(std::move(p));
    }
    return out;
  }();
  return all;
}

template <class F>
void each_pair(benchmark::State& state, F&& f) {
  for (auto _ : state)
    for (auto const& p : pairs()) benchmark::DoNotOptimize(f(p.answer, p.reference));
  // A rate counts pairs a microsecond; inverted it is microseconds a pair.
  state.counters["microseconds_a_pair"] =
      benchmark::Counter(static_cast<double>(pairs().size()) * 1e-6,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void bleu_nltk(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const& r) {
    return bleu_nltk_all(count_bleu(tokenize_medevalkit(a), tokenize_medevalkit(r)));
  });
}
void bleu_sacrebleu(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const& r) {
    return bleu_sacre(count_bleu(tokenize_13a(a), tokenize_13a(r)), bleu_smoothing::exponential,
                      bleu_length_order::effective);
  });
}
void rouge_score(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const& r) { return rouge(a, r); });
}
void rouge_score_stemmed(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const& r) { return rouge(a, r, stemming::porter); });
}
void rouge_of_sets(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const& r) { return rouge_sets(a, r); });
}
void meteor_stems(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const& r) { return meteor(split_words(a), split_words(r)); });
}
void token_f1_sets(benchmark::State& state) {
  each_pair(state,
            [](auto const& a, auto const& r) { return token_f1(tokenize_medevalkit(a), tokenize_medevalkit(r)).f1; });
}
void report_labels(benchmark::State& state) {
  each_pair(state, [](auto const& a, auto const&) { return label_report(a); });
}
void choice(benchmark::State& state) {
  std::vector<std::string> const options = {"Pneumothorax", "Pleural effusion", "Pneumonia", "Pulmonary edema"};
  each_pair(state, [&](auto const& a, auto const&) { return judge_choice(a, options, "B"); });
}
void cider_of_set(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<words> answers;
    std::vector<std::vector<words>> references;
    for (auto const& p : pairs())
      answers.push_back(split_words(p.answer)), references.push_back({split_words(p.reference)});
    benchmark::DoNotOptimize(score_cider(answers, references));
  }
  state.counters["microseconds_a_pair"] =
      benchmark::Counter(static_cast<double>(pairs().size()) * 1e-6,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
}  // namespace

BENCHMARK(bleu_nltk)->Unit(benchmark::kMillisecond);
BENCHMARK(bleu_sacrebleu)->Unit(benchmark::kMillisecond);
BENCHMARK(rouge_score)->Unit(benchmark::kMillisecond);
BENCHMARK(rouge_score_stemmed)->Unit(benchmark::kMillisecond);
BENCHMARK(rouge_of_sets)->Name("rouge_sets")->Unit(benchmark::kMillisecond);
BENCHMARK(meteor_stems)->Name("meteor")->Unit(benchmark::kMillisecond);
BENCHMARK(cider_of_set)->Name("cider")->Unit(benchmark::kMillisecond);
BENCHMARK(token_f1_sets)->Name("token_f1")->Unit(benchmark::kMillisecond);
BENCHMARK(report_labels)->Unit(benchmark::kMillisecond);
BENCHMARK(choice)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
