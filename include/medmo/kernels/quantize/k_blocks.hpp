// Q2_K .. Q6_K: blocks of 256 numbers in groups of 16 or 32, whose scales are themselves codes, in ggml's layout.
//   Q2_K   scales[16], codes[64], d, dmin        group of 16: x = d s q - dmin m;  scales[g] = s | m << 4
//   Q3_K   high[32], codes[64], scales[12], d    group of 16: x = d (s - 32) q,  q -4..3;  scales of 6 bits
//   Q4_K   d, dmin, scales[12], codes[128]       group of 32: x = d s q - dmin m;  scales and mins of 6 bits
//   Q5_K   d, dmin, scales[12], high[32], codes[128]         as Q4_K with a fifth bit
//   Q6_K   low[128], high[64], scales[16], d     group of 16: x = d s q,  s signed,  q -32..31
// d, dmin: f16. Products of codes and scales are exact in f32, so x has one rounding at most, fused or not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simple_blocks.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

namespace detail {
inline unsigned byte_at(std::byte const* p, std::size_t i) { return std::to_integer<unsigned>(p[i]); }

/// Scales and mins of Q4_K and Q5_K: 8 of each, 6 bits, in 12 bytes. Bytes 0..3 hold scales 0..3, bytes 4..7 mins 0..3, each
/// with two high bits of number 4..7 on top; bytes 8..11 their low four bits, scale below min.
struct scales_and_mins {
  std::array<unsigned, 8> scale, min;

  static scales_and_mins unpack(std::byte const* p) {
    scales_and_mins s;
    for (std::size_t i = 0; i < 4; ++i) {
      s.scale[i] = byte_at(p, i) & 63u;
      s.min[i] = byte_at(p, 4 + i) & 63u;
      s.scale[4 + i] = (byte_at(p, 8 + i) & 15u) | (byte_at(p, i) >> 6) << 4;
      s.min[4 + i] = byte_at(p, 8 + i) >> 4 | (byte_at(p, 4 + i) >> 6) << 4;
    }
    return s;
  }
  void pack(std::byte* p) const {
    for (std::size_t i = 0; i < 4; ++i) {
      p[i] = static_cast<std::byte>(scale[i] | (scale[4 + i] >> 4) << 6);
      p[4 + i] = static_cast<std::byte>(min[i] | (min[4 + i] >> 4) << 6);
      p[8 + i] = static_cast<std::byte>((scale[4 + i] & 15u) | (min[4 + i] & 15u) << 4);
    }
  }
};

/// The 16 scales of Q3_K, 6 bits each: low four bits in bytes 0..7 (scale 8 + i above scale i), high two in bytes 8..11.
struct three_bit_scales {
  static std::array<unsigned, 16> unpack(std::byte const* p) {
    std::array<unsigned, 16> s;
    for (std::size_t i = 0; i < 16; ++i)
      s[i] = (byte_at(p, i % 8) >> (i < 8 ? 0 : 4) & 15u) | (byte_at(p, 8 + i % 4) >> (2 * (i / 4)) & 3u) << 4;
    return s;
  }
  static void pack(std::array<unsigned, 16> const& s, std::byte* p) {
    for (std::size_t i = 0; i < 8; ++i) p[i] = static_cast<std::byte>((s[i] & 15u) | (s[8 + i] & 15u) << 4);
    for (std::size_t i = 0; i < 4; ++i)
      p[8 + i] = static_cast<std::byte>(s[i] >> 4 | (s[4 + i] >> 4) << 2 | (s[8 + i] >> 4) << 4 | (s[12 + i] >> 4) << 6);
  }
};

}  // namespace detail

/// unpack(in, emit) as of block_codec; quantising is k_search.hpp's. Oracle: gguf 0.19's dequantiser, bit for bit.
template <dtype T>
struct k_block;

template <>
struct k_block<dtype::q2_k> {
  static constexpr std::size_t scales_at = 0, codes_at = 16, d_at = 80, dmin_at = 82, bytes = 84;
  template <class Emit>
  static void unpack(std::byte const* in, Emit&& emit) {
    float const d = detail::load_f16(in + d_at), dmin = detail::load_f16(in + dmin_at);
    coded_run run;
    for (unsigned r = 0; r < 8; ++r) {  // four runs share 32 bytes, two bits each
      detail::packed_bytes::load(in + codes_at + r / 4 * 32).bits(r % 4 * 2, 3).store(run.code);
      for (std::size_t half = 0; half < 2; ++half) {
        unsigned s = detail::byte_at(in, scales_at + 2 * r + half);
        run.scale[half] = d * static_cast<float>(s & 15u);
        run.offset[half] = -(dmin * static_cast<float>(s >> 4));
      }
      emit(run);
    }
  }
};

template <>
struct k_block<dtype::q3_k> {
  static constexpr std::size_t high_at = 0, codes_at = 32, scales_at = 96, d_at = 108, bytes = 110;
  template <class Emit>
  static void unpack(std::byte const* in, Emit&& emit) {
    float const d = detail::load_f16(in + d_at);
    auto scales = detail::three_bit_scales::unpack(in + scales_at);
    auto high = detail::packed_bytes::load(in + high_at);
    coded_run run;
    for (unsigned r = 0; r < 8; ++r) {  // bit r of `high` is the third bit of run r
      auto low = detail::packed_bytes::load(in + codes_at + r / 4 * 32).bits(r % 4 * 2, 3);
      low.below(high.bits(r, 1), 2).minus(4).store(run.code);
      for (std::size_t half = 0; half < 2; ++half) {
        run.scale[half] = d * static_cast<float>(static_cast<int>(scales[2 * r + half]) - 32);
        run.offset[half] = no_offset;
      }
      emit(run);
    }
  }
};

namespace detail {
/// Q4_K and Q5_K.
template <int Bits>
struct k_with_mins {
  static constexpr std::size_t scales_at = 4, high_at = 16, codes_at = Bits == 5 ? 48 : 16, bytes = codes_at + 128;
  template <class Emit>
  static void unpack(std::byte const* in, Emit&& emit) {
    float const d = load_f16(in), dmin = load_f16(in + 2);
    auto s = scales_and_mins::unpack(in + scales_at);
    coded_run run;
    for (unsigned r = 0; r < 8; ++r) {  // two runs share 32 bytes, four bits each; bit r of `high` is the fifth bit
      auto codes = packed_bytes::load(in + codes_at + r / 2 * 32).bits(r % 2 * 4, 15);
      if constexpr (Bits == 5) codes = codes.below(packed_bytes::load(in + high_at).bits(r, 1), 4);
      codes.store(run.code);
      run.scale[0] = run.scale[1] = d * static_cast<float>(s.scale[r]);
      run.offset[0] = run.offset[1] = -(dmin * static_cast<float>(s.min[r]));
      emit(run);
    }
  }
};
}  // namespace detail
template <>
struct k_block<dtype::q4_k> : detail::k_with_mins<4> {};
template <>
struct k_block<dtype::q5_k> : detail::k_with_mins<5> {};

template <>
struct k_block<dtype::q6_k> {
  static constexpr std::size_t low_at = 0, high_at = 128, scales_at = 192, d_at = 208, bytes = 210;
  template <class Emit>
  static void unpack(std::byte const* in, Emit&& emit) {
    float const d = detail::load_f16(in + d_at);
    coded_run run;
    for (unsigned r = 0; r < 8; ++r) {  // of four runs: low bits in 64 bytes, runs 0 and 2 share 32; high bits in 32
      auto low = detail::packed_bytes::load(in + low_at + r / 4 * 64 + r % 2 * 32).bits(r % 4 / 2 * 4, 15);
      auto high = detail::packed_bytes::load(in + high_at + r / 4 * 32).bits(r % 4 * 2, 3);
      low.below(high, 4).minus(32).store(run.code);
      for (std::size_t half = 0; half < 2; ++half) {
        run.scale[half] = d * static_cast<float>(static_cast<std::int8_t>(detail::byte_at(in, scales_at + 2 * r + half)));
        run.offset[half] = no_offset;
      }
      emit(run);
    }
  }
};

}  // namespace medmo::inline MEDMO_ABI::kernels
