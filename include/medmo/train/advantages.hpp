// From the rewards of groups of completions to the advantages that weigh their tokens: how much better than the others of
// its group a completion is. Source: arXiv 2402.03300, equation of its outcome supervision; MedMO's paper, equation 5; the
// choices are those of TRL 1.16.0's GRPO trainer. Knows no model; rewards come as numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// By what the distance from the group's mean is divided.
enum class reward_scale {
  group,  ///< the group's standard deviation: every group counts alike, easy and hard ones more than mixed ones
  batch,  ///< that of all completions
  none    ///< nothing
};

enum class reward_order {
  sum_then_normalize,  ///< rewards are weighted and summed, then compared
  normalize_then_sum   ///< each reward is compared within its group, then weighted and summed; then scaled over the batch
};

struct advantage_options {
  reward_scale scale = reward_scale::group;
  reward_order order = reward_order::sum_then_normalize;
  double epsilon = 1e-4;  ///< added to every standard deviation
};

/// Mean, and standard deviation of n - 1, of the values that are there; no deviation with fewer than two.
struct spread {
  index present = 0;
  double mean = 0, deviation = 0;
  bool constant = true;  ///< none differs from another
};
inline spread spread_of(std::span<std::optional<double> const> values) {
  spread s;
  double sum = 0, squares = 0;
  std::optional<double> first;
  for (auto const& v : values)
    if (v) {
      ++s.present;
      sum += *v;
      if (!first) first = v;
      s.constant = s.constant && *v == *first;
    }
  if (s.present == 0) return s;
  s.mean = s.constant ? *first : sum / static_cast<double>(s.present);
  for (auto const& v : values)
    if (v) squares += (*v - s.mean) * (*v - s.mean);
  if (s.present > 1) s.deviation = std::sqrt(squares / static_cast<double>(s.present - 1));
  return s;
}

struct advantages {
  std::vector<double> values;                  ///< of each completion
  std::vector<std::optional<double>> totals;   ///< its rewards, weighted and summed; nothing where all are missing
  std::vector<char> constant;                  ///< of each group: 1 where all totals are equal, and it teaches nothing
  index constant_groups() const { return std::count(constant.begin(), constant.end(), char{1}); }
};

/// sum_k weight_k reward_k over the rewards that are there; nothing if none is.
inline std::optional<double> total_reward(std::span<std::optional<double> const> rewards, std::span<double const> weights) {
  std::optional<double> total;
  for (std::size_t k = 0; k < rewards.size(); ++k)
    if (rewards[k]) total = total.value_or(0) + weights[k] * *rewards[k];
  return total;
}

namespace detail {
/// (x - mean) / (deviation + epsilon) within each group; exactly 0 in a group without spread.
inline void standardize(std::span<std::optional<double>> values, std::size_t group, double epsilon) {
  for (std::size_t at = 0; at < values.size(); at += group) {
    auto const part = values.subspan(at, group);
    auto const s = spread_of(part);
    for (auto& v : part)
      if (v) v = s.constant ? 0 : (*v - s.mean) / (s.deviation + epsilon);
  }
}
}  // namespace detail

/// Of completions in groups of `group`, with rewards [completion][reward]; a reward may be missing, and a completion
/// without any has advantage 0 and no part in its group's mean.
///   R_i = sum_k w_k r_ik
///   A_i = (R_i - mean_group R) / (s + epsilon)    s: deviation of the group or the batch; none: no division
///   normalize_then_sum: r_ik first becomes (r_ik - mean_group r_k) / (deviation_group r_k + epsilon), and A_i the sum R_i of
///   those, less the batch's mean and divided by the batch's deviation
/// A group whose totals are equal (normalize_then_sum: whose every reward is) has advantages of exactly 0.
/// Errors: bad_argument for values that are not whole groups; not_finite for a reward or weight that is NaN or infinite.
inline advantages advantages_of(std::span<std::optional<double> const> rewards, std::span<double const> weights, index group,
                                advantage_options const& o = {}) {
  auto const width = weights.size(), size = static_cast<std::size_t>(std::max<index>(group, 0));
  if (width == 0 || size == 0 || rewards.size() % width != 0 || rewards.size() / width % size != 0)
    MEDMO_THROW(errc::bad_argument, "rewards", "whole groups of " + std::to_string(group) + " x " + std::to_string(width),
                std::to_string(rewards.size()));
  for (std::size_t i = 0; i < rewards.size(); ++i)
    if (rewards[i] && !std::isfinite(*rewards[i] * weights[i % width]))
      MEDMO_THROW(errc::not_finite, "reward " + std::to_string(i % width), "a finite value and weight",
                  std::to_string(*rewards[i]) + " and " + std::to_string(weights[i % width]));
  auto sums = [&](std::span<std::optional<double> const> of) {
    std::vector<std::optional<double>> out;
    for (std::size_t at = 0; at < of.size(); at += width) out.push_back(total_reward(of.subspan(at, width), weights));
    return out;
  };
  advantages a;
  a.totals = sums(rewards);
  for (std::size_t at = 0; at < a.totals.size(); at += size)
    a.constant.push_back(spread_of(std::span(a.totals).subspan(at, size)).constant ? 1 : 0);
  a.values.assign(a.totals.size(), 0);

  if (o.order == reward_order::normalize_then_sum) {
    std::vector<std::optional<double>> scores(rewards.begin(), rewards.end()), column(a.totals.size());
    for (std::size_t k = 0; k < width; ++k) {
      for (std::size_t i = 0; i < column.size(); ++i) column[i] = scores[i * width + k];
      detail::standardize(column, size, o.epsilon);
      for (std::size_t i = 0; i < column.size(); ++i) scores[i * width + k] = column[i];
    }
    auto const total = sums(scores);
    auto const all = spread_of(total);
    for (std::size_t at = 0; at < total.size(); at += size) {
      bool const flat = std::all_of(total.begin() + static_cast<std::ptrdiff_t>(at), total.begin() + static_cast<std::ptrdiff_t>(at + size),
                                    [](auto const& t) { return !t || *t == 0; });
      for (std::size_t i = at; i < at + size; ++i)
        if (total[i] && !flat) a.values[i] = (*total[i] - all.mean) / (all.deviation + o.epsilon);
    }
    return a;
  }
  auto const all = spread_of(a.totals);
  for (std::size_t at = 0; at < a.totals.size(); at += size) {
    auto const s = spread_of(std::span(a.totals).subspan(at, size));
    if (s.constant) continue;
    double const by = o.scale == reward_scale::none ? 1 : (o.scale == reward_scale::group ? s.deviation : all.deviation) + o.epsilon;
    for (std::size_t i = at; i < at + size; ++i)
      if (a.totals[i]) a.values[i] = (*a.totals[i] - s.mean) / by;
  }
  return a;
}

}  // namespace medmo::inline MEDMO_ABI::train
