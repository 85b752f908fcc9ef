// The box parser: every string is read, boxes are within 0..1000 and not empty, and print(parse(x)) is stable.
#include "harness.hpp"

#include "medmo/text/grounding.hpp"

namespace fuzz_boxes {
using namespace medmo::text;

MEDMO_FUZZ_TARGET(boxes) {
  auto text = fuzz::text_of(input);
  grounding_limits const limits{.boxes = 50, .dropped = 20};
  auto parsed = parse_grounding(text, limits);
  fuzz::require(parsed.boxes.size() <= limits.boxes && parsed.dropped.size() <= limits.dropped, "counts are capped");
  fuzz::require(parsed.plain_text.size() <= text.size(), "nothing is made up");
  for (auto const& b : parsed.boxes) {
    auto const& v = b.box_norm1000;
    fuzz::require(0 <= v.x1 && v.x1 < v.x2 && v.x2 <= 1000 && 0 <= v.y1 && v.y1 < v.y2 && v.y2 <= 1000,
                  "a box is a box");
    fuzz::require(b.text_begin < b.text_end && b.text_end <= text.size() && text[b.text_begin] == '[',
                  "its text is where it says");
    fuzz::require(b.label.find('\n') == std::string::npos && b.label.find("<box>") == std::string::npos,
                  "a label is one line");
  }
  for (auto const& d : parsed.dropped)
    fuzz::require(d.offset <= text.size() && d.text.size() <= 80, "what was dropped is in the text");
  auto printed = print_grounding(parsed);
  auto again = parse_grounding(printed, limits);
  fuzz::require(again.boxes.size() == parsed.boxes.size() && again.dropped.empty(), "what is printed is read whole");
  fuzz::require(print_grounding(again) == printed, "print(parse(x)) is stable");
}
}  // namespace fuzz_boxes
