// From logits to the next token: biases and penalties, then the greatest, or a draw after temperature, top-k, top-p and
// min-p, in transformers' order (sampling_options.hpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../core/matrix.hpp"
#include "../core/random.hpp"
#include "log_probability.hpp"
#include "logit_processors.hpp"
#include "sampling_options.hpp"

namespace medmo::inline MEDMO_ABI {

/// A token that could have been drawn and how probable it was.
struct token_share {
  index id = 0;
  double probability = 0;
};

/// Draws tokens; owns its workspace, so that drawing allocates nothing after the first token.
/// Errors of the constructor: bad_argument (check in sampling_options.hpp).
class sampler {
 public:
  sampler(sampling_options options, index vocab, std::vector<index> forbidden)
      : options_((check(options, vocab), std::move(options))),
        forbidden_(std::move(forbidden)),
        processors_(options_, vocab),
        draws_(options_.seed, stream_of("sampler")) {
    std::erase_if(forbidden_, [](index id) { return id < 0; });  // tokens that this vocabulary does not have
    options_.temperature = std::max(options_.temperature, 1e-30f);  // below, quotients would be infinite
    if (!options_.greedy) candidates_.reserve(static_cast<std::size_t>(vocab));
    if (options_.log_probabilities)
      most_probable_.reserve(static_cast<std::size_t>(std::min(*options_.log_probabilities, vocab)) + 1);
  }

  /// Tells of the prompt's tokens, which the repetition penalty counts.
  void see(std::span<index const> prompt) { processors_.see(prompt); }
  /// Tells of a token of the answer that was not drawn here; those that were are known.
  void made(index id) { processors_.made(id); }

  /// The next token, or none if a logit is NaN or +infinity, or none is finite. `logits` [V] is changed: forbidden tokens
  /// get -infinity. Ties go to the lower id.
  std::optional<index> draw(std::span<float> logits) {
    for (index id : forbidden_) logits[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
    if (options_.log_probabilities) {
      log_sum_ = log_sum_exp(logits);
      medmo::most_probable(logits, std::min(*options_.log_probabilities, static_cast<index>(logits.size())), log_sum_,
                           most_probable_);
    }
    processors_.apply(logits);
    auto const id = choose(logits);
    processors_.restore(logits);
    if (!id) return id;
    processors_.made(*id);
    if (options_.log_probabilities) log_probability_ = static_cast<double>(logits[static_cast<std::size_t>(*id)]) - log_sum_;
    return id;
  }

  /// ln p of the token drawn last: of the model's own distribution with forbidden tokens ruled out, before biases,
  /// penalties and temperature. 0 unless options.log_probabilities is given.
  double log_probability() const { return log_probability_; }
  /// The most probable tokens of the same distribution, the most probable first; valid until the next draw.
  std::span<token_probability const> most_probable() const { return most_probable_; }

  /// What the last draw chose among, the most probable first, and how probable each was after all options; nothing when
  /// greedy.
  std::vector<token_share> drawn_from() const {
    std::vector<token_share> out;
    for (std::size_t i = 0; i < kept_; ++i) out.push_back({candidates_[i].id, share(candidates_[i]) / kept_share_});
    return out;
  }

 private:
  struct candidate {
    float logit;
    index id;
    bool operator<(candidate const& o) const { return logit != o.logit ? logit > o.logit : id < o.id; }
  };

  std::optional<index> choose(std::span<float const> logits) {
    std::size_t best = 0;
    bool finite = true;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      finite &= logits[i] < std::numeric_limits<float>::infinity();  // false for NaN as well
      if (logits[i] > logits[best]) best = i;
    }
    if (!finite || !std::isfinite(logits[best])) return std::nullopt;
    if (options_.greedy) return static_cast<index>(best);
    narrow(logits);
    double at = draws_.uniform(drawn_++) * kept_share_;
    for (std::size_t i = 0; i < kept_; ++i) {
      at -= share(candidates_[i]);
      if (at < 0) return candidates_[i].id;
    }
    return candidates_[kept_ - 1].id;
  }

  /// Keeps the first kept_ of candidates_: those that temperature, top-k, top-p and min-p leave.
  void narrow(std::span<float const> logits) {
    candidates_.clear();
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (std::isfinite(logits[i])) candidates_.push_back({logits[i] / options_.temperature, static_cast<index>(i)});
    auto k = options_.top_k > 0 ? std::min<std::size_t>(static_cast<std::size_t>(options_.top_k), candidates_.size())
                                : candidates_.size();
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end());
    candidates_.resize(k);
    double total = 0;
    for (auto const& c : candidates_) total += share(c);
    kept_ = 0;
    kept_share_ = 0;
    double const enough = options_.top_p < 1 ? static_cast<double>(options_.top_p) * total
                                             : std::numeric_limits<double>::infinity();  // tokens that rounding swallows too
    auto wanted = [&](candidate const& c) {
      return kept_share_ < enough && share(c) >= static_cast<double>(options_.min_p);
    };
    while (kept_ < candidates_.size() && (kept_ == 0 || wanted(candidates_[kept_])))
      kept_share_ += share(candidates_[kept_++]);
  }

  /// exp(logit) in units of the greatest.
  double share(candidate const& c) const {
    return c.logit == candidates_.front().logit ? 1.0 : std::exp(static_cast<double>(c.logit - candidates_.front().logit));
  }

  sampling_options options_;
  std::vector<index> forbidden_;
  logit_processors processors_;
  random_stream draws_;
  std::uint64_t drawn_ = 0;
  std::vector<candidate> candidates_;  // in order of falling probability
  std::size_t kept_ = 0;
  double kept_share_ = 0, log_sum_ = 0, log_probability_ = 0;
  std::vector<token_probability> most_probable_;
};

}  // namespace medmo::inline MEDMO_ABI
