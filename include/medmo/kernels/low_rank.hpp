// Low-rank additions to weights (LoRA): y += scale (x A^T) B^T, beside a product with a weight of any type.
#pragma once

#include "embedding.hpp"
#include "matmul.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// W + scale B A in place of W. A [r, K] and B [O, r], f32, r at most max_rank.
struct low_rank {
  static constexpr index max_rank = 256;
  stored_matrix a, b;
  float scale = 1;
  constexpr index rank() const { return a.rows; }
};

/// y += scale (x A^T) B^T. x [T, K], y [T, O], no overlap. Canonical dots in f32: bits do not depend on rows or threads.
/// Allocates nothing. Parallel over T. Source: arXiv 2106.09685.
inline void low_rank_add(view<float> const& x, low_rank const& w, mutable_view<float> y) {
  constexpr index together = 16;
  index const r = w.rank();
  MEDMO_ASSERT(r <= low_rank::max_rank && w.b.cols == r && w.a.cols == x.cols() && w.b.rows == y.cols());
  parallel_ranges((x.rows() + together - 1) / together, grain_for((x.cols() + y.cols()) * r), [&](index begin, index end) {
    alignas(64) float inner[together * low_rank::max_rank];
    for (index t = begin * together; t < std::min(x.rows(), end * together); t += together) {
      index const n = std::min(together, x.rows() - t);
      product const down{w.a, mutable_view_of(inner, n, r)};
      detail::dot_block<4, 5>(x.data() + t * x.outerStride(), x.outerStride(), n, down, 0, r);
      for (index i = 0; i < n * r; ++i) inner[i] *= w.scale;
      product const up{w.b, mutable_view<float>(y.data() + t * y.outerStride(), n, y.cols(), Eigen::OuterStride<>(y.outerStride())),
                       nullptr, store::accumulate};
      detail::dot_block<4, 5>(static_cast<float const*>(inner), r, n, up, 0, y.cols());
    }
  });
}

/// out[0..K) = row `o` of W + scale B A.
inline void merged_row(stored_matrix const& base, low_rank const& w, index o, float* out) {
  read_row(base, o, out);
  float const* b = w.b.row<float>(o);
  for (index i = 0; i < w.rank(); ++i) {
    float const share = w.scale * b[i];
    float const* a = w.a.row<float>(i);
    for (index k = 0; k < base.cols; ++k) out[k] += share * a[k];
  }
}

}  // namespace medmo::inline MEDMO_ABI::kernels
