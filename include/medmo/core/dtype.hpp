// Storage types of tensors, and the 16-bit floating point numbers C++20 lacks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "version.hpp"

namespace medmo::inline MEDMO_ABI {

/// bfloat16: the upper half of an f32. Conversion rounds to nearest even; NaN stays NaN.
struct bf16 {
  std::uint16_t bits = 0;
  bf16() = default;
  constexpr explicit bf16(float x) {
    auto u = std::bit_cast<std::uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
      bits = static_cast<std::uint16_t>((u >> 16) | 0x40u);
    else
      bits = static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  constexpr explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

/// IEEE binary16. Conversion rounds to nearest even; overflow gives infinity.
struct f16 {
  std::uint16_t bits = 0;
  f16() = default;
  constexpr explicit f16(float x) {
    auto u = std::bit_cast<std::uint32_t>(x);
    auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000u);
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) {
      bits = static_cast<std::uint16_t>(sign | 0x7e00u);
    } else if (u >= 0x47800000u) {
      bits = static_cast<std::uint16_t>(sign | 0x7c00u);
    } else if (u < 0x38800000u) {  // subnormal: adding 0.5 aligns the mantissa and rounds to nearest even
      auto f = std::bit_cast<float>(u) + 0.5f;
      bits = static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(f) - 0x3f000000u));
    } else {
      bits = static_cast<std::uint16_t>(sign | ((u - 0x38000000u + 0xfffu + ((u >> 13) & 1u)) >> 13));
    }
  }
  constexpr explicit operator float() const {
    std::uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
    if (rest >= 0x400u) return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
    float f = static_cast<float>(rest) * 0x1p-24f;
    return sign ? -f : f;
  }
};

/// Numbers of their own first (those of safetensors), then ggml's blocks of codes that share scales.
enum class dtype : std::uint8_t {
  f32, f16, bf16, f64, i64, i32, i16, i8, u64, u32, u16, u8, boolean,
  q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k
};

/// The smallest piece of a row that can be stored: so many numbers in so many bytes.
struct storage_block {
  std::size_t numbers = 1, bytes = 0;
};

constexpr bool is_quantized(dtype t) { return t > dtype::boolean; }

/// Bytes of one element; 0 for quantised types, which have no bytes of their own for one.
constexpr std::size_t size_of(dtype t) {
  switch (t) {
    case dtype::f64: case dtype::i64: case dtype::u64: return 8;
    case dtype::f32: case dtype::i32: case dtype::u32: return 4;
    case dtype::f16: case dtype::bf16: case dtype::i16: case dtype::u16: return 2;
    case dtype::i8: case dtype::u8: case dtype::boolean: return 1;
    default: return 0;
  }
}

/// Source of the quantised ones: the block structures of ggml (kernels/quantize has their layouts).
constexpr storage_block block_of(dtype t) {
  switch (t) {
    case dtype::q4_0: return {32, 18};
    case dtype::q4_1: return {32, 20};
    case dtype::q5_0: return {32, 22};
    case dtype::q5_1: return {32, 24};
    case dtype::q8_0: return {32, 34};
    case dtype::q2_k: return {256, 84};
    case dtype::q3_k: return {256, 110};
    case dtype::q4_k: return {256, 144};
    case dtype::q5_k: return {256, 176};
    case dtype::q6_k: return {256, 210};
    default: return {1, size_of(t)};
  }
}

/// Bytes of `count` numbers, a multiple of the block's.
constexpr std::size_t bytes_for(dtype t, std::size_t count) { return count / block_of(t).numbers * block_of(t).bytes; }

/// The safetensors spelling of each type; ggml's of the quantised ones.
constexpr std::string_view name_of(dtype t) {
  switch (t) {
    case dtype::f32: return "F32";
    case dtype::f16: return "F16";
    case dtype::bf16: return "BF16";
    case dtype::f64: return "F64";
    case dtype::i64: return "I64";
    case dtype::i32: return "I32";
    case dtype::i16: return "I16";
    case dtype::i8: return "I8";
    case dtype::u64: return "U64";
    case dtype::u32: return "U32";
    case dtype::u16: return "U16";
    case dtype::u8: return "U8";
    case dtype::boolean: return "BOOL";
    case dtype::q4_0: return "Q4_0";
    case dtype::q4_1: return "Q4_1";
    case dtype::q5_0: return "Q5_0";
    case dtype::q5_1: return "Q5_1";
    case dtype::q8_0: return "Q8_0";
    case dtype::q2_k: return "Q2_K";
    case dtype::q3_k: return "Q3_K";
    case dtype::q4_k: return "Q4_K";
    case dtype::q5_k: return "Q5_K";
    case dtype::q6_k: return "Q6_K";
  }
  return "?";
}

/// Of the types that safetensors has.
constexpr std::optional<dtype> dtype_from_name(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(dtype::boolean); ++i)
    if (name_of(static_cast<dtype>(i)) == name) return static_cast<dtype>(i);
  return std::nullopt;
}

}  // namespace medmo::inline MEDMO_ABI
