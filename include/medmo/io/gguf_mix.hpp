// Which tensor of a model gets which type when a GGUF is written: the mixes that llama.cpp names (Q4_K_M ...), for the tensors
// that models here have. A mix gives more bits to what hurts most: the head, v and down projections of the first and last
// eighth of the layers and of every third between. Source: llama.cpp's quantiser, October 2026.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "../core/dtype.hpp"
#include "gguf_names.hpp"

namespace medmo::inline MEDMO_ABI::io {

enum class gguf_mix { f32, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m, q6_k };

/// A mix: its name, the type of most tensors, and its number in general.file_type.
struct gguf_mix_entry {
  gguf_mix mix;
  std::string_view name;
  dtype type;
  std::uint32_t file_type;
};
inline constexpr std::array<gguf_mix_entry, 16> gguf_mixes{{{gguf_mix::f32, "f32", dtype::f32, 0},
                                                            {gguf_mix::bf16, "bf16", dtype::bf16, 32},
                                                            {gguf_mix::q8_0, "q8_0", dtype::q8_0, 7},
                                                            {gguf_mix::q4_0, "q4_0", dtype::q4_0, 2},
                                                            {gguf_mix::q4_1, "q4_1", dtype::q4_1, 3},
                                                            {gguf_mix::q5_0, "q5_0", dtype::q5_0, 8},
                                                            {gguf_mix::q5_1, "q5_1", dtype::q5_1, 9},
                                                            {gguf_mix::q2_k, "q2_k", dtype::q2_k, 10},
                                                            {gguf_mix::q3_k_s, "q3_k_s", dtype::q3_k, 11},
                                                            {gguf_mix::q3_k_m, "q3_k_m", dtype::q3_k, 12},
                                                            {gguf_mix::q3_k_l, "q3_k_l", dtype::q3_k, 13},
                                                            {gguf_mix::q4_k_s, "q4_k_s", dtype::q4_k, 14},
                                                            {gguf_mix::q4_k_m, "q4_k_m", dtype::q4_k, 15},
                                                            {gguf_mix::q5_k_s, "q5_k_s", dtype::q5_k, 16},
                                                            {gguf_mix::q5_k_m, "q5_k_m", dtype::q5_k, 17},
                                                            {gguf_mix::q6_k, "q6_k", dtype::q6_k, 18}}};

constexpr gguf_mix_entry const& entry_of(gguf_mix m) { return gguf_mixes[static_cast<std::size_t>(m)]; }
constexpr std::optional<gguf_mix> gguf_mix_from_name(std::string_view name) {
  for (auto const& e : gguf_mixes)
    if (e.name == name) return e.mix;
  return std::nullopt;
}

/// What a type depends on beside the mix.
struct gguf_mix_model {
  index layers = 0;
  index queries_per_key = 1;  ///< heads that share a key head
  bool tied_head = false;
};

namespace detail {
/// Rows that are no whole blocks get a type of 32 numbers of about the same size, else bf16.
constexpr dtype type_for_rows(dtype type, index columns) {
  auto whole = [&](dtype t) { return columns % static_cast<index>(block_of(t).numbers) == 0; };
  if (!whole(type)) switch (type) {
      case dtype::q2_k: case dtype::q3_k: type = dtype::q4_0; break;
      case dtype::q4_k: type = dtype::q5_0; break;
      case dtype::q5_k: type = dtype::q5_1; break;
      case dtype::q6_k: type = dtype::q8_0; break;
      default: break;
    }
  return whole(type) ? type : dtype::bf16;
}
}  // namespace detail

/// The type of matrix `gguf_name`, of rows of `columns` numbers.
inline dtype type_in_mix(gguf_mix mix, std::string_view gguf_name, index columns, gguf_mix_model const& model) {
  using enum gguf_mix;
  dtype type = entry_of(mix).type;
  if (!is_quantized(type)) return type;
  if (gguf_name.starts_with("v.") || gguf_name.starts_with("mm."))  // the tower: small beside the decoder, and it sees for it
    return gguf_name == "v.position_embd.weight" ? dtype::f32 : detail::type_for_rows(dtype::q8_0, columns);
  bool const head = gguf_name == "output.weight" || (model.tied_head && gguf_name == "token_embd.weight");
  if (head)
    return detail::type_for_rows(type == dtype::q8_0 || columns % static_cast<index>(block_of(type).numbers) ? dtype::q8_0 : dtype::q6_k, columns);
  if (auto block = detail::numbered_name::of(gguf_name, "blk.")) {
    index const i = block->number, n = model.layers;
    bool const more_bits = i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    if (block->rest == "attn_v.weight") {
      if (mix == q2_k) type = model.queries_per_key >= 4 ? dtype::q4_k : dtype::q3_k;
      if (mix == q3_k_m) type = i < 2 ? dtype::q5_k : dtype::q4_k;
      if (mix == q3_k_l || (mix == q4_k_s && i < 4)) type = dtype::q5_k;
      if ((mix == q4_k_m || mix == q5_k_m) && more_bits) type = dtype::q6_k;
    } else if (block->rest == "ffn_down.weight") {
      if (mix == q2_k) type = dtype::q3_k;
      if (mix == q3_k_m) type = i < n / 16 ? dtype::q5_k : dtype::q4_k;
      if (mix == q3_k_l || (mix == q4_k_s && i < n / 8)) type = dtype::q5_k;
      if ((mix == q4_k_m || mix == q5_k_m) && more_bits) type = dtype::q6_k;
    } else if (block->rest == "attn_output.weight") {
      if (mix == q2_k) type = dtype::q3_k;
      if (mix == q3_k_m) type = dtype::q4_k;
      if (mix == q3_k_l) type = dtype::q5_k;
    }
  }
  return detail::type_for_rows(type, columns);
}

}  // namespace medmo::inline MEDMO_ABI::io
