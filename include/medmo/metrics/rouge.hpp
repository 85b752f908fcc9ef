// ROUGE-1, -2 and -L in the two definitions that papers use without saying which: Google's rouge-score (n-grams counted, L of
// the whole text, optional stemmer) and PyPI's rouge 1.0.1 as MedEvalKit calls it (sets of n-grams, L by sentences).
// The same pair of texts differs by several points between them. Source: Lin, "ROUGE", 2004, and the two packages' behaviour.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common_subsequence.hpp"
#include "numbering.hpp"
#include "overlap_score.hpp"
#include "tokenize.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

struct rouge_scores {
  overlap_score rouge_1, rouge_2, rouge_l;
};

namespace rouge_detail {
enum class repeats { count, once };

inline overlap_score of_grams(std::span<number const> answer, std::span<number const> reference, std::size_t distinct,
                              repeats repeat, double damping) {
  std::vector<number> left(distinct, 0);
  std::size_t common = 0, of_answer = 0, of_reference = 0;
  bool const once = repeat == repeats::once;
  for (number g : reference) {
    if (once && left[g] > 0) continue;
    ++left[g], ++of_reference;
  }
  if (!once) {
    for (number g : answer)
      if (left[g] > 0) --left[g], ++common;
    return overlap(common, answer.size(), of_reference, damping);
  }
  constexpr number counted = no_number;
  for (number g : answer) {
    if (left[g] == counted) continue;
    common += left[g], ++of_answer;
    left[g] = counted;
  }
  return overlap(common, of_answer, of_reference, damping);
}

/// ROUGE-1 and -2 of numbered words.
inline void count_grams(rouge_scores& out, std::vector<number> const& answer, std::vector<number> const& reference,
                        std::size_t distinct, repeats repeat, double damping) {
  out.rouge_1 = of_grams(answer, reference, distinct, repeat, damping);
  numbering<std::uint64_t> pairs(answer.size() + reference.size());
  auto answer_pairs = answer, reference_pairs = reference;
  lengthen(answer_pairs, answer, pairs);
  lengthen(reference_pairs, reference, pairs);
  out.rouge_2 = of_grams(answer_pairs, reference_pairs, pairs.size(), repeat, damping);
}
}  // namespace rouge_detail

/// rouge-score 0.1.2's rouge1, rouge2, rougeL of two texts (its tokenizer; case and punctuation play no part):
///   P = common / answer, R = common / reference, F = 2PR/(P+R); common n-grams by count, L by longest common subsequence
/// 0 where a side has no words. Errors: too_large beyond max_subsequence_cells pairs of words.
inline rouge_scores rouge(std::string_view answer, std::string_view reference, stemming stem = stemming::none) {
  words const answer_words = tokenize_rouge(answer, stem), reference_words = tokenize_rouge(reference, stem);
  numbering<std::string_view> known(answer_words.size() + reference_words.size());
  auto const a = numbers_of(word_span(answer_words), known), r = numbers_of(word_span(reference_words), known);
  rouge_scores out;
  rouge_detail::count_grams(out, a, r, known.size(), rouge_detail::repeats::count, 0);
  out.rouge_l = overlap(common_subsequence_length(r, a), a.size(), r.size());
  return out;
}

/// PyPI rouge 1.0.1's rouge-1, rouge-2, rouge-l of two texts ("exclusive", its default and MedEvalKit's):
///   sentences are what stands between full stops, words what stands between spaces (case and commas count); n-grams run
///   across sentences; everything is a set; F = 2PR/(P+R+1e-8)
///   L: the union, over all pairs of sentences, of the words of a longest common subsequence, against the distinct words
/// A text without a sentence ("" or only full stops), for which the package raises, scores 0.
/// Errors: too_large beyond max_subsequence_table pairs of words in two sentences.
inline rouge_scores rouge_sets(std::string_view answer, std::string_view reference) {
  std::vector<words> sentences[2];
  std::size_t total = 0;
  for (std::size_t side = 0; side < 2; ++side)
    for (auto const& sentence : split_at(side ? reference : answer, '.')) {
      if (sentence.empty()) continue;
      auto found = split_words(sentence);
      if (found.empty()) found.emplace_back();  // spaces alone: the package has one empty word
      total += found.size();
      sentences[side].push_back(std::move(found));
    }
  if (sentences[0].empty() || sentences[1].empty()) return {};

  numbering<std::string_view> known(total);
  std::vector<std::vector<number>> numbered[2];
  std::vector<number> all[2];
  for (std::size_t side = 0; side < 2; ++side)
    for (auto const& sentence : sentences[side]) {
      numbered[side].push_back(numbers_of(word_span(sentence), known));
      all[side].insert(all[side].end(), numbered[side].back().begin(), numbered[side].back().end());
    }
  rouge_scores out;
  rouge_detail::count_grams(out, all[0], all[1], known.size(), rouge_detail::repeats::once, 1e-8);

  std::vector<char> in_union(known.size(), 0), seen(known.size(), 0);
  for (auto const& r : numbered[1])
    for (auto const& a : numbered[0])
      for (std::size_t place : common_subsequence(r, a, subsequence_tie::step_in_b)) in_union[r[place]] = 1;
  std::size_t common = 0, distinct[2] = {0, 0};
  for (std::size_t side = 0; side < 2; ++side)
    for (number id : all[side])
      if (seen[id] != static_cast<char>(side + 1)) seen[id] = static_cast<char>(side + 1), ++distinct[side];
  for (char c : in_union) common += static_cast<std::size_t>(c);
  out.rouge_l = overlap(common, distinct[0], distinct[1], 1e-8);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
