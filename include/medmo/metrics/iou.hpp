// Overlap of two boxes of one unit: IoU and its generalised (GIoU), distance (DIoU) and complete (CIoU) forms.
// Boxes are continuous rectangles: no "+1" for pixels. For many boxes at once see iou_matrix.hpp; for a loss,
// giou_gradient.hpp.
// Degenerate boxes: a side that is inverted counts as 0, so such a box has no area; a ratio 0/0 counts as 0. So IoU with a
// box of no area is 0, also of that box with itself. Coordinates are finite and below 1e100 in size: larger ones overflow.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "../core/box.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

namespace detail {
constexpr double square(double x) { return x * x; }

/// part / whole for 0 <= part <= whole, and 0 for 0/0.
constexpr double share(double part, double whole) { return part / std::max(whole, std::numeric_limits<double>::min()); }

constexpr double rectangle(double x1, double y1, double x2, double y2) {
  return std::max(0.0, x2 - x1) * std::max(0.0, y2 - y1);
}
}  // namespace detail

/// Area in squared units.
template <class Unit>
constexpr double area(box<Unit> const& b) {
  return detail::rectangle(b.x1, b.y1, b.x2, b.y2);
}

/// Area of what two boxes share.
template <class Unit>
constexpr double intersection(box<Unit> const& a, box<Unit> const& b) {
  return detail::rectangle(std::max(a.x1, b.x1), std::max(a.y1, b.y1), std::min(a.x2, b.x2), std::min(a.y2, b.y2));
}

/// The smallest box around two.
template <class Unit>
constexpr box<Unit> enclosing(box<Unit> const& a, box<Unit> const& b) {
  return {std::min(a.x1, b.x1), std::min(a.y1, b.y1), std::max(a.x2, b.x2), std::max(a.y2, b.y2)};
}

/// Intersection over union, 0..1.
///   IoU = |A n B| / |A u B|
template <class Unit>
constexpr double iou(box<Unit> const& a, box<Unit> const& b) {
  double shared = intersection(a, b);
  return detail::share(shared, area(a) + area(b) - shared);
}

/// Generalised IoU, -1..1: apart, boxes still differ by how far.
///   GIoU = IoU - (|C| - |A u B|) / |C|,  C the enclosing box
/// Source: arXiv 1902.09630.
template <class Unit>
constexpr double giou(box<Unit> const& a, box<Unit> const& b) {
  double shared = intersection(a, b), joined = area(a) + area(b) - shared, hull = area(enclosing(a, b));
  return detail::share(shared, joined) - detail::share(std::max(0.0, hull - joined), hull);
}

/// Distance IoU, -1..1.
///   DIoU = IoU - |centre A - centre B|^2 / |diagonal of C|^2
/// Source: arXiv 1911.08287, equations 5-7.
template <class Unit>
constexpr double diou(box<Unit> const& a, box<Unit> const& b) {
  using detail::square;
  auto hull = enclosing(a, b);
  double apart = square((a.x1 + a.x2 - b.x1 - b.x2) / 2) + square((a.y1 + a.y2 - b.y1 - b.y2) / 2);
  return iou(a, b) - detail::share(apart, square(hull.x2 - hull.x1) + square(hull.y2 - hull.y1));
}

/// Complete IoU: DIoU less a term for another aspect ratio. Symmetric in its arguments; not constexpr.
///   CIoU = DIoU - alpha v,  v = 4/pi^2 (atan(w_A/h_A) - atan(w_B/h_B))^2,  alpha = v / (1 - IoU + v)
/// An angle of a box without width and height is 0. Source: arXiv 1911.08287, equations 8-11.
template <class Unit>
double ciou(box<Unit> const& a, box<Unit> const& b) {
  auto angle = [](box<Unit> const& r) { return std::atan2(std::max(0.0, r.x2 - r.x1), std::max(0.0, r.y2 - r.y1)); };
  double v = 4 / detail::square(std::numbers::pi) * detail::square(angle(a) - angle(b));
  return diou(a, b) - detail::share(v * v, 1 - iou(a, b) + v);
}

}  // namespace medmo::inline MEDMO_ABI::metrics
