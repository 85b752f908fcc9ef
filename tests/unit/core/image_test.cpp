// The picture's layout: rows of R, G, B.
#include "medmo/core/image.hpp"

#include <doctest/doctest.h>

TEST_CASE("image: pixels are rows of three bytes, and start black") {
  medmo::image p{5, 3};
  CHECK(p.pixels.size() == 45);
  p.at(4, 2)[2] = 7;
  CHECK(p.pixels.back() == 7);
  CHECK(static_cast<medmo::image const&>(p).at(4, 2) == p.pixels.data() + 42);
  CHECK(p.at(0, 1) - p.at(0, 0) == 15);
  CHECK(p.at(0, 0)[0] == 0);
}
