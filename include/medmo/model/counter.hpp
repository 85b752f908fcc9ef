// The engine that moves no data: it runs the architecture on sizes alone and sums FLOPs, bytes of weights read, and the
// arena that `runner` will need. Usable in constant expressions.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <tuple>

#include "../core/arena.hpp"
#include "../kernels/attention.hpp"
#include "../kernels/kv_pages.hpp"
#include "../kernels/matmul.hpp"
#include "engine.hpp"
#include "segment.hpp"

namespace medmo::inline MEDMO_ABI {

class counter {
 public:
  template <index D>
  struct rows {
    index size = 0;
  };

  /// `weights`: the type all matrices are stored in; `threads` and `segments` as the runner will have.
  constexpr counter(dtype weights, index threads, std::span<segment_size const> segments = {})
      : weights_(weights), threads_(threads), segments_(segments) {}

  constexpr double flops() const { return flops_; }                 ///< multiply and add count as two
  constexpr double weight_bytes() const { return weight_bytes_; }   ///< bytes of stored matrices read
  constexpr std::size_t peak() const { return peak_; }              ///< bytes of arena

  struct memory_scope {
    counter& owner;
    std::size_t mark;
    constexpr explicit memory_scope(counter& c) : owner(c), mark(c.used_) {}
    memory_scope(memory_scope const&) = delete;
    constexpr ~memory_scope() { owner.used_ = mark; }
  };
  constexpr memory_scope scope() { return memory_scope(*this); }

  template <class W, index D, class F>
  constexpr rows<D> block(W const& w, rows<D> x, F&& f) {
    return f(w, x);
  }

  template <index D>
  constexpr rows<D> reserve_rows(index size) {
    take(size * D * static_cast<index>(sizeof(float)));
    return {size};
  }
  template <index D, index V>
  constexpr rows<D> embed(weight<V, D> const&, std::span<index const> ids) {
    return reserve_rows<D>(static_cast<index>(ids.size()));
  }
  template <index D, class F>
  constexpr rows<D> constant(index size, F&&) {
    return reserve_rows<D>(size);
  }
  template <index D>
  constexpr rows<D> keep(rows<D> place, rows<D>) { return place; }

  template <index In, class... W>
  constexpr auto linear(rows<In> x, W const&... w) {
    std::tuple<rows<W::out>...> out{reserve_rows<W::out>(x.size)...};
    scratch(x.size, In, std::max({W::out...}));
    (multiply(x.size, w.weight), ...);
    if constexpr (sizeof...(W) == 1)
      return std::get<0>(out);
    else
      return out;
  }
  template <index D, index In, class W>
  constexpr rows<D> linear_onto(rows<D> x, rows<In>, W const& w) {
    scratch(x.size, In, D);
    multiply(x.size, w.weight);
    return x;
  }
  template <index Out, index In>
  constexpr rows<Out> project(rows<In> x, weight<Out, In> const& w) {
    auto y = reserve_rows<Out>(x.size);
    scratch(x.size, In, Out);
    multiply(x.size, w);
    return y;
  }

  template <index D>
  constexpr rows<D> rms_norm(rows<D> x, vector_weight<D> const&, float) { return reserve_rows<D>(x.size); }
  template <index D, index K>
  constexpr rows<D> head_norm(rows<D> x, vector_weight<K> const&, float) { return x; }
  template <index D>
  constexpr rows<D> layer_norm(rows<D> x, layer_norm_weights<D> const&, float) { return reserve_rows<D>(x.size); }
  template <index K, index D>
  constexpr rows<D> rotate(rows<D> x, rows<K / 2>, rows<K / 2>) { return x; }

  template <class C, index Q, index KV>
  constexpr rows<Q> attend(index, rows<Q> q, rows<KV>, rows<KV>) {
    auto out = reserve_rows<Q>(q.size);
    memory_scope parts_end(*this);
    take(static_cast<index>(segments_.size() * sizeof(kernels::attention_part)));
    for (auto const& s : segments_) {
      double keys = static_cast<double>(s.first) + static_cast<double>(s.rows + 1) / 2;
      flops_ += 4.0 * static_cast<double>(s.rows) * static_cast<double>(Q) * keys;
    }
    return out;
  }
  template <index H, index D>
  constexpr rows<D> attend_within(rows<D> q, rows<D>, rows<D>, index group) {
    auto out = reserve_rows<D>(q.size);
    memory_scope pages_end(*this);
    kernels::kv_layout layout{kernels::compute_type(weights_), H, D / H};
    index count = (group + kernels::kv_layout::page_tokens - 1) / kernels::kv_layout::page_tokens;
    take(count * static_cast<index>(sizeof(std::byte*)));
    take(count * static_cast<index>(arena::padded(static_cast<std::size_t>(layout.bytes()))));
    flops_ += 4.0 * static_cast<double>(q.size) * static_cast<double>(D) * static_cast<double>(group);
    return out;
  }

  template <index D>
  constexpr rows<D> silu_multiply(rows<D> gate, rows<D>) { return gate; }
  template <index D>
  constexpr rows<D> gelu_tanh(rows<D> x) { return x; }
  template <index D>
  constexpr rows<D> gelu_exact(rows<D> x) { return x; }
  template <index First, index N, index D>
  constexpr rows<N> columns(rows<D> x) { return {x.size}; }
  template <index M, index D>
  constexpr rows<M * D> join_rows(rows<D> x) { return {x.size / M}; }
  template <index D>
  constexpr rows<D> last_rows(rows<D>, index count) { return {count}; }
  template <index D>
  constexpr rows<D> place_rows(rows<D> x, rows<D>, std::span<visual_run const>) { return x; }
  template <index D>
  constexpr rows<D> add_rows(rows<D> x, rows<D>, std::span<visual_run const>) { return x; }
  template <index D, index R, class F>
  constexpr rows<D> add_mixed_rows(rows<D> x, weight<R, D> const&, F&&) { return x; }

  template <index D>
  constexpr void stage(std::string_view, rows<D>) {}
  template <index D>
  constexpr void stage(std::string_view, index, rows<D>) {}

 private:
  constexpr void take(index bytes) {
    used_ += arena::padded(static_cast<std::size_t>(bytes));
    peak_ = std::max(peak_, used_);
  }
  constexpr void scratch(index size, index in, index most) {
    memory_scope scratch_end(*this);
    take(kernels::matmul_scratch(weights_, size, in, most, threads_));
  }
  template <index Out, index In>
  constexpr void multiply(index size, weight<Out, In> const&) {
    flops_ += 2.0 * static_cast<double>(size) * static_cast<double>(Out) * static_cast<double>(In);
    auto block = block_of(weights_);
    weight_bytes_ += static_cast<double>(Out) * static_cast<double>(In) * static_cast<double>(block.bytes) /
                     static_cast<double>(block.numbers);
  }

  dtype weights_;
  index threads_;
  std::span<segment_size const> segments_;
  double flops_ = 0, weight_bytes_ = 0;
  std::size_t used_ = 0, peak_ = 0;
};
static_assert(engine<counter>);

}  // namespace medmo::inline MEDMO_ABI
