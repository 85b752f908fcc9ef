// Sheets: what stands in which cell, truth beside and together, any size and number of pictures, bad input.
#include "medmo/vision/sheet.hpp"
#include "../named_case.hpp"

#include <doctest/doctest.h>

namespace {

using medmo::detection;
using medmo::image;
using medmo::index;
using medmo::vision::sheet;
using medmo::vision::truth_layout;
using colour = medmo::vision::detail::colour;

colour at(image const& a, index x, index y) { return {a.at(x, y)[0], a.at(x, y)[1], a.at(x, y)[2]}; }

detection found(std::string label, double x1, double y1, double x2, double y2, index picture = 0) {
  return {std::move(label), {}, {x1, y1, x2, y2}, picture};
}

image grey(index w, index h, std::uint8_t value = 100) {
  image a(w, h);
  std::fill(a.pixels.begin(), a.pixels.end(), value);
  return a;
}

/// How many pixels of an area are of this colour.
index count(image const& a, medmo::vision::detail::rectangle const& r, colour c) {
  index n = 0;
  for (index y = r.y0; y < r.y1; ++y)
    for (index x = r.x0; x < r.x1; ++x) n += at(a, x, y) == c;
  return n;
}

TEST_CASE("sheet: truth on the left, predictions on the right") {
  std::vector<image> one{grey(600, 600)};
  std::vector<detection> truth{found("a", 100, 100, 300, 300)}, guess{found("b", 200, 200, 500, 500), found("a", 20, 400, 120, 500)};
  auto s = sheet(one, guess, {.truth = truth});
  auto plan = medmo::vision::detail::plan_sheet(one, 2, {.truth = truth});
  CHECK(plan.columns == 2);
  CHECK(plan.cell_width == 600);
  CHECK(s.width == plan.width());
  CHECK(s.height == plan.height());
  index const left = plan.gap, right = left + 600 + plan.gap, top = plan.caption;
  auto const& colours = medmo::vision::detail::label_colours;
  CHECK(at(s, left + 100, top + 250) == colours[0]);   // "a" of the truth
  CHECK(at(s, right + 20, top + 450) == colours[0]);   // and of the prediction
  CHECK(at(s, right + 200, top + 350) == colours[1]);  // "b"
  CHECK(at(s, left + 200, top + 350) == colour{100, 100, 100});
  CHECK(at(s, right + 100, top + 250) == colour{100, 100, 100});
  CHECK(count(s, {left, 0, left + 300, top}, medmo::vision::detail::sheet_ink) > 100);   // captions
  CHECK(count(s, {right, 0, right + 300, top}, medmo::vision::detail::sheet_ink) > 100);
}

TEST_CASE("sheet: together, equal boxes show both colours, and truth alone is dashed") {
  using namespace medmo::vision::detail;
  std::vector<image> one{grey(600, 600)};
  std::vector<detection> truth{found("a", 100, 100, 300, 300), found("a", 400, 400, 550, 550)}, guess{found("a", 100, 100, 300, 300)};
  medmo::vision::sheet_options options{.truth = truth, .layout = truth_layout::together, .boxes = {.most_tags = 0}};
  auto s = sheet(one, guess, options);
  auto plan = plan_sheet(one, 1, options);
  CHECK(plan.columns == 1);
  auto side = [&](index x, index y0, index y1) { return rectangle{plan.gap + x, plan.caption + y0, plan.gap + x + 1, plan.caption + y1}; };
  CHECK(count(s, side(100, 120, 280), truth_paint) > 40);
  CHECK(count(s, side(100, 120, 280), found_paint) > 40);
  CHECK(count(s, side(400, 420, 530), truth_paint) > 30);
  CHECK(count(s, side(400, 420, 530), truth_paint) < 80);
  CHECK(count(s, side(400, 420, 530), found_paint) == 0);
  CHECK(count(s, {0, 0, s.width, plan.caption}, truth_paint) > 20);  // the legend
  CHECK(count(s, {0, 0, s.width, plan.caption}, found_paint) > 20);
}

TEST_CASE("sheet: each picture has its own boxes, resized with it") {
  std::vector<image> three{grey(300, 600, 50), grey(1200, 600, 100), grey(10, 10, 150)};
  std::vector<detection> boxes{found("a", 150, 300, 290, 590, 0), found("a", 600, 100, 1100, 500, 1), found("a", 2, 2, 7, 7, 2),
                               found("a", 0, 0, 1, 1, 9)};
  auto s = sheet(three, boxes);
  auto plan = medmo::vision::detail::plan_sheet(three, 3, {});
  CHECK(plan.columns == 3);
  CHECK(plan.cell_width == 1200);
  auto const paint = medmo::vision::detail::label_colours[0];
  for (auto const& [cell, x, y, scale] : {std::array<index, 4>{0, 150, 450, 2}, {1, 600, 300, 1}, {2, 2, 5, 120}}) {
    CAPTURE(cell);
    CHECK(at(s, plan.gap + cell * (1200 + plan.gap) + x * scale, plan.caption + y * scale) == paint);
  }
}

TEST_CASE("sheet: any number and size of pictures, boxes that are no boxes") {
  double const nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<detection> odd{found("whole", -1e300, -1e300, 1e300, 1e300), found("nan", nan, 0, 1, 1),
                             found(std::string(5000, 'w'), 5, 5, 1, 1), found("", 0, 0, 0, 0)};
  for (auto const& [w, h] : {std::pair<index, index>{1, 1}, {1, 500}, {3000, 2}, {32, 32}, {200, 100}})
    for (index n : {1, 2, 3, 4, 7}) {
      std::vector<image> pictures(static_cast<std::size_t>(n), grey(w, h));
      for (auto layout : {truth_layout::beside, truth_layout::together})
        for (auto const& truth : {std::optional<std::span<detection const>>{}, std::optional<std::span<detection const>>{odd},
                                  std::optional<std::span<detection const>>{std::span<detection const>{}}}) {
          CAPTURE(n);
          auto s = sheet(pictures, odd, {.truth = truth, .layout = layout, .most_side = 700});
          CHECK(s.width <= 700);
          CHECK(s.height <= 700);
        }
    }
  std::vector<image> many(256, grey(2, 2));
  CHECK(sheet(many, odd, {.most_side = 64}).width > 64);  // cells of 16 pixels
}

#if MEDMO_EXCEPTIONS
TEST_CASE("sheet: bad input is an error") {
  std::vector<image> none, one{grey(4, 4)}, torn{grey(4, 4)}, empty(1), crowd(257, grey(1, 1));
  torn[0].pixels.pop_back();
  struct bad { char const* name; std::vector<image> const& pictures; medmo::vision::sheet_options options; medmo::errc code; };
  for (auto const& c : {bad{"no picture", none, {}, medmo::errc::bad_argument}, bad{"too many", crowd, {}, medmo::errc::bad_argument},
                        bad{"a torn picture", torn, {}, medmo::errc::bad_image}, bad{"no size", empty, {}, medmo::errc::bad_image},
                        bad{"too small", one, {.most_side = 63}, medmo::errc::bad_argument},
                        bad{"too large", one, {.most_side = 16385}, medmo::errc::bad_argument},
                        bad{"enlarged without end", one, {.boxes = {.least_side = 5000}}, medmo::errc::bad_argument}}) {
    CAPTURE(c.name);
    named_case(c.name);
    try {
      sheet(c.pictures, {}, c.options);
      FAIL("accepted");
    } catch (medmo::error const& e) {
      CHECK(e.code() == c.code);
    }
  }
}
#endif

}  // namespace
