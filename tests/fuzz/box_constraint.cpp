// Answers drawn under the box constraint, the input choosing among the tokens that are left: whatever it chooses and
// wherever the answer is cut, it parses with nothing dropped.
#include "harness.hpp"

#include <array>

#include "medmo/generate/box_constraint.hpp"

namespace fuzz_box_constraint {
using medmo::index;

/// The bytes, and tokens that cut tags, numbers and separators in other places.
constexpr std::array<std::string_view, 15> pieces = {"<box>", "</box>", "[[", "]]",  "], [", ", ",  "10", "100",
                                                     "99",    "000",    " <", "box", ">[",   "]</", "WB"};
using vocabulary = medmo::text::qwen_vocabulary<256 + static_cast<index>(pieces.size()), 320>;
medmo::text::tokenizer<vocabulary> const tokenizer = [] {
  medmo::text::byte_pairs base;
  for (int b = 0; b < 256; ++b) base.add_token(std::string(1, static_cast<char>(b)), "bytes");
  for (auto p : pieces) base.add_token(p, "pieces");
  return medmo::text::tokenizer<vocabulary>{std::move(base), medmo::text::configured_added_tokens<vocabulary>(),
                                            "tokens"};
}();
medmo::box_vocabulary const words(tokenizer, vocabulary::rows);
constexpr index end = medmo::text::id_of<vocabulary>("<|im_end|>");

MEDMO_FUZZ_TARGET(box_constraint) {
  fuzz::choices in(input);
  auto flags = in.byte();
  medmo::box_options options{.mode = flags & 1 ? medmo::box_mode::only : medmo::box_mode::in_text};
  options.max_boxes = static_cast<index>(in.below(6));
  if ((flags & 3) == 3) options.labels = {"WBC", "RBC"};
  medmo::box_constraint constraint(words, options, {end});
  index left = 1 + static_cast<index>(in.below(64));
  std::vector<float> logits;
  std::vector<index> open;
  std::string text;
  for (; left > 0; --left) {
    logits.assign(static_cast<std::size_t>(words.size()), 0.0f);
    constraint.mask(logits, left);
    open.clear();
    for (index id = 0; id < words.size(); ++id)
      if (logits[static_cast<std::size_t>(id)] == 0.0f && (id == end || !words.bytes(id).empty())) open.push_back(id);
    fuzz::require(!open.empty(), "a token is left");
    auto choice = in.byte() << 8;
    choice |= in.byte();
    // in free text the input writes its own bytes, so that it may begin a box
    auto id = open[choice % open.size()];
    if (options.mode == medmo::box_mode::in_text && constraint.automaton().in_text() && choice >> 15) {
      auto typed = static_cast<std::size_t>(choice & 127);
      if (logits[typed] == 0.0f) id = static_cast<index>(typed);
    }
    if (id == end) break;
    constraint.accept(id);
    text += words.bytes(id);
  }
  auto parsed = medmo::text::parse_grounding(text);
  fuzz::require(parsed.dropped.empty(), "nothing is dropped of a constrained answer");
  fuzz::require(static_cast<index>(parsed.boxes.size()) <= options.max_boxes, "no more boxes than asked for");
}
}  // namespace fuzz_box_constraint
