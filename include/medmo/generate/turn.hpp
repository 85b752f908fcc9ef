// A user's turn: its pictures seen, its words and place holders in the chat template's form, its ids behind a sequence.
// What every way to question a model begins with; answers are decoding.hpp's.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/image.hpp"
#include "../text/chat.hpp"
#include "feature_cache.hpp"
#include "pretrained.hpp"
#include "sequence.hpp"
#include "video.hpp"

namespace medmo::inline MEDMO_ABI {

struct turn_options {
  std::string system{};                  ///< before the turn
  index min_pixels = 0, max_pixels = 0;  ///< areas pictures are resized to; 0: the model's own
};

/// How the pictures of a turn are resized and cut.
template <vision_language_configuration C>
vision::preprocess_options picture_options(pretrained<C> const& p, turn_options const& options) {
  auto sizes = vision::options_for(C::vision, p.pictures);
  if (options.min_pixels > 0) sizes.min_pixels = options.min_pixels;
  if (options.max_pixels > 0) sizes.max_pixels = options.max_pixels;
  return sizes;
}

/// Adds a turn of a user to a conversation: pictures and then videos as place holders, then the words; a system text before
/// the first. Errors: unsupported for pictures to a model that reads text only; bad_image, too_large, bad_argument.
template <model_configuration C>
void add_turn(std::vector<text::message>& messages, pretrained<C> const& p, std::span<image const> pictures,
              std::string_view prompt, turn_options const& options, std::span<vision::video const> videos = {}) {
  text::message turn{text::chat_role::user, {}, {}};
  if constexpr (vision_language_configuration<C>) {
    auto const sizes = picture_options(p, options);
    for (auto const& picture : pictures) turn.content.push_back(text::image_part{vision::plan_image(picture, sizes).tokens});
    for (auto const& video : videos) turn.content.emplace_back(video_part_of(vision::plan_video(video, video_options(p))));
  } else if (!pictures.empty() || !videos.empty()) {
    MEDMO_THROW(errc::unsupported, "pictures", "none: " + std::string(configuration_name<C>) + " reads text only",
                std::to_string(pictures.size() + videos.size()));
  }
  if (!prompt.empty()) turn.content.push_back(text::text_part{std::string(prompt)});
  if (messages.empty() && !options.system.empty())
    messages.push_back({text::chat_role::system, {text::text_part{options.system}}, {}});
  messages.push_back(std::move(turn));
}

/// A first turn as ids, up to the place where the answer begins. Errors: as add_turn; bad_text.
template <model_configuration C>
text::chat_prompt render_turn(pretrained<C> const& p, std::span<image const> pictures, std::string_view prompt,
                              turn_options const& options) {
  std::vector<text::message> messages;
  add_turn(messages, p, pictures, prompt, options);
  return text::render_chat(p.tokenizer, messages);
}

/// What stands for a picture of a turn in the decoder. `memory` is grown to what the vision tower needs. With `stages`,
/// keeps "pixels" and every named stage, and does not look into the cache.
template <vision_language_configuration C>
shared_features see_image(pretrained<C> const& p, image const& picture, turn_options const& options, arena& memory,
                          feature_cache* cache = nullptr, stage_map* stages = nullptr) {
  auto const sizes = picture_options(p, options);
  auto run = [&] {
    auto const patches = vision::preprocess(picture, sizes);
    view<float> const rows(patches.rows.data(), patches.rows.rows(), patches.rows.cols(),
                           Eigen::OuterStride<>(patches.rows.cols()));
    if (stages) {
      auto& kept = (*stages)["pixels"];
      kept.conservativeResize(kept.rows() + rows.rows(), rows.cols());
      kept.bottomRows(rows.rows()) = rows;
    }
    return std::make_shared<visual_features const>(see_picture(p.model, rows, patches.grid, memory, stages));
  };
  if (!cache || stages) return run();
  return cache->find_or(feature_key(p.model, picture, sizes), run);
}

/// The same for every picture of a turn.
template <model_configuration C>
std::vector<shared_features> see_images(pretrained<C> const& p, std::span<image const> pictures, turn_options const& options,
                                     arena& memory, feature_cache* cache = nullptr, stage_map* stages = nullptr) {
  std::vector<shared_features> out;
  if constexpr (vision_language_configuration<C>)
    for (auto const& picture : pictures) out.push_back(see_image(p, picture, options, memory, cache, stages));
  return out;
}

/// How many tokens of `prompt` stand in `known` already, so that at least one is left and no picture is cut in two.
/// same_picture(i): is the i-th picture of the prompt the one that `known` has in its place?
template <class F>
index common_prefix(std::span<index const> known, text::chat_prompt const& prompt, F&& same_picture) {
  std::size_t same = 0;
  while (same < known.size() && same + 1 < prompt.ids.size() && known[same] == prompt.ids[same]) ++same;
  for (std::size_t i = 0; i < prompt.media.size(); ++i) {
    auto const& place = prompt.media[i];
    auto const begin = static_cast<std::size_t>(place.begin), end = begin + static_cast<std::size_t>(place.count);
    if (same > begin && (same < end || !same_picture(i))) same = begin;
  }
  return static_cast<index>(same);
}

/// Feeds what `tokens`, which hold the first `same` tokens of `prompt` and perhaps others behind them, do not hold yet.
/// features(i) are those of the i-th picture; only of pictures not held. Room for `max_new_tokens` more is made.
template <model_configuration C, class F>
void prefill(sequence<C>& tokens, text::chat_prompt const& prompt, index same, F&& features, index max_new_tokens,
             index chunk) {
  tokens.truncate(same);
  std::vector<visual_features const*> missing;
  for (std::size_t i = 0; i < prompt.media.size(); ++i)
    if (prompt.media[i].begin >= same) missing.push_back(features(i));
  tokens.reserve(static_cast<index>(prompt.ids.size()) + max_new_tokens, chunk);
  tokens.append(std::span(prompt.ids).subspan(static_cast<std::size_t>(same)), missing, chunk);
}

/// A first turn, ready for a sequence. For questions that are asked once (scores, embeddings).
struct seen_turn {
  text::chat_prompt prompt;           ///< up to the place where the answer begins
  std::vector<shared_features> seen;  ///< of each picture

  std::vector<visual_features const*> features() const {
    std::vector<visual_features const*> out;
    for (auto const& f : seen) out.push_back(f.get());
    return out;
  }
};

/// Pictures and words of a user. `memory` and `stages` as in see_image. Errors: as add_turn; bad_text.
template <model_configuration C>
seen_turn see_turn(pretrained<C> const& p, std::span<image const> pictures, std::string_view prompt, arena& memory,
                   turn_options const& options = {}, stage_map* stages = nullptr) {
  return {render_turn(p, pictures, prompt, options), see_images(p, pictures, options, memory, nullptr, stages)};
}

}  // namespace medmo::inline MEDMO_ABI
