// The vocabulary of matrices: row-major Eigen types and maps. Large data is always seen through a view.
#pragma once

#include <Eigen/Core>

#include "version.hpp"

namespace medmo::inline MEDMO_ABI {

using index = Eigen::Index;  ///< signed 64-bit, everywhere
inline constexpr int dynamic = Eigen::Dynamic;

template <class T, int Rows = dynamic, int Cols = dynamic>
using matrix = Eigen::Matrix<T, Rows, Cols, (Cols == 1 && Rows != 1) ? Eigen::ColMajor : Eigen::RowMajor>;

/// Row-major views with a run-time row stride (elements), so that a column block of a wider matrix is a view too.
template <class T>
using view = Eigen::Map<matrix<T> const, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using mutable_view = Eigen::Map<matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// Rows that lie end to end.
template <class T>
view<T> view_of(T const* data, index rows, index cols) {
  return {data, rows, cols, Eigen::OuterStride<>(cols)};
}
template <class T>
mutable_view<T> mutable_view_of(T* data, index rows, index cols) {
  return {data, rows, cols, Eigen::OuterStride<>(cols)};
}
/// The same elements, read only.
template <class T>
view<T> read_only(mutable_view<T> const& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.outerStride())};
}

}  // namespace medmo::inline MEDMO_ABI
