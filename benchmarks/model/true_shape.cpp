// The 4B model at its true shape with random weights: vision, prefill, first token, decoding; each beside the machine's
// limits of the same minute. usage: bench_model_true_shape [FOLDER [SIDE...]]   (FOLDER as `medmo init` writes it; made
// in build/bench if absent, 8.9 GB)
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "../machine.hpp"
#include "medmo/generate/sequence.hpp"
#include "medmo/io/checkpoint.hpp"
#include "medmo/random_checkpoint.hpp"

namespace {

using medmo::index;
using C = medmo::medmo_4b;

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

void measure(medmo::model<C> const& model, index side) {
  medmo::patch_grid grid{1, side / 16, side / 16};
  medmo::matrix<float> patches(grid.patches(), C::vision.patch_width());
  for (index i = 0; i < patches.size(); ++i) patches.data()[i] = static_cast<float>(i * 7919 % 255) / 127.5f - 1.0f;
  std::vector<index> ids{151644, 872, 198, 151652};
  ids.insert(ids.end(), static_cast<std::size_t>(grid.tokens(2)), 151655);
  ids.push_back(151653);
  for (index i = 0; i < 20; ++i) ids.push_back(1000 + i);
  auto tokens = static_cast<index>(ids.size());
  double vision_flops = medmo::count_vision<C>(grid, model.stored(), medmo::thread_count()).flops();
  double prefill_flops = medmo::count_decode<C>(tokens, 0, model.stored(), medmo::thread_count()).flops();
  auto step = medmo::count_decode<C>(1, tokens, model.stored(), medmo::thread_count());

  std::vector<double> vision, prefill, decode, peak, bandwidth;
  for (int run = 0; run < 5; ++run) {
    peak.push_back(machine::bf16_peak());
    bandwidth.push_back(machine::read_bandwidth());
    medmo::arena memory;
    auto start = std::chrono::steady_clock::now();
    auto features = medmo::see_picture(model, medmo::view<float>(patches.data(), patches.rows(), patches.cols(), Eigen::OuterStride<>(patches.cols())), grid, memory);
    vision.push_back(machine::seconds_since(start));
    medmo::sequence<C> s(model);
    medmo::visual_features const* seen = &features;
    s.reserve(tokens + 32, medmo::sequence<C>::default_chunk);
    start = std::chrono::steady_clock::now();
    s.append(ids, {&seen, 1});
    prefill.push_back(machine::seconds_since(start));
    start = std::chrono::steady_clock::now();
    constexpr int steps = 8;
    for (index i = 0; i < steps; ++i) s.append_token(2000 + i);
    decode.push_back(machine::seconds_since(start) / steps);
    std::fprintf(stderr, "run %d of 5: vision %.2f s, prefill %.2f s, token %.3f s\n", run + 1, vision.back(), prefill.back(), decode.back());
  }
  double v = median(vision), p = median(prefill), d = median(decode), top = median(peak), read = median(bandwidth);
  std::printf("| %lld x %lld, %lld tokens | %.2f s | %.0f %% | %.2f s | %.1f | %.0f %% | %.2f | %.1f GB/s | %.0f %% |\n",
              static_cast<long long>(side), static_cast<long long>(side), static_cast<long long>(tokens), v, 100 * vision_flops / v / top,
              p, static_cast<double>(tokens) / p, 100 * prefill_flops / p / top, 1 / d, step.weight_bytes() / d * 1e-9,
              100 * step.weight_bytes() / d / read);
  std::printf("limits of the same run: bf16 peak %.0f GFLOP/s (tiles %.0f, dots %.0f), reading %.1f GB/s, %d threads\n",
              top * 1e-9, machine::bf16_tile_peak() * 1e-9, machine::bf16_dot_peak() * 1e-9, read * 1e-9, medmo::thread_count());
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder = argc > 1 ? argv[1] : "build/bench/medmo_4b";
  if (!std::filesystem::exists(folder)) {
    std::filesystem::create_directories(folder);
    std::fprintf(stderr, "writing random weights to %s\n", folder.c_str());
    medmo::write_random_checkpoint<C>(folder, {.seed = 1});
  }
  auto model = medmo::model<C>::load(std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(folder)), folder);
  std::printf("| picture | vision | of peak | prefill | tokens/s | of peak | decoding, tokens/s | weights read | of bandwidth |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|\n");
  if (argc < 3) measure(model, 768);
  for (int i = 2; i < argc; ++i) measure(model, std::atol(argv[i]));
}
