// IoU, GIoU, DIoU and CIoU of every box of one set with every box of another: Eigen in, Eigen out, eight boxes at a time.
// The formulas and the rules for degenerate boxes are those of iou.hpp.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "../core/box.hpp"
#include "../core/matrix.hpp"
#include "iou.hpp"
#include "lanes.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Boxes as rows x1, y1, x2, y2 of a matrix whose unit is part of its type. corners [N, 4].
template <class Unit>
struct box_rows {
  matrix<double, dynamic, 4> corners;

  box_rows() = default;
  explicit box_rows(matrix<double, dynamic, 4> m) : corners(std::move(m)) {}
  explicit box_rows(std::span<box<Unit> const> boxes) : corners(static_cast<index>(boxes.size()), 4) {
    for (index i = 0; i < corners.rows(); ++i) {
      auto const& b = boxes[static_cast<std::size_t>(i)];
      corners.row(i) << b.x1, b.y1, b.x2, b.y2;
    }
  }
  index size() const { return corners.rows(); }
  box<Unit> operator[](index i) const { return {corners(i, 0), corners(i, 1), corners(i, 2), corners(i, 3)}; }
};

namespace detail {
inline lanes lane_share(lanes const& part, lanes const& whole) {
  return part / whole.max(std::numeric_limits<double>::min());
}

/// Eight boxes side by side, one coordinate a lane.
struct eight_boxes {
  lanes x1, y1, x2, y2;

  lanes area() const { return (x2 - x1).max(0.0) * (y2 - y1).max(0.0); }
};

/// Overlaps of one box with eight.
struct eight_overlaps {
  lanes shared, joined, width, height;  // width and height: of the enclosing boxes

  template <class Unit>
  eight_overlaps(box<Unit> const& a, eight_boxes const& b)
      : shared((b.x2.min(a.x2) - b.x1.max(a.x1)).max(0.0) * (b.y2.min(a.y2) - b.y1.max(a.y1)).max(0.0)),
        joined(area(a) + b.area() - shared),
        width(b.x2.max(a.x2) - b.x1.min(a.x1)),
        height(b.y2.max(a.y2) - b.y1.min(a.y1)) {}

  lanes iou() const { return lane_share(shared, joined); }
  lanes giou() const {
    lanes hull = width.max(0.0) * height.max(0.0);
    return iou() - lane_share((hull - joined).max(0.0), hull);
  }
};

template <class Unit>
lanes diou(box<Unit> const& a, eight_boxes const& b, eight_overlaps const& o) {
  lanes apart = ((b.x1 + b.x2 - (a.x1 + a.x2)) / 2).square() + ((b.y1 + b.y2 - (a.y1 + a.y2)) / 2).square();
  return o.iou() - lane_share(apart, o.width.square() + o.height.square());
}

/// f(box of a, eight boxes of b, their overlaps) -> lanes, for every pair. Boxes beyond the last of b are empty.
template <class Unit, class F>
matrix<double> every_pair(box_rows<Unit> const& a, box_rows<Unit> const& b, F const& f) {
  matrix<double> out(a.size(), b.size());
  for (index at = 0; at < b.size(); at += 8) {
    index n = std::min<index>(8, b.size() - at);
    Eigen::Array<double, 8, 4> corners = Eigen::Array<double, 8, 4>::Zero();
    corners.topRows(n) = b.corners.middleRows(at, n).array();
    eight_boxes eight{corners.col(0), corners.col(1), corners.col(2), corners.col(3)};
    for (index i = 0; i < a.size(); ++i) {
      lanes values = f(a[i], eight, eight_overlaps(a[i], eight));
      out.row(i).segment(at, n) = values.head(n).matrix().transpose();
    }
  }
  return out;
}
}  // namespace detail

/// out[i,j] = iou(a[i], b[j]).  a [N, 4], b [M, 4] -> [N, M]. Allocates the result only.
template <class Unit>
matrix<double> iou_matrix(box_rows<Unit> const& a, box_rows<Unit> const& b) {
  return detail::every_pair(a, b, [](auto const&, auto const&, auto const& o) { return o.iou(); });
}

/// out[i,j] = giou(a[i], b[j]).
template <class Unit>
matrix<double> giou_matrix(box_rows<Unit> const& a, box_rows<Unit> const& b) {
  return detail::every_pair(a, b, [](auto const&, auto const&, auto const& o) { return o.giou(); });
}

/// out[i,j] = diou(a[i], b[j]).
template <class Unit>
matrix<double> diou_matrix(box_rows<Unit> const& a, box_rows<Unit> const& b) {
  return detail::every_pair(
      a, b, [](auto const& one, auto const& eight, auto const& o) { return detail::diou(one, eight, o); });
}

/// out[i,j] = ciou(a[i], b[j]). The angles are taken box by box.
template <class Unit>
matrix<double> ciou_matrix(box_rows<Unit> const& a, box_rows<Unit> const& b) {
  matrix<double> out(a.size(), b.size());
  for (index i = 0; i < a.size(); ++i)
    for (index j = 0; j < b.size(); ++j) out(i, j) = ciou(a[i], b[j]);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
