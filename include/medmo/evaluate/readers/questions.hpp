// Rows with one picture, a question and a free answer: what VQA-RAD, SLAKE and PathVQA have in common.
#pragma once

#include <string>
#include <utility>

#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

/// yes_no where the answer is "yes" or "no", else open: MedEvalKit's way to tell them apart.
inline task task_of(std::string const& answer) {
  auto const a = detail::lower(detail::trimmed(answer));
  return a == "yes" || a == "no" ? task::yes_no : task::open;
}

/// `image` is the field with the picture's name.
inline item question_item(row const& r, char const* image, std::initializer_list<char const*> folders, std::initializer_list<char const*> id) {
  item out;
  out.id = id_of(r, id);
  out.images = {picture_path(r, needed_text(r, {image}), folders)};
  out.question = needed_text(r, {"question"});
  out.answers = {std::string(detail::trimmed(needed_text(r, {"answer"})))};
  out.kind = task_of(out.answers[0]);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
