// The vector-Jacobian products of the pointwise non-linearities (activation.hpp).
#pragma once

#include "activation.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace reference {
/// d silu / d x
template <class T>
T silu_slope(T x) {
  T s = 1 / (1 + std::exp(-x));
  return s * (1 + x * (1 - s));
}
/// d gelu / d x
template <class T>
T gelu_slope(T x, gelu_kind kind) {
  if (kind == gelu_kind::exact)
    return (1 + std::erf(x / std::numbers::sqrt2_v<T>)) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi_v<T>);
  T root = std::sqrt(2 / std::numbers::pi_v<T>), cube = static_cast<T>(0.044715);
  T h = std::tanh(root * (x + cube * x * x * x));
  return (1 + h) / 2 + x / 2 * (1 - h * h) * root * (1 + 3 * cube * x * x);
}
}  // namespace reference

/// Of y = silu(gate) up, in place on d_gate [T, F], which comes as the gradient of y:
///   d_up = d_y silu(gate),   d_gate = d_y up silu'(gate),   silu'(x) = s (1 + x (1 - s)), s = 1 / (1 + exp(-x))
/// gate, up, d_up [T, F]; d_up is assigned. Parallel over T.  Oracle: reference::silu_slope.
inline void silu_multiply_vjp(view<float> const& gate, view<float> const& up, mutable_view<float> d_gate,
                              mutable_view<float> d_up) {
  f32x16 const zero(0.0f), one(1.0f);
  detail::for_lanes(d_gate, [&](f32x16 d_y, index t, index i, index n) {
    auto load = [&](view<float> const& m) {
      float const* p = m.data() + t * m.outerStride() + i;
      return n == 16 ? f32x16::load(p) : f32x16::load_first(p, n);
    };
    auto g = load(gate), u = load(up), s = one / (one + exp(zero - g));
    float* to = d_up.data() + t * d_up.outerStride() + i;
    n == 16 ? (d_y * (g * s)).store(to) : (d_y * (g * s)).store_first(to, n);
    return d_y * u * (s * (one + g * (one - s)));
  });
}

/// Of y = gelu(x), in place on d_x [T, F], which comes as the gradient of y: d_x = d_y gelu'(x). x [T, F] before gelu.
/// exact: Phi(x) + x phi(x); tanh: the derivative of the formula in activation.hpp. Parallel over T.
/// Oracle: reference::gelu_slope.
inline void gelu_vjp(view<float> const& x, gelu_kind kind, mutable_view<float> d_x) {
  f32x16 const half(0.5f), one(1.0f), zero(0.0f);
  auto with = [&](auto slope) {
    detail::for_lanes(d_x, [&](f32x16 d_y, index t, index i, index n) {
      float const* p = x.data() + t * x.outerStride() + i;
      return d_y * slope(n == 16 ? f32x16::load(p) : f32x16::load_first(p, n));
    });
  };
  if (kind == gelu_kind::exact) {
    f32x16 const scale(static_cast<float>(1 / std::numbers::sqrt2)), density(static_cast<float>(1 / std::sqrt(2 * std::numbers::pi)));
    with([&](f32x16 v) { return half * (one + erf(v * scale)) + v * density * exp_nonpositive(zero - half * v * v); });
  } else {
    f32x16 const root(static_cast<float>(std::sqrt(2 / std::numbers::pi))), cube(0.044715f), thrice(3 * 0.044715f);
    with([&](f32x16 v) {
      auto square = v * v, h = tanh(root * (v + cube * (v * square)));
      return half * (one + h) + half * v * (one - h * h) * root * (one + thrice * square);
    });
  }
}

}  // namespace medmo::inline MEDMO_ABI::kernels
