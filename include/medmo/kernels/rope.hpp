// Rotary position embedding with the half-split pairing (i, i + d/2), for one or several position axes.
#pragma once

#include <cmath>

#include "../core/parallel.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// Rotates every head of x in place:
///   x[i]     = x[i] cos[t, i] - x[i + h] sin[t, i]
///   x[i + h] = x[i + h] cos[t, i] + x[i] sin[t, i],   h = head_dim / 2, i < h
/// x [T, heads * head_dim]; cos, sin [T, h]. Parallel over T. Source: arXiv 2104.09864, Qwen3-VL's rotate_half.
inline void rotate(mutable_view<float> x, index head_dim, view<float> const& cos, view<float> const& sin) {
  index heads = x.cols() / head_dim, half = head_dim / 2;
  parallel_ranges(x.rows(), grain_for(x.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) {
      float const *c = cos.data() + t * cos.outerStride(), *s = sin.data() + t * sin.outerStride();
      for (index h = 0; h < heads; ++h) {
        float* lo = x.data() + t * x.outerStride() + h * head_dim;
        float* hi = lo + half;
        for (index i = 0; i < half; ++i) {
          float a = lo[i], b = hi[i];
          lo[i] = a * c[i] - b * s[i];
          hi[i] = b * c[i] + a * s[i];
        }
      }
    }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
