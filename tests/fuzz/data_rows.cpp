// Rows of benchmark files: the first byte chooses the format, the rest is a JSON object or a table. Whatever a reader makes of a
// row is a whole question: options and a right one among them, pictures inside the data's folder, boxes that are finite.
#include "harness.hpp"

#include <cmath>

#include "medmo/evaluate/readers/box_list.hpp"
#include "medmo/evaluate/readers/deep_lesion.hpp"
#include "medmo/evaluate/readers/medbullets.hpp"
#include "medmo/evaluate/readers/medmcqa.hpp"
#include "medmo/evaluate/readers/medqa.hpp"
#include "medmo/evaluate/readers/medsg.hpp"
#include "medmo/evaluate/readers/medxpertqa.hpp"
#include "medmo/evaluate/readers/mmlu_med.hpp"
#include "medmo/evaluate/readers/mmmu_med.hpp"
#include "medmo/evaluate/readers/nih_chest.hpp"
#include "medmo/evaluate/readers/omnimedvqa.hpp"
#include "medmo/evaluate/readers/own_jsonl.hpp"
#include "medmo/evaluate/readers/path_vqa.hpp"
#include "medmo/evaluate/readers/pmc_vqa.hpp"
#include "medmo/evaluate/readers/pubmedqa.hpp"
#include "medmo/evaluate/readers/reports.hpp"
#include "medmo/evaluate/readers/slake.hpp"
#include "medmo/evaluate/readers/supergpqa.hpp"
#include "medmo/evaluate/readers/vqa_rad.hpp"

namespace fuzz_data_rows {
using namespace medmo::evaluate;

std::vector<data_format> const formats = {readers::own_jsonl(),
                                          readers::vqa_rad(),
                                          readers::slake(),
                                          readers::path_vqa(),
                                          readers::pmc_vqa(),
                                          readers::omnimedvqa(),
                                          readers::mmmu_med(),
                                          readers::medqa(),
                                          readers::medmcqa(),
                                          readers::pubmedqa(),
                                          readers::mmlu_med(),
                                          readers::supergpqa(),
                                          readers::nih_chest(),
                                          readers::deep_lesion(),
                                          readers::medsg(""),
                                          readers::reports({}),
                                          readers::box_list({}, "Where?"),
                                          readers::medxpertqa(readers::medxpertqa_part{}),
                                          readers::medbullets(readers::medbullets_part{})};

void check_item(item const& i) {
  fuzz::require(!i.id.empty() || !i.question.empty(), "an item has a name or a question");
  fuzz::require(!i.right || (*i.right >= 0 && *i.right < static_cast<medmo::index>(i.options.size())),
                "the right option is one of them");
  fuzz::require(i.kind != task::choice || i.options.size() >= 2, "a choice has options");
  for (auto const& name : i.images) {
    std::filesystem::path const path(name);
    fuzz::require(!path.is_absolute() && std::find(path.begin(), path.end(), "..") == path.end(),
                  "pictures lie inside the folder");
  }
  for (auto const& b : i.boxes) {
    auto const p = in_pixels(b, 640, 480);
    for (double v : {p.x1, p.y1, p.x2, p.y2}) fuzz::require(std::isfinite(v), "boxes are finite");
    fuzz::require(b.image >= 0 && b.image < std::max<medmo::index>(1, static_cast<medmo::index>(i.images.size())),
                  "a box is on one of the pictures");
  }
}

void check_row(data_format const& format, row const& r) {
  std::vector<item> items;
  if (fuzz::accepted([&] { return format.read(r, items), 0; }))
    for (auto const& i : items) check_item(i);
}

row named(medmo::io::json value) { return {"input:1", "/nowhere", "input", "test", 1, std::move(value)}; }

/// The first record names the columns.
void check_table(data_format const& format, std::string_view text, char separator) {
  csv_reader records(text, separator);
  auto head = records.next();
  std::size_t last = 0, fields = 0;
  while (auto record = records.next()) {
    fuzz::require(record->line > last && !record->fields.empty(), "records follow each other");
    last = record->line;
    fields += record->fields.size();
    auto value = medmo::io::json::object();
    bool sound = record->fault.empty();
    for (std::size_t i = 0; i < std::min(head->fields.size(), record->fields.size()); ++i) {
      sound = sound && medmo::io::is_utf8(head->fields[i]) && medmo::io::is_utf8(record->fields[i]);
      value[head->fields[i]] = record->fields[i];
    }
    if (sound) check_row(format, named(std::move(value)));
  }
  fuzz::require(fields <= text.size() + 1, "a field takes a byte or a separator");
}

MEDMO_FUZZ_TARGET(data_rows) {
  fuzz::choices in(input);
  auto const choice = in.byte();
  auto const& format = formats[choice % 32 % formats.size()];
  if (choice & 64) return check_table(format, in.rest(), choice & 128 ? '\t' : ',');
  auto value = fuzz::accepted([&] { return medmo::io::parse_json(std::as_bytes(std::span(in.rest())), "input"); });
  if (!value) return;
  if (!value->is_array()) return value->is_object() ? check_row(format, named(std::move(*value))) : void();
  for (auto& one : *value)
    if (one.is_object()) check_row(format, named(std::move(one)));
}
}  // namespace fuzz_data_rows
