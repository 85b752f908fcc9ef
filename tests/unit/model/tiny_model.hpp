// Tiny configurations and random checkpoints in memory, for the tests of the model and generate rooms.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "medmo/core/parallel.hpp"
#include "medmo/core/patch_grid.hpp"
#include "medmo/core/random.hpp"
#include "medmo/core/tensor_source.hpp"
#include "medmo/model/model.hpp"

namespace tiny {

using medmo::index;

/// 256 byte tokens, then the 26 added ones of Qwen's vocabulary.
inline constexpr medmo::token_config byte_tokens{.endoftext = 256,
                                                 .im_start = 257,
                                                 .im_end = 258,
                                                 .vision_start = 265,
                                                 .vision_end = 266,
                                                 .vision_pad = 267,
                                                 .image_pad = 268,
                                                 .video_pad = 269};

/// Sees and speaks; grouped queries, two DeepStack levels, sizes with tails.
struct seeing {
  static constexpr std::string_view name = "seeing";
  static constexpr medmo::text_config text{.vocab = 288,
                                           .hidden = 48,
                                           .intermediate = 72,
                                           .layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .head_dim = 16,
                                           .mrope_section = {4, 2, 2},
                                           .max_positions = 1024};
  static constexpr medmo::vision_config vision{.depth = 3,
                                               .hidden = 24,
                                               .heads = 1,
                                               .intermediate = 52,
                                               .out_hidden = 48,
                                               .deepstack = {0, 1},
                                               .position_table = 16};
  static constexpr auto tokens = byte_tokens;
};

/// A decoder of the llama kind: no vision, plain rotary positions, biased attention, no norm of queries, a head of its own.
struct reading {
  static constexpr std::string_view name = "reading";
  static constexpr medmo::text_config text{.vocab = 288,
                                           .hidden = 40,
                                           .intermediate = 56,
                                           .layers = 3,
                                           .heads = 3,
                                           .kv_heads = 1,
                                           .head_dim = 24,
                                           .rope = medmo::rope_kind::plain,
                                           .rope_theta = 1e4,
                                           .qk_norm = false,
                                           .attention_bias = true,
                                           .tied_head = false,
                                           .max_positions = 1024};
  static constexpr auto tokens = byte_tokens;
};

struct stored_tensor {
  medmo::dtype type = medmo::dtype::f32;
  std::vector<index> shape;
  std::vector<std::byte> bytes;
  std::size_t skip = 0;  ///< bytes before the values: odd ones misalign them
};

/// A checkpoint whose tensors a test may change.
struct memory_source {
  std::map<std::string, stored_tensor, std::less<>> tensors;

  std::optional<medmo::tensor_ref> find(std::string_view name) const {
    auto at = tensors.find(name);
    if (at == tensors.end()) return std::nullopt;
    auto const& t = at->second;
    return medmo::tensor_ref{t.type, t.shape, std::span(t.bytes).subspan(t.skip)};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (auto const& [name, t] : tensors) out.push_back(name);
    return out;
  }
};

inline stored_tensor make_tensor(std::vector<float> const& values, std::vector<index> shape, medmo::dtype type,
                                 std::size_t skip = 0) {
  stored_tensor t{type, std::move(shape), {}, skip};
  auto size = medmo::size_of(type);
  t.bytes.resize(skip + values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto put = [&](auto x) { std::memcpy(t.bytes.data() + skip + i * size, static_cast<void const*>(&x), size); };
    if (type == medmo::dtype::f32) put(values[i]);
    else if (type == medmo::dtype::bf16) put(medmo::bf16(values[i]));
    else if (type == medmo::dtype::f16) put(medmo::f16(values[i]));
    else put(std::int64_t{0});
  }
  return t;
}

/// Every tensor of C by its canonical name; norms near one, the rest of a size that keeps activations alive. `type` is
/// that of the matrices.
template <class C>
memory_source random_checkpoint(medmo::dtype type = medmo::dtype::f32, std::uint64_t seed = 1) {
  memory_source source;
  medmo::model_weights<C> w;
  medmo::for_each_tensor(w, [&](std::string const& name, auto& tensor) {
    medmo::random_stream random(seed, medmo::stream_of(name));
    bool is_matrix = false;
    std::vector<index> shape;
    if constexpr (requires { tensor.stored; })
      shape = {tensor.rows, tensor.cols}, is_matrix = true;
    else
      shape = {tensor.size};
    bool norm = !is_matrix && name.ends_with("weight");
    index count = is_matrix ? shape[0] * shape[1] : shape[0];
    float scale = is_matrix ? 1.5f / std::sqrt(static_cast<float>(shape[1])) : 0.1f;
    if (name.find("embed_tokens") != std::string::npos) scale = 0.5f;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = (norm ? 1.0f : 0.0f) + scale * random.normal(i);
    source.tensors[name] = make_tensor(values, shape, is_matrix ? type : medmo::dtype::f32);
  });
  return source;
}

template <class C>
medmo::model<C> load(memory_source source) {
  return medmo::model<C>::load(std::make_shared<memory_source const>(std::move(source)), "memory");
}

template <class C>
medmo::model<C> random_model(medmo::dtype type = medmo::dtype::f32, std::uint64_t seed = 1) {
  return load<C>(random_checkpoint<C>(type, seed));
}

/// Byte tokens by seed.
inline std::vector<index> random_ids(index count, std::uint64_t seed = 3) {
  medmo::random_stream random(seed, medmo::stream_of("ids"));
  std::vector<index> ids;
  for (index i = 0; i < count; ++i) ids.push_back(static_cast<index>(random.bits(static_cast<std::uint64_t>(i)) % 256));
  return ids;
}

inline medmo::matrix<float> random_patches(medmo::patch_grid const& g, index width, std::uint64_t seed = 5) {
  medmo::random_stream random(seed, medmo::stream_of("patches"));
  medmo::matrix<float> m(g.patches(), width);
  for (index i = 0; i < m.size(); ++i) m.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  return m;
}

inline medmo::view<float> view_of(medmo::matrix<float> const& m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.cols())};
}

inline bool same_bytes(std::span<float const> a, std::span<float const> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// The error `f` must end in.
template <class F>
std::optional<medmo::error> error_of(F&& f) {
  try {
    f();
  } catch (medmo::error const& e) {
    return e;
  }
  return std::nullopt;
}

/// The thread count while it lives.
struct threads {
  explicit threads(int n) { medmo::set_thread_count(n); }
  ~threads() { medmo::set_thread_count(0); }
  threads(threads const&) = delete;
};

}  // namespace tiny
