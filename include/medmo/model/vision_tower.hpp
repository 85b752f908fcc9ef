// The vision tower: patches to visual tokens, with DeepStack's taps, written once for every engine.
// Shapes (docs/shapes.md): N patches in merge order, d vision hidden, D text hidden, m merged patches a token.
#pragma once

#include <array>
#include <cmath>

#include "decoder.hpp"
#include "positions.hpp"
#include "weights.hpp"

namespace medmo::inline MEDMO_ABI {

/// angle = [row f, column f], f_k = theta^(-2k/(a/2)), k < a/4, a = head size. [N, a/2] cos and sin.
template <class C, class E>
constexpr auto vision_rotation(E& e, patch_grid const& grid) {
  constexpr auto& c = C::vision;
  constexpr index half = c.head_dim() / 2, quarter = half / 2;
  auto fill = [&](index n, float* row, auto f) {
    auto place = patch_place(grid, c.merge, n % (grid.h * grid.w));
    for (index k = 0; k < quarter; ++k) {
      float w = 1.0f / static_cast<float>(std::pow(c.rope_theta, 2.0 * static_cast<double>(k) / static_cast<double>(half)));
      row[k] = f(static_cast<float>(place[0]) * w);
      row[quarter + k] = f(static_cast<float>(place[1]) * w);
    }
  };
  auto cos = e.template constant<half>(grid.patches(), [&](index n, float* row) { fill(n, row, [](float a) { return std::cos(a); }); });
  auto sin = e.template constant<half>(grid.patches(), [&](index n, float* row) { fill(n, row, [](float a) { return std::sin(a); }); });
  return rotation<half, E>{cos, sin};
}

/// The four rows of the position table that patch (row, column) lies between, and their shares.
struct table_mix {
  std::array<index, 4> row{};
  std::array<float, 4> share{};
};

/// Corner-aligned bilinear sampling of a side x side table: u = (side - 1) r / (h - 1), in f32.
/// Source: get_vision_interpolation_indices_and_weights, transformers 5.23.
constexpr table_mix position_mix(patch_grid const& g, index side, index r, index c) {
  auto at = [&](index i, index n) {
    return static_cast<float>(i) * static_cast<float>(side - 1) / static_cast<float>(n > 1 ? n - 1 : 1);
  };
  float u = at(r, g.h), v = at(c, g.w);
  auto u0 = static_cast<index>(u), v0 = static_cast<index>(v);
  index u1 = u0 + 1 < side ? u0 + 1 : side - 1, v1 = v0 + 1 < side ? v0 + 1 : side - 1;
  float du = u - static_cast<float>(u0), dv = v - static_cast<float>(v0);
  return {{u0 * side + v0, u0 * side + v1, u1 * side + v0, u1 * side + v1},
          {(1 - du) * (1 - dv), (1 - du) * dv, du * (1 - dv), du * dv}};
}

/// One block. z [N, d] is consumed; the result takes its place. Attention is full within each time step.
template <class C, class E>
constexpr auto vision_block(E& e, vision_block_weights<C> const& w, typename E::template rows<C::vision.hidden> z,
                            rotation<C::vision.head_dim() / 2, E> const& angles, patch_grid const& grid) {
  constexpr auto& c = C::vision;
  constexpr float eps = static_cast<float>(c.norm_eps);
  [[maybe_unused]] auto scope = e.scope();

  auto h = e.layer_norm(z, w.norm1, eps);                                            // [N, d]
  auto qkv = e.linear(h, w.qkv);                                                     // [N, 3 d]
  auto q = e.template rotate<c.head_dim()>(e.template columns<0, c.hidden>(qkv), angles.cos, angles.sin);
  auto k = e.template rotate<c.head_dim()>(e.template columns<c.hidden, c.hidden>(qkv), angles.cos, angles.sin);
  auto v = e.template columns<2 * c.hidden, c.hidden>(qkv);
  z = e.linear_onto(z, e.template attend_within<c.heads>(q, k, v, grid.h * grid.w), w.proj);

  auto g = e.layer_norm(z, w.norm2, eps);
  return e.linear_onto(z, e.gelu_tanh(e.linear(g, w.linear_fc1)), w.linear_fc2);
}

/// m consecutive patches become one row of D. The last merger norms each patch, DeepStack's norm the merged row.
template <class C, index Norm, class E>
constexpr auto merge_patches(E& e, merger_weights<C, Norm> const& w, typename E::template rows<C::vision.hidden> z) {
  constexpr auto& c = C::vision;
  constexpr float eps = static_cast<float>(c.norm_eps);
  auto finish = [&](auto h) { return e.linear(e.gelu_exact(e.linear(h, w.linear_fc1)), w.linear_fc2); };
  if constexpr (Norm == c.hidden)
    return finish(e.template join_rows<c.merge_unit()>(e.layer_norm(z, w.norm, eps)));  // [N / m, m d]
  else
    return finish(e.layer_norm(e.template join_rows<c.merge_unit()>(z), w.norm, eps));
}

/// patches [N, 1536] of one picture or video -> N / m rows, and the same number for each DeepStack level.
template <class C, class E>
constexpr auto see(E& e, vision_weights<C> const& w, typename E::template rows<C::vision.patch_width()> patches,
                   patch_grid const& grid) {
  constexpr auto& c = C::vision;
  visual_rows<C, E> out;
  out.merged = e.template reserve_rows<c.out_hidden>(grid.tokens(c.merge));
  for (auto& level : out.deepstack) level = e.template reserve_rows<c.out_hidden>(grid.tokens(c.merge));

  [[maybe_unused]] auto scope = e.scope();
  auto z = e.linear(patches, w.patch_embed);                                         // [N, d]
  e.stage("vision.patch_embed", z);
  z = e.add_mixed_rows(z, w.pos_embed, [&](index n) {
    auto place = patch_place(grid, c.merge, n % (grid.h * grid.w));
    return position_mix(grid, c.table_side(), place[0], place[1]);
  });
  auto angles = vision_rotation<C>(e, grid);
  for (std::size_t j = 0; j < w.blocks.size(); ++j) {
    z = e.block(w.blocks[j], z, [&e, angles, grid](auto const& block, auto in) { return vision_block<C>(e, block, in, angles, grid); });
    e.stage("vision.block", static_cast<index>(j), z);
    if (index level = c.deepstack.find(static_cast<index>(j)); level >= 0) {
      [[maybe_unused]] auto tap = e.scope();
      auto& kept = out.deepstack[static_cast<std::size_t>(level)];
      kept = e.keep(kept, merge_patches<C>(e, w.deepstack_merger_list[static_cast<std::size_t>(level)], z));
      e.stage("vision.deepstack", level, kept);
    }
  }
  out.merged = e.keep(out.merged, merge_patches<C>(e, w.merger, z));
  e.stage("vision.merger", out.merged);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI
