// Retrieval ranks, bootstrap intervals and paired tests against values computed by hand and by coverage.
#include <doctest/doctest.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "medmo/metrics/bootstrap.hpp"
#include "medmo/metrics/paired_test.hpp"
#include "medmo/metrics/retrieval.hpp"

namespace {
using namespace medmo::metrics;
using doctest::Approx;
using medmo::index;

medmo::view<float> seen(medmo::matrix<float> const& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.cols())};
}

TEST_CASE("retrieval: ranks by hand, ties as told, NaN last") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  medmo::matrix<float> scores(4, 3);
  scores << 3, 2, 1,  //
      1, 1, 1,        //
      5, nan, 4,      //
      nan, 0, 1;
  std::vector<index> const right = {0, 1, 2, 0};
  CHECK(retrieval_ranks(seen(scores), right) == std::vector<double>{1, 3, 2, 3});
  CHECK(retrieval_ranks(seen(scores), right, rank_ties::behind) == std::vector<double>{1, 1, 2, 3});
  CHECK(retrieval_ranks(seen(scores), right, rank_ties::middle) == std::vector<double>{1, 2, 2, 3});
  auto const s = score_retrieval(seen(scores), right);
  CHECK(s.queries == 4);
  CHECK(s.recall_1 == Approx(0.25));
  CHECK(s.recall_5 == 1);
  CHECK(s.mean_rank == Approx(9.0 / 4));
  CHECK(s.median_rank == Approx(2.5));
  CHECK(score_ranks({}).queries == 0);
  std::vector<index> const few = {0}, outside = {0, 1, 2, 3}, negative = {0, 1, 2, -1};
  for (auto const& bad : {few, outside, negative}) CHECK_THROWS_AS(retrieval_ranks(seen(scores), bad), medmo::error);
}

TEST_CASE("retrieval: cosines") {
  medmo::matrix<float> a(2, 2), b(2, 2), wide(1, 3);
  a << 3, 4, 0, 0;
  b << 6, 8, -4, 3;
  wide.setZero();
  auto const c = cosine_scores(seen(a), seen(b));
  CHECK(c(0, 0) == Approx(1));
  CHECK(c(0, 1) == Approx(0));
  CHECK(c(1, 0) == 0);
  CHECK_THROWS_AS(cosine_scores(seen(a), seen(wide)), medmo::error);
}

TEST_CASE("bootstrap: repeatable, within the data, ordered") {
  std::vector<double> const values = {0, 1, 1, 0, 1, 1, 1, 0, 1, 1};
  auto const a = bootstrap_mean(values, {.seed = 7}), again = bootstrap_mean(values, {.seed = 7});
  CHECK(a.value == Approx(0.7));
  CHECK(a.low == again.low);
  CHECK(a.high == again.high);
  std::vector<double> uneven;
  for (int i = 0; i < 30; ++i) uneven.push_back(std::sqrt(i));
  CHECK(bootstrap_mean(uneven, {.seed = 7}).low != bootstrap_mean(uneven, {.seed = 8}).low);
  CHECK(a.low >= 0);
  CHECK(a.low < a.value);
  CHECK(a.value < a.high);
  CHECK(a.high <= 1);
  CHECK(bootstrap_mean(values, {.level = 0.5}).low > bootstrap_mean(values, {.level = 0.99}).low);
  std::vector<double> const same(20, 0.25);
  auto const constant = bootstrap_mean(same, {.kind = bootstrap_interval::bca});
  CHECK(constant.low == 0.25);
  CHECK(constant.high == 0.25);
  CHECK(std::isnan(bootstrap_mean({}).value));
  CHECK_THROWS_AS(bootstrap_mean(values, {.resamples = 0}), medmo::error);
  CHECK_THROWS_AS(bootstrap_mean(values, {.level = 1}), medmo::error);
  std::vector<std::uint64_t> const short_groups = {1};
  CHECK_THROWS_AS(bootstrap_mean(values, {}, short_groups), medmo::error);
}

TEST_CASE("bootstrap: the interval of a mean is that of theory") {
  medmo::random_stream const draw(11, 12);
  std::vector<double> values(400);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = draw.normal(i);
  double mean = 0, variance = 0;
  for (double v : values) mean += v / 400;
  for (double v : values) variance += (v - mean) * (v - mean) / 400;
  double const half = 1.959964 * std::sqrt(variance / 400);
  for (auto kind : {bootstrap_interval::percentile, bootstrap_interval::bca}) {
    auto const e = bootstrap_mean(values, {.resamples = 4000, .seed = 1, .kind = kind});
    CHECK(std::abs(e.low - (mean - half)) < 0.1 * half);
    CHECK(std::abs(e.high - (mean + half)) < 0.1 * half);
  }
}

TEST_CASE("bootstrap: items of a group are drawn together, however groups are numbered") {
  // Ten groups of ten equal items: the interval is that of ten values, far wider than that of a hundred.
  std::vector<double> values;
  std::vector<std::uint64_t> groups, renamed;
  for (std::uint64_t g = 0; g < 10; ++g)
    for (int i = 0; i < 10; ++i) values.push_back(g < 5 ? 0 : 1), groups.push_back(g), renamed.push_back(1000 - 7 * g);
  auto const alone = bootstrap_mean(values, {.seed = 3}), together = bootstrap_mean(values, {.seed = 3}, groups);
  CHECK(together.high - together.low > 2.5 * (alone.high - alone.low));
  auto const same = bootstrap_mean(values, {.seed = 3}, renamed);
  CHECK(same.low == together.low);
  CHECK(same.high == together.high);
}

TEST_CASE("bootstrap: BCa moves the interval of a skewed statistic, NaN resamples are left out") {
  std::vector<double> values;
  for (int i = 0; i < 60; ++i) values.push_back(i % 12 == 0 ? 10 : 1);
  auto const percentile = bootstrap_mean(values, {.seed = 5}),
             bca = bootstrap_mean(values, {.seed = 5, .kind = bootstrap_interval::bca});
  CHECK(bca.low > percentile.low);
  CHECK(bca.high > percentile.high);
  auto const ratio = bootstrap(3,
                               [](std::span<std::size_t const> items) {
                                 return std::count(items.begin(), items.end(), 0u) ? 1.0 : std::nan("");
                               },
                               {.resamples = 200});
  CHECK(ratio.low == 1);
  CHECK(ratio.high == 1);
}

TEST_CASE("paired tests") {
  std::vector<double> a, b;
  for (int i = 0; i < 100; ++i) a.push_back(i % 10 < 8), b.push_back(i % 10 < 5);
  auto const better = paired_bootstrap(a, b, {.seed = 2});
  CHECK(better.difference.value == Approx(0.3));
  CHECK(better.difference.low > 0.15);
  CHECK(better.p_value < 0.01);
  auto const equal = paired_bootstrap(a, a);
  CHECK(equal.p_value == 1);
  CHECK_THROWS_AS(paired_bootstrap(a, std::span(b).first(3)), medmo::error);

  // 9 and 2 discordant: 2 * sum_{k<=2} C(11,k) / 2^11
  std::array<bool, 20> right_a{}, right_b{};
  for (std::size_t i = 0; i < 9; ++i) right_a[i] = true;
  for (std::size_t i = 9; i < 11; ++i) right_b[i] = true;
  auto const m = mcnemar(right_a, right_b);
  CHECK(m.only_a == 9);
  CHECK(m.only_b == 2);
  CHECK(m.p_value == Approx(2 * (1 + 11 + 55) / 2048.0));
  CHECK(mcnemar(right_a, right_a).p_value == 1);
}
}  // namespace
