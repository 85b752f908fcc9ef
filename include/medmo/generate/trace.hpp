// One prompt through the model with every named stage kept, to be compared with the reference.
#pragma once

#include <string_view>
#include <vector>

#include "../core/image.hpp"
#include "../text/chat.hpp"
#include "pretrained.hpp"
#include "sequence.hpp"

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
  std::vector<visual_features> seen;
  text::message turn{text::chat_role::user, {}, {}};
  if constexpr (vision_language_configuration<C>) {
    for (auto const& picture : pictures) {
      auto patches = vision::preprocess(picture, vision::options_for(C::vision, p.pictures));
      view<float> rows(patches.rows.data(), patches.rows.rows(), patches.rows.cols(),
                       Eigen::OuterStride<>(patches.rows.cols()));
      auto& kept = out.stages["pixels"];
      kept.conservativeResize(kept.rows() + rows.rows(), rows.cols());
      kept.bottomRows(rows.rows()) = rows;
      out.grids.push_back(patches.grid);
      seen.push_back(see_picture(p.model, rows, patches.grid, tokens.memory(), &out.stages));
      turn.content.push_back(text::image_part{patches.tokens});
    }
  } else if (!pictures.empty()) {
    MEDMO_THROW(errc::unsupported, "trace", "no pictures: " + std::string(configuration_name<C>) + " reads text only",
                std::to_string(pictures.size()));
  }
  turn.content.push_back(text::text_part{std::string(prompt)});
  auto rendered = text::render_chat(p.tokenizer, {std::move(turn)});
  std::vector<visual_features const*> features;
  for (auto const& f : seen) features.push_back(&f);
  tokens.append(rendered.ids, features, sequence<C>::default_chunk, &out.stages);
  out.tokens = std::move(rendered.ids);
  out.positions.assign(tokens.positions().begin(), tokens.positions().end());
  return out;
}

}  // namespace medmo::inline MEDMO_ABI
