// Mixing: weights, missing values, what a batch reports, groups that teach nothing.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <medmo/rewards/mix.hpp>
#include <optional>
#include <vector>

using namespace medmo::rewards;
using values = std::vector<std::optional<double>>;

namespace {
std::vector<weighted_reward> const three{{"box", 1}, {"label", 0.5}, {"length", 2}};
}

TEST_CASE("mix: the weighted sum of what is there") {
  CHECK(mix(three, values{1.0, 1.0, -0.25}) == 1.0);
  CHECK(mix(three, values{1.0, std::nullopt, -0.25}) == 0.5);
  CHECK(mix(three, values{std::nullopt, 0.0, std::nullopt}) == 0.0);
  CHECK(!mix(three, values{std::nullopt, std::nullopt, std::nullopt}).has_value());
  CHECK(!mix({}, values{}).has_value());
}

TEST_CASE("mix: what is refused, by name") {
  double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(mix(three, values{1.0}), medmo::error);
  for (double bad : {nan, infinite, -infinite}) {
    try {
      mix(three, values{1.0, bad, 0.0});
      FAIL("accepted");
    } catch (medmo::error const& e) {
      CHECK(e.code() == medmo::errc::not_finite);
      CHECK(e.where() == "reward 'label'");
    }
  }
  std::vector<weighted_reward> heavy{{"box", nan}};
  CHECK_THROWS_AS(mix(heavy, values{0.0}), medmo::error);
}

TEST_CASE("mix_groups: each reward, the total, and groups without spread") {
  std::vector<weighted_reward> two{{"box", 1}, {"label", -1}};
  auto report = mix_groups(two,
                           values{0.2, 0.2,                     // 0
                                  0.8, 0.8,                     // 0: both vary, their sum does not
                                  1.0, std::nullopt,            // 1
                                  std::nullopt, std::nullopt},  // nothing
                           2);
  CHECK(report.totals == values{0.0, 0.0, 1.0, std::nullopt});
  CHECK(report.rewards[0].name == "box");
  CHECK(report.rewards[0].present == 3);
  CHECK(report.rewards[0].missing == 1);
  CHECK(report.rewards[0].mean == doctest::Approx(2.0 / 3));
  CHECK(report.rewards[0].deviation == doctest::Approx(std::sqrt((0.21777777 + 0.01777777 + 0.11111111) / 2)));
  CHECK(report.rewards[0].least == 0.2);
  CHECK(report.rewards[0].greatest == 1.0);
  CHECK(report.rewards[1].missing == 2);
  CHECK(report.total.present == 3);
  CHECK(report.total.mean == doctest::Approx(1.0 / 3));
  CHECK(report.groups == 2);
  CHECK(report.constant_groups == 2);
  CHECK(mix_groups(two, values{0.0, 0.0, 1.0, 0.0}, 2).constant_groups == 0);
  CHECK(mix_groups(two, values{0.0, 0.0, 1.0, 0.0}, 1).constant_groups == 2);
  CHECK(mix_groups(two, values{}, 4).groups == 0);
  CHECK(mix_groups(two, values{0.0, 0.0}, 1).rewards[0].deviation == 0);
}

TEST_CASE("mix_groups: values that are not whole groups") {
  for (medmo::index group : {0, -1, 3}) CHECK_THROWS_AS(mix_groups(three, values(6, 0.0), group), medmo::error);
  CHECK_THROWS_AS(mix_groups({}, values{}, 2), medmo::error);
  CHECK_THROWS_AS(mix_groups(three, values(7, 0.0), 2), medmo::error);
}
