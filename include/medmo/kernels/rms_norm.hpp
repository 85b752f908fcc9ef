// Root-mean-square norm over the columns, or over each head's slice of them.
#pragma once

#include <cmath>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace reference {
template <class T>
void rms_norm(T const* x, T const* weight, index d, T eps, T* out) {
  T squares = 0;
  for (index i = 0; i < d; ++i) squares += x[i] * x[i];
  T scale = 1 / std::sqrt(squares / static_cast<T>(d) + eps);
  for (index i = 0; i < d; ++i) out[i] = weight[i] * (x[i] * scale);
}
}  // namespace reference

/// Root-mean-square norm, then scale.
///   out[t, s d + i] = weight[i] * x[t, s d + i] / sqrt(mean_i(x[t, s d + i]^2) + eps),   i < d, slices s
/// x, out [T, n d] (out may be x), weight [d], eps > 0. One slice is the norm of a layer, one slice a head that of
/// queries and keys. Sums in f32 in sixteen lanes. Allocates nothing. Parallel over T.
/// Source: arXiv 1910.07467.  Oracle: reference::rms_norm.
inline void rms_norm(view<float> const& x, float const* weight, index d, float eps, mutable_view<float> out) {
  index slices = x.cols() / d;
  MEDMO_ASSERT(slices * d == x.cols());
  parallel_ranges(x.rows(), grain_for(x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t)
      for (index s = 0; s < slices; ++s) {
        float const* in = x.data() + t * x.outerStride() + s * d;
        float* to = out.data() + t * out.outerStride() + s * d;
        f32x16 squares(0.0f);
        index i = 0;
        for (; i + 16 <= d; i += 16) {
          auto v = f32x16::load(in + i);
          squares = fma(v, v, squares);
        }
        if (i < d) {
          auto v = f32x16::load_first(in + i, d - i);
          squares = fma(v, v, squares);
        }
        float scale = 1.0f / std::sqrt(sum(squares) / static_cast<float>(d) + eps);
        for (i = 0; i < d; ++i) to[i] = weight[i] * (in[i] * scale);
      }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
