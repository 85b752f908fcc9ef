// What a kernel sees of a stored weight: its type, its bytes, its shape. Rows are K-contiguous, as checkpoints store them.
#pragma once

#include <cstddef>

#include "../core/dtype.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// [rows, cols], row r begins at bytes + r * row_size(); cols is a multiple of the type's block. Does not own.
struct stored_matrix {
  dtype type = dtype::f32;
  std::byte const* bytes = nullptr;
  index rows = 0, cols = 0;

  constexpr index row_size() const { return static_cast<index>(bytes_for(type, static_cast<std::size_t>(cols))); }
  std::byte const* row_bytes(index r) const { return bytes + r * row_size(); }
  /// Of a type that is not quantised.
  template <class T>
  T const* row(index r) const {
    return reinterpret_cast<T const*>(bytes) + r * cols;
  }
};

}  // namespace medmo::inline MEDMO_ABI::kernels
