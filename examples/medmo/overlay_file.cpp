// medmo ask --overlay, --truth.
#include "overlay_file.hpp"

#include <algorithm>
#include <cmath>

#include "option_heading.hpp"
#include "medmo/core/error.hpp"
#include "medmo/io/json.hpp"
#include "medmo/vision/png.hpp"
#include "medmo/vision/sheet.hpp"

namespace command {
namespace {

using medmo::index;

medmo::detection detection_of(medmo::io::json_fields const& entry, std::span<medmo::image const> pictures) {
  medmo::detection d;
  d.label = entry.text("label").value_or("");
  auto const count = static_cast<index>(pictures.size());
  d.image = entry.integer("image").value_or(count - 1);
  if (d.image < 0 || d.image >= count)
    MEDMO_THROW(medmo::errc::bad_json, entry.where("image"), "a picture of 0 .. " + std::to_string(count - 1), std::to_string(d.image));
  auto const& picture = pictures[static_cast<std::size_t>(d.image)];
  char const* unit = entry.has("box_px") ? "box_px" : "box_norm1000";
  auto const v = entry.numbers(unit);
  if (!v || v->size() != 4 || !std::all_of(v->begin(), v->end(), [](double x) { return std::isfinite(x); }))
    MEDMO_THROW(medmo::errc::bad_json, entry.where(unit), "box_px or box_norm1000, [x1, y1, x2, y2]",
                v ? std::to_string(v->size()) + " numbers" : "none");
  if (entry.has("box_px")) d.box_px = {(*v)[0], (*v)[1], (*v)[2], (*v)[3]};
  else d.box_px = medmo::to_pixel(medmo::box<medmo::norm1000>{(*v)[0], (*v)[1], (*v)[2], (*v)[3]}, picture.width, picture.height);
  return d;
}

}  // namespace

void add_overlay_options(CLI::App& app, overlay_arguments& args) {
  option_heading const heading(app, "Overlay");
  auto* overlay = app.add_option("--overlay", args.file, "Write the picture with its boxes as PNG; several pictures as a numbered sheet")->type_name("FILE");
  auto* truth = app.add_option("--truth", args.truth,
                               "Boxes to show on the left of the overlay: a JSON list of {\"label\", \"box_px\" or \"box_norm1000\"}, or a former --json")
                    ->type_name("FILE")->needs(overlay);
  app.add_flag("--truth-together", args.together, "Truth and prediction in one picture: dashed green and solid orange")->needs(truth);
}

std::optional<std::vector<medmo::detection>> read_truth(overlay_arguments const& args, std::span<medmo::image const> pictures) {
  if (!args.file.empty() && pictures.empty()) MEDMO_THROW(medmo::errc::bad_argument, "--overlay", "a picture to draw on (--image)", "none");
  if (args.truth.empty()) return std::nullopt;
  auto const document = medmo::io::read_json(args.truth);
  auto const* list = &document;
  if (document.is_object() && document.contains("detections")) list = &document["detections"];
  if (!list->is_array())
    MEDMO_THROW(medmo::errc::bad_json, args.truth, "a list of boxes, or an object with \"detections\"", medmo::io::excerpt(document));
  std::vector<medmo::detection> out;
  for (auto const& entry : *list)
    out.push_back(detection_of({entry, args.truth + ": box " + std::to_string(out.size())}, pictures));
  return out;
}

void write_overlay(overlay_arguments const& args, std::span<medmo::image const> pictures, std::span<medmo::detection const> found,
                   std::optional<std::vector<medmo::detection>> const& truth) {
  if (args.file.empty()) return;
  using medmo::vision::truth_layout;
  if (pictures.size() == 1 && !truth) return medmo::vision::write_png(args.file, medmo::vision::overlay(pictures[0], found));
  medmo::vision::sheet_options options{.layout = args.together ? truth_layout::together : truth_layout::beside};
  if (truth) options.truth = *truth;
  medmo::vision::write_png(args.file, medmo::vision::sheet(pictures, found, options));
}

}  // namespace command
