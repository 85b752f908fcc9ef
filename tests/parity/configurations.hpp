// The tiny configurations of tests/data/parity, as types. They mirror CONFIGURATIONS in tools/export_parity.py, and differ
// in what goes wrong: depth, heads, head sizes, uneven rotary sections, DeepStack lists, position tables, tails, tied heads.
#pragma once

#include "medmo/model/config.hpp"

namespace parity {

using medmo::index;

/// The eight special ids are the last of the vocabulary.
constexpr medmo::token_config last_ids(index vocab) {
  index first = vocab - 8;
  return {.endoftext = first,
          .im_start = first + 1,
          .im_end = first + 2,
          .vision_start = first + 3,
          .vision_end = first + 4,
          .vision_pad = first + 5,
          .image_pad = first + 6,
          .video_pad = first + 7};
}

/// One picture of each kind; DeepStack after the first two blocks.
struct base {
  static constexpr std::string_view name = "base";
  static constexpr medmo::text_config text{.vocab = 320,
                                           .hidden = 48,
                                           .intermediate = 72,
                                           .layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .head_dim = 16,
                                           .mrope_section = {4, 2, 2},
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 3,
                                               .hidden = 24,
                                               .heads = 1,
                                               .intermediate = 52,
                                               .out_hidden = 48,
                                               .deepstack = {0, 1},
                                               .position_table = 16};
  static constexpr auto tokens = last_ids(text.vocab);
};

/// One key/value head for four; vision heads of 12; untied head; time has fewer frequencies than height and width.
struct one_kv {
  static constexpr std::string_view name = "one_kv";
  static constexpr medmo::text_config text{.vocab = 300,
                                           .hidden = 48,
                                           .intermediate = 60,
                                           .layers = 3,
                                           .heads = 4,
                                           .kv_heads = 1,
                                           .head_dim = 16,
                                           .mrope_section = {2, 3, 3},
                                           .tied_head = false,
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 5,
                                               .hidden = 24,
                                               .heads = 2,
                                               .intermediate = 44,
                                               .out_hidden = 48,
                                               .deepstack = {1, 3},
                                               .position_table = 64};
  static constexpr auto tokens = last_ids(text.vocab);
};

/// As many key/value heads as query heads, three of them; no DeepStack; a prompt over several cache pages.
struct full_kv {
  static constexpr std::string_view name = "full_kv";
  static constexpr medmo::text_config text{.vocab = 360,
                                           .hidden = 48,
                                           .intermediate = 60,
                                           .layers = 4,
                                           .heads = 3,
                                           .kv_heads = 3,
                                           .head_dim = 16,
                                           .mrope_section = {3, 3, 2},
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 2,
                                               .hidden = 36,
                                               .heads = 1,
                                               .intermediate = 60,
                                               .out_hidden = 48,
                                               .deepstack = {},
                                               .position_table = 64};
  static constexpr auto tokens = last_ids(text.vocab);
};

/// Heads of 32 with uneven sections; the real position table of 48 x 48; DeepStack after the last block.
struct wide_head {
  static constexpr std::string_view name = "wide_head";
  static constexpr medmo::text_config text{.vocab = 400,
                                           .hidden = 48,
                                           .intermediate = 90,
                                           .layers = 2,
                                           .heads = 2,
                                           .kv_heads = 1,
                                           .head_dim = 32,
                                           .mrope_section = {8, 5, 3},
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 3,
                                               .hidden = 24,
                                               .heads = 1,
                                               .intermediate = 40,
                                               .out_hidden = 48,
                                               .deepstack = {2},
                                               .position_table = 2304};
  static constexpr auto tokens = last_ids(text.vocab);
};

/// Three DeepStack levels into three layers; heads three times as wide as the hidden state.
struct three_levels {
  static constexpr std::string_view name = "three_levels";
  static constexpr medmo::text_config text{.vocab = 310,
                                           .hidden = 48,
                                           .intermediate = 50,
                                           .layers = 3,
                                           .heads = 6,
                                           .kv_heads = 2,
                                           .head_dim = 16,
                                           .mrope_section = {4, 2, 2},
                                           .tied_head = false,
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 4,
                                               .hidden = 24,
                                               .heads = 1,
                                               .intermediate = 36,
                                               .out_hidden = 48,
                                               .deepstack = {0, 1, 2},
                                               .position_table = 16};
  static constexpr auto tokens = last_ids(text.vocab);
};

/// Attention with bias; inner sizes of 33 and 30, hidden 90, vision heads of 8; weights that need all of f32.
struct odd_tails {
  static constexpr std::string_view name = "odd_tails";
  static constexpr medmo::text_config text{.vocab = 301,
                                           .hidden = 90,
                                           .intermediate = 33,
                                           .layers = 2,
                                           .heads = 2,
                                           .kv_heads = 2,
                                           .head_dim = 16,
                                           .mrope_section = {4, 2, 2},
                                           .attention_bias = true,
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 2,
                                               .hidden = 24,
                                               .heads = 3,
                                               .intermediate = 30,
                                               .out_hidden = 90,
                                               .deepstack = {1},
                                               .position_table = 16};
  static constexpr auto tokens = last_ids(text.vocab);
};

/// Another rotary base, an RMS epsilon that shows; vision heads of 28.
struct other_base {
  static constexpr std::string_view name = "other_base";
  static constexpr medmo::text_config text{.vocab = 330,
                                           .hidden = 72,
                                           .intermediate = 40,
                                           .layers = 3,
                                           .heads = 2,
                                           .kv_heads = 2,
                                           .head_dim = 32,
                                           .rope_theta = 1e4,
                                           .mrope_section = {6, 5, 5},
                                           .rms_norm_eps = 1e-2,
                                           .tied_head = false,
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 3,
                                               .hidden = 28,
                                               .heads = 1,
                                               .intermediate = 48,
                                               .out_hidden = 72,
                                               .deepstack = {0},
                                               .position_table = 64};
  static constexpr auto tokens = last_ids(text.vocab);
};

}  // namespace parity
