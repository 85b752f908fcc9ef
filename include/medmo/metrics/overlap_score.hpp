// Precision, recall and their harmonic mean, as every overlap metric returns them.
#pragma once

#include <cstddef>

#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

struct overlap_score {
  double precision = 0, recall = 0, f1 = 0;
};

/// precision = common / answer, recall = common / reference, f1 = 2PR / (P + R + damping); 0 where a divisor is 0.
inline overlap_score overlap(std::size_t common, std::size_t answer, std::size_t reference, double damping = 0) {
  overlap_score s;
  s.precision = answer ? static_cast<double>(common) / static_cast<double>(answer) : 0;
  s.recall = reference ? static_cast<double>(common) / static_cast<double>(reference) : 0;
  double const sum = s.precision + s.recall + damping;
  s.f1 = sum > 0 ? 2 * (s.precision * s.recall) / sum : 0;
  return s;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
