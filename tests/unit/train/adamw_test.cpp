// The optimiser against its formula in double, the norm, and schedules against transformers' factors.
#include "medmo/train/adamw.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "medmo/core/random.hpp"
#include "medmo/train/schedule.hpp"
#include "parity/golden.hpp"

namespace {

using medmo::index;
namespace train = medmo::train;

TEST_CASE("adamw: ten steps against the formula in double") {
  medmo::random_stream random(3, 4);
  std::size_t const n = 70001;  // more than one piece
  std::vector<float> x(n), g(n), m(n), v(n);
  std::vector<double> ex(n), em(n), ev(n);
  for (std::size_t i = 0; i < n; ++i) ex[i] = static_cast<double>(x[i] = random.normal(i));
  train::adamw_options const o{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6};
  double const rate = 1e-2, decay = 0.3, clip = 0.7;
  for (index step = 1; step <= 10; ++step) {
    for (std::size_t i = 0; i < n; ++i) g[i] = random.normal(static_cast<std::uint64_t>(step) * n + i);
    train::adamw_step(x, g, m, v, o, rate, decay, clip, step);
    for (std::size_t i = 0; i < n; ++i) {
      double const d = static_cast<double>(g[i]) * clip;
      em[i] = o.beta1 * em[i] + (1 - o.beta1) * d;
      ev[i] = o.beta2 * ev[i] + (1 - o.beta2) * d * d;
      double const mean = em[i] / (1 - std::pow(o.beta1, step)), square = ev[i] / (1 - std::pow(o.beta2, step));
      ex[i] = ex[i] - rate * decay * ex[i] - rate * mean / (std::sqrt(square) + o.epsilon);
    }
  }
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(static_cast<double>(x[i]) - ex[i]));
  CHECK(worst < 1e-5);
}

TEST_CASE("norm_of: exact to rounding, not finite if a number is not, the same with every thread count") {
  std::vector<float> x(200003, 0.5f);
  std::vector<double> parts;
  CHECK(train::norm_of(x, parts) == doctest::Approx(0.5 * std::sqrt(200003.0)).epsilon(1e-12));
  medmo::set_thread_count(1);
  double const one = train::norm_of(x, parts);
  medmo::set_thread_count(2);
  CHECK(train::norm_of(x, parts) == one);
  medmo::set_thread_count(0);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    x[150000] = bad;
    CHECK(!std::isfinite(train::norm_of(x, parts)));
  }
  CHECK(train::norm_of({}, parts) == 0);
  CHECK(train::clip_factor(0.5, 1) == 1);
  CHECK(train::clip_factor(4, 1) == doctest::Approx(0.25));
}

TEST_CASE("schedule: the factors of transformers") {
  auto const goldens = parity::read_json(std::string(MEDMO_TEST_DATA) + "/train/goldens.json");
  std::size_t seen = 0;
  for (auto const& item : goldens["schedules"].items()) {
    std::string const key = item.key();
    auto const& factors = item.value();
    CAPTURE(key);
    auto const first = key.find(' '), second = key.rfind(' ');
    auto const kind = key.substr(0, first);
    train::schedule const s{kind == "constant" ? train::decline::constant
                            : kind == "linear" ? train::decline::linear
                                               : train::decline::cosine,
                            std::stol(key.substr(first + 1, second)), std::stol(key.substr(second + 1))};
    for (std::size_t i = 0; i < factors.size(); ++i) {
      CAPTURE(i);
      CHECK(s.at(static_cast<index>(i)) == doctest::Approx(factors[i].get<double>()).epsilon(1e-12));
      ++seen;
    }
  }
  CHECK(seen > 100);
}

}  // namespace
