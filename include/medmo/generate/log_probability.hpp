// Log-probabilities of tokens from a row of logits: of one token, and of the most probable ones. They are the model's own,
// of the logits as given; what a sampler does to them afterwards (temperature, penalties) is no part of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "../core/error.hpp"
#include "../kernels/log_sum_exp.hpp"

namespace medmo::inline MEDMO_ABI {

/// A token and the natural logarithm of its probability.
struct token_probability {
  index id = 0;
  double log_probability = 0;
};

using kernels::log_sum_exp;

/// ln p(id) = l_id - log_sum_exp(l). At most 0 but for rounding; -infinity for a token that is ruled out.
inline double log_probability(std::span<float const> logits, index id) {
  MEDMO_ASSERT(id >= 0 && static_cast<std::size_t>(id) < logits.size());
  return static_cast<double>(logits[static_cast<std::size_t>(id)]) - log_sum_exp(logits);
}

/// The `count` most probable tokens into `out`, the most probable first, the lower id first among equals; tokens of
/// -infinity are left out. `log_sum` is log_sum_exp(logits). Allocates nothing if `out` has room for count + 1.
inline void most_probable(std::span<float const> logits, index count, double log_sum, std::vector<token_probability>& out) {
  out.clear();
  if (count <= 0) return;
  auto const most = static_cast<std::size_t>(count);
  // a heap of the best so far, the worst of them in front; until the end it holds logits
  auto before = [](token_probability const& a, token_probability const& b) {
    return a.log_probability != b.log_probability ? a.log_probability > b.log_probability : a.id < b.id;
  };
  float least = -std::numeric_limits<float>::infinity();  // later tokens must beat it
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > least)) continue;
    out.push_back({static_cast<index>(i), static_cast<double>(logits[i])});
    std::push_heap(out.begin(), out.end(), before);
    if (out.size() > most) {
      std::pop_heap(out.begin(), out.end(), before);
      out.pop_back();
    }
    if (out.size() == most) least = static_cast<float>(out.front().log_probability);
  }
  std::sort_heap(out.begin(), out.end(), before);
  for (auto& t : out) t.log_probability -= log_sum;
}

/// The same where nobody knows the sum yet.
inline void most_probable(std::span<float const> logits, index count, std::vector<token_probability>& out) {
  most_probable(logits, count, log_sum_exp(logits), out);
}

}  // namespace medmo::inline MEDMO_ABI
