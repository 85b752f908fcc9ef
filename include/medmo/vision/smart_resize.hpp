// The size a picture or a video is resized to: multiples of patch * merge, an area between two limits, nearly the same
// aspect. Integer and double arithmetic of the reference, step by step, so that token counts are equal; usable in
// constant expressions. Source: transformers 5.23 qwen2_vl and qwen3_vl (video), `smart_resize`. Nothing is resized here.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::vision {

struct picture_size {
  index height = 0, width = 0;
  friend constexpr bool operator==(picture_size const&, picture_size const&) = default;
};

inline constexpr index max_side = index{1} << 24;  ///< of a picture; products of two sides are exact in double
inline constexpr index max_area = index{1} << 48;  ///< of the limits min_pixels and max_pixels
inline constexpr index max_aspect = 200;           ///< longer side over shorter side

namespace detail {

/// The square root, correctly rounded: the machine's at run time, digit by digit in constant expressions. x > 0, normal.
constexpr double square_root(double x) {
  if (!std::is_constant_evaluated()) return std::sqrt(x);
  auto bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  std::uint64_t m = (bits & 0xfffffffffffffull) | 0x10000000000000ull;  // x = m * 2^(exponent - 52)
  if (exponent & 1) m *= 2, --exponent;
  // 54 binary digits of sqrt(m * 2^54): two digits of the radicand are taken in for each digit of the root.
  std::uint64_t root = 0, rest = 0;
  for (int i = 53; i >= 0; --i) {
    int shift = 2 * i - 54;
    rest = rest * 4 + ((shift >= 0 ? m >> shift : 0) & 3);
    std::uint64_t trial = root * 4 + 1;
    root *= 2;
    if (rest >= trial) rest -= trial, root += 1;
  }
  root = (root + 1) / 2;  // the 54th digit rounds; a tie is impossible, a root of 54 digits has a square of 107
  return std::bit_cast<double>((static_cast<std::uint64_t>(exponent / 2 + 1023) << 52) + (root - 0x10000000000000ull));
}

constexpr index floor_of(double x) {
  auto i = static_cast<index>(x);
  return static_cast<double>(i) > x ? i - 1 : i;
}
constexpr index ceil_of(double x) { return -floor_of(-x); }

/// round(a / b) with halves to even; a >= 0, b > 0. The quotient is a double first, as in Python.
constexpr index round_quotient(index a, index b) {
  double q = static_cast<double>(a) / static_cast<double>(b);
  index below = floor_of(q);
  double rest = q - static_cast<double>(below);
  if (rest != 0.5) return rest > 0.5 ? below + 1 : below;
  return below + (below & 1);
}

constexpr void check_limits(index factor, index min_pixels, index max_pixels) {
  if (factor < 1 || factor > 65536)
    MEDMO_THROW(errc::bad_argument, "smart_resize, factor", "1 .. 65536", std::to_string(factor));
  if (max_pixels < 1 || max_pixels > max_area)
    MEDMO_THROW(errc::bad_argument, "smart_resize, max_pixels", "1 .. 2^48", std::to_string(max_pixels));
  if (min_pixels < 0 || min_pixels > max_pixels)
    MEDMO_THROW(errc::bad_argument, "smart_resize, min_pixels", "0 .. max_pixels (" + std::to_string(max_pixels) + ")",
                std::to_string(min_pixels));
}

constexpr void check_size(index height, index width) {
  if (height < 1 || width < 1 || height > max_side || width > max_side)
    MEDMO_THROW(errc::bad_image, "picture size", "sides of 1 .. 2^24 pixels",
                std::to_string(width) + " x " + std::to_string(height));
}

constexpr void check_aspect(index height, index width) {
  index longer = height > width ? height : width, shorter = height > width ? width : height;
  if (longer > max_aspect * shorter)
    MEDMO_THROW(errc::bad_image, "picture size", "a longer side of at most 200 times the shorter",
                std::to_string(width) + " x " + std::to_string(height));
}

constexpr void check_frames(index frames, index temporal) {
  if (temporal < 1 || frames < temporal || frames > 16384)
    MEDMO_THROW(errc::bad_image, "video", std::to_string(temporal) + " .. 16384 frames", std::to_string(frames));
}

/// The common part: `frames` and `counted_frames` (rounded to the temporal patch) are 1 for a still picture.
constexpr picture_size fit(index frames, index counted_frames, index height, index width, index factor,
                           index min_pixels, index max_pixels) {
  auto f = static_cast<double>(factor);
  auto h = static_cast<double>(height), w = static_cast<double>(width);
  double volume = static_cast<double>(frames * height * width);
  index hb = round_quotient(height, factor) * factor, wb = round_quotient(width, factor) * factor;
  index area = counted_frames * hb * wb;
  if (area > max_pixels) {
    double b = square_root(volume / static_cast<double>(max_pixels));
    hb = floor_of(h / b / f) * factor;
    wb = floor_of(w / b / f) * factor;
    hb = hb < factor ? factor : hb;
    wb = wb < factor ? factor : wb;
  } else if (area < min_pixels) {
    double b = square_root(static_cast<double>(min_pixels) / volume);
    hb = ceil_of(h * b / f) * factor;
    wb = ceil_of(w * b / f) * factor;
  }
  if (hb < 1 || wb < 1)
    MEDMO_THROW(errc::bad_image, "picture size", "sides that do not round to nothing within min_pixels",
                std::to_string(width) + " x " + std::to_string(height));
  return {hb, wb};
}
}  // namespace detail

/// The size a still picture is resized to.
///   hb = round(h / f) f, wb likewise, halves to even (0 for sides below f / 2: the "too small" branch takes them)
///   hb wb > max_pixels:  b = sqrt(h w / max_pixels), hb = max(f, floor(h / b / f) f)
///   hb wb < min_pixels:  b = sqrt(min_pixels / (h w)), hb = ceil(h b / f) f
/// height, width in pixels; factor f = patch * merge; the limits are areas. The result of the last branch can exceed
/// max_pixels slightly when the two limits are close, as in the reference.
/// Errors: bad_image for sides outside 1 .. 2^24, an aspect above 200, or (only with min_pixels below f^2) a side that
/// rounds to 0; bad_argument for limits that make no sense.
constexpr picture_size smart_resize(index height, index width, index factor, index min_pixels, index max_pixels) {
  detail::check_limits(factor, min_pixels, max_pixels);
  detail::check_size(height, width);
  detail::check_aspect(height, width);
  return detail::fit(1, 1, height, width, factor, min_pixels, max_pixels);
}

/// The size of each frame of a video; the limits count t h w. Sides below the factor are scaled up first.
/// frames >= temporal (else bad_image), at most 2^14; other errors as smart_resize.
constexpr picture_size smart_resize_video(index frames, index height, index width, index temporal, index factor,
                                          index min_pixels, index max_pixels) {
  detail::check_limits(factor, min_pixels, max_pixels);
  detail::check_size(height, width);
  detail::check_frames(frames, temporal);
  if (height < factor || width < factor) {
    double a = static_cast<double>(factor) / static_cast<double>(height);
    double b = static_cast<double>(factor) / static_cast<double>(width);
    double scale = a > b ? a : b;
    double h = static_cast<double>(height) * scale, w = static_cast<double>(width) * scale;
    height = static_cast<index>(h);
    width = static_cast<index>(w);
  }
  detail::check_aspect(height, width);
  if (frames > (index{1} << 52) / height / width)
    MEDMO_THROW(errc::too_large, "video", "at most 2^52 pixels in all",
                std::to_string(frames) + " x " + std::to_string(width) + " x " + std::to_string(height));
  return detail::fit(frames, detail::round_quotient(frames, temporal) * temporal, height, width, factor, min_pixels,
                     max_pixels);
}

}  // namespace medmo::inline MEDMO_ABI::vision
