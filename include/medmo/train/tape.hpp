// The engine that executes as `runner` does, with the same kernels, and records what it did, so that gradients can be
// walked back through it: each operation leaves its vector-Jacobian product (kernels/*_backward.hpp) on a list.
// An operation that says "consumed" makes new rows if an earlier one may still need the old ones. Gradients follow the
// engine's language: what is consumed hands its gradient's place on, so the residual stream has a single gradient.
// Attention is that of whole sequences; there is no cache.
#pragma once

#include <cstring>
#include <new>
#include <span>
#include <tuple>

#include "../kernels/activation_backward.hpp"
#include "../kernels/attention_backward.hpp"
#include "../kernels/embedding_backward.hpp"
#include "../kernels/layer_norm_backward.hpp"
#include "../kernels/rms_norm_backward.hpp"
#include "../kernels/rope_backward.hpp"
#include "recording_runner.hpp"

namespace medmo::inline MEDMO_ABI::train {

class tape : public recording_runner {
 public:
  using recording_runner::recording_runner;

  /// Whose the decoder's rows are; must outlive the backward pass.
  void set_sequences(std::span<kernels::attention_rows const> parts) { sequences_ = parts; }

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
      y.gradient = gradients_.new_place(y);
      done_.add([this, y, ids, d_table] {
        if (y.reached()) kernels::embed_vjp(ids, y.back(), d_table);
        gradients_.finish(y);
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
      std::apply([&](auto&... y) { ((y.gradient = gradients_.new_place(y)), ...); }, out);
      done_.add([this, x, out, weights = std::make_tuple(&w...)] {
        std::apply([&](auto const&... y) {
          std::apply([&](auto const*... v) { linear_vjp(x, std::tie(y...), *v...); }, weights);
          (gradients_.finish(y), ...);
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
    gradients_.inherit(y, x);
    if (a.gradient || any_trained_of(w))
      done_.add([this, x, a, y, &w] {
        linear_vjp(a, std::tie(y), w);
        if (y.gradient != x.gradient) gradients_.finish(y);
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
    y.gradient = gradients_.new_place(y);
    done_.add([this, x, y, &w, d_w, eps] {
      if (!y.reached()) return;
      memory_scope inner(&memory_);
      auto [d_x, how] = gradients_.open(x);
      kernels::rms_norm_vjp(x, w.data, D, eps, y.back(), d_x, how, d_w, memory_.take<float>(x.size));
      gradients_.finish(y);
    });
    return y;
  }

  template <index D, index K>
  rows<D> head_norm(rows<D> x, vector_weight<K> const& w, float eps) {
    float* d_w = trained(w);
    rows<D> y = recording_ ? copy(x) : x;
    runner::head_norm<D, K>(y, w, eps);
    if (!x.gradient && !d_w) return y;
    gradients_.inherit(y, x);
    done_.add([this, x, y, &w, d_w, eps] {
      if (!y.reached()) return;
      memory_scope inner(&memory_);
      mutable_view<float> d_x = x.gradient ? x.back_in_place() : x.nothing();
      kernels::rms_norm_vjp(x, w.data, K, eps, y.back(), d_x, kernels::store::assign, d_w,
                            memory_.take<float>(x.size * (D / K)));
      if (!x.gradient) gradients_.finish(y);
    });
    return y;
  }

  template <index D>
  rows<D> layer_norm(rows<D> x, layer_norm_weights<D> const& w, float eps) {
    rows<D> y = runner::layer_norm<D>(x, w, eps);
    float *d_w = trained(w.weight), *d_b = trained(w.bias);
    if (!x.gradient && !d_w) return y;
    y.gradient = gradients_.new_place(y);
    done_.add([this, x, y, &w, d_w, d_b, eps] {
      if (!y.reached()) return;
      memory_scope inner(&memory_);
      auto [d_x, how] = gradients_.open(x);
      kernels::layer_norm_vjp(x, w.weight.data, eps, y.back(), d_x, how, d_w, d_b, memory_.take<float>(2 * x.size));
      gradients_.finish(y);
    });
    return y;
  }

  template <index K, index D>
  rows<D> rotate(rows<D> x, rows<K / 2> cos, rows<K / 2> sin) {
    runner::rotate<K, D>(x, cos, sin);  // nothing before it needs the old values
    if (x.gradient)
      done_.add([x, cos, sin] {
        if (x.reached()) kernels::rotate_vjp(x.back_in_place(), K, cos, sin);
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
    gradients_.inherit(y, gate);
    done_.add([this, gate, up, y] {
      if (!y.reached()) return;
      memory_scope inner(&memory_);
      auto d_up = up.gradient ? gradients_.open(up).first : unread(up);
      kernels::silu_multiply_vjp(gate, up, y.back_in_place(), d_up);
      if (!gate.gradient) gradients_.finish(y);
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
    if (!x.gradient) x.gradient = gradients_.new_place(x);
    using taps = decltype(mix(index{}));
    auto* kept = memory_.take<taps>(x.size);
    for (index t = 0; t < x.size; ++t) new (kept + t) taps(mix(t));
    done_.add([x, kept, d_table] {
      if (!x.reached()) return;
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
    y.gradient = gradients_.new_place(y);
    done_.add([this, y, kept, n = parts.size()] {
      if (!y.reached()) return;
      index row = 0;
      for (std::size_t i = 0; i < n; ++i) {
        if (kept[i].gradient) gradients_.open_zeroed(kept[i]) += y.back().middleRows(row, kept[i].size);
        row += kept[i].size;
      }
      gradients_.finish(y);
    });
    return y;
  }

  template <index D>
  void stage(std::string_view, rows<D>) {}
  template <index D>
  void stage(std::string_view, index, rows<D>) {}

 private:
  template <index D>
  rows<D> gelu(rows<D> x, kernels::gelu_kind kind) {
    rows<D> y = recording_ ? copy(x) : x;
    kernels::gelu(y, kind);
    if (!x.gradient) return y;
    gradients_.inherit(y, x);
    done_.add([x, y, kind] {
      if (y.reached()) kernels::gelu_vjp(x, kind, y.back_in_place());
    });
    return y;
  }

  template <index Q, index KV>
  rows<Q> attention(kernels::attention_shape const& shape, index kv_heads, std::span<kernels::attention_rows const> parts,
                    rows<Q> q, rows<KV> k, rows<KV> v) {
    rows<Q> out = runner::reserve_rows<Q>(q.size);
    bool const needed = q.gradient || k.gradient || v.gradient;
    float* log_sums = needed ? memory_.take<float>(q.size * shape.heads) : nullptr;
    for (auto const& p : parts)
      attend_among(kv_heads, shape, p.row, p.rows, q, k, v, out, needed ? log_sums + p.row * shape.heads : nullptr);
    if (!needed) return out;
    out.gradient = gradients_.new_place(out);
    done_.add([this, shape, kv_heads, parts, q, k, v, out, log_sums] {
      if (!out.reached()) return;
      memory_scope inner(&memory_);
      auto place = [&](auto const& x) {
        auto d_x = x.gradient ? gradients_.open_zeroed(x) : unread(x);
        if (!x.gradient) d_x.setZero();
        return d_x;
      };
      auto* scratch = memory_.take<float>(
          kernels::attention_vjp_scratch(q.size, shape.heads, Q / shape.heads, thread_count()));
      kernels::attention_vjp(compute_, shape, kv_heads, parts, q, k, v, out, out.back(), log_sums, scratch,
                             {place(q), place(k), place(v)});
      gradients_.finish(out);
    });
    return out;
  }

  enum class visual { in_place_of, on_top_of };
  template <index D>
  rows<D> with_visual(rows<D> x, rows<D> from, std::span<visual_run const> runs, visual how) {
    if (runs.empty() || (!from.gradient && (!x.gradient || how == visual::on_top_of))) return x;
    if (!x.gradient) x.gradient = gradients_.new_place(x);
    done_.add([this, x, from, runs, how] {
      if (!x.reached()) return;
      auto d_x = x.back_in_place();
      auto d_from = gradients_.open_zeroed(from);
      for (auto const& r : runs) {
        if (from.gradient) d_from.middleRows(r.feature_row, r.count) += d_x.middleRows(r.token_row, r.count);
        if (how == visual::in_place_of) d_x.middleRows(r.token_row, r.count).setZero();
      }
    });
    return x;
  }

  std::span<kernels::attention_rows const> sequences_;
};
static_assert(engine<tape>);

}  // namespace medmo::inline MEDMO_ABI::train
