// How probable given answers are: the log-probability of each token of each answer behind one prompt. Pictures and prompt
// go through the model once; every answer is appended, read and taken back.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log_probability.hpp"
#include "turn.hpp"

namespace medmo::inline MEDMO_ABI {

struct score_options {
  turn_options turn{};
  index prefill_chunk = 1024;  ///< tokens a step; changes time and memory, never the score
};

struct answer_score {
  std::string text;
  std::vector<index> tokens;
  std::vector<double> log_probabilities;  ///< of each token, behind the prompt and the tokens before it; natural logarithm
  double log_probability = 0;             ///< of the answer's tokens: the sum of them; 0 for an empty answer
  double end_log_probability = 0;         ///< that the turn ends behind the answer; add it to compare whole answers
};

/// The answer `ids` behind a sequence whose logits [V] are `behind`; the sequence is as before when it returns, its logits()
/// stale.   log p(ids) = sum_i ln softmax(logits behind ids[0 .. i))[ids[i]]
template <model_configuration C>
answer_score score_tokens(sequence<C>& tokens, std::span<float const> behind, std::span<index const> ids) {
  answer_score out;
  out.tokens.assign(ids.begin(), ids.end());
  out.log_probabilities.reserve(ids.size());
  auto next = [&](std::size_t i, std::span<float const> logits) {
    double const sum = log_sum_exp(logits);
    auto of = [&](index id) { return static_cast<double>(logits[static_cast<std::size_t>(id)]) - sum; };
    if (i < ids.size()) out.log_probabilities.push_back(of(ids[i]));
    else out.end_log_probability = of(tokens_of<C>.im_end);
  };
  if (!ids.empty() && (ids[0] < 0 || ids[0] >= C::text.vocab))
    MEDMO_THROW(errc::bad_argument, "token 0", "an id below " + std::to_string(C::text.vocab), std::to_string(ids[0]));
  next(0, behind);
  index const length = tokens.length();
  tokens.append_each(ids, [&](index i, std::span<float const> logits) { next(static_cast<std::size_t>(i) + 1, logits); });
  tokens.truncate(length);
  for (double l : out.log_probabilities) out.log_probability += l;
  return out;
}

/// Scores of `answers` to `prompt` about `pictures`, in their order. An answer is encoded as one text behind the prompt;
/// control tokens in it are text. The model's own distribution: no temperature, nothing ruled out.
///   medmo::score(model, {scan}, "Is there a fracture?", {"Yes", "No"})
/// Errors: bad_argument, bad_image, bad_text, too_large, unsupported.
template <model_configuration C>
std::vector<answer_score> score(pretrained<C> const& p, std::vector<image> const& pictures, std::string_view prompt,
                                std::vector<std::string> const& answers, score_options const& options = {}) {
  if (options.prefill_chunk < 1)
    MEDMO_THROW(errc::bad_argument, "score", "prefill_chunk >= 1", std::to_string(options.prefill_chunk));
  std::vector<std::vector<index>> ids;
  std::size_t longest = 0;
  for (auto const& a : answers) {
    ids.push_back(p.tokenizer.encode(a));
    longest = std::max(longest, ids.back().size());
  }
  sequence<C> tokens(p.model);
  auto const turn = see_turn(p, std::span(pictures), prompt, tokens.memory(), options.turn);
  tokens.reserve(static_cast<index>(turn.prompt.ids.size() + longest), options.prefill_chunk);
  tokens.append(turn.prompt.ids, turn.features(), options.prefill_chunk);
  std::vector<float> const behind(tokens.logits().begin(), tokens.logits().end());
  std::vector<answer_score> out;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    out.push_back(score_tokens(tokens, behind, ids[i]));
    out.back().text = answers[i];
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI
