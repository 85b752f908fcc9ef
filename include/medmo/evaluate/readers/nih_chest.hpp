// NIH ChestX-ray14, its 984 boxes on 880 pictures of 1024 x 1024.
//   BBox_List_2017.csv: Image Index, Finding Label, Bbox [x, y, w, h] in four columns, pixels; pictures below images/. One question
//   for each finding of a picture; its boxes together are the truth. Source: arXiv 1705.02315.
#pragma once

#include <map>
#include <memory>

#include "boxes.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format nih_chest() {
  data_format f;
  f.folders = {"nih_chest", "nih-chest-xrays", "chestxray14", "nih"};
  f.files = {{"BBox_List_2017.csv"}};
  f.columns = {"image", "finding", "x", "y", "w", "h"};
  f.read = [](row const& r, std::vector<item>& out) {
    if (r.number == 1 && text_field(r, {"image"}) == "Image Index") return;  // the line of names, whose box is one name
    item i;
    i.kind = task::grounding;
    auto const image = needed_text(r, {"image"}), finding = needed_text(r, {"finding"});
    i.id = image + " " + finding;
    i.images = {picture_path(r, image, {"images", ""})};
    auto const b = numbers_of(r, "Bbox", text_field(r, {"x"}) + "," + text_field(r, {"y"}) + "," + text_field(r, {"w"}) + "," + text_field(r, {"h"}), 4);
    if (b[2] <= 0 || b[3] <= 0) detail::bad_field(r, "Bbox", "w > 0 and h > 0", text_field(r, {"w"}) + " x " + text_field(r, {"h"}));
    i.boxes = {{finding, box<pixel>{b[0], b[1], b[0] + b[2], b[1] + b[3]}}};
    i.question = "Detect and localize: " + finding + ".";
    i.group = finding;
    out.push_back(std::move(i));
  };
  f.finish = [](std::vector<item>& items) {
    std::map<std::string, std::size_t> first;
    std::vector<item> joined;
    for (auto& i : items) {
      auto const [at, fresh] = first.emplace(i.id, joined.size());
      if (fresh) joined.push_back(std::move(i));
      else joined[at->second].boxes.push_back(i.boxes[0]);
    }
    items = std::move(joined);
  };
  f.splits = {};
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
