// AdamW: Adam with bias correction and decoupled weight decay, and the norm that clips the gradients before it.
// Source: arXiv 1711.05101, algorithm 2; torch.optim.AdamW and clip_grad_norm_, torch 2.8.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "../core/parallel.hpp"
#include "../kernels/simd.hpp"

namespace medmo::inline MEDMO_ABI::train {

struct adamw_options {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
};

/// Euclidean norm of all numbers: squares summed in f64, 65536 at a time, the parts in order. `parts` is scratch that keeps
/// its size. NaN or infinite if a number is.
inline double norm_of(std::span<float const> x, std::vector<double>& parts) {
  constexpr index grain = index{1} << 16;
  auto const n = static_cast<index>(x.size());
  parts.resize(static_cast<std::size_t>((n + grain - 1) / grain));
  parallel_ranges(n, grain, [&](index begin, index end) {
    double lanes[8] = {};
    index i = begin;
    for (; i + 8 <= end; i += 8)
      for (index l = 0; l < 8; ++l) lanes[l] += static_cast<double>(x[static_cast<std::size_t>(i + l)]) * static_cast<double>(x[static_cast<std::size_t>(i + l)]);
    for (; i < end; ++i) lanes[0] += static_cast<double>(x[static_cast<std::size_t>(i)]) * static_cast<double>(x[static_cast<std::size_t>(i)]);
    double total = 0;
    for (double l : lanes) total += l;
    parts[static_cast<std::size_t>(begin / grain)] = total;
  });
  double total = 0;
  for (double p : parts) total += p;
  return std::sqrt(total);
}

/// What all gradients are multiplied by so that their norm is at most `limit`: min(1, limit / (norm + 1e-6)).
inline double clip_factor(double norm, double limit) { return std::min(1.0, limit / (norm + 1e-6)); }

/// One tensor's share of step `step` (from 1), with g = gradient * clip:
///   m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,
///   x = x (1 - rate decay) - rate / (1 - b1^step) m / (sqrt(v) / sqrt(1 - b2^step) + epsilon)
/// In f32. All spans have one size. Parallel over pieces.
inline void adamw_step(std::span<float> value, std::span<float const> gradient, std::span<float> first,
                       std::span<float> second, adamw_options const& o, double rate, double decay, double clip, index step) {
  double const t = static_cast<double>(step);
  using kernels::f32x16;
  auto all = [](double x) { return f32x16(static_cast<float>(x)); };
  f32x16 const b1 = all(o.beta1), b2 = all(o.beta2), r1 = all(1 - o.beta1), r2 = all(1 - o.beta2);
  f32x16 const scale = all(clip), keep = all(1 - rate * decay), move = all(rate / (1 - std::pow(o.beta1, t)));
  f32x16 const root = all(1 / std::sqrt(1 - std::pow(o.beta2, t))), epsilon = all(o.epsilon);
  parallel_ranges(static_cast<index>(value.size()), index{1} << 16, [&](index begin, index end) {
    for (index i = begin; i < end; i += 16) {
      index const n = std::min<index>(16, end - i);
      auto load = [&](float const* p) { return n == 16 ? f32x16::load(p + i) : f32x16::load_first(p + i, n); };
      auto save = [&](f32x16 const& v, float* p) { n == 16 ? v.store(p + i) : v.store_first(p + i, n); };
      f32x16 const g = load(gradient.data()) * scale;
      f32x16 const m = b1 * load(first.data()) + r1 * g, v = b2 * load(second.data()) + r2 * (g * g);
      save(m, first.data());
      save(v, second.data());
      save(load(value.data()) * keep - move * (m / (sqrt(v) * root + epsilon)), value.data());
    }
  });
}

}  // namespace medmo::inline MEDMO_ABI::train
