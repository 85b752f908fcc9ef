// BLEU in the two forms people publish: nltk's (what MedEvalKit reports) and sacrebleu's. Both come from the same counts,
// which add up over a corpus; they differ in smoothing, in orders that a short sentence lacks, and in the tokenizer
// (tokenize.hpp): sacrebleu's value needs tokenize_13a. Values are 0..1; sacrebleu prints 100 times that.
// Sources: Papineni et al., ACL 2002; Chen and Cherry, WMT 2014 (smoothing); nltk 3.10.4; sacrebleu 2.6.0.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "../core/error.hpp"
#include "numbering.hpp"
#include "tokenize.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

inline constexpr int bleu_orders = 4;

/// All that BLEU needs of one answer or, added up, of a corpus; entry n-1 is of n-grams.
struct bleu_counts {
  std::array<std::int64_t, bleu_orders>
      matched{};  ///< n-grams of the answer found in a reference, each as often as there
  std::array<std::int64_t, bleu_orders> total{};    ///< n-grams of the answer
  std::array<std::int64_t, bleu_orders> without{};  ///< answers too short for an n-gram
  std::int64_t length = 0;                          ///< words of the answer
  std::int64_t reference_length = 0;  ///< of the reference nearest in length; of two equally near, the shorter

  bleu_counts& operator+=(bleu_counts const& o) {
    for (std::size_t n = 0; n < bleu_orders; ++n)
      matched[n] += o.matched[n], total[n] += o.total[n], without[n] += o.without[n];
    length += o.length;
    reference_length += o.reference_length;
    return *this;
  }
};

namespace bleu_detail {
/// sum over n-grams of min(count in the answer, largest count in one reference); numbers are below `distinct`.
inline std::int64_t clipped_matches(std::span<number const> answer, std::span<std::vector<number> const> references,
                                    std::size_t distinct) {
  std::vector<std::uint32_t> most(distinct, 0), here(references.size() > 1 ? distinct : 0, 0);
  for (auto const& reference : references) {
    if (references.size() == 1) {
      for (number g : reference) ++most[g];
      continue;
    }
    for (number g : reference) most[g] = std::max(most[g], ++here[g]);
    for (number g : reference) here[g] = 0;
  }
  std::int64_t matches = 0;
  for (number g : answer)
    if (most[g] > 0) --most[g], ++matches;
  return matches;
}
}  // namespace bleu_detail

/// Counts of one answer against its references. Linear in the number of words. Errors: bad_argument without a reference.
inline bleu_counts count_bleu(word_span answer, std::span<words const> references) {
  if (references.empty()) MEDMO_THROW(errc::bad_argument, "BLEU", "at least one reference", "none");
  bleu_counts out;
  out.length = static_cast<std::int64_t>(answer.size());
  auto closer = [&](std::int64_t a, std::int64_t b) {
    std::int64_t const da = std::abs(a - out.length), db = std::abs(b - out.length);
    return da < db || (da == db && a < b);
  };
  std::size_t all = answer.size();
  out.reference_length = static_cast<std::int64_t>(references[0].size());
  for (auto const& reference : references) {
    all += reference.size();
    if (closer(static_cast<std::int64_t>(reference.size()), out.reference_length))
      out.reference_length = static_cast<std::int64_t>(reference.size());
  }

  numbering<std::string_view> known(all);
  std::vector<number> const answer_words = numbers_of(answer, known);
  std::vector<std::vector<number>> reference_words;
  reference_words.reserve(references.size());
  for (auto const& reference : references) reference_words.push_back(numbers_of(word_span(reference), known));

  std::vector<number> grams = answer_words;
  std::vector<std::vector<number>> reference_grams = reference_words;
  std::size_t distinct = known.size();
  for (std::size_t n = 0; n < bleu_orders; ++n) {
    if (n > 0) {
      numbering<std::uint64_t> longer(all);
      lengthen(grams, answer_words, longer);
      for (std::size_t r = 0; r < references.size(); ++r) lengthen(reference_grams[r], reference_words[r], longer);
      distinct = longer.size();
    }
    out.total[n] = static_cast<std::int64_t>(grams.size());
    out.without[n] = grams.empty();
    out.matched[n] = bleu_detail::clipped_matches(grams, reference_grams, distinct);
  }
  return out;
}
inline bleu_counts count_bleu(word_span answer, words const& reference) {
  return count_bleu(answer, std::span<words const>(&reference, 1));
}

enum class bleu_smoothing {
  none,     ///< a precision of 0 makes the value 0
  epsilon,  ///< 0 matches count as 0.1: nltk's method 1, sacrebleu's "floor"
  add_one,  ///< one more match and one more n-gram, from bigrams on: nltk's method 2, sacrebleu's "add-k" with k = 1
  exponential,  ///< the k-th order without a match has 1/2^k matches: nltk's method 3, sacrebleu's default "exp"
  by_length,    ///< as exponential, times ln(length)/5: nltk's method 4; sacrebleu has none, see there
};

namespace bleu_detail {
inline double brevity_penalty(bleu_counts const& c) {
  if (c.length == 0) return 0;
  return c.length >= c.reference_length
             ? 1
             : std::exp(1 - static_cast<double>(c.reference_length) / static_cast<double>(c.length));
}
inline void check_order(int order) {
  if (order < 1 || order > bleu_orders) MEDMO_THROW(errc::bad_argument, "BLEU: order", "1 to 4", std::to_string(order));
}
}  // namespace bleu_detail

/// BLEU-`order` as nltk's sentence_bleu and corpus_bleu with uniform weights:
///   BP * exp(mean_n log p_n),  p_n = matched_n / max(1, total_n) added up over sentences,  BP = exp(1 - r/c) if c < r
/// 0 without a common word. Unsmoothed, nltk leaves about 1e-77 where an order has no match; here it is 0.
/// Errors: bad_argument for an order outside 1..4. Source: nltk 3.10.4, translate/bleu_score.py.
inline double bleu_nltk(bleu_counts const& c, int order = 4, bleu_smoothing smoothing = bleu_smoothing::none) {
  bleu_detail::check_order(order);
  if (c.matched[0] == 0) return 0;
  double sum = 0, halving = 1;
  for (std::size_t n = 0; n < static_cast<std::size_t>(order); ++n) {
    double matched = static_cast<double>(c.matched[n]), total = static_cast<double>(c.total[n] + c.without[n]);
    if (smoothing == bleu_smoothing::add_one && n > 0) ++matched, ++total;
    if (matched == 0) {
      halving *= 2;
      if (smoothing == bleu_smoothing::epsilon) matched = 0.1;
      if (smoothing == bleu_smoothing::exponential) matched = 1 / halving;
      if (smoothing == bleu_smoothing::by_length && c.length > 1)
        matched = std::log(static_cast<double>(c.length)) / (5 * halving);
    }
    // nltk leaves out an order of precision 0 that a one-word answer leaves unsmoothed by its method 4.
    if (matched == 0 && smoothing == bleu_smoothing::by_length) continue;
    if (matched == 0) return 0;
    sum += std::log(matched / total);
  }
  return bleu_detail::brevity_penalty(c) * std::exp(sum / order);
}

/// BLEU-1 to BLEU-4 of one set of counts, as nltk.
inline std::array<double, bleu_orders> bleu_nltk_all(bleu_counts const& c,
                                                     bleu_smoothing smoothing = bleu_smoothing::none) {
  return {bleu_nltk(c, 1, smoothing), bleu_nltk(c, 2, smoothing), bleu_nltk(c, 3, smoothing),
          bleu_nltk(c, 4, smoothing)};
}

enum class bleu_length_order {
  fixed,      ///< always `order`: sacrebleu's corpus_score
  effective,  ///< only the orders for which the answer is long enough: sacrebleu's sentence_bleu
};

/// BLEU as sacrebleu's, 0..1. An order without n-grams ends the product. Errors: bad_argument for an order outside 1..4, and
/// for smoothing by_length, which sacrebleu does not have. Source: sacrebleu 2.6.0, metrics/bleu.py.
inline double bleu_sacre(bleu_counts const& c, bleu_smoothing smoothing = bleu_smoothing::exponential,
                         bleu_length_order lengths = bleu_length_order::fixed, int order = 4) {
  bleu_detail::check_order(order);
  if (smoothing == bleu_smoothing::by_length)
    MEDMO_THROW(errc::bad_argument, "BLEU: smoothing", "one of sacrebleu's", "by_length");
  if (std::all_of(c.matched.begin(), c.matched.begin() + order, [](auto m) { return m == 0; })) return 0;
  double sum = 0, halving = 1;
  int orders = lengths == bleu_length_order::fixed ? order : 0;
  for (std::size_t n = 0; n < static_cast<std::size_t>(order); ++n) {
    double matched = static_cast<double>(c.matched[n]), total = static_cast<double>(c.total[n]);
    if (smoothing == bleu_smoothing::add_one && n > 0) ++matched, ++total;
    if (total == 0) {
      if (lengths == bleu_length_order::fixed) return 0;
      break;
    }
    if (lengths == bleu_length_order::effective) orders = static_cast<int>(n) + 1;
    if (matched == 0) {
      halving *= 2;
      if (smoothing == bleu_smoothing::epsilon) matched = 0.1;
      if (smoothing == bleu_smoothing::exponential) matched = 1 / halving;
    }
    if (matched == 0) return 0;
    sum += std::log(matched / total);
  }
  return bleu_detail::brevity_penalty(c) * std::exp(sum / orders);
}

}  // namespace medmo::inline MEDMO_ABI::metrics
