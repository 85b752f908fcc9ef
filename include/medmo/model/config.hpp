// Configurations: types that hold constexpr values. They name the model in every error message and symbol.
//   struct my_vlm { static constexpr text_config text = ...; static constexpr vision_config vision = ...; };
// A configuration without `vision` is a text-only decoder; `tokens` and `name` may be given too. Values: Qwen3-VL-4B/8B-Instruct's config.json.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI {

/// A short list of layer numbers, usable in constant expressions.
struct layer_list {
  static constexpr std::size_t max_size = 16;
  std::array<index, max_size> values{};
  std::size_t count = 0;
  constexpr layer_list() = default;
  constexpr layer_list(std::initializer_list<index> list) {
    for (auto v : list) values.at(count++) = v;
  }
  constexpr std::size_t size() const { return count; }
  constexpr index operator[](std::size_t i) const { return values[i]; }
  /// Position of `layer` in the list, or -1.
  constexpr index find(index layer) const {
    for (std::size_t i = 0; i < count; ++i)
      if (values[i] == layer) return static_cast<index>(i);
    return -1;
  }
  constexpr bool increasing() const {
    for (std::size_t i = 1; i < count; ++i)
      if (values[i] <= values[i - 1]) return false;
    return true;
  }
  friend constexpr bool operator==(layer_list const&, layer_list const&) = default;
};

enum class rope_kind { plain, interleaved_mrope };

/// A decoder of the Qwen3 / llama family.
struct text_config {
  index vocab = 0, hidden = 0, intermediate = 0, layers = 0;
  index heads = 0, kv_heads = 0, head_dim = 128;
  rope_kind rope = rope_kind::interleaved_mrope;
  double rope_theta = 5e6;
  std::array<index, 3> mrope_section{24, 20, 20};  ///< frequencies of T, H, W; sum = head_dim / 2
  double rms_norm_eps = 1e-6;
  bool qk_norm = true;
  bool attention_bias = false;
  bool tied_head = true;
  index max_positions = 262144;
};

/// The vision tower with its mergers.
struct vision_config {
  index depth = 0, hidden = 0, heads = 0, intermediate = 0;
  index out_hidden = 0;           ///< = text.hidden
  layer_list deepstack{};         ///< blocks whose output is merged and added to the first decoder layers
  index patch = 16, merge = 2, temporal_patch = 2, channels = 3;
  index position_table = 2304;    ///< rows of the learned position table, a square number
  double norm_eps = 1e-6;
  double rope_theta = 10000.0;

  constexpr index head_dim() const { return heads > 0 ? hidden / heads : 0; }
  constexpr index patch_width() const { return channels * temporal_patch * patch * patch; }  ///< 1536
  constexpr index merge_unit() const { return merge * merge; }                               ///< 4
  constexpr index merged_width() const { return hidden * merge_unit(); }
  constexpr index table_side() const {
    index s = 0;
    while ((s + 1) * (s + 1) <= position_table) ++s;
    return s;
  }
};

/// Ids of the tokens that steer the model; -1: there is no such token. Defaults: Qwen's vocabulary.
struct token_config {
  index endoftext = 151643, im_start = 151644, im_end = 151645;
  index vision_start = 151652, vision_end = 151653, vision_pad = 151654;
  index image_pad = 151655, video_pad = 151656;
};

/// What a type must have to be a configuration: `text`. `vision`, `tokens` (default: Qwen's) and `name` (default: the
/// type's own) are optional.
template <class C>
concept text_configuration = requires {
  { C::text } -> std::convertible_to<text_config const&>;
};
template <class C>
concept vision_language_configuration = text_configuration<C> && requires {
  { C::vision } -> std::convertible_to<vision_config const&>;
};
template <class C>
concept model_configuration = text_configuration<C>;

/// C::tokens, or the ids of Qwen's vocabulary.
template <text_configuration C>
inline constexpr token_config tokens_of = [] {
  if constexpr (requires { C::tokens; })
    return token_config(C::tokens);
  else
    return token_config{};
}();

namespace detail {
/// The name of T as the compiler spells it.
template <class T>
constexpr std::string_view type_name() {
  std::string_view s = __PRETTY_FUNCTION__;  // "... [with T = my_vlm; ...]" or "... [T = my_vlm]"
  s.remove_prefix(s.find("T = ") + 4);
  return s.substr(0, s.find_first_of(";]"));
}
}  // namespace detail

/// C::name, or the name of the type.
template <text_configuration C>
inline constexpr std::string_view configuration_name = [] {
  if constexpr (requires { C::name; })
    return std::string_view(C::name);
  else
    return detail::type_name<C>();
}();

struct medmo_4b {
  static constexpr std::string_view name = "medmo_4b";
  static constexpr text_config text{.vocab = 151936, .hidden = 2560, .intermediate = 9728, .layers = 36,
                                    .heads = 32, .kv_heads = 8};
  static constexpr vision_config vision{.depth = 24, .hidden = 1024, .heads = 16, .intermediate = 4096,
                                        .out_hidden = 2560, .deepstack = {5, 11, 17}};
  static constexpr token_config tokens{};
};

struct medmo_8b {
  static constexpr std::string_view name = "medmo_8b";
  static constexpr text_config text{.vocab = 151936, .hidden = 4096, .intermediate = 12288, .layers = 36,
                                    .heads = 32, .kv_heads = 8, .tied_head = false};
  static constexpr vision_config vision{.depth = 27, .hidden = 1152, .heads = 16, .intermediate = 4304,
                                        .out_hidden = 4096, .deepstack = {8, 16, 24}};
  static constexpr token_config tokens{};
};

/// Small enough to train on two cores: 4,070 byte-level tokens and merges of Qwen's vocabulary, then the 26 added ones.
struct medmo_nano {
  static constexpr std::string_view name = "medmo_nano";
  static constexpr text_config text{.vocab = 4096, .hidden = 256, .intermediate = 768, .layers = 6,
                                    .heads = 4, .kv_heads = 2, .head_dim = 64, .mrope_section = {12, 10, 10},
                                    .max_positions = 8192};
  static constexpr vision_config vision{.depth = 6, .hidden = 192, .heads = 3, .intermediate = 768,
                                        .out_hidden = 256, .deepstack = {1, 3, 5}, .position_table = 2304};
  static constexpr token_config tokens{.endoftext = 4070, .im_start = 4071, .im_end = 4072, .vision_start = 4079,
                                       .vision_end = 4080, .vision_pad = 4081, .image_pad = 4082, .video_pad = 4083};
};

}  // namespace medmo::inline MEDMO_ABI
