// What the operations of the tape share: the list of what was done, which weights are trained, where gradients go, and
// blocks that run again. Not an engine by itself (tape.hpp).
#pragma once

#include <array>
#include <span>
#include <tuple>

#include "../kernels/low_rank_backward.hpp"
#include "../kernels/matmul_backward.hpp"
#include "../model/runner.hpp"
#include "activation_gradients.hpp"
#include "operation_list.hpp"
#include "weight_gradients.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// What a layer or block keeps for the backward pass. The bytes of every result are the same.
enum class activations {
  keep,      ///< everything
  recompute  ///< its input alone; it runs again on the way back
};

class recording_runner : public runner {
 public:
  template <index D>
  using rows = tape_rows<D>;

  /// `memory` may extend; everything outlives this. `compute` is the type of attention's keys and values.
  recording_runner(arena& memory, gradient_buffers& buffers, weight_gradients const& weights, activations policy, dtype compute)
      : runner(memory), gradients_(memory, buffers), weights_(weights), policy_(policy), done_(memory) {
    compute_ = compute;
  }

  /// The gradient of x [T, D], to add to before the walk back; zero at first, null if nobody asks for it.
  template <index D>
  mutable_view<float> seed(rows<D> const& x) {
    return gradients_.open_zeroed(x);
  }
  arena& memory() { return memory_; }
  weight_gradients const& weights() const { return weights_; }

  /// Walks back through everything recorded.
  void backward() { done_.walk_back(); }

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
    y.gradient = x.gradient ? x.gradient : gradients_.new_place(y);
    done_.add([this, &w, x, y, f] {
      if (!y.reached()) return;
      memory_scope inner(&memory_);
      auto const before = done_.end();
      auto again = f(w, x);
      gradients_.hand_over(y, again);
      done_.walk_back(before);
    });
    return y;
  }

 protected:
  template <class W>
  float* trained(W const& w) const {
    return recording_ ? weights_.find(w) : nullptr;
  }
  template <class W>
  bool any_trained_of(W const& w) const {
    return trained(w.weight) || trained(w.bias) || (w.adapter && (trained(w.adapter->a) || trained(w.adapter->b)));
  }
  template <class W>
  bool any_trained(W const& part) const {
    bool any = false;
    for_each_tensor_of(part, [&](auto const& t) { any = any || trained(t); });
    for_each_linear_of(part, [&](auto const& w) { any = any || any_trained_of(w); });
    return any;
  }

  template <index In, class... Y, class... W>
  void linear_vjp(rows<In> const& x, std::tuple<Y...> const& out, W const&... w) {
    std::apply([&](auto const&... y) {
      if (!(y.reached() || ...)) return;
      std::array<kernels::product_vjp, sizeof...(W)> products{kernels::product_vjp{
          w.weight.stored, y.reached() ? y.back() : read_only(y.nothing()), trained(w.weight), trained(w.bias)}...};
      memory_scope inner(&memory_);
      auto [d_x, how] = gradients_.open(x);
      index const scratch_size = std::max({kernels::matmul_vjp_scratch(w.weight.stored.type, x.size, In,
                                                                       std::max({W::out...}), thread_count())...});
      auto* scratch = memory_.take<std::byte>(scratch_size);
      kernels::matmul_vjp(x, products, d_x, how, scratch);
      (adapter_vjp(x, y, w), ...);
    }, out);
  }
  template <index In, index Out, class W>
  void adapter_vjp(rows<In> const& x, rows<Out> const& y, W const& w) {
    if (!w.adapter || !y.reached()) return;
    memory_scope inner(&memory_);
    auto [d_x, how] = gradients_.open(x);
    auto* scratch = memory_.take<std::byte>(
        kernels::low_rank_add_vjp_scratch(x.size, In, Out, w.adapter->rank(), thread_count()));
    kernels::low_rank_add_vjp(x, *w.adapter, y.back(), trained(w.adapter->a), trained(w.adapter->b), d_x, how, scratch);
  }

  /// Room in the scope for a gradient that nobody asks for.
  template <index D>
  mutable_view<float> unread(rows<D> const& x) {
    return mutable_view_of(memory_.take<float>(x.size * D), x.size, D);
  }
  template <index D>
  rows<D> copy(rows<D> const& x) {
    rows<D> y = runner::reserve_rows<D>(x.size);
    runner::keep<D>(y, x);
    return y;
  }

  activation_gradients gradients_;
  weight_gradients const& weights_;
  activations policy_;
  operation_list done_;
  bool recording_ = true;
};

}  // namespace medmo::inline MEDMO_ABI::train
