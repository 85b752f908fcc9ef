// Which linears get a low-rank adapter, and how one begins: A random, B zero, so that the model is at first what it was.
// The arithmetic is kernels/low_rank.hpp; where the numbers live is parameters.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../kernels/low_rank.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// y += (alpha / rank) B A x on every linear whose name ends in one of `targets` ("q_proj", "attn.qkv") and, where
/// `within` is given, contains it ("language_model", "visual"). rank 0: no adapters. The patch embedding, a convolution in
/// the reference, gets none.
struct lora_options {
  index rank = 0;
  double alpha = 32;
  std::vector<std::string> targets = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
  std::string within{};
  std::uint64_t seed = 0;

  float scale() const { return static_cast<float>(alpha / static_cast<double>(rank)); }
  bool wants(std::string_view name) const {
    if (rank == 0 || name.find(within) == std::string_view::npos || name.ends_with("patch_embed.proj")) return false;
    return std::any_of(targets.begin(), targets.end(), [&](std::string const& t) {
      return name.ends_with(t) && (name.size() == t.size() || name[name.size() - t.size() - 1] == '.');
    });
  }
};

/// errc::bad_argument for options outside their range.
inline void check(lora_options const& o) {
  if (o.rank < 0 || o.rank > kernels::low_rank::max_rank)
    MEDMO_THROW(errc::bad_argument, "LoRA rank", "0.." + std::to_string(kernels::low_rank::max_rank), std::to_string(o.rank));
  if (!std::isfinite(o.alpha)) MEDMO_THROW(errc::bad_argument, "LoRA alpha", "a number", std::to_string(o.alpha));
}

/// A [rank, In], uniform in +-1/sqrt(In), a function of seed and name alone. Source: peft's reset_lora_parameters.
inline void begin_adapter(float* a, index rank, index in, std::string_view name, std::uint64_t seed) {
  random_stream const random(seed, stream_of(name));
  double const bound = 1 / std::sqrt(static_cast<double>(in));
  for (index i = 0; i < rank * in; ++i)
    a[i] = static_cast<float>(bound * (2 * random.uniform(static_cast<std::uint64_t>(i)) - 1));
}

}  // namespace medmo::inline MEDMO_ABI::train
