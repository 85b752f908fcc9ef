// Gradients of activations: places that operations share, in buffers that are taken when the first contribution arrives and
// handed on when the last reader is done.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "../core/arena.hpp"
#include "../kernels/matmul.hpp"
#include "../model/runner.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// Buffers of f32, kept from step to step. Of the free ones the smallest that fits is handed out; where none fits, the
/// largest free one makes way for a new one, so that memory follows the largest shape and not the number of shapes.
class gradient_buffers {
 public:
  float* take(index count) {
    buffer *fits = nullptr, *largest = nullptr;
    for (auto& b : buffers_) {
      if (!b.free) continue;
      if (b.size >= count && (!fits || b.size < fits->size)) fits = &b;
      if (!largest || b.size > largest->size) largest = &b;
    }
    if (!fits) {
      if (!largest) largest = &buffers_.emplace_back();
      fits = largest;
      allocate(*fits, count);
    }
    fits->free = false;
    return fits->memory.get();
  }
  void give_back(float const* p) {
    for (auto& b : buffers_)
      if (b.memory.get() == p) b.free = true;
  }
  /// All is free again, whatever an error left behind.
  void rewind() {
    for (auto& b : buffers_) b.free = true;
  }
  std::size_t bytes() const {
    std::size_t n = 0;
    for (auto const& b : buffers_) n += static_cast<std::size_t>(b.size) * sizeof(float);
    return n;
  }

 private:
  struct free_memory { void operator()(float* p) const { std::free(p); } };
  struct buffer {
    std::unique_ptr<float, free_memory> memory;
    index size = 0;
    bool free = true;
  };

  static void allocate(buffer& b, index count) {
    std::size_t bytes = arena::padded(static_cast<std::size_t>(std::max<index>(1, count)) * sizeof(float));
    b.memory.reset();
    b.size = 0;
    auto* p = static_cast<float*>(medmo::detail::large_block(arena::alignment, bytes));
    if (!p) MEDMO_THROW(errc::too_large, "gradient of an activation", std::to_string(bytes) + " bytes of memory", "none left");
    b.memory.reset(p);
    b.size = static_cast<index>(bytes / sizeof(float));
  }

  std::vector<buffer> buffers_;
};

/// The place of one gradient; values that stand for each other (consumed ones, columns, joined rows) share it.
struct gradient_place {
  float* data = nullptr;  ///< none until something arrives
  index count = 0;
};

/// [T, D] f32 on the tape; `gradient` is none where nobody asks for it.
template <index D>
struct tape_rows : runner::rows<D> {
  gradient_place* gradient = nullptr;
  index at = 0;  ///< of the first element in the gradient, which has the same row stride

  tape_rows() = default;
  tape_rows(runner::rows<D> const& r, gradient_place* g = nullptr, index first = 0)
      : runner::rows<D>(r), gradient(g), at(first) {}

  bool reached() const { return gradient && gradient->data; }
  view<float> back() const { return {gradient->data + at, this->size, D, Eigen::OuterStride<>(this->stride)}; }
  mutable_view<float> back_in_place() const {
    return {gradient->data + at, this->size, D, Eigen::OuterStride<>(this->stride)};
  }
  /// A view of the same shape and no data.
  mutable_view<float> nothing() const { return {nullptr, this->size, D, Eigen::OuterStride<>(this->stride)}; }
};

class activation_gradients {
 public:
  activation_gradients(arena& memory, gradient_buffers& buffers) : memory_(memory), buffers_(buffers) {}

  template <index D>
  gradient_place* new_place(tape_rows<D> const& x) {
    return new (memory_.take<gradient_place>(1)) gradient_place{nullptr, x.size * x.stride};
  }
  /// y takes the place of x, its gradient that of x's; x without one: y begins one.
  template <index D>
  void inherit(tape_rows<D>& y, tape_rows<D> const& x) {
    y.gradient = x.gradient ? x.gradient : new_place(y);
    y.at = x.gradient ? x.at : 0;
  }
  /// Where to put the gradient of x, and whether something stands there already. Nowhere if x needs none.
  template <index D>
  std::pair<mutable_view<float>, kernels::store> open(tape_rows<D> const& x) {
    if (!x.gradient) return {x.nothing(), kernels::store::assign};
    auto how = kernels::store::accumulate;
    if (auto& g = *x.gradient; !g.data) {
      g.data = buffers_.take(g.count);
      if (g.count == x.size * D)
        how = kernels::store::assign;
      else
        std::fill_n(g.data, g.count, 0.0f);  // others come for the rest of it
    }
    return {x.back_in_place(), how};
  }
  /// The same to add to.
  template <index D>
  mutable_view<float> open_zeroed(tape_rows<D> const& x) {
    auto [d_x, how] = open(x);
    if (how == kernels::store::assign && d_x.data()) d_x.setZero();
    return d_x;
  }
  /// What arrived for x is what arrives for y, which is the same value made again.
  template <index D>
  void hand_over(tape_rows<D> const& x, tape_rows<D> const& y) {
    if (x.gradient != y.gradient) y.gradient->data = std::exchange(x.gradient->data, nullptr);
  }
  /// Nobody reads the gradient of x any more.
  template <index D>
  void finish(tape_rows<D> const& x) {
    if (!x.reached()) return;
    buffers_.give_back(x.gradient->data);
    x.gradient->data = nullptr;
  }

 private:
  arena& memory_;
  gradient_buffers& buffers_;
};

}  // namespace medmo::inline MEDMO_ABI::train
