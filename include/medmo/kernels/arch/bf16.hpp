// bf16 rows: rounding f32 to bf16, and the sixteen-lane product of bf16 pairs that xsimd lacks.
//   lane i: acc += a[2i+1] b[2i+1], then acc += a[2i] b[2i]   (the order of VDPBF16PS; each step one rounding)
#pragma once

#include <cstring>

#include "../simd.hpp"

#if defined(__AVX512BF16__) && defined(__AVX512F__)
#include <immintrin.h>
#define MEDMO_AVX512_BF16 1
#else
#define MEDMO_AVX512_BF16 0
#endif

namespace medmo::inline MEDMO_ABI::kernels::arch {

/// out[i] = bf16(x[i]), i < n. Round to nearest even.
inline void round_to_bf16(float const* x, bf16* out, index n) {
  index i = 0;
#if MEDMO_AVX512_BF16
  for (; i + 16 <= n; i += 16) {
    auto b = _mm512_cvtneps_pbh(_mm512_loadu_ps(x + i));
    std::memcpy(static_cast<void*>(out + i), &b, 32);
  }
#endif
  for (; i < n; ++i) out[i] = bf16(x[i]);
}

/// out[i] = bf16(scale[i / 16] * code[i] + offset[i / 16]), i < 32. The product must be exact in f32, so that one rounding to
/// f32 and one to bf16 are all there is.
inline void expand_codes(std::int8_t const* code, float const* scale, float const* offset, bf16* out) {
#if MEDMO_AVX512_BF16
  auto half = [&](int h) {
    __m128i codes = _mm_loadu_si128(reinterpret_cast<__m128i const*>(code + 16 * h));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)), _mm512_set1_ps(scale[h]), _mm512_set1_ps(offset[h]));
  };
  auto b = _mm512_cvtne2ps_pbh(half(1), half(0));
  std::memcpy(static_cast<void*>(out), &b, 64);
#else
  float wide[32];
  for (int i = 0; i < 32; ++i) wide[i] = scale[i / 16] * static_cast<float>(code[i]) + offset[i / 16];
  round_to_bf16(wide, out, 32);
#endif
}

/// Thirty-two bf16 numbers as sixteen pairs.
struct bf16x32 {
#if MEDMO_AVX512_BF16
  __m512i bits;
  static bf16x32 load(bf16 const* p) { return {_mm512_loadu_si512(p)}; }
#else
  f32x16 even, odd;
  static bf16x32 load(bf16 const* p) {
    alignas(64) std::uint32_t pairs[16], low[16];
    std::memcpy(pairs, static_cast<void const*>(p), 64);
    for (int i = 0; i < 16; ++i) {
      low[i] = pairs[i] << 16;
      pairs[i] &= 0xffff0000u;
    }
    alignas(64) float f[16];
    bf16x32 r;
    std::memcpy(f, low, 64);
    r.even = f32x16::load(f);
    std::memcpy(f, pairs, 64);
    r.odd = f32x16::load(f);
    return r;
  }
#endif
  /// The pair at p in all sixteen lanes.
  static bf16x32 broadcast_pair(bf16 const* p) {
#if MEDMO_AVX512_BF16
    std::int32_t pair;
    std::memcpy(&pair, static_cast<void const*>(p), 4);
    bf16x32 all{_mm512_set1_epi32(pair)};
#if defined(__clang__)
    asm("" : "+v"(all.bits));  // clang 16 crashes when it folds the broadcast into VDPBF16PS
#endif
    return all;
#else
    return {f32x16(static_cast<float>(p[0])), f32x16(static_cast<float>(p[1]))};
#endif
  }
  /// The first n numbers, 0 <= n < 32; the rest are zero.
  static bf16x32 load_first(bf16 const* p, index n) {
    alignas(64) bf16 lanes[32] = {};
    for (index i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
};

/// out[2 l] = bf16(a[l]), out[2 l + 1] = bf16(b[l]) for the sixteen lanes.
inline void store_pairs(f32x16 const& a, f32x16 const& b, bf16* out) {
#if MEDMO_AVX512_BF16
  auto wide = [](f32x16 const& x) {
    return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.part[0])));
  };
  _mm512_storeu_si512(out, _mm512_or_si512(wide(a), _mm512_slli_epi32(wide(b), 16)));
#else
  alignas(64) float even[16], odd[16];
  a.store(even);
  b.store(odd);
  for (int l = 0; l < 16; ++l) {
    out[2 * l] = bf16(even[l]);
    out[2 * l + 1] = bf16(odd[l]);
  }
#endif
}

inline f32x16 multiply_add(bf16x32 const& a, bf16x32 const& b, f32x16 const& acc) {
#if MEDMO_AVX512_BF16
  static_assert(f32x16::count == 1);
  f32x16 r;
  r.part[0] = _mm512_dpbf16_ps(acc.part[0], reinterpret_cast<__m512bh>(a.bits), reinterpret_cast<__m512bh>(b.bits));
  return r;
#else
  return fma(a.even, b.even, fma(a.odd, b.odd, acc));
#endif
}

}  // namespace medmo::inline MEDMO_ABI::kernels::arch
