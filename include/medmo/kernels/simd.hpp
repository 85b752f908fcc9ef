// Sixteen f32 lanes on any machine: one AVX-512 register, two of AVX2, four of SSE or NEON. The lane structure is part of
// the arithmetic (docs/architecture.md, "Canonical arithmetic"), so results do not depend on the width of the registers.
// The one place that knows which xsimd version is installed (8.1 and newer).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <xsimd/xsimd.hpp>

#include "../core/dtype.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

struct f32x16 {
  using batch = xsimd::batch<float>;
  static constexpr int width = static_cast<int>(batch::size);
  static constexpr int count = 16 / width;
  static_assert(16 % width == 0, "registers of more than 16 floats are not supported");
  batch part[count];

  f32x16() = default;
  explicit f32x16(float x) {
    for (auto& p : part) p = batch(x);
  }
  static f32x16 load(float const* p) {
    f32x16 r;
    for (int i = 0; i < count; ++i) r.part[i] = batch::load_unaligned(p + i * width);
    return r;
  }
  /// The first n floats, 0 <= n <= 16; the other lanes are `fill`.
  static f32x16 load_first(float const* p, index n, float fill = 0.0f) {
    alignas(64) float lanes[16];
    for (index i = 0; i < 16; ++i) lanes[i] = i < n ? p[i] : fill;
    return load(lanes);
  }
  void store(float* p) const {
    for (int i = 0; i < count; ++i) part[i].store_unaligned(p + i * width);
  }
  void store_first(float* p, index n) const {
    alignas(64) float lanes[16];
    store(lanes);
    for (index i = 0; i < n; ++i) p[i] = lanes[i];
  }

  template <class F>
  static f32x16 map(f32x16 const& a, f32x16 const& b, F f) {
    f32x16 r;
    for (int i = 0; i < count; ++i) r.part[i] = f(a.part[i], b.part[i]);
    return r;
  }
  template <class F>
  static f32x16 map(f32x16 const& a, F f) {
    f32x16 r;
    for (int i = 0; i < count; ++i) r.part[i] = f(a.part[i]);
    return r;
  }
  friend f32x16 operator+(f32x16 const& a, f32x16 const& b) { return map(a, b, [](auto x, auto y) { return x + y; }); }
  friend f32x16 operator-(f32x16 const& a, f32x16 const& b) { return map(a, b, [](auto x, auto y) { return x - y; }); }
  friend f32x16 operator*(f32x16 const& a, f32x16 const& b) { return map(a, b, [](auto x, auto y) { return x * y; }); }
  friend f32x16 operator/(f32x16 const& a, f32x16 const& b) { return map(a, b, [](auto x, auto y) { return x / y; }); }
};

inline f32x16 max(f32x16 const& a, f32x16 const& b) {
  return f32x16::map(a, b, [](auto x, auto y) { return xsimd::max(x, y); });
}
/// a * b + c with one rounding where the machine has it.
inline f32x16 fma(f32x16 const& a, f32x16 const& b, f32x16 const& c) {
  f32x16 r;
#if defined(__AVX512F__)
  // xsimd 8 has no fma for these registers: product, then sum, which a compiler may or may not fuse
  r.part[0] = _mm512_fmadd_ps(a.part[0], b.part[0], c.part[0]);
#else
  for (int i = 0; i < f32x16::count; ++i) r.part[i] = xsimd::fma(a.part[i], b.part[i], c.part[i]);
#endif
  return r;
}
inline f32x16 sqrt(f32x16 const& a) {
  return f32x16::map(a, [](auto x) { return xsimd::sqrt(x); });
}
inline f32x16 exp(f32x16 const& a) {
  return f32x16::map(a, [](auto x) { return xsimd::exp(x); });
}
inline f32x16 tanh(f32x16 const& a) {
  return f32x16::map(a, [](auto x) { return xsimd::tanh(x); });
}
inline f32x16 erf(f32x16 const& a) {
  return f32x16::map(a, [](auto x) { return xsimd::erf(x); });
}

/// exp(x) for x <= 0: within 2 units in the last place above -87, exactly 0 below (so also for -infinity); NaN for NaN.
///   x = n ln 2 + r, |r| <= ln 2 / 2;  exp(x) = 2^n (1 + r + r^2 p(r)), p a polynomial of degree 4 (minimax, Cephes' expf)
inline f32x16 exp_nonpositive(f32x16 const& a) {
  return f32x16::map(a, [](auto x) {
    using batch = decltype(x);
    batch low(-87.0f);
    batch in = xsimd::max(x, low);
    batch n = xsimd::nearbyint(in * batch(1.44269504088896341f));
    batch r = xsimd::fma(n, batch(-0.693359375f), in);
    r = xsimd::fma(n, batch(2.12194440e-4f), r);
    batch p = xsimd::fma(batch(1.9875691500e-4f), r, batch(1.3981999507e-3f));
    p = xsimd::fma(p, r, batch(8.3334519073e-3f));
    p = xsimd::fma(p, r, batch(4.1665795894e-2f));
    p = xsimd::fma(p, r, batch(1.6666665459e-1f));
    p = xsimd::fma(p, r, batch(5.0000001201e-1f));
    p = xsimd::fma(p, r * r, r) + batch(1.0f);
    batch y = xsimd::select(x < low, batch(0.0f), xsimd::ldexp(p, xsimd::to_int(n)));
    return xsimd::select(x == x, y, x);  // a NaN stays one, whatever max made of it
  });
}
/// Do a and b differ in any lane?
inline bool differs(f32x16 const& a, f32x16 const& b) {
  for (int i = 0; i < f32x16::count; ++i)
    if (xsimd::any(a.part[i] != b.part[i])) return true;
  return false;
}

/// The one reduction tree: lanes i and i+8, then +4, +2, +1.
inline float sum(f32x16 const& a) {
#if defined(__AVX512F__)
  auto high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.part[0]), 1));
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.part[0]), high);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
  alignas(64) float s[16];
  a.store(s);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
#endif
}

}  // namespace medmo::inline MEDMO_ABI::kernels
