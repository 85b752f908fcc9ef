// A matrix with rows and columns exchanged, converted on the way: what makes an operand K-contiguous for a product of the
// backward pass. Not for in-place use.
#pragma once

#include "../core/parallel.hpp"
#include "embedding.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace detail {
/// out[c, r] = T(in[r, c]) for rows [first, last) of `in`, sixteen rows at a time: whole lines are read and written.
template <class T>
void transpose_rows(view<float> const& in, index first, index last, T* out, index out_stride) {
  for (index r = first; r < last; r += 16) {
    index const n = std::min<index>(16, last - r);
    float const* from = in.data() + r * in.outerStride();
    for (index c = 0; c < in.cols(); ++c) {
      T* to = out + c * out_stride + r;
      if (n == 16)
        for (index i = 0; i < 16; ++i) to[i] = T(from[i * in.outerStride() + c]);
      else
        for (index i = 0; i < n; ++i) to[i] = T(from[i * in.outerStride() + c]);
    }
  }
}
}  // namespace detail

/// out[c, r] = T(in[r, c]); T is float or bf16 (rounded to nearest even). in [R, C], out [C, R] contiguous.
/// Parallel over rows of `in`. Allocates nothing.
template <class T>
void transpose(view<float> const& in, T* out) {
  parallel_ranges((in.rows() + 15) / 16, grain_for(16 * in.cols()), [&](index begin, index end) {
    detail::transpose_rows(in, begin * 16, std::min(in.rows(), end * 16), out, in.rows());
  });
}

/// out[c, r - first] = bf16(w[r, c]) for rows [first, last) of a stored matrix of any type read_row knows.
/// out [cols, last - first] contiguous; `lines`: 16 cols floats a thread (transpose_lines). Parallel over rows.
inline void transpose_stored(stored_matrix const& w, index first, index last, bf16* out, float* lines) {
  index const n = last - first;
  parallel_ranges((n + 15) / 16, grain_for(16 * w.cols), [&](index begin, index end) {
    float* line = lines + thread_index() * 16 * w.cols;
    for (index r = begin * 16; r < std::min(n, end * 16); r += 16) {
      index const rows = std::min<index>(16, n - r);
      for (index i = 0; i < rows; ++i) read_row(w, first + r + i, line + i * w.cols);
      detail::transpose_rows(view_of<float>(line, rows, w.cols), 0, rows, out + r, n);
    }
  });
}

/// Floats of scratch for transpose_stored.
constexpr index transpose_lines(index cols, index threads) { return threads * 16 * cols; }

}  // namespace medmo::inline MEDMO_ABI::kernels
