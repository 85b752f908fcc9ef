// What a model answered: text, tokens, boxes, and why it ended.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/box.hpp"
#include "log_probability.hpp"

namespace medmo::inline MEDMO_ABI {

enum class stop_reason {
  end_of_turn,   ///< the model ended its turn
  length,        ///< max_new_tokens reached
  cancelled,     ///< on_text returned false, or the question was taken back
  stop_string,   ///< one of ask_options::stop
  not_finite,    ///< a logit was NaN or infinite; the answer so far stands
};

constexpr std::string_view name_of(stop_reason r) {
  switch (r) {
    case stop_reason::end_of_turn: return "end_of_turn";
    case stop_reason::length: return "length";
    case stop_reason::cancelled: return "cancelled";
    case stop_reason::stop_string: return "stop_string";
    case stop_reason::not_finite: return "not_finite";
  }
  return "?";
}

struct timings {
  double vision_ms = 0, prefill_ms = 0, decode_ms = 0;
};

/// Milliseconds since it was made or last read.
class stopwatch {
 public:
  double lap() {
    auto const now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(start_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

struct answer {
  std::string text;
  std::vector<index> tokens;           ///< as sampled, without the token that ended the turn
  std::vector<double> token_logprobs;  ///< ln p of each, of the model's own distribution: no temperature, no constraint
  /// For each token the most probable ones in its place, as many as sampling.log_probabilities asked for (none: empty). A
  /// constraint's or the sampler's forbidden tokens are left out.
  std::vector<std::vector<token_probability>> alternatives;
  std::vector<detection> detections;   ///< boxes on the last picture of the conversation
  std::vector<std::string> dropped;    ///< what stood in box tags and is no box, with the reason
  stop_reason stopped = stop_reason::end_of_turn;
  std::optional<token_probability> ended_with{};  ///< the token that ended the turn; none where something else did
  index prompt_tokens = 0;             ///< of the whole conversation before this answer
  index reused_tokens = 0;             ///< of those, the ones that were still in the cache
  timings time;                        ///< in a batch, decoding is shared with the others
};

}  // namespace medmo::inline MEDMO_ABI
