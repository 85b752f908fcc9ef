// How alike two strings are, as Python's difflib says: the matcher by which MedEvalKit picks an option when nothing else does.
// With its "autojunk": in a second string of 200 characters or more, characters that make up over 1 % begin no match.
// Source: Ratcliff and Metzener, 1988, as CPython 3.11's difflib.SequenceMatcher(None, a, b).ratio() behaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "characters.hpp"
#include "numbering.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

namespace similarity_detail {
struct block {
  std::size_t a_begin, a_end, b_begin, b_end;
};

/// One side's characters as numbers; `places[c]`: where c stands in b, ascending, unless c is too frequent to begin a match.
class matcher {
 public:
  matcher(std::vector<number> a, std::vector<number> b, std::size_t distinct)
      : a_(std::move(a)), b_(std::move(b)), places_(distinct), above_(b_.size() + 1, 0), here_(b_.size() + 1, 0) {
    for (std::size_t j = 0; j < b_.size(); ++j) places_[b_[j]].push_back(j);
    if (b_.size() >= 200)
      for (auto& places : places_)
        if (places.size() > b_.size() / 100 + 1) places.clear();
  }

  /// Characters in matching blocks: the longest block, then the same left and right of it.
  std::size_t matched() {
    std::size_t total = 0;
    std::vector<block> open{{0, a_.size(), 0, b_.size()}};
    while (!open.empty()) {
      block const range = open.back();
      open.pop_back();
      block const found = longest(range);
      std::size_t const size = found.a_end - found.a_begin;
      if (size == 0) continue;
      total += size;
      if (range.a_begin < found.a_begin && range.b_begin < found.b_begin)
        open.push_back({range.a_begin, found.a_begin, range.b_begin, found.b_begin});
      if (found.a_end < range.a_end && found.b_end < range.b_end)
        open.push_back({found.a_end, range.a_end, found.b_end, range.b_end});
    }
    return total;
  }

 private:
  block longest(block const& range) {
    std::size_t i_best = range.a_begin, j_best = range.b_begin, best = 0;
    std::vector<std::size_t> const* before = nullptr;
    for (std::size_t i = range.a_begin; i < range.a_end; ++i) {
      auto const& places = places_[a_[i]];
      for (std::size_t j : places) {  // here_[j + 1]: length of the match that ends at a[i], b[j]
        if (j < range.b_begin) continue;
        if (j >= range.b_end) break;
        std::size_t const length = here_[j + 1] = above_[j] + 1;
        if (length > best) best = length, i_best = i + 1 - length, j_best = j + 1 - length;
      }
      if (before)
        for (std::size_t j : *before) above_[j + 1] = 0;
      std::swap(above_, here_);
      before = &places;
    }
    if (before)
      for (std::size_t j : *before) above_[j + 1] = 0;
    // Characters that may not begin a match may lengthen it.
    while (i_best > range.a_begin && j_best > range.b_begin && a_[i_best - 1] == b_[j_best - 1])
      --i_best, --j_best, ++best;
    while (i_best + best < range.a_end && j_best + best < range.b_end && a_[i_best + best] == b_[j_best + best]) ++best;
    return {i_best, i_best + best, j_best, j_best + best};
  }

  std::vector<number> a_, b_;
  std::vector<std::vector<std::size_t>> places_;
  std::vector<std::size_t> above_, here_;
};
}  // namespace similarity_detail

/// 2 M / (|a| + |b|) in characters, M those in matching blocks; 1 for two empty strings. Not symmetric.
///   similarity_ratio("pleural effusion", "effusion") == 2 * 8 / 24.0
inline double similarity_ratio(std::string_view a, std::string_view b) {
  numbering<std::uint64_t> characters;
  auto numbered = [&](std::string_view text) {
    std::vector<number> out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) out.push_back(characters(next_character(text, at)));
    return out;
  };
  auto a_numbers = numbered(a), b_numbers = numbered(b);
  std::size_t const total = a_numbers.size() + b_numbers.size();
  if (total == 0) return 1;
  similarity_detail::matcher match(std::move(a_numbers), std::move(b_numbers), characters.size());
  return 2 * static_cast<double>(match.matched()) / static_cast<double>(total);
}

}  // namespace medmo::inline MEDMO_ABI::metrics
