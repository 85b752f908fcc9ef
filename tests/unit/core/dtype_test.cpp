// bf16 and f16 against a slow reference in double: every one of the 65,536 values, every boundary where rounding turns,
// and a comb through all f32 values. Names and sizes of the storage types.
#include "medmo/core/dtype.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using medmo::bf16;
using medmo::dtype;
using medmo::f16;

namespace {

/// A binary floating point format of 16 bits by its definition.
struct format {
  int mantissa_bits, min_exponent, max_exponent;

  double decode(std::uint16_t bits) const {
    int exponent_bits = 15 - mantissa_bits, exponent = (bits & 0x7fff) >> mantissa_bits;
    double mantissa = bits & ((1 << mantissa_bits) - 1), one = 1 << mantissa_bits;
    double magnitude =
        exponent == (1 << exponent_bits) - 1
            ? (mantissa == 0 ? std::numeric_limits<double>::infinity() : std::nan(""))
            : std::ldexp((exponent ? one : 0) + mantissa, std::max(exponent, 1) - 1 + min_exponent - mantissa_bits);
    return bits & 0x8000 ? -magnitude : magnitude;
  }
  double round(double x) const {
    if (x == 0 || !std::isfinite(x)) return x;
    int exponent = std::max(std::ilogb(x), min_exponent);
    double nearest = std::ldexp(std::nearbyint(std::ldexp(x, mantissa_bits - exponent)), exponent - mantissa_bits);
    return std::abs(nearest) >= std::ldexp(1.0, max_exponent + 1)
               ? std::copysign(std::numeric_limits<double>::infinity(), x)
               : nearest;
  }
};
constexpr format bf16_format{7, -126, 127}, f16_format{10, -14, 15};

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

template <class T>
void check_decode(format const& reference) {
  std::uint32_t wrong = 0, worst = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    T t;
    t.bits = static_cast<std::uint16_t>(bits);
    bool ok = same(static_cast<float>(t), reference.decode(t.bits));
    T back{static_cast<float>(t)};
    ok = ok && (back.bits == t.bits || std::isnan(static_cast<float>(t)));
    if (!ok) ++wrong, worst = bits;
  }
  CAPTURE(worst);
  CHECK(wrong == 0);
}

template <class T>
void check_encode_at(format const& reference, std::uint32_t bits, std::uint32_t& wrong, std::uint32_t& worst) {
  float x = std::bit_cast<float>(bits);
  if (!same(static_cast<float>(T{x}), reference.round(x))) ++wrong, worst = bits;
}

template <class T>
void check_encode(format const& reference) {
  std::uint32_t wrong = 0, worst = 0;
  // Around every value and every midpoint of two neighbours: between these rounding is constant.
  for (std::uint32_t bits = 0; bits < 0xffff; ++bits) {
    T low, high;
    low.bits = static_cast<std::uint16_t>(bits), high.bits = static_cast<std::uint16_t>(bits + 1);
    double a = static_cast<float>(low), b = static_cast<float>(high);
    if (!std::isfinite(a)) continue;
    if (!std::isfinite(b)) b = std::copysign(std::ldexp(1.0, reference.max_exponent + 1), a);
    for (double at : {a, (a + b) / 2}) {
      auto centre = std::bit_cast<std::uint32_t>(static_cast<float>(at));
      for (int step = -1; step <= 1; ++step)
        check_encode_at<T>(reference, centre + static_cast<std::uint32_t>(step), wrong, worst);
    }
  }
  std::uint32_t bits = 0;  // a comb; 4099 is prime, so every low half occurs
  do check_encode_at<T>(reference, bits, wrong, worst);
  while ((bits += 4099) >= 4099);
  CAPTURE(worst);
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("bf16: every value means what its bits say and comes back") { check_decode<bf16>(bf16_format); }
TEST_CASE("f16: every value means what its bits say and comes back") { check_decode<f16>(f16_format); }
TEST_CASE("bf16: rounds to nearest even") { check_encode<bf16>(bf16_format); }
TEST_CASE("f16: rounds to nearest even, overflows to infinity, keeps subnormals") { check_encode<f16>(f16_format); }

TEST_CASE("bf16 and f16: NaN with a payload in the low bits only stays NaN") {
  float nan = std::bit_cast<float>(0x7f800001u);
  CHECK(std::isnan(static_cast<float>(bf16{nan})));
  CHECK(std::isnan(static_cast<float>(f16{nan})));
  static_assert(static_cast<float>(bf16{1.0f}) == 1.0f && static_cast<float>(f16{-2.0f}) == -2.0f);
}

TEST_CASE("dtype: names are safetensors' and lead back; sizes") {
  for (int i = 0; i <= static_cast<int>(dtype::boolean); ++i) {
    auto t = static_cast<dtype>(i);
    CAPTURE(i);
    CHECK(medmo::dtype_from_name(medmo::name_of(t)) == t);
    CHECK(medmo::size_of(t) >= 1);
  }
  CHECK(medmo::name_of(dtype::bf16) == "BF16");
  CHECK(medmo::size_of(dtype::bf16) == sizeof(bf16));
  CHECK(medmo::size_of(dtype::f16) == sizeof(f16));
  CHECK(medmo::size_of(dtype::f64) == 8);
  for (char const* unknown : {"", "f32", "F8_E4M3", "BOOLEAN", "?"}) {
    CAPTURE(unknown);
    CHECK(!medmo::dtype_from_name(unknown));
  }
}
