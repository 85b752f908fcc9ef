// Antialiased bicubic resizing of 8-bit RGB, equal to Pillow bit for bit: Keys' cubic with a = -0.5, widened by the factor
// of reduction, as integer weights; one pass an axis with rounding to 8 bits between them. torch's uint8 kernel differs
// from it in two facts only, so that it is a rule here as well. Facts: Pillow 13.0 and torch 2.8; the code is our own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/image.hpp"
#include "../core/parallel.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// Whose integers. All three use the same real weights, computed in double.
enum class resample_rule {
  pillow,                   ///< 22-bit weights; rows first if the height shrinks by more than twice what the width does
  pillow_horizontal_first,  ///< 22-bit weights, always columns first: Pillow's former releases
  torch  ///< columns first, weights of an axis as fine as 16 bits hold: torch's and torchvision's uint8
};

namespace detail {

/// The weights of one axis: output i is the sum over k < count[i] of weight[i * stride + k] * input[first[i] + k], plus a
/// half, shifted right by `bits`, clipped to 0..255.
struct resample_axis {
  std::vector<std::int32_t> weights;
  std::vector<index> first, count;
  index stride = 0;
  int bits = 0;
};

/// One rounding an operation on every machine: what passes through memory is not fused into a multiply-add.
inline double rounded(double x) {
  double volatile v = x;
  return v;
}

/// Keys' cubic convolution kernel, a = -0.5 (IEEE Trans. ASSP 29, 1981).
inline double keys_cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return rounded(rounded((rounded((a + 2.0) * x) - (a + 3.0)) * x) * x) + 1.0;
  if (x < 2.0) return (rounded((rounded((x - 5.0) * x) + 8.0) * x) - 4.0) * a;
  return 0.0;
}

inline resample_axis make_resample_axis(index in, index out, resample_rule rule) {
  double scale = static_cast<double>(in) / static_cast<double>(out);
  double widening = std::max(scale, 1.0), support = 2.0 * widening, narrowing = 1.0 / widening;
  resample_axis axis;
  axis.stride = std::min(in, static_cast<index>(std::ceil(support)) * 2 + 1);
  axis.first.resize(static_cast<std::size_t>(out));
  axis.count.resize(static_cast<std::size_t>(out));
  axis.weights.resize(static_cast<std::size_t>(out * axis.stride));
  std::vector<double> real(static_cast<std::size_t>(out * axis.stride));

  double largest = 0.0;
  for (index i = 0; i < out; ++i) {
    double centre = rounded((static_cast<double>(i) + 0.5) * scale);
    index first = std::max<index>(0, static_cast<index>(centre - support + 0.5));
    index count = std::min(in, static_cast<index>(centre + support + 0.5)) - first;
    double* w = real.data() + i * axis.stride;
    double sum = 0.0;
    for (index k = 0; k < count; ++k) {
      w[k] = keys_cubic((static_cast<double>(k + first) - centre + 0.5) * narrowing);
      sum += w[k];
    }
    for (index k = 0; k < count; ++k) largest = std::max(largest, w[k] /= sum);
    axis.first[static_cast<std::size_t>(i)] = first;
    axis.count[static_cast<std::size_t>(i)] = count;
  }

  axis.bits = 22;
  if (rule == resample_rule::torch)  // the largest weight, rounded, stays below 2^15
    for (axis.bits = 0; axis.bits < 22 && 0.5 + largest * std::ldexp(1.0, axis.bits + 1) < 32768.0;) ++axis.bits;
  double one = std::ldexp(1.0, axis.bits);
  for (std::size_t k = 0; k < real.size(); ++k)
    axis.weights[k] = static_cast<std::int32_t>(real[k] * one + (real[k] < 0.0 ? -0.5 : 0.5));
  return axis;
}

/// out[j] = clip((half + sum_k weight[k] * in[k * stride + j]) >> bits) for j < Lanes. |sum| < 2^31: the absolute weights
/// add up to less than 1.7.
template <index Lanes>
void weigh(std::uint8_t const* in, index stride, std::int32_t const* weight, index count, int bits, std::uint8_t* out) {
  std::int32_t sum[Lanes];
  for (index j = 0; j < Lanes; ++j) sum[j] = (1 << bits) >> 1;
  for (index k = 0; k < count; ++k)
    for (index j = 0; j < Lanes; ++j) sum[j] += weight[k] * static_cast<std::int32_t>(in[k * stride + j]);
  for (index j = 0; j < Lanes; ++j) out[j] = static_cast<std::uint8_t>(std::clamp(sum[j] >> bits, 0, 255));
}

/// Resizes columns: rows [from, from + out.height) of `in`, width to out.width. Sixteen rows are laid side by side, so
/// that the 3 x 16 values of a column are one run of memory.
inline void resample_columns(image const& in, index from, resample_axis const& axis, image& out) {
  constexpr index rows = 16, lanes = 3 * rows;
  index groups = (out.height + rows - 1) / rows, pieces = std::min<index>(groups, thread_count());
  auto run_bytes = static_cast<std::size_t>(in.width * lanes);
  std::vector<std::uint8_t> runs(run_bytes * static_cast<std::size_t>(pieces));
  parallel_for(pieces, [&](index piece) {
    std::uint8_t* run = runs.data() + static_cast<std::size_t>(piece) * run_bytes;
    for (index g = groups * piece / pieces; g < groups * (piece + 1) / pieces; ++g) {
      index y = g * rows, used = std::min(rows, out.height - y);
      std::uint8_t const* source[rows];
      for (index r = 0; r < rows; ++r) source[r] = in.at(0, from + y + std::min(r, used - 1));
      for (index i = 0; i < in.width * 3; ++i)
        for (index r = 0; r < rows; ++r) run[i * rows + r] = source[r][i];
      std::uint8_t* to = out.at(0, y);
      for (index x = 0; x < out.width; ++x) {
        auto n = static_cast<std::size_t>(x);
        std::uint8_t column[lanes];
        weigh<lanes>(run + axis.first[n] * lanes, lanes, axis.weights.data() + x * axis.stride, axis.count[n],
                     axis.bits, column);
        for (index r = 0; r < used; ++r)
          for (index c = 0; c < 3; ++c) to[(r * out.width + x) * 3 + c] = column[c * rows + r];
      }
    }
  });
}

/// Resizes rows: output row i weighs input rows first[i] - from and on.
inline void resample_rows(image const& in, index from, resample_axis const& axis, image& out) {
  constexpr index lanes = 64;
  index pitch = in.width * 3;
  parallel_ranges(out.height, 8, [&](index begin, index end) {
    for (index y = begin; y < end; ++y) {
      auto n = static_cast<std::size_t>(y);
      std::uint8_t const* source = in.at(0, axis.first[n] - from);
      std::int32_t const* weight = axis.weights.data() + y * axis.stride;
      std::uint8_t* to = out.at(0, y);
      index j = 0;
      for (; j + lanes <= pitch; j += lanes) weigh<lanes>(source + j, pitch, weight, axis.count[n], axis.bits, to + j);
      for (; j < pitch; ++j) weigh<1>(source + j, pitch, weight, axis.count[n], axis.bits, to + j);
    }
  });
}

inline bool rows_come_first(image const& in, index width, index height, resample_rule rule) {
  return rule == resample_rule::pillow && in.height > height && in.height - height > 2 * (in.width - width);
}
}  // namespace detail

namespace reference {
/// The same, one value after the other.
inline image resample_bicubic(image const& in, index width, index height, resample_rule rule) {
  auto pass = [&](image const& from, index w, index h) {  // one of the two sides changes
    bool rows = h != from.height;
    auto axis =
        rows ? detail::make_resample_axis(from.height, h, rule) : detail::make_resample_axis(from.width, w, rule);
    image to(w, h);
    for (index y = 0; y < h; ++y)
      for (index x = 0; x < w; ++x)
        for (index c = 0; c < 3; ++c) {
          auto n = static_cast<std::size_t>(rows ? y : x);
          std::int64_t sum = axis.bits > 0 ? std::int64_t{1} << (axis.bits - 1) : 0;
          for (index k = 0; k < axis.count[n]; ++k) {
            index at = axis.first[n] + k;
            sum += std::int64_t{axis.weights[n * static_cast<std::size_t>(axis.stride) + static_cast<std::size_t>(k)]} *
                   (rows ? from.at(x, at) : from.at(at, y))[c];
          }
          to.at(x, y)[c] = static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> axis.bits, 0, 255));
        }
    return to;
  };
  image now = in;
  bool rows_first = detail::rows_come_first(in, width, height, rule);
  if (rows_first && height != now.height) now = pass(now, now.width, height);
  if (width != now.width) now = pass(now, width, now.height);
  if (height != now.height) now = pass(now, width, height);
  return now;
}
}  // namespace reference

/// `in` resized to width x height with the antialiased bicubic filter.
///   out[i] = clip8((half + sum_k round(2^bits k(i, k) / sum_k k(i, k)) in[k]) >> bits), one axis after the other,
///   k(i, k) = keys((k + 0.5 - (i + 0.5) s) / max(s, 1)), s = in / out
/// An axis of equal size is left alone. Sides of `in` and of the result 1 .. 2^24, else bad_image. Uses one picture of
/// intermediate size. Equal for every number of threads. Parallel over rows. Oracle: reference::resample_bicubic.
inline image resample_bicubic(image const& in, index width, index height, resample_rule rule = resample_rule::pillow) {
  auto check = [](char const* where, index w, index h) {
    constexpr index limit = index{1} << 24;
    if (w < 1 || h < 1 || w > limit || h > limit)
      MEDMO_THROW(errc::bad_image, where, "sides of 1 .. 2^24 pixels", std::to_string(w) + " x " + std::to_string(h));
  };
  check("resample, input", in.width, in.height);
  check("resample, output", width, height);
  if (in.pixels.size() != static_cast<std::size_t>(in.width * in.height * 3))
    MEDMO_THROW(errc::bad_image, "resample, input", std::to_string(in.width * in.height * 3) + " bytes of pixels",
                std::to_string(in.pixels.size()));

  detail::resample_axis columns, rows;
  if (width != in.width) columns = detail::make_resample_axis(in.width, width, rule);
  if (height != in.height) rows = detail::make_resample_axis(in.height, height, rule);
  if (width == in.width && height == in.height) return in;

  image out(width, height);
  if (width == in.width) {
    detail::resample_rows(in, 0, rows, out);
  } else if (height == in.height) {
    detail::resample_columns(in, 0, columns, out);
  } else if (detail::rows_come_first(in, width, height, rule)) {
    image between(in.width, height);
    detail::resample_rows(in, 0, rows, between);
    detail::resample_columns(between, 0, columns, out);
  } else {
    index from = rows.first.front();  // rows no output row looks at are not resized
    image between(width, rows.first.back() + rows.count.back() - from);
    detail::resample_columns(in, from, columns, between);
    detail::resample_rows(between, from, rows, out);
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::kernels
