// Where gradients live: those of weights, found by the address of the weight's values, and those of activations, in
// buffers that are taken when the first contribution arrives and handed on when the last reader is done.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/arena.hpp"
#include "../model/weights.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// Gradients of weights. A weight that is not here is frozen: nothing is computed for it.
class weight_gradients {
 public:
  void add(void const* values, float* gradient) {
    entries_.emplace_back(values, gradient);
    std::sort(entries_.begin(), entries_.end());
  }
  float* find(void const* values) const {
    auto at = std::lower_bound(entries_.begin(), entries_.end(), std::pair<void const*, float*>(values, nullptr));
    return at != entries_.end() && at->first == values ? at->second : nullptr;
  }
  template <index Out, index In>
  float* find(weight<Out, In> const& w) const {
    return find(static_cast<void const*>(w.stored.bytes));
  }
  template <index N>
  float* find(vector_weight<N> const& w) const {
    return N > 0 ? find(static_cast<void const*>(w.data)) : nullptr;
  }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<std::pair<void const*, float*>> entries_;
};

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

}  // namespace medmo::inline MEDMO_ABI::train
