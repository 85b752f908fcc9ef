// The vector-Jacobian product of rms_norm (rms_norm.hpp), of a layer's norm and of each head's.
#pragma once

#include "matmul.hpp"
#include "rms_norm.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace reference {
/// d_x += and d_weight += for one slice.
template <class T>
void rms_norm_vjp(T const* x, T const* weight, T const* d_y, index d, T eps, T* d_x, T* d_weight) {
  T squares = 0, along = 0;
  for (index i = 0; i < d; ++i) squares += x[i] * x[i];
  T scale = 1 / std::sqrt(squares / static_cast<T>(d) + eps);
  for (index i = 0; i < d; ++i) along += weight[i] * d_y[i] * x[i];
  for (index i = 0; i < d; ++i) {
    d_weight[i] += d_y[i] * x[i] * scale;
    d_x[i] += scale * (weight[i] * d_y[i] - x[i] * (scale * scale * along / static_cast<T>(d)));
  }
}
}  // namespace reference

/// With s = 1 / sqrt(mean(x^2) + eps) and g = weight d_y of each slice of d columns:
///   d_weight[i] += sum_t d_y[t, i] x[t, i] s_t,   d_x = or += s (g - x s^2 mean(g x))
/// x, d_y, d_x [T, n d]; d_x may be d_y (assign), or null; d_weight [d] or null; `scales`: T n floats of scratch.
/// Sums in f32, over rising rows for d_weight. Allocates nothing. Parallel over T, and over columns for d_weight.
/// Oracle: reference::rms_norm_vjp.
inline void rms_norm_vjp(view<float> const& x, float const* weight, index d, float eps, view<float> const& d_y,
                         mutable_view<float> d_x, store how, float* d_weight, float* scales) {
  index const slices = x.cols() / d;
  auto row = [&](auto const& m, index t, index s) { return m.data() + t * m.outerStride() + s * d; };
  // sixteen lanes of f over a slice, tails filled with zeros
  auto total = [d](auto f) {
    f32x16 acc(0.0f);
    for (index i = 0; i < d; i += 16) acc = f(acc, i, std::min<index>(16, d - i));
    return sum(acc);
  };
  auto load = [](float const* p, index n) { return n == 16 ? f32x16::load(p) : f32x16::load_first(p, n); };
  parallel_ranges(x.rows(), grain_for(x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t)
      for (index s = 0; s < slices; ++s) {
        float const* in = row(x, t, s);
        float squares = total([&](f32x16 acc, index i, index n) { return fma(load(in + i, n), load(in + i, n), acc); });
        scales[t * slices + s] = 1.0f / std::sqrt(squares / static_cast<float>(d) + eps);
      }
  });
  if (d_weight)
    parallel_ranges(d, std::max<index>(16, grain_for(x.rows() * slices)), [&](index begin, index end) {
      for (index t = 0; t < x.rows(); ++t)
        for (index s = 0; s < slices; ++s) {
          float const *in = row(x, t, s), *back = row(d_y, t, s), scale = scales[t * slices + s];
          for (index i = begin; i < end; ++i) d_weight[i] += back[i] * (in[i] * scale);
        }
    });
  if (!d_x.data()) return;
  parallel_ranges(x.rows(), grain_for(2 * x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t)
      for (index s = 0; s < slices; ++s) {
        float const *in = row(x, t, s), *back = row(d_y, t, s), scale = scales[t * slices + s];
        float* out = d_x.data() + t * d_x.outerStride() + s * d;
        float along = total([&](f32x16 acc, index i, index n) {
          return fma(load(weight + i, n) * load(back + i, n), load(in + i, n), acc);
        });
        float turn = scale * scale * along / static_cast<float>(d);
        if (how == store::assign)
          for (index i = 0; i < d; ++i) out[i] = scale * (weight[i] * back[i] - in[i] * turn);
        else
          for (index i = 0; i < d; ++i) out[i] += scale * (weight[i] * back[i] - in[i] * turn);
      }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
