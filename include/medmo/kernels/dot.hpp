// The canonical dot product: along the whole of K in sixteen lanes, then one fixed reduction tree. A tile of such dots is
// a matrix product whose bits do not depend on the size or place of the tile. See docs/architecture.md.
#pragma once

#include "arch/bf16.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// How a K-contiguous row of T is read: `step` elements a time into sixteen lanes, products added in lane order.
template <class T>
struct dot_traits;
template <>
struct dot_traits<float> {
  using chunk = f32x16;
  static constexpr index step = 16;
  static f32x16 multiply_add(chunk const& a, chunk const& b, f32x16 const& acc) { return fma(a, b, acc); }
};
template <>
struct dot_traits<bf16> {
  using chunk = arch::bf16x32;
  static constexpr index step = 32;
  static f32x16 multiply_add(chunk const& a, chunk const& b, f32x16 const& acc) { return arch::multiply_add(a, b, acc); }
};

namespace reference {
/// The same bits as `dot_tile`, one number at a time.
template <class T>
float dot(T const* a, T const* b, index k) {
  constexpr index step = dot_traits<T>::step, per_lane = step / 16;
  float lanes[16] = {};
  for (index at = 0; at < k; at += step)
    for (index lane = 0; lane < 16; ++lane)
      for (index e = per_lane; e-- > 0;) {
        index i = at + lane * per_lane + e;
        float x = i < k ? static_cast<float>(a[i]) : 0.0f, y = i < k ? static_cast<float>(b[i]) : 0.0f;
        lanes[lane] = std::fma(x, y, lanes[lane]);
      }
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}
}  // namespace reference

/// out[r * out_stride + c] = a_r . b_c for R rows of a and C rows of b, all K-contiguous of length k.
/// a [R, k] with row stride a_stride (elements), b [C, k] likewise.
template <int R, int C, class T>
void dot_tile(T const* a, index a_stride, T const* b, index b_stride, index k, float* out, index out_stride) {
  using traits = dot_traits<T>;
  f32x16 acc[R][C];
  for (auto& row : acc)
    for (auto& x : row) x = f32x16(0.0f);
  auto advance = [&](auto&& load) {
    typename traits::chunk bs[C];
    for (int c = 0; c < C; ++c) bs[c] = load(b + c * b_stride);
    for (int r = 0; r < R; ++r) {
      auto x = load(a + r * a_stride);
      for (int c = 0; c < C; ++c) acc[r][c] = traits::multiply_add(x, bs[c], acc[r][c]);
    }
  };
  index i = 0;
  for (; i + traits::step <= k; i += traits::step)
    advance([&](T const* p) { return traits::chunk::load(p + i); });
  if (i < k) advance([&](T const* p) { return traits::chunk::load_first(p + i, k - i); });
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) out[r * out_stride + c] = sum(acc[r][c]);
}

}  // namespace medmo::inline MEDMO_ABI::kernels
