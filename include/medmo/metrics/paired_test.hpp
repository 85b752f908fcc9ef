// Is one system better than another on the same items? A paired bootstrap of the difference, and McNemar's exact test where an
// item is only right or wrong.
// Sources: Koehn, EMNLP 2004 (paired bootstrap); McNemar, Psychometrika 12, 1947.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "bootstrap.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

struct paired_difference {
  estimate difference;  ///< mean of a - b, with its interval
  double p_value =
      1;  ///< two-sided: (1 + 2 * the smaller number of resamples with a difference <= 0, >= 0) / (1 + resamples), <= 1
};

namespace paired_detail {
inline void check(std::size_t a, std::size_t b) {
  if (a != b)
    MEDMO_THROW(errc::bad_argument, "paired test", "as many items of both: " + std::to_string(a), std::to_string(b));
}
}  // namespace paired_detail

/// The mean difference of two systems' scores of the same items. Errors: bad_argument for different sizes, and bootstrap's.
inline paired_difference paired_bootstrap(std::span<double const> a, std::span<double const> b,
                                          bootstrap_options const& o = {}, item_groups groups = {}) {
  paired_detail::check(a.size(), b.size());
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  paired_difference out;
  out.difference = bootstrap_mean(differences, o, groups);
  if (a.empty()) return out;
  double not_above = 0, not_below = 0;
  bootstrap_detail::resample(bootstrap_detail::clusters(a.size(), groups), o, [&](std::span<std::size_t const> items) {
    double sum = 0;
    for (std::size_t i : items) sum += differences[i];
    not_above += sum <= 0, not_below += sum >= 0;
  });
  out.p_value = std::min(1.0, (1 + 2 * std::min(not_above, not_below)) / (1.0 + o.resamples));
  return out;
}

struct mcnemar_result {
  std::int64_t only_a = 0;  ///< items that only the first system has right
  std::int64_t only_b = 0;
  double p_value = 1;  ///< two-sided, exact
};

/// p = min(1, 2 * P(X <= min(only_a, only_b))), X binomial of only_a + only_b fair coins.
/// Errors: bad_argument for different sizes.
inline mcnemar_result mcnemar(std::span<bool const> a, std::span<bool const> b) {
  paired_detail::check(a.size(), b.size());
  mcnemar_result out;
  for (std::size_t i = 0; i < a.size(); ++i) out.only_a += a[i] && !b[i], out.only_b += b[i] && !a[i];
  auto const n = static_cast<double>(out.only_a + out.only_b);
  auto const least = static_cast<double>(std::min(out.only_a, out.only_b));
  double tail = 0, log_ways = 0;  // ways to choose k of n
  for (double k = 0; k <= least; ++k) {
    if (k > 0) log_ways += std::log((n - k + 1) / k);
    tail += std::exp(log_ways - n * std::numbers::ln2);
  }
  out.p_value = std::min(1.0, 2 * tail);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
