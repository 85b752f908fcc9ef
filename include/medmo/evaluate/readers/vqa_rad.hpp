// VQA-RAD: 315 radiology pictures, about 3,500 questions.
//   a JSON list of {image_name, question, answer, answer_type CLOSED|OPEN, question_type, image_organ, phrase_type};
//   phrase_type "test_..." marks the test split of the original file. Also exports {image, question, answer}.
// Source: Lau et al. 2018, osf.io/89kps.
#pragma once

#include "questions.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format vqa_rad() {
  data_format f;
  f.folders = {"vqa_rad", "vqa-rad", "vqarad"};
  f.files = {{"test.json", "test"}, {"train.json", "train"}, {"VQA_RAD Dataset Public.json"}};
  f.read = [](row const& r, std::vector<item>& out) {
    bool const original = r.value.contains("image_name");
    item i = question_item(r, original ? "image_name" : "image", {"images", "VQA_RAD Image Folder", ""}, {"qid", "id"});
    i.group = text_field(r, {"image_organ"});
    if (r.split.empty() && original) i.split = text_field(r, {"phrase_type"}).starts_with("test") ? "test" : "train";
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
