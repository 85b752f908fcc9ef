// One question of a benchmark with what is needed to ask it and to judge the answer, and the set of them that a reader
// yields. Every format ends here; nothing behind this header knows where an item came from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "../core/box.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

/// What kind of answer is asked for; it chooses the prompt's last line and the rule that judges.
enum class task {
  choice,     ///< one of `options`
  yes_no,
  closed,     ///< a word or phrase that must be met
  open,       ///< free text, compared by overlap
  report,     ///< findings and impression
  grounding,  ///< boxes
};

constexpr std::string_view name_of(task t) {
  constexpr std::string_view names[] = {"choice", "yes_no", "closed", "open", "report", "grounding"};
  return names[static_cast<std::size_t>(t)];
}

/// A box of the truth, in the unit its data set states: never guessed from the size of the numbers.
struct truth_box {
  std::string label;
  std::variant<box<pixel>, box<norm1000>> where;
  index image = 0;  ///< of the item's pictures, from 0
};

inline box<pixel> in_pixels(truth_box const& b, index width, index height) {
  if (auto const* px = std::get_if<box<pixel>>(&b.where)) return *px;
  return to_pixel(std::get<box<norm1000>>(b.where), width, height);
}

struct item {
  std::string id;  ///< of the data set, or "FILE:LINE"
  task kind = task::open;
  std::vector<std::string> images;  ///< paths below data_set::folder
  std::string question;
  std::string context;                 ///< before the question; PubMedQA's abstracts
  std::vector<std::string> options;    ///< A, B, C ... of a choice
  std::optional<index> right;          ///< which of them is right
  std::vector<std::string> answers;    ///< any of them is right; of a report: the reference
  std::vector<truth_box> boxes;        ///< of a grounding task; may be none
  std::string language = "en";         ///< "zh" asks in Chinese
  std::string split, group;            ///< group: what results are also told apart by, e.g. the organ
};

/// The right answer as it would be given: a choice's letter, else the first accepted text; empty of boxes.
inline std::string right_answer(item const& i) {
  if (i.kind == task::choice) return std::string(1, static_cast<char>('A' + i.right.value_or(0)));
  return i.answers.empty() ? std::string() : i.answers[0];
}

/// What a reader made of a data set. Rows it could not use are counted and named, never dropped in silence.
struct data_set {
  std::string folder;  ///< that the files and pictures are below
  std::string split;
  std::vector<std::string> files;  ///< read, in order, below `folder`
  std::vector<item> items;
  std::vector<std::string> malformed;  ///< a sentence each, with file and line
};

}  // namespace medmo::inline MEDMO_ABI::evaluate
