// What a model needs before it runs: bytes of weights, cache, activations and pictures, and the work in FLOPs, from the
// configuration and the request alone. Usable in constant expressions.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "counter.hpp"
#include "kv_cache.hpp"

namespace medmo::inline MEDMO_ABI {

struct request_shape {
  std::span<patch_grid const> pictures{};
  index tokens = 0;         ///< prompt and answer
  index prompt_tokens = 0;
  index chunk = 1024;       ///< tokens of a prefill step
  dtype weights = dtype::bf16;
  index threads = 1;
};

struct memory_plan {
  std::size_t weights = 0, cache = 0, arena = 0, pictures = 0;  ///< bytes
  double vision_flops = 0, prefill_flops = 0;
  constexpr std::size_t total() const { return weights + cache + arena + pictures; }
};

/// Bytes of all tensors as these weights are stored; vectors are held as f32 as well as in the file.
template <class C>
std::size_t weight_bytes(model_weights<C> w) {
  std::size_t bytes = 0;
  for_each_tensor(w, [&](std::string const&, auto& t) {
    if constexpr (requires { t.stored; })
      bytes += static_cast<std::size_t>(t.rows * t.stored.row_size());
    else
      bytes += static_cast<std::size_t>(t.size) * sizeof(float);
  });
  return bytes;
}

/// The same when every matrix is stored as `type`.
template <class C>
std::size_t weight_bytes(dtype type) {
  model_weights<C> w;
  for_each_tensor(w, [&](std::string const&, auto& t) {
    if constexpr (requires { t.stored; }) t.stored.type = type;
  });
  return weight_bytes<C>(w);
}

/// Arena and FLOPs of the vision tower on one picture.
template <vision_language_configuration C>
constexpr counter count_vision(patch_grid const& grid, dtype weights, index threads) {
  vision_weights<C> w;
  counter e(weights, threads);
  see<C>(e, w, counter::rows<C::vision.patch_width()>{grid.patches()}, grid);
  return e;
}

/// Arena and FLOPs of one pass over rows of several sequences, with the head on the last `head_rows` of them.
template <model_configuration C>
constexpr counter count_decode(std::span<segment_size const> segments, dtype weights, index threads, index head_rows) {
  text_weights<C> w;
  counter e(weights, threads, segments);
  index tokens = 0;
  for (auto const& s : segments) tokens += s.rows;
  std::vector<index> ids(static_cast<std::size_t>(tokens));  // the counter reads its size alone
  auto x = decode<C>(e, w, token_chunk{.ids = ids, .positions = {}}, visual_rows<C, counter>{});
  head<C>(e, w, e.last_rows(x, head_rows));
  return e;
}

/// The same for `tokens` more tokens of one sequence after `first`.
template <model_configuration C>
constexpr counter count_decode(index tokens, index first, dtype weights, index threads, index head_rows = 1) {
  segment_size const one{first, tokens};
  return count_decode<C>(std::span(&one, 1), weights, threads, head_rows);
}

/// The whole of one request.
template <model_configuration C>
memory_plan plan_request(request_shape const& r) {
  constexpr auto& c = C::text;
  memory_plan p;
  p.weights = weight_bytes<C>(r.weights);
  kernels::kv_layout layout{kernels::compute_type(r.weights), c.kv_heads, c.head_dim};
  p.cache = static_cast<std::size_t>(kv_cache::bytes_for(layout, c.layers, r.tokens));
  if constexpr (vision_language_configuration<C>) {
    for (auto const& grid : r.pictures) {
      auto e = count_vision<C>(grid, r.weights, r.threads);
      p.arena = std::max(p.arena, e.peak());
      p.vision_flops += e.flops();
      index tokens = grid.tokens(C::vision.merge), levels = 1 + static_cast<index>(C::vision.deepstack.size());
      p.pictures += static_cast<std::size_t>(tokens * levels * c.hidden + grid.patches() * C::vision.patch_width()) *
                    sizeof(float);
    }
  }
  for (index at = 0; at < r.prompt_tokens; at += r.chunk) {
    auto e = count_decode<C>(std::min(r.chunk, r.prompt_tokens - at), at, r.weights, r.threads);
    p.arena = std::max(p.arena, e.peak());
    p.prefill_flops += e.flops();
  }
  return p;
}

}  // namespace medmo::inline MEDMO_ABI
