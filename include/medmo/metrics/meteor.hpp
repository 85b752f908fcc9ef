// METEOR's exact and stem stages, as nltk aligns and scores them. The third stage, WordNet synonyms, needs a lexicon and is not
// here: nltk's value with an empty WordNet is this one; with WordNet it is the same or higher.
// Sources: Lavie and Agarwal, WMT 2007; nltk 3.10.4, translate/meteor_score.py (behaviour).
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "numbering.hpp"
#include "porter_stemmer.hpp"
#include "tokenize.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

enum class meteor_stages { exact, exact_and_stem };

struct meteor_options {
  meteor_stages stages = meteor_stages::exact_and_stem;
  double alpha = 0.9;  ///< weight of recall against precision in the mean
  double beta = 3.0;   ///< exponent of the fragmentation
  double gamma = 0.5;  ///< largest share that fragmentation takes away
};

namespace meteor_detail {
/// partner[i]: the place in the reference of the answer's word i, or no_number. From the end, each free word of the answer
/// takes the last free word of the reference that is equal.
inline void align(std::span<number const> answer, std::span<number const> reference, std::size_t distinct,
                  std::vector<number>& partner, std::vector<char>& taken) {
  std::vector<number> last(distinct, no_number), before(reference.size(), no_number);
  for (std::size_t j = 0; j < reference.size(); ++j)
    if (!taken[j]) before[j] = std::exchange(last[reference[j]], static_cast<number>(j));
  for (std::size_t i = answer.size(); i-- > 0;) {
    if (partner[i] != no_number || last[answer[i]] == no_number) continue;
    number const j = last[answer[i]];
    partner[i] = j;
    taken[j] = 1;
    last[answer[i]] = before[j];
  }
}
}  // namespace meteor_detail

/// METEOR of one answer against one reference, given as words; case plays no part.
///   P = m/|answer|, R = m/|reference|, F = PR / (alpha P + (1-alpha) R), value = F (1 - gamma (chunks/m)^beta)
/// m words aligned; a chunk is a run adjacent and in the same order on both sides. 0 if nothing is aligned. Linear.
inline double meteor(word_span answer, word_span reference, meteor_options const& o = {}) {
  auto lower = [](word_span in) {
    words out(in.size());
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = lowercase(in[i]);
    return out;
  };
  words const answer_words = lower(answer), reference_words = lower(reference);
  numbering<std::string_view> known(answer.size() + reference.size());
  auto a = numbers_of(word_span(answer_words), known), r = numbers_of(word_span(reference_words), known);
  std::vector<number> partner(a.size(), no_number);
  std::vector<char> taken(r.size(), 0);
  meteor_detail::align(a, r, known.size(), partner, taken);

  if (o.stages == meteor_stages::exact_and_stem) {
    std::vector<number> stem_of(known.size(), no_number);
    numbering<std::string> stems(known.size());
    auto to_stems = [&](std::vector<number>& ids, words const& texts, auto&& free) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!free(i)) continue;
        number& stem = stem_of[ids[i]];
        if (stem == no_number) stem = stems(porter_stem(texts[i]));
        ids[i] = stem;
      }
    };
    to_stems(a, answer_words, [&](std::size_t i) { return partner[i] == no_number; });
    to_stems(r, reference_words, [&](std::size_t j) { return !taken[j]; });
    meteor_detail::align(a, r, stems.size(), partner, taken);
  }

  double matched = 0, chunks = 0;
  std::size_t previous = a.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (partner[i] == no_number) continue;
    ++matched;
    chunks += !(previous + 1 == i && partner[previous] + 1 == partner[i]);
    previous = i;
  }
  if (matched == 0) return 0;
  double const precision = matched / static_cast<double>(a.size()), recall = matched / static_cast<double>(r.size());
  double const mean = precision * recall / (o.alpha * precision + (1 - o.alpha) * recall);
  return (1 - o.gamma * std::pow(chunks / matched, o.beta)) * mean;
}

/// The best value over several references; 0 without one.
inline double meteor(word_span answer, std::span<words const> references, meteor_options const& o = {}) {
  double best = 0;
  for (auto const& reference : references) best = std::max(best, meteor(answer, word_span(reference), o));
  return best;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
