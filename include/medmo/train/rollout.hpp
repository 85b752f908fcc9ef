// Groups of completions of the same prompt, sampled from the policy: what GRPO compares. All go through generate/batch.hpp,
// so a prompt's beginning and pictures are read once for its group, vision placeholders are never sampled, and every id
// that ends a turn ends a completion. The log-probabilities are the tape's, bit for bit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/box.hpp"
#include "../core/error.hpp"
#include "../core/image.hpp"
#include "../core/random.hpp"
#include "../generate/batch.hpp"
#include "trainer.hpp"

namespace medmo::inline MEDMO_ABI::train {

struct grpo_prompt {
  index number = 0;  ///< the caller's: rewards find the truth by it
  std::vector<image> pictures{};
  std::string text{}, system{};
};

struct completion {
  index prompt = 0;  ///< its prompt's number
  std::string text{};
  std::vector<index> tokens{};              ///< as sampled, with the token that ended it
  std::vector<double> log_probabilities{};  ///< ln p of each, at temperature 1, over the whole vocabulary
  std::vector<detection> detections{};      ///< boxes on the prompt's last picture
  stop_reason stopped = stop_reason::end_of_turn;

  /// It has no end: too long, or a logit was no number. Whoever counts or masks truncated completions asks here.
  bool truncated() const { return stopped != stop_reason::end_of_turn; }
};

struct rollout_options {
  index group = 8;             ///< completions of a prompt
  index max_new_tokens = 512;  ///< the token that ends a completion included
  float temperature = 1;       ///< of sampling, and of every log-probability of the loss
  index top_k = 0;             ///< 0: all tokens
  float top_p = 1;
  std::uint64_t seed = 0;
  index slots = 8;                       ///< completions under way at once; changes time and memory, never a token
  index min_pixels = 0, max_pixels = 0;  ///< areas pictures are resized to; 0: the model's own
};

/// Errors: bad_argument.
inline void check(rollout_options const& o) {
  auto demand = [](bool good, char const* name, char const* expected, index found) {
    if (!good) MEDMO_THROW(errc::bad_argument, std::string("rollout: ") + name, expected, std::to_string(found));
  };
  demand(o.group >= 1 && o.group <= 1024, "group", "a number from 1 to 1024", o.group);
  demand(o.max_new_tokens >= 1, "max_new_tokens", "a number above 0", o.max_new_tokens);
}

/// A group of completions for each prompt, one group behind the other. The i-th is a function of the policy, its prompt, the
/// options and `first` + i alone; `first` counts what was sampled before. Errors: those of batch::add.
template <model_configuration C>
std::vector<completion> sample_groups(pretrained<C> const& policy, std::span<grpo_prompt const> prompts, rollout_options const& o,
                                      std::uint64_t first = 0) {
  check(o);
  random_stream const seeds(o.seed, stream_of("rollout"));
  batch<C> asked(policy, {.slots = o.slots});
  std::vector<completion> out;
  for (auto const& p : prompts)
    for (index i = 0; i < o.group; ++i) {
      ask_options options{.max_new_tokens = o.max_new_tokens, .system = p.system};
      options.sampling = sampling_options{.greedy = false, .temperature = o.temperature, .top_k = o.top_k, .top_p = o.top_p,
                                          .seed = seeds.bits(first + out.size())};
      options.min_pixels = o.min_pixels;
      options.max_pixels = o.max_pixels;
      asked.add(p.pictures, p.text, std::move(options));
      out.push_back({.prompt = p.number});
    }
  asked.run([&](index number, answer a) {
    auto& c = out[static_cast<std::size_t>(number)];
    c.text = std::move(a.text);
    c.tokens = std::move(a.tokens);
    c.log_probabilities = std::move(a.token_logprobs);
    c.detections = std::move(a.detections);
    c.stopped = a.stopped;
    if (a.ended_with) {
      c.tokens.push_back(a.ended_with->id);
      c.log_probabilities.push_back(a.ended_with->log_probability);
    }
  });
  return out;
}

/// A prompt as the tape takes it, to have completions put behind it.
template <model_configuration C>
training_sample sample_of(pretrained<C> const& policy, grpo_prompt const& p, rollout_options const& o) {
  turn_options const turn{p.system, o.min_pixels, o.max_pixels};
  training_sample s;
  s.ids = render_turn(policy, std::span<image const>(p.pictures), p.text, turn).ids;
  s.learned.assign(s.ids.size(), 0);
  if constexpr (vision_language_configuration<C>)
    for (auto const& picture : p.pictures) {
      auto patches = vision::preprocess(picture, picture_options(policy, turn));
      s.pictures.push_back({patches.grid, std::move(patches.rows)});
    }
  return s;
}

/// With the tokens of a completion, which are those to learn.
inline training_sample with_completion(training_sample prompt, completion const& c) {
  prompt.ids.insert(prompt.ids.end(), c.tokens.begin(), c.tokens.end());
  prompt.learned.resize(prompt.ids.size(), 1);
  return prompt;
}

}  // namespace medmo::inline MEDMO_ABI::train
