// The vector-Jacobian products of y = x W^T + b (matmul.hpp). f32 weights: f32 products on the operands as they lie. All
// other types: bf16 products of rounded operands, transposed so that both are K-contiguous, on the forward kernel.
#pragma once

#include <span>

#include "matmul.hpp"
#include "outer_product.hpp"
#include "transpose.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// One weight of several that share x: what came back for its product, and where its gradients go.
struct product_vjp {
  stored_matrix w;            ///< [O, K]
  view<float> d_y;            ///< [T, O]; null: nothing came back
  float* d_w = nullptr;       ///< [O, K] += d_y^T x, or none
  float* d_bias = nullptr;    ///< [O] += sum_t d_y, or none
};

namespace detail {
/// Outputs of a weight whose transposition is held at a time.
inline constexpr index vjp_outputs = 2048;

/// Takes pieces from a block of scratch, or only adds up their sizes.
struct scratch_cutter {
  std::byte* at = nullptr;
  index used = 0;
  template <class T>
  constexpr T* take(index count) {
    auto* p = at ? reinterpret_cast<T*>(at + used) : nullptr;
    used += pad(count * static_cast<index>(sizeof(T)));
    return p;
  }
};

struct vjp_scratch {
  float* packed = nullptr;      // f32: A of outer_product
  bf16* x_columns = nullptr;    // [K, T]
  float* d_columns = nullptr;   // [outputs, T]
  bf16* w_columns = nullptr;    // [K, outputs]
  float* lines = nullptr;
  std::byte* product = nullptr;
  constexpr void cut(scratch_cutter& s, dtype type, index t, index k, index outputs, index threads) {
    if (compute_type(type) == dtype::f32) {
      packed = s.take<float>(std::max(outer_product_scratch(t, outputs), outer_product_scratch(outputs, t)));
      return;
    }
    index const n = std::min(outputs, vjp_outputs);
    x_columns = s.take<bf16>(k * t);
    d_columns = s.take<float>(n * t);
    w_columns = s.take<bf16>(k * n);
    lines = s.take<float>(transpose_lines(k, threads));
    product = s.take<std::byte>(std::max(matmul_scratch(dtype::bf16, n, t, k, threads),
                                         matmul_scratch(dtype::bf16, t, n, k, threads)));
  }
};
}  // namespace detail

/// Bytes of scratch for matmul_vjp of x [t, k] and weights of `type` with at most `outputs` rows, on `threads` threads; of
/// several types: the most that one of them needs.
constexpr index matmul_vjp_scratch(dtype type, index t, index k, index outputs, index threads) {
  detail::scratch_cutter s;
  detail::vjp_scratch{}.cut(s, type, t, k, outputs, threads);
  return s.used;
}

/// d_b[i] += sum_t d_y[t, i], in f32 over rising t. Parallel over columns.
inline void column_sums(view<float> const& d_y, float* d_b) {
  parallel_ranges(d_y.cols(), std::max<index>(64, grain_for(d_y.rows())), [&](index begin, index end) {
    for (index t = 0; t < d_y.rows(); ++t) {
      float const* row = d_y.data() + t * d_y.outerStride();
      for (index i = begin; i < end; ++i) d_b[i] += row[i];
    }
  });
}

/// For every product: d_w += d_y^T x, d_bias += sum_t d_y; and d_x = or += sum of d_y W over the products, in their order.
/// x, d_x [T, K]; d_x null if nobody needs it. Sums in f32; each gradient's element sums over rising t (f32), or in the
/// order of matmul (bf16). `scratch`: matmul_vjp_scratch bytes, 64-byte aligned. Allocates nothing. Parallel over outputs.
inline void matmul_vjp(view<float> const& x, std::span<product_vjp const> products, mutable_view<float> d_x, store how,
                       std::byte* scratch) {
  index const t = x.rows(), k = x.cols();
  dtype const type = compute_type(products.front().w.type);
  index most = 0;
  for (auto const& p : products) {
    MEDMO_ASSERT(p.w.cols == k);
    most = std::max(most, p.w.rows);
    if (compute_type(p.w.type) == type) continue;
    for (auto const& each : products) {  // a rare mix: each alone
      if (!each.d_y.data()) continue;
      matmul_vjp(x, {&each, 1}, d_x, how, scratch);
      how = store::accumulate;
    }
    return;
  }
  detail::scratch_cutter cutter{scratch};
  detail::vjp_scratch s;
  s.cut(cutter, type, t, k, most, thread_count());
  auto columns = [](auto const* p, index rows, index cols) {
    return stored_matrix{sizeof(*p) == 2 ? dtype::bf16 : dtype::f32, reinterpret_cast<std::byte const*>(p), rows, cols};
  };
  bool x_ready = false, onto = how == store::accumulate;
  for (auto const& p : products) {
    if (!p.d_y.data()) continue;
    if (p.d_bias) column_sums(p.d_y, p.d_bias);
    if (type == dtype::f32) {
      auto const w = view_of(p.w.row<float>(0), p.w.rows, k);
      if (p.d_w) outer_product(p.d_y, operand::transposed, x, mutable_view_of(p.d_w, p.w.rows, k), true, s.packed);
      if (d_x.data()) outer_product(p.d_y, operand::as_stored, w, d_x, onto, s.packed);
      onto = true;
      continue;
    }
    if (p.d_w && !x_ready) transpose(x, s.x_columns);
    x_ready = x_ready || p.d_w;
    for (index first = 0; first < p.w.rows; first += detail::vjp_outputs) {
      index const n = std::min(detail::vjp_outputs, p.w.rows - first);
      view<float> d_y(p.d_y.data() + first, t, n, Eigen::OuterStride<>(p.d_y.outerStride()));
      if (p.d_w) {
        transpose(d_y, s.d_columns);
        product const d_w{columns(s.x_columns, k, t), mutable_view_of(p.d_w + first * k, n, k), nullptr, store::accumulate};
        matmul(view_of<float>(s.d_columns, n, t), {&d_w, 1}, s.product);
      }
      if (d_x.data()) {
        transpose_stored(p.w, first, first + n, s.w_columns, s.lines);
        product const back{columns(s.w_columns, k, n), d_x, nullptr, onto ? store::accumulate : store::assign};
        matmul(d_y, {&back, 1}, s.product);
        onto = true;
      }
    }
  }
}

}  // namespace medmo::inline MEDMO_ABI::kernels
