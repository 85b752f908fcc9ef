// Gradients of weights, found by the address of the weight's values: the way from an operation of the architecture, which
// knows its weight alone, to the place that its gradient adds up in.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "../model/weights.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// A weight that is not here is frozen: nothing is computed for it.
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
  float* find(kernels::stored_matrix const& m) const { return find(static_cast<void const*>(m.bytes)); }
  template <index N>
  float* find(vector_weight<N> const& w) const {
    return N > 0 ? find(static_cast<void const*>(w.data)) : nullptr;
  }
  bool empty() const { return entries_.empty(); }

 private:
  std::vector<std::pair<void const*, float*>> entries_;
};

}  // namespace medmo::inline MEDMO_ABI::train
