// Random matrices whose rows need not lie end to end, and the comparison that all kernel tests share.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "medmo/core/dtype.hpp"
#include "medmo/core/matrix.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/core/random.hpp"

namespace kernel_tests {

using medmo::index;

inline constexpr double eps = std::numeric_limits<float>::epsilon();

/// [rows, cols] of mean 0 and variance 1, with `gap` unused NaN after each row: a kernel that reads them is found out.
class random_rows {
 public:
  random_rows(std::string_view name, index rows, index cols, index gap = 0)
      : rows_(rows), cols_(cols), stride_(cols + gap),
        values_(static_cast<std::size_t>(rows * stride_), std::numeric_limits<float>::quiet_NaN()) {
    medmo::random_stream random(7, medmo::stream_of(name));
    for (index t = 0; t < rows; ++t)
      for (index i = 0; i < cols; ++i) at(t, i) = random.normal(static_cast<std::uint64_t>(t * cols + i));
  }
  float& at(index t, index i) { return values_[static_cast<std::size_t>(t * stride_ + i)]; }
  float at(index t, index i) const { return values_[static_cast<std::size_t>(t * stride_ + i)]; }
  float* row(index t) { return values_.data() + t * stride_; }
  float const* row(index t) const { return values_.data() + t * stride_; }
  index rows() const { return rows_; }
  index cols() const { return cols_; }
  index stride() const { return stride_; }
  /// Rows [first, first + count), to read and to write.
  medmo::view<float> in(index first, index count) const {
    return {row(first), count, cols_, Eigen::OuterStride<>(stride_)};
  }
  medmo::mutable_view<float> part(index first, index count) {
    return {row(first), count, cols_, Eigen::OuterStride<>(stride_)};
  }
  medmo::view<float> in() const { return in(0, rows_); }
  medmo::mutable_view<float> all() { return part(0, rows_); }
  /// Every byte, the gaps included.
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> b(values_.size() * sizeof(float));
    if (!b.empty()) std::memcpy(b.data(), values_.data(), b.size());
    return b;
  }

 private:
  index rows_, cols_, stride_;
  std::vector<float> values_;
};

/// Keeps the element whose error is the largest share of what it may be.
struct worst_element {
  double ratio = -1, found = 0, expected = 0;
  index row = 0, col = 0;
  void see(index r, index c, double f, double e, double allowed) {
    double now = std::abs(f - e) / allowed;
    if (now <= ratio) return;  // NaN is worse than anything
    ratio = now, found = f, expected = e, row = r, col = c;
  }
  void check() const {
    INFO("worst at [" << row << ", " << col << "]: expected " << expected << ", found " << found << ", "
                      << ratio << " of the tolerance");
    CHECK(ratio <= 1);
  }
};

/// The thread count while it lives.
struct threads {
  explicit threads(int n) { medmo::set_thread_count(n); }
  ~threads() { medmo::set_thread_count(0); }
  threads(threads const&) = delete;
};

template <class T>
std::vector<T> as(random_rows const& m) {
  std::vector<T> out;
  for (index t = 0; t < m.rows(); ++t)
    for (index i = 0; i < m.cols(); ++i) out.push_back(T(m.at(t, i)));
  return out;
}

}  // namespace kernel_tests
