// OmniMedVQA, its open-access part: 42 sets of pictures, two to four options.
//   QA_information/Open-access/NAME.json: lists of {dataset, question_id, question_type, question, gt_answer (an option's text),
//   image_path, option_A .. option_D, modality_type}. Source: arXiv 2402.09181.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format omnimedvqa() {
  data_format f;
  f.folders = {"omnimedvqa"};
  f.files = {{"QA_information/Open-access/*.json"}};
  f.read = [](row const& r, std::vector<item>& out) {
    item i = choice_item(r, {.right = {"gt_answer"}, .id = {"question_id"}});
    i.images = {picture_path(r, needed_text(r, {"image_path"}), {""})};
    i.group = text_field(r, {"modality_type", "modality"});
    out.push_back(std::move(i));
  };
  f.splits = {};
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
