// What a kernel sees of a stored weight: its type, its bytes, its shape. Rows are K-contiguous, as checkpoints store them.
#pragma once

#include <cstddef>

#include "../core/dtype.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// [rows, cols], row r begins at bytes + r * cols * size_of(type). Does not own.
struct stored_matrix {
  dtype type = dtype::f32;
  std::byte const* bytes = nullptr;
  index rows = 0, cols = 0;

  template <class T>
  T const* row(index r) const {
    return reinterpret_cast<T const*>(bytes) + r * cols;
  }
};

}  // namespace medmo::inline MEDMO_ABI::kernels
