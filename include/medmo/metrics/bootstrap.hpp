// How sure is a score? Bootstrap intervals of a mean or of any statistic over items; items of one picture or patient can be
// drawn together, since they are not independent. Draw k of resample r is a pure function of the seed (core/random.hpp), so an
// interval does not depend on the machine. Tests between two systems are paired_test.hpp.
// Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile: ch. 13; BCa: ch. 14.3).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/random.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

enum class bootstrap_interval { percentile, bca };

struct bootstrap_options {
  int resamples = 1000;
  double level = 0.95;  ///< share of resamples inside
  std::uint64_t seed = 0;
  bootstrap_interval kind = bootstrap_interval::percentile;
};

struct estimate {
  double value = 0, low = 0, high = 0;
};

/// Items that are drawn together: groups[i] of item i, any numbers; empty: each item by itself.
using item_groups = std::span<std::uint64_t const>;

namespace bootstrap_detail {
inline void check(bootstrap_options const& o) {
  if (o.resamples < 1)
    MEDMO_THROW(errc::bad_argument, "bootstrap: resamples", "at least 1", std::to_string(o.resamples));
  if (!(o.level > 0 && o.level < 1))
    MEDMO_THROW(errc::bad_argument, "bootstrap: level", "above 0 and below 1", std::to_string(o.level));
}

/// Items of each group, in the order of the groups' first appearance.
inline std::vector<std::vector<std::size_t>> clusters(std::size_t items, item_groups groups) {
  if (!groups.empty() && groups.size() != items)
    MEDMO_THROW(errc::bad_argument, "bootstrap: groups", std::to_string(items), std::to_string(groups.size()));
  std::vector<std::vector<std::size_t>> out;
  std::vector<std::size_t> order(items);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!groups.empty())
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return groups[a] < groups[b]; });
  for (std::size_t k = 0; k < items; ++k) {
    if (k == 0 || groups.empty() || groups[order[k]] != groups[order[k - 1]]) out.emplace_back();
    out.back().push_back(order[k]);
  }
  std::sort(out.begin(), out.end());  // by first item: how groups are numbered plays no part
  return out;
}

/// f(items) for each resample: as many clusters as there are, drawn with replacement.
template <class F>
void resample(std::vector<std::vector<std::size_t>> const& from, bootstrap_options const& o, F&& f) {
  std::vector<std::size_t> items;
  for (int r = 0; r < o.resamples; ++r) {
    random_stream const draws(o.seed, mix64(static_cast<std::uint64_t>(r)));
    items.clear();
    for (std::size_t k = 0; k < from.size(); ++k) {
      auto const pick = static_cast<std::size_t>(draws.uniform(k) * static_cast<double>(from.size()));
      items.insert(items.end(), from[pick].begin(), from[pick].end());
    }
    f(std::span<std::size_t const>(items));
  }
}

/// Sorted values at a share of them, between neighbours linearly (numpy's default quantile).
inline double quantile(std::vector<double> const& sorted, double share) {
  double const at = std::clamp(share, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  auto const below = static_cast<std::size_t>(at);
  std::size_t const above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

inline double normal_share(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }
inline double normal_quantile(double share) {  // bisection: a few times an interval, no table of coefficients
  double low = -40, high = 40;
  for (int i = 0; i < 200; ++i) (normal_share((low + high) / 2) < share ? low : high) = (low + high) / 2;
  return (low + high) / 2;
}
}  // namespace bootstrap_detail

/// Value and interval of any statistic of a set of items: statistic(span of item numbers) -> double, called once for all
/// items, once a resample (where an item may stand several times) and, for BCa, once without each cluster.
/// percentile: the (1 -+ level)/2 quantiles of the resamples. BCa: those quantiles moved by bias and acceleration; where
/// they are not defined (all resamples equal, or all on one side), percentile.
/// A statistic that is NaN on a resample is left out; if it is on all, the interval is NaN. No items: all NaN.
/// Errors: bad_argument for options or groups that make no sense.
template <class Statistic>
estimate bootstrap(std::size_t items, Statistic&& statistic, bootstrap_options const& o = {}, item_groups groups = {}) {
  bootstrap_detail::check(o);
  auto const from = bootstrap_detail::clusters(items, groups);
  if (items == 0) return {std::nan(""), std::nan(""), std::nan("")};
  std::vector<std::size_t> all(items);
  std::iota(all.begin(), all.end(), std::size_t{0});
  double const value = statistic(std::span<std::size_t const>(all));

  std::vector<double> drawn;
  bootstrap_detail::resample(from, o, [&](std::span<std::size_t const> chosen) {
    if (double const s = statistic(chosen); !std::isnan(s)) drawn.push_back(s);
  });
  if (drawn.empty()) return {value, std::nan(""), std::nan("")};
  std::sort(drawn.begin(), drawn.end());
  double low = (1 - o.level) / 2, high = (1 + o.level) / 2;

  auto const below = static_cast<double>(std::lower_bound(drawn.begin(), drawn.end(), value) - drawn.begin());
  auto const up_to = static_cast<double>(std::upper_bound(drawn.begin(), drawn.end(), value) - drawn.begin());
  double const share = (below + up_to) / 2 / static_cast<double>(drawn.size());
  if (o.kind == bootstrap_interval::bca && share > 0 && share < 1 && from.size() > 1) {
    std::vector<double> without;
    std::vector<std::size_t> rest;
    for (auto const& left_out : from) {
      rest.clear();
      for (auto const& cluster : from)
        if (&cluster != &left_out) rest.insert(rest.end(), cluster.begin(), cluster.end());
      if (double const s = statistic(std::span<std::size_t const>(rest)); !std::isnan(s)) without.push_back(s);
    }
    double const mean = std::accumulate(without.begin(), without.end(), 0.0) /
                        static_cast<double>(std::max<std::size_t>(1, without.size()));
    double squares = 0, cubes = 0;
    for (double s : without) squares += (mean - s) * (mean - s), cubes += (mean - s) * (mean - s) * (mean - s);
    double const acceleration = squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
    double const bias = bootstrap_detail::normal_quantile(share);
    auto moved = [&](double q) {
      double const z = bias + bootstrap_detail::normal_quantile(q);
      return bootstrap_detail::normal_share(bias + z / (1 - acceleration * z));
    };
    low = moved(low), high = moved(high);
  }
  return {value, bootstrap_detail::quantile(drawn, low), bootstrap_detail::quantile(drawn, high)};
}

/// Of the mean of one number an item.
///   auto accuracy = bootstrap_mean(correct, {.seed = 7}, picture_of_item);   // accuracy.value, .low, .high
inline estimate bootstrap_mean(std::span<double const> values, bootstrap_options const& o = {},
                               item_groups groups = {}) {
  return bootstrap(
      values.size(),
      [&](std::span<std::size_t const> items) {
        double sum = 0;
        for (std::size_t i : items) sum += values[i];
        return sum / static_cast<double>(items.size());
      },
      o, groups);
}

}  // namespace medmo::inline MEDMO_ABI::metrics
