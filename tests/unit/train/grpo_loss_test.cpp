// Advantages and losses of GRPO: TRL's numbers on the same tensors, derivatives against differences, and what must be exact.
#include "medmo/train/grpo_loss.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "medmo/core/random.hpp"
#include "medmo/io/json.hpp"
#include "medmo/train/advantages.hpp"

namespace {

using medmo::index;
using medmo::io::json;
namespace train = medmo::train;
using rewards = std::vector<std::optional<double>>;

json const& goldens() {
  static json const g = medmo::io::read_json(std::string(MEDMO_TEST_DATA) + "/train/grpo.json");
  return g;
}

train::loss_denominator denominator_of(std::string const& name) {
  static std::map<std::string, train::loss_denominator> const all{{"grpo", train::loss_denominator::grpo},
                                                                  {"bnpo", train::loss_denominator::bnpo},
                                                                  {"dr_grpo", train::loss_denominator::dr_grpo},
                                                                  {"dapo", train::loss_denominator::dapo}};
  return all.at(name);
}

/// Completions that own their numbers.
struct batch {
  std::vector<std::vector<double>> policy, old, reference;
  std::vector<std::vector<std::uint8_t>> mask;
  std::vector<double> advantages;

  std::vector<train::scored_completion> scored() const {
    std::vector<train::scored_completion> out;
    for (std::size_t i = 0; i < policy.size(); ++i)
      out.push_back({policy[i], old[i], reference[i], mask[i], advantages[i]});
    return out;
  }
  train::batch_extent extent(index parts = 1) const {
    train::batch_extent e{.completions = static_cast<index>(policy.size()), .parts = parts};
    for (auto const& c : scored()) e.tokens += c.tokens();
    return e;
  }
};

batch golden_batch() {
  auto const& g = goldens()["loss"];
  batch b{g["policy"], g["old"], g["reference"], {}, g["advantages"]};
  for (auto const& p : b.policy) b.mask.emplace_back(p.size(), std::uint8_t{1});
  for (std::size_t i : g["masked"]) std::fill(b.mask[i].begin(), b.mask[i].end(), std::uint8_t{0});
  return b;
}

struct result {
  train::grpo_loss_report all, first;
  std::vector<std::vector<double>> slopes;
};

result loss_of(batch const& b, train::grpo_loss_options const& o, index parts = 1) {
  auto const scored = b.scored();
  auto const size = scored.size() / static_cast<std::size_t>(parts);
  result r;
  for (std::size_t at = 0; at < scored.size(); at += size) {
    auto const part = std::span(scored).subspan(at, size);
    std::size_t tokens = 0;
    for (auto const& c : part) tokens += c.policy.size();
    std::vector<double> slopes(tokens);
    auto const report = train::grpo_loss(part, b.extent(parts), o, slopes);
    if (at == 0) r.first = report;
    r.all += report;
    for (auto next = slopes.begin(); auto const& c : part) {
      r.slopes.emplace_back(next, next + static_cast<std::ptrdiff_t>(c.policy.size()));
      next += static_cast<std::ptrdiff_t>(c.policy.size());
    }
  }
  return r;
}

TEST_CASE("advantages: TRL's") {
  for (auto const& c : goldens()["advantages"]) {
    auto const name = c["name"].get<std::string>();
    CAPTURE(name);
    rewards values;
    for (auto const& row : c["rewards"])
      for (auto const& v : row) values.push_back(v.is_null() ? std::nullopt : std::optional(v.get<double>()));
    auto const scale = c["scale"].get<std::string>();
    train::advantage_options const o{
        .scale = scale == "group" ? train::reward_scale::group : scale == "batch" ? train::reward_scale::batch : train::reward_scale::none,
        .order = c["order"] == "normalize_then_sum" ? train::reward_order::normalize_then_sum : train::reward_order::sum_then_normalize};
    auto const weights = c["weights"].get<std::vector<double>>(), expected = c["advantages"].get<std::vector<double>>();
    auto const a = train::advantages_of(values, weights, c["group"].get<index>(), o);
    REQUIRE(a.values.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(a.values[i] - expected[i]) <= 1e-9);
    }
    CHECK(a.constant_groups() == (name.starts_with("flat") || name.starts_with("lone") ? 1 : 0));
    if (name.starts_with("flat"))
      for (std::size_t i = 4; i < 8; ++i) CHECK(a.values[i] == 0);
  }
}

TEST_CASE("advantages: what is not whole groups, or no number, is refused") {
  std::vector<double> const one{1}, none;
  rewards const four{1.0, 2.0, 3.0, 4.0}, nan{1.0, std::numeric_limits<double>::quiet_NaN()};
  CHECK_THROWS_AS(train::advantages_of(four, one, 3), medmo::error);
  CHECK_THROWS_AS(train::advantages_of(four, one, 0), medmo::error);
  CHECK_THROWS_AS(train::advantages_of(four, one, -2), medmo::error);
  CHECK_THROWS_AS(train::advantages_of(four, none, 2), medmo::error);
  CHECK_THROWS_AS(train::advantages_of(nan, one, 2), medmo::error);
  CHECK(train::advantages_of({}, one, 2).values.empty());
}

TEST_CASE("GRPO losses: values, derivatives, clip shares and KL are TRL's") {
  auto const b = golden_batch();
  double worst = 0;
  for (auto const& c : goldens()["loss"]["cases"]) {
    CAPTURE(c["denominator"].get<std::string>());
    CAPTURE(c["ratio"].get<std::string>());
    CAPTURE(c["parts"].get<index>());
    train::grpo_loss_options o{.denominator = denominator_of(c["denominator"].get<std::string>()),
                               .ratio = c["ratio"] == "token" ? train::ratio_level::token : train::ratio_level::sequence,
                               .clip_low = c["low"],
                               .clip_high = c["high"],
                               .beta = c["beta"],
                               .kl = c["corrected"].get<bool>() ? train::kl_estimate::k3_corrected : train::kl_estimate::k3,
                               .max_completion_tokens = c["longest"]};
    if (!c["delta"].is_null()) o.delta = c["delta"].get<double>();
    auto const r = loss_of(b, o, c["parts"].get<index>());
    CHECK(std::abs(r.all.loss - c["loss"].get<double>()) <= 1e-9);
    // TRL counts in f32
    CHECK(std::abs(r.first.low_share() - c["metrics"]["clip_ratio/low_mean"].get<double>()) <= 1e-7);
    CHECK(std::abs(r.first.high_share() - c["metrics"]["clip_ratio/high_mean"].get<double>()) <= 1e-7);
    if (o.beta != 0) CHECK(std::abs(r.first.mean_kl() - c["metrics"]["kl"].get<double>()) <= 1e-9);
    for (std::size_t i = 0; i < r.slopes.size(); ++i)
      for (std::size_t t = 0; t < r.slopes[i].size(); ++t)
        worst = std::max(worst, std::abs(r.slopes[i][t] - c["slopes"][i][t].get<double>()));
  }
  MESSAGE("largest difference of a derivative: " << worst);
  CHECK(worst <= 1e-9);
}

TEST_CASE("GRPO losses: derivatives against central differences") {
  for (auto ratio : {train::ratio_level::token, train::ratio_level::sequence})
    for (auto kl : {train::kl_estimate::k3, train::kl_estimate::k3_corrected}) {
      auto b = golden_batch();
      train::grpo_loss_options const o{.ratio = ratio, .clip_high = 0.28, .delta = 1.5, .beta = 0.1, .kl = kl};
      auto const r = loss_of(b, o);
      for (std::size_t i = 0; i < b.policy.size(); ++i)
        for (std::size_t t = 0; t < b.policy[i].size(); ++t) {
          double const at = b.policy[i][t], h = 1e-5;
          b.policy[i][t] = at + h;
          double const up = loss_of(b, o).all.loss;
          b.policy[i][t] = at - h;
          double const down = loss_of(b, o).all.loss;
          b.policy[i][t] = at;
          CHECK(r.slopes[i][t] == doctest::Approx((up - down) / (2 * h)).epsilon(1e-5).scale(1e-2));
        }
    }
}

TEST_CASE("GRPO losses: before the policy has moved, every ratio is exactly 1 and nothing is clipped") {
  auto b = golden_batch();
  b.policy = b.old;
  for (auto ratio : {train::ratio_level::token, train::ratio_level::sequence}) {
    auto const r = loss_of(b, {.ratio = ratio, .clip_low = 0, .clip_high = 0});
    CHECK(r.all.least_ratio == 1.0);
    CHECK(r.all.greatest_ratio == 1.0);
    CHECK(r.all.low == 0);
    CHECK(r.all.high == 0);
  }
}

TEST_CASE("GRPO losses: a group without spread, and a masked completion, have derivatives of exactly zero") {
  auto b = golden_batch();
  rewards const flat{0.1, 0.1, 0.1, 0.1, 0.3, 0.1, 0.7, 0.9};
  std::vector<double> const one{0.3};
  for (auto scale : {train::reward_scale::group, train::reward_scale::batch, train::reward_scale::none})
    for (auto order : {train::reward_order::sum_then_normalize, train::reward_order::normalize_then_sum})
      for (auto name : {"grpo", "bnpo", "dr_grpo", "dapo"}) {
        b.advantages = train::advantages_of(flat, one, 4, {.scale = scale, .order = order}).values;
        auto const r = loss_of(b, {.denominator = denominator_of(name)});
        for (std::size_t i : {0, 1, 2, 3, 6})
          for (double s : r.slopes[i]) CHECK(s == 0.0);
        CHECK(r.slopes[4][0] != 0.0);
      }
}

TEST_CASE("GRPO losses: eight completions at once or one at a time, the same") {
  auto const b = golden_batch();
  for (auto ratio : {train::ratio_level::token, train::ratio_level::sequence})
    for (auto name : {"grpo", "dr_grpo", "dapo"}) {
      CAPTURE(name);
      train::grpo_loss_options const o{.denominator = denominator_of(name), .ratio = ratio, .beta = 0.04};
      auto const whole = loss_of(b, o), cut = loss_of(b, o, 8);
      CHECK(whole.slopes == cut.slopes);
      CHECK(whole.all.loss == doctest::Approx(cut.all.loss).epsilon(1e-14));
      CHECK(whole.all.tokens == cut.all.tokens);
      CHECK(whole.all.high == cut.all.high);
      CHECK(whole.all.kl == doctest::Approx(cut.all.kl).epsilon(1e-14));
    }
  CHECK(loss_of(b, {.denominator = train::loss_denominator::bnpo}).slopes !=
        loss_of(b, {.denominator = train::loss_denominator::bnpo}, 8).slopes);
}

TEST_CASE("GRPO losses: sizes and options that cannot be are refused") {
  std::vector<double> const two{-1, -2}, three{-1, -2, -3};
  std::vector<double> slopes(2);
  std::vector<std::uint8_t> const mask(3, 1);
  train::grpo_loss_options const plain, with_kl{.beta = 1};
  CHECK_THROWS_AS(train::grpo_loss({two, three}, {}, 2, plain, slopes), medmo::error);
  CHECK_THROWS_AS(train::grpo_loss({two, two, {}}, {}, 2, with_kl, slopes), medmo::error);
  CHECK_THROWS_AS(train::grpo_loss({two, two, three}, {}, 2, plain, slopes), medmo::error);
  CHECK_THROWS_AS(train::grpo_loss({two, two, {}, mask}, {}, 2, plain, slopes), medmo::error);
  CHECK_THROWS_AS(train::grpo_loss({three, three}, {}, 2, plain, slopes), medmo::error);
  CHECK(train::grpo_loss(train::scored_completion{}, {}, 0, plain, {}).loss == 0);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(train::check(train::grpo_loss_options{.clip_low = 1.5}), medmo::error);
  CHECK_THROWS_AS(train::check(train::grpo_loss_options{.clip_high = -1}), medmo::error);
  CHECK_THROWS_AS(train::check(train::grpo_loss_options{.delta = 0}), medmo::error);
  CHECK_THROWS_AS(train::check(train::grpo_loss_options{.beta = nan}), medmo::error);
  CHECK_THROWS_AS(train::check(train::grpo_loss_options{.max_completion_tokens = 0}), medmo::error);
  train::check(plain);
}

}  // namespace
