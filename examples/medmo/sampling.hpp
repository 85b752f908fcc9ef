// The options of sampling that several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "option_heading.hpp"
#include "medmo/core/error.hpp"
#include "medmo/generate/sampling_options.hpp"

namespace command {

/// What was given; what was not is the model's own.
struct sampling_arguments {
  bool greedy = false;
  std::optional<std::uint64_t> seed;
  std::optional<float> temperature, top_p, min_p, repetition_penalty, presence_penalty;
  std::optional<medmo::index> top_k;
  std::vector<std::string> biases, stop;
};

inline void add_sampling(CLI::App& sub, sampling_arguments& args) {
  option_heading const heading(sub, "Sampling");
  sub.add_flag("--greedy", args.greedy, "The most probable token each time");
  sub.add_option("--seed", args.seed, "Seed of the sampling");
  sub.add_option("--temperature", args.temperature, "Default: the model's")->check(CLI::Range(1e-3f, 100.0f));
  sub.add_option("--top-p", args.top_p, "Default: the model's")->check(CLI::Range(0.0f, 1.0f));
  sub.add_option("--top-k", args.top_k, "Default: the model's; 0 keeps all")->check(CLI::NonNegativeNumber);
  sub.add_option("--min-p", args.min_p, "Drop tokens below this share of the most probable one")->check(CLI::Range(0.0f, 1.0f));
  sub.add_option("--repetition-penalty", args.repetition_penalty, "Of tokens seen in prompt or answer; 1: none")->check(CLI::Range(1e-3f, 1e3f));
  sub.add_option("--presence-penalty", args.presence_penalty, "Taken from logits of the answer's tokens; 0: none")->check(CLI::Range(-100.0f, 100.0f));
  sub.add_option("--logit-bias", args.biases, "ID:BIAS, added to a token's logit; -inf rules it out; once for each")->take_all();
  sub.add_option("--stop", args.stop, "The answer ends before this text; once for each")->take_all();
}

inline medmo::logit_bias bias_of(std::string const& text) {
  char* end = nullptr;
  long long const id = std::strtoll(text.c_str(), &end, 10);
  bool good = end != text.c_str() && *end == ':';
  char const* number = good ? end + 1 : "";
  float const bias = std::strtof(number, &end);
  good = good && end != number && *end == 0;
  if (!good) MEDMO_THROW(medmo::errc::bad_argument, "--logit-bias", "ID:BIAS, e.g. 264:-2.5", "\"" + text.substr(0, 40) + "\"");
  return {static_cast<medmo::index>(id), bias};
}

/// `own` with what was given in its place.
inline medmo::sampling_options sampling_of(sampling_arguments const& args, medmo::sampling_options own) {
  if (args.greedy) own.greedy = true;
  if (args.seed) own.seed = *args.seed;
  if (args.temperature) own.temperature = *args.temperature;
  if (args.top_p) own.top_p = *args.top_p;
  if (args.top_k) own.top_k = *args.top_k;
  if (args.min_p) own.min_p = *args.min_p;
  if (args.repetition_penalty) own.repetition_penalty = *args.repetition_penalty;
  if (args.presence_penalty) own.presence_penalty = *args.presence_penalty;
  for (auto const& b : args.biases) own.bias.push_back(bias_of(b));
  return own;
}

}  // namespace command
