// SiLU and both GELUs against their formulas in double; tails of a row have the bits of a whole one.
#include "medmo/kernels/activation.hpp"

#include "random_rows.hpp"

namespace kernel_tests {
namespace {

using medmo::kernels::gelu_kind;

/// Values from -12 to 12, some tiny, zero and far ones, repeated over rows of `cols`.
random_rows values(index rows, index cols) {
  random_rows x("activation.x", rows, cols, 2);
  float const special[] = {0.0f, -0.0f, 1e-20f, -1e-20f, 30.0f, -30.0f, 90.0f, -90.0f, 8.0f, -8.0f};
  for (index t = 0; t < rows; ++t)
    for (index i = 0; i < cols; ++i) {
      index n = t * cols + i;
      x.at(t, i) = n < 10 ? special[n] : 3.0f * x.at(t, i);
    }
  return x;
}

TEST_CASE("activation: silu times gate, against double") {
  for (index cols : {1, 7, 15, 16, 17, 31, 33, 72}) {
    CAPTURE(cols);
    auto gate = values(20, cols);
    auto const before = gate;
    random_rows up("activation.up", 20, cols, 1);
    medmo::kernels::silu_multiply(gate.all(), up.in());
    worst_element worst;
    for (index t = 0; t < 20; ++t)
      for (index i = 0; i < cols; ++i) {
        double e = medmo::kernels::reference::silu(static_cast<double>(before.at(t, i))) *
                   static_cast<double>(up.at(t, i));
        // beyond -88 the exponential leaves the range of f32 and silu is 0, as in the reference
        worst.see(t, i, static_cast<double>(gate.at(t, i)), e, 8 * eps * std::abs(e) + 1e-36);
      }
    worst.check();
  }
}

TEST_CASE("activation: gelu in both forms, against double") {
  for (auto kind : {gelu_kind::exact, gelu_kind::tanh})
    for (index cols : {1, 7, 15, 16, 17, 31, 33, 72}) {
      CAPTURE(cols);
      CAPTURE(static_cast<int>(kind));
      auto x = values(20, cols);
      auto const before = x;
      medmo::kernels::gelu(x.all(), kind);
      worst_element worst;
      for (index t = 0; t < 20; ++t)
        for (index i = 0; i < cols; ++i) {
          double v = static_cast<double>(before.at(t, i)), e = medmo::kernels::reference::gelu(v, kind);
          // 1 + erf cancels on the left: its error is some eps of one, times x / 2
          worst.see(t, i, static_cast<double>(x.at(t, i)), e, 8 * eps * std::abs(v) + 1e-36);
        }
      worst.check();
    }
}

TEST_CASE("activation: the place of a value in its row does not show") {
  for (index cols : {5, 16, 21}) {
    random_rows wide("activation.row", 3, 48), narrow("activation.none", 3, cols);
    for (index t = 0; t < 3; ++t) std::copy_n(wide.row(t) + 7, cols, narrow.row(t));
    auto narrow_exact = narrow, wide_exact = wide;
    medmo::kernels::gelu(wide.all(), gelu_kind::tanh);
    medmo::kernels::gelu(narrow.all(), gelu_kind::tanh);
    medmo::kernels::gelu(wide_exact.all(), gelu_kind::exact);
    medmo::kernels::gelu(narrow_exact.all(), gelu_kind::exact);
    auto size = sizeof(float) * static_cast<std::size_t>(cols);
    for (index t = 0; t < 3; ++t) {
      CHECK(std::memcmp(wide.row(t) + 7, narrow.row(t), size) == 0);
      CHECK(std::memcmp(wide_exact.row(t) + 7, narrow_exact.row(t), size) == 0);
    }
  }
}

}  // namespace
}  // namespace kernel_tests
