// A first turn of a conversation, ready for a sequence: its pictures seen, its text as ids. For questions that are asked
// once (scores, embeddings); a session keeps its turns itself.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/image.hpp"
#include "../text/chat.hpp"
#include "pretrained.hpp"
#include "sequence.hpp"

namespace medmo::inline MEDMO_ABI {

struct turn_options {
  std::string system{};                  ///< before the turn
  index min_pixels = 0, max_pixels = 0;  ///< areas pictures are resized to; 0: the model's own
};

struct seen_turn {
  text::chat_prompt prompt;          ///< up to the place where the answer begins
  std::vector<visual_features> seen; ///< of each picture

  std::vector<visual_features const*> features() const {
    std::vector<visual_features const*> out;
    for (auto const& f : seen) out.push_back(&f);
    return out;
  }
};

/// Pictures and words of a user, in the chat template's form. `memory` is grown to what the vision tower needs.
/// Errors: unsupported for pictures to a model that reads text only; bad_image, bad_text, too_large.
template <model_configuration C>
seen_turn see_turn(pretrained<C> const& p, std::vector<image> const& pictures, std::string_view prompt, arena& memory,
                   turn_options const& options = {}) {
  seen_turn out;
  std::vector<text::message> messages;
  if (!options.system.empty()) messages.push_back({text::chat_role::system, {text::text_part{options.system}}, {}});
  text::message turn{text::chat_role::user, {}, {}};
  if constexpr (vision_language_configuration<C>) {
    auto sizes = vision::options_for(C::vision, p.pictures);
    if (options.min_pixels > 0) sizes.min_pixels = options.min_pixels;
    if (options.max_pixels > 0) sizes.max_pixels = options.max_pixels;
    for (auto const& picture : pictures) {
      auto patches = vision::preprocess(picture, sizes);
      view<float> rows(patches.rows.data(), patches.rows.rows(), patches.rows.cols(),
                       Eigen::OuterStride<>(patches.rows.cols()));
      out.seen.push_back(see_picture(p.model, rows, patches.grid, memory));
      turn.content.push_back(text::image_part{patches.tokens});
    }
  } else if (!pictures.empty()) {
    MEDMO_THROW(errc::unsupported, "pictures", "none: " + std::string(configuration_name<C>) + " reads text only",
                std::to_string(pictures.size()));
  }
  if (!prompt.empty()) turn.content.push_back(text::text_part{std::string(prompt)});
  messages.push_back(std::move(turn));
  out.prompt = text::render_chat(p.tokenizer, messages);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI
