// Repetition penalty: the share of n-grams that were said before. Of words, or of token ids.
// Source: open-r1, get_repetition_penalty_reward.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "../metrics/numbering.hpp"
#include "../metrics/tokenize.hpp"

namespace medmo::inline MEDMO_ABI::rewards {

struct repetition_options {
  index ngram = 3;          ///< how many words or tokens belong together, at least 1
  double max_penalty = -1;  ///< of a text that only repeats; at most 0
};

namespace detail {
inline double repeated(std::vector<metrics::number> const& text, repetition_options const& o) {
  if (o.ngram < 1) MEDMO_THROW(errc::bad_argument, "ngram", "at least 1", std::to_string(o.ngram));
  if (!(o.max_penalty <= 0)) MEDMO_THROW(errc::bad_argument, "max_penalty", "at most 0", std::to_string(o.max_penalty));
  if (std::ssize(text) < o.ngram) return 0;
  auto grams = text;
  for (index n = 1; n < o.ngram; ++n) {
    metrics::numbering<std::uint64_t> known(grams.size());
    metrics::lengthen(grams, text, known);
  }
  std::vector<bool> seen(text.size());
  index distinct = 0;
  for (auto g : grams) distinct += seen[g] ? 0 : 1, seen[g] = true;
  return o.max_penalty * (1 - static_cast<double>(distinct) / static_cast<double>(grams.size()));
}
}  // namespace detail

/// Of a text's words, in lower case, split at white space; max_penalty..0. Linear in the text.
///   max_penalty (1 - distinct n-grams / n-grams), and 0 for fewer than n words
/// Errors: bad_argument for ngram < 1 or max_penalty > 0.
inline double repetition_penalty(std::string_view completion, repetition_options const& options = {}) {
  auto words = metrics::split_words(metrics::lowercase(completion));
  metrics::numbering<std::string_view> known(words.size());
  return detail::repeated(metrics::numbers_of<std::string_view>(words, known), options);
}

/// The same of token ids.
inline double repetition_penalty(std::span<index const> tokens, repetition_options const& options = {}) {
  metrics::numbering<std::uint64_t> known(tokens.size());
  std::vector<metrics::number> text;
  text.reserve(tokens.size());
  for (auto id : tokens) text.push_back(known(static_cast<std::uint64_t>(id)));
  return detail::repeated(text, options);
}

}  // namespace medmo::inline MEDMO_ABI::rewards
