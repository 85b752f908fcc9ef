// GIoU and its derivatives by the corners of the predicted box, for use as a loss, 1 - GIoU.
// Source: arXiv 1902.09630, algorithm 2; differentiated by hand. Where a corner of the prediction lies exactly on one of the
// truth the function has a kink: there the truth's side is taken, so that the gradient vanishes at a perfect prediction.
#pragma once

#include <array>

#include "iou.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// d_predicted[k] = d GIoU / d corner k, in the order x1, y1, x2, y2, one over the unit of the boxes.
struct giou_with_gradient {
  double value = 0;
  std::array<double, 4> d_predicted{};
};

namespace detail {
/// A rectangle of sides [x1, x2], [y1, y2] that share corners with the prediction where `own` says 1: its area and derivatives.
struct growing_area {
  double value = 0;
  std::array<double, 4> d{};

  constexpr growing_area(double x1, double y1, double x2, double y2, std::array<double, 4> const& own) {
    double width = std::max(0.0, x2 - x1), height = std::max(0.0, y2 - y1);
    value = width * height;
    if (width > 0) d[0] = -height * own[0], d[2] = height * own[2];
    if (height > 0) d[1] = -width * own[1], d[3] = width * own[3];
  }
};
}  // namespace detail

/// GIoU(predicted, truth) and its gradient by `predicted`; finite for all finite boxes, 0 where an inverted side makes it flat.
/// Allocates nothing. Oracle: a complex step through the definition.
template <class Unit>
constexpr giou_with_gradient giou_gradient(box<Unit> const& predicted, box<Unit> const& truth) {
  auto const &p = predicted, &t = truth;
  auto one_if = [](bool own) { return own ? 1.0 : 0.0; };
  std::array<double, 4> inner{one_if(p.x1 > t.x1), one_if(p.y1 > t.y1), one_if(p.x2 < t.x2), one_if(p.y2 < t.y2)};
  std::array<double, 4> outer{one_if(p.x1 < t.x1), one_if(p.y1 < t.y1), one_if(p.x2 > t.x2), one_if(p.y2 > t.y2)};
  detail::growing_area own(p.x1, p.y1, p.x2, p.y2, {1, 1, 1, 1});
  detail::growing_area shared(std::max(p.x1, t.x1), std::max(p.y1, t.y1), std::min(p.x2, t.x2), std::min(p.y2, t.y2),
                              inner);
  auto around = enclosing(p, t);
  detail::growing_area hull(around.x1, around.y1, around.x2, around.y2, outer);

  giou_with_gradient out;
  out.value = giou(p, t);
  double joined = own.value + area(t) - shared.value;
  if (!(joined > 0) || !(hull.value > 0)) return out;
  for (std::size_t k = 0; k < 4; ++k) {  // GIoU = shared/joined - 1 + joined/hull
    double d_joined = own.d[k] - shared.d[k];
    out.d_predicted[k] = (shared.d[k] - shared.value / joined * d_joined) / joined +
                         (d_joined - joined / hull.value * hull.d[k]) / hull.value;
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
