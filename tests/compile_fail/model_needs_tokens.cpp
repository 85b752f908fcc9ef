// A configuration says which tokens steer the model.
// expect: text_configuration
#include "medmo/model/model.hpp"

struct wired {
  static constexpr std::string_view name = "wired";
  static constexpr medmo::text_config text{.vocab = 151936, .hidden = 64, .intermediate = 96, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 16, .mrope_section = {4, 2, 2}};
#ifdef SHOULD_COMPILE
  static constexpr medmo::token_config tokens{};
#endif
};
template class medmo::model<wired>;
