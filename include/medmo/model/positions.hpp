// Where each token and each patch stands: the three axes of interleaved M-RoPE, and the order of patches.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/patch_grid.hpp"
#include "config.hpp"

namespace medmo::inline MEDMO_ABI {

/// Position of one token on the axes time, height, width. Plain text: all three equal.
struct token_position {
  index t = 0, h = 0, w = 0;
  friend constexpr bool operator==(token_position const&, token_position const&) = default;
};

/// `count` rows of visual features, from feature_row on, that stand at token_row and after.
struct visual_run {
  index token_row = 0, feature_row = 0, count = 0;
};

/// Appends where the visual rows go among `ids`, whose first is row `first` of the pass; they take features in order from
/// `feature` on, and the next free one is returned.
inline index append_visual_runs(std::span<index const> ids, token_config const& tokens, index first, index feature,
                                std::vector<visual_run>& out) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != tokens.image_pad && ids[i] != tokens.video_pad) continue;
    auto const at = first + static_cast<index>(i);
    if (!out.empty() && out.back().token_row + out.back().count == at)
      ++out.back().count;
    else
      out.push_back({at, feature, 1});
    ++feature;
  }
  return feature;
}

/// Row and column of patch n of a time step, patches in merge order (blocks of merge x merge, row by row).
constexpr std::array<index, 2> patch_place(patch_grid const& g, index merge, index n) {
  index in_block = n % (merge * merge), block = n / (merge * merge), across = g.w / merge;
  return {block / across * merge + in_block / merge, block % across * merge + in_block % merge};
}

/// Appends the positions of `ids` to `out`; they begin at `next`, and the first position after them is returned.
/// A run of image pads takes the next grid; of video pads, the next single time step. Text of L tokens moves on by L,
/// a picture of merged grid (hm, wm) by max(hm, wm). errc::bad_argument if pads and grids do not fit each other.
/// Source: Qwen3-VL's get_rope_index, transformers 5.23.
inline index append_positions(std::span<index const> ids, std::span<patch_grid const> grids, index merge,
                              token_config const& tokens, index next, std::vector<token_position>& out) {
  std::size_t grid = 0;
  index step = 0;  // time steps of the current grid already placed
  for (std::size_t i = 0; i < ids.size();) {
    if (ids[i] != tokens.image_pad && ids[i] != tokens.video_pad) {
      out.push_back({next, next, next});
      ++next;
      ++i;
      continue;
    }
    std::size_t run = i;
    while (run < ids.size() && ids[run] == ids[i]) ++run;
    if (grid == grids.size())
      MEDMO_THROW(errc::bad_argument, "token " + std::to_string(i),
                  "no more image tokens than the " + std::to_string(grids.size()) + " pictures given", "another one");
    index hm = grids[grid].h / merge, wm = grids[grid].w / merge;
    if (static_cast<index>(run - i) < hm * wm)
      MEDMO_THROW(errc::bad_argument, "token " + std::to_string(i), std::to_string(hm * wm) + " image tokens in a row",
                  std::to_string(run - i));
    for (index n = 0; n < hm * wm; ++n) out.push_back({next, next + n / wm, next + n % wm});
    next += std::max(hm, wm);
    i += static_cast<std::size_t>(hm * wm);
    if (++step == grids[grid].t) {
      ++grid;
      step = 0;
    }
  }
  if (grid != grids.size())
    MEDMO_THROW(errc::bad_argument, "prompt", std::to_string(grids.size()) + " pictures referred to",
                std::to_string(grid));
  return next;
}

/// The axis (0 time, 1 height, 2 width) that frequency k of the decoder's rotary embedding follows.
constexpr int rotary_axis(text_config const& c, index k) {
  if (c.rope == rope_kind::plain) return 0;
  if (k % 3 == 1 && k < 3 * c.mrope_section[1]) return 1;
  if (k % 3 == 2 && k < 3 * c.mrope_section[2]) return 2;
  return 0;
}

}  // namespace medmo::inline MEDMO_ABI
