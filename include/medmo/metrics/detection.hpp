// Scores of predicted boxes against true ones, without confidences: IoU of a single box, mean IoU that counts misses,
// precision, recall and F1 at IoU thresholds, centre-in-box. First each picture, then all of them.
// Boxes pair up only under one label; leave labels 0 to ignore them. No score depends on the order of boxes, except those
// that say so. Average precision, which needs confidences, is in average_precision.hpp.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "../core/box.hpp"
#include "../core/matrix.hpp"
#include "iou.hpp"
#include "matching.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

template <class Unit>
struct predicted_box {
  box<Unit> where;
  index label = 0;
  double confidence = 1;
};

enum class truth_kind {
  object,
  crowd,  ///< a region of many objects; left out here, and in average precision neither to be found nor wrong to predict in
};

template <class Unit>
struct true_box {
  box<Unit> where;
  index label = 0;
  std::optional<double> area{};  ///< of its mask, for COCO's size classes; otherwise that of the box
  truth_kind kind = truth_kind::object;
};

/// What was predicted and what is true of one picture, or of one question about it.
template <class Unit>
struct grounded_picture {
  std::vector<predicted_box<Unit>> predicted;
  std::vector<true_box<Unit>> truth;
};

/// How IoUs with several predictions become one number for each true box.
enum class reduction {
  one_to_one,          ///< the assignment with the greatest sum of IoUs; true boxes without partner count 0
  best_of_each_truth,  ///< the best prediction of each true box; one prediction may serve several
  by_position,         ///< the first with the first, and so on: depends on the order
};

/// Whether predictions without partner lower the mean IoU.
enum class surplus {
  ignored,  ///< sum of IoUs / true boxes
  counted,  ///< sum of IoUs / max(true boxes, predictions)
};

struct iou_options {
  metrics::reduction reduction = reduction::one_to_one;
  metrics::surplus surplus = surplus::ignored;
};

/// Hits among predictions and among true boxes. A share of nothing: 1 if there was nothing to predict and nothing was, else 0.
struct detection_counts {
  index hits = 0, predicted = 0, truth = 0;

  double precision() const { return share_of(predicted); }
  double recall() const { return share_of(truth); }
  /// 2 hits / (predicted + truth), the harmonic mean of both.
  double f1() const {
    return predicted + truth ? 2.0 * static_cast<double>(hits) / static_cast<double>(predicted + truth) : 1.0;
  }
  detection_counts& operator+=(detection_counts const& other) {
    hits += other.hits, predicted += other.predicted, truth += other.truth;
    return *this;
  }

 private:
  double share_of(index n) const {
    if (n == 0) return predicted == truth ? 1.0 : 0.0;
    return static_cast<double>(hits) / static_cast<double>(n);
  }
};

/// 0.5, 0.55 ... 0.95, bit for bit those of COCO's evaluation.
inline constexpr std::array<double, 10> iou_thresholds = [] {
  std::array<double, 10> t{};
  for (int i = 0; i < 9; ++i) t[static_cast<std::size_t>(i)] = i * ((0.95 - 0.5) / 9) + 0.5;
  t[9] = 0.95;
  return t;
}();

/// The scores of one picture, from which those of all are summed.
struct picture_score {
  double first_iou = 0;                   ///< see single_box_iou
  double iou_sum = 0;                     ///< of the pairs that iou_options choose
  index iou_boxes = 0;                    ///< what to divide it by
  std::array<detection_counts, 10> at{};  ///< at each of iou_thresholds
  detection_counts centre{};              ///< see centre_in_box

  /// Mean IoU of the picture; where there is nothing to find 1 if nothing was predicted, else 0.
  double mean_iou() const { return iou_boxes ? iou_sum / static_cast<double>(iou_boxes) : at[0].precision(); }
};

namespace detail {
/// IoUs of predictions (rows) with true boxes that are objects (columns); 0 under different labels.
template <class Unit>
struct pairs {
  std::vector<predicted_box<Unit>> const& predicted;
  std::vector<true_box<Unit>> truth;
  matrix<double> iou;  // [P, G]

  explicit pairs(grounded_picture<Unit> const& picture) : predicted(picture.predicted) {
    for (auto const& t : picture.truth)
      if (t.kind == truth_kind::object) truth.push_back(t);
    iou = of([](auto const& p, auto const& t) { return metrics::iou(p, t); });
  }

  template <class F>
  matrix<double> of(F const& f) const {
    matrix<double> out(static_cast<index>(predicted.size()), static_cast<index>(truth.size()));
    for (index i = 0; i < out.rows(); ++i)
      for (index j = 0; j < out.cols(); ++j) {
        auto const& p = predicted[static_cast<std::size_t>(i)];
        auto const& t = truth[static_cast<std::size_t>(j)];
        out(i, j) = p.label == t.label ? f(p.where, t.where) : 0.0;
      }
    return out;
  }

  /// Most pairs one-to-one among those allowed (worth > 0).
  detection_counts count(matrix<double> const& allowed) const {
    detection_counts c{0, iou.rows(), iou.cols()};
    auto partners = match(-allowed).column_of_row;
    for (index i = 0; i < allowed.rows(); ++i)
      if (auto j = partners[static_cast<std::size_t>(i)]; j >= 0 && allowed(i, j) > 0) ++c.hits;
    return c;
  }

  detection_counts count_at(double threshold) const {
    return count((iou.array() >= threshold).template cast<double>());
  }

  detection_counts count_centres() const {
    return count(of([](auto const& p, auto const& t) {
      double x = (p.x1 + p.x2) / 2, y = (p.y1 + p.y2) / 2;
      return t.x1 <= x && x <= t.x2 && t.y1 <= y && y <= t.y2 ? 1.0 : 0.0;
    }));
  }

  double iou_sum(reduction how) const {
    if (iou.size() == 0) return 0;
    if (how == reduction::one_to_one) return -match(-iou).cost;
    if (how == reduction::best_of_each_truth) return iou.colwise().maxCoeff().sum();
    return iou.diagonal().sum();
  }
};
}  // namespace detail

/// IoU of the first predicted and the first true box, the order being that given; 0 if either is missing. At most one of each is
/// what MedSG-Bench has. Source: arXiv 2505.11852.
template <class Unit>
double single_box_iou(grounded_picture<Unit> const& picture) {
  detail::pairs<Unit> p(picture);
  return p.iou.size() ? p.iou(0, 0) : 0.0;
}

/// Hits are the greatest number of one-to-one pairs with IoU >= threshold (> 0).
template <class Unit>
detection_counts count_hits(grounded_picture<Unit> const& picture, double threshold) {
  return detail::pairs<Unit>(picture).count_at(threshold);
}

/// Hits are the greatest number of one-to-one pairs in which the centre of the prediction lies in the true box or on its edge.
template <class Unit>
detection_counts centre_in_box(grounded_picture<Unit> const& picture) {
  return detail::pairs<Unit>(picture).count_centres();
}

/// Every score of one picture. Crowds are left out. Errors: those of `match` for a box that is not
/// finite.
template <class Unit>
picture_score score_picture(grounded_picture<Unit> const& picture, iou_options const& options = {}) {
  detail::pairs<Unit> p(picture);
  picture_score s;
  if (p.iou.size()) s.first_iou = p.iou(0, 0);
  s.iou_sum = p.iou_sum(options.reduction);
  s.iou_boxes = options.surplus == surplus::counted ? std::max(p.iou.rows(), p.iou.cols()) : p.iou.cols();
  for (std::size_t t = 0; t < s.at.size(); ++t) s.at[t] = p.count_at(iou_thresholds[t]);
  s.centre = p.count_centres();
  return s;
}

/// Scores of a set of pictures, each 0..1. Sums over all boxes (a picture of many boxes weighs more), unless named per picture.
struct detection_summary {
  index pictures = 0, predicted = 0, truth = 0;
  double mean_iou = 0;                                ///< sum of IoUs / boxes (iou_options)
  double mean_iou_per_picture = 0;                    ///< mean of picture_score::mean_iou
  double first_iou = 0;                               ///< mean of first_iou over pictures: MedSG-Bench's IoU
  double accuracy_50 = 0;                             ///< share of pictures whose first_iou >= 0.5: its Acc@0.5
  double precision_50 = 0, recall_50 = 0, f1_50 = 0;  ///< at IoU 0.5
  double precision = 0, recall = 0, f1 = 0;           ///< mean over the thresholds 0.5, 0.55 ... 0.95
  double f1_50_per_picture = 0;
  double centre_precision = 0, centre_recall = 0;  ///< centre_in_box
};

/// Adds up the scores of pictures, in their order. Of no pictures everything is 0.
inline detection_summary summarize(std::span<picture_score const> scores) {
  detection_summary s;
  s.pictures = static_cast<index>(scores.size());
  if (scores.empty()) return s;
  double iou_sum = 0;
  index iou_boxes = 0;
  std::array<detection_counts, iou_thresholds.size()> at{};
  detection_counts centre;
  for (auto const& one : scores) {
    iou_sum += one.iou_sum;
    iou_boxes += one.iou_boxes;
    s.mean_iou_per_picture += one.mean_iou();
    s.first_iou += one.first_iou;
    s.accuracy_50 += one.first_iou >= 0.5 ? 1 : 0;
    s.f1_50_per_picture += one.at[0].f1();
    for (std::size_t t = 0; t < at.size(); ++t) at[t] += one.at[t];
    centre += one.centre;
  }
  s.predicted = at[0].predicted;
  s.truth = at[0].truth;
  for (double* mean : {&s.mean_iou_per_picture, &s.first_iou, &s.accuracy_50, &s.f1_50_per_picture})
    *mean /= static_cast<double>(s.pictures);
  s.precision_50 = at[0].precision();
  s.recall_50 = at[0].recall();
  s.f1_50 = at[0].f1();
  s.mean_iou = iou_boxes ? iou_sum / static_cast<double>(iou_boxes) : s.precision_50;
  for (auto const& counts : at) {
    s.precision += counts.precision() / static_cast<double>(at.size());
    s.recall += counts.recall() / static_cast<double>(at.size());
    s.f1 += counts.f1() / static_cast<double>(at.size());
  }
  s.centre_precision = centre.precision();
  s.centre_recall = centre.recall();
  return s;
}

/// score_picture of each, then summed.
template <class Unit>
detection_summary score_detections(std::span<grounded_picture<Unit> const> pictures, iou_options const& options = {}) {
  std::vector<picture_score> scores;
  scores.reserve(pictures.size());
  for (auto const& p : pictures) scores.push_back(score_picture(p, options));
  return summarize(scores);
}

}  // namespace medmo::inline MEDMO_ABI::metrics
