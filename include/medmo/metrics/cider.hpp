// CIDEr-D as pycocoevalcap computes it: n-grams weighted by how rare they are among the references of the whole set, so a value
// depends on the set it was computed in, and a set of one item gives 0. Words come from the caller: pycocoevalcap's own are
// those of Stanford's PTB tokenizer in lower case without punctuation; tokenize_words is near, not equal, to it.
// Sources: Vedantam et al., CVPR 2015 (arXiv 1411.5726); pycocoevalcap 1.2, cider/cider_scorer.py (behaviour).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "numbering.hpp"
#include "tokenize.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// The references of a set: built once, then scores answers; const afterwards and shared by threads.
///   cider set(references);                     // references[i]: one or more of item i, each as words
///   double value = set.score(i, answer_words);
class cider {
 public:
  static constexpr std::size_t orders = 4;
  static constexpr double sigma = 6;  ///< of the penalty on a difference in length

  /// Errors: bad_argument for an item without a reference.
  explicit cider(std::span<std::vector<words> const> references)
      : log_items_(std::log(static_cast<double>(references.size()))) {
    std::vector<std::vector<counted_text>> counted(references.size());
    std::array<std::vector<std::size_t>, orders> last_item;  // that held the n-gram, plus 1
    for (std::size_t item = 0; item < references.size(); ++item) {
      if (references[item].empty())
        MEDMO_THROW(errc::bad_argument, "CIDEr: item " + std::to_string(item), "at least one reference", "none");
      for (auto const& reference : references[item]) counted[item].push_back(count(reference));
      for (auto const& text : counted[item])
        for (std::size_t n = 0; n < orders; ++n)
          for (auto const& g : text.grams[n]) {
            if (frequency_[n].size() <= g.id) frequency_[n].resize(g.id + 1, 0), last_item[n].resize(g.id + 1, 0);
            if (std::exchange(last_item[n][g.id], item + 1) != item + 1) ++frequency_[n][g.id];
          }
    }
    references_.resize(references.size());
    for (std::size_t item = 0; item < references.size(); ++item)
      for (auto const& text : counted[item]) references_[item].push_back(weigh(text));
  }

  std::size_t size() const { return references_.size(); }

  /// Value of one answer to item `item`, 0..10:
  ///   10 * mean_n mean_ref exp(-(l - l_ref)^2 / (2 sigma^2)) * sum_g min(w(g), w_ref(g)) w_ref(g) / (|w| |w_ref|)
  ///   w(g) = count(g) * (log N - log max(1, items whose references hold g)),  l = number of bigrams
  /// Errors: bad_argument for an item that is not there.
  double score(std::size_t item, word_span answer) const {
    if (item >= references_.size())
      MEDMO_THROW(errc::bad_argument, "CIDEr: item", "below " + std::to_string(references_.size()),
                  std::to_string(item));
    weighed_text const own = weigh(find(answer));
    double sum = 0;
    for (auto const& reference : references_[item]) sum += similarity(own, reference);
    return 10 * sum / static_cast<double>(orders) / static_cast<double>(references_[item].size());
  }

 private:
  struct gram {
    number id;
    double weight;  // a count, then tf-idf
  };
  struct counted_text {
    std::array<std::vector<gram>, orders> grams;  // sorted by id
    double bigrams = 0;
  };
  struct weighed_text {
    std::array<std::vector<gram>, orders> grams;
    std::array<double, orders> norm{};
    double bigrams = 0;
  };

  static std::vector<gram> collapse(std::vector<number>& ids) {
    std::sort(ids.begin(), ids.end());
    std::vector<gram> out;
    for (number id : ids) {
      if (out.empty() || out.back().id != id) out.push_back({id, 0});
      out.back().weight += 1;
    }
    return out;
  }

  /// Counts of a reference, whose n-grams become known.
  counted_text count(word_span text) {
    counted_text out;
    auto const ids = numbers_of(text, words_);
    auto grams = ids;
    for (std::size_t n = 0; n < orders; ++n) {
      if (n > 0) lengthen(grams, ids, longer_[n - 1]);
      if (n == 1) out.bigrams = static_cast<double>(grams.size());
      auto sorted = grams;
      out.grams[n] = collapse(sorted);
    }
    return out;
  }

  /// Counts of an answer. N-grams that no reference has match nothing but lengthen the vector: they are numbered apart.
  counted_text find(word_span text) const {
    counted_text out;
    numbering<std::string_view> new_words(text.size());
    numbering<std::uint64_t> new_pairs[orders - 1];
    auto const known_words = static_cast<number>(words_.size());
    std::vector<number> ids(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      number const known = words_.find(text[i]);
      ids[i] = known != no_number ? known : known_words + new_words(text[i]);
    }
    auto grams = ids;
    for (std::size_t n = 0; n < orders; ++n) {
      if (n > 0 && !grams.empty()) {
        grams.pop_back();
        auto const known_grams = static_cast<number>(longer_[n - 1].size());
        for (std::size_t i = 0; i < grams.size(); ++i) {
          auto const key = pair_of(grams[i], ids[i + n]);
          number const known = longer_[n - 1].find(key);
          grams[i] = known != no_number ? known : known_grams + new_pairs[n - 1](key);
        }
      }
      if (n == 1) out.bigrams = static_cast<double>(grams.size());
      auto sorted = grams;
      out.grams[n] = collapse(sorted);
    }
    return out;
  }

  weighed_text weigh(counted_text const& text) const {
    weighed_text out{text.grams, {}, text.bigrams};
    for (std::size_t n = 0; n < orders; ++n) {
      double squares = 0;
      for (auto& g : out.grams[n]) {
        double const items = g.id < frequency_[n].size() ? static_cast<double>(frequency_[n][g.id]) : 0;
        g.weight *= log_items_ - std::log(std::max(1.0, items));
        squares += g.weight * g.weight;
      }
      out.norm[n] = std::sqrt(squares);
    }
    return out;
  }

  static double similarity(weighed_text const& a, weighed_text const& r) {
    double sum = 0;
    for (std::size_t n = 0; n < orders; ++n) {
      double product = 0;
      for (auto i = a.grams[n].begin(), j = r.grams[n].begin(); i != a.grams[n].end() && j != r.grams[n].end();) {
        if (i->id == j->id) product += std::min(i->weight, j->weight) * j->weight;
        auto const left = i->id, right = j->id;
        i += left <= right;
        j += right <= left;
      }
      if (a.norm[n] != 0 && r.norm[n] != 0) product /= a.norm[n] * r.norm[n];
      sum += product;
    }
    double const difference = a.bigrams - r.bigrams;
    return sum * std::exp(-difference * difference / (2 * sigma * sigma));
  }

  double log_items_;
  numbering<std::string> words_;
  std::array<numbering<std::uint64_t>, orders - 1> longer_;
  std::array<std::vector<std::uint32_t>, orders> frequency_;  // of an n-gram: items whose references hold it
  std::vector<std::vector<weighed_text>> references_;
};

struct cider_scores {
  double mean = 0;
  std::vector<double> each;
};

/// CIDEr of a whole set, one answer an item. Errors: bad_argument if the two differ in length, and those of the class.
inline cider_scores score_cider(std::span<words const> answers, std::span<std::vector<words> const> references) {
  if (answers.size() != references.size())
    MEDMO_THROW(errc::bad_argument, "CIDEr", std::to_string(references.size()) + " answers",
                std::to_string(answers.size()));
  cider const set(references);
  cider_scores out;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    out.each.push_back(set.score(i, answers[i]));
    out.mean += out.each.back() / static_cast<double>(answers.size());
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
