// How many patches a picture or a video has, and how they lie: what the vision room makes and the model consumes.
#pragma once

#include "matrix.hpp"

namespace medmo::inline MEDMO_ABI {

/// Patches of one picture or one video: t time steps of h x w patches (before merging).
struct patch_grid {
  index t = 1, h = 0, w = 0;
  constexpr index patches() const { return t * h * w; }
  constexpr index tokens(index merge) const { return t * (h / merge) * (w / merge); }
  friend constexpr bool operator==(patch_grid const&, patch_grid const&) = default;
};

}  // namespace medmo::inline MEDMO_ABI
