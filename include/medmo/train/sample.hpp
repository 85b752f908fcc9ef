// From a conversation and its pictures to what a trainer takes: ids by the one chat renderer, patches, and which tokens are
// learned. Source of the marks: Qwen3-VL's data_processor.py, preprocess_qwen_visual.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../text/chat.hpp"
#include "../text/grounding.hpp"
#include "../vision/preprocess.hpp"
#include "conversation.hpp"
#include "trainer.hpp"

namespace medmo::inline MEDMO_ABI::train {

enum class learned_part {
  answers,              ///< the assistant's words and the im_end behind them
  answers_and_newline,  ///< and the line break behind that, as Qwen's own script has it
  everything            ///< all tokens, as TRL has it by default
};

struct sample_options {
  vision::preprocess_options pictures{};
  learned_part learned = learned_part::answers;
  index max_tokens = 8192;  ///< a longer row is refused, never cut
};

/// 1 where a token of a rendered conversation is learned. A token that holds the line break behind "assistant" and more is
/// not: the model is given that line break.
template <text::tokenizer_configuration T>
std::vector<std::uint8_t> learned_marks(text::tokenizer<T> const& t, std::span<index const> ids, learned_part what) {
  std::vector<std::uint8_t> marks(ids.size(), what == learned_part::everything);
  if (what == learned_part::everything) return marks;
  constexpr index begin = text::id_of<T>("<|im_start|>"), end = text::id_of<T>("<|im_end|>");
  constexpr std::string_view role = "assistant\n";
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != begin) continue;
    std::string header;
    std::size_t at = i + 1;
    while (at < ids.size() && ids[at] != end && header.size() < role.size()) header += t.bytes(ids[at++]);
    if (!header.starts_with(role)) continue;
    auto const stop = static_cast<std::size_t>(std::find(ids.begin() + static_cast<std::ptrdiff_t>(at), ids.end(), end) - ids.begin());
    if (stop == ids.size()) break;  // an answer without an end is none
    auto const last = std::min(ids.size(), stop + (what == learned_part::answers ? 1 : 2));
    std::fill(marks.begin() + static_cast<std::ptrdiff_t>(at), marks.begin() + static_cast<std::ptrdiff_t>(last), std::uint8_t{1});
    i = stop;
  }
  return marks;
}

namespace detail {
/// What a place holder of boxes is written as.
inline std::string written_boxes(conversation const& row, box_place const& place, std::span<image const> pictures) {
  auto norm = [&](stated_box const& b) {
    if (auto const* n = std::get_if<box<norm1000>>(&b.where)) return *n;
    auto const& picture = pictures[static_cast<std::size_t>(b.image)];
    return to_norm1000(std::get<box<pixel>>(b.where), picture.width, picture.height);
  };
  if (place.named == boxes_named::by_number) {
    auto const b = norm(row.boxes[static_cast<std::size_t>(place.number)]);
    return text::print_grounding("", {&b, 1});
  }
  if (place.named == boxes_named::all && row.boxes.empty()) return row.no_boxes;
  std::vector<std::pair<std::string, std::vector<box<norm1000>>>> labels;
  for (auto const& b : row.boxes) {
    if (place.named == boxes_named::of_label && b.label != place.label) continue;
    auto const found = std::find_if(labels.begin(), labels.end(), [&](auto const& l) { return l.first == b.label; });
    auto& list = found == labels.end() ? labels.emplace_back(b.label, std::vector<box<norm1000>>{}).second : found->second;
    list.push_back(norm(b));
  }
  std::string out;
  for (auto const& [label, list] : labels)
    out += (out.empty() ? "" : "\n") + text::print_grounding(place.named == boxes_named::all ? label : "", list);
  return out;
}
}  // namespace detail

/// Ids, marks and patches of a row; boxes in pixels are those of `pictures` as they are, which may be changed ones.
/// Errors: bad_argument (number of pictures; no learned token); bad_image, too_large (also beyond max_tokens), bad_text.
template <text::tokenizer_configuration T>
training_sample make_sample(text::tokenizer<T> const& t, conversation const& row, std::span<image const> pictures,
                            sample_options const& options) {
  if (pictures.size() != row.images.size())
    MEDMO_THROW(errc::bad_argument, row.where, std::to_string(row.images.size()) + " pictures", std::to_string(pictures.size()));
  index tokens = 0;  // before any picture is resized
  for (auto const& p : pictures) tokens += vision::plan_image(p, options.pictures).tokens;
  auto limit = [&](index found) {
    if (found > options.max_tokens)
      MEDMO_THROW(errc::too_large, row.where, "at most " + std::to_string(options.max_tokens) + " tokens", std::to_string(found));
  };
  limit(tokens);
  std::vector<text::message> messages;
  for (auto const& turn : row.turns) {
    auto& m = messages.emplace_back(text::message{turn.role, {}, {}});
    for (auto const& piece : turn.content) {
      if (auto const* words = std::get_if<std::string>(&piece)) m.content.emplace_back(text::text_part{*words});
      else if (auto const* place = std::get_if<box_place>(&piece)) m.content.emplace_back(text::text_part{detail::written_boxes(row, *place, pictures)});
      else m.content.emplace_back(text::image_part{vision::plan_image(pictures[static_cast<std::size_t>(std::get<picture_place>(piece).image)], options.pictures).tokens});
    }
  }
  training_sample s;
  text::chat_options whole;
  whole.prompt = text::generation_prompt::omit;
  s.ids = text::render_chat(t, messages, whole).ids;
  limit(static_cast<index>(s.ids.size()));
  s.learned = learned_marks(t, std::span<index const>(s.ids), options.learned);
  if (learned_tokens(s) == 0) MEDMO_THROW(errc::bad_argument, row.where, "a token to learn", "none");
  for (auto const& p : pictures) {
    auto patches = vision::preprocess(p, options.pictures);
    s.pictures.push_back({patches.grid, std::move(patches.rows)});
  }
  return s;
}

}  // namespace medmo::inline MEDMO_ABI::train
