// Boxes: conversions between units, with the rounding of the reference.
#include "medmo/core/box.hpp"

#include <doctest/doctest.h>

#include <concepts>

using medmo::box;
using medmo::norm1000;
using medmo::pixel;

TEST_CASE("box: thousandths to pixels are exact products") {
  box<pixel> b = medmo::to_pixel({0, 250, 500, 1000}, 640, 480);
  CHECK(b == box<pixel>{0, 120, 320, 480});
  static_assert(medmo::to_pixel({100, 100, 200, 200}, 1000, 500) == box<pixel>{100, 50, 200, 100});
}

TEST_CASE("box: pixels to thousandths round halves to even and clamp") {
  struct row {
    char const* name;
    double x;
    double expected;
  };
  for (row const& r : {row{"zero", 0, 0}, row{"half to even, down", 0.5, 0}, row{"half to even, up", 1.5, 2},
                       row{"half to even, down again", 2.5, 2}, row{"below the picture", -7, 0},
                       row{"beyond the picture", 2001, 1000}, row{"the far edge", 1000, 1000}}) {
    CAPTURE(r.name);
    auto b = medmo::to_norm1000({r.x, 0, r.x, 0}, 1000, 1);
    CHECK(b.x1 == r.expected);
    CHECK(b.x2 == r.expected);
  }
}

TEST_CASE("box: each axis is scaled by its own size") {
  CHECK(medmo::to_norm1000({32, 24, 320, 240}, 640, 480) == box<norm1000>{50, 50, 500, 500});
}

TEST_CASE("box: thousandths survive the way to pixels and back at any size") {
  int worst = 0;
  for (medmo::index size : {1, 2, 3, 7, 255, 640, 999, 1001, 4096})
    for (int v = 0; v <= 1000; ++v) {
      box<norm1000> there{double(v), double(v), double(v), double(v)};
      worst += medmo::to_norm1000(medmo::to_pixel(there, size, size + 1), size, size + 1) != there;
    }
  CHECK(worst == 0);
}

TEST_CASE("box: units do not convert by themselves") {
  static_assert(!std::convertible_to<box<pixel>, box<norm1000>>);
  static_assert(!std::constructible_from<box<norm1000>, box<pixel>>);
  CHECK(!medmo::detection{}.confidence.has_value());
}
