// Detection scores: named pictures by hand, the order of boxes, and COCO's twelve numbers against pycocotools.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <medmo/io/json.hpp>
#include <medmo/metrics/average_precision.hpp>
#include <medmo/metrics/detection.hpp>
#include <string>
#include <vector>

using namespace medmo::metrics;
using pixel_boxes = grounded_picture<medmo::pixel>;

namespace {
pixel_boxes of(std::vector<medmo::box<medmo::pixel>> const& predicted,
               std::vector<medmo::box<medmo::pixel>> const& truth) {
  pixel_boxes p;
  for (auto const& b : predicted) p.predicted.push_back({.where = b});
  for (auto const& b : truth) p.truth.push_back({.where = b});
  return p;
}

std::vector<pixel_boxes> read(nlohmann::json const& c) {
  std::vector<pixel_boxes> pictures(c.at("images").get<std::size_t>());
  auto corners = [](nlohmann::json const& row) {
    double x = row.at(2), y = row.at(3), w = row.at(4), h = row.at(5);
    return medmo::box<medmo::pixel>{x, y, x + w, y + h};
  };
  for (auto const& t : c.at("truth"))
    pictures.at(t.at(0)).truth.push_back({.where = corners(t),
                                          .label = t.at(1),
                                          .area = t.at(6).get<double>(),
                                          .kind = t.at(7) ? truth_kind::crowd : truth_kind::object});
  for (auto const& p : c.at("predicted"))
    pictures.at(p.at(0)).predicted.push_back({.where = corners(p), .label = p.at(1), .confidence = p.at(6)});
  return pictures;
}
}  // namespace

TEST_CASE("detection: named pictures") {
  struct row {
    char const* name;
    pixel_boxes boxes;
    double mean_iou, counted, best, by_position, first, precision, recall, f1;  // at 0.5
    medmo::index centres;
  };
  medmo::box<medmo::pixel> a{0, 0, 10, 10}, half_a{0, 0, 10, 5}, b{20, 0, 30, 10}, all{0, 0, 100, 100},
      c{50, 50, 60, 60};
  for (row const& r : {
           row{"nothing and nothing", of({}, {}), 1, 1, 1, 1, 0, 1, 1, 1, 0},
           row{"nothing found", of({}, {a, b}), 0, 0, 0, 0, 0, 0, 0, 0, 0},
           row{"nothing to find", of({a}, {}), 0, 0, 0, 0, 0, 0, 0, 0, 0},
           row{"all right", of({a, b}, {a, b}), 1, 1, 1, 1, 1, 1, 1, 1, 2},
           row{"all right, other order", of({b, a}, {a, b}), 1, 1, 1, 0, 0, 1, 1, 1, 2},
           row{"half", of({half_a}, {a}), 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1},
           row{"one missed", of({a}, {a, b}), 0.5, 0.5, 0.5, 0.5, 1, 1, 0.5, 2.0 / 3, 1},
           row{"one too many", of({a, c}, {a}), 1, 0.5, 1, 1, 1, 0.5, 1, 2.0 / 3, 1},
           row{"twice the same", of({a, a}, {a}), 1, 0.5, 1, 1, 1, 0.5, 1, 2.0 / 3, 1},
           row{"one for two", of({a}, {a, a}), 0.5, 0.5, 1, 0.5, 1, 1, 0.5, 2.0 / 3, 1},
           row{"the whole picture", of({all}, {a, b}), 0.005, 0.005, 0.01, 0.005, 0.01, 0, 0, 0, 0},
       }) {
    CAPTURE(r.name);
    auto s = score_picture(r.boxes);
    auto mean = [&](iou_options const& o) { return score_picture(r.boxes, o).mean_iou(); };
    CHECK(s.mean_iou() == doctest::Approx(r.mean_iou));
    CHECK(mean({.surplus = surplus::counted}) == doctest::Approx(r.counted));
    if (!r.boxes.truth.empty()) {
      CHECK(mean({.reduction = reduction::best_of_each_truth}) == doctest::Approx(r.best));
      CHECK(mean({.reduction = reduction::by_position}) == doctest::Approx(r.by_position));
    }
    CHECK(s.first_iou == r.first);
    CHECK(single_box_iou(r.boxes) == r.first);
    CHECK(s.at[0].precision() == r.precision);
    CHECK(s.at[0].recall() == r.recall);
    CHECK(s.at[0].f1() == doctest::Approx(r.f1));
    CHECK(count_hits(r.boxes, 0.5).hits == s.at[0].hits);
    CHECK(s.centre.hits == r.centres);
  }
}

TEST_CASE("detection: as many pairs as possible count, not those of the best sum") {
  // p0 overlaps both, p1 only t0: pairing p0-t0 first would leave p1 without partner.
  auto boxes = of({{0, 0, 10, 10}, {0, 0, 10, 8}}, {{0, 0, 10, 10}, {0, 4, 10, 14}});
  CHECK(iou(boxes.predicted[0].where, boxes.truth[1].where) == doctest::Approx(6.0 / 14));
  CHECK(count_hits(boxes, 0.4).hits == 2);
  CHECK(count_hits(boxes, 0.5).hits == 1);
}

TEST_CASE("detection: labels keep boxes apart, crowds are left out") {
  medmo::box<medmo::pixel> a{0, 0, 10, 10};
  pixel_boxes p;
  p.predicted = {{.where = a, .label = 1}};
  p.truth = {{.where = a, .label = 2}};
  CHECK(score_picture(p).mean_iou() == 0);
  CHECK(centre_in_box(p).hits == 0);
  p.truth.push_back({.where = a, .label = 1, .kind = truth_kind::crowd});
  CHECK(score_picture(p).at[0].truth == 1);
  p.truth.push_back({.where = a, .label = 1});
  CHECK(score_picture(p).at[9].hits == 1);
}

TEST_CASE("detection: the summary of pictures") {
  medmo::box<medmo::pixel> a{0, 0, 10, 10}, b{20, 0, 30, 10}, c{40, 0, 50, 10};
  std::vector<pixel_boxes> pictures{of({a}, {a}), of({}, {a, b, c})};
  auto s = score_detections<medmo::pixel>(pictures);
  CHECK(s.pictures == 2);
  CHECK(s.truth == 4);
  CHECK(s.mean_iou == 0.25);
  CHECK(s.mean_iou_per_picture == 0.5);
  CHECK(s.first_iou == 0.5);
  CHECK(s.accuracy_50 == 0.5);
  CHECK(s.precision_50 == 1);
  CHECK(s.recall_50 == 0.25);
  CHECK(s.f1 == doctest::Approx(0.4));
  CHECK(s.f1_50_per_picture == 0.5);
  CHECK(s.centre_recall == 0.25);
  CHECK(summarize({}).mean_iou == 0);
}

TEST_CASE("detection: the order of boxes changes no score") {
  auto file = medmo::io::read_json(MEDMO_TEST_DATA "/metrics/detection.json");
  for (auto const& c : file.at("cases"))
    for (auto const& p : read(c)) {
      auto turned = p;
      std::reverse(turned.predicted.begin(), turned.predicted.end());
      std::rotate(turned.truth.begin(), turned.truth.begin() + std::ssize(turned.truth) / 2, turned.truth.end());
      auto one = score_picture(p), two = score_picture(turned);
      CHECK(one.iou_sum == doctest::Approx(two.iou_sum).epsilon(1e-12));
      for (std::size_t t = 0; t < one.at.size(); ++t) CHECK(one.at[t].hits == two.at[t].hits);
      CHECK(one.centre.hits == two.centre.hits);
    }
}

TEST_CASE("average precision: COCO's twelve numbers and those of each label equal pycocotools") {
  auto file = medmo::io::read_json(MEDMO_TEST_DATA "/metrics/detection.json");
  double worst = 0;
  int compared = 0;
  for (auto const& c : file.at("cases")) {
    auto pictures = read(c);
    auto s = average_precision<medmo::pixel>(pictures);
    std::optional<double> const ours[] = {s.ap,    s.ap_50, s.ap_75, s.ap_small, s.ap_medium, s.ap_large,
                                          s.ar[0], s.ar[1], s.ar[2], s.ar_small, s.ar_medium, s.ar_large};
    for (std::size_t i = 0; i < 12; ++i) {
      worst = std::max(worst, std::abs(ours[i].value_or(-1) - c.at("stats").at(i).get<double>()));
      ++compared;
    }
    for (medmo::index label = 0; label < c.at("labels").get<medmo::index>(); ++label) {
      auto found = s.ap_of_label.find(label);
      double ap = found == s.ap_of_label.end() ? -1 : found->second.value_or(-1);
      worst = std::max(worst, std::abs(ap - c.at("ap_of_label").at(std::size_t(label)).get<double>()));
    }
  }
  CHECK(worst < 1e-12);
  CHECK(compared == 12 * 20);
}

TEST_CASE("average precision: an IoU that is exactly the threshold is a hit; recalls without a prediction count 0") {
  std::vector<pixel_boxes> half{of({{0, 0, 10, 5}}, {{0, 0, 10, 10}})};
  auto s = average_precision<medmo::pixel>(half);
  CHECK(s.ap_50.value() == doctest::Approx(1).epsilon(1e-12));
  CHECK(s.ap.value() == doctest::Approx(0.1).epsilon(1e-12));
  CHECK(s.ar[0].value() == doctest::Approx(0.1).epsilon(1e-12));
  CHECK(!s.ap_large.has_value());
  std::vector<pixel_boxes> missed{of({{0, 0, 10, 10}}, {{0, 0, 10, 10}, {50, 50, 60, 60}})};
  CHECK(average_precision<medmo::pixel>(missed).ap.value() == doctest::Approx(51.0 / 101).epsilon(1e-12));
}

TEST_CASE("average precision: pictures judged once can be drawn several times") {
  auto a = of({{0, 0, 10, 10}, {50, 0, 60, 10}}, {{0, 0, 10, 10}}), b = of({}, {{0, 0, 10, 10}});
  std::vector<pixel_boxes> drawn{a, b, a};
  auto judged_a = judge_picture(a), judged_b = judge_picture(b);
  std::vector<judged_picture const*> again{&judged_a, &judged_b, &judged_a};
  CHECK(average_precision(again).ap == average_precision<medmo::pixel>(drawn).ap);
  CHECK(average_precision(again).ap_50.value() < average_precision(std::span(again).first(1)).ap_50.value());
  CHECK(!average_precision(std::span<judged_picture const* const>{}).ap.has_value());
}

TEST_CASE("average precision: a confidence that is no number is refused") {
  auto p = of({{0, 0, 1, 1}}, {});
  p.predicted[0].confidence = std::numeric_limits<double>::quiet_NaN();
  std::vector<pixel_boxes> pictures{p};
  CHECK_THROWS_AS(average_precision<medmo::pixel>(pictures), medmo::error);
  CHECK_THROWS_AS(judge_picture(p), medmo::error);
}
