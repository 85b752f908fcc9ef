// Making blocks of Q2_K .. Q6_K (k_blocks.hpp): a search for scales, by weighted least squares.
//   1. each group: for a row of trial steps, round to codes, fit scale (and min) to those codes, keep the smallest error
//   2. the block: the largest of the groups' scales (and mins) becomes d (dmin) in f16, the others codes of 4 to 8 bits
//   3. each group again: the scale's code and its neighbours (and the min's) are tried with the codes they lead to
// Large numbers weigh more: (flat rms + |x|), squared where codes are few or signed; `flat` was chosen so that neither the plain
// error nor the one weighed by x^2 is above that of ggml's quantisers, which have the steps 1 and 2 but not 3 (numbers:
// docs/quantization.md). Numbers are finite.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "../simd.hpp"
#include "k_blocks.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace detail {
/// Sixteen numbers at a time to whole ones within least..most; ties to even.
inline f32x16 nearest(f32x16 const& v, float least, float most) {
  auto inside = f32x16::map(max(v, f32x16(least)), f32x16(most), [](auto x, auto y) { return xsimd::min(x, y); });
  f32x16 const shift(0x1.8p23f);  // beyond it f32 has no fractions
  return (inside + shift) - shift;
}
inline int nearest(float v, int least, int most) {
  v = std::clamp(v, static_cast<float>(least), static_cast<float>(most));
  return v == v ? static_cast<int>((v + 0x1.8p23f) - 0x1.8p23f) : 0;
}
inline constexpr float negligible = 1e-15f;  // groups whose numbers are all smaller become zeros

/// Numbers of one group and what their errors weigh.
template <std::size_t N>
struct weighed_group {
  static constexpr std::size_t parts = N / 16;
  f32x16 x[parts], w[parts];
};
struct code_range {
  float least, most;
};

/// The weighed squares of what x differs from scale * code + offset, for the best codes.
template <std::size_t N>
float weighed_error(weighed_group<N> const& g, float scale, float offset, code_range r) {
  f32x16 const by(inverse(scale)), step(scale), base(offset);
  f32x16 error(0.0f);
  for (std::size_t i = 0; i < g.parts; ++i) {
    auto e = g.x[i] - (step * nearest((g.x[i] - base) * by, r.least, r.most) + base);
    error = fma(g.w[i] * e, e, error);
  }
  return sum(error);
}

struct group_fit {
  float scale = 0, min = 0;  ///< x ~ scale * code - min
};

/// Of a group with a min: codes 0..most, min >= 0.
template <std::size_t N>
group_fit fit_with_min(weighed_group<N> const& g, float least, float greatest, float most) {
  float const low = std::min(least, 0.0f), range = greatest - low;
  if (!(range > negligible)) return {0, -low};
  group_fit best{range / most, -low};
  float best_error = weighed_error(g, best.scale, low, {0, most});
  f32x16 w(0.0f), wx(0.0f);
  for (std::size_t i = 0; i < g.parts; ++i) w = w + g.w[i], wx = fma(g.w[i], g.x[i], wx);
  float const sw = sum(w), sx = sum(wx);
  for (int step = -10; step <= 10; ++step) {
    f32x16 const trial((most + 0.1f * static_cast<float>(step)) / range), base(low);
    f32x16 c1(0.0f), c2(0.0f), cx(0.0f);
    for (std::size_t i = 0; i < g.parts; ++i) {
      auto code = nearest((g.x[i] - base) * trial, 0, most), wc = g.w[i] * code;
      c1 = c1 + wc, c2 = fma(wc, code, c2), cx = fma(wc, g.x[i], cx);
    }
    float const sc = sum(c1), scc = sum(c2), sxc = sum(cx), determinant = sw * scc - sc * sc;
    if (!(determinant > 0)) continue;
    float scale = (sw * sxc - sx * sc) / determinant, offset = (scc * sx - sc * sxc) / determinant;
    if (offset > 0) scale = sxc / scc, offset = 0;
    if (!(scale > 0)) continue;
    float error = weighed_error(g, scale, offset, {0, most});
    if (error < best_error) best_error = error, best = {scale, -offset};
  }
  return best;
}

/// Of a group around zero: codes -half..half - 1; the scale may be negative, so that the largest number gets -half.
template <std::size_t N>
float fit_centred(weighed_group<N> const& g, float largest, float half) {
  if (!(std::abs(largest) > negligible)) return 0;
  float best = 0, best_gain = 0;
  for (int step = -9; step <= 9; ++step) {
    f32x16 const trial(-(half + 0.1f * static_cast<float>(step)) / largest);
    f32x16 c2(0.0f), cx(0.0f);
    for (std::size_t i = 0; i < g.parts; ++i) {
      auto code = nearest(g.x[i] * trial, -half, half - 1), wc = g.w[i] * code;
      c2 = fma(wc, code, c2), cx = fma(wc, g.x[i], cx);
    }
    float const sxc = sum(cx), scc = sum(c2);
    if (scc > 0 && sxc * sxc > best_gain * scc) best_gain = sxc * sxc / scc, best = sxc / scc;
  }
  return best;
}

/// The codes of a block of 256 in groups of `Group`: scales and mins as codes, and what they stand for.
template <std::size_t Group>
struct searched_block {
  static constexpr std::size_t groups = 256 / Group;
  float d = 0, dmin = 0;                     ///< as f16 holds them
  std::array<int, groups> scale{}, min{};
  std::array<int, 256> code{};

  /// Codes of x for the scales chosen.
  void round(float const* x, int least, int most) {
    for (std::size_t i = 0; i < 256; ++i) {
      float s = d * static_cast<float>(scale[i / Group]), m = dmin * static_cast<float>(min[i / Group]);
      code[i] = nearest((x[i] + m) * inverse(s), least, most);
    }
  }

  /// Weights: `flat` times the group's root mean square, added to |x|, to the power `Power`.
  template <int Power>
  static weighed_group<Group> weigh(float const* x, float flat) {
    weighed_group<Group> g;
    float square = 0;
    for (std::size_t i = 0; i < Group; ++i) square += x[i] * x[i];
    float const rms = flat * std::sqrt(square / static_cast<float>(Group));
    for (std::size_t p = 0; p < g.parts; ++p) {
      g.x[p] = f32x16::load(x + 16 * p);
      auto w = f32x16::map(g.x[p], [&](auto v) { return xsimd::abs(v) + f32x16::batch(rms); });
      g.w[p] = Power == 2 ? w * w : w;
    }
    return g;
  }

  /// With mins: scales and mins are codes 0..most_scale.
  template <int Power>
  static searched_block with_mins(float const* x, int most_code, int most_scale, float flat) {
    searched_block b;
    std::array<weighed_group<Group>, groups> group;
    std::array<group_fit, groups> fit;
    float largest_scale = 0, largest_min = 0;
    auto const most = static_cast<float>(most_scale), code_most = static_cast<float>(most_code);
    for (std::size_t g = 0; g < groups; ++g) {
      group[g] = weigh<Power>(x + g * Group, flat);
      auto [least, greatest] = std::minmax_element(x + g * Group, x + (g + 1) * Group);
      fit[g] = fit_with_min(group[g], *least, *greatest, code_most);
      largest_scale = std::max(largest_scale, fit[g].scale);
      largest_min = std::max(largest_min, fit[g].min);
    }
    b.d = static_cast<float>(f16(largest_scale / most));
    b.dmin = static_cast<float>(f16(largest_min / most));
    for (std::size_t g = 0; g < groups; ++g) {
      int const s0 = nearest(fit[g].scale * inverse(b.d), 0, most_scale), m0 = nearest(fit[g].min * inverse(b.dmin), 0, most_scale);
      // to begin with, all zeros: better than a min without a scale, where the scale is too small for f16
      float best = weighed_error(group[g], 0, 0, {0, code_most});
      for (int s = std::max(0, s0 - 1); s <= std::min(most_scale, s0 + 1); ++s)
        for (int m = std::max(0, m0 - 1); m <= std::min(most_scale, m0 + 1); ++m) {
          float error = weighed_error(group[g], b.d * static_cast<float>(s), -b.dmin * static_cast<float>(m), {0, code_most});
          if (error < best) best = error, b.scale[g] = s, b.min[g] = m;
        }
    }
    b.round(x, 0, most_code);
    return b;
  }

  /// Around zero: scales are codes -half_scale..half_scale - 1.
  static searched_block centred(float const* x, int half_code, int half_scale, float flat) {
    searched_block b;
    std::array<weighed_group<Group>, groups> group;
    std::array<float, groups> fit;
    float largest = 0;
    auto const half = static_cast<float>(half_code);
    for (std::size_t g = 0; g < groups; ++g) {
      group[g] = weigh<2>(x + g * Group, flat);
      auto smaller = [](float p, float q) { return std::abs(p) < std::abs(q); };
      fit[g] = fit_centred(group[g], *std::max_element(x + g * Group, x + (g + 1) * Group, smaller), half);
      if (smaller(largest, fit[g])) largest = fit[g];
    }
    b.d = static_cast<float>(f16(largest / -static_cast<float>(half_scale)));
    for (std::size_t g = 0; g < groups; ++g) {
      int const s0 = nearest(fit[g] * inverse(b.d), -half_scale, half_scale - 1);
      float best = std::numeric_limits<float>::infinity();
      for (int s = std::max(-half_scale, s0 - 1); s <= std::min(half_scale - 1, s0 + 1); ++s) {
        float error = weighed_error(group[g], b.d * static_cast<float>(s), 0, {-half, half - 1});
        if (error < best) best = error, b.scale[g] = s;
      }
    }
    b.round(x, -half_code, half_code - 1);
    return b;
  }
};

// Where number i of a block has its bits (k_blocks.hpp has the same by runs): byte and shift.
struct bit_place {
  std::size_t byte;
  unsigned shift;
};
constexpr bit_place two_bits(std::size_t i) { return {i / 128 * 32 + i % 32, static_cast<unsigned>(i % 128 / 32 * 2)}; }
constexpr bit_place four_bits(std::size_t i) { return {i / 64 * 32 + i % 32, static_cast<unsigned>(i % 64 / 32 * 4)}; }
constexpr bit_place six_low(std::size_t i) { return {i / 128 * 64 + i % 64, static_cast<unsigned>(i % 128 / 64 * 4)}; }
constexpr bit_place one_bit(std::size_t i) { return {i % 32, static_cast<unsigned>(i / 32)}; }
inline void set_bits(std::byte* p, bit_place at, unsigned value) { p[at.byte] |= static_cast<std::byte>(value << at.shift); }
}  // namespace detail

/// out = the block of type T (q2_k .. q6_k) made of x[0..256).
template <dtype T>
void quantize_k_block(float const* x, std::byte* out) {
  using layout = k_block<T>;
  std::fill_n(out, layout::bytes, std::byte{0});
  auto bits = [&](std::size_t base, detail::bit_place at, int value) { detail::set_bits(out + base, at, static_cast<unsigned>(value)); };
  if constexpr (T == dtype::q2_k) {
    auto b = detail::searched_block<16>::with_mins<2>(x, 3, 15, 0.5f);
    detail::store_f16(b.d, out + layout::d_at);
    detail::store_f16(b.dmin, out + layout::dmin_at);
    for (std::size_t g = 0; g < 16; ++g) out[layout::scales_at + g] = static_cast<std::byte>(b.scale[g] | b.min[g] << 4);
    for (std::size_t i = 0; i < 256; ++i) bits(layout::codes_at, detail::two_bits(i), b.code[i]);
  } else if constexpr (T == dtype::q3_k) {
    auto b = detail::searched_block<16>::centred(x, 4, 32, 0.5f);
    std::array<unsigned, 16> scales;
    for (std::size_t g = 0; g < 16; ++g) scales[g] = static_cast<unsigned>(b.scale[g] + 32);
    detail::three_bit_scales::pack(scales, out + layout::scales_at);
    detail::store_f16(b.d, out + layout::d_at);
    for (std::size_t i = 0; i < 256; ++i) {
      bits(layout::codes_at, detail::two_bits(i), (b.code[i] + 4) & 3);
      bits(layout::high_at, detail::one_bit(i), (b.code[i] + 4) >> 2);
    }
  } else if constexpr (T == dtype::q6_k) {
    auto b = detail::searched_block<16>::centred(x, 32, 128, 0.3f);
    detail::store_f16(b.d, out + layout::d_at);
    for (std::size_t g = 0; g < 16; ++g) out[layout::scales_at + g] = static_cast<std::byte>(static_cast<std::uint8_t>(b.scale[g]));
    for (std::size_t i = 0; i < 256; ++i) {
      bits(layout::low_at, detail::six_low(i), (b.code[i] + 32) & 15);
      bits(layout::high_at, detail::two_bits(i), (b.code[i] + 32) >> 4);
    }
  } else {
    static_assert(T == dtype::q4_k || T == dtype::q5_k);
    auto b = detail::searched_block<32>::with_mins<1>(x, T == dtype::q5_k ? 31 : 15, 63, 1.0f);
    detail::store_f16(b.d, out);
    detail::store_f16(b.dmin, out + 2);
    detail::scales_and_mins s;
    for (std::size_t g = 0; g < 8; ++g) {
      s.scale[g] = static_cast<unsigned>(b.scale[g]);
      s.min[g] = static_cast<unsigned>(b.min[g]);
    }
    s.pack(out + layout::scales_at);
    for (std::size_t i = 0; i < 256; ++i) {
      bits(layout::codes_at, detail::four_bits(i), b.code[i] & 15);
      if constexpr (T == dtype::q5_k) bits(layout::high_at, detail::one_bit(i), b.code[i] >> 4);
    }
  }
}

}  // namespace medmo::inline MEDMO_ABI::kernels
