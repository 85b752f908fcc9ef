// From logits to the next token: greedy, or temperature, then top-k, then top-p, in transformers' order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../core/matrix.hpp"
#include "../core/random.hpp"

namespace medmo::inline MEDMO_ABI {

struct sampling_options {
  bool greedy = true;         ///< the most probable token; the rest of the options is then unused
  float temperature = 0.7f;   ///< logits / temperature; > 0
  index top_k = 20;           ///< keep the k most probable; 0 keeps all
  float top_p = 0.8f;         ///< keep the fewest tokens whose probability reaches p; 1 keeps all
  std::uint64_t seed = 0;     ///< draw i of a generation is a pure function of seed and i
};

/// Draws tokens; owns its workspace, so that drawing allocates nothing after the first token.
class sampler {
 public:
  sampler(sampling_options options, index vocab, std::vector<index> forbidden)
      : options_(options), forbidden_(std::move(forbidden)), draws_(options.seed, stream_of("sampler")) {
    if (!options.greedy) candidates_.reserve(static_cast<std::size_t>(vocab));
  }

  /// The next token, or none if a logit is NaN or +infinity, or none is finite. `logits` [V] is changed: forbidden tokens
  /// get -infinity. Ties go to the lower id.
  std::optional<index> draw(std::span<float> logits) {
    for (index id : forbidden_) logits[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
    std::size_t best = 0;
    bool finite = true;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      finite &= logits[i] < std::numeric_limits<float>::infinity();  // false for NaN as well
      if (logits[i] > logits[best]) best = i;
    }
    if (!finite || !std::isfinite(logits[best])) return std::nullopt;
    if (options_.greedy) return static_cast<index>(best);
    return draw_from(logits);
  }

 private:
  struct candidate {
    float logit;
    index id;
    bool operator<(candidate const& o) const { return logit != o.logit ? logit > o.logit : id < o.id; }
  };

  index draw_from(std::span<float const> logits) {
    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (std::isfinite(logits[i])) candidates_.push_back({logits[i] / options_.temperature, static_cast<index>(i)});
    auto k = options_.top_k > 0 ? std::min<std::size_t>(static_cast<std::size_t>(options_.top_k), candidates_.size())
                                : candidates_.size();
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end());
    candidates_.resize(k);
    auto share = [&](candidate const& c) { return std::exp(static_cast<double>(c.logit - candidates_.front().logit)); };
    double total = 0;
    for (auto const& c : candidates_) total += share(c);
    double kept = 0;
    std::size_t n = 0;
    while (n < candidates_.size() && (n == 0 || kept < static_cast<double>(options_.top_p) * total))
      kept += share(candidates_[n++]);
    double at = draws_.uniform(drawn_++) * kept;
    for (std::size_t i = 0; i < n; ++i) {
      at -= share(candidates_[i]);
      if (at < 0) return candidates_[i].id;
    }
    return candidates_[n - 1].id;
  }

  sampling_options options_;
  std::vector<index> forbidden_;
  random_stream draws_;
  std::uint64_t drawn_ = 0;
  std::vector<candidate> candidates_;
};

}  // namespace medmo::inline MEDMO_ABI
