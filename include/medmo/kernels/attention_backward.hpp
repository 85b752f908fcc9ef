// The vector-Jacobian product of attention (attention.hpp) without stored scores: they are made again, 64 queries against
// 64 keys at a time, from q, k and each query's log of the sum of exponentials (arXiv 2205.14135, algorithm 4). Of bf16
// attention the operands are rounded as they were in the forward pass; products and sums are f32.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

#include "attention.hpp"
#include "outer_product.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace reference {
/// d_q, d_k and d_v are added to; shapes as reference::attention.
template <class T>
void attention_vjp(attention_shape const& a, index kv_heads, index d, index t_rows, T const* q, T const* k, T const* v,
                   T const* d_out, T* d_q, T* d_k, T* d_v) {
  index const group = a.heads / kv_heads;
  for (index t = 0; t < t_rows; ++t)
    for (index h = 0; h < a.heads; ++h) {
      index const n = a.mask == attention_mask::causal ? a.first + t + 1 : a.keys, g = h / group;
      T const *query = q + (t * a.heads + h) * d, *back = d_out + (t * a.heads + h) * d;
      auto key = [&](index j) { return (j * kv_heads + g) * d; };
      auto dot = [d](T const* x, T const* y) {
        T s = 0;
        for (index i = 0; i < d; ++i) s += x[i] * y[i];
        return s;
      };
      T highest = -std::numeric_limits<T>::infinity(), total = 0, delta = 0;
      for (index j = 0; j < n; ++j) highest = std::max(highest, dot(query, k + key(j)) * static_cast<T>(a.scale));
      auto weight = [&](index j) { return std::exp(dot(query, k + key(j)) * static_cast<T>(a.scale) - highest); };
      for (index j = 0; j < n; ++j) total += weight(j);
      for (index j = 0; j < n; ++j) delta += weight(j) / total * dot(back, v + key(j));
      for (index j = 0; j < n; ++j) {
        T const p = weight(j) / total, d_score = p * (dot(back, v + key(j)) - delta) * static_cast<T>(a.scale);
        for (index i = 0; i < d; ++i) {
          d_v[key(j) + i] += p * back[i];
          d_q[(t * a.heads + h) * d + i] += d_score * k[key(j) + i];
          d_k[key(j) + i] += d_score * query[i];
        }
      }
    }
}
}  // namespace reference

/// Rows of one sequence that attends to itself alone, from its first token on: queries and keys are the same rows.
struct attention_rows {
  index row = 0, rows = 0;
};

struct attention_gradients {
  mutable_view<float> d_q, d_k, d_v;  ///< as q, k, v; added to
};

namespace detail {
/// One key/value head of one sequence against all the query heads that share it.
struct attention_vjp_block {
  static constexpr index tokens = 64;

  index d, width;  // head size, and the same in whole vectors
  float *keys, *queries, *backs, *d_keys, *d_values, *d_queries;  // [64][width]
  float *key_columns, *value_columns;                             // [width][64]
  float *weights, *d_scores;                                      // [query][key]

  static constexpr index wide(index head_dim) { return (head_dim + 15) / 16 * 16; }
  static constexpr index floats(index head_dim) { return 8 * tokens * wide(head_dim) + 2 * tokens * tokens; }

  attention_vjp_block(index head_dim, float* memory) : d(head_dim), width(wide(head_dim)) {
    for (auto* p : {&keys, &queries, &backs, &d_keys, &d_values, &d_queries, &key_columns, &value_columns}) {
      *p = memory;
      memory += tokens * width;
    }
    weights = memory;
    d_scores = memory + tokens * tokens;
  }

  /// Rows [row, row + n) of one head, zeros beyond; rounded if the forward pass rounded them.
  void read(view<float> const& m, index row, index n, index column, bool rounded, float* to) const {
    std::fill_n(to, tokens * width, 0.0f);
    for (index r = 0; r < n; ++r) {
      float const* from = m.data() + (row + r) * m.outerStride() + column;
      for (index i = 0; i < d; ++i) to[r * width + i] = rounded ? static_cast<float>(bf16(from[i])) : from[i];
    }
  }
  void turn(float const* rows, float* columns) const {
    for (index i = 0; i < width; ++i)
      for (index r = 0; r < tokens; ++r) columns[i * tokens + r] = rows[r * width + i];
  }
  void add(float const* from, index n, mutable_view<float>& m, index row, index column) const {
    for (index r = 0; r < n; ++r) {
      float* to = m.data() + (row + r) * m.outerStride() + column;
      for (index i = 0; i < d; ++i) to[i] += from[r * width + i];
    }
  }

  void run(attention_shape const& shape, attention_rows const& part, index head, index group, bool rounded,
           view<float> const& q, view<float> const& k, view<float> const& v, view<float> const& d_out,
           float const* log_sums, float const* deltas, attention_gradients& out) {
    bool const causal = shape.mask == attention_mask::causal;
    for (index j0 = 0; j0 < part.rows; j0 += tokens) {
      index const nj = std::min(tokens, part.rows - j0);
      read(v, part.row + j0, nj, head * d, rounded, keys);
      turn(keys, value_columns);
      read(k, part.row + j0, nj, head * d, rounded, keys);
      turn(keys, key_columns);
      std::fill_n(d_keys, tokens * width, 0.0f);
      std::fill_n(d_values, tokens * width, 0.0f);
      for (index h = head * group; h < (head + 1) * group; ++h)
        for (index t0 = causal ? j0 : 0; t0 < part.rows; t0 += tokens) {
          index const nt = std::min(tokens, part.rows - t0);
          read(q, part.row + t0, nt, h * d, rounded, queries);
          read(d_out, part.row + t0, nt, h * d, false, backs);
          std::fill_n(weights, tokens * tokens, 0.0f);
          std::fill_n(d_scores, tokens * tokens, 0.0f);
          outer_block(tokens, tokens, width, queries, width, 1, key_columns, tokens, weights, tokens);
          outer_block(tokens, tokens, width, backs, width, 1, value_columns, tokens, d_scores, tokens);
          for (index r = 0; r < tokens; ++r) {
            index const see = r >= nt ? 0 : causal ? std::clamp<index>(t0 + r - j0 + 1, 0, nj) : nj;
            index const at = (part.row + t0 + r) * shape.heads + h;
            f32x16 const scale(shape.scale), shift(r < nt ? log_sums[at] : 0.0f), delta(r < nt ? deltas[at] : 0.0f);
            float *p = weights + r * tokens, *s = d_scores + r * tokens;
            std::fill(p + see, p + tokens, -std::numeric_limits<float>::infinity());
            std::fill(s + see, s + tokens, 0.0f);
            for (index i = 0; i < tokens; i += 16) {
              f32x16 const w = exp_nonpositive(f32x16::load(p + i) * scale - shift);
              w.store(p + i);
              (w * (f32x16::load(s + i) - delta) * scale).store(s + i);
            }
          }
          std::fill_n(d_queries, tokens * width, 0.0f);
          outer_block(tokens, width, tokens, d_scores, tokens, 1, keys, width, d_queries, width);
          outer_block(tokens, width, tokens, d_scores, 1, tokens, queries, width, d_keys, width);
          outer_block(tokens, width, tokens, weights, 1, tokens, backs, width, d_values, width);
          add(d_queries, nt, out.d_q, part.row + t0, h * d);
        }
      add(d_keys, nj, out.d_k, part.row + j0, head * d);
      add(d_values, nj, out.d_v, part.row + j0, head * d);
    }
  }
};
}  // namespace detail

/// Floats of scratch for attention_vjp of q [t, heads head_dim] on `threads` threads.
constexpr index attention_vjp_scratch(index t, index heads, index head_dim, index threads) {
  return (t * heads + 15) / 16 * 16 + threads * detail::attention_vjp_block::floats(head_dim);
}

/// Of out = softmax(scale q k^T + mask) v for sequences that begin at their first token: with p the softmax,
///   d_v += p^T d_out,   d_s = scale p (d_out v^T - rowsum(d_out out)),   d_q += d_s k,   d_k += d_s^T q
/// q, out, d_out [T, heads d]; k, v [T, kv_heads d]; log_sums [T, heads] as attention gave them; type is that of the
/// forward pass's pages; shape.first and keys are not read; `scratch`: attention_vjp_scratch floats, 64-byte aligned. Sums in
/// f32, over keys and queries in blocks of 64 in rising order. Allocates nothing. Parallel over sequences and key/value heads.
/// Oracle: reference::attention_vjp.
inline void attention_vjp(dtype type, attention_shape const& shape, index kv_heads, std::span<attention_rows const> parts,
                          view<float> const& q, view<float> const& k, view<float> const& v, view<float> const& out,
                          view<float> const& d_out, float const* log_sums, float* scratch, attention_gradients gradients) {
  float* const deltas = scratch;
  float* const blocks = scratch + (q.rows() * shape.heads + 15) / 16 * 16;
  index const d = q.cols() / shape.heads, group = shape.heads / kv_heads;
  MEDMO_ASSERT(d <= detail::max_head_dim && group * kv_heads == shape.heads);
  parallel_ranges(q.rows(), grain_for(q.cols()), [&](index begin, index end) {
    for (index t = begin; t < end; ++t)
      for (index h = 0; h < shape.heads; ++h) {
        float const *o = out.data() + t * out.outerStride() + h * d, *b = d_out.data() + t * d_out.outerStride() + h * d;
        f32x16 acc(0.0f);
        for (index i = 0; i < d; i += 16) {
          index const n = std::min<index>(16, d - i);
          acc = n == 16 ? fma(f32x16::load(o + i), f32x16::load(b + i), acc)
                        : fma(f32x16::load_first(o + i, n), f32x16::load_first(b + i, n), acc);
        }
        deltas[t * shape.heads + h] = sum(acc);
      }
  });
  parallel_for(static_cast<index>(parts.size()) * kv_heads, [&](index i) {
    detail::attention_vjp_block block(d, blocks + thread_index() * detail::attention_vjp_block::floats(d));
    block.run(shape, parts[static_cast<std::size_t>(i / kv_heads)], i % kv_heads, group, type != dtype::f32, q, k, v, d_out,
              log_sums, deltas, gradients);
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
