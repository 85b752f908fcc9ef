// PathVQA: 4,998 pathology pictures, 32,795 questions. Published as parquet {image, question, answer}: read from its export to
// JSON lines or CSV in which `image` is a file below the folder. Source: arXiv 2003.10286, flaviagiammarino/path-vqa.
#pragma once

#include "questions.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format path_vqa() {
  data_format f;
  f.folders = {"path_vqa", "path-vqa", "pathvqa"};
  f.read = [](row const& r, std::vector<item>& out) { out.push_back(question_item(r, "image", {"images", ""}, {"id", "qid"})); };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
