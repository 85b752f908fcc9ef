// Boxes with their unit in the type. Mixing units does not compile; conversions are explicit and need the picture's size.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "matrix.hpp"

namespace medmo::inline MEDMO_ABI {

struct pixel {};     ///< unit: pixels of the original picture, x to the right, y down, edges (not centres)
struct norm1000 {};  ///< unit: thousandths of the picture's width and height, as Qwen3-VL writes them

/// Corners (x1, y1) top left and (x2, y2) bottom right.
template <class Unit>
struct box {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  friend constexpr bool operator==(box const&, box const&) = default;
};

/// x_px = x / 1000 * width; exact in double, not rounded.
constexpr box<pixel> to_pixel(box<norm1000> const& b, index width, index height) {
  double sx = static_cast<double>(width) / 1000.0, sy = static_cast<double>(height) / 1000.0;
  return {b.x1 * sx, b.y1 * sy, b.x2 * sx, b.y2 * sy};
}

/// round_half_even(x / width * 1000), clamped to 0..1000. Source: Qwen3-VL's process_bbox (relative variant).
inline box<norm1000> to_norm1000(box<pixel> const& b, index width, index height) {
  auto one = [](double v, index size) {
    return std::clamp(std::nearbyint(v / static_cast<double>(size) * 1000.0), 0.0, 1000.0);
  };
  return {one(b.x1, width), one(b.y1, height), one(b.x2, width), one(b.y2, height)};
}

/// A coordinate as the model's digits give it, in thousandths: expected value and standard deviation (docs/boxes.md).
struct coordinate_estimate {
  double mean = 0, spread = 0;
};

/// One thing found in a picture. `image` counts the pictures of the conversation from 0.
struct detection {
  std::string label;
  box<norm1000> box_norm1000;
  box<pixel> box_px;
  index image = 0;
  std::optional<double> confidence{};  ///< 0..1, for ranking
  std::optional<std::array<coordinate_estimate, 4>> coordinates{};  ///< x1, y1, x2, y2
};

}  // namespace medmo::inline MEDMO_ABI
