// SLAKE: 642 radiology pictures, about 14,000 questions in English and Chinese.
//   test.json, validate.json, train.json: lists of {qid, img_name "xmlab102/source.jpg", question, answer, q_lang en|zh, answer_type
//   OPEN|CLOSED, modality, location, ...}; pictures below imgs/. Source: arXiv 2102.09542.
#pragma once

#include "questions.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format slake() {
  data_format f;
  f.folders = {"slake", "slake1.0"};
  f.files = {{"test.json", "test"}, {"validate.json", "val"}, {"train.json", "train"}};
  f.read = [](row const& r, std::vector<item>& out) {
    item i = question_item(r, "img_name", {"imgs", "images", ""}, {"qid"});
    auto const kind = needed_text(r, {"answer_type"});
    if (kind != "OPEN" && kind != "CLOSED") detail::bad_field(r, "answer_type", "OPEN or CLOSED", kind);
    i.kind = kind == "OPEN" ? task::open : task::closed;  // yes and no are asked for as any other word
    if (auto language = text_field(r, {"q_lang"}); !language.empty()) i.language = language;
    i.group = i.language;
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
