// The limits of this machine, measured when asked: what the products could do at best, and how fast memory can be read.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "medmo/core/parallel.hpp"
#include "medmo/kernels/arch/amx.hpp"
#include "medmo/kernels/arch/bf16.hpp"
#include "medmo/kernels/simd.hpp"

namespace machine {

using medmo::index;

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The best of a few runs of f on every thread at once: operations of all threads a second.
template <class F>
double rate_of(double operations, F f) {
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    auto start = std::chrono::steady_clock::now();
    medmo::parallel_for(medmo::thread_count(), [&](index) { f(); });
    best = std::max(best, operations * medmo::thread_count() / seconds_since(start));
  }
  return best;
}

/// Keeps a value alive for the compiler.
inline void use(float x) {
  volatile float sink = x;
  (void)sink;
}

/// f32 multiply-adds in registers, FLOP/s.
inline double f32_peak() {
  constexpr int chains = 12 / medmo::kernels::f32x16::count;
  constexpr long rounds = 4'000'000;
  return rate_of(32.0 * chains * rounds, [] {
    medmo::kernels::f32x16 acc[chains], x(0.5f), y(0.999f);
    for (auto& a : acc) a = x;
    for (long i = 0; i < rounds; ++i)
      for (auto& a : acc) a = medmo::kernels::fma(a, y, x);
    float total = 0;
    for (auto& a : acc) total += medmo::kernels::sum(a);
    use(total);
  });
}

/// bf16 pair products in registers as kernels/dot.hpp uses them, FLOP/s.
inline double bf16_dot_peak() {
  constexpr int chains = medmo::kernels::f32x16::count == 1 ? 12 : 4;
  constexpr long rounds = 2'000'000;
  return rate_of(64.0 * chains * rounds, [] {
    alignas(64) medmo::bf16 numbers[32];
    for (auto& n : numbers) n = medmo::bf16(0.5f);
    auto x = medmo::kernels::arch::bf16x32::load(numbers);
    medmo::kernels::f32x16 acc[chains];
    for (auto& a : acc) a = medmo::kernels::f32x16(0.0f);
    for (long i = 0; i < rounds; ++i)
      for (auto& a : acc) a = medmo::kernels::arch::multiply_add(x, x, a);
    float total = 0;
    for (auto& a : acc) total += medmo::kernels::sum(a);
    use(total);
  });
}

/// bf16 tile products from registers, FLOP/s; 0 without AMX.
inline double bf16_tile_peak() {
#if MEDMO_AMX
  if (!medmo::kernels::arch::amx_ready()) return 0;
  constexpr long rounds = 200'000;
  return rate_of(4.0 * 16384 * rounds, [] {
    medmo::kernels::arch::amx_scope scope;
    alignas(64) static char const zeros[1024] = {};
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, zeros, 64);
    _tile_loadd(5, zeros, 64);
    _tile_loadd(6, zeros, 64);
    _tile_loadd(7, zeros, 64);
    for (long i = 0; i < rounds; ++i) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  });
#else
  return 0;
#endif
}

/// The bf16 limit of this machine: tiles where there are any, else dot products.
inline double bf16_peak() {
  double tiles = bf16_tile_peak();
  return tiles > 0 ? tiles : bf16_dot_peak();
}

/// Sequential reading of 1 GiB on all threads, bytes/s.
inline double read_bandwidth() {
  static std::vector<float> memory(std::size_t{1} << 28, 1.0f);
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    auto start = std::chrono::steady_clock::now();
    medmo::parallel_ranges(static_cast<index>(memory.size()), index{1} << 22, [&](index begin, index end) {
      medmo::kernels::f32x16 a(0.0f), b(0.0f), c(0.0f), d(0.0f);
      for (index at = begin; at < end; at += 64) {
        float const* p = memory.data() + at;
        a = a + medmo::kernels::f32x16::load(p);
        b = b + medmo::kernels::f32x16::load(p + 16);
        c = c + medmo::kernels::f32x16::load(p + 32);
        d = d + medmo::kernels::f32x16::load(p + 48);
      }
      use(medmo::kernels::sum(a + b + c + d));
    });
    best = std::max(best, static_cast<double>(memory.size()) * 4 / seconds_since(start));
  }
  return best;
}

}  // namespace machine
