// The vector-Jacobian product of embed (embedding.hpp), and of any rows that were read out of a table and mixed.
#pragma once

#include <span>

#include "embedding.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// d_table[row(t, i)] += share(t, i) d_out[t] for i < taps, rows in rising order of t, so equal ids add in one order.
/// d_out [T, D], d_table [., D] contiguous; rows must lie in it. Parallel over columns.
template <class Row, class Share>
void mixed_rows_vjp(view<float> const& d_out, index taps, Row&& row, Share&& share, float* d_table) {
  index const d = d_out.cols();
  parallel_ranges(d, std::max<index>(16, grain_for(4 * d_out.rows() * taps)), [&](index begin, index end) {
    for (index t = 0; t < d_out.rows(); ++t) {
      float const* from = d_out.data() + t * d_out.outerStride();
      for (index i = 0; i < taps; ++i) {
        float* to = d_table + row(t, i) * d;
        float const s = share(t, i);
        for (index c = begin; c < end; ++c) to[c] += s * from[c];
      }
    }
  });
}

/// d_table[ids[t]] += d_out[t].
inline void embed_vjp(std::span<index const> ids, view<float> const& d_out, float* d_table) {
  mixed_rows_vjp(d_out, 1, [&](index t, index) { return ids[static_cast<std::size_t>(t)]; },
                 [](index, index) { return 1.0f; }, d_table);
}

}  // namespace medmo::inline MEDMO_ABI::kernels
