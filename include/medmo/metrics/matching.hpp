// The assignment problem: pairs of rows and columns, each in at most one pair, min(rows, columns) pairs, least total cost.
// Shortest augmenting paths with prices (Jonker and Volgenant 1987; the form of Crouse 2016), O(n^2 m) for n <= m.
// Ties: the result is a function of the matrix alone. The shorter side is walked in order; each of its members first takes
// its cheapest partner, the first of equals, if that is free; the rest is placed in order along shortest paths, of equal
// ones to the first partner. Equal members of the longer side are therefore taken from the front.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "lanes.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Pairs of least total cost. -1 marks a row or column without partner; cost is summed in the order of rows.
struct matching {
  std::vector<index> column_of_row, row_of_column;
  double cost = 0;
};

namespace detail {
/// What `assign` works in. Capacity: most columns, a multiple of 8, held inside; or `dynamic`, on the heap.
template <int Capacity>
struct assignment_space {
  struct step {
    index row = 0, column = 0;    // the row looked from, the column closed
    double base = 0, length = 0;  // path length before the row, less its price; path length at the column
    double price = 0;             // of the column
  };
  Eigen::Array<double, Capacity, 1> row_price;
  Eigen::Array<double, Capacity, 1> column_price;  // minus infinity where a column is closed or only padding
  Eigen::Array<double, Capacity, 1> reach;         // length of the shortest path to each open column
  Eigen::Array<index, Capacity, 1> column_of, row_of;
  Eigen::Array<step, Capacity, 1> steps;

  explicit assignment_space(index columns) {
    if constexpr (Capacity == dynamic) {
      for (auto* a : {&row_price, &column_price, &reach}) a->resize(padded(columns));
      for (auto* a : {&column_of, &row_of}) a->resize(padded(columns));
      steps.resize(padded(columns));
    }
    MEDMO_ASSERT(columns <= row_price.size());
  }
};

/// Where the first of some numbers stands that is `wanted`; it must be there.
inline index first_of(double const* values, double wanted) {
  for (index at = 0;; at += 8) {
    unsigned found = 0;  // eight at once: where it stands is unpredictable
    for (unsigned k = 0; k < 8; ++k) found |= static_cast<unsigned>(values[at + k] == wanted) << k;
    if (found) return at + std::countr_zero(found);
  }
}

/// Fills column_of and row_of. cost [rows, stride] with stride a multiple of 8 and rows <= columns <= stride <= capacity; every
/// number finite and below 1e100 in size. The padding repeats the last column, so that it is never the first of the least.
template <int Capacity>
void assign(double const* cost, index stride, index rows, index columns, assignment_space<Capacity>& s) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  index const width = padded(columns);
  for (index j = 0; j < width; ++j) s.column_price[j] = j < columns ? 0 : -infinity;
  for (index j = 0; j < columns; ++j) s.row_of[j] = -1;

  /// Shortens the paths to open columns by those through a row; the shortest of all.
  auto extend = [&](index i, double base) {
    lanes least = lanes::Constant(infinity);
    for (index at = 0; at < width; at += 8) {
      lanes reach = load(&s.reach[at]).min(load(cost + i * stride + at) - load(&s.column_price[at]) + base);
      store(&s.reach[at], reach);
      least = least.min(reach);
    }
    return least.minCoeff();
  };
  auto forget_paths = [&] {
    for (index at = 0; at < width; at += 8) store(&s.reach[at], lanes::Constant(infinity));
  };

  for (index i = 0; i < rows; ++i) {
    double const* row = cost + i * stride;
    lanes least = load(row);
    for (index at = 8; at < width; at += 8) least = least.min(load(row + at));
    s.row_price[i] = least.minCoeff();
    index j = first_of(row, s.row_price[i]);
    s.column_of[i] = s.row_of[j] < 0 ? j : -1;
    if (s.row_of[j] < 0) s.row_of[j] = i;
  }

  for (index start = 0; start < rows; ++start) {
    if (s.column_of[start] >= 0) continue;
    forget_paths();
    index count = 0, i = start;
    double length = 0;
    while (i >= 0) {  // one column is closed a step, so this ends
      double base = length - s.row_price[i];
      length = extend(i, base);
      index j = first_of(&s.reach[0], length);
      s.steps[count++] = {i, j, base, length, s.column_price[j]};
      s.reach[j] = infinity;
      s.column_price[j] = -infinity;
      i = s.row_of[j];
    }

    // back along the path: the row that reached a column is the first whose path has exactly that length
    for (index at = count - 1; i != start;) {
      auto const& end = s.steps[at];
      index k = 0;
      while (cost[s.steps[k].row * stride + end.column] - end.price + s.steps[k].base != end.length) ++k;
      i = s.steps[k].row;
      s.row_of[end.column] = i;
      s.column_of[i] = end.column;
      at = k - 1;  // the step that closed the column this row had
    }

    s.row_price[start] += length;
    for (index k = 0; k < count; ++k) {
      double slack = length - s.steps[k].length;
      s.column_price[s.steps[k].column] = s.steps[k].price - slack;
      if (k + 1 < count) s.row_price[s.steps[k + 1].row] += slack;
    }
  }
}
}  // namespace detail

/// The matching of least total cost. cost [N, M], any sizes. Errors: not_finite for a NaN or infinite cost, too_large for one
/// beyond 1e100; both name row and column. Oracle: scipy.optimize.linear_sum_assignment.
inline matching match(Eigen::Ref<matrix<double> const> const& cost) {
  for (index i = 0; i < cost.rows(); ++i)
    for (index j = 0; j < cost.cols(); ++j)
      if (double c = cost(i, j); !(std::abs(c) <= 1e100))
        MEDMO_THROW(std::isfinite(c) ? errc::too_large : errc::not_finite,
                    "cost of row " + std::to_string(i) + ", column " + std::to_string(j), "a number up to 1e100",
                    std::to_string(c));

  matching out;
  out.column_of_row.assign(static_cast<std::size_t>(cost.rows()), -1);
  out.row_of_column.assign(static_cast<std::size_t>(cost.cols()), -1);
  bool tall = cost.rows() > cost.cols();
  index rows = std::min(cost.rows(), cost.cols()), columns = std::max(cost.rows(), cost.cols());
  if (rows == 0) return out;
  matrix<double> wide(rows, detail::padded(columns));
  if (tall)
    wide.leftCols(columns) = cost.transpose();
  else
    wide.leftCols(columns) = cost;
  for (index j = columns; j < wide.cols(); ++j) wide.col(j) = wide.col(columns - 1);
  detail::assignment_space<dynamic> space(columns);
  detail::assign(wide.data(), wide.cols(), rows, columns, space);
  for (index i = 0; i < rows; ++i) {
    index r = tall ? space.column_of[i] : i, c = tall ? i : space.column_of[i];
    out.column_of_row[static_cast<std::size_t>(r)] = c;
    out.row_of_column[static_cast<std::size_t>(c)] = r;
  }
  for (index r = 0; r < cost.rows(); ++r)
    if (index c = out.column_of_row[static_cast<std::size_t>(r)]; c >= 0) out.cost += cost(r, c);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
