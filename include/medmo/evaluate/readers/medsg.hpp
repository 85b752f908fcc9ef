// MedSG-Bench: one box in a sequence of pictures.
//   lists of {task, images [..], question, answer [x1, y1, x2, y2], size [w, h] of multi_view}: pixels of pictures of 336 x 336 unless
//   size says otherwise; all pictures of an item are of that size, so which of them is meant does not change the score. Three of its
//   eight tasks are those of the paper's table. Source: arXiv 2505.11852 and its evaluation script.
#pragma once

#include "boxes.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

/// Questions of one task: "multi_view", "object_tracking", "referring"; empty: all.
inline data_format medsg(std::string only) {
  data_format f;
  f.folders = {"medsg", "medsg-bench", "medsg_bench"};
  f.files = {{"*.json"}, {"*.jsonl"}};
  f.splits = {};
  f.read = [only = std::move(only)](row const& r, std::vector<item>& out) {
    auto const name = needed_text(r, {"task"});
    if (!only.empty() && detail::lower(name) != only) return;
    item i;
    i.kind = task::grounding;
    i.id = id_of(r, {"id"});
    for (auto const& one : texts_field(r, {"images"})) i.images.push_back(picture_path(r, one));
    if (i.images.empty()) detail::bad_field(r, "images", "pictures", "none");
    i.question = needed_text(r, {"question"});
    auto const [answer, field] = find_field(r, {"answer"});
    if (!answer) detail::bad_field(r, "answer", "a box", "no such field");
    auto const b = corner_box(r, field, *answer);
    double width = 336, height = 336;
    if (auto const [size, size_name] = find_field(r, {"size"}); size) {
      auto const wh = numbers_of(r, size_name, *size, 2);
      width = wh[0], height = wh[1];
      if (width <= 0 || height <= 0) detail::bad_field(r, size_name, "a width and a height", io::excerpt(*size));
    }
    i.boxes = {{"", box<norm1000>{b.x1 / width * 1000, b.y1 / height * 1000, b.x2 / width * 1000, b.y2 / height * 1000},
                static_cast<index>(i.images.size()) - 1}};
    i.group = name;
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
