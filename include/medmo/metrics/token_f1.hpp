// Words in common between an answer and its reference, order aside.
// Sources: MedEvalKit's open questions (sets), SQuAD 1.1's evaluation (counts).
#pragma once

#include "numbering.hpp"
#include "overlap_score.hpp"
#include "tokenize.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

enum class token_counting {
  set,    ///< each word once, as MedEvalKit
  count,  ///< a word as often as it stands in both, as SQuAD
};

/// Precision, recall and F1 of the answer's words; all 0 if a side is empty. Thread-safe, linear.
///   token_f1(split_words("left lower lobe"), split_words("lower lobe")).f1 == 0.8
inline overlap_score token_f1(word_span answer, word_span reference, token_counting counting = token_counting::set) {
  numbering<std::string_view> known(answer.size() + reference.size());
  std::vector<std::size_t> left(reference.size() + answer.size(), 0);
  std::size_t distinct_reference = 0, distinct_answer = 0, common = 0;
  for (auto const& word : reference) {
    number const id = known(word);
    distinct_reference += left[id] == 0;
    left[id] = counting == token_counting::set ? 1 : left[id] + 1;
  }
  std::size_t const of_reference = known.size();
  std::vector<char> seen(counting == token_counting::set ? left.size() : 0, 0);
  for (auto const& word : answer) {
    number const id = known(word);
    if (counting == token_counting::set && seen[id]++ != 0) continue;
    ++distinct_answer;
    if (id < of_reference && left[id] > 0) --left[id], ++common;
  }
  bool const set = counting == token_counting::set;
  return overlap(common, set ? distinct_answer : answer.size(), set ? distinct_reference : reference.size());
}

}  // namespace medmo::inline MEDMO_ABI::metrics
