// Random numbers: published values of splitmix64 and FNV-1a, golden values of a stream, and its moments.
#include "medmo/core/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

TEST_CASE("random: splitmix64 yields its published sequence for seed 0") {
  static_assert(medmo::mix64(0) == 0xe220a8397b1dcdafull);
  static_assert(medmo::mix64(0x9e3779b97f4a7c15ull) == 0x6e789e6aa1b965f4ull);
  static_assert(medmo::mix64(2 * 0x9e3779b97f4a7c15ull) == 0x06c45d188009454full);
  CHECK(true);
}

TEST_CASE("random: FNV-1a yields its published values") {
  static_assert(medmo::stream_of("") == 0xcbf29ce484222325ull);
  static_assert(medmo::stream_of("a") == 0xaf63dc4c8601ec8cull);
  static_assert(medmo::stream_of("foobar") == 0x85944171f73967e8ull);
  CHECK(true);
}

TEST_CASE("random: a stream's values never change") {  // checkpoints made by seed depend on them
  medmo::random_stream s{42, medmo::stream_of("model.language_model.norm.weight")};
  struct row {
    std::uint64_t i, bits;
    double uniform;
    float normal;
  };
  for (row const& r : {row{0u, 0x2deb24617e5ee91fu, 0x1.6f59230bf2f74p-3, -0x1.e668980000000p-2f},
                       row{1u, 0x6005def46aa077dau, 0x1.80177bd1aa81cp-2, 0x1.cf98200000000p-3f},
                       row{2u, 0xff2d9fdbc06936edu, 0x1.fe5b3fb780d26p-1, 0x1.0475080000000p+0f},
                       row{1000000000000u, 0xc19ac898666bc9b3u, 0x1.83359130ccd79p-1, 0x1.42b75c0000000p+0f}}) {
    CAPTURE(r.i);
    CHECK(s.bits(r.i) == r.bits);
    CHECK(s.uniform(r.i) == r.uniform);
    CHECK(s.normal(r.i) == r.normal);
  }
}

TEST_CASE("random: uniform is in [0, 1), normal has mean 0 and variance 1") {
  medmo::random_stream s{7, 1};
  constexpr int n = 1 << 18;
  double mean = 0, square = 0, uniform = 0, low = 1, high = 0;
  for (int i = 0; i < n; ++i) {
    double u = s.uniform(static_cast<std::uint64_t>(i)), x = s.normal(static_cast<std::uint64_t>(i));
    mean += x / n, square += x * x / n, uniform += u / n;
    low = std::min(low, u), high = std::max(high, u);
  }
  double sigma = 1 / std::sqrt(double(n));  // of a mean of n values; 5 of them, since the seed is fixed
  CHECK(std::abs(mean) < 5 * sigma);
  CHECK(std::abs(square - 1) < 5 * std::sqrt(2.0) * sigma);
  CHECK(std::abs(uniform - 0.5) < 5 * sigma / std::sqrt(12.0));
  CHECK(low >= 0);
  CHECK(high < 1);
}

TEST_CASE("random: seeds and streams are apart") {
  medmo::random_stream a{1, 1}, b{1, 2}, c{2, 1};
  int equal = 0;
  for (std::uint64_t i = 0; i < 1000; ++i)
    equal += (a.bits(i) == b.bits(i)) + (a.bits(i) == c.bits(i)) + (b.bits(i) == c.bits(i));
  CHECK(equal == 0);
}
