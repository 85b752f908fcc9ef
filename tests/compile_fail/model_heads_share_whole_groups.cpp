// Query heads share key/value heads in whole groups.
// expect: text.heads must be a multiple of text.kv_heads
#include "medmo/model/model.hpp"

#ifdef SHOULD_COMPILE
constexpr medmo::index heads = 6;
#else
constexpr medmo::index heads = 5;
#endif

struct wired {
  static constexpr std::string_view name = "wired";
  static constexpr medmo::text_config text{.vocab = 151936, .hidden = 64, .intermediate = 96, .layers = 2, .heads = heads,
                                           .kv_heads = 2, .head_dim = 16, .mrope_section = {4, 2, 2}};
  static constexpr medmo::token_config tokens{};
};
template class medmo::model<wired>;
