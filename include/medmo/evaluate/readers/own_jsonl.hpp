// medmo's own form, for data of one's own; JSON lines:
//   {"id", "image" or "images", "question", "context", "options" [..], "answer" or "answers", "boxes" [{"label", "box" [x1, y1, x2, y2],
//   "image" 0..}], "unit" "pixel"|"norm1000", "kind", "language", "split", "group"}
// `kind` is a name of `task`; without one: grounding where there are boxes, choice where there are options, else yes_no or open by
// the answer. Boxes need their unit. Pictures are paths below the file's folder.
#pragma once

#include "../choice_row.hpp"
#include "boxes.hpp"
#include "questions.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline task own_kind(row const& r, item const& i) {
  auto const name = text_field(r, {"kind"});
  for (auto t : {task::choice, task::yes_no, task::closed, task::open, task::report, task::grounding})
    if (name == name_of(t)) return t;
  if (!name.empty()) detail::bad_field(r, "kind", "choice, yes_no, closed, open, report or grounding", name);
  if (r.value.contains("boxes")) return task::grounding;
  if (r.value.contains("options")) return task::choice;
  return i.answers.empty() ? task::open : task_of(i.answers[0]);
}

inline void read_own_boxes(row const& r, item& i) {
  auto const [boxes, name] = find_field(r, {"boxes"});
  if (!boxes || !boxes->is_array()) detail::bad_field(r, "boxes", "a list", boxes ? io::excerpt(*boxes) : "no such field");
  auto const unit = text_field(r, {"unit"});
  if (unit != "pixel" && unit != "norm1000" && !boxes->empty())
    detail::bad_field(r, "unit", "pixel or norm1000", unit.empty() ? "none" : unit);
  for (auto const& one : *boxes) {
    if (!one.is_object() || !one.contains("box")) detail::bad_field(r, "boxes", "objects {label, box}", io::excerpt(one));
    row const place{r.where, r.folder, r.file, r.split, r.number, one};
    auto const b = corner_box(place, "box", one["box"]);
    truth_box truth{text_field(place, {"label"}), b};
    if (unit == "norm1000") truth.where = box<norm1000>{b.x1, b.y1, b.x2, b.y2};
    if (auto const [n, field] = find_field(place, {"image"}); n) {
      if (!n->is_number_integer() || n->get<index>() < 0 || n->get<index>() >= static_cast<index>(i.images.size()))
        detail::bad_field(r, field, "a picture of the row, from 0", io::excerpt(*n));
      truth.image = n->get<index>();
    } else {
      truth.image = static_cast<index>(i.images.size()) - 1;
    }
    i.boxes.push_back(std::move(truth));
  }
}
inline data_format own_jsonl() {
  data_format f;
  f.files = {{"*.jsonl"}};
  f.read = [](row const& r, std::vector<item>& out) {
    item i;
    for (auto const& one : texts_field(r, {"images", "image"})) i.images.push_back(picture_path(r, one));
    i.answers = texts_field(r, {"answers", "answer"});
    i.kind = own_kind(r, i);
    if (i.kind == task::choice) {
      auto pictures = std::move(i.images);
      i = choice_item(r, {.right = {"answer"}});
      i.images = std::move(pictures);
    } else {
      i.id = id_of(r, {"id"});
      i.question = i.kind == task::report ? text_field(r, {"question"}) : needed_text(r, {"question"});
      if (i.kind == task::grounding) {
        if (i.images.empty()) detail::bad_field(r, "image", "a picture", "none");
        read_own_boxes(r, i);
      } else if (i.answers.empty()) {
        detail::bad_field(r, "answer", "an answer", "no such field");
      }
    }
    i.context = text_field(r, {"context"});
    if (auto language = text_field(r, {"language"}); !language.empty()) i.language = language;
    i.split = text_field(r, {"split"});
    i.group = text_field(r, {"group"});
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
