// Overlaps: against counted cells, properties, degenerate boxes, the matrix forms, the gradient.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <complex>
#include <medmo/core/random.hpp>
#include <medmo/metrics/giou_gradient.hpp>
#include <medmo/metrics/iou.hpp>
#include <medmo/metrics/iou_matrix.hpp>
#include <vector>

using namespace medmo::metrics;
using medmo::norm1000;
using pixels = medmo::box<medmo::pixel>;
using thousandths = medmo::box<norm1000>;

namespace {
/// Random boxes: whole corners in 0..limit; some without area.
struct dice {
  medmo::random_stream stream{7, medmo::stream_of("iou_test")};
  std::uint64_t at = 0;
  double whole(int limit) { return std::floor(stream.uniform(at++) * (limit + 1)); }
  double real(double limit) { return stream.uniform(at++) * limit; }
  thousandths box(int limit) {
    double a = whole(limit), b = whole(limit), c = whole(limit), d = whole(limit);
    return {std::min(a, b), std::min(c, d), std::max(a, b), std::max(c, d)};
  }
  thousandths real_box(double limit) {
    double x = real(limit), y = real(limit);
    return {x, y, x + real(limit) + 1e-3, y + real(limit) + 1e-3};
  }
};

struct cells {
  int shared = 0, joined = 0, hull = 0;
};

/// The same by counting cells of a grid.
cells count(thousandths const& a, thousandths const& b, int limit) {
  auto inside = [](thousandths const& r, int x, int y) {
    return r.x1 <= x && x + 1 <= r.x2 && r.y1 <= y && y + 1 <= r.y2;
  };
  thousandths around{std::min(a.x1, b.x1), std::min(a.y1, b.y1), std::max(a.x2, b.x2), std::max(a.y2, b.y2)};
  cells c;
  for (int y = 0; y < limit; ++y)
    for (int x = 0; x < limit; ++x) {
      c.shared += inside(a, x, y) && inside(b, x, y);
      c.joined += inside(a, x, y) || inside(b, x, y);
      c.hull += inside(around, x, y);
    }
  return c;
}

/// GIoU on complex numbers, written from the definition, for derivatives by a complex step.
std::complex<double> giou_of(std::array<std::complex<double>, 4> const& p, thousandths const& t) {
  using number = std::complex<double>;
  auto largest = [](number a, number b) { return a.real() > b.real() ? a : b; };
  auto smallest = [](number a, number b) { return a.real() < b.real() ? a : b; };
  auto side = [&](number from, number to) { return largest(to - from, 0.0); };
  number shared = side(largest(p[0], t.x1), smallest(p[2], t.x2)) * side(largest(p[1], t.y1), smallest(p[3], t.y2));
  number joined = side(p[0], p[2]) * side(p[1], p[3]) + (t.x2 - t.x1) * (t.y2 - t.y1) - shared;
  number hull = side(smallest(p[0], t.x1), largest(p[2], t.x2)) * side(smallest(p[1], t.y1), largest(p[3], t.y2));
  return shared / joined - (hull - joined) / hull;
}
}  // namespace

TEST_CASE("iou and giou equal counted cells on 100,000 random pairs") {
  dice d;
  constexpr int limit = 9;
  int wrong = 0;
  for (int round = 0; round < 100'000; ++round) {
    auto a = d.box(limit), b = d.box(limit);
    auto c = count(a, b, limit);
    double overlap = c.joined ? double(c.shared) / c.joined : 0.0;
    double generalised = overlap - (c.hull ? double(c.hull - c.joined) / c.hull : 0.0);
    wrong += iou(a, b) != overlap || std::abs(giou(a, b) - generalised) > 1e-15;
  }
  CHECK(wrong == 0);
}

TEST_CASE("overlaps: what holds of every pair of boxes with an area") {
  dice d;
  int wrong = 0;
  constexpr double e = 1e-12;
  for (int round = 0; round < 20'000; ++round) {
    auto a = d.real_box(1000), b = d.real_box(1000);
    double i = iou(a, b), g = giou(a, b), s = diou(a, b), c = ciou(a, b);
    wrong += i < 0 || i > 1 || g < -1 || g > i || s < -1 || s > i || c > s + e;
    wrong += std::abs(giou(b, a) - g) > e || std::abs(diou(b, a) - s) > e || std::abs(ciou(b, a) - c) > e;
    auto scaled = [](thousandths const& r) { return pixels{r.x1 * 0.64, r.y1 * 0.48, r.x2 * 0.64, r.y2 * 0.48}; };
    wrong += std::abs(iou(scaled(a), scaled(b)) - i) > e || std::abs(giou(scaled(a), scaled(b)) - g) > e;
    wrong += iou(a, a) != 1 || giou(a, a) != 1 || diou(a, a) != 1 || ciou(a, a) != 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("overlaps: named pairs") {
  struct row {
    char const* name;
    thousandths a, b;
    double iou, giou, diou;
  };
  thousandths unit{0, 0, 1, 1}, point{5, 5, 5, 5};
  for (row const& r : {
           row{"equal", unit, unit, 1, 1, 1},
           row{"half", unit, {0, 0, 2, 1}, 0.5, 0.5, 0.5 - 0.25 / 5},
           row{"side by side", unit, {1, 0, 2, 1}, 0, 0, -1.0 / 5},
           row{"corner to corner", unit, {1, 1, 2, 2}, 0, -0.5, -2.0 / 8},
           row{"apart", unit, {9, 0, 10, 1}, 0, -0.8, -81.0 / 101},
           row{"a point with itself", point, point, 0, 0, 0},
           row{"a point inside", {4, 4, 6, 6}, point, 0, 0, 0},
           row{"a line with itself", {0, 0, 4, 0}, {0, 0, 4, 0}, 0, 0, 0},
           row{"inverted within", {6, 6, 4, 4}, {0, 0, 10, 10}, 0, 0, 0},
       }) {
    CAPTURE(r.name);
    CHECK(iou(r.a, r.b) == r.iou);
    CHECK(giou(r.a, r.b) == doctest::Approx(r.giou).epsilon(1e-15));
    CHECK(diou(r.a, r.b) == doctest::Approx(r.diou).epsilon(1e-15));
    CHECK(std::isfinite(ciou(r.a, r.b)));
  }
  static_assert(iou(thousandths{0, 0, 2, 2}, thousandths{1, 1, 3, 3}) == 1.0 / 7);
  static_assert(giou(thousandths{0, 0, 2, 2}, thousandths{1, 1, 3, 3}) == 1.0 / 7 - 2.0 / 9);
  static_assert(diou(pixels{0, 0, 1, 1}, pixels{0, 0, 1, 1}) == 1);
  // one upright, one lying, same centre: v = 4/pi^2 (atan 2 - atan 1/2)^2
  double v = 4 / (3.14159265358979323846 * 3.14159265358979323846) * std::pow(std::atan(2.0) - std::atan(0.5), 2);
  CHECK(ciou(pixels{0, 0, 2, 4}, pixels{-1, 1, 3, 3}) ==
        doctest::Approx(1.0 / 3 - v * v / (2.0 / 3 + v)).epsilon(1e-14));
}

TEST_CASE("matrices of overlaps equal the pairs, whatever the tails") {
  dice d;
  for (medmo::index n : {0, 1, 3}) {
    for (medmo::index m : {0, 1, 7, 8, 9, 17}) {
      std::vector<thousandths> a, b;
      for (medmo::index i = 0; i < n; ++i) a.push_back(d.box(40));
      for (medmo::index j = 0; j < m; ++j) b.push_back(d.box(40));
      box_rows<norm1000> rows(a), columns(b);
      auto i = iou_matrix(rows, columns), g = giou_matrix(rows, columns), s = diou_matrix(rows, columns),
           c = ciou_matrix(rows, columns);
      REQUIRE((g.rows() == n && g.cols() == m));
      double worst = 0;
      for (medmo::index r = 0; r < n; ++r)
        for (medmo::index k = 0; k < m; ++k) {
          auto const &p = a[std::size_t(r)], &q = b[std::size_t(k)];
          worst = std::max({worst, std::abs(i(r, k) - iou(p, q)), std::abs(g(r, k) - giou(p, q)),
                            std::abs(s(r, k) - diou(p, q)), std::abs(c(r, k) - ciou(p, q))});
        }
      CHECK(worst < 4e-16);
    }
  }
}

TEST_CASE("the gradient of giou equals a complex step") {
  dice d;
  double worst = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto p = d.real_box(100), t = d.real_box(100);
    auto g = giou_gradient(p, t);
    CHECK(std::abs(g.value - giou(p, t)) < 1e-14);
    for (std::size_t k = 0; k < 4; ++k) {
      std::array<std::complex<double>, 4> x{p.x1, p.y1, p.x2, p.y2};
      x[k] += std::complex<double>(0, 1e-30);
      double expected = giou_of(x, t).imag() / 1e-30;
      worst = std::max(worst, std::abs(g.d_predicted[k] - expected) / (1 + std::abs(expected)));
    }
  }
  CHECK(worst < 1e-12);
}

TEST_CASE("the gradient of giou at its ends") {
  thousandths t{10, 10, 20, 20};
  for (double x : giou_gradient(t, t).d_predicted) CHECK(x == 0);
  auto apart = giou_gradient(thousandths{30, 10, 40, 20}, t).d_predicted;
  CHECK(apart[0] < 0);  // to the left is closer
  for (thousandths p : {thousandths{5, 5, 5, 5}, thousandths{20, 20, 10, 10}, thousandths{0, 0, 0, 0}})
    for (double x : giou_gradient(p, p).d_predicted) CHECK(std::isfinite(x));
  // walking uphill ends at the truth
  thousandths p{40, 2, 60, 9};
  double step = 4;
  for (int i = 0; i < 4000; ++i, step *= 0.998) {
    auto g = giou_gradient(p, t).d_predicted;
    double norm = std::sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2] + g[3] * g[3]) + 1e-300;
    p = {p.x1 + step * g[0] / norm, p.y1 + step * g[1] / norm, p.x2 + step * g[2] / norm, p.y2 + step * g[3] / norm};
  }
  CHECK(giou(p, t) > 0.99);
}
