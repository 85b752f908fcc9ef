// The canonical dot: the tile has the bits of the scalar reference, whatever its size, and both are close to the truth.
#include "medmo/kernels/dot.hpp"

#include "random_rows.hpp"

namespace kernel_tests {
namespace {

template <int R, int C, class T>
void check_tile(index k) {
  CAPTURE(R);
  CAPTURE(C);
  CAPTURE(k);
  random_rows x("dot.x", R, k), w("dot.w", C, k);
  auto a = as<T>(x), b = as<T>(w);
  std::vector<float> out(R * (C + 2), -1.0f);
  medmo::kernels::dot_tile<R, C>(a.data(), k, b.data(), k, k, out.data(), C + 2);
  worst_element worst;
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      CAPTURE(r);
      CAPTURE(c);
      float found = out[static_cast<std::size_t>(r * (C + 2) + c)];
      float expected = medmo::kernels::reference::dot(a.data() + r * k, b.data() + c * k, k);
      CHECK(std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(expected));
      double sum = 0, size = 0;
      for (index i = 0; i < k; ++i) {
        auto p = static_cast<double>(static_cast<float>(a[static_cast<std::size_t>(r * k + i)])) *
                 static_cast<double>(static_cast<float>(b[static_cast<std::size_t>(c * k + i)]));
        sum += p;
        size += std::abs(p);
      }
      // a lane adds k / 16 + 1 products (one rounding each), the tree four more
      worst.see(r, c, static_cast<double>(found), sum, (static_cast<double>(k) / 16 + 6) * eps * size);
    }
    CHECK(out[static_cast<std::size_t>(r * (C + 2) + C)] == -1.0f);  // nothing beside the tile
  }
  worst.check();
}

TEST_CASE_TEMPLATE("dot: the tile has the bits of the reference", T, float, medmo::bf16) {
  for (index k : {1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 130, 515}) {
    check_tile<1, 1, T>(k);
    check_tile<1, 5, T>(k);
    check_tile<4, 5, T>(k);
    check_tile<3, 2, T>(k);
  }
}

TEST_CASE("dot: not a number stays one") {
  std::vector<float> a(40, 1.0f), b(40, 1.0f);
  a[39] = std::numeric_limits<float>::quiet_NaN();
  float out = 0;
  medmo::kernels::dot_tile<1, 1>(a.data(), 40, b.data(), 40, 40, &out, 1);
  CHECK(std::isnan(out));
}

}  // namespace
}  // namespace kernel_tests
