// The rules a configuration obeys, one static_assert each, so that a wrongly wired model does not compile.
#pragma once

#include "config.hpp"

namespace medmo::inline MEDMO_ABI {

template <model_configuration C>
struct checked_text_configuration {
  static constexpr auto& t = C::text;
  static_assert(t.vocab > 0 && t.hidden > 0 && t.intermediate > 0 && t.layers > 0,
                "medmo: text.vocab, hidden, intermediate and layers must be positive");
  static_assert(t.heads > 0 && t.kv_heads > 0 && t.heads % t.kv_heads == 0,
                "medmo: text.heads must be a multiple of text.kv_heads (grouped-query attention)");
  static_assert(t.head_dim > 0 && t.head_dim % 2 == 0 && t.head_dim <= 256,
                "medmo: text.head_dim must be even (rotary pairs) and at most 256");
  static_assert(t.rope == rope_kind::plain ||
                    t.mrope_section[0] + t.mrope_section[1] + t.mrope_section[2] == t.head_dim / 2,
                "medmo: text.mrope_section must sum to head_dim / 2");
  static_assert(t.rms_norm_eps > 0 && t.rope_theta > 1, "medmo: text.rms_norm_eps and rope_theta must be positive");
  static_assert(tokens_of<C>.im_end < t.vocab && tokens_of<C>.endoftext < t.vocab,
                "medmo: tokens must lie inside text.vocab");
  static constexpr bool ok = true;
};

template <vision_language_configuration C>
struct checked_vision_configuration {
  static constexpr auto& v = C::vision;
  static_assert(v.depth > 0 && v.hidden > 0 && v.intermediate > 0,
                "medmo: vision.depth, hidden and intermediate must be positive");
  static_assert(v.heads > 0 && v.hidden % v.heads == 0, "medmo: vision.hidden must be a multiple of vision.heads");
  static_assert(v.head_dim() % 4 == 0 && v.head_dim() <= 256,
                "medmo: vision head size must be a multiple of 4 (rotary pairs over rows and columns) and at most 256");
  static_assert(v.out_hidden == C::text.hidden, "medmo: vision.out_hidden must equal text.hidden");
  static_assert(v.table_side() * v.table_side() == v.position_table,
                "medmo: vision.position_table must be a square number");
  static_assert(v.deepstack.increasing() && (v.deepstack.size() == 0 ||
                    (v.deepstack[0] >= 0 && v.deepstack[v.deepstack.size() - 1] < v.depth)),
                "medmo: vision.deepstack must list vision blocks in rising order");
  static_assert(static_cast<index>(v.deepstack.size()) <= C::text.layers,
                "medmo: vision.deepstack feeds the first decoder layers, so it cannot be longer than text.layers");
  static_assert(v.channels == 3, "medmo: vision.channels must be 3");
  static_assert(tokens_of<C>.image_pad < C::text.vocab && tokens_of<C>.vision_end < C::text.vocab &&
                    tokens_of<C>.video_pad < C::text.vocab,
                "medmo: vision tokens must lie inside text.vocab");
  static constexpr bool ok = true;
};

/// True, or a compile error whose text names the broken rule.
template <model_configuration C>
consteval bool checked_configuration() {
  static_assert(checked_text_configuration<C>::ok);
  if constexpr (vision_language_configuration<C>) static_assert(checked_vision_configuration<C>::ok);
  return true;
}

}  // namespace medmo::inline MEDMO_ABI
