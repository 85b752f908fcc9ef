// SmolLM2-135M: a small decoder of the llama kind, with a vocabulary and a system text of its own. It reads no pictures; it is
// here because real weights of it are easily had, and shows what a configuration without vision looks like.
// Values: HuggingFaceTB/SmolLM2-135M-Instruct.
#pragma once

#include <string_view>

#include "../model/config.hpp"
#include "../text/vocabulary.hpp"

namespace medmo::inline MEDMO_ABI {

struct smollm2_135m {
  using vocabulary = text::smollm2_tokens;
  static constexpr std::string_view name = "smollm2_135m";
  static constexpr text_config text{.vocab = 49152, .hidden = 576, .intermediate = 1536, .layers = 30,
                                    .heads = 9, .kv_heads = 3, .head_dim = 64, .rope = rope_kind::plain,
                                    .rope_theta = 1e5, .rms_norm_eps = 1e-5, .qk_norm = false, .max_positions = 8192};
  static constexpr token_config tokens{.endoftext = 0, .im_start = 1, .im_end = 2, .vision_start = -1, .vision_end = -1,
                                       .vision_pad = -1, .image_pad = -1, .video_pad = -1};
};

}  // namespace medmo::inline MEDMO_ABI
