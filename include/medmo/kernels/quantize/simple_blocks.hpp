// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 numbers that share one scale, in ggml's layout.
//   Q4_0   d, codes[16]                x = d (q - 8)        Q4_1   d, m, codes[16]             x = d q + m
//   Q5_0   d, high[4], codes[16]       x = d (q - 16)       Q5_1   d, m, high[4], codes[16]    x = d q + m
//   Q8_0   d, codes[32] signed         x = d q
// d, m: f16. codes[j] holds number j in its low and number 16 + j in its high four bits; bit i of `high` (little-endian) is
// the fifth bit of number i. Products of codes and scales are exact in f32, so x has one rounding at most, fused or not.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../../core/dtype.hpp"
#include "packed_bytes.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// Thirty-two numbers on their way out of a block: x[i] = scale * code[i] + offset, each half with its own scale and offset.
struct coded_run {
  alignas(32) std::int8_t code[32];
  float scale[2], offset[2];
};
inline constexpr float no_offset = -0.0f;  // x + -0 is x, of either sign of zero

/// unpack(in, emit): emit(coded_run const&) for each run of one block, in order; quantize(in, out) makes one block of
/// finite numbers. Bytes need no alignment. Source: ggml's reference quantisers. Oracle: gguf 0.19's, bit for bit.
template <dtype T>
struct block_codec;

namespace detail {
inline float load_f16(std::byte const* p) {
  f16 x;
  std::memcpy(static_cast<void*>(&x), p, sizeof x);
  return static_cast<float>(x);
}
inline void store_f16(float x, std::byte* p) {
  f16 narrow(x);
  std::memcpy(p, static_cast<void const*>(&narrow), sizeof narrow);
}
/// a * b as an f32, in a way that no compiler joins with a sum that follows.
inline float rounded_product(float a, float b) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
}
/// v without its fraction, within 0 .. most; NaN gives 0.
inline unsigned whole(float v, unsigned most) {
  if (!(v >= 1.0f)) return 0;
  return v >= static_cast<float>(most) ? most : static_cast<unsigned>(v);
}
inline float inverse(float d) { return d == 0.0f ? 0.0f : 1.0f / d; }

enum class offset_kind { centred, least };  ///< codes around zero, or above the block's least number

/// The four types of 4 and 5 bits.
template <int Bits, offset_kind Offset>
struct nibble_codec {
  static constexpr std::size_t min_at = 2, high_at = Offset == offset_kind::least ? 4 : 2,
                               codes_at = high_at + (Bits == 5 ? 4 : 0), bytes = codes_at + 16;
  static constexpr unsigned most = (1u << Bits) - 1, centre = 1u << (Bits - 1);

  template <class Emit>
  static void unpack(std::byte const* in, Emit&& emit) {
    auto codes = packed_bytes::load_nibbles(in + codes_at);
    if constexpr (Bits == 5) {
      std::uint32_t high;
      std::memcpy(&high, in + high_at, 4);
      codes = codes.below(packed_bytes::load_bits(high), 4);
    }
    coded_run run;
    codes.minus(Offset == offset_kind::centred ? centre : 0).store(run.code);
    run.scale[0] = run.scale[1] = load_f16(in);
    run.offset[0] = run.offset[1] = Offset == offset_kind::least ? load_f16(in + min_at) : no_offset;
    emit(run);
  }

  static void quantize(float const* in, std::byte* out) {
    float d, base = 0;
    if constexpr (Offset == offset_kind::least) {
      auto [least, greatest] = std::minmax_element(in, in + 32);
      base = *least;
      d = (*greatest - *least) / static_cast<float>(most);
    } else {
      auto larger = [](float a, float b) { return std::abs(a) < std::abs(b); };
      d = *std::max_element(in, in + 32, larger) / -static_cast<float>(centre);
    }
    float const scale = inverse(d), half = Offset == offset_kind::least ? 0.5f : static_cast<float>(centre) + 0.5f;
    std::array<unsigned, 32> code;
    for (std::size_t i = 0; i < 32; ++i) code[i] = whole(rounded_product(in[i] - base, scale) + half, most);
    store_f16(d, out);
    if constexpr (Offset == offset_kind::least) store_f16(base, out + min_at);
    if constexpr (Bits == 5) {
      std::uint32_t high = 0;
      for (std::size_t i = 0; i < 32; ++i) high |= (code[i] >> 4) << i;
      for (std::size_t i = 0; i < 4; ++i) out[high_at + i] = static_cast<std::byte>(high >> (8 * i) & 255u);
    }
    for (std::size_t j = 0; j < 16; ++j)
      out[codes_at + j] = static_cast<std::byte>((code[j] & 15u) | (code[j + 16] & 15u) << 4);
  }
};
}  // namespace detail

template <>
struct block_codec<dtype::q4_0> : detail::nibble_codec<4, detail::offset_kind::centred> {};
template <>
struct block_codec<dtype::q4_1> : detail::nibble_codec<4, detail::offset_kind::least> {};
template <>
struct block_codec<dtype::q5_0> : detail::nibble_codec<5, detail::offset_kind::centred> {};
template <>
struct block_codec<dtype::q5_1> : detail::nibble_codec<5, detail::offset_kind::least> {};

template <>
struct block_codec<dtype::q8_0> {
  static constexpr std::size_t bytes = 34;

  template <class Emit>
  static void unpack(std::byte const* in, Emit&& emit) {
    coded_run run;
    std::memcpy(run.code, in + 2, 32);
    run.scale[0] = run.scale[1] = detail::load_f16(in);
    run.offset[0] = run.offset[1] = no_offset;
    emit(run);
  }

  static void quantize(float const* in, std::byte* out) {
    float most = 0;
    for (int i = 0; i < 32; ++i) most = std::max(most, std::abs(in[i]));
    float const d = most / 127.0f, scale = detail::inverse(d);
    detail::store_f16(d, out);
    for (std::size_t i = 0; i < 32; ++i) {
      float code = std::clamp(std::round(in[i] * scale), -128.0f, 127.0f);
      out[2 + i] = static_cast<std::byte>(static_cast<std::uint8_t>(static_cast<std::int8_t>(code == code ? code : 0.0f)));
    }
  }
};

}  // namespace medmo::inline MEDMO_ABI::kernels
