// The vector-Jacobian product of rotate (rope.hpp): the rotation back.
#pragma once

#include "rope.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// In place on d_x [T, heads * head_dim], which comes as the gradient of the rotated heads:
///   d[i] = d[i] cos[t, i] + d[i + h] sin[t, i],   d[i + h] = d[i + h] cos[t, i] - d[i] sin[t, i],   h = head_dim / 2
/// cos, sin [T, h]. Parallel over T.
inline void rotate_vjp(mutable_view<float> d_x, index head_dim, view<float> const& cos, view<float> const& sin) {
  index heads = d_x.cols() / head_dim, half = head_dim / 2;
  parallel_ranges(d_x.rows(), grain_for(d_x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) {
      float const *c = cos.data() + t * cos.outerStride(), *s = sin.data() + t * sin.outerStride();
      for (index h = 0; h < heads; ++h) {
        float* lo = d_x.data() + t * d_x.outerStride() + h * head_dim;
        float* hi = lo + half;
        for (index i = 0; i < half; ++i) {
          float a = lo[i], b = hi[i];
          lo[i] = a * c[i] + b * s[i];
          hi[i] = b * c[i] - a * s[i];
        }
      }
    }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
