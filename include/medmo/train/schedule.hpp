// Learning rates over time: constant, linear and cosine, each behind a linear warm-up, as factors of the base rate.
// Source: get_constant_schedule_with_warmup, get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup,
// transformers 5.23.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::train {

enum class decline { constant, linear, cosine };

struct schedule {
  decline shape = decline::constant;
  index warm_up = 0;  ///< steps of rising rate; the first of them has rate 0
  index total = 0;    ///< steps in all; linear and cosine end at 0

  /// The factor of step `step`, counted from 0.
  ///   step / max(1, warm_up) below warm_up; then 1, (total - step) / (total - warm_up) or (1 + cos(pi progress)) / 2
  double at(index step) const {
    auto real = [](index n) { return static_cast<double>(n); };
    if (step < warm_up) return real(step) / real(std::max<index>(1, warm_up));
    double const rest = real(std::max<index>(1, total - warm_up));
    switch (shape) {
      case decline::constant: return 1;
      case decline::linear: return std::max(0.0, real(total - step) / rest);
      case decline::cosine: return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * real(step - warm_up) / rest)));
    }
    return 1;
  }
};

}  // namespace medmo::inline MEDMO_ABI::train
