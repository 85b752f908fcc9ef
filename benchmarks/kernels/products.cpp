// Matrix products and attention at the shapes of the 4B model, as shares of what this machine could do at best.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "../machine.hpp"
#include "medmo/kernels/attention.hpp"
#include "medmo/kernels/matmul.hpp"

namespace {

using medmo::index;
namespace kernels = medmo::kernels;

struct freed { void operator()(void* p) const { std::free(p); } };
template <class T>
std::unique_ptr<T[], freed> aligned(index count) {
  auto bytes = (static_cast<std::size_t>(count) * sizeof(T) + 4095) / 4096 * 4096;
  auto* p = static_cast<T*>(std::aligned_alloc(4096, bytes));
  for (index i = 0; i < count; ++i) p[i] = T(static_cast<float>(i % 61) * 0.01f - 0.3f);
  return std::unique_ptr<T[], freed>(p);
}

/// y = x W^T, T x K times K x O; several weights in turn, so that none stays in a cache.
template <class W>
void product(benchmark::State& state) {
  index t = state.range(0), k = state.range(1), o = state.range(2);
  constexpr auto type = sizeof(W) == 2 ? medmo::dtype::bf16 : medmo::dtype::f32;
  index copies = std::max<index>(1, 600'000'000 / (k * o * static_cast<index>(sizeof(W))));
  auto x = aligned<float>(t * k), y = aligned<float>(t * o);
  auto w = aligned<W>(copies * k * o);
  std::vector<std::byte> memory(static_cast<std::size_t>(kernels::matmul_scratch(type, t, k, o, medmo::thread_count())) + 64);
  auto* scratch = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64);
  index turn = 0;
  for (auto _ : state) {
    kernels::product p{{type, reinterpret_cast<std::byte const*>(w.get() + turn * k * o), o, k},
                       medmo::mutable_view<float>(y.get(), t, o, Eigen::OuterStride<>(o))};
    kernels::matmul(medmo::view<float>(x.get(), t, k, Eigen::OuterStride<>(k)), {&p, 1}, scratch);
    turn = (turn + 1) % copies;
  }
  double flops = 2.0 * static_cast<double>(t * k * o), bytes = static_cast<double>(k * o) * sizeof(W);
  auto runs = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(flops * runs * 1e-9, benchmark::Counter::kIsRate);
  static double const peak = sizeof(W) == 2 ? machine::bf16_peak() : machine::f32_peak(), bandwidth = machine::read_bandwidth();
  if (t > 16)
    state.counters["of_peak"] = benchmark::Counter(flops * runs / peak, benchmark::Counter::kIsRate);
  else
    state.counters["of_bandwidth"] = benchmark::Counter(bytes * runs / bandwidth, benchmark::Counter::kIsRate);
}
#define SHAPES Args({512, 2560, 9728})->Args({512, 9728, 2560})->Args({512, 2560, 4096})->Args({2304, 1024, 4096})->Args({2304, 4096, 1024})->Args({2304, 1024, 1024})->Args({1, 2560, 9728})->Args({1, 9728, 2560})->Args({1, 2560, 151936})
BENCHMARK(product<medmo::bf16>)->SHAPES->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(product<float>)->Args({512, 2560, 4096})->Args({1, 2560, 9728})->UseRealTime()->Unit(benchmark::kMillisecond);

/// Queries x keys x heads x head size; full within a picture, or causal with four queries to a key head.
template <class T>
void attend(benchmark::State& state) {
  index t = state.range(0), keys = state.range(1), heads = state.range(2), d = state.range(3);
  bool causal = state.range(4) != 0;
  index key_heads = causal ? heads / 4 : heads, pages = (keys + 63) / 64;
  kernels::kv_layout layout{sizeof(T) == 2 ? medmo::dtype::bf16 : medmo::dtype::f32, key_heads, d};
  auto q = aligned<float>(t * heads * d), k = aligned<float>(keys * key_heads * d), out = aligned<float>(t * heads * d);
  std::vector<std::byte> memory(static_cast<std::size_t>(pages * layout.bytes()) + 64);
  auto* first = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(memory.data()) + 63) / 64 * 64);
  std::vector<std::byte*> table;
  for (index i = 0; i < pages; ++i) table.push_back(first + i * layout.bytes());
  auto rows = [](float* p, index n, index c) { return medmo::mutable_view<float>(p, n, c, Eigen::OuterStride<>(c)); };
  auto const_rows = [](float const* p, index n, index c) { return medmo::view<float>(p, n, c, Eigen::OuterStride<>(c)); };
  auto keys_view = const_rows(k.get(), keys, key_heads * d);
  kernels::store_keys_values<T>(layout, keys_view, keys_view, table, 0);
  kernels::attention_shape shape{heads, 0.1f, causal ? kernels::attention_mask::causal : kernels::attention_mask::full,
                                 causal ? keys - t : 0, keys};
  for (auto _ : state)
    kernels::attention<T>(layout, shape, const_rows(q.get(), t, heads * d), table, rows(out.get(), t, heads * d));
  state.counters["GFLOP/s"] = benchmark::Counter(
      4e-9 * static_cast<double>(t * keys * heads * d) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(attend<medmo::bf16>)->Args({2304, 2304, 16, 64, 0})->Args({6400, 6400, 16, 64, 0})->Args({512, 1024, 32, 128, 1})->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(attend<float>)->Args({2304, 2304, 16, 64, 0})->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
