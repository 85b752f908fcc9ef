// The vector-Jacobian product of layer_norm (layer_norm.hpp).
#pragma once

#include "layer_norm.hpp"
#include "matmul.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace reference {
/// d_x +=, d_weight += and d_bias += for one row.
template <class T>
void layer_norm_vjp(T const* x, T const* weight, T const* d_y, index d, T eps, T* d_x, T* d_weight, T* d_bias) {
  T mean = 0, variance = 0, level = 0, along = 0, n = static_cast<T>(d);
  for (index i = 0; i < d; ++i) mean += x[i] / n;
  for (index i = 0; i < d; ++i) variance += (x[i] - mean) * (x[i] - mean) / n;
  T scale = 1 / std::sqrt(variance + eps);
  for (index i = 0; i < d; ++i) {
    level += weight[i] * d_y[i] / n;
    along += weight[i] * d_y[i] * (x[i] - mean) * scale / n;
  }
  for (index i = 0; i < d; ++i) {
    T unit = (x[i] - mean) * scale;
    d_weight[i] += d_y[i] * unit;
    d_bias[i] += d_y[i];
    d_x[i] += scale * (weight[i] * d_y[i] - level - unit * along);
  }
}
}  // namespace reference

/// With u = (x - mean) s, s = 1 / sqrt(variance + eps) and g = weight d_y of each row:
///   d_weight[i] += sum_t d_y u,   d_bias[i] += sum_t d_y,   d_x = or += s (g - mean(g) - u mean(g u))
/// x, d_y, d_x [T, D]; d_x may be d_y (assign), or null; d_weight and d_bias [D], both or none; `moments`: 2 T floats of
/// scratch. Sums in f32, over rising rows for d_weight and d_bias. Allocates nothing. Parallel over T, and over columns
/// for d_weight and d_bias.  Oracle: reference::layer_norm_vjp.
inline void layer_norm_vjp(view<float> const& x, float const* weight, float eps, view<float> const& d_y,
                           mutable_view<float> d_x, store how, float* d_weight, float* d_bias, float* moments) {
  index const d = x.cols();
  auto const n = static_cast<float>(d);
  auto row = [](auto const& m, index t) { return m.data() + t * m.outerStride(); };
  // sixteen lanes of f over a row; f gets the valid lanes of this step
  auto total = [d](auto f) {
    f32x16 acc(0.0f);
    for (index i = 0; i < d; i += 16) acc = f(acc, i, std::min<index>(16, d - i));
    return sum(acc);
  };
  auto load = [](float const* p, index count, float fill = 0.0f) {
    return count == 16 ? f32x16::load(p) : f32x16::load_first(p, count, fill);
  };
  parallel_ranges(x.rows(), grain_for(x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) {
      float const* in = row(x, t);
      float const mean = total([&](f32x16 acc, index i, index c) { return acc + load(in + i, c); }) / n;
      float const squares = total([&](f32x16 acc, index i, index c) {
        auto v = load(in + i, c, mean) - f32x16(mean);
        return fma(v, v, acc);
      });
      moments[2 * t] = mean;
      moments[2 * t + 1] = 1.0f / std::sqrt(squares / n + eps);
    }
  });
  if (d_weight)
    parallel_ranges(d, std::max<index>(16, grain_for(x.rows())), [&](index begin, index end) {
      for (index t = 0; t < x.rows(); ++t) {
        float const *in = row(x, t), *back = row(d_y, t), mean = moments[2 * t], scale = moments[2 * t + 1];
        for (index i = begin; i < end; ++i) {
          d_weight[i] += back[i] * ((in[i] - mean) * scale);
          d_bias[i] += back[i];
        }
      }
    });
  if (!d_x.data()) return;
  parallel_ranges(x.rows(), grain_for(2 * d), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) {
      float const *in = row(x, t), *back = row(d_y, t), mean = moments[2 * t], scale = moments[2 * t + 1];
      float* out = d_x.data() + t * d_x.outerStride();
      float const level =
          total([&](f32x16 acc, index i, index c) { return fma(load(weight + i, c), load(back + i, c), acc); }) / n;
      float const along = total([&](f32x16 acc, index i, index c) {
        return fma(load(weight + i, c) * load(back + i, c), (load(in + i, c, mean) - f32x16(mean)) * f32x16(scale), acc);
      }) / n;
      auto at = [&](index i) { return scale * (weight[i] * back[i] - level - (in[i] - mean) * scale * along); };
      if (how == store::assign)
        for (index i = 0; i < d; ++i) out[i] = at(i);
      else
        for (index i = 0; i < d; ++i) out[i] += at(i);
    }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
