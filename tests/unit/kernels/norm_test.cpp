// Both norms against their scalar references in double, over widths with tails; slices, in place, threads.
#include "medmo/kernels/layer_norm.hpp"
#include "medmo/kernels/rms_norm.hpp"
#include "random_rows.hpp"

namespace kernel_tests {
namespace {

std::vector<double> wide(float const* p, index n) { return {p, p + n}; }

TEST_CASE("rms_norm: against the reference in double") {
  for (index d : {1, 2, 15, 16, 17, 31, 64, 100, 128, 257})
    for (index slices : {1, 3}) {
      CAPTURE(d);
      CAPTURE(slices);
      random_rows x("rms.x", 5, d * slices, 3), w("rms.w", 1, d), out("rms.out", 5, d * slices, 1);
      medmo::kernels::rms_norm(x.in(), w.row(0), d, 1e-6f, out.all());
      worst_element worst;
      std::vector<double> expected(static_cast<std::size_t>(d));
      for (index t = 0; t < 5; ++t)
        for (index s = 0; s < slices; ++s) {
          medmo::kernels::reference::rms_norm(wide(x.row(t) + s * d, d).data(), wide(w.row(0), d).data(), d,
                                              static_cast<double>(1e-6f), expected.data());
          for (index i = 0; i < d; ++i) {
            double e = expected[static_cast<std::size_t>(i)];
            // half the error of the sum of squares, then root, division, two products
            double allowed = (static_cast<double>(d) / 32 + 8) * eps * std::abs(e) + 1e-37;
            worst.see(t, s * d + i, static_cast<double>(out.at(t, s * d + i)), e, allowed);
          }
        }
      worst.check();
      auto in_place = x;
      medmo::kernels::rms_norm(in_place.in(), w.row(0), d, 1e-6f, in_place.all());
      for (index t = 0; t < 5; ++t)
        CHECK(std::memcmp(in_place.row(t), out.row(t), sizeof(float) * static_cast<std::size_t>(d * slices)) == 0);
    }
}

TEST_CASE("layer_norm: against the reference in double") {
  for (index d : {1, 2, 15, 16, 17, 31, 64, 100, 257}) {
    CAPTURE(d);
    random_rows x("ln.x", 5, d, 3), w("ln.w", 1, d), b("ln.b", 1, d), out("ln.out", 5, d, 1);
    for (index i = 0; i < d; ++i) x.at(4, i) += 100.0f;  // a mean far from zero
    medmo::kernels::layer_norm(x.in(), w.row(0), b.row(0), 1e-6f, out.all());
    worst_element worst;
    std::vector<double> expected(static_cast<std::size_t>(d));
    for (index t = 0; t < 5; ++t) {
      auto row = wide(x.row(t), d);
      medmo::kernels::reference::layer_norm(row.data(), wide(w.row(0), d).data(), wide(b.row(0), d).data(), d,
                                            static_cast<double>(1e-6f), expected.data());
      double largest = 0, mean = 0, variance = 0;
      for (double v : row) largest = std::max(largest, std::abs(v)), mean += v / static_cast<double>(d);
      for (double v : row) variance += (v - mean) * (v - mean) / static_cast<double>(d);
      for (index i = 0; i < d; ++i) {
        double e = expected[static_cast<std::size_t>(i)], weight = std::abs(static_cast<double>(w.at(0, i)));
        // the mean is off by some eps of the largest value, and the deviation magnifies it
        double additions = static_cast<double>(d) / 16 + 8;
        double allowed = additions * eps * (weight * largest / std::sqrt(variance + 1e-6) + std::abs(e)) +
                         4 * eps * std::abs(static_cast<double>(b.at(0, i)));
        worst.see(t, i, static_cast<double>(out.at(t, i)), e, allowed);
      }
    }
    worst.check();
    auto in_place = x;
    medmo::kernels::layer_norm(in_place.in(), w.row(0), b.row(0), 1e-6f, in_place.all());
    for (index t = 0; t < 5; ++t)
      CHECK(std::memcmp(in_place.row(t), out.row(t), sizeof(float) * static_cast<std::size_t>(d)) == 0);
  }
}

TEST_CASE("norms: threads change no byte") {
  random_rows x("norm.x", 300, 1000), w("norm.w", 1, 1000), b("norm.b", 1, 1000);
  random_rows rms("norm.out", 300, 1000), layer = rms;
  std::vector<std::byte> rms_bytes, layer_bytes;
  for (int n : {1, 2, 3}) {
    threads several(n);
    medmo::kernels::rms_norm(x.in(), w.row(0), 1000, 1e-6f, rms.all());
    medmo::kernels::layer_norm(x.in(), w.row(0), b.row(0), 1e-6f, layer.all());
    if (n == 1) rms_bytes = rms.bytes(), layer_bytes = layer.bytes();
    CHECK(rms.bytes() == rms_bytes);
    CHECK(layer.bytes() == layer_bytes);
  }
}

}  // namespace
}  // namespace kernel_tests
