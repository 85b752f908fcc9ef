// What a token costs under a box constraint, beside a token of a model: Qwen's vocabulary beside the 4B model's token
// (counter of_4b: share of 300 ms), nano's beside nano's own token, measured in the same run (counter of_nano).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <medmo/generate/box_confidence.hpp>
#include <medmo/generate/box_constraint.hpp>
#include <medmo/generate/sequence.hpp>
#include <medmo/io/checkpoint.hpp>
#include <medmo/random_checkpoint.hpp>
#include <medmo/text/tokenizer_file.hpp>
#include <string>
#include <vector>

namespace {

using medmo::box_mode;
using medmo::index;

auto const& qwen() {
  static auto t = medmo::text::load_tokenizer<medmo::text::qwen_tokens>(MEDMO_EXAMPLE_DATA "/qwen-tokenizer");
  return t;
}
auto const& nano() {
  static auto t = medmo::text::load_tokenizer<medmo::text::nano_tokens>(MEDMO_EXAMPLE_DATA "/medmo-nano");
  return t;
}

/// Seconds of one token of medmo_nano with random weights.
double nano_token() {
  static double const seconds = [] {
    using C = medmo::medmo_nano;
    auto folder = (std::filesystem::temp_directory_path() / "medmo_bench_nano").string();
    std::filesystem::create_directories(folder);
    medmo::write_random_checkpoint<C>(folder, {.seed = 1});
    auto model = medmo::model<C>::load(
        std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(folder)), folder);
    medmo::sequence<C> s(model);
    s.reserve(400);
    s.append(std::vector<index>(280, 100));
    double took = 1;
    for (int run = 0; run < 20; ++run) {  // the best of some: others may be using the machine
      auto start = std::chrono::steady_clock::now();
      for (index i = 0; i < 5; ++i) s.append_token(100 + i);
      took = std::min(took, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / 5);
    }
    std::filesystem::remove_all(folder);
    return took;
  }();
  return seconds;
}

struct place {
  char const* name;
  medmo::box_options options;
  std::string text;  // what the answer is so far
};

std::vector<place> places() {
  std::string many = "Nodule <box>[";
  for (int i = 0; i < 60; ++i) many.append("[").append(std::to_string(i)).append(", 5, 600, 700], ");
  return {{"free text", {.mode = box_mode::in_text}, "There is a fracture"},
          {"free text, <box", {.mode = box_mode::in_text}, "There is a fracture <box"},
          {"in a number", {.mode = box_mode::in_text}, "There is a fracture <box>[[156, 51"},
          {"in the last number of box 61", {.mode = box_mode::in_text}, many + "[1, 5, 600, 7"},
          {"after a box", {.mode = box_mode::in_text}, "There is a fracture <box>[[156, 516, 231, 607"},
          {"a label of two", {.mode = box_mode::only, .labels = {"Fracture", "Nodule"}}, "Fra"},
          {"any label", {.mode = box_mode::only}, "Fra"}};
}

template <class T>
void mask(benchmark::State& state, medmo::text::tokenizer<T> const& tokenizer, place const& p, double token,
          char const* counter) {
  medmo::box_vocabulary words(tokenizer, T::rows);
  medmo::box_constraint constraint(words, p.options, {tokenizer.find("<|im_end|>").value()});
  for (char c : p.text) constraint.accept(tokenizer.base().single(static_cast<unsigned char>(c)));
  std::vector<float> logits(static_cast<std::size_t>(T::rows), 1.0f);
  double seconds = 0;
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    constraint.mask(logits, 400);
    benchmark::DoNotOptimize(logits.data());
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  state.counters[counter] = seconds / static_cast<double>(state.iterations()) / token;
}

template <class T>
void evidence(benchmark::State& state, medmo::text::tokenizer<T> const& tokenizer, double token, char const* counter) {
  medmo::box_evidence seen(tokenizer);
  std::vector<float> logits(static_cast<std::size_t>(T::rows));
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 97) * 0.1f;
  double seconds = 0;
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    seen.see(logits);
    benchmark::DoNotOptimize(seen);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  state.counters[counter] = seconds / static_cast<double>(state.iterations()) / token;
}

void vocabulary(benchmark::State& state) {
  for (auto _ : state) {
    medmo::box_vocabulary words(qwen(), medmo::text::qwen_tokens::rows);
    benchmark::DoNotOptimize(words);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  double const nano_seconds = nano_token();
  for (auto const& p : places()) {
    benchmark::RegisterBenchmark((std::string("mask/qwen/") + p.name).c_str(), [p](benchmark::State& s) {
      mask(s, qwen(), p, 0.3, "of_4b");
    })->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark((std::string("mask/nano/") + p.name).c_str(), [p, nano_seconds](benchmark::State& s) {
      mask(s, nano(), p, nano_seconds, "of_nano");
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark("evidence/qwen", [](benchmark::State& s) {
    evidence(s, qwen(), 0.3, "of_4b");
  })->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("evidence/nano", [nano_seconds](benchmark::State& s) {
    evidence(s, nano(), nano_seconds, "of_nano");
  })->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("vocabulary, once a session", vocabulary)->Unit(benchmark::kMillisecond);
  std::printf("a token of medmo_nano: %.3f ms\n", nano_seconds * 1e3);
  benchmark::RunSpecifiedBenchmarks();
}
