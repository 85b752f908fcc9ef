// What the vision tower gives is as wide as what the decoder takes.
// expect: vision.out_hidden must equal text.hidden
#include "medmo/model/model.hpp"

#ifdef SHOULD_COMPILE
constexpr medmo::index out = 64;
#else
constexpr medmo::index out = 48;
#endif

struct wired {
  static constexpr std::string_view name = "wired";
  static constexpr medmo::text_config text{.vocab = 151936, .hidden = 64, .intermediate = 96, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 16, .mrope_section = {4, 2, 2}};
  static constexpr medmo::vision_config vision{.depth = 3, .hidden = 48, .heads = 2, .intermediate = 64,
                                               .out_hidden = out, .deepstack = {0, 1}, .position_table = 16};
  static constexpr medmo::token_config tokens{};
};
template class medmo::model<wired>;
