// Average precision and recall from the confidences of boxes, as COCO's evaluation defines them (101 recalls, ten IoU
// thresholds, at most 1, 10 or 100 predictions a picture and label, size classes, crowds). Equal to pycocotools' COCOeval
// for boxes; written from its documented rules. Sizes are areas in squared units of the boxes, so COCO's classes mean
// something for pixels only. Predictions without confidence are equal; equals keep their order.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "detection.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

struct area_range {
  double least = 0, most = 1e10;  ///< both belong to it
};

struct average_precision_options {
  std::array<index, 3> max_detections{1, 10, 100};  ///< rising; most confident first, a picture and label
  area_range small{0, 32 * 32}, medium{32 * 32, 96 * 96}, large{96 * 96, 1e10};
};

/// COCO's twelve numbers, each the mean over labels (and over the ten thresholds, unless one is named); nothing where there is
/// no true box of the kind. All with the most detections, unless named.
struct average_precision_summary {
  std::optional<double> ap, ap_50, ap_75, ap_small, ap_medium, ap_large;
  std::array<std::optional<double>, 3> ar;  ///< at each of max_detections
  std::optional<double> ar_small, ar_medium, ar_large;
  std::map<index, std::optional<double>> ap_of_label;
};

namespace detail {
inline constexpr std::size_t thresholds = iou_thresholds.size();

/// One prediction; bit t of `hit` and `ignored` is what it is at threshold t, for all sizes, small, medium and large.
struct judged_box {
  double confidence = 0;
  index rank = 0;  // in its picture, by confidence
  std::array<std::uint16_t, 4> hit{}, ignored{};
};

/// Predictions of one label, and how many boxes there are to find in each class of sizes.
struct judged_label {
  std::vector<judged_box> boxes;
  std::array<index, 4> truth{};
};

inline void sort_by_confidence(auto& boxes) {
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](auto const& a, auto const& b) { return a.confidence > b.confidence; });
}

/// The boxes of one picture and label: predictions by falling confidence, and each one's IoU with every true box.
template <class Unit>
struct ranked_picture {
  std::vector<predicted_box<Unit>> predicted;
  std::vector<true_box<Unit>> truth;
  matrix<double> iou;

  ranked_picture(grounded_picture<Unit> const& picture, index label, index most) {
    for (auto const& p : picture.predicted)
      if (p.label == label) predicted.push_back(p);
    sort_by_confidence(predicted);
    if (static_cast<index>(predicted.size()) > most) predicted.resize(static_cast<std::size_t>(most));
    for (auto const& t : picture.truth)
      if (t.label == label) truth.push_back(t);
    iou.resize(static_cast<index>(predicted.size()), static_cast<index>(truth.size()));
    for (index i = 0; i < iou.rows(); ++i)
      for (index j = 0; j < iou.cols(); ++j) {
        auto const& p = predicted[static_cast<std::size_t>(i)].where;
        auto const& t = truth[static_cast<std::size_t>(j)];
        // a prediction inside a crowd need not fill it
        iou(i, j) = t.kind == truth_kind::crowd ? share(intersection(p, t.where), area(p)) : metrics::iou(p, t.where);
      }
  }

  /// Greedy: the most confident prediction takes the best true box still free, the later of equals; boxes that count come
  /// before those that do not, and a crowd is never used up. `size`: which class of sizes, whose range is given.
  void judge(std::size_t size, area_range const& range, judged_label& out) const {
    auto outside = [&](double pixels) { return pixels < range.least || pixels > range.most; };
    std::vector<std::size_t> order;
    std::vector<bool> aside;
    for (auto const& t : truth)
      aside.push_back(t.kind != truth_kind::object || outside(t.area.value_or(area(t.where))));
    for (bool last : {false, true})
      for (std::size_t j = 0; j < truth.size(); ++j)
        if (aside[j] == last) order.push_back(j);
    out.truth[size] = std::count(aside.begin(), aside.end(), false);

    for (std::size_t t = 0; t < thresholds; ++t) {
      std::vector<bool> taken(truth.size());
      for (std::size_t i = 0; i < predicted.size(); ++i) {
        double best = std::min(iou_thresholds[t], 1 - 1e-10);
        std::optional<std::size_t> partner;
        for (auto j : order) {
          if (taken[j] && truth[j].kind != truth_kind::crowd) continue;
          if (partner && aside[j] && !aside[*partner]) break;
          double overlap = iou(static_cast<index>(i), static_cast<index>(j));
          if (overlap < best) continue;
          best = overlap;
          partner = j;
        }
        auto bit = [t](bool is) { return static_cast<std::uint16_t>(is << t); };
        out.boxes[i].hit[size] |= bit(partner.has_value());
        out.boxes[i].ignored[size] |= bit(partner ? aside[*partner] : outside(area(predicted[i].where)));
        if (partner) taken[*partner] = true;
      }
    }
  }
};

struct precision_and_recall {
  double precision = 0;  // mean over recalls 0, 0.01 ... 1 of the best precision at that recall or a greater one
  double recall = 0;
};

/// For each threshold; nothing where there is no box to find.
using curves = std::optional<std::array<precision_and_recall, thresholds>>;

/// The predictions that are among the `most` first of their picture; all come by falling confidence.
inline precision_and_recall curve(judged_label const& label, std::size_t size, index most, std::size_t t) {
  std::vector<double> precision, recall;
  double hits = 0, misses = 0;
  for (auto const& b : label.boxes) {
    if (b.rank >= most) continue;
    bool counts = !(b.ignored[size] >> t & 1), hit = b.hit[size] >> t & 1;
    hits += counts && hit ? 1 : 0;
    misses += counts && !hit ? 1 : 0;
    recall.push_back(hits / static_cast<double>(label.truth[size]));
    precision.push_back(hits / (misses + hits + std::numeric_limits<double>::epsilon()));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  precision_and_recall out;
  for (int r = 0; r <= 100; ++r) {
    auto at = std::lower_bound(recall.begin(), recall.end(), r == 100 ? 1.0 : r * 0.01) - recall.begin();
    if (at < std::ssize(precision)) out.precision += precision[static_cast<std::size_t>(at)] / 101;
  }
  out.recall = recall.empty() ? 0 : recall.back();
  return out;
}

inline curves curves_of(judged_label const& label, std::size_t size, index most) {
  if (label.truth[size] == 0) return {};
  curves out(std::in_place);
  for (std::size_t t = 0; t < thresholds; ++t) (*out)[t] = curve(label, size, most, t);
  return out;
}

/// Mean of `value` over labels and thresholds [from, to).
inline std::optional<double> mean_of(std::span<curves const> labels, double precision_and_recall::*value,
                                     std::size_t from = 0, std::size_t to = thresholds) {
  double sum = 0, count = 0;
  for (auto const& c : labels)
    for (std::size_t t = from; c && t < to; ++t) sum += (*c)[t].*value, ++count;
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}
}  // namespace detail

/// One picture, judged at every threshold and for every class of sizes: what average precision needs of it. Small, and made
/// once where sets of pictures are drawn again and again.
struct judged_picture {
  std::map<index, detail::judged_label> labels;
};

/// Which predictions hit. Errors: not_finite, naming the prediction, for a confidence that is NaN.
template <class Unit>
judged_picture judge_picture(grounded_picture<Unit> const& picture, average_precision_options const& options = {}) {
  judged_picture out;
  for (auto const& t : picture.truth) out.labels[t.label];
  for (std::size_t i = 0; i < picture.predicted.size(); ++i) {
    out.labels[picture.predicted[i].label];
    if (std::isnan(picture.predicted[i].confidence))
      MEDMO_THROW(errc::not_finite, "prediction " + std::to_string(i), "a confidence that is a number", "NaN");
  }
  area_range const ranges[] = {{0, 1e10}, options.small, options.medium, options.large};
  for (auto& [label, judged] : out.labels) {
    detail::ranked_picture<Unit> ranked(picture, label, options.max_detections.back());
    for (auto const& p : ranked.predicted) judged.boxes.push_back({p.confidence, std::ssize(judged.boxes), {}, {}});
    for (std::size_t size = 0; size < 4; ++size) ranked.judge(size, ranges[size], judged);
  }
  return out;
}

/// The twelve numbers over judged pictures, all judged under the same options. One may be there several times.
inline average_precision_summary average_precision(std::span<judged_picture const* const> pictures,
                                                   average_precision_options const& options = {}) {
  std::map<index, detail::judged_label> labels;
  for (auto const* picture : pictures)
    for (auto const& [name, judged] : picture->labels) {
      auto& all = labels[name];
      all.boxes.insert(all.boxes.end(), judged.boxes.begin(), judged.boxes.end());
      for (std::size_t size = 0; size < 4; ++size) all.truth[size] += judged.truth[size];
    }

  using detail::mean_of;
  using detail::precision_and_recall;
  constexpr auto precision = &precision_and_recall::precision, recall = &precision_and_recall::recall;
  auto const [few, some, most] = options.max_detections;
  std::array<std::vector<detail::curves>, 4> sized;
  std::array<std::vector<detail::curves>, 2> fewer;
  average_precision_summary out;
  for (auto& [name, judged] : labels) {
    detail::sort_by_confidence(judged.boxes);
    for (std::size_t size = 0; size < 4; ++size) sized[size].push_back(detail::curves_of(judged, size, most));
    fewer[0].push_back(detail::curves_of(judged, 0, few));
    fewer[1].push_back(detail::curves_of(judged, 0, some));
    out.ap_of_label[name] = mean_of({&sized[0].back(), 1}, precision);
  }

  out.ap = mean_of(sized[0], precision);
  out.ap_50 = mean_of(sized[0], precision, 0, 1);
  out.ap_75 = mean_of(sized[0], precision, 5, 6);
  out.ap_small = mean_of(sized[1], precision);
  out.ap_medium = mean_of(sized[2], precision);
  out.ap_large = mean_of(sized[3], precision);
  out.ar = {mean_of(fewer[0], recall), mean_of(fewer[1], recall), mean_of(sized[0], recall)};
  out.ar_small = mean_of(sized[1], recall);
  out.ar_medium = mean_of(sized[2], recall);
  out.ar_large = mean_of(sized[3], recall);
  return out;
}

/// Judges every picture, then sums. Errors: those of judge_picture.
/// Source: github.com/cocodataset/cocoapi, the evaluation's rules.  Oracle: pycocotools 2.0.11.
template <class Unit>
average_precision_summary average_precision(std::span<grounded_picture<Unit> const> pictures,
                                            average_precision_options const& options = {}) {
  std::vector<judged_picture> judged;
  std::vector<judged_picture const*> all;
  judged.reserve(pictures.size());
  for (auto const& picture : pictures) all.push_back(&judged.emplace_back(judge_picture(picture, options)));
  return average_precision(all, options);
}

}  // namespace medmo::inline MEDMO_ABI::metrics
