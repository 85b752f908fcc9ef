// A model with what belongs to it: tokenizer, picture sizes, defaults of sampling. What `load` gives and a session takes.
#pragma once

#include <utility>
#include <vector>

#include "../model/model.hpp"
#include "../text/tokenizer.hpp"
#include "../vision/preprocess.hpp"
#include "sampler.hpp"

namespace medmo::inline MEDMO_ABI {

namespace detail {
/// C::vocabulary, or Qwen's vocabulary cut to what the configuration's token ids say.
template <class C>
struct vocabulary_of {
  using type = text::qwen_vocabulary<tokens_of<C>.endoftext, C::text.vocab>;
};
template <class C>
  requires requires { typename C::vocabulary; }
struct vocabulary_of<C> {
  using type = typename C::vocabulary;
};
}  // namespace detail

template <model_configuration C>
using vocabulary_of = typename detail::vocabulary_of<C>::type;

template <model_configuration C>
struct pretrained {
  using configuration = C;

  medmo::model<C> model;
  text::tokenizer<vocabulary_of<C>> tokenizer;
  vision::preprocess_options pictures{};
  sampling_options sampling{};        ///< of the model's generation_config
  std::vector<index> end_ids{tokens_of<C>.im_end, tokens_of<C>.endoftext};
};

}  // namespace medmo::inline MEDMO_ABI
