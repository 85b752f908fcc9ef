// A configuration has at least the decoder's sizes; names and token ids have defaults.
// expect: text_configuration
#include "medmo/model/model.hpp"

struct wired {
#ifdef SHOULD_COMPILE
  static constexpr medmo::text_config text{.vocab = 151936, .hidden = 64, .intermediate = 96, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 16, .mrope_section = {4, 2, 2}};
#else
  static constexpr int texts = 1;
#endif
};
template class medmo::model<wired>;
