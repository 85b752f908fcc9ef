// The logarithm of a sum of exponentials: what turns logits into log-probabilities, in generation and in the loss alike.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// The logarithm of the sum of exponentials of the logits [V].
///   m + ln sum_i exp(l_i - m),  m the greatest logit
/// Exponentials in f32 (within 2 units in the last place), summed in f32 over 1024 at a time and in f64 over those: within
/// 1e-6 of the exact value. -infinity counts as nothing; all -infinity gives -infinity. No logit may be NaN or +infinity.
/// Allocates nothing.
inline double log_sum_exp(std::span<float const> logits) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  auto const n = static_cast<index>(logits.size());
  f32x16 best(lowest);
  index i = 0;
  for (; i + 16 <= n; i += 16) best = max(best, f32x16::load(logits.data() + i));
  best = max(best, f32x16::load_first(logits.data() + i, n - i, lowest));
  float lanes[16];
  best.store(lanes);
  float const greatest = *std::max_element(lanes, lanes + 16);
  if (greatest == lowest) return static_cast<double>(lowest);
  f32x16 const shift(greatest);
  double total = 0;
  for (i = 0; i < n;) {
    index const end = std::min(n, i + 1024);
    f32x16 part(0.0f);
    for (; i + 16 <= end; i += 16) part = part + exp_nonpositive(f32x16::load(logits.data() + i) - shift);
    if (i < end) {
      part = part + exp_nonpositive(f32x16::load_first(logits.data() + i, end - i, lowest) - shift);
      i = end;
    }
    total += static_cast<double>(sum(part));
  }
  return static_cast<double>(greatest) + std::log(total);
}

}  // namespace medmo::inline MEDMO_ABI::kernels
