// Medbullets: USMLE step 2 and 3 questions, with four (op4) or five (op5) options.
//   medbullets_op4.csv, medbullets_op5.csv: question, opa .. opd (ope), answer_idx (a letter), answer; exports also options {A: ...}.
// Source: arXiv 2402.18060, HanjieChen/ChallengeClinicalQA.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

enum class medbullets_part { op4, op5 };

inline data_format medbullets(medbullets_part part) {
  data_format f;
  std::string const name = part == medbullets_part::op4 ? "op4" : "op5";
  f.folders = {"medbullets", "medbullets_" + name};
  for (auto const* ending : {"csv", "jsonl", "json"}) {
    f.files.push_back({"medbullets_" + name + "." + ending, "test"});
    f.files.push_back({name + "_test." + ending, "test"});
  }
  f.read = [](row const& r, std::vector<item>& out) {
    out.push_back(choice_item(r, {.right = {"answer_idx", "answer"}, .id = {"id", "idx"}}));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
