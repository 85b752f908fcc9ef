// Many answers at once, at the 4B model's true shape with random weights: tokens a second of 1 to 8 sequences in one pass, what
// guessed tokens cost, and twenty questions about one picture of 768 x 768.
// usage: bench_generate_batch [FOLDER [QUESTIONS]]   (FOLDER as `medmo init` writes it, tokenizer included; 8.9 GB)
#include <cstdio>
#include <string>
#include <vector>

#include "../machine.hpp"
#include "medmo/generate/batch.hpp"
#include "medmo/load.hpp"

namespace {

using medmo::index;
using C = medmo::medmo_4b;

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

/// Seconds of a pass with `rows` tokens of each of `count` sequences behind 300 tokens; the widths take turns.
void measure_passes(medmo::model<C> const& model, char const* title, std::vector<std::pair<index, index>> const& widths) {
  auto const memory = std::make_shared<medmo::arena>();
  medmo::sequence<C> prefix(model, memory);
  std::vector<index> ids;
  for (index i = 0; i < 300; ++i) ids.push_back(1000 + i);
  prefix.append(ids);
  medmo::decoder_pass<C> pass(model, memory);
  std::vector<std::vector<double>> seconds(widths.size());
  for (int round = 0; round < 5; ++round)
    for (std::size_t w = 0; w < widths.size(); ++w) {
      auto const [count, rows] = widths[w];
      std::vector<medmo::sequence<C>> forks;
      for (index i = 0; i < count; ++i) forks.push_back(prefix.fork(memory));
      std::vector<index> const next(static_cast<std::size_t>(rows), 2000);
      auto step = [&] {
        for (auto& f : forks) pass.add(f, next);
        pass.run();
      };
      step();
      auto const start = std::chrono::steady_clock::now();
      for (int i = 0; i < 4; ++i) step();
      seconds[w].push_back(machine::seconds_since(start) / 4);
    }
  std::printf("\n| %s | pass | tokens/s | of one |\n|---|---|---|---|\n", title);
  double const one = 1 / median(seconds[0]);
  for (std::size_t w = 0; w < widths.size(); ++w) {
    auto const tokens = static_cast<double>(widths[w].first * widths[w].second) / median(seconds[w]);
    std::printf("| %lld | %.1f ms | %.2f | %.2f |\n", static_cast<long long>(std::max(widths[w].first, widths[w].second)),
                1e3 * median(seconds[w]), tokens, tokens / one);
  }
}

/// `count` questions about one picture, 16 tokens each.
void measure_questions(medmo::pretrained<C> const& model, int count) {
  medmo::image scan(768, 768);
  for (std::size_t i = 0; i < scan.pixels.size(); ++i) scan.pixels[i] = static_cast<std::uint8_t>(i * 7919 % 255);
  medmo::ask_options const options{.max_new_tokens = 16, .sampling = medmo::sampling_options{}};
  auto question = [](int i) { return "Question " + std::to_string(i) + ": is there a fracture of rib " + std::to_string(i) + "?"; };
  medmo::batch batch(model);
  for (int i = 0; i < count; ++i) batch.add({scan}, question(i), options);
  auto const start = std::chrono::steady_clock::now();
  auto const answers = batch.run();
  double const all = machine::seconds_since(start);
  medmo::timings total;
  index tokens = 0;
  for (auto const& a : answers) {
    total.vision_ms += a.time.vision_ms, total.prefill_ms += a.time.prefill_ms;
    tokens += static_cast<index>(a.tokens.size());
  }
  auto const& first = answers.front().time;
  double const one = (first.vision_ms + first.prefill_ms) * 1e-3;
  std::printf("\n%d questions about one picture of 768 x 768, %lld tokens of answers: %.1f s\n", count, static_cast<long long>(tokens), all);
  std::printf("vision %.2f s and prefill %.2f s of the first; vision %.2f s and prefill %.2f s of the other %d; decoding %.1f s\n",
              first.vision_ms * 1e-3, first.prefill_ms * 1e-3, (total.vision_ms - first.vision_ms) * 1e-3,
              (total.prefill_ms - first.prefill_ms) * 1e-3, count - 1, all - (total.vision_ms + total.prefill_ms) * 1e-3);
  std::printf("vision and prefill of each for itself would take %.1f s\n", one * count);
}

}  // namespace

int main(int argc, char** argv) {
  auto const model = medmo::load<C>(argc > 1 ? argv[1] : "build/bench/medmo_4b");
  std::printf("reading %.1f GB/s, %d threads\n", machine::read_bandwidth() * 1e-9, medmo::thread_count());
  measure_passes(model.model, "sequences, a token each", {{1, 1}, {2, 1}, {4, 1}, {8, 1}});
  measure_passes(model.model, "tokens of one sequence", {{1, 1}, {1, 3}, {1, 5}, {1, 9}, {1, 16}});
  measure_questions(model, argc > 2 ? std::atoi(argv[2]) : 20);
}
