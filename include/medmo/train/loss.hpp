// The end of the forward pass and the beginning of the backward one: the head, the log-probabilities of chosen tokens and
// the gradient of any loss of them, a few rows at a time, so that the logits of a whole batch never exist. The logits
// have the bits that generation gives them.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <type_traits>

#include "../kernels/cross_entropy.hpp"
#include "../model/decoder.hpp"
#include "tape.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// Token `id` is judged by what the model says behind row `row` of the pass.
struct target {
  index row = 0, id = 0;
};

/// Rows of logits held at a time: 64 MiB of them, in whole tiles of sixteen.
constexpr index loss_rows(index vocab, index targets) {
  return std::min(targets, std::max<index>(16, (index{1} << 24) / vocab / 16 * 16));
}

/// out[i] = ln p(targets[i]) of softmax(logits / temperature), logits = h W^T. h [T, D] after the last norm.
/// With `slope(i, ln p) -> double`, the derivative of the loss by out[i]: adds its gradient to that of h and of W. Without
/// (nullptr): forward only. A slope of 0 leaves a row out of the backward pass. Targets must lie in h and in the table.
template <index D, index V, class Slope>
void log_probabilities(tape& t, tape::rows<D> const& h, weight<V, D> const& table, std::span<target const> targets,
                       std::span<double> out, Slope&& slope, float temperature = 1) {
  auto& memory = t.memory();
  tape::memory_scope all(&memory);
  index const most = loss_rows(V, static_cast<index>(targets.size()));
  float *states = memory.take<float>(most * D), *scores = memory.take<float>(most * V);
  auto* ids = memory.take<index>(most);
  auto* log_sums = memory.take<double>(most);
  [[maybe_unused]] float *d_states = memory.take<float>(most * D), *slopes = memory.take<float>(most);
  for (std::size_t first = 0; first < targets.size(); first += static_cast<std::size_t>(most)) {
    auto const n = std::min(static_cast<std::size_t>(most), targets.size() - first);
    auto const count = static_cast<index>(n);
    tape::memory_scope inner(&memory);
    auto const x = view_of<float>(states, count, D);
    auto logits = mutable_view_of(scores, count, V);
    for (std::size_t i = 0; i < n; ++i) {
      auto const& aim = targets[first + i];
      MEDMO_ASSERT(aim.row >= 0 && aim.row < h.size && aim.id >= 0 && aim.id < V);
      std::copy_n(h.row(aim.row), D, states + static_cast<index>(i) * D);
      ids[i] = aim.id;
    }
    kernels::product const head{table.stored, logits, nullptr, kernels::store::assign};
    kernels::matmul(x, {&head, 1}, memory.take<std::byte>(kernels::matmul_scratch(table.stored.type, count, D, V, thread_count())));
    if (temperature != 1.0f) logits /= temperature;
    kernels::log_probabilities(read_only(logits), {ids, n}, {log_sums, n}, out.subspan(first, n));
    if constexpr (!std::is_null_pointer_v<std::remove_cvref_t<Slope>>) {
      bool any = false;
      for (std::size_t i = 0; i < n; ++i) {
        slopes[i] = static_cast<float>(slope(first + i, out[first + i]) / static_cast<double>(temperature));
        any = any || slopes[i] != 0.0f;
      }
      if (!any) continue;
      kernels::log_probabilities_vjp(logits, {ids, n}, {log_sums, n}, {slopes, n});
      auto d_h = t.seed(h);
      auto const d_x = mutable_view_of(d_h.data() ? d_states : nullptr, count, D);
      kernels::product_vjp const back{table.stored, read_only(logits), t.weights().find(table), nullptr};
      kernels::matmul_vjp(x, {&back, 1}, d_x, kernels::store::assign,
                          memory.take<std::byte>(kernels::matmul_vjp_scratch(table.stored.type, count, D, V, thread_count())));
      if (!d_h.data()) continue;
      for (std::size_t i = 0; i < n; ++i) d_h.row(targets[first + i].row) += d_x.row(static_cast<index>(i));
    }
  }
}

/// The head's table of a configuration.
template <class C>
auto const& head_table(text_weights<C> const& w) {
  if constexpr (C::text.tied_head) return w.embed_tokens;
  else return w.lm_head;
}

}  // namespace medmo::inline MEDMO_ABI::train
