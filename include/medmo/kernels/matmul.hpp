// Products of activations with stored weights, y = x W^T (+ bias), the operation that nearly all time goes to.
// f32 weights multiply f32; bf16 weights multiply bf16-rounded activations, and quantised ones do so after each of them was
// rounded to bf16 (quantize/rows.hpp), so that they give the bits of the expanded bf16 weights. Sums are f32 in one defined order (the
// canonical dot, or the AMX order on machines that have it), so bits do not depend on rows at a time or on threads.
#pragma once

#include <algorithm>
#include <span>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "arch/amx_product.hpp"
#include "dot.hpp"
#include "quantize/rows.hpp"
#include "tensor_view.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

enum class store { assign, accumulate };

/// One weight of a fused region: out[t, o] = or += w[o] . x[t] + bias[o].
struct product {
  stored_matrix w;                ///< [O, K]; f32, bf16 or quantised
  mutable_view<float> out;        ///< [T, O]
  float const* bias = nullptr;    ///< [O] or none
  store how = store::assign;
};

namespace detail {
inline constexpr index scratch_align = 64;
constexpr index pad(index bytes) { return (bytes + scratch_align - 1) / scratch_align * scratch_align; }

/// Both rules of the epilogue in one place: sum, then bias, then what stood there.
inline void emit(product const& p, index t, index o, float const* line, index n) {
  float* out = const_cast<float*>(p.out.data()) + t * p.out.outerStride() + o;
  if (n == 16) {
    auto y = f32x16::load(line);
    if (p.bias) y = y + f32x16::load(p.bias + o);
    if (p.how == store::accumulate) y = f32x16::load(out) + y;
    return y.store(out);
  }
  for (index i = 0; i < n; ++i) {
    float y = p.bias ? line[i] + p.bias[o + i] : line[i];
    out[i] = p.how == store::accumulate ? out[i] + y : y;
  }
}

template <int R, int C, class T>
void dot_block(T const* x, index x_stride, index t_rows, product const& p, index first, index last) {
  index k = p.w.cols;
  alignas(64) float tile[R * C];
  auto one = [&]<int r, int c>(index t, index o) {
    dot_tile<r, c>(x + t * x_stride, x_stride, p.w.row<T>(o), k, k, tile, C);
    for (index i = 0; i < r; ++i) emit(p, t + i, o, tile + i * C, c);
  };
  // rows of x that stay in the second-level cache while this piece of weights passes by
  index together = std::max<index>(R, (256 * 1024) / (k * static_cast<index>(sizeof(T))) / R * R);
  for (index t0 = 0; t0 < t_rows; t0 += together) {
    index t1 = std::min(t_rows, t0 + together), o = first;
    for (; o + C <= last; o += C) {
      index t = t0;
      for (; t + R <= t1; t += R) one.template operator()<R, C>(t, o);
      for (; t < t1; ++t) one.template operator()<1, C>(t, o);
    }
    for (; o < last; ++o)
      for (index t = t0; t < t1; ++t) one.template operator()<1, 1>(t, o);
  }
}

/// Rows [first, first + n) of a product with quantised weights, expanded into `room` [n, K].
inline product expanded_part(product const& p, index first, index n, bf16* room) {
  index k = p.w.cols;
  for (index i = 0; i < n; ++i) expand_row(p.w.type, p.w.row_bytes(first + i), k, room + i * k);
  index stride = p.out.outerStride();
  auto* out = const_cast<float*>(p.out.data()) + first;
  return {{dtype::bf16, reinterpret_cast<std::byte const*>(room), n, k},
          mutable_view<float>(out, p.out.rows(), n, Eigen::OuterStride<>(stride)),
          p.bias ? p.bias + first : nullptr, p.how};
}
}  // namespace detail

/// Outputs that one thread takes at a time of a product of many rows: enough pieces to share, few enough that the
/// activations are seldom read again.
constexpr index amx_piece(index outputs, index threads) {
  return std::clamp<index>((outputs / (2 * threads) + 31) / 32 * 32, 256, 2048);
}

/// Rows of quantised weights that a thread holds as bf16 at a time: of many activation rows enough to read those seldom, of
/// few as many as stay in the second-level cache.
constexpr index rows_expanded(index t, index k) {
  if (t <= 16) return MEDMO_AMX ? 16 : 20;
  return MEDMO_AMX ? 256 : std::clamp<index>(256 * 1024 / k / 40, 1, 8) * 40;
}

/// Bytes of scratch that matmul needs for x [t, k] against weights of `type` (a quantised one if any of them is) with at
/// most `outputs` rows each, on `threads` threads.
constexpr index matmul_scratch(dtype type, index t, index k, index outputs, index threads) {
  if (is_quantized(type))
    return matmul_scratch(dtype::bf16, t, k, outputs, threads) + threads * detail::pad(rows_expanded(t, k) * k * 2);
  if (type != dtype::bf16) return 0;
  index dots = detail::pad(t * k * 2);
#if MEDMO_AMX
  auto cut = arch::amx_blocking::of(t, k);
  index a_thread = detail::pad(cut.carried_size(k, amx_piece(outputs, threads)) * 4);
  return std::max(dots, detail::pad(arch::amx_packed_size(t, k) * 2) + (t > 16 ? threads * a_thread : 0));
#else
  (void)outputs, (void)threads;
  return dots;
#endif
}

/// All products share x [T, K]. `scratch` has matmul_scratch bytes (for the most rows and the largest need of any weight),
/// 64-byte aligned. Allocates nothing. Parallel over outputs. Outputs must not overlap x. Oracle: reference::dot.
/// Errors: unsupported (a type without a product).
inline void matmul(view<float> const& x, std::span<product const> products, std::byte* scratch) {
  index t_rows = x.rows(), k = x.cols();
  if (t_rows == 0) return;
  dtype type = compute_type(products.front().w.type);
  index work = 0, most = 0;
  for (auto const& p : products) {
    MEDMO_ASSERT(p.w.cols == k && p.out.rows() == t_rows && p.out.cols() == p.w.rows);
    if (p.w.type != dtype::f32 && p.w.type != dtype::bf16 && !block_types::contains(p.w.type))
      MEDMO_THROW(errc::unsupported, "matmul", "weights of type F32, BF16 or quantised", std::string(name_of(p.w.type)));
    if (compute_type(p.w.type) != type) {  // a rare mix: each alone
      for (auto const& each : products) matmul(x, {&each, 1}, scratch);
      return;
    }
    work += t_rows * k * p.w.rows;
    most = std::max(most, p.w.rows);
  }
  // pieces of outputs, counted over all the weights, so that one parallel region serves the whole of q, k and v
  auto for_pieces = [&](index grain, auto&& f) {
    index pieces = 0;
    for (auto const& p : products) pieces += (p.w.rows + grain - 1) / grain;
    auto run = [&](index piece) {
      for (auto const& p : products) {
        index n = (p.w.rows + grain - 1) / grain;
        if (piece < n) return f(p, piece * grain, std::min(p.w.rows, (piece + 1) * grain));
        piece -= n;
      }
    };
    if (work < index{1} << 19) {  // waking a thread costs more than it does
      for (index i = 0; i < pieces; ++i) run(i);
    } else {
      parallel_for(pieces, run);
    }
  };
  // pieces worth a thread, in whole multiples of the tile
  auto worth = [&](index tile) { return (grain_for(t_rows * k / 16) + tile - 1) / tile * tile; };
  // the same, and as many weights as fit the cache beside the activations
  auto dots = [&](index size) { return std::max(worth(40), std::clamp<index>(512 * 1024 / (k * size) / 40, 1, 8) * 40); };
  if (type == dtype::f32) {
    return for_pieces(dots(4), [&](product const& p, index first, index last) {
      detail::dot_block<4, 5>(x.data(), x.outerStride(), t_rows, p, first, last);
    });
  }
  // pieces of bf16 weights: stored so, or expanded a few rows at a time into room behind the rest of the scratch
  std::byte* const rooms = scratch + matmul_scratch(dtype::bf16, t_rows, k, most, thread_count());
  auto for_bf16_pieces = [&](index grain, auto&& f) {
    for_pieces(grain, [&](product const& p, index first, index last) {
      if (p.w.type == dtype::bf16) return f(p, first, last);
      index const at_a_time = rows_expanded(t_rows, k);
      auto* room = reinterpret_cast<bf16*>(rooms + thread_index() * detail::pad(at_a_time * k * 2));
      for (index o = first; o < last; o += at_a_time) {
        index n = std::min(at_a_time, last - o);
        f(detail::expanded_part(p, o, n, room), 0, n);
      }
    });
  };
#if MEDMO_AMX
  if (arch::amx_ready()) {
    auto* packed = reinterpret_cast<bf16*>(scratch);
    index together = arch::amx_together(t_rows), blocks = (t_rows + 16 * together - 1) / (16 * together) * together;
    parallel_ranges(blocks, grain_for(16 * k), [&](index begin, index end) {
      for (index b = begin; b < end; ++b)
        arch::amx_pack_block(x, b * 16, packed + b / together * together * arch::amx_steps(k) * 512 + b % together * 512,
                             together * 512);
    });
    if (t_rows <= 16) {
      for_bf16_pieces(worth(256), [&](product const& p, index first, index last) {
        arch::amx_scope tiles;
        arch::amx_product_skinny(p.w.row<bf16>(0), p.w.rows, k, first, last, packed, t_rows,
                                 [&](index t, index o, float const* line, index n) { detail::emit(p, t, o, line, n); });
      });
    } else {
      auto cut = arch::amx_blocking::of(t_rows, k);
      index piece = amx_piece(most, thread_count());
      std::byte* own = scratch + detail::pad(arch::amx_packed_size(t_rows, k) * 2);
      index carried = detail::pad(cut.carried_size(k, piece) * 4);
      for_bf16_pieces(piece, [&](product const& p, index first, index last) {
        arch::amx_scope tiles;
        arch::amx_product(p.w.row<bf16>(0), p.w.rows, k, first, last, packed, t_rows, cut,
                          reinterpret_cast<float*>(own + thread_index() * carried),
                          [&](index t, index o, float const* line, index n) { detail::emit(p, t, o, line, n); });
      });
    }
    return;
  }
#endif
  auto* rounded = reinterpret_cast<bf16*>(scratch);
  parallel_ranges(t_rows, grain_for(k), [&](index begin, index end) {
    for (index t = begin; t < end; ++t) arch::round_to_bf16(x.data() + t * x.outerStride(), rounded + t * k, k);
  });
  for_bf16_pieces(dots(2), [&](product const& p, index first, index last) {
    detail::dot_block<4, 5>(rounded, k, t_rows, p, first, last);
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
