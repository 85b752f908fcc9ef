// Making blocks of Q2_K .. Q6_K (k_blocks.hpp): a search for scales, by weighted least squares.
//   1. each group: for a row of trial steps, round to codes, fit scale (and min) to those codes, keep the smallest error
//   2. the block: the largest of the groups' scales (and mins) becomes d (dmin) in f16, the others codes of 4 to 8 bits
//   3. each group again: the scale's code and its neighbours (and the min's) are tried with the codes they lead to
// Large numbers weigh more: w = rms + |x| with a min, w = x^2 without. Step 3 is what goes beyond ggml's quantisers, which
// have the same steps 1 and 2; errors beside theirs: docs/quantization.md. Numbers are finite. Deterministic.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "k_blocks.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace detail {
inline int nearest(float v, int least, int most) {
  v = std::clamp(v, static_cast<float>(least), static_cast<float>(most));
  return v == v ? static_cast<int>(v < 0 ? v - 0.5f : v + 0.5f) : 0;
}
inline constexpr float negligible = 1e-15f;  // groups whose numbers are all smaller become zeros

/// x ~ scale * code + offset, code least..most.
struct code_range {
  int least, most;
};
inline float weighted_error(std::span<float const> x, std::span<float const> w, float scale, float offset, code_range r) {
  float const inverse_scale = inverse(scale);
  float sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto code = static_cast<float>(nearest((x[i] - offset) * inverse_scale, r.least, r.most));
    float e = x[i] - (scale * code + offset);
    sum += w[i] * e * e;
  }
  return sum;
}

struct group_fit {
  float scale = 0, min = 0;  ///< x ~ scale * code - min
};

/// Of a group with a min: codes 0..most, min >= 0.
inline group_fit fit_with_min(std::span<float const> x, std::span<float const> w, int most) {
  auto [least, greatest] = std::minmax_element(x.begin(), x.end());
  float const low = std::min(*least, 0.0f), range = *greatest - low;
  if (!(range > negligible)) return {0, -low};
  group_fit best{range / static_cast<float>(most), -low};
  float best_error = weighted_error(x, w, best.scale, low, {0, most});
  for (int step = -10; step <= 10; ++step) {
    float const trial = (static_cast<float>(most) + 0.1f * static_cast<float>(step)) / range;
    float sw = 0, sc = 0, scc = 0, sx = 0, sxc = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      auto code = static_cast<float>(nearest((x[i] - low) * trial, 0, most));
      sw += w[i], sc += w[i] * code, scc += w[i] * code * code, sx += w[i] * x[i], sxc += w[i] * x[i] * code;
    }
    float const determinant = sw * scc - sc * sc;
    if (!(determinant > 0)) continue;
    float scale = (sw * sxc - sx * sc) / determinant, offset = (scc * sx - sc * sxc) / determinant;
    if (offset > 0) scale = sxc / scc, offset = 0;
    if (!(scale > 0)) continue;
    float error = weighted_error(x, w, scale, offset, {0, most});
    if (error < best_error) best_error = error, best = {scale, -offset};
  }
  return best;
}

/// Of a group around zero: codes -half..half - 1; the scale may be negative, so that the largest number gets -half.
inline float fit_centred(std::span<float const> x, std::span<float const> w, int half) {
  float largest = 0;
  for (float v : x)
    if (std::abs(v) > std::abs(largest)) largest = v;
  if (!(std::abs(largest) > negligible)) return 0;
  float best = 0, best_gain = 0;
  for (int step = -9; step <= 9; ++step) {
    float const trial = -(static_cast<float>(half) + 0.1f * static_cast<float>(step)) / largest;
    float sxc = 0, scc = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      auto code = static_cast<float>(nearest(trial * x[i], -half, half - 1));
      sxc += w[i] * x[i] * code, scc += w[i] * code * code;
    }
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
  void round(float const* x, code_range r) {
    for (std::size_t i = 0; i < 256; ++i) {
      float s = d * static_cast<float>(scale[i / Group]), m = dmin * static_cast<float>(min[i / Group]);
      code[i] = nearest((x[i] + m) * inverse(s), r.least, r.most);
    }
  }

  /// With mins: scales and mins are codes 0..most_scale.
  static searched_block with_mins(float const* x, int most_code, int most_scale) {
    searched_block b;
    std::array<float, 256> w;
    std::array<group_fit, groups> fit;
    float largest_scale = 0, largest_min = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      float const* v = x + g * Group;
      float square = 0;
      for (std::size_t i = 0; i < Group; ++i) square += v[i] * v[i];
      float const rms = std::sqrt(square / static_cast<float>(Group));
      for (std::size_t i = 0; i < Group; ++i) w[g * Group + i] = rms + std::abs(v[i]);
      fit[g] = fit_with_min({v, Group}, {w.data() + g * Group, Group}, most_code);
      largest_scale = std::max(largest_scale, fit[g].scale);
      largest_min = std::max(largest_min, fit[g].min);
    }
    auto const most = static_cast<float>(most_scale);
    b.d = static_cast<float>(f16(largest_scale / most));
    b.dmin = static_cast<float>(f16(largest_min / most));
    for (std::size_t g = 0; g < groups; ++g) {
      int const s0 = nearest(fit[g].scale * inverse(b.d), 0, most_scale), m0 = nearest(fit[g].min * inverse(b.dmin), 0, most_scale);
      // to begin with, all zeros: better than a min without a scale, where the scale is too small for f16
      float best = weighted_error({x + g * Group, Group}, {w.data() + g * Group, Group}, 0, 0, {0, most_code});
      for (int s = std::max(0, s0 - 1); s <= std::min(most_scale, s0 + 1); ++s)
        for (int m = std::max(0, m0 - 1); m <= std::min(most_scale, m0 + 1); ++m) {
          float error = weighted_error({x + g * Group, Group}, {w.data() + g * Group, Group}, b.d * static_cast<float>(s),
                                       -b.dmin * static_cast<float>(m), {0, most_code});
          if (error < best) best = error, b.scale[g] = s, b.min[g] = m;
        }
    }
    b.round(x, {0, most_code});
    return b;
  }

  /// Around zero: scales are codes -half_scale..half_scale - 1.
  static searched_block centred(float const* x, int half_code, int half_scale) {
    searched_block b;
    std::array<float, 256> w;
    std::array<float, groups> fit;
    float largest = 0;
    for (std::size_t i = 0; i < 256; ++i) w[i] = x[i] * x[i];
    for (std::size_t g = 0; g < groups; ++g) {
      fit[g] = fit_centred({x + g * Group, Group}, {w.data() + g * Group, Group}, half_code);
      if (std::abs(fit[g]) > std::abs(largest)) largest = fit[g];
    }
    b.d = static_cast<float>(f16(largest / -static_cast<float>(half_scale)));
    for (std::size_t g = 0; g < groups; ++g) {
      int const s0 = nearest(fit[g] * inverse(b.d), -half_scale, half_scale - 1);
      float best = std::numeric_limits<float>::infinity();
      for (int s = std::max(-half_scale, s0 - 1); s <= std::min(half_scale - 1, s0 + 1); ++s) {
        float error = weighted_error({x + g * Group, Group}, {w.data() + g * Group, Group}, b.d * static_cast<float>(s), 0,
                                     {-half_code, half_code - 1});
        if (error < best) best = error, b.scale[g] = s;
      }
    }
    b.round(x, {-half_code, half_code - 1});
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
    auto b = detail::searched_block<16>::with_mins(x, 3, 15);
    detail::store_f16(b.d, out + layout::d_at);
    detail::store_f16(b.dmin, out + layout::dmin_at);
    for (std::size_t g = 0; g < 16; ++g) out[layout::scales_at + g] = static_cast<std::byte>(b.scale[g] | b.min[g] << 4);
    for (std::size_t i = 0; i < 256; ++i) bits(layout::codes_at, detail::two_bits(i), b.code[i]);
  } else if constexpr (T == dtype::q3_k) {
    auto b = detail::searched_block<16>::centred(x, 4, 32);
    std::array<unsigned, 16> scales;
    for (std::size_t g = 0; g < 16; ++g) scales[g] = static_cast<unsigned>(b.scale[g] + 32);
    detail::three_bit_scales::pack(scales, out + layout::scales_at);
    detail::store_f16(b.d, out + layout::d_at);
    for (std::size_t i = 0; i < 256; ++i) {
      bits(layout::codes_at, detail::two_bits(i), (b.code[i] + 4) & 3);
      bits(layout::high_at, detail::one_bit(i), (b.code[i] + 4) >> 2);
    }
  } else if constexpr (T == dtype::q6_k) {
    auto b = detail::searched_block<16>::centred(x, 32, 128);
    detail::store_f16(b.d, out + layout::d_at);
    for (std::size_t g = 0; g < 16; ++g) out[layout::scales_at + g] = static_cast<std::byte>(static_cast<std::uint8_t>(b.scale[g]));
    for (std::size_t i = 0; i < 256; ++i) {
      bits(layout::low_at, detail::six_low(i), (b.code[i] + 32) & 15);
      bits(layout::high_at, detail::two_bits(i), (b.code[i] + 32) >> 4);
    }
  } else {
    static_assert(T == dtype::q4_k || T == dtype::q5_k);
    auto b = detail::searched_block<32>::with_mins(x, T == dtype::q5_k ? 31 : 15, 63);
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
