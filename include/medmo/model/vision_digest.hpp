// What tells one vision tower from another: a hash of its configuration and of every byte of its weights.
#pragma once

#include <algorithm>
#include <bit>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/blake2s.hpp"
#include "../core/parallel.hpp"
#include "weights.hpp"

namespace medmo::inline MEDMO_ABI {

/// BLAKE2s over the configuration, `compute` (the type products are made in), and for each tensor its name, type and the
/// digests of its pieces of 1 MiB, which are hashed in parallel. About a second for each GB of weights and pair of
/// threads: models remember it (model::vision_digest).
template <vision_language_configuration C>
digest digest_of_vision(model_weights<C> const& weights, dtype compute) {
  constexpr auto& c = C::vision;
  blake2s hash;
  hash.add_text("medmo vision tower 1");
  for (index n : {c.depth, c.hidden, c.heads, c.intermediate, c.out_hidden, c.patch, c.merge, c.temporal_patch, c.channels,
                  c.position_table, static_cast<index>(compute)})
    hash.add(static_cast<std::uint64_t>(n));
  hash.add(std::uint64_t{c.deepstack.size()});
  for (std::size_t i = 0; i < c.deepstack.size(); ++i) hash.add(static_cast<std::uint64_t>(c.deepstack[i]));
  for (double x : {c.norm_eps, c.rope_theta}) hash.add(std::bit_cast<std::uint64_t>(x));

  constexpr index piece = index{1} << 20;
  auto const views = std::make_unique<model_weights<C>>(weights);  // for_each_tensor wants to be able to write
  for_each_tensor(*views, [&](std::string const& name, auto const& tensor) {
    if (!name.starts_with("model.visual.")) return;
    auto add = [&](dtype type, void const* data, index bytes) {
      auto const* begin = static_cast<std::byte const*>(data);
      std::vector<digest> pieces(static_cast<std::size_t>((bytes + piece - 1) / piece));
      parallel_for(static_cast<index>(pieces.size()), [&](index i) {
        auto const size = static_cast<std::size_t>(std::min(piece, bytes - i * piece));
        pieces[static_cast<std::size_t>(i)] = blake2s().add(std::span(begin + i * piece, size)).finish();
      });
      hash.add_text(name).add(static_cast<std::uint64_t>(type)).add(static_cast<std::uint64_t>(bytes));
      for (auto const& d : pieces) hash.add(std::as_bytes(std::span(d)));
    };
    if constexpr (requires { tensor.stored; })
      add(tensor.stored.type, tensor.stored.bytes, tensor.stored.rows * tensor.stored.row_size());
    else
      add(dtype::f32, tensor.data, tensor.size * static_cast<index>(sizeof(float)));
  });
  return hash.finish();
}

}  // namespace medmo::inline MEDMO_ABI
