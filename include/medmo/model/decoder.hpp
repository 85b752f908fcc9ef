// The decoder: grouped-query attention with rotary positions and a gated MLP, written once for every engine.
// Shapes (docs/shapes.md): T tokens, D hidden, H heads, G key/value heads, K head size, F inner, V vocabulary.
#pragma once

#include <cmath>
#include <span>

#include "positions.hpp"
#include "weights.hpp"

namespace medmo::inline MEDMO_ABI {

/// The tokens of a pass, those of one sequence after those of another; whose they are is the engine's to know.
struct token_chunk {
  std::span<index const> ids;
  std::span<token_position const> positions;
  std::span<visual_run const> visual{};
  constexpr index size() const { return static_cast<index>(ids.size()); }
};

/// What the vision tower gives the decoder: rows to put at image tokens, and rows to add after the first layers.
template <class C, class E>
struct visual_rows {
  using rows = typename E::template rows<C::text.hidden>;
  static constexpr std::size_t levels = [] {
    if constexpr (vision_language_configuration<C>) return C::vision.deepstack.size();
    else return std::size_t{0};
  }();
  rows merged{};                        // [Nv, D]
  std::array<rows, levels> deepstack{}; // [Nv, D] each
};

/// cos and sin of the rotary angles of each row, [T, K/2] each.
template <index Half, class E>
struct rotation {
  typename E::template rows<Half> cos, sin;
};

/// angle[t, k] = position of t on the axis of k, times theta^(-2k/K); in f32, as the reference.
template <class C, class E>
constexpr auto text_rotation(E& e, std::span<token_position const> positions, index count) {
  constexpr auto& c = C::text;
  constexpr index half = c.head_dim / 2;
  auto fill = [&](index t, float* row, auto f) {
    for (index k = 0; k < half; ++k) {
      float w = 1.0f / static_cast<float>(std::pow(c.rope_theta, 2.0 * static_cast<double>(k) / static_cast<double>(c.head_dim)));
      auto const& p = positions[static_cast<std::size_t>(t)];
      index at = rotary_axis(c, k) == 0 ? p.t : rotary_axis(c, k) == 1 ? p.h : p.w;
      row[k] = f(static_cast<float>(at) * w);
    }
  };
  auto cos = e.template constant<half>(count, [&](index t, float* row) { fill(t, row, [](float a) { return std::cos(a); }); });
  auto sin = e.template constant<half>(count, [&](index t, float* row) { fill(t, row, [](float a) { return std::sin(a); }); });
  return rotation<half, E>{cos, sin};
}

/// One layer. x [T, D] is consumed; the result takes its place.
template <class C, class E>
constexpr auto decoder_layer(E& e, decoder_layer_weights<C> const& w, typename E::template rows<C::text.hidden> x,
                             rotation<C::text.head_dim / 2, E> const& angles, index layer) {
  constexpr auto& c = C::text;
  constexpr float eps = static_cast<float>(c.rms_norm_eps);
  [[maybe_unused]] auto scope = e.scope();

  auto h = e.rms_norm(x, w.input_layernorm, eps);                      // [T, D]
  auto [q, k, v] = e.linear(h, w.q_proj, w.k_proj, w.v_proj);          // [T, H K] [T, G K] [T, G K]
  if constexpr (c.qk_norm) {
    q = e.head_norm(q, w.q_norm, eps);
    k = e.head_norm(k, w.k_norm, eps);
  }
  q = e.template rotate<c.head_dim>(q, angles.cos, angles.sin);
  k = e.template rotate<c.head_dim>(k, angles.cos, angles.sin);
  auto a = e.template attend<C>(layer, q, k, v);                       // [T, H K]
  x = e.linear_onto(x, a, w.o_proj);

  auto g = e.rms_norm(x, w.post_attention_layernorm, eps);             // [T, D]
  auto [gate, up] = e.linear(g, w.gate_proj, w.up_proj);               // [T, F] each
  return e.linear_onto(x, e.silu_multiply(gate, up), w.down_proj);
}

/// Hidden states after all layers, [T, D], before the last norm. Appends to the caches of the engine's segments.
template <class C, class E>
constexpr auto decode(E& e, text_weights<C> const& w, token_chunk const& chunk, visual_rows<C, E> const& visual) {
  auto x = e.template embed<C::text.hidden>(w.embed_tokens, chunk.ids);
  x = e.place_rows(x, visual.merged, chunk.visual);
  e.stage("text.embed", x);
  auto angles = text_rotation<C>(e, chunk.positions, chunk.size());
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    x = e.block(w.layers[i], x, [&e, angles, i](auto const& layer, auto in) {
      return decoder_layer<C>(e, layer, in, angles, static_cast<index>(i));
    });
    if (i < visual.deepstack.size()) x = e.add_rows(x, visual.deepstack[i], chunk.visual);
    e.stage("text.layer", static_cast<index>(i), x);
  }
  return x;
}

/// The last norm of rows x [T, D]: what the head reads, and what stands for a text or picture as a vector.
template <class C, class E>
constexpr auto last_norm(E& e, text_weights<C> const& w, typename E::template rows<C::text.hidden> x) {
  auto h = e.rms_norm(x, w.norm, static_cast<float>(C::text.rms_norm_eps));
  e.stage("text.norm", h);
  return h;
}

/// Logits of rows x [T, D]: [T, V].
template <class C, class E>
constexpr auto head(E& e, text_weights<C> const& w, typename E::template rows<C::text.hidden> x) {
  auto h = last_norm<C>(e, w, x);
  if constexpr (C::text.tied_head) {
    auto logits = e.project(h, w.embed_tokens);
    e.stage("logits", logits);
    return logits;
  } else {
    auto logits = e.project(h, w.lm_head);
    e.stage("logits", logits);
    return logits;
  }
}

}  // namespace medmo::inline MEDMO_ABI
