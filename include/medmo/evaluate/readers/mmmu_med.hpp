// MMMU, its five subjects of health and medicine. Published as parquet {id "validation_Clinical_Medicine_1", question, options (a
// Python list in a string), answer (a letter, or text), question_type, image_1 .. image_7, subfield}: read from its export to JSON
// lines in which image_1 is a file below the folder. As MedEvalKit does, only the first picture is shown, and questions whose
// options hold several pictures are asked without any. Source: arXiv 2311.16502.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format mmmu_med() {
  data_format f;
  f.folders = {"mmmu", "mmmu_med", "mmmu-med"};
  f.splits = {"val", "test", "dev"};
  f.read = [](row const& r, std::vector<item>& out) {
    auto const id = needed_text(r, {"id"});
    std::string subject;
    for (auto const* one : {"Basic_Medical_Science", "Clinical_Medicine", "Diagnostics_and_Laboratory_Medicine", "Pharmacy", "Public_Health"})
      if (id.find(one) != id.npos) subject = one;
    if (subject.empty()) return;  // of another discipline
    item i;
    std::size_t pictured = 0;
    if (detail::lower(text_field(r, {"question_type"})) == "open") {
      i.kind = task::closed;
      i.id = id;
      i.question = needed_text(r, {"question"});
      auto const answer = needed_text(r, {"answer"});
      i.answers = detail::python_list(answer).value_or(std::vector{answer});
    } else {
      i = choice_item(r, {.right = {"answer"}});
      for (auto const& one : i.options) pictured += one.find("<image ") != one.npos || one.find("<img=") != one.npos;
    }
    if (auto const name = text_field(r, {"image_1", "image"}); !name.empty() && pictured < 2) i.images = {picture_path(r, name)};
    i.group = subject;
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
