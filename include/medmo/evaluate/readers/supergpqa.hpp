// SuperGPQA, its discipline Medicine; up to ten options.
//   JSON lines {uuid, question, options [..], answer (its text), answer_letter, discipline, field, subfield, difficulty}.
// Source: arXiv 2502.14739, m-a-p/SuperGPQA.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format supergpqa() {
  data_format f;
  f.folders = {"supergpqa"};
  f.files = {{"SuperGPQA-all.jsonl"}, {"SuperGPQA*.jsonl"}};
  f.read = [](row const& r, std::vector<item>& out) {
    if (needed_text(r, {"discipline"}) != "Medicine") return;
    item i = choice_item(r, {.right = {"answer_letter"}, .id = {"uuid"}});
    i.group = text_field(r, {"field"});
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
