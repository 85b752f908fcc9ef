// Box rewards a second on one core: eight predicted boxes against eight true ones, from boxes and from the answer's text.
// Predictions near their truth (a trained model), shuffled and shifted by up to 60 thousandths; and boxes that have nothing
// to do with the truth (the hardest assignments). Also IoUs alone and the assignment alone.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <medmo/core/random.hpp>
#include <medmo/metrics/iou_matrix.hpp>
#include <medmo/metrics/matching.hpp>
#include <medmo/rewards/box.hpp>
#include <string>
#include <vector>

namespace {
using medmo::norm1000;
using boxes = std::vector<medmo::box<norm1000>>;

enum class kind { near_truth, unrelated };

struct question {
  boxes predicted, truth;
  std::string answer;
};

std::vector<question> questions(kind k, std::size_t count, int each) {
  medmo::random_stream random(1, medmo::stream_of("box reward"));
  std::uint64_t at = 0;
  auto up_to = [&](double limit) { return std::floor(random.uniform(at++) * (limit + 1)); };
  auto any = [&] {
    double x = up_to(800), y = up_to(800);
    return medmo::box<norm1000>{x, y, x + 20 + up_to(179), y + 20 + up_to(179)};
  };
  std::vector<question> out(count);
  for (auto& q : out) {
    for (int i = 0; i < each; ++i) {
      auto t = any();
      q.truth.push_back(t);
      if (k == kind::unrelated) t = any();
      auto shift = [&](double v) { return std::clamp(v + up_to(60) - 30, 0.0, 1000.0); };
      medmo::box<norm1000> p{shift(t.x1), shift(t.y1), shift(t.x2), shift(t.y2)};
      if (p.x2 <= p.x1 || p.y2 <= p.y1) p = t;
      q.predicted.insert(q.predicted.begin() + std::ptrdiff_t(random.bits(at++) % (q.predicted.size() + 1)), p);
    }
    q.answer = medmo::text::print_grounding("Nodule", q.predicted);
  }
  return out;
}

void from_boxes(benchmark::State& state, kind k, int each) {
  auto const all = questions(k, 1024, each);
  std::size_t i = 0;
  double sum = 0;
  for (auto _ : state) {
    auto const& q = all[i++ % all.size()];
    sum += medmo::rewards::box_reward(q.predicted, q.truth).value;
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}

void from_text(benchmark::State& state, kind k) {
  auto const all = questions(k, 1024, 8);
  std::size_t i = 0;
  double sum = 0;
  for (auto _ : state) {
    auto const& q = all[i++ % all.size()];
    sum += medmo::rewards::box_reward(q.answer, q.truth).value;
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}

void overlaps(benchmark::State& state) {
  auto const all = questions(kind::near_truth, 64, 64);
  std::size_t i = 0;
  for (auto _ : state) {
    auto const& q = all[i++ % all.size()];
    auto m = medmo::metrics::giou_matrix(medmo::metrics::box_rows<norm1000>(q.predicted),
                                         medmo::metrics::box_rows<norm1000>(q.truth));
    benchmark::DoNotOptimize(m.data());
  }
  state.SetItemsProcessed(state.iterations() * 64 * 64);
}

void assignment(benchmark::State& state) {
  medmo::random_stream random(2, 1);
  auto const n = state.range(0);
  medmo::matrix<double> cost(n, n);
  std::uint64_t at = 0;
  for (auto& c : cost.reshaped()) c = random.uniform(at++);
  for (auto _ : state) benchmark::DoNotOptimize(medmo::metrics::match(cost).cost);
}

BENCHMARK_CAPTURE(from_boxes, 8x8_near_truth, kind::near_truth, 8);
BENCHMARK_CAPTURE(from_boxes, 8x8_unrelated, kind::unrelated, 8);
BENCHMARK_CAPTURE(from_boxes, 1x1, kind::near_truth, 1);
BENCHMARK_CAPTURE(from_boxes, 100x100_near_truth, kind::near_truth, 100);
BENCHMARK_CAPTURE(from_text, 8x8_near_truth, kind::near_truth);
BENCHMARK_CAPTURE(from_text, 8x8_unrelated, kind::unrelated);
BENCHMARK(overlaps);
BENCHMARK(assignment)->Arg(8)->Arg(32)->Arg(200);
}  // namespace

BENCHMARK_MAIN();
