// The rotation against its formula, and what any rotation keeps: lengths.
#include "medmo/kernels/rope.hpp"

#include "random_rows.hpp"

namespace kernel_tests {
namespace {

TEST_CASE("rope: pairs (i, i + d/2) turn by their angle") {
  for (index d : {2, 6, 16, 72, 128})
    for (index heads : {1, 3}) {
      CAPTURE(d);
      CAPTURE(heads);
      index half = d / 2;
      random_rows x("rope.x", 4, heads * d, 3), angle("rope.angle", 4, half), cos = angle, sin = angle;
      for (index t = 0; t < 4; ++t)
        for (index i = 0; i < half; ++i)
          cos.at(t, i) = std::cos(angle.at(t, i)), sin.at(t, i) = std::sin(angle.at(t, i));
      auto const before = x;
      medmo::kernels::rotate(x.all(), d, cos.in(), sin.in());
      worst_element worst;
      for (index t = 0; t < 4; ++t)
        for (index h = 0; h < heads; ++h)
          for (index i = 0; i < half; ++i) {
            double a = static_cast<double>(before.at(t, h * d + i));
            double b = static_cast<double>(before.at(t, h * d + half + i));
            double turn = static_cast<double>(angle.at(t, i)), allowed = 4 * eps * (std::abs(a) + std::abs(b));
            worst.see(t, h * d + i, static_cast<double>(x.at(t, h * d + i)), a * std::cos(turn) - b * std::sin(turn),
                      allowed);
            worst.see(t, h * d + half + i, static_cast<double>(x.at(t, h * d + half + i)),
                      b * std::cos(turn) + a * std::sin(turn), allowed);
          }
      worst.check();
    }
}

TEST_CASE("rope: an angle of zero changes nothing") {
  random_rows x("rope.x", 3, 32), cos("rope.c", 3, 8), sin = cos;
  cos.all().setOnes();
  sin.all().setZero();
  auto before = x.bytes();
  medmo::kernels::rotate(x.all(), 16, cos.in(), sin.in());
  CHECK(x.bytes() == before);
}

}  // namespace
}  // namespace kernel_tests
