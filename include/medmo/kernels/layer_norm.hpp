// Layer norm with weight and bias, in two passes over the row.
#pragma once

#include <cmath>

#include "../core/parallel.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace reference {
template <class T>
void layer_norm(T const* x, T const* weight, T const* bias, index d, T eps, T* out) {
  T mean = 0, variance = 0;
  for (index i = 0; i < d; ++i) mean += x[i];
  mean /= static_cast<T>(d);
  for (index i = 0; i < d; ++i) variance += (x[i] - mean) * (x[i] - mean);
  T scale = 1 / std::sqrt(variance / static_cast<T>(d) + eps);
  for (index i = 0; i < d; ++i) out[i] = weight[i] * ((x[i] - mean) * scale) + bias[i];
}
}  // namespace reference

/// out[t, i] = weight[i] * (x[t, i] - mean_t) / sqrt(variance_t + eps) + bias[i], biased variance.
/// x, out [T, D] (out may be x), weight, bias [D], eps > 0. Sums in f32 in sixteen lanes. Allocates nothing. Parallel
/// over T. Source: arXiv 1607.06450.  Oracle: reference::layer_norm.
inline void layer_norm(view<float> const& x, float const* weight, float const* bias, float eps,
                       mutable_view<float> out) {
  index d = x.cols();
  parallel_ranges(x.rows(), grain_for(x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) {
      float const* in = x.data() + t * x.outerStride();
      float* to = out.data() + t * out.outerStride();
      index whole = d / 16 * 16;
      f32x16 total(0.0f), squares(0.0f);
      for (index i = 0; i < whole; i += 16) total = total + f32x16::load(in + i);
      if (whole < d) total = total + f32x16::load_first(in + whole, d - whole);
      float mean = sum(total) / static_cast<float>(d);
      f32x16 centre(mean);
      for (index i = 0; i < whole; i += 16) {
        auto v = f32x16::load(in + i) - centre;
        squares = fma(v, v, squares);
      }
      if (whole < d) {
        auto v = f32x16::load_first(in + whole, d - whole, mean) - centre;
        squares = fma(v, v, squares);
      }
      float scale = 1.0f / std::sqrt(sum(squares) / static_cast<float>(d) + eps);
      for (index i = 0; i < d; ++i) to[i] = weight[i] * ((in[i] - mean) * scale) + bias[i];
    }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
