// Pictures and text as one vector: the decoder's hidden state after its last norm, pooled over the tokens and of length 1.
// Dot products of such vectors are cosines. A by-product of a model made for answers, not of one trained for retrieval.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turn.hpp"

namespace medmo::inline MEDMO_ABI {

enum class pooling {
  last_token,  ///< the state from which the answer would begin: it has seen everything
  mean,        ///< the mean over all tokens of the prompt, those of pictures and of the template included
};

constexpr std::string_view name_of(pooling p) { return p == pooling::mean ? "mean" : "last"; }

struct embed_options {
  turn_options turn{};
  medmo::pooling pooling = medmo::pooling::last_token;
  index prefill_chunk = 1024;  ///< tokens a step; changes time and memory, never the vector
};

struct embedding {
  std::vector<float> values;  ///< [D], of Euclidean length 1
  index tokens = 0;           ///< of the prompt
};

/// e = h / |h|, of tokens [T] that pictures stand in:  h = norm(x)[T - 1]  or  h = mean_t norm(x)[t].
/// Sums in f64. Errors: as sequence::append; not_finite if the length is 0 or not finite.
template <model_configuration C>
embedding embed_tokens(sequence<C>& tokens, std::span<index const> ids,
                       std::span<visual_features const* const> pictures = {}, embed_options const& options = {}) {
  std::vector<double> h(static_cast<std::size_t>(C::text.hidden), 0.0);
  auto const last = static_cast<index>(ids.size()) - 1;
  tokens.append_hidden(ids, pictures, [&](index t, std::span<float const> row) {
    if (options.pooling == pooling::mean || t == last)
      for (std::size_t d = 0; d < h.size(); ++d) h[d] += static_cast<double>(row[d]);
  }, options.prefill_chunk);
  double square = 0;
  for (double x : h) square += x * x;
  double const length = std::sqrt(square);
  if (!(length > 0 && std::isfinite(length)))
    MEDMO_THROW(errc::not_finite, "hidden state", "numbers, not all of them 0", std::to_string(length));
  embedding out{{}, last + 1};
  for (double x : h) out.values.push_back(static_cast<float>(x / length));
  return out;
}

/// The vector of pictures, text or both: of one user's turn in the chat template, up to where the answer begins.
///   medmo::embed(model, {scan}, "", {.pooling = medmo::pooling::mean})
/// Errors: bad_argument if there is neither picture nor text; bad_image, bad_text, too_large, unsupported.
template <model_configuration C>
embedding embed(pretrained<C> const& p, std::vector<image> const& pictures, std::string_view text,
                embed_options const& options = {}) {
  if (pictures.empty() && text.empty())
    MEDMO_THROW(errc::bad_argument, "embed", "a picture, a text or both", "nothing");
  if (options.prefill_chunk < 1)
    MEDMO_THROW(errc::bad_argument, "embed", "prefill_chunk >= 1", std::to_string(options.prefill_chunk));
  sequence<C> tokens(p.model);
  auto const turn = see_turn(p, std::span(pictures), text, tokens.memory(), options.turn);
  return embed_tokens(tokens, turn.prompt.ids, turn.features(), options);
}

}  // namespace medmo::inline MEDMO_ABI
