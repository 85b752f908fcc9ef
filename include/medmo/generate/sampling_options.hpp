// How the next token is chosen, as plain data, and what of it makes sense. sampler.hpp does it.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI {

/// Added to a token's logit before everything else; -infinity rules the token out.
struct logit_bias {
  index id = 0;
  float bias = 0;
};

/// In the order in which they act: bias, repetition, presence; then, unless greedy, temperature, top-k, top-p, min-p.
/// Source: transformers 5.23.0, GenerationMixin._get_logits_processor; presence as vLLM and OpenAI have it.
struct sampling_options {
  bool greedy = true;         ///< the most probable token; temperature, top-k, top-p, min-p and seed are then unused
  float temperature = 0.7f;   ///< logits / temperature; > 0
  index top_k = 20;           ///< keep the k most probable; 0 keeps all
  float top_p = 0.8f;         ///< keep the fewest tokens whose probability reaches p; 1 keeps all
  std::uint64_t seed = 0;     ///< draw i of a generation is a pure function of seed and i
  float min_p = 0.0f;         ///< drop tokens less probable than min_p times the most probable one; 0 drops none
  float repetition_penalty = 1.0f;  ///< of tokens in prompt or answer: positive logits / r, negative ones * r; > 0
  float presence_penalty = 0.0f;    ///< taken from the logits of tokens that stand in the answer already, once each
  std::vector<logit_bias> bias{};
  std::optional<index> log_probabilities{};  ///< none: not computed; n: of the drawn token and of the n most probable
};

/// Errors: bad_argument for a number that the choice cannot mean, or a biased id outside the vocabulary.
inline void check(sampling_options const& o, index vocab) {
  auto demand = [](bool good, char const* name, char const* expected, auto found) {
    if (!good) MEDMO_THROW(errc::bad_argument, std::string("sampling: ") + name, expected, std::to_string(found));
  };
  if (!o.greedy) {
    demand(std::isfinite(o.temperature) && o.temperature > 0, "temperature", "a number above 0", o.temperature);
    demand(o.top_k >= 0, "top_k", "a number >= 0", o.top_k);
    demand(o.top_p >= 0 && o.top_p <= 1, "top_p", "a number from 0 to 1", o.top_p);
    demand(o.min_p >= 0 && o.min_p <= 1, "min_p", "a number from 0 to 1", o.min_p);
  }
  demand(std::isfinite(o.repetition_penalty) && o.repetition_penalty > 0, "repetition_penalty", "a number above 0",
         o.repetition_penalty);
  demand(std::isfinite(o.presence_penalty), "presence_penalty", "a number", o.presence_penalty);
  for (auto const& b : o.bias) {
    demand(b.id >= 0 && b.id < vocab, "bias", "ids of the vocabulary", b.id);
    demand(std::isfinite(b.bias) || b.bias < 0, "bias", "a number or -infinity", b.bias);
  }
  demand(!o.log_probabilities || *o.log_probabilities >= 0, "log_probabilities", "a number >= 0",
         o.log_probabilities.value_or(0));
}

}  // namespace medmo::inline MEDMO_ABI
