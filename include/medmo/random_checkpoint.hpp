// Random weights of a configuration, by seed, as a Hugging Face folder's safetensors: to train from, to measure with, and to
// test on. Values are pure functions of seed, tensor name and place: the same on every machine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "core/parallel.hpp"
#include "core/random.hpp"
#include "io/safetensors_writer.hpp"
#include "model/check.hpp"
#include "model/weights.hpp"

namespace medmo::inline MEDMO_ABI {

struct init_options {
  std::uint64_t seed = 0;
  dtype type = dtype::bf16;              ///< f32 or bf16, of every tensor
  float deviation = 0.02f;               ///< of matrices, as transformers' initializer_range; norms are 1, biases 0
  std::uint64_t shard_bytes = 5'000'000'000;
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress{};
};

namespace detail {
struct random_tensor {
  std::string name;
  std::vector<index> shape;
  index count = 0;
  enum class fill { normal, one, zero } how = fill::normal;
};

template <model_configuration C>
std::vector<random_tensor> random_tensors() {
  model_weights<C> w;
  std::vector<random_tensor> list;
  for_each_tensor(w, [&](std::string const& name, auto& t) {
    random_tensor r{.name = name, .shape = {}, .count = 0};
    if constexpr (requires { t.stored; }) {
      r.shape = {t.rows, t.cols};
      r.count = t.rows * t.cols;
      if constexpr (vision_language_configuration<C>)
        if (name.ends_with("patch_embed.proj.weight"))
          r.shape = {t.rows, C::vision.channels, C::vision.temporal_patch, C::vision.patch, C::vision.patch};
    } else {
      r.shape = {t.size};
      r.count = t.size;
      r.how = name.ends_with("bias") ? random_tensor::fill::zero : random_tensor::fill::one;
    }
    list.push_back(std::move(r));
  });
  return list;
}

template <class T>
void fill_random(random_tensor const& t, init_options const& o, index first, std::vector<T>& out) {
  random_stream stream(o.seed, stream_of(t.name));
  parallel_ranges(static_cast<index>(out.size()), index{1} << 14, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      float x = t.how == random_tensor::fill::one ? 1.0f : 0.0f;
      if (t.how == random_tensor::fill::normal) x = o.deviation * stream.normal(static_cast<std::uint64_t>(first + i));
      out[static_cast<std::size_t>(i)] = T(x);
    }
  });
}

template <class T>
void append_random(io::safetensors_writer& out, random_tensor const& t, init_options const& o,
                   std::function<void(std::uint64_t)> const& wrote) {
  constexpr index piece = index{1} << 22;
  std::vector<T> values;
  for (index at = 0; at < t.count; at += piece) {
    values.resize(static_cast<std::size_t>(std::min(piece, t.count - at)));
    fill_random(t, o, at, values);
    out.append(std::as_bytes(std::span(values)));
    wrote(values.size() * sizeof(T));
  }
}
}  // namespace detail

/// Writes model.safetensors, or shards with model.safetensors.index.json beyond `shard_bytes`, into an existing folder.
/// Errors: file_access; unsupported for a type other than f32 and bf16.
template <model_configuration C>
void write_random_checkpoint(std::string const& folder, init_options const& options) {
  static_assert(checked_configuration<C>());
  if (options.type != dtype::f32 && options.type != dtype::bf16)
    MEDMO_THROW(errc::unsupported, folder, "type F32 or BF16", std::string(name_of(options.type)));
  auto tensors = detail::random_tensors<C>();
  std::vector<std::vector<detail::random_tensor const*>> shards(1);
  std::uint64_t total = 0, in_shard = 0;
  for (auto const& t : tensors) {
    auto bytes = static_cast<std::uint64_t>(t.count) * size_of(options.type);
    if (in_shard > 0 && in_shard + bytes > options.shard_bytes) {
      shards.emplace_back();
      in_shard = 0;
    }
    shards.back().push_back(&t);
    in_shard += bytes;
    total += bytes;
  }
  auto name_of_shard = [&](std::size_t i) {
    if (shards.size() == 1) return std::string("model.safetensors");
    auto five = [](std::size_t n) {
      auto digits = std::to_string(n);
      return std::string(5 - std::min<std::size_t>(5, digits.size()), '0') + digits;
    };
    return "model-" + five(i + 1) + "-of-" + five(shards.size()) + ".safetensors";
  };
  std::uint64_t done = 0;
  auto wrote = [&](std::uint64_t bytes) {
    done += bytes;
    if (options.on_progress) options.on_progress(done, total);
  };
  io::json weight_map = io::json::object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    io::safetensors_writer out(folder + "/" + name_of_shard(i));
    for (auto const* t : shards[i]) {
      out.declare(t->name, options.type, t->shape);
      weight_map[t->name] = name_of_shard(i);
    }
    for (auto const* t : shards[i])
      if (options.type == dtype::f32)
        detail::append_random<float>(out, *t, options, wrote);
      else
        detail::append_random<bf16>(out, *t, options, wrote);
    out.commit();
  }
  if (shards.size() > 1)
    io::write_file(folder + "/model.safetensors.index.json",
                   io::json{{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}}.dump(2) + "\n");
}

}  // namespace medmo::inline MEDMO_ABI
