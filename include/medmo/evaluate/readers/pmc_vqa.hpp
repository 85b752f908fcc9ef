// PMC-VQA: figures of papers with four options.
//   test_2.csv: index, Figure_path, Caption, Question, Choice A .. Choice D, Answer (a letter), split; test_clean.csv and test.csv also
//   Answer_label. The choices carry their letter, " A:text", and are shown as they stand. Source: arXiv 2305.10415.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format pmc_vqa() {
  data_format f;
  f.folders = {"pmc_vqa", "pmc-vqa"};
  f.files = {{"test_2.csv", "test"}, {"test_clean.csv", "test"}, {"test.csv", "test"}, {"train_2.csv", "train"}, {"train.csv", "train"}};
  f.read = [](row const& r, std::vector<item>& out) {
    item i = choice_item(r, {.right = {"Answer_label", "Answer"}, .id = {"index"}});
    i.images = {picture_path(r, needed_text(r, {"Figure_path"}), {"figures", "images", "images_2", ""})};
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
