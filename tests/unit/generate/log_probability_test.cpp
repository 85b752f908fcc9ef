// Log-probabilities against the plain sum in double precision, at lengths with tails, and the order of the most probable.
#include "medmo/generate/log_probability.hpp"

#include <doctest/doctest.h>

#include "medmo/core/random.hpp"

namespace {

using medmo::index;
constexpr float inf = std::numeric_limits<float>::infinity();

std::vector<float> some_logits(index n, float spread, std::uint64_t seed = 21) {
  medmo::random_stream random(seed, medmo::stream_of("logits"));
  std::vector<float> out;
  for (index i = 0; i < n; ++i) out.push_back(spread * random.normal(static_cast<std::uint64_t>(i)));
  return out;
}

double plain_log_sum(std::vector<float> const& logits) {
  double best = -std::numeric_limits<double>::infinity(), sum = 0;
  for (float l : logits) best = std::max(best, static_cast<double>(l));
  for (float l : logits) sum += std::exp(static_cast<double>(l) - best);
  return best + std::log(sum);
}

TEST_CASE("log_probability: is that of the plain sum") {
  for (index n : {1, 2, 15, 16, 17, 255, 1023, 1024, 1025, 1040, 3000, 151936})
    for (float spread : {0.0f, 0.1f, 3.0f, 40.0f}) {
      CAPTURE(n);
      CAPTURE(spread);
      auto const logits = some_logits(n, spread);
      double const expected = plain_log_sum(logits);
      CHECK(std::abs(medmo::log_sum_exp(logits) - expected) <= 1e-6 * std::max(1.0, std::abs(expected)));
      index id = n / 2;
      CHECK(medmo::log_probability(logits, id) ==
            doctest::Approx(static_cast<double>(logits[static_cast<std::size_t>(id)]) - expected).epsilon(1e-6));
    }
}

TEST_CASE("log_probability: tokens that are ruled out count as nothing") {
  CHECK(medmo::log_probability(std::vector{-inf, 2.0f, -inf}, 1) == 0.0);
  CHECK(medmo::log_probability(std::vector{-inf, 2.0f, -inf}, 0) == -static_cast<double>(inf));
  CHECK(medmo::log_sum_exp(std::vector{-inf, -inf}) == -static_cast<double>(inf));
  CHECK(medmo::log_sum_exp(std::vector<float>{}) == -static_cast<double>(inf));
  CHECK(medmo::log_probability(std::vector{1e30f, 0.0f}, 0) == 0.0);
}

TEST_CASE("most_probable: order, ties, and lists shorter than asked for") {
  std::vector<medmo::token_probability> out;
  auto ids = [&](std::vector<float> const& logits, index n) {
    medmo::most_probable(logits, n, out);
    std::vector<index> r;
    for (auto const& t : out) r.push_back(t.id);
    return r;
  };
  using list = std::vector<index>;
  CHECK(ids({1, 3, 2}, 2) == list{1, 2});
  CHECK(ids({1, 3, 2}, 0) == list{});
  CHECK(ids({1, 3, 2}, 9) == list{1, 2, 0});
  CHECK(ids({2, 2, 2, 2}, 2) == list{0, 1});
  CHECK(ids({1, 2, 2, 3, 2}, 3) == list{3, 1, 2});
  CHECK(ids({-inf, 2, -inf}, 3) == list{1});

  auto const logits = some_logits(5000, 3.0f);
  std::vector<index> sorted(logits.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<index>(i);
  std::sort(sorted.begin(), sorted.end(), [&](index a, index b) { return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)]; });
  sorted.resize(20);
  CHECK(ids(logits, 20) == sorted);
  for (auto const& t : out) CHECK(t.log_probability == medmo::log_probability(logits, t.id));
}

}  // namespace
