// Pictures with all their boxes, a line each; blood_cells, nuclei, bacteria and other sets of cells.
//   boxes.jsonl: {image, width, height, split, objects: [{label, box [x1, y1, x2, y2]}]}, or {.., label, boxes [[x1, y1, x2, y2], ..]};
//   pixels, edges. kind or group tell results apart. A picture without boxes has none to find.
#pragma once

#include "boxes.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

/// `question` asks for everything of every picture.
inline data_format box_list(std::vector<std::string> folders, std::string question) {
  data_format f;
  f.folders = std::move(folders);
  f.files = {{"boxes.jsonl"}};
  f.read = [question = std::move(question)](row const& r, std::vector<item>& out) {
    item i;
    i.kind = task::grounding;
    auto const image = needed_text(r, {"image"});
    i.id = image;
    i.images = {picture_path(r, image)};
    i.question = question;
    auto add = [&](std::string label, io::json const& value) { i.boxes.push_back({std::move(label), corner_box(r, "box", value)}); };
    auto const [objects, objects_name] = find_field(r, {"objects"});
    auto const [boxes, boxes_name] = find_field(r, {"boxes"});
    if (objects && objects->is_array()) {
      for (auto const& one : *objects) {
        if (!one.is_object() || !one.contains("box") || !one.contains("label") || !one["label"].is_string())
          detail::bad_field(r, "objects", "objects {label, box}", io::excerpt(one));
        add(one["label"].get<std::string>(), one["box"]);
      }
    } else if (boxes && boxes->is_array()) {
      auto const label = needed_text(r, {"label"});
      for (auto const& one : *boxes) add(label, one);
    } else {
      detail::bad_field(r, "objects", "a list of objects or boxes", "none");
    }
    i.split = text_field(r, {"split"});
    i.group = text_field(r, {"kind"});
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
