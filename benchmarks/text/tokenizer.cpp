// Encoding prose, and runs of one character at a size and at twice that size: the counter `times_of_half` is the time
// relative to half the text in the same run; 2 is linear.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <medmo/text/tokenizer_file.hpp>
#include <string>

using namespace medmo::text;

namespace {
auto const& tokens() {
  static auto t = load_tokenizer<qwen_tokens>(MEDMO_EXAMPLE_DATA "/qwen-tokenizer");
  return t;
}

double seconds_of(std::string const& text) {
  auto begin = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(tokens().encode(text));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string repeated(std::string const& unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

void run_of(benchmark::State& state, std::string const& unit) {
  auto half = repeated(unit, 1 << 19), whole = repeated(unit, 1 << 20);
  double best_half = 1e9, best_whole = 1e9;
  for (auto _ : state) {
    best_half = std::min(best_half, seconds_of(half));
    best_whole = std::min(best_whole, seconds_of(whole));
  }
  state.counters["times_of_half"] = best_whole / best_half;
  state.counters["ms_per_MiB"] = best_whole * 1e3;
}

void prose(benchmark::State& state) {
  auto text = repeated("PA and lateral radiographs show a 2.3 cm nodule in the right upper lobe.\n", 1 << 18);
  for (auto _ : state) benchmark::DoNotOptimize(tokens().encode(text));
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
}  // namespace

BENCHMARK(prose)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run_of, letter, std::string("a"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run_of, space, std::string(" "))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run_of, newline, std::string("\n"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run_of, digit, std::string("1"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run_of, mark, std::string("\xCC\x81"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run_of, marks_out_of_order, std::string("\xCC\x81\xCC\xA3"))->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
