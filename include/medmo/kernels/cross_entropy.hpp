// Log-probabilities of target tokens from a few rows of logits, and the gradient back into the same rows: the pieces of a
// loss that never holds the logits of a whole sequence. The same log_sum_exp as generation: the same bits.
#pragma once

#include <span>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "log_sum_exp.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// log_sums[t] = log_sum_exp(logits[t]) and out[t] = logits[t, targets[t]] - log_sums[t]. logits [R, V]. Parallel over R.
inline void log_probabilities(view<float> const& logits, std::span<index const> targets, std::span<double> log_sums,
                              std::span<double> out) {
  parallel_for(logits.rows(), [&](index t) {
    auto const i = static_cast<std::size_t>(t);
    float const* row = logits.data() + t * logits.outerStride();
    log_sums[i] = log_sum_exp({row, static_cast<std::size_t>(logits.cols())});
    out[i] = static_cast<double>(row[targets[i]]) - log_sums[i];
  });
}

/// The gradient of sum_t coefficients[t] ln p_t(targets[t]) by the logits, in their place:
///   logits[t, i] = coefficients[t] ([i = targets[t]] - exp(logits[t, i] - log_sums[t]))
/// logits [R, V]; a row of coefficient 0 becomes zeros. Parallel over R.
inline void log_probabilities_vjp(mutable_view<float> logits, std::span<index const> targets,
                                  std::span<double const> log_sums, std::span<float const> coefficients) {
  parallel_for(logits.rows(), [&](index t) {
    auto const r = static_cast<std::size_t>(t);
    float* row = logits.data() + t * logits.outerStride();
    index const n = logits.cols(), whole = n / 16 * 16;
    float const c = coefficients[r];
    if (c == 0.0f) return std::fill_n(row, n, 0.0f), void();
    f32x16 const shift(static_cast<float>(log_sums[r])), scale(-c);
    for (index i = 0; i < whole; i += 16) (scale * exp_nonpositive(f32x16::load(row + i) - shift)).store(row + i);
    if (whole < n)
      (scale * exp_nonpositive(f32x16::load_first(row + whole, n - whole) - shift)).store_first(row + whole, n - whole);
    row[targets[r]] += c;
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
