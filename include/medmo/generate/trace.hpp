// One prompt through the model with every named stage kept, to be compared with the reference.
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "turn.hpp"

namespace medmo::inline MEDMO_ABI {

struct traced_prompt {
  stage_map stages;                          ///< "pixels", "vision.block.0", ..., "logits"; pictures one after the other
  std::vector<index> tokens;                 ///< [T]
  std::vector<token_position> positions;     ///< [T]
  std::vector<patch_grid> grids;             ///< of each picture
};

/// A first turn with `pictures` and `prompt`, up to the place where the answer begins. Errors: as session::ask.
template <model_configuration C>
traced_prompt trace(pretrained<C> const& p, std::vector<image> const& pictures, std::string_view prompt) {
  traced_prompt out;
  sequence<C> tokens(p.model);
  auto turn = see_turn(p, std::span(pictures), prompt, tokens.memory(), {}, &out.stages);
  for (auto const& f : turn.seen) out.grids.push_back(f->grid);
  tokens.append(turn.prompt.ids, turn.features(), sequence<C>::default_chunk, &out.stages);
  out.tokens = std::move(turn.prompt.ids);
  out.positions.assign(tokens.positions().begin(), tokens.positions().end());
  return out;
}

}  // namespace medmo::inline MEDMO_ABI
