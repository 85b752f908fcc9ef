// MedXpertQA: expert questions, ten options (Text) or five with pictures (MM).
//   JSON lines {id, question, options {A: ...}, label (a letter), images [..] of MM, medical_task, body_system, question_type};
//   MM/test.jsonl, Text/test.jsonl or medxpertqa_mm_input.jsonl; pictures below images/. Source: arXiv 2501.18362.
#pragma once

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

enum class medxpertqa_part { text, multimodal };

inline data_format medxpertqa(medxpertqa_part part) {
  data_format f;
  f.folders = {"medxpertqa"};
  std::string const name = part == medxpertqa_part::text ? "Text" : "MM";
  f.files = {{name + "/test.jsonl", "test"}, {"medxpertqa_" + detail::lower(name) + "*.jsonl", "test"}, {name + "/dev.jsonl", "val"}};
  f.read = [part](row const& r, std::vector<item>& out) {
    item i = choice_item(r, {.right = {"label"}});
    for (auto const& one : texts_field(r, {"images"})) i.images.push_back(picture_path(r, one, {"images", "MM/images", ""}));
    if (i.images.empty() != (part == medxpertqa_part::text)) return;  // of the other part
    i.group = text_field(r, {"medical_task"});
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
