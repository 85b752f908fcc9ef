// Rows of quantised numbers as f32 or bf16, and back: the one place that goes from a type known at run time to its kernel.
// A program that knows its files may carry fewer kernels: define MEDMO_BLOCK_TYPES, the same in every translation unit.
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

#include "../../core/error.hpp"
#include "../../core/matrix.hpp"
#include "../arch/bf16.hpp"
#include "k_blocks.hpp"
#include "k_search.hpp"
#include "simple_blocks.hpp"

#ifndef MEDMO_BLOCK_TYPES
#define MEDMO_BLOCK_TYPES                                                                                     \
  ::medmo::dtype::q4_0, ::medmo::dtype::q4_1, ::medmo::dtype::q5_0, ::medmo::dtype::q5_1, ::medmo::dtype::q8_0, \
      ::medmo::dtype::q2_k, ::medmo::dtype::q3_k, ::medmo::dtype::q4_k, ::medmo::dtype::q5_k, ::medmo::dtype::q6_k
#endif

namespace medmo::inline MEDMO_ABI::kernels {

template <dtype... T>
struct dtype_list {
  static constexpr bool contains(dtype t) { return ((t == T) || ...); }
  /// f(std::integral_constant<dtype, t>); false if t is none of them.
  template <class F>
  static bool visit(dtype t, F&& f) {
    return ((t == T && (f(std::integral_constant<dtype, T>{}), true)) || ...);
  }
};
/// Quantised types that this build has kernels for.
using block_types = dtype_list<MEDMO_BLOCK_TYPES>;

/// What products with weights of a type are computed in: f32 with f32, everything else with bf16.
constexpr dtype compute_type(dtype stored) { return stored == dtype::f32 ? dtype::f32 : dtype::bf16; }

namespace detail {
template <dtype T>
using codec_of = std::conditional_t<block_of(T).numbers == 32, block_codec<T>, k_block<T>>;

[[noreturn]] inline void refuse_type(dtype type) {
  MEDMO_THROW(errc::unsupported, "quantised numbers", "a type that this build has kernels for", std::string(name_of(type)));
}
}  // namespace detail

namespace detail {
/// emit(run) for every 32 of the n numbers stored at `in`.
template <class Emit>
void unpack_row(dtype type, std::byte const* in, index n, Emit&& emit) {
  bool known = block_types::visit(type, [&](auto t) {
    constexpr auto block = block_of(t());
    static_assert(codec_of<t()>::bytes == block.bytes);
    for (index i = 0; i < n; i += static_cast<index>(block.numbers), in += block.bytes) codec_of<t()>::unpack(in, emit);
  });
  if (!known) refuse_type(type);
}
}  // namespace detail

/// out[0..n) = the numbers stored at `in`; n a multiple of the type's block. Errors: unsupported.
inline void dequantize_row(dtype type, std::byte const* in, index n, float* out) {
  detail::unpack_row(type, in, n, [&](coded_run const& run) {
    for (int i = 0; i < 32; ++i) out[i] = run.scale[i / 16] * static_cast<float>(run.code[i]) + run.offset[i / 16];
    out += 32;
  });
}

/// The same, each rounded to bf16: the one rule by which a quantised weight enters a product.
inline void expand_row(dtype type, std::byte const* in, index n, bf16* out) {
  detail::unpack_row(type, in, n, [&](coded_run const& run) {
    arch::expand_codes(run.code, run.scale, run.offset, out);
    out += 32;
  });
}

/// out = the n finite numbers x in blocks of the type; n a multiple of the block. Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 by rounding as
/// ggml does, Q2_K .. Q6_K by the search of k_search.hpp. Errors: unsupported.
inline void quantize_row(dtype type, float const* x, index n, std::byte* out) {
  bool known = block_types::visit(type, [&](auto t) {
    constexpr auto block = block_of(t());
    for (index i = 0; i < n; i += static_cast<index>(block.numbers), out += block.bytes)
      if constexpr (block.numbers == 32)
        block_codec<t()>::quantize(x + i, out);
      else
        quantize_k_block<t()>(x + i, out);
  });
  if (!known) detail::refuse_type(type);
}

}  // namespace medmo::inline MEDMO_ABI::kernels
