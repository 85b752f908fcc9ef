// Products whose second operand is read row by row: C[m, n] += sum_k A(m, k) B[k, n], in f32, what the backward pass needs.
// The forward pass has both operands K-contiguous (dot.hpp); here one would have to be transposed first. Columns lie in
// the sixteen lanes, and every element of C sums over k in rising order, whatever the tile, the piece or the thread.
#pragma once

#include <algorithm>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// Which way A lies: A(m, k) = a[m, k] or a[k, m].
enum class operand { as_stored, transposed };

namespace detail {
/// Registers of columns in a tile: as many as leave room for the rows on machines of 16 or 32 registers.
inline constexpr int outer_lanes = f32x16::count == 1 ? 4 : 1;
inline constexpr index outer_rows = 6, outer_cols = 16 * outer_lanes, outer_depth = 128;

/// c[r, 16 v + l] += sum_i a[r a_row + i a_k] b[i b_row + 16 v + l] for R rows and V vectors, i < k in rising order.
template <int R, int V>
void outer_tile(float const* a, index a_row, index a_k, float const* b, index b_row, index k, float* c, index c_row) {
  f32x16 acc[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) acc[r][v] = f32x16::load(c + r * c_row + 16 * v);
  for (index i = 0; i < k; ++i) {
    f32x16 columns[V];
    for (int v = 0; v < V; ++v) columns[v] = f32x16::load(b + i * b_row + 16 * v);
    for (int r = 0; r < R; ++r) {
      f32x16 x(a[r * a_row + i * a_k]);
      for (int v = 0; v < V; ++v) acc[r][v] = fma(x, columns[v], acc[r][v]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) acc[r][v].store(c + r * c_row + 16 * v);
}

/// A small product within the cache: m a multiple of 4, n of 16.
inline void outer_block(index m, index n, index k, float const* a, index a_row, index a_k, float const* b, index b_row,
                        float* c, index c_row) {
  for (index j = 0; j < n;) {
    bool whole = j + outer_cols <= n;
    for (index i = 0; i < m; i += 4)
      if (whole)
        outer_tile<4, outer_lanes>(a + i * a_row, a_row, a_k, b + j, b_row, k, c + i * c_row + j, c_row);
      else
        outer_tile<4, 1>(a + i * a_row, a_row, a_k, b + j, b_row, k, c + i * c_row + j, c_row);
    j += whole ? outer_cols : 16;
  }
}
/// Six rows of A from row `first` on as [k][6]; rows from `m` on are zeros.
inline void pack_outer_rows(view<float> const& a, operand a_is, index first, index m, index k, float* to) {
  index const rows = std::min(outer_rows, m - first), row_step = a_is == operand::as_stored ? a.outerStride() : 1,
              k_step = a_is == operand::as_stored ? 1 : a.outerStride();
  float const* from = a.data() + first * row_step;
  if (rows == outer_rows) {
    for (index i = 0; i < k; ++i)
      for (index r = 0; r < outer_rows; ++r) to[i * outer_rows + r] = from[i * k_step + r * row_step];
    return;
  }
  for (index i = 0; i < k; ++i)
    for (index r = 0; r < outer_rows; ++r) to[i * outer_rows + r] = r < rows ? from[i * k_step + r * row_step] : 0.0f;
}
}  // namespace detail

/// Floats of scratch for A of m rows and k columns.
constexpr index outer_product_scratch(index m, index k) {
  return (m + detail::outer_rows - 1) / detail::outer_rows * detail::outer_rows * k;
}

/// c[m, n] = or += sum_k A(m, k) b[k, n], A as told. c must not overlap a or b. `scratch`: outer_product_scratch floats.
/// Sums in f32 over k in rising order (onto what stands in c). Allocates nothing. Parallel over outputs.
inline void outer_product(view<float> const& a, operand a_is, view<float> const& b, mutable_view<float> c, bool onto,
                          float* scratch) {
  using namespace detail;
  index const m = c.rows(), n = c.cols(), k = b.rows();
  MEDMO_ASSERT(b.cols() == n && a.rows() == (a_is == operand::as_stored ? m : k));
  index const row_tiles = (m + outer_rows - 1) / outer_rows, panels = (n + outer_cols - 1) / outer_cols;
  // A in tiles of six rows, [k][6] each, short ones filled with zeros
  parallel_ranges(row_tiles, grain_for(outer_rows * k), [&](index begin, index end) {
    for (index tile = begin; tile < end; ++tile)
      pack_outer_rows(a, a_is, tile * outer_rows, m, k, scratch + tile * outer_rows * k);
  });
  // pieces: one panel of columns and a range of row tiles, so that few panels still feed every thread
  index const wanted = 4 * thread_count();
  index const cuts = std::clamp<index>((wanted + panels - 1) / panels, 1, row_tiles), tiles = (row_tiles + cuts - 1) / cuts;
  auto run = [&](index piece) {
    alignas(64) float panel[outer_depth * outer_cols];
    alignas(64) float edge[outer_rows * outer_cols];
    index const j = piece / cuts * outer_cols, width = std::min(outer_cols, n - j);
    index const first = piece % cuts * tiles, last = std::min(row_tiles, first + tiles);
    for (index from = 0; from < k; from += outer_depth) {
      index const depth = std::min(outer_depth, k - from);
      for (index i = 0; i < depth; ++i) {
        float const* row = b.data() + (from + i) * b.outerStride() + j;
        std::copy_n(row, width, panel + i * outer_cols);
        std::fill(panel + i * outer_cols + width, panel + (i + 1) * outer_cols, 0.0f);
      }
      bool const add = onto || from > 0;
      for (index tile = first; tile < last; ++tile) {
        float const* rows = scratch + (tile * k + from) * outer_rows;
        float* out = c.data() + tile * outer_rows * c.outerStride() + j;
        index const height = std::min(outer_rows, m - tile * outer_rows);
        if (height == outer_rows && width == outer_cols) {
          if (!add)
            for (index r = 0; r < height; ++r) std::fill_n(out + r * c.outerStride(), width, 0.0f);
          outer_tile<outer_rows, outer_lanes>(rows, 1, outer_rows, panel, outer_cols, depth, out, c.outerStride());
          continue;
        }
        std::fill(edge, edge + outer_rows * outer_cols, 0.0f);
        if (add)
          for (index r = 0; r < height; ++r) std::copy_n(out + r * c.outerStride(), width, edge + r * outer_cols);
        outer_tile<outer_rows, outer_lanes>(rows, 1, outer_rows, panel, outer_cols, depth, edge, outer_cols);
        for (index r = 0; r < height; ++r) std::copy_n(edge + r * outer_cols, width, out + r * c.outerStride());
      }
    }
  };
  if (m * n * k < index{1} << 19) {  // waking a thread costs more than it does
    for (index i = 0; i < panels * cuts; ++i) run(i);
  } else {
    parallel_for(panels * cuts, run);
  }
}

}  // namespace medmo::inline MEDMO_ABI::kernels
