// Pointwise non-linearities of the two towers: SiLU times gate, and GELU in its exact and its tanh form.
#pragma once

#include <cmath>
#include <numbers>

#include "../core/parallel.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

enum class gelu_kind { exact, tanh };

namespace reference {
template <class T>
T silu(T x) {
  return x / (1 + std::exp(-x));
}
template <class T>
T gelu(T x, gelu_kind kind) {
  if (kind == gelu_kind::exact) return x / 2 * (1 + std::erf(x / std::numbers::sqrt2_v<T>));
  T inner = std::sqrt(2 / std::numbers::pi_v<T>) * (x + static_cast<T>(0.044715) * x * x * x);
  return x / 2 * (1 + std::tanh(inner));
}
}  // namespace reference

namespace detail {
/// y[i] = f(y[i], i) in sixteen lanes; the last lanes of a row are done in a padded copy, with the same bits.
template <class F>
void for_lanes(mutable_view<float> y, F&& f) {
  parallel_ranges(y.rows(), grain_for(8 * y.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) {
      float* row = y.data() + t * y.outerStride();
      index i = 0;
      for (; i + 16 <= y.cols(); i += 16) f(f32x16::load(row + i), t, i, 16).store(row + i);
      if (index n = y.cols() - i; n > 0) f(f32x16::load_first(row + i, n), t, i, n).store_first(row + i, n);
    }
  });
}
}  // namespace detail

/// gate[t, i] = silu(gate[t, i]) * up[t, i]; silu(x) = x / (1 + exp(-x)). In place on gate [T, F]; up [T, F].
/// Source: arXiv 2002.05202.  Oracle: reference::silu.
inline void silu_multiply(mutable_view<float> gate, view<float> const& up) {
  detail::for_lanes(gate, [&](f32x16 g, index t, index i, index n) {
    float const* u = up.data() + t * up.outerStride() + i;
    auto one = f32x16(1.0f);
    auto silu = g / (one + exp(f32x16(0.0f) - g));
    return silu * (n == 16 ? f32x16::load(u) : f32x16::load_first(u, n));
  });
}

/// x[t, i] = gelu(x[t, i]) in place on x [T, F]. exact: x/2 (1 + erf(x / sqrt 2)); tanh: x/2 (1 + tanh(sqrt(2/pi)
/// (x + 0.044715 x^3))). Source: arXiv 1606.08415.  Oracle: reference::gelu.
inline void gelu(mutable_view<float> x, gelu_kind kind) {
  f32x16 half(0.5f), one(1.0f);
  if (kind == gelu_kind::exact) {
    f32x16 scale(static_cast<float>(1 / std::numbers::sqrt2));
    detail::for_lanes(x, [&](f32x16 v, index, index, index) { return half * v * (one + erf(v * scale)); });
  } else {
    f32x16 root(static_cast<float>(std::sqrt(2 / std::numbers::pi))), cube(0.044715f);
    detail::for_lanes(x, [&](f32x16 v, index, index, index) {
      return half * v * (one + tanh(root * (v + cube * (v * v * v))));
    });
  }
}

}  // namespace medmo::inline MEDMO_ABI::kernels
