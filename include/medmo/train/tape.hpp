// The engine that executes as `runner` does, with the same kernels, and records what it did, so that gradients can be
// walked back through it: each operation leaves its vector-Jacobian product (kernels/*_backward.hpp) on a list.
// Values stay where they are until `rewind`; an operation that says "consumed" makes new rows if an earlier one may still
// need the old ones. Gradients follow the engine's language: what is consumed hands its gradient's place on, so the
// residual stream has a single gradient. Attention is that of whole sequences; there is no cache.
#pragma once

#include <array>
#include <cstring>
#include <new>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../kernels/activation_backward.hpp"
#include "../kernels/attention_backward.hpp"
#include "../kernels/embedding_backward.hpp"
#include "../kernels/layer_norm_backward.hpp"
#include "../kernels/matmul_backward.hpp"
#include "../kernels/rms_norm_backward.hpp"
#include "../kernels/rope_backward.hpp"
#include "../model/runner.hpp"
#include "gradient_store.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// What a layer or block keeps for the backward pass. The bytes of every result are the same.
enum class activations {
  keep,      ///< everything
  recompute  ///< its input alone; it runs again on the way back
};

class tape : public runner {
  struct slot {
    float* data = nullptr;  // none until something arrives
    index count = 0;
  };

 public:
  /// [T, D] f32; `gradient` is none where nobody asks for it.
  template <index D>
  struct rows : runner::rows<D> {
    slot* gradient = nullptr;
    index at = 0;  ///< of the first element in the gradient, which has the same row stride

    rows() = default;
    rows(runner::rows<D> const& r, slot* g = nullptr, index first = 0) : runner::rows<D>(r), gradient(g), at(first) {}
    view<float> back() const { return {gradient->data + at, this->size, D, Eigen::OuterStride<>(this->stride)}; }
    mutable_view<float> back_in_place() const {
      return {gradient->data + at, this->size, D, Eigen::OuterStride<>(this->stride)};
    }
  };

  /// `memory` may extend; everything outlives the tape. `compute` is the type of attention's keys and values.
  tape(arena& memory, gradient_buffers& buffers, weight_gradients const& weights, activations policy, dtype compute)
      : runner(memory), buffers_(buffers), weights_(weights), policy_(policy) {
    compute_ = compute;
  }

  /// Whose the decoder's rows are; must outlive the backward pass.
  void set_sequences(std::span<kernels::attention_rows const> parts) { sequences_ = parts; }

  /// The gradient of x [T, D], to add to before the walk back; zero at first, null if nobody asks for it.
  template <index D>
  mutable_view<float> seed(rows<D> const& x) {
    return open_zeroed(x);
  }
  arena& memory() { return memory_; }
  weight_gradients const& weights() const { return weights_; }

  /// Walks back through everything recorded.
  void backward() { walk(nullptr); }

  struct memory_scope {
    arena* memory;
    std::size_t mark;
    memory_scope(arena* m) : memory(m), mark(m ? m->mark() : 0) {}
    memory_scope(memory_scope const&) = delete;
    ~memory_scope() { if (memory) memory->release(mark); }
  };
  memory_scope scope() { return recording_ ? nullptr : &memory_; }

  template <class W, index D, class F>
  rows<D> block(W const& w, rows<D> x, F f) {
    bool const needed = x.gradient || any_trained(w);
    if (!recording_ || (needed && policy_ == activations::keep)) return f(w, x);
    rows<D> y = copy(x);
    {
      recording_ = false;
      memory_scope inner(&memory_);
      y = f(w, rows<D>(y));
      recording_ = true;
    }
    if (!needed) return y;
    y.gradient = x.gradient ? x.gradient : new_slot(y);
    record([this, &w, x, y, f] {
      if (!reached(y)) return;
      memory_scope inner(&memory_);
      auto* const before = last_;
      auto again = f(w, x);
      if (again.gradient != y.gradient) again.gradient->data = std::exchange(y.gradient->data, nullptr);
      walk(before);
    });
    return y;
  }

  template <index D>
  rows<D> reserve_rows(index size) {
    if (recording_) return runner::rows<D>{nullptr, size};  // `keep` needs no room of its own
    return runner::reserve_rows<D>(size);
  }
  template <index D>
  rows<D> keep(rows<D> place, rows<D> x) {
    return recording_ ? x : rows<D>(runner::keep<D>(place, x));
  }

  template <index D, index V>
  rows<D> embed(weight<V, D> const& table, std::span<index const> ids) {
    rows<D> y = runner::embed<D>(table, ids);
    if (float* d_table = trained(table)) {
      y.gradient = new_slot(y);
      record([this, y, ids, d_table] {
        if (reached(y)) kernels::embed_vjp(ids, y.back(), d_table);
        finish(y);
      });
    }
    return y;
  }

  template <index D, class F>
  rows<D> constant(index size, F&& f) {
    return runner::constant<D>(size, f);
  }

  template <index In, class... W>
  auto linear(rows<In> x, W const&... w) {
    std::tuple<rows<W::out>...> out(runner::linear(x, w...));
    if (x.gradient || (any_trained_of(w) || ...)) {
      std::apply([&](auto&... y) { ((y.gradient = new_slot(y)), ...); }, out);
      record([this, x, out, weights = std::make_tuple(&w...)] {
        std::apply([&](auto const&... y) {
          std::apply([&](auto const*... v) { linear_vjp(x, std::tie(y...), *v...); }, weights);
          (finish(y), ...);
        }, out);
      });
    }
    if constexpr (sizeof...(W) == 1)
      return std::get<0>(out);
    else
      return out;
  }

  template <index D, index In, class W>
  rows<D> linear_onto(rows<D> x, rows<In> a, W const& w) {
    bool const needed = x.gradient || a.gradient || any_trained_of(w);
    rows<D> y = recording_ ? copy(x) : x;
    runner::linear_onto(y, a, w);
    if (!needed) return y;
    inherit(y, x);
    if (a.gradient || any_trained_of(w))
      record([this, x, a, y, &w] {
        linear_vjp(a, std::tie(y), w);
        if (y.gradient != x.gradient) finish(y);
      });
    return y;
  }

  /// Without a way back: the head belongs to the loss (train/loss.hpp).
  template <index Out, index In>
  rows<Out> project(rows<In> x, weight<Out, In> const& w) {
    return runner::project<Out, In>(x, w);
  }

  template <index D>
  rows<D> rms_norm(rows<D> x, vector_weight<D> const& w, float eps) {
    rows<D> y = runner::rms_norm<D>(x, w, eps);
    float* d_w = trained(w);
    if (!x.gradient && !d_w) return y;
    y.gradient = new_slot(y);
    record([this, x, y, &w, d_w, eps] {
      if (!reached(y)) return;
      memory_scope inner(&memory_);
      auto [d_x, how] = open(x);
      kernels::rms_norm_vjp(x, w.data, D, eps, y.back(), d_x, how, d_w, memory_.take<float>(x.size));
      finish(y);
    });
    return y;
  }

  template <index D, index K>
  rows<D> head_norm(rows<D> x, vector_weight<K> const& w, float eps) {
    float* d_w = trained(w);
    rows<D> y = recording_ ? copy(x) : x;
    runner::head_norm<D, K>(y, w, eps);
    if (!x.gradient && !d_w) return y;
    inherit(y, x);
    record([this, x, y, &w, d_w, eps] {
      if (!reached(y)) return;
      memory_scope inner(&memory_);
      mutable_view<float> d_x = x.gradient ? x.back_in_place() : nothing(x);
      kernels::rms_norm_vjp(x, w.data, K, eps, y.back(), d_x, kernels::store::assign, d_w,
                            memory_.take<float>(x.size * (D / K)));
      if (!x.gradient) finish(y);
    });
    return y;
  }

  template <index D>
  rows<D> layer_norm(rows<D> x, layer_norm_weights<D> const& w, float eps) {
    rows<D> y = runner::layer_norm<D>(x, w, eps);
    float *d_w = trained(w.weight), *d_b = trained(w.bias);
    if (!x.gradient && !d_w) return y;
    y.gradient = new_slot(y);
    record([this, x, y, &w, d_w, d_b, eps] {
      if (!reached(y)) return;
      memory_scope inner(&memory_);
      auto [d_x, how] = open(x);
      kernels::layer_norm_vjp(x, w.weight.data, eps, y.back(), d_x, how, d_w, d_b, memory_.take<float>(2 * x.size));
      finish(y);
    });
    return y;
  }

  template <index K, index D>
  rows<D> rotate(rows<D> x, rows<K / 2> cos, rows<K / 2> sin) {
    runner::rotate<K, D>(x, cos, sin);  // nothing before it needs the old values
    if (x.gradient)
      record([x, cos, sin] {
        if (reached(x)) kernels::rotate_vjp(x.back_in_place(), K, cos, sin);
      });
    return x;
  }

  template <class C, index Q, index KV>
  rows<Q> attend(index, rows<Q> q, rows<KV> k, rows<KV> v) {
    constexpr auto& c = C::text;
    return attention(kernels::attention_shape{.heads = c.heads, .scale = scale_of(c.head_dim)}, c.kv_heads, sequences_, q, k, v);
  }

  template <index H, index D>
  rows<D> attend_within(rows<D> q, rows<D> k, rows<D> v, index group) {
    index const count = q.size / group;
    auto* parts = memory_.take<kernels::attention_rows>(count);
    for (index i = 0; i < count; ++i) new (parts + i) kernels::attention_rows{i * group, group};
    return attention(kernels::attention_shape{.heads = H, .scale = scale_of(D / H), .mask = kernels::attention_mask::full}, H,
                     std::span<kernels::attention_rows const>(parts, static_cast<std::size_t>(count)), q, k, v);
  }

  template <index D>
  rows<D> silu_multiply(rows<D> gate, rows<D> up) {
    rows<D> y = recording_ ? copy(gate) : gate;
    runner::silu_multiply<D>(y, up);
    if (!gate.gradient && !up.gradient) return y;
    inherit(y, gate);
    record([this, gate, up, y] {
      if (!reached(y)) return;
      memory_scope inner(&memory_);
      auto d_up = up.gradient ? open(up).first : spare(up);
      kernels::silu_multiply_vjp(gate, up, y.back_in_place(), d_up);
      if (!gate.gradient) finish(y);
    });
    return y;
  }
  template <index D>
  rows<D> gelu_tanh(rows<D> x) {
    return gelu(x, kernels::gelu_kind::tanh);
  }
  template <index D>
  rows<D> gelu_exact(rows<D> x) {
    return gelu(x, kernels::gelu_kind::exact);
  }

  template <index First, index N, index D>
  rows<N> columns(rows<D> x) {
    return {runner::columns<First, N, D>(x), x.gradient, x.at + First};
  }
  template <index M, index D>
  rows<M * D> join_rows(rows<D> x) {
    return {runner::join_rows<M, D>(x), x.gradient, x.at};
  }
  template <index D>
  rows<D> last_rows(rows<D> x, index count) {
    return {runner::last_rows<D>(x, count), x.gradient, x.at + (x.size - count) * x.stride};
  }

  /// `runs` must outlive the backward pass.
  template <index D>
  rows<D> place_rows(rows<D> x, rows<D> from, std::span<visual_run const> runs) {
    runner::place_rows<D>(x, from, runs);
    return with_visual(x, from, runs, visual::in_place_of);
  }
  template <index D>
  rows<D> add_rows(rows<D> x, rows<D> from, std::span<visual_run const> runs) {
    runner::add_rows<D>(x, from, runs);
    return with_visual(x, from, runs, visual::on_top_of);
  }

  template <index D, index R, class F>
  rows<D> add_mixed_rows(rows<D> x, weight<R, D> const& table, F&& mix) {
    runner::add_mixed_rows<D, R>(x, table, mix);
    float* d_table = trained(table);
    if (!d_table) return x;
    if (!x.gradient) x.gradient = new_slot(x);
    using taps = decltype(mix(index{}));
    auto* kept = memory_.take<taps>(x.size);
    for (index t = 0; t < x.size; ++t) new (kept + t) taps(mix(t));
    record([x, kept, d_table] {
      if (!reached(x)) return;
      kernels::mixed_rows_vjp(x.back(), static_cast<index>(kept->row.size()),
                              [=](index t, index i) { return kept[t].row[static_cast<std::size_t>(i)]; },
                              [=](index t, index i) { return kept[t].share[static_cast<std::size_t>(i)]; }, d_table);
    });
    return x;
  }

  /// The rows of all parts, one after the other.
  template <index D>
  rows<D> stack(std::span<rows<D> const> parts) {
    index total = 0, at = 0;
    bool needed = false;
    for (auto const& p : parts) total += p.size, needed = needed || p.gradient;
    rows<D> y = runner::reserve_rows<D>(total);
    auto* kept = memory_.take<rows<D>>(static_cast<index>(parts.size()));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      new (kept + i) rows<D>(parts[i]);
      runner::keep<D>({y.row(at), parts[i].size}, parts[i]);
      at += parts[i].size;
    }
    if (!needed) return y;
    y.gradient = new_slot(y);
    record([this, y, kept, n = parts.size()] {
      if (!reached(y)) return;
      index row = 0;
      for (std::size_t i = 0; i < n; ++i) {
        if (kept[i].gradient) open_zeroed(kept[i]) += y.back().middleRows(row, kept[i].size);
        row += kept[i].size;
      }
      finish(y);
    });
    return y;
  }

  template <index D>
  void stage(std::string_view, rows<D>) {}
  template <index D>
  void stage(std::string_view, index, rows<D>) {}

 private:
  // -- the list of what was done ------------------------------------------------------------------------------------
  struct operation {
    operation* before;
    void (*vjp)(operation*);
  };
  template <class F>
  struct recorded : operation {
    F f;
    recorded(operation* b, F const& g) : operation{b, [](operation* o) { static_cast<recorded*>(o)->f(); }}, f(g) {}
  };
  template <class F>
  void record(F const& f) {
    static_assert(std::is_trivially_destructible_v<F>, "a record is dropped, not destroyed");
    last_ = new (memory_.take<recorded<F>>(1)) recorded<F>(last_, f);
  }
  void walk(operation* until) {
    while (last_ != until) {
      auto* o = last_;
      o->vjp(o);
      last_ = o->before;
    }
  }

  // -- gradients ----------------------------------------------------------------------------------------------------
  template <class W>
  float* trained(W const& w) const {
    return recording_ ? weights_.find(w) : nullptr;
  }
  template <class W>
  bool any_trained_of(W const& w) const {
    return trained(w.weight) || trained(w.bias);
  }
  template <class W>
  bool any_trained(W const& part) const {
    bool any = false;
    for_each_tensor_of(part, [&](auto const& t) { any = any || trained(t); });
    return any;
  }

  template <index D>
  slot* new_slot(rows<D> const& x) {
    return new (memory_.take<slot>(1)) slot{nullptr, x.size * x.stride};
  }
  /// y takes the place of x, its gradient that of x's; x without one: y begins one.
  template <index D>
  void inherit(rows<D>& y, rows<D> const& x) {
    y.gradient = x.gradient ? x.gradient : new_slot(y);
    y.at = x.gradient ? x.at : 0;
  }
  template <index D>
  static bool reached(rows<D> const& x) {
    return x.gradient && x.gradient->data;
  }
  template <index D>
  static mutable_view<float> nothing(rows<D> const& x) {
    return {nullptr, x.size, D, Eigen::OuterStride<>(x.stride)};
  }
  /// Room in the scope for a gradient that nobody asks for.
  template <index D>
  mutable_view<float> spare(rows<D> const& x) {
    return {memory_.take<float>(x.size * D), x.size, D, Eigen::OuterStride<>(D)};
  }
  /// Where to put the gradient of x, and whether something stands there already.
  template <index D>
  std::pair<mutable_view<float>, kernels::store> open(rows<D> const& x) {
    if (!x.gradient) return {nothing(x), kernels::store::assign};
    auto how = kernels::store::accumulate;
    if (auto& s = *x.gradient; !s.data) {
      s.data = buffers_.take(s.count);
      if (s.count == x.size * D)
        how = kernels::store::assign;
      else
        std::fill_n(s.data, s.count, 0.0f);
    }
    return {x.back_in_place(), how};
  }
  template <index D>
  mutable_view<float> open_zeroed(rows<D> const& x) {
    auto [d_x, how] = open(x);
    if (how == kernels::store::assign && d_x.data()) d_x.setZero();
    return d_x;
  }
  /// Nobody reads the gradient of x any more.
  template <index D>
  void finish(rows<D> const& x) {
    if (!reached(x)) return;
    buffers_.give_back(x.gradient->data);
    x.gradient->data = nullptr;
  }

  // -- operations that several others share ---------------------------------------------------------------------------
  template <index In, class... Y, class... W>
  void linear_vjp(rows<In> const& x, std::tuple<Y...> const& out, W const&... w) {
    std::apply([&](auto const&... y) {
      if (!(reached(y) || ...)) return;
      std::array<kernels::product_vjp, sizeof...(W)> products{kernels::product_vjp{
          w.weight.stored, reached(y) ? y.back() : read_only(nothing(y)), trained(w.weight), trained(w.bias)}...};
      memory_scope inner(&memory_);
      auto [d_x, how] = open(x);
      index const scratch_size = std::max({kernels::matmul_vjp_scratch(w.weight.stored.type, x.size, In,
                                                                       std::max({W::out...}), thread_count())...});
      auto* scratch = memory_.take<std::byte>(scratch_size);
      kernels::matmul_vjp(x, products, d_x, how, scratch);
    }, out);
  }

  template <index D>
  rows<D> gelu(rows<D> x, kernels::gelu_kind kind) {
    rows<D> y = recording_ ? copy(x) : x;
    kernels::gelu(y, kind);
    if (!x.gradient) return y;
    inherit(y, x);
    record([x, y, kind] {
      if (reached(y)) kernels::gelu_vjp(x, kind, y.back_in_place());
    });
    return y;
  }

  template <index Q, index KV>
  rows<Q> attention(kernels::attention_shape const& shape, index kv_heads, std::span<kernels::attention_rows const> parts,
                    rows<Q> q, rows<KV> k, rows<KV> v) {
    rows<Q> out = runner::reserve_rows<Q>(q.size);
    bool const needed = q.gradient || k.gradient || v.gradient;
    float* log_sums = needed ? memory_.take<float>(q.size * shape.heads) : nullptr;
    attend_from_start({compute_, kv_heads, KV / kv_heads}, shape, parts, q, k, v, out, log_sums);
    if (!needed) return out;
    out.gradient = new_slot(out);
    record([this, shape, kv_heads, parts, q, k, v, out, log_sums] {
      if (!reached(out)) return;
      memory_scope inner(&memory_);
      auto place = [&](auto const& x) {
        if (x.gradient) return open_zeroed(x);
        auto unread = spare(x);
        unread.setZero();
        return unread;
      };
      auto* scratch = memory_.take<float>(
          kernels::attention_vjp_scratch(q.size, shape.heads, Q / shape.heads, thread_count()));
      kernels::attention_vjp(compute_, shape, kv_heads, parts, q, k, v, out, out.back(), log_sums, scratch,
                             {place(q), place(k), place(v)});
      finish(out);
    });
    return out;
  }

  /// Sequences that begin at their first token, on pages that last as long as the call.
  void attend_from_start(kernels::kv_layout const& layout, kernels::attention_shape shape,
                         std::span<kernels::attention_rows const> parts, view<float> const& q, view<float> const& k,
                         view<float> const& v, mutable_view<float> out, float* log_sums) {
    memory_scope inner(&memory_);
    auto pages_of = [](index n) { return (n + kernels::kv_layout::page_tokens - 1) / kernels::kv_layout::page_tokens; };
    index count = 0;
    for (auto const& p : parts) count += pages_of(p.rows);
    auto const bytes = static_cast<index>(arena::padded(static_cast<std::size_t>(layout.bytes())));
    auto* memory = memory_.take<std::byte>(count * bytes);
    std::memset(memory, 0, static_cast<std::size_t>(count * bytes));
    auto** table = memory_.take<std::byte*>(count);
    for (index i = 0; i < count; ++i) table[i] = memory + i * bytes;
    auto* whole = memory_.take<kernels::attention_part>(static_cast<index>(parts.size()));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto const& p = parts[i];
      shape.first = 0;
      shape.keys = p.rows;
      auto const n = static_cast<std::size_t>(pages_of(p.rows));
      new (whole + i) kernels::attention_part{shape, {table, n}, p.row, p.rows,
                                              log_sums ? log_sums + p.row * shape.heads : nullptr};
      table += n;
    }
    attend_pages(layout, {whole, parts.size()}, q, k, v, out);
  }

  enum class visual { in_place_of, on_top_of };
  template <index D>
  rows<D> with_visual(rows<D> x, rows<D> from, std::span<visual_run const> runs, visual how) {
    if (runs.empty() || (!from.gradient && (!x.gradient || how == visual::on_top_of))) return x;
    if (!x.gradient) x.gradient = new_slot(x);
    record([this, x, from, runs, how] {
      if (!reached(x)) return;
      auto d_x = x.back_in_place();
      auto d_from = open_zeroed(from);
      for (auto const& r : runs) {
        if (from.gradient) d_from.middleRows(r.feature_row, r.count) += d_x.middleRows(r.token_row, r.count);
        if (how == visual::in_place_of) d_x.middleRows(r.token_row, r.count).setZero();
      }
    });
    return x;
  }

  template <index D>
  rows<D> copy(rows<D> const& x) {
    rows<D> y = runner::reserve_rows<D>(x.size);
    runner::keep<D>(y, x);
    return y;
  }

  gradient_buffers& buffers_;
  weight_gradients const& weights_;
  activations policy_;
  std::span<kernels::attention_rows const> sequences_;
  operation* last_ = nullptr;
  bool recording_ = true;
};
static_assert(engine<tape>);

}  // namespace medmo::inline MEDMO_ABI::train
