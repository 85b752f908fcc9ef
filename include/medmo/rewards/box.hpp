// The box reward of MedMO's GRPO stage: how well predicted boxes cover the true ones, 0..1, from boxes or from an answer.
//   L1_ij = (|dx1| + |dy1| + |dx2| + |dy2|) / (2 sqrt(H^2 + W^2))                         (7)   i predicted, j true
//   C_ij  = 5 L1_ij + 2 (1 - GIoU_ij), M the one-to-one assignment of least cost          (8)   |M| = min(P, G)
//   s_ij  = (5 (1 - clip01(L1_ij)) + 2 (GIoU_ij + 1) / 2) / 7                             (9)
//   B     = 1/G sum over M of s_ij                                                        (10)
//   Pen   = (lFN (G - |M|) + lFP (P - |M|)) / max(1, G)                                   (11)
//   R     = clip01(B - Pen)                                                               (12)
// Source: MedMO's paper, equations 7-12. What it leaves open is an option of `box_reward_options` (docs/rewards.md).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/box.hpp"
#include "../core/error.hpp"
#include "../metrics/iou_matrix.hpp"
#include "../metrics/matching.hpp"
#include "../text/grounding.hpp"

namespace medmo::inline MEDMO_ABI::rewards {

/// What becomes of a prediction that is no box: inverted, without area, not finite, and in a text also three numbers, fractions
/// and whatever else text/grounding.hpp drops.
enum class unusable {
  dropped,  ///< as if it had not been written
  counted,  ///< a prediction without partner: it raises P in (11)
  zero,     ///< one of them and the reward is 0
};

struct picture_size {
  double width = 1000, height = 1000;
};

/// The numbers of the paper, and a choice wherever it names none.
struct box_reward_options {
  double l1_weight = 5, giou_weight = 2;                        ///< in (8) and (9), which divides by their sum
  double false_negative_weight = 0, false_positive_weight = 0;  ///< lFN and lFP of (11); the paper calls both optional
  rewards::unusable unusable = unusable::dropped;
  double nothing_to_find = 1;  ///< R for G = P = 0
  double false_alarm = 0;      ///< R for G = 0 < P
  double nothing_found = 0;    ///< R for P = 0 < G; (10) to (12) give 0 as well
  double unparsable = 0;       ///< R, before all of these, if something was written as a box and nothing of it is one
  /// W and H of (7) for boxes in thousandths. 1000 x 1000 is the grid they are written on; given the picture's size, L1 is that of
  /// its pixels. GIoU is the same in both.
  picture_size picture{};
};

/// The reward and what it is made of.
struct box_score {
  double value = 0;                             ///< R of (12)
  double quality = 0;                           ///< B of (10)
  double penalty = 0;                           ///< Pen of (11)
  index matched = 0, predicted = 0, truth = 0;  ///< |M|, P, G
  index unusable = 0;                           ///< predictions that are no box
};

namespace detail {
using metrics::detail::lanes;
using metrics::detail::padded;

/// Up to so many boxes on either side, nothing is allocated.
inline constexpr int on_stack = 32;

/// What boxes in thousandths are written on.
inline constexpr picture_size grid{1000, 1000};

/// The weights of |dx| and |dy| in (7), for boxes whose unit divides the picture into `units`.
struct l1_scale {
  double x, y;
  l1_scale(picture_size units, picture_size picture) {
    auto [w, h] = picture;
    if (!(w >= 1 && w <= 1e9 && h >= 1 && h <= 1e9))
      MEDMO_THROW(errc::bad_argument, "picture", "a width and height of 1..1e9",
                  std::to_string(w) + " x " + std::to_string(h));
    double diagonal = 2 * std::sqrt(w * w + h * h);
    x = w / units.width / diagonal;
    y = h / units.height / diagonal;
  }
};

template <class Unit>
bool is_usable(box<Unit> const& b) {
  auto near = [](double v) { return std::abs(v) <= 1e9; };
  return b.x1 < b.x2 && b.y1 < b.y2 && near(b.x1) && near(b.y1) && near(b.x2) && near(b.y2);
}

/// A list without memory of its own up to a capacity, or on the heap.
template <class T, int Capacity>
struct list {
  std::array<T, Capacity> items;
  std::size_t size = 0;
  void push_back(T const& x) { items[size++] = x; }
  std::span<T> all() { return {items.data(), size}; }
};
template <class T>
struct list<T, dynamic> {
  std::vector<T> items;
  void push_back(T const& x) { items.push_back(x); }
  std::span<T> all() { return items; }
};

/// Boxes from left to right and top to bottom: whatever comes after sees one order, so no bit depends on that of the caller.
template <class Unit>
void sort(std::span<box<Unit>> boxes) {
  std::sort(boxes.begin(), boxes.end(), [](auto const& a, auto const& b) {
    if (a.x1 != b.x1) return a.x1 < b.x1;
    if (a.y1 != b.y1) return a.y1 < b.y1;
    if (a.x2 != b.x2) return a.x2 < b.x2;
    return a.y2 < b.y2;
  });
}

/// The sum of s_ij over the assignment of least cost. rows are the fewer.
template <int Capacity, class Unit>
double sum_of_best(std::span<box<Unit> const> rows, std::span<box<Unit> const> columns, l1_scale scale,
                   box_reward_options const& o) {
  constexpr int entries = Capacity == dynamic ? dynamic : Capacity * Capacity;
  auto const n = static_cast<index>(rows.size()), m = static_cast<index>(columns.size()), stride = padded(m);
  Eigen::Array<double, entries, 1> cost, quality;
  if constexpr (Capacity == dynamic) {
    cost.resize(n * stride);
    quality.resize(n * stride);
  }
  for (index at = 0; at < m; at += 8) {
    metrics::detail::eight_boxes eight;
    for (index k = 0; k < 8; ++k) {  // beyond the last, the last again: finite, and never chosen
      auto const& b = columns[static_cast<std::size_t>(std::min(at + k, m - 1))];
      eight.x1[k] = b.x1, eight.y1[k] = b.y1, eight.x2[k] = b.x2, eight.y2[k] = b.y2;
    }
    for (index i = 0; i < n; ++i) {
      auto const& a = rows[static_cast<std::size_t>(i)];
      lanes l1 = ((eight.x1 - a.x1).abs() + (eight.x2 - a.x2).abs()) * scale.x +
                 ((eight.y1 - a.y1).abs() + (eight.y2 - a.y2).abs()) * scale.y;
      lanes giou = metrics::detail::eight_overlaps(a, eight).giou();
      metrics::detail::store(&cost[i * stride + at], o.l1_weight * l1 + o.giou_weight * (1.0 - giou));
      metrics::detail::store(&quality[i * stride + at],
                             o.l1_weight * (1.0 - l1.min(1.0)) + o.giou_weight / 2 * (giou + 1.0));
    }
  }
  metrics::detail::assignment_space<Capacity> space(m);
  metrics::detail::assign(cost.data(), stride, n, m, space);
  double sum = 0;
  for (index i = 0; i < n; ++i) sum += quality[i * stride + space.column_of[i]];
  return sum / (o.l1_weight + o.giou_weight);
}

template <int Capacity, class Unit>
box_score score(std::span<box<Unit> const> predicted, std::span<box<Unit> const> truth, index unusable_before,
                l1_scale scale, box_reward_options const& o) {
  list<box<Unit>, Capacity> usable, wanted;
  for (auto const& b : predicted)
    if (is_usable(b)) usable.push_back(b);
  for (auto const& b : truth) {
    if (!is_usable(b))
      MEDMO_THROW(errc::bad_argument, "truth", "boxes with an area, corners up to 1e9",
                  "box " + std::to_string(&b - truth.data()) + ": [" + std::to_string(b.x1) + ", " +
                      std::to_string(b.y1) + ", " + std::to_string(b.x2) + ", " + std::to_string(b.y2) + "]");
    wanted.push_back(b);
  }
  auto p = usable.all(), g = wanted.all();

  box_score s;
  s.unusable = unusable_before + static_cast<index>(predicted.size() - p.size());
  s.predicted = static_cast<index>(p.size()) + (o.unusable == unusable::counted ? s.unusable : 0);
  s.truth = static_cast<index>(g.size());
  if (s.unusable > 0 && (p.empty() || o.unusable == unusable::zero)) {
    s.value = p.empty() ? o.unparsable : 0;
    return s;
  }
  if (g.empty() || p.empty()) {
    s.value = p.empty() ? (g.empty() ? o.nothing_to_find : o.nothing_found) : o.false_alarm;
    return s;
  }
  sort(p);
  sort(g);
  s.matched = static_cast<index>(std::min(p.size(), g.size()));
  double sum =
      p.size() <= g.size() ? sum_of_best<Capacity, Unit>(p, g, scale, o) : sum_of_best<Capacity, Unit>(g, p, scale, o);
  auto of_truth = [&](double x) { return x / static_cast<double>(s.truth); };
  s.quality = of_truth(sum);
  s.penalty = of_truth(o.false_negative_weight * static_cast<double>(s.truth - s.matched) +
                       o.false_positive_weight * static_cast<double>(s.predicted - s.matched));
  s.value = std::clamp(s.quality - s.penalty, 0.0, 1.0);
  return s;
}

inline void check(box_reward_options const& o) {
  auto refuse = [](char const* name, double found) {
    MEDMO_THROW(errc::bad_argument, name, "a number 0..1e9, not both weights 0", std::to_string(found));
  };
  auto in_range = [](double w) { return w >= 0 && w <= 1e9; };
  if (!in_range(o.l1_weight)) refuse("l1_weight", o.l1_weight);
  if (!in_range(o.giou_weight) || o.l1_weight + o.giou_weight <= 0) refuse("giou_weight", o.giou_weight);
  if (!in_range(o.false_negative_weight)) refuse("false_negative_weight", o.false_negative_weight);
  if (!in_range(o.false_positive_weight)) refuse("false_positive_weight", o.false_positive_weight);
}

template <class Unit>
box_score score_any(std::span<box<Unit> const> predicted, std::span<box<Unit> const> truth, index unusable_before,
                    l1_scale scale, box_reward_options const& o) {
  check(o);
  if (std::max(predicted.size(), truth.size()) <= on_stack)
    return score<on_stack>(predicted, truth, unusable_before, scale, o);
  return score<dynamic>(predicted, truth, unusable_before, scale, o);
}
}  // namespace detail

/// The reward of predicted boxes in thousandths. The order of boxes changes no bit of it. Up to 32 boxes on either side nothing
/// is allocated; beyond, about 16 P G bytes. Errors: bad_argument for a true box without area or beyond 1e9, a negative weight,
/// a picture without size.  Oracle: tests/data/rewards/completions.jsonl.
inline box_score box_reward(std::span<box<norm1000> const> predicted, std::span<box<norm1000> const> truth,
                            box_reward_options const& options = {}) {
  return detail::score_any(predicted, truth, 0, {detail::grid, options.picture}, options);
}

/// The reward of boxes in pixels of a picture of that size, which is W and H of (7); options.picture is not looked at.
inline box_score box_reward(std::span<box<pixel> const> predicted, std::span<box<pixel> const> truth,
                            picture_size picture, box_reward_options const& options = {}) {
  return detail::score_any(predicted, truth, 0, {picture, picture}, options);
}

/// The reward of the boxes in an answer, whatever their labels, as text/grounding.hpp reads them (the first 1000).
///   box_reward("Fracture <box>[[156, 516, 231, 607]]</box>", truth).value
inline box_score box_reward(std::string_view completion, std::span<box<norm1000> const> truth,
                            box_reward_options const& options = {}) {
  auto parsed = text::parse_grounding(completion);
  std::vector<box<norm1000>> predicted;
  predicted.reserve(parsed.boxes.size());
  for (auto const& b : parsed.boxes) predicted.push_back(b.box_norm1000);
  index unusable = 0;
  for (auto const& d : parsed.dropped)  // a missing end tag is no box, but without any box it is all there is
    unusable += d.reason != text::drop_reason::unclosed || predicted.empty() ? 1 : 0;
  return detail::score_any<norm1000>(predicted, truth, unusable, {detail::grid, options.picture}, options);
}

}  // namespace medmo::inline MEDMO_ABI::rewards
