// Rows of training data and recipes: read in full or refused, and what is read keeps its promises.
#include "harness.hpp"

#include "medmo/train/recipe.hpp"

namespace fuzz_training_rows {
using namespace medmo;  // but not its index: the C library has one too

void check_row(io::json const& value) {
  train::conversation row;
  try {
    row = train::read_conversation(value, "row");
  } catch (error const&) {
    return;
  }
  auto const count = static_cast<medmo::index>(row.images.size());
  medmo::index next = 0;
  for (auto const& turn : row.turns)
    for (auto const& piece : turn.content) {
      if (auto const* p = std::get_if<train::picture_place>(&piece)) fuzz::require(p->image == next++, "pictures stand in their order");
      if (auto const* b = std::get_if<train::box_place>(&piece); b && b->named == train::boxes_named::by_number)
        fuzz::require(b->number >= 0 && b->number < static_cast<medmo::index>(row.boxes.size()), "a box that is named is there");
    }
  fuzz::require(next == count, "every picture has its place");
  for (auto const& b : row.boxes) fuzz::require(b.image >= 0 && b.image < count, "every box has its picture");
  if (count > 8) return;
  std::vector<image> pictures(row.images.size(), image(23, 17));
  train::augment(row, pictures, {.crop = 1, .scale = 1, .flip = 1, .intensity = 1}, random_stream(1, 2));
  for (auto const& p : pictures) fuzz::require(p.pixels.size() == static_cast<std::size_t>(p.width * p.height * 3), "pictures stay whole");
}

void check_recipe(io::json const& value) {
  try {
    auto const r = train::parse_recipe(value, "recipe");
    for (auto const& s : r.stages)
      fuzz::require(s.batch >= 1 && s.accumulation >= 1 && !s.data.empty() && s.total_steps(1000) >= 1, "a stage that can run");
  } catch (error const&) {
  }
}

MEDMO_FUZZ_TARGET(training_rows) {
  std::string fault;
  auto const value = io::try_parse_json(input, fault);
  if (!value) return;
  check_row(*value);
  check_recipe(*value);
}
}  // namespace fuzz_training_rows
