// A conversation with a model: pictures and questions in, text and boxes out. A session owns all its state; the model it
// speaks with is const and may serve any number of sessions in any number of threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/box.hpp"
#include "../core/image.hpp"
#include "../text/chat.hpp"
#include "../text/grounding.hpp"
#include "../text/streaming_decoder.hpp"
#include "../vision/preprocess.hpp"
#include "pretrained.hpp"
#include "sampler.hpp"
#include "sequence.hpp"

namespace medmo::inline MEDMO_ABI {

enum class stop_reason {
  end_of_turn,   ///< the model ended its turn
  length,        ///< max_new_tokens reached
  cancelled,     ///< on_text returned false
  not_finite,    ///< a logit was NaN or infinite; the answer so far stands
};

constexpr std::string_view name_of(stop_reason r) {
  switch (r) {
    case stop_reason::end_of_turn: return "end_of_turn";
    case stop_reason::length: return "length";
    case stop_reason::cancelled: return "cancelled";
    case stop_reason::not_finite: return "not_finite";
  }
  return "?";
}

struct ask_options {
  index max_new_tokens = 512;
  sampling_options sampling{};
  std::string system{};             ///< of the first turn only
  index prefill_chunk = 512;
  index min_pixels = 0, max_pixels = 0;  ///< areas; 0: the model's own
  std::function<bool(std::string_view)> on_text{};  ///< whole characters as they come; false stops
};

struct timings {
  double vision_ms = 0, prefill_ms = 0, decode_ms = 0;
};

struct answer {
  std::string text;
  std::vector<index> tokens;             ///< as sampled, without the token that ended the turn
  std::vector<detection> detections;
  std::vector<std::string> notes;        ///< what could not be read as a box, and why
  stop_reason stopped = stop_reason::end_of_turn;
  index prompt_tokens = 0;               ///< of the whole conversation so far
  timings time;
};

}  // namespace medmo::inline MEDMO_ABI
