// Scaled dot-product attention over pages of keys and values, with grouped queries, causal or full, never holding the
// matrix of scores. Queries lie in the sixteen lanes, so the softmax needs no horizontal step; keys are walked page by
// page at absolute positions with an online softmax (arXiv 1805.02867, 2112.05682). Each query's sums have one order,
// whatever else is computed with it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "arch/amx.hpp"
#include "arch/bf16.hpp"
#include "kv_pages.hpp"
#include "simd.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

enum class attention_mask { causal, full };

struct attention_shape {
  index heads = 0;              ///< query heads, a multiple of the layout's key/value heads
  float scale = 1;              ///< usually head_dim^-1/2
  attention_mask mask = attention_mask::causal;
  index first = 0;              ///< position of the first query (causal: query t sees keys 0 .. first + t)
  index keys = 0;               ///< keys in the pages
};

namespace reference {
/// q [T, heads d], k and v [keys, kv_heads d], out as q; row-major, contiguous.
template <class T>
void attention(attention_shape const& a, index kv_heads, index d, index t_rows, T const* q, T const* k, T const* v,
               T* out) {
  index group = a.heads / kv_heads;
  for (index t = 0; t < t_rows; ++t)
    for (index h = 0; h < a.heads; ++h) {
      index n = a.mask == attention_mask::causal ? a.first + t + 1 : a.keys, g = h / group;
      T highest = -std::numeric_limits<T>::infinity(), total = 0;
      auto score = [&](index j) {
        T s = 0;
        for (index i = 0; i < d; ++i) s += q[(t * a.heads + h) * d + i] * k[(j * kv_heads + g) * d + i];
        return s * static_cast<T>(a.scale);
      };
      for (index j = 0; j < n; ++j) highest = std::max(highest, score(j));
      T* o = out + (t * a.heads + h) * d;
      std::fill(o, o + d, T(0));
      for (index j = 0; j < n; ++j) {
        T p = std::exp(score(j) - highest);
        total += p;
        for (index i = 0; i < d; ++i) o[i] += p * v[(j * kv_heads + g) * d + i];
      }
      for (index i = 0; i < d; ++i) o[i] /= total;
    }
}
}  // namespace reference

namespace detail {
inline constexpr index max_head_dim = 256;

/// One block of sixteen queries against all their pages. T is the storage type of keys and values; queries and
/// probabilities are rounded to it as well.
template <class T>
struct attention_block {
  static constexpr bool narrow = sizeof(T) == 2;
  static constexpr index tokens = kv_layout::page_tokens;

  kv_layout const& layout;
  attention_shape const& shape;
  alignas(64) T queries[max_head_dim * 16];   // f32: [d][16]; bf16: [d / 2][16][2]
  alignas(64) float scores[tokens * 16];      // [64][16]
  alignas(64) T weights[tokens * 16];         // as queries, along the keys
  alignas(64) float sums[max_head_dim * 16];  // [d][16], the output before its division
  alignas(64) float last_key[16];             // the last key each lane sees

  attention_block(kv_layout const& l, attention_shape const& s) : layout(l), shape(s) {}

  /// One query (none: zeros), rounded to T, into its lane.
  void put_lane(float const* row, index d, index width, index lane) {
    alignas(64) T numbers[max_head_dim];
    std::memset(static_cast<void*>(numbers), 0, static_cast<std::size_t>(width) * sizeof(T));
    if constexpr (narrow) {
      if (row) arch::round_to_bf16(row, numbers, d);
      for (index i = 0; i < width; i += 2) std::memcpy(static_cast<void*>(queries + (i / 2 * 16 + lane) * 2), numbers + i, 4);
    } else {
      if (row) std::copy_n(row, d, numbers);
      for (index i = 0; i < width; ++i) queries[i * 16 + lane] = numbers[i];
    }
  }

  void load_queries(view<float> const& q, index head, index first, index total) {
    index d = layout.head_dim, width = layout.key_width(), group = shape.heads / layout.heads;
    for (index lane = 0; lane < 16; ++lane) {
      index j = first + lane;
      bool used = j < total;
      index t = used ? j / group : 0;
      float const* row = q.data() + t * q.outerStride() + (head * group + (used ? j % group : 0)) * d;
      put_lane(used ? row : nullptr, d, width, lane);
      index see = shape.mask == attention_mask::causal ? shape.first + t : shape.keys - 1;
      last_key[lane] = static_cast<float>(see);
    }
    std::fill(sums, sums + layout.value_rows() * 16, 0.0f);
  }

  /// out[i] (f32x16) = or += sum_j a[i][j] b[j], i < rows, j < cols in rising order; a is T with `stride`.
  template <int Rows>
  static void lanes_product(T const* a, index stride, T const* b, index cols, float* out, bool accumulate) {
    f32x16 acc[Rows];
    for (int r = 0; r < Rows; ++r) acc[r] = accumulate ? f32x16::load(out + r * 16) : f32x16(0.0f);
    if constexpr (narrow) {
      for (index j = 0; j < cols; j += 2) {
        auto lanes = arch::bf16x32::load(b + j * 16);
        for (int r = 0; r < Rows; ++r)
          acc[r] = arch::multiply_add(lanes, arch::bf16x32::broadcast_pair(a + r * stride + j), acc[r]);
      }
    } else {
      for (index j = 0; j < cols; ++j) {
        auto lanes = f32x16::load(b + j * 16);
        for (int r = 0; r < Rows; ++r) acc[r] = fma(lanes, f32x16(a[r * stride + j]), acc[r]);
      }
    }
    for (int r = 0; r < Rows; ++r) acc[r].store(out + r * 16);
  }

#if MEDMO_AMX
  /// The same for at most 64 rows on tiles 0..3.
  static void tiles_product(T const* a, index stride, index rows, T const* b, index cols, float* out, bool accumulate) {
    auto tiles = rows / 16;
    auto each = [tiles](auto f0, auto f1, auto f2, auto f3) {
      f0();
      if (tiles > 1) f1();
      if (tiles > 2) f2();
      if (tiles > 3) f3();
    };
    if (accumulate)
      each([&] { _tile_loadd(0, out, 64); }, [&] { _tile_loadd(1, out + 256, 64); },
           [&] { _tile_loadd(2, out + 512, 64); }, [&] { _tile_loadd(3, out + 768, 64); });
    else
      each([] { _tile_zero(0); }, [] { _tile_zero(1); }, [] { _tile_zero(2); }, [] { _tile_zero(3); });
    for (index j = 0; j < cols; j += 32) {
      _tile_loadd(6, b + j * 16, 64);
      each([&] { _tile_loadd(4, a + j, stride * 2); _tile_dpbf16ps(0, 4, 6); },
           [&] { _tile_loadd(5, a + 16 * stride + j, stride * 2); _tile_dpbf16ps(1, 5, 6); },
           [&] { _tile_loadd(4, a + 32 * stride + j, stride * 2); _tile_dpbf16ps(2, 4, 6); },
           [&] { _tile_loadd(5, a + 48 * stride + j, stride * 2); _tile_dpbf16ps(3, 5, 6); });
    }
    each([&] { _tile_stored(0, out, 64); }, [&] { _tile_stored(1, out + 256, 64); },
         [&] { _tile_stored(2, out + 512, 64); }, [&] { _tile_stored(3, out + 768, 64); });
  }
#endif

  void product(T const* a, index stride, index rows, T const* b, index cols, float* out, bool accumulate) {
#if MEDMO_AMX
    if constexpr (narrow) {
      if (arch::amx_ready()) {
        for (index r = 0; r < rows; r += 64) tiles_product(a + r * stride, stride, std::min<index>(64, rows - r), b, cols, out + r * 16, accumulate);
        return;
      }
    }
#endif
    for (index r = 0; r < rows; r += 8) lanes_product<8>(a + r * stride, stride, b, cols, out + r * 16, accumulate);
  }

  void run(view<float> const& q, index head, index first, index total, std::span<std::byte* const> pages,
           mutable_view<float>& out, float* log_sums) {
    load_queries(q, head, first, total);
    f32x16 highest(-std::numeric_limits<float>::infinity()), denominator(0.0f), scale(shape.scale);
    index group = shape.heads / layout.heads;
    index end = shape.mask == attention_mask::causal
                    ? shape.first + (std::min(first + 16, total) - 1) / group + 1
                    : shape.keys;
    for (index base = 0; base < end; base += tokens) {
      auto const* page = reinterpret_cast<T const*>(pages[static_cast<std::size_t>(base / tokens)]);
      product(page + layout.key_offset(head), layout.key_width(), tokens, queries, layout.key_width(), scores, false);
      index whole = shape.mask == attention_mask::causal ? shape.first + first / group + 1 : shape.keys;
      f32x16 before = highest, totals(0.0f);
      for (index j = std::max<index>(0, whole - base); j < tokens; ++j) {  // some lane may not see these keys
        float* s = scores + j * 16;
        for (int l = 0; l < 16; ++l)
          if (static_cast<float>(base + j) > last_key[l]) s[l] = -std::numeric_limits<float>::infinity();
      }
      f32x16 top = f32x16::load(scores);
      for (index j = 1; j < tokens; ++j) top = max(top, f32x16::load(scores + j * 16));
      highest = max(highest, top * scale);
      for (index j = 0; j < tokens; j += 2) {
        f32x16 p0 = exp_nonpositive(f32x16::load(scores + j * 16) * scale - highest);
        f32x16 p1 = exp_nonpositive(f32x16::load(scores + j * 16 + 16) * scale - highest);
        totals = totals + (p0 + p1);
        put_pair(p0, p1, j);
      }
      if (differs(before, highest)) {
        f32x16 keep = exp_nonpositive(before - highest);
        denominator = denominator * keep;
        for (index i = 0; i < layout.value_rows(); ++i)
          (f32x16::load(sums + i * 16) * keep).store(sums + i * 16);
      }
      denominator = denominator + totals;
      product(page + layout.value_offset(head), tokens, layout.value_rows(), weights, tokens, sums, true);
    }
    f32x16 inverse = f32x16(1.0f) / denominator, zero(0.0f);
    for (index i = 0; i < layout.head_dim; ++i)
      (f32x16::load(sums + i * 16) * inverse + zero).store(sums + i * 16);  // + 0 makes -0 and 0 one
    for (index lane = 0; lane < std::min<index>(16, total - first); ++lane) {
      index j = first + lane;
      float* to = out.data() + j / group * out.outerStride() + (head * group + j % group) * layout.head_dim;
      for (index i = 0; i < layout.head_dim; ++i) to[i] = sums[i * 16 + lane];
    }
    if (!log_sums) return;
    alignas(64) float most[16], total_of[16];
    highest.store(most);
    denominator.store(total_of);
    for (index lane = 0; lane < std::min<index>(16, total - first); ++lane) {
      index j = first + lane;
      log_sums[j / group * shape.heads + head * group + j % group] = most[lane] + std::log(total_of[lane]);
    }
  }

  void put_pair(f32x16 const& p0, f32x16 const& p1, index j) {
    if constexpr (narrow) {
      arch::store_pairs(p0, p1, weights + j * 16);
    } else {
      p0.store(weights + j * 16);
      p1.store(weights + j * 16 + 16);
    }
  }
};
}  // namespace detail

/// One sequence of several whose queries come together: rows [row, row + rows) of q and out.
struct attention_part {
  attention_shape shape;              ///< the same heads for all parts
  std::span<std::byte* const> pages;  ///< keys and values (store_keys_values), zero where unused
  index row = 0, rows = 0;
  float* log_sums = nullptr;          ///< [rows, heads] or none: ln sum_j exp(score_j) of each query, for the backward pass
};

/// out = softmax(scale q k^T + mask) v, per head and part.
/// q, out [T, heads * head_dim] (no overlap); the parts' rows do not overlap.
/// Sums in f32; bf16 pages make queries and probabilities bf16 as well. head_dim at most 256. Allocates nothing.
/// Parallel over parts, key/value heads and blocks of queries.  Oracle: reference::attention.
template <class T>
void attention(kv_layout const& layout, std::span<attention_part const> parts, view<float> const& q,
               mutable_view<float> out) {
  auto group = [&](attention_part const& p) { return p.shape.heads / layout.heads; };
  auto blocks = [&](attention_part const& p) { return (p.rows * group(p) + 15) / 16; };
  index count = 0, keys = 0;
  for (auto const& p : parts) {
    MEDMO_ASSERT(layout.head_dim <= detail::max_head_dim && p.shape.heads % layout.heads == 0);
    MEDMO_ASSERT(p.row >= 0 && p.row + p.rows <= q.rows());
    count += blocks(p) * layout.heads;
    keys = std::max(keys, p.shape.keys);
  }
  // a head's keys and values stay in the cache while its blocks pass; of a causal mask the longest block comes first
  parallel_ranges(count, grain_for(4 * layout.head_dim * keys), [&](index begin, index end) {
    auto run = [&] {
      index before = 0;  // blocks of the parts before
      for (auto const& p : parts) {
        index n = blocks(p), of_part = n * layout.heads;
        view<float> queries(q.data() + p.row * q.outerStride(), p.rows, q.cols(), Eigen::OuterStride<>(q.outerStride()));
        mutable_view<float> sums(out.data() + p.row * out.outerStride(), p.rows, out.cols(),
                                 Eigen::OuterStride<>(out.outerStride()));
        for (index i = std::max<index>(0, begin - before); i < std::min(end - before, of_part); ++i) {
          detail::attention_block<T> block(layout, p.shape);
          block.run(queries, i / n, (n - 1 - i % n) * 16, p.rows * group(p), p.pages, sums, p.log_sums);
        }
        before += of_part;
      }
    };
#if MEDMO_AMX
    if (sizeof(T) == 2 && arch::amx_ready()) {
      arch::amx_scope tiles;
      return run();
    }
#endif
    run();
  });
}

/// The same for one sequence, all rows of q.
template <class T>
void attention(kv_layout const& layout, attention_shape const& shape, view<float> const& q,
               std::span<std::byte* const> pages, mutable_view<float> out) {
  attention_part const whole{shape, pages, 0, q.rows()};
  attention<T>(layout, std::span(&whole, 1), q, out);
}

}  // namespace medmo::inline MEDMO_ABI::kernels
