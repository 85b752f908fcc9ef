// The engine that executes: activations in an arena, keys and values in a cache, kernels of the kernels room.
// Allocates nothing itself; the caller reserves what model/counter.hpp says is needed.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <tuple>

#include "../core/arena.hpp"
#include "../kernels/activation.hpp"
#include "../kernels/attention.hpp"
#include "../kernels/embedding.hpp"
#include "../kernels/layer_norm.hpp"
#include "../kernels/matmul.hpp"
#include "../kernels/rms_norm.hpp"
#include "../kernels/rope.hpp"
#include "engine.hpp"
#include "segment.hpp"

namespace medmo::inline MEDMO_ABI {

class runner {
 public:
  /// [T, D] f32 in the arena, or rows that the caller owns.
  template <index D>
  struct rows {
    float* data = nullptr;
    index size = 0, stride = D;
    operator view<float>() const { return {data, size, D, Eigen::OuterStride<>(stride)}; }
    operator mutable_view<float>() const { return {data, size, D, Eigen::OuterStride<>(stride)}; }
    float* row(index t) const { return data + t * stride; }
  };

  /// `segments`: whose the decoder's rows are, in order; they and their caches outlive the runner. None for the vision tower.
  explicit runner(arena& memory, std::span<segment const> segments = {}) : memory_(memory), segments_(segments) {}

  struct memory_scope {
    arena& memory;
    std::size_t mark;
    explicit memory_scope(arena& m) : memory(m), mark(m.mark()) {}
    memory_scope(memory_scope const&) = delete;
    ~memory_scope() { memory.release(mark); }
  };
  memory_scope scope() { return memory_scope(memory_); }

  template <class W, index D, class F>
  rows<D> block(W const& w, rows<D> x, F&& f) {
    return f(w, x);
  }

  template <index D>
  rows<D> reserve_rows(index size) {
    return {memory_.take<float>(size * D), size, D};
  }

  template <index D, index V>
  rows<D> embed(weight<V, D> const& table, std::span<index const> ids) {
    auto x = reserve_rows<D>(static_cast<index>(ids.size()));
    kernels::embed(table.stored, ids, x);
    return x;
  }

  template <index D, class F>
  rows<D> constant(index size, F&& f) {
    auto x = reserve_rows<D>(size);
    parallel_ranges(size, grain_for(D * 16), [&](index begin, index end) {
      for (index t = begin; t < end; ++t) f(t, x.row(t));
    });
    return x;
  }

  template <index D>
  rows<D> keep(rows<D> place, rows<D> x) {
    for (index t = 0; t < x.size; ++t) std::memcpy(place.row(t), x.row(t), sizeof(float) * D);
    return place;
  }

  template <index In, class... W>
  auto linear(rows<In> x, W const&... w) {
    std::tuple<rows<W::out>...> out{reserve_rows<W::out>(x.size)...};
    std::apply([&](auto&... y) {
      std::array<kernels::product, sizeof...(W)> products{
          kernels::product{w.weight.stored, y, w.bias.data, kernels::store::assign}...};
      multiply(x, products);
      (adapt(x, w, y), ...);
    }, out);
    if constexpr (sizeof...(W) == 1)
      return std::get<0>(out);
    else
      return out;
  }

  template <index D, index In, class W>
  rows<D> linear_onto(rows<D> x, rows<In> a, W const& w) {
    std::array<kernels::product, 1> products{
        kernels::product{w.weight.stored, x, w.bias.data, kernels::store::accumulate}};
    multiply(a, products);
    adapt(a, w, x);
    return x;
  }

  template <index Out, index In>
  rows<Out> project(rows<In> x, weight<Out, In> const& w) {
    auto y = reserve_rows<Out>(x.size);
    std::array<kernels::product, 1> products{kernels::product{w.stored, y, nullptr, kernels::store::assign}};
    multiply(x, products);
    return y;
  }

  template <index D>
  rows<D> rms_norm(rows<D> x, vector_weight<D> const& w, float eps) {
    auto y = reserve_rows<D>(x.size);
    kernels::rms_norm(x, w.data, D, eps, y);
    return y;
  }
  template <index D, index K>
  rows<D> head_norm(rows<D> x, vector_weight<K> const& w, float eps) {
    kernels::rms_norm(x, w.data, K, eps, x);
    return x;
  }
  template <index D>
  rows<D> layer_norm(rows<D> x, layer_norm_weights<D> const& w, float eps) {
    auto y = reserve_rows<D>(x.size);
    kernels::layer_norm(x, w.weight.data, w.bias.data, eps, y);
    return y;
  }

  template <index K, index D>
  rows<D> rotate(rows<D> x, rows<K / 2> cos, rows<K / 2> sin) {
    kernels::rotate(x, K, cos, sin);
    return x;
  }

  template <class C, index Q, index KV>
  rows<Q> attend(index layer, rows<Q> q, rows<KV> k, rows<KV> v) {
    constexpr auto& c = C::text;
    auto out = reserve_rows<Q>(q.size);
    memory_scope parts_end(memory_);
    auto* parts = memory_.take<kernels::attention_part>(static_cast<index>(segments_.size()));
    index row = 0;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      auto const& [cache, size] = segments_[i];
      index const first = cache->length();
      new (parts + i) kernels::attention_part{
          {.heads = c.heads, .scale = scale_of(c.head_dim), .mask = kernels::attention_mask::causal, .first = first, .keys = first + size},
          cache->pages(layer), row, size};
      row += size;
    }
    MEDMO_ASSERT(row == q.size);
    attend_pages(segments_.front().cache->layout(), {parts, segments_.size()}, q, k, v, out);
    return out;
  }

  template <index H, index D>
  rows<D> attend_within(rows<D> q, rows<D> k, rows<D> v, index group) {
    auto out = reserve_rows<D>(q.size);
    kernels::attention_shape const shape{.heads = H, .scale = scale_of(D / H), .mask = kernels::attention_mask::full};
    for (index at = 0; at < q.size; at += group) attend_among(H, shape, at, group, q, k, v, out);
    return out;
  }

  template <index D>
  rows<D> silu_multiply(rows<D> gate, rows<D> up) {
    kernels::silu_multiply(gate, up);
    return gate;
  }
  template <index D>
  rows<D> gelu_tanh(rows<D> x) {
    kernels::gelu(x, kernels::gelu_kind::tanh);
    return x;
  }
  template <index D>
  rows<D> gelu_exact(rows<D> x) {
    kernels::gelu(x, kernels::gelu_kind::exact);
    return x;
  }

  template <index First, index N, index D>
  rows<N> columns(rows<D> x) {
    static_assert(First + N <= D);
    return {x.data + First, x.size, x.stride};
  }
  template <index M, index D>
  rows<M * D> join_rows(rows<D> x) {
    MEDMO_ASSERT(x.stride == D && x.size % M == 0);
    return {x.data, x.size / M, M * D};
  }
  template <index D>
  rows<D> last_rows(rows<D> x, index count) {
    return {x.row(x.size - count), count, x.stride};
  }

  template <index D>
  rows<D> place_rows(rows<D> x, rows<D> from, std::span<visual_run const> runs) {
    for (auto const& r : runs)
      for (index i = 0; i < r.count; ++i)
        std::memcpy(x.row(r.token_row + i), from.row(r.feature_row + i), sizeof(float) * D);
    return x;
  }
  template <index D>
  rows<D> add_rows(rows<D> x, rows<D> from, std::span<visual_run const> runs) {
    for (auto const& r : runs)
      for (index i = 0; i < r.count; ++i) {
        float *to = x.row(r.token_row + i), *add = from.row(r.feature_row + i);
        for (index d = 0; d < D; ++d) to[d] += add[d];
      }
    return x;
  }

  template <index D, index R, class F>
  rows<D> add_mixed_rows(rows<D> x, weight<R, D> const& table, F&& mix) {
    parallel_ranges(x.size, grain_for(D * 8), [&](index begin, index end) {
      std::array<float, D> row, total;
      for (index t = begin; t < end; ++t) {
        auto m = mix(t);
        total.fill(0.0f);
        for (std::size_t i = 0; i < m.row.size(); ++i) {
          kernels::read_row(table.stored, m.row[i], row.data());
          for (index d = 0; d < D; ++d) total[static_cast<std::size_t>(d)] += m.share[i] * row[static_cast<std::size_t>(d)];
        }
        for (index d = 0; d < D; ++d) x.row(t)[d] += total[static_cast<std::size_t>(d)];
      }
    });
    return x;
  }

  template <index D>
  void stage(std::string_view, rows<D>) {}
  template <index D>
  void stage(std::string_view, index, rows<D>) {}

  /// The type that attention inside a picture stores its keys and values in.
  void set_compute(dtype type) { compute_ = type; }

 protected:
  static float scale_of(index head_dim) { return 1.0f / std::sqrt(static_cast<float>(head_dim)); }

  template <class W>
  static void adapt(view<float> const& x, W const& w, mutable_view<float> y) {
    if (w.adapter) kernels::low_rank_add(x, *w.adapter, y);
  }

  void multiply(view<float> const& x, std::span<kernels::product const> products) {
    memory_scope scratch_end(memory_);
    index most = 0, bytes = 0;
    for (auto const& p : products) most = std::max(most, p.w.rows);
    for (auto const& p : products)
      bytes = std::max(bytes, kernels::matmul_scratch(p.w.type, x.rows(), x.cols(), most, thread_count()));
    auto* scratch = memory_.take<std::byte>(bytes);
    kernels::matmul(x, products, scratch);
  }

  /// Rows [row, row + count) among themselves, the first of them at position 0, on pages that last as long as the call.
  void attend_among(index kv_heads, kernels::attention_shape shape, index row, index count, view<float> const& q,
                    view<float> const& k, view<float> const& v, mutable_view<float> out, float* log_sums = nullptr) {
    memory_scope pages_end(memory_);
    kernels::kv_layout const layout{compute_, kv_heads, k.cols() / kv_heads};
    index const pages = (count + kernels::kv_layout::page_tokens - 1) / kernels::kv_layout::page_tokens;
    auto const bytes = static_cast<index>(arena::padded(static_cast<std::size_t>(layout.bytes())));
    auto** table = memory_.take<std::byte*>(pages);
    auto* memory = memory_.take<std::byte>(pages * bytes);
    std::memset(memory, 0, static_cast<std::size_t>(pages * bytes));
    for (index i = 0; i < pages; ++i) table[i] = memory + i * bytes;
    shape.first = 0;
    shape.keys = count;
    kernels::attention_part const part{shape, {table, static_cast<std::size_t>(pages)}, row, count, log_sums};
    attend_pages(layout, {&part, 1}, q, k, v, out);
  }

  static void attend_pages(kernels::kv_layout const& layout, std::span<kernels::attention_part const> parts,
                           view<float> const& q, view<float> const& k, view<float> const& v, mutable_view<float> out) {
    auto run = [&]<class T>(T) {
      for (auto const& p : parts) {
        auto part = [&](view<float> const& x) {
          return view<float>(x.data() + p.row * x.outerStride(), p.rows, x.cols(), Eigen::OuterStride<>(x.outerStride()));
        };
        kernels::store_keys_values<T>(layout, part(k), part(v), p.pages, p.shape.first);
      }
      kernels::attention<T>(layout, parts, q, out);
    };
    if (layout.type == dtype::bf16)
      run(bf16{});
    else
      run(float{});
  }

  arena& memory_;
  std::span<segment const> segments_;
  dtype compute_ = dtype::f32;
};
static_assert(engine<runner>);

}  // namespace medmo::inline MEDMO_ABI
