// The three rotary axes share all frequencies of a head.
// expect: text.mrope_section must sum to head_dim / 2
#include "medmo/model/model.hpp"

#ifdef SHOULD_COMPILE
constexpr medmo::index last = 2;
#else
constexpr medmo::index last = 3;
#endif

struct wired {
  static constexpr std::string_view name = "wired";
  static constexpr medmo::text_config text{.vocab = 151936, .hidden = 64, .intermediate = 96, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 16, .mrope_section = {4, 2, last}};
  static constexpr medmo::token_config tokens{};
};
template class medmo::model<wired>;
