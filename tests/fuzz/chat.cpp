// Conversations of any messages, texts and pictures. Whatever the texts hold, the control tokens of the prompt are those of
// the same conversation with empty texts; placeholders stand exactly where the prompt says.
#include "harness.hpp"

#include "medmo/text/chat.hpp"
#include "medmo/text/tokenizer_file.hpp"

namespace fuzz_chat {
using namespace medmo::text;
using medmo::index;

tokenizer<nano_tokens> const nano = load_tokenizer<nano_tokens>(MEDMO_EXAMPLE_DATA "/medmo-nano");

content_part part_of(fuzz::choices& in) {
  switch (in.below(6)) {
    case 0: return image_part{static_cast<index>(in.byte())};
    case 1: {
      video_part v;
      v.placeholders = static_cast<index>(in.byte());
      for (auto n = in.below(4); n > 0; --n) v.seconds.push_back(static_cast<double>(in.byte()) * 0.25 - 1);
      return v;
    }
    case 2: {
      ids_part p;
      for (auto n = in.below(5); n > 0; --n) p.ids.push_back(static_cast<index>(in.byte()) * 16 + 100);
      return p;
    }
    default: return text_part{std::string(in.text())};
  }
}

std::vector<message> conversation(fuzz::choices& in) {
  std::vector<message> out;
  while (!in.done() && out.size() < 12) {
    message m{static_cast<chat_role>(in.below(4)), {}, {}};
    for (auto n = in.below(4); n > 0; --n) m.content.push_back(part_of(in));
    for (auto n = in.below(8) == 0 ? 2 : 0; n > 0; --n)
      m.tool_calls.push_back({std::string(in.text()), std::string(in.text())});
    out.push_back(std::move(m));
  }
  return out;
}

std::vector<index> controls(std::vector<index> const& ids) {
  std::vector<index> out;
  for (auto id : ids)
    if (nano.kind(id) != token_kind::base) out.push_back(id);
  return out;
}

MEDMO_FUZZ_TARGET(chat) {
  fuzz::choices in(input);
  chat_options options;
  auto flags = in.byte();
  if (flags & 1) options.labels = vision_labels::numbered;
  if (flags & 2) options.prompt = generation_prompt::omit;
  if (flags & 4) options.video = video_layout::frames_only;
  if (flags & 8) options.tools.push_back(std::string(in.text()));
  auto messages = conversation(in);
  auto prompt = fuzz::accepted([&] { return render_chat(nano, messages, options); });
  if (!prompt) return;

  std::size_t placeholders = 0, pads = 0;
  constexpr index image = id_of<nano_tokens>("<|image_pad|>"), video = id_of<nano_tokens>("<|video_pad|>");
  for (auto const& place : prompt->media)
    for (index i = 0; i < place.count; ++i, ++placeholders)
      fuzz::require(prompt->ids.at(static_cast<std::size_t>(place.begin + i)) ==
                        (place.kind == media_kind::image ? image : video),
                    "placeholders stand where the prompt says");
  bool own_ids = false;
  for (auto& m : messages) {
    for (auto& part : m.content) {
      if (auto* t = std::get_if<text_part>(&part)) t->text = "x";
      own_ids = own_ids || std::holds_alternative<ids_part>(part);
    }
    for (auto& c : m.tool_calls) c = {"x", "x"};
  }
  for (auto& tool : options.tools) tool = "x";
  for (auto id : prompt->ids) pads += id == image || id == video;
  fuzz::require(own_ids || pads == placeholders, "no placeholders elsewhere");
  fuzz::require(controls(prompt->ids) == controls(render_chat(nano, messages, options).ids),
                "texts yield no control tokens");
}
}  // namespace fuzz_chat
