// Steps of supervised fine-tuning on a small model of the true kind: forward, backward and AdamW on one 384 x 384 picture
// and text, 1,024 tokens in all. Beside it the machine's peak of the same minute; PyTorch on the same model:
// tools/time_training_peer.py. usage: bench_training_step [f32|bf16|all [STEPS [keep|recompute]]]
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../machine.hpp"
#include "medmo/core/random.hpp"
#include "medmo/model/plan.hpp"
#include "medmo/train/trainer.hpp"

namespace {

using medmo::index;
namespace train = medmo::train;

struct small {
  static constexpr std::string_view name = "small";
  static constexpr medmo::text_config text{.vocab = 8192, .hidden = 512, .intermediate = 1536, .layers = 8, .heads = 8,
                                           .kv_heads = 2, .head_dim = 64, .mrope_section = {12, 10, 10},
                                           .max_positions = 8192};
  static constexpr medmo::vision_config vision{.depth = 6, .hidden = 384, .heads = 6, .intermediate = 1536,
                                               .out_hidden = 512, .deepstack = {1, 3, 5}, .position_table = 2304};
  static constexpr medmo::token_config tokens{.endoftext = 8166, .im_start = 8167, .im_end = 8168, .vision_start = 8175,
                                              .vision_end = 8176, .vision_pad = 8177, .image_pad = 8178, .video_pad = 8179};
};

/// Random tensors, N(0, 0.02), norms 1.
struct random_weights {
  std::map<std::string, std::pair<std::vector<index>, std::vector<std::byte>>> tensors;
  medmo::dtype type;
  explicit random_weights(medmo::dtype matrices) : type(matrices) {
    medmo::model_weights<small> w;
    medmo::for_each_tensor(w, [&](std::string const& name, auto& t) {
      medmo::random_stream random(1, medmo::stream_of(name));
      auto& [shape, bytes] = tensors[name];
      bool matrix = false;
      if constexpr (requires { t.stored; })
        shape = {t.rows, t.cols}, matrix = true;
      else
        shape = {t.size};
      bool const narrow = matrix && type == medmo::dtype::bf16;
      index const n = shape[0] * (matrix ? shape[1] : 1);
      bytes.resize(static_cast<std::size_t>(n) * (narrow ? 2 : 4));
      for (index i = 0; i < n; ++i) {
        float x = matrix ? 0.02f * random.normal(static_cast<std::uint64_t>(i)) : name.ends_with("weight") ? 1.0f : 0.0f;
        medmo::bf16 rounded(x);
        if (narrow)
          std::memcpy(bytes.data() + 2 * i, static_cast<void const*>(&rounded), 2);
        else
          std::memcpy(bytes.data() + 4 * i, &x, 4);
      }
    });
  }
  std::optional<medmo::tensor_ref> find(std::string_view name) const {
    auto at = tensors.find(std::string(name));
    if (at == tensors.end()) return std::nullopt;
    auto const& [shape, bytes] = at->second;
    return medmo::tensor_ref{shape.size() > 1 ? type : medmo::dtype::f32, shape, bytes};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, t] : tensors) all.push_back(name);
    return all;
  }
};

train::training_sample sample() {
  train::training_sample s;
  medmo::patch_grid const grid{1, 24, 24};
  medmo::matrix<float> patches(grid.patches(), small::vision.patch_width());
  for (index i = 0; i < patches.size(); ++i) patches.data()[i] = static_cast<float>(i * 7919 % 255) / 127.5f - 1.0f;
  s.pictures.push_back({grid, std::move(patches)});
  s.ids = {8175};
  s.ids.insert(s.ids.end(), static_cast<std::size_t>(grid.tokens(2)), 8178);
  s.ids.push_back(8176);
  while (s.ids.size() < 1024) s.ids.push_back(static_cast<index>(s.ids.size() * 7919 % 8000));
  s.learned.assign(s.ids.size(), 1);
  for (std::size_t i = 0; i < 146; ++i) s.learned[i] = 0;
  return s;
}

void measure(medmo::dtype type, int steps, train::activations activations) {
  auto model = medmo::model<small>::load(std::shared_ptr<random_weights const>(std::make_shared<random_weights const>(type)), "random");
  train::trainer_options options;
  options.learning_rate.fill(1e-4);
  options.activations = activations;
  train::trainer<small> trainer(model, options);
  std::vector<train::training_sample> const batch{sample()};
  double const peak = type == medmo::dtype::f32 ? machine::f32_peak() : machine::bf16_peak();
  double const forward = medmo::count_vision<small>({1, 24, 24}, type, medmo::thread_count()).flops() +
                         medmo::count_decode<small>(1024, 0, type, medmo::thread_count(), 878).flops();
  auto report = trainer.step(batch);
  double const first = report.loss;
  std::vector<double> times;
  auto processor = [] {  // seconds of all threads, which others on the machine disturb less
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    auto seconds = [](timeval const& v) { return static_cast<double>(v.tv_sec) + 1e-6 * static_cast<double>(v.tv_usec); };
    return seconds(u.ru_utime) + seconds(u.ru_stime);
  };
  double const before = processor();
  for (int i = 0; i < steps; ++i) {
    auto start = std::chrono::steady_clock::now();
    report = trainer.step(batch);
    times.push_back(machine::seconds_since(start));
  }
  double const busy = (processor() - before) / steps;
  std::sort(times.begin(), times.end());
  double const t = times[times.size() / 2];
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("| %s, %s | %.3f s (best %.3f, processors %.3f) | %.0f | %.0f GFLOP/s | %.0f %% | %.2f GiB | %.2f GiB | %.3f -> %.3f |\n",
              std::string(name_of(type)).c_str(), activations == train::activations::keep ? "keep" : "recompute", t, times[0], busy,
              1024 / t, 3 * forward / t * 1e-9, 300 * forward / t / peak, static_cast<double>(usage.ru_maxrss) / (1 << 20),
              static_cast<double>(trainer.activation_bytes()) / (1 << 30), first, report.loss);
}

}  // namespace

int main(int argc, char** argv) {
  std::string const which = argc > 1 ? argv[1] : "all";
  int const steps = argc > 2 ? std::atoi(argv[2]) : 10;
  auto const kept = argc > 3 && std::string(argv[3]) == "keep" ? train::activations::keep : train::activations::recompute;
  std::printf("| type | a step | tokens/s | work | of peak | peak memory so far | activations | loss |\n|---|---|---|---|---|---|---|---|\n");
  if (which != "bf16") measure(medmo::dtype::f32, steps, kept);
  if (which != "f32") measure(medmo::dtype::bf16, steps, kept);
}
