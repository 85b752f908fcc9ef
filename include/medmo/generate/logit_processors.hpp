// What is done to logits before a token is chosen: biases, and penalties for tokens that have been seen. It is taken back
// after the choice, so that whoever reads the logits later finds the model's own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sampling_options.hpp"

namespace medmo::inline MEDMO_ABI {

/// Owns the record of seen tokens; allocates when made and in `see` only.
class logit_processors {
 public:
  logit_processors(sampling_options const& o, index vocab)
      : bias_(o.bias), repetition_(o.repetition_penalty), presence_(o.presence_penalty) {
    if (repetition_ != 1.0f || presence_ != 0.0f) {
      marks_.assign(static_cast<std::size_t>(vocab), 0);
      seen_.reserve(marks_.size());
    }
    before_.reserve(bias_.size() + marks_.size());
  }

  /// Tokens of the prompt: the repetition penalty knows them, the presence penalty does not.
  void see(std::span<index const> prompt) {
    for (index id : prompt) mark(id, seen);
  }
  /// A token of the answer.
  void made(index id) { mark(id, seen | generated); }

  /// l += bias;  then of seen tokens l = l < 0 ? l r : l / r;  then of the answer's tokens l -= presence.
  /// Source: SequenceBias- and RepetitionPenaltyLogitsProcessor of transformers 5.23.0; vLLM's apply_penalties.
  void apply(std::span<float> logits) {
    before_.clear();
    auto at = [&](index id) -> float& {
      float& l = logits[static_cast<std::size_t>(id)];
      before_.push_back({id, l});
      return l;
    };
    for (auto const& b : bias_) at(b.id) += b.bias;
    for (index id : seen_) {
      float& l = at(id);
      l = l < 0 ? l * repetition_ : l / repetition_;
      if (marks_[static_cast<std::size_t>(id)] & generated) l -= presence_;
    }
  }

  /// Takes the last `apply` back.
  void restore(std::span<float> logits) const {
    for (auto b = before_.rbegin(); b != before_.rend(); ++b) logits[static_cast<std::size_t>(b->id)] = b->bias;
  }

 private:
  static constexpr std::uint8_t seen = 1, generated = 2;

  void mark(index id, std::uint8_t how) {
    if (id < 0 || static_cast<std::size_t>(id) >= marks_.size()) return;  // nobody asks, when there are no marks
    auto& m = marks_[static_cast<std::size_t>(id)];
    if (!m) seen_.push_back(id);
    m = static_cast<std::uint8_t>(m | how);
  }

  std::vector<logit_bias> bias_;
  float repetition_, presence_;
  std::vector<std::uint8_t> marks_;  // of every id, empty without penalties
  std::vector<index> seen_;          // the marked ids
  std::vector<logit_bias> before_;   // ids and their logits before `apply`
};

}  // namespace medmo::inline MEDMO_ABI
