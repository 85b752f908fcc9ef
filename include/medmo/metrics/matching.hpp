// The assignment problem: pairs of rows and columns, each in at most one pair, min(rows, columns) pairs, least total cost.
// Shortest augmenting paths with prices (Jonker and Volgenant 1987; the form of Crouse 2016), O(n^2 m) for n <= m.
// Ties: the result is a function of the matrix alone. The shorter side is walked in order; each of its members first takes
// its cheapest partner, the first of equals, if that is free; the rest is placed in order along shortest paths, of equal
// ones to the first partner. Equal members of the longer side are therefore taken from the front.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
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
  Eigen::Array<double, Capacity, 1> row_price, column_price;
  Eigen::Array<double, Capacity, 1> reach;    // length of the shortest path to each column
  Eigen::Array<double, Capacity, 1> barrier;  // infinity where a column is closed or only padding, else 0
  Eigen::Array<double, Capacity, 1> base;     // of each visited row: path length before it, less its price
  Eigen::Array<index, Capacity, 1> visited, closed, column_of, row_of;

  explicit assignment_space(index columns) {
    if constexpr (Capacity == dynamic) {
      for (auto* a : {&row_price, &column_price, &reach, &barrier, &base}) a->resize(padded(columns));
      for (auto* a : {&visited, &closed, &column_of, &row_of}) a->resize(padded(columns));
    }
    MEDMO_ASSERT(columns <= row_price.size());
  }
};

/// Fills column_of and row_of. cost [rows, stride] with stride a multiple of 8 and rows <= columns <= stride <= capacity; every
/// number of it, also the padding, finite and below 1e100 in size.
template <int Capacity>
void assign(double const* cost, index stride, index rows, index columns, assignment_space<Capacity>& s) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  index width = padded(columns);
  auto row = [&](index i) { return cost + i * stride; };
  auto open_all = [&] {
    s.barrier.head(width).setZero();
    s.barrier.segment(columns, width - columns).setConstant(infinity);
  };
  auto first_at = [&](double const* values, double wanted) {
    index j = 0;
    while (values[j] != wanted || s.barrier[j] != 0) ++j;
    return j;
  };

  s.column_price.head(width).setZero();
  s.row_of.head(columns).setConstant(-1);
  s.column_of.head(rows).setConstant(-1);
  open_all();
  for (index i = 0; i < rows; ++i) {
    lanes least = load(row(i)) + load(&s.barrier[0]);
    for (index j = 8; j < width; j += 8) least = least.min(load(row(i) + j) + load(&s.barrier[j]));
    s.row_price[i] = least.minCoeff();
    index j = first_at(row(i), s.row_price[i]);
    if (s.row_of[j] >= 0) continue;
    s.row_of[j] = i;
    s.column_of[i] = j;
  }

  for (index start = 0; start < rows; ++start) {
    if (s.column_of[start] >= 0) continue;
    open_all();
    s.reach.head(width).setConstant(infinity);
    double length = 0;
    index i = start, steps = 0, j = 0;
    do {  // one column is closed a step, so this ends
      s.visited[steps] = i;
      double base = s.base[steps] = length - s.row_price[i];
      lanes least = lanes::Constant(infinity);
      for (index at = 0; at < width; at += 8) {
        lanes barrier = load(&s.barrier[at]);
        lanes reach = load(&s.reach[at]).min(base + load(row(i) + at) - load(&s.column_price[at]) + barrier);
        store(&s.reach[at], reach);
        least = least.min(reach + barrier);
      }
      length = least.minCoeff();
      j = first_at(&s.reach[0], length);
      s.closed[steps++] = j;
      s.barrier[j] = infinity;
      i = s.row_of[j];
    } while (i >= 0);

    // back along the path: the row that reached a column is the first whose path has exactly that length
    do {
      index k = 0;
      while (s.base[k] + row(s.visited[k])[j] - s.column_price[j] != s.reach[j]) ++k;
      i = s.visited[k];
      s.row_of[j] = i;
      std::swap(s.column_of[i], j);
    } while (i != start);

    s.row_price[start] += length;
    for (index k = 0; k < steps; ++k) {
      double slack = length - s.reach[s.closed[k]];
      s.column_price[s.closed[k]] -= slack;
      if (k + 1 < steps) s.row_price[s.visited[k + 1]] += slack;
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
  matrix<double> wide = matrix<double>::Zero(rows, detail::padded(columns));
  if (tall)
    wide.leftCols(columns) = cost.transpose();
  else
    wide.leftCols(columns) = cost;
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
