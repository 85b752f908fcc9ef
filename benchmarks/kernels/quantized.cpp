// Products with quantised weights at the shapes of the 4B model: decoding one token as a share of the read bandwidth, prefill of 512
// as a share of the bf16 peak.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "../machine.hpp"
#include "medmo/core/arena.hpp"
#include "medmo/core/random.hpp"
#include "medmo/kernels/matmul.hpp"

namespace {

using medmo::dtype;
using medmo::index;
namespace kernels = medmo::kernels;

/// [O, K] of a few rows of random numbers, again and again; as many copies as no cache holds.
struct stored_weights {
  dtype type;
  index rows, columns, copies;
  std::vector<std::byte> bytes;

  stored_weights(dtype t, index o, index k) : type(t), rows(o), columns(k) {
    auto const row = medmo::bytes_for(t, static_cast<std::size_t>(k)), whole = row * static_cast<std::size_t>(o);
    copies = std::max<index>(1, 300'000'000 / static_cast<index>(whole));
    bytes.resize(whole * static_cast<std::size_t>(copies));
    constexpr std::size_t distinct = 8;
    std::vector<float> x(static_cast<std::size_t>(k));
    medmo::random_stream random(1, medmo::stream_of("quantized"));
    for (std::size_t r = 0; r < distinct; ++r) {
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.02f * random.normal(r * x.size() + i);
      kernels::quantize_row(t, x.data(), k, bytes.data() + r * row);
    }
    for (std::size_t at = distinct * row; at < bytes.size(); at += row) std::memcpy(bytes.data() + at, bytes.data() + at % (distinct * row), row);
  }
  kernels::stored_matrix copy(index i) const {
    return {type, bytes.data() + static_cast<std::size_t>(i % copies) * (bytes.size() / static_cast<std::size_t>(copies)), rows, columns};
  }
};

/// y = x W^T, T x K times K x O, W of `type`.
void product(benchmark::State& state) {
  auto type = static_cast<dtype>(state.range(0));
  index t = state.range(1), k = state.range(2), o = state.range(3);
  state.SetLabel(std::string(medmo::name_of(type)));
  stored_weights w(type, o, k);
  std::vector<float> x(static_cast<std::size_t>(t * k), 0.25f), y(static_cast<std::size_t>(t * o));
  medmo::arena memory;
  index scratch = kernels::matmul_scratch(type, t, k, o, medmo::thread_count());
  memory.reserve(static_cast<std::size_t>(scratch) + 64);
  auto* room = memory.take<std::byte>(scratch);
  index turn = 0;
  for (auto _ : state) {
    kernels::product p{w.copy(turn++), medmo::mutable_view<float>(y.data(), t, o, Eigen::OuterStride<>(o))};
    kernels::matmul(medmo::view<float>(x.data(), t, k, Eigen::OuterStride<>(k)), {&p, 1}, room);
  }
  double const runs = static_cast<double>(state.iterations());
  double const bytes = static_cast<double>(medmo::bytes_for(type, static_cast<std::size_t>(k * o))) * runs, flops = 2.0 * static_cast<double>(t * k * o) * runs;
  static double const bandwidth = machine::read_bandwidth(), peak = machine::bf16_peak();
  if (t == 1) {
    state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsRate);
    state.counters["of_bandwidth"] = benchmark::Counter(bytes / bandwidth, benchmark::Counter::kIsRate);
  } else {
    state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsRate);
    state.counters["of_peak"] = benchmark::Counter(flops / peak, benchmark::Counter::kIsRate);
  }
}
void shapes(benchmark::internal::Benchmark* b) {
  for (auto type : {dtype::q8_0, dtype::q6_k, dtype::q5_k, dtype::q4_k, dtype::q4_0})
    for (index t : {1, 512}) b->Args({static_cast<index>(type), t, 2560, 9728});
}
BENCHMARK(product)->Apply(shapes)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
