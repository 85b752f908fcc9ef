// Several rewards into one: a weighted sum in which missing values are skipped, and a report of each reward and of the sum.
// What training sees is the sum: a reward of healthy spread says nothing if the sum of its group has none, so that is counted
// too. Source: TRL 1.16.0's GRPO trainer (sum over rewards, missing ones left out, standard deviations of n - 1).
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::rewards {

struct weighted_reward {
  std::string name;
  double weight = 1;
};

/// Mean, standard deviation (n - 1; 0 of one value), least and greatest of the values that are there.
struct reward_statistics {
  std::string name;
  index present = 0, missing = 0;
  double mean = 0, deviation = 0, least = 0, greatest = 0;
};

struct mix_report {
  std::vector<std::optional<double>> totals;  ///< of each completion; nothing where every reward is missing
  std::vector<reward_statistics> rewards;     ///< of each reward, before its weight
  reward_statistics total;                    ///< of the totals
  index groups = 0;
  index constant_groups = 0;  ///< whose totals differ by 1e-8 at most: they teach nothing
};

namespace detail {
inline reward_statistics statistics_of(std::string name, std::span<std::optional<double> const> values) {
  reward_statistics s;
  s.name = std::move(name);
  double sum = 0;
  for (auto const& v : values) {
    if (!v) {
      ++s.missing;
      continue;
    }
    s.least = s.present ? std::min(s.least, *v) : *v;
    s.greatest = s.present ? std::max(s.greatest, *v) : *v;
    ++s.present;
    sum += *v;
  }
  if (s.present) s.mean = sum / static_cast<double>(s.present);
  double squares = 0;
  for (auto const& v : values)
    if (v) squares += (*v - s.mean) * (*v - s.mean);
  if (s.present > 1) s.deviation = std::sqrt(squares / static_cast<double>(s.present - 1));
  return s;
}
}  // namespace detail

/// sum_k weight_k value_k over the values that are there; nothing if none is. One value for each reward. Errors: bad_argument for
/// another number of values, not_finite for a value or weight that is NaN or infinite; both name the reward.
inline std::optional<double> mix(std::span<weighted_reward const> rewards,
                                 std::span<std::optional<double> const> values) {
  if (rewards.size() != values.size())
    MEDMO_THROW(errc::bad_argument, "rewards", std::to_string(rewards.size()) + " values",
                std::to_string(values.size()));
  std::optional<double> total;
  for (std::size_t k = 0; k < rewards.size(); ++k) {
    if (!values[k]) continue;
    double part = rewards[k].weight * *values[k];
    if (!std::isfinite(part))
      MEDMO_THROW(errc::not_finite, "reward '" + rewards[k].name + "'", "a finite value and weight",
                  std::to_string(*values[k]) + " and " + std::to_string(rewards[k].weight));
    total = total.value_or(0) + part;
  }
  return total;
}

/// The mix of many completions. values[completion * rewards + reward]; each `group` completions in a row answer one prompt.
/// Errors: those of mix; bad_argument if the values are not whole groups.
inline mix_report mix_groups(std::span<weighted_reward const> rewards, std::span<std::optional<double> const> values,
                             index group) {
  auto const width = rewards.size(), whole = width * static_cast<std::size_t>(std::max<index>(group, 0));
  if (whole == 0 || values.size() % whole != 0)
    MEDMO_THROW(errc::bad_argument, "values",
                "whole groups of " + std::to_string(group) + " x " + std::to_string(width),
                std::to_string(values.size()));
  mix_report report;
  for (std::size_t at = 0; at < values.size(); at += width)
    report.totals.push_back(mix(rewards, values.subspan(at, width)));
  for (std::size_t k = 0; k < width; ++k) {
    std::vector<std::optional<double>> one;
    for (std::size_t at = k; at < values.size(); at += width) one.push_back(values[at]);
    report.rewards.push_back(detail::statistics_of(rewards[k].name, one));
  }
  report.total = detail::statistics_of("total", report.totals);
  auto totals = std::span(std::as_const(report.totals));
  for (std::size_t at = 0; at < totals.size(); at += static_cast<std::size_t>(group)) {
    auto s = detail::statistics_of("", totals.subspan(at, static_cast<std::size_t>(group)));
    ++report.groups;
    report.constant_groups += s.greatest - s.least <= 1e-8 ? 1 : 0;
  }
  return report;
}

}  // namespace medmo::inline MEDMO_ABI::rewards
