// Eight numbers that are worked on at once, by Eigen's own vector instructions: what the metrics of boxes have for SIMD.
#pragma once

#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::metrics::detail {

using lanes = Eigen::Array<double, 8, 1>;

/// n, filled up to whole groups of lanes.
constexpr index padded(index n) { return (n + 7) / 8 * 8; }

inline lanes load(double const* p) { return Eigen::Map<lanes const>(p); }
inline void store(double* p, lanes const& x) { Eigen::Map<lanes>{p} = x; }

}  // namespace medmo::inline MEDMO_ABI::metrics::detail
