// Names of tensors in GGUF files and in Hugging Face checkpoints, both ways: decoders of the llama and Qwen3 kind
// (architectures llama, qwen3, qwen3vl) and Qwen3-VL's vision tower (architecture clip, projector qwen3vl_merger).
//   blk.3.attn_q.weight  <->  layers.3.self_attn.q_proj.weight       v.blk.3.ln1.bias  <->  visual.blocks.3.norm1.bias
// DeepStack mergers are numbered by the block they listen to in GGUF, one after the other in checkpoints.
// Source: the tensor names of gguf 0.19 and the conversion of llama.cpp. Knows names only; files: gguf_checkpoint.hpp.
#pragma once

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// What names depend on.
struct gguf_naming {
  std::string text = "model.";           ///< of the decoder's tensors in the checkpoint: "model.language_model." beside a tower
  std::string vision = "model.visual.";
  std::vector<index> deepstack{};        ///< blocks whose output is merged, in rising order
};

namespace detail {
struct name_pair {
  std::string_view gguf, checkpoint;
};
inline constexpr std::array<name_pair, 2> text_names{{{"token_embd", "embed_tokens"}, {"output_norm", "norm"}}};
inline constexpr std::array<name_pair, 11> text_block_names{{{"attn_norm", "input_layernorm"},
                                                             {"attn_q", "self_attn.q_proj"},
                                                             {"attn_k", "self_attn.k_proj"},
                                                             {"attn_v", "self_attn.v_proj"},
                                                             {"attn_output", "self_attn.o_proj"},
                                                             {"attn_q_norm", "self_attn.q_norm"},
                                                             {"attn_k_norm", "self_attn.k_norm"},
                                                             {"ffn_norm", "post_attention_layernorm"},
                                                             {"ffn_gate", "mlp.gate_proj"},
                                                             {"ffn_up", "mlp.up_proj"},
                                                             {"ffn_down", "mlp.down_proj"}}};
inline constexpr std::array<name_pair, 5> vision_names{{{"v.patch_embd", "patch_embed.proj"},
                                                        {"v.position_embd", "pos_embed"},
                                                        {"v.post_ln", "merger.norm"},
                                                        {"mm.0", "merger.linear_fc1"},
                                                        {"mm.2", "merger.linear_fc2"}}};
inline constexpr std::array<name_pair, 6> vision_block_names{{{"ln1", "norm1"},
                                                              {"ln2", "norm2"},
                                                              {"attn_qkv", "attn.qkv"},
                                                              {"attn_out", "attn.proj"},
                                                              {"ffn_up", "mlp.linear_fc1"},
                                                              {"ffn_down", "mlp.linear_fc2"}}};
inline constexpr std::array<name_pair, 3> deepstack_names{{{"norm", "norm"}, {"fc1", "linear_fc1"}, {"fc2", "linear_fc2"}}};

/// The other name of `part` in a table read from one side to the other.
template <std::size_t N>
std::optional<std::string_view> other_name(std::array<name_pair, N> const& table, std::string_view part,
                                           std::string_view name_pair::*from, std::string_view name_pair::*to) {
  for (auto const& p : table)
    if (p.*from == part) return p.*to;
  return std::nullopt;
}

/// "prefixNUMBER.rest" -> NUMBER and rest; only the spelling that std::to_string gives.
struct numbered_name {
  index number = 0;
  std::string_view rest;
  static std::optional<numbered_name> of(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    numbered_name n;
    auto dot = name.find('.');
    if (dot == name.npos) return std::nullopt;
    auto [end, fault] = std::from_chars(name.data(), name.data() + dot, n.number);
    if (fault != std::errc{} || end != name.data() + dot || std::to_string(n.number) != name.substr(0, dot)) return std::nullopt;
    n.rest = name.substr(dot + 1);
    return n;
  }
};

/// The tables walked from one side to the other.
class name_translator {
 public:
  enum class direction { to_checkpoint, to_gguf };
  name_translator(gguf_naming const& naming, direction way)
      : n_(naming), from_(way == direction::to_checkpoint ? &name_pair::gguf : &name_pair::checkpoint),
        to_(way == direction::to_checkpoint ? &name_pair::checkpoint : &name_pair::gguf) {}

  std::string_view from(name_pair const& p) const { return p.*from_; }
  std::string_view to(name_pair const& p) const { return p.*to_; }

  std::optional<std::string> translate(std::string_view name) const {
    std::string_view suffix;
    for (std::string_view s : {".weight", ".bias"})
      if (name.ends_with(s)) suffix = s;
    if (suffix.empty()) return std::nullopt;
    auto stem = name.substr(0, name.size() - suffix.size());
    auto found = [&](std::string prefix, std::string_view part) { return prefix + std::string(part) + std::string(suffix); };
    name_pair const head{"output", "lm_head"}, block{"blk.", "layers."}, tower{"v.blk.", "blocks."};
    if (stem == from(head)) return found("", to(head));

    auto text = to_checkpoint() ? std::optional(stem) : without(stem, n_.text);
    auto vision = to_checkpoint() ? std::optional(stem) : without(stem, n_.vision);
    auto const to_text = to_checkpoint() ? n_.text : "", to_vision = to_checkpoint() ? n_.vision : "";
    if (vision) {  // first: in checkpoints its prefix may begin with the decoder's
      if (auto other = other_name(vision_names, *vision, from_, to_)) return found(to_vision, *other);
      if (auto b = numbered_name::of(*vision, from(tower)))
        if (auto other = other_name(vision_block_names, b->rest, from_, to_))
          return found(to_vision + std::string(to(tower)) + std::to_string(b->number) + ".", *other);
      if (auto b = numbered_name::of(*vision, to_checkpoint() ? "v.deepstack." : "deepstack_merger_list."))
        if (auto number = merger_number(b->number))
          if (auto other = other_name(deepstack_names, b->rest, from_, to_))
            return found(to_vision + (to_checkpoint() ? "deepstack_merger_list." : "v.deepstack.") + std::to_string(*number) + ".", *other);
    }
    if (text) {
      if (auto other = other_name(text_names, *text, from_, to_)) return found(to_text, *other);
      if (auto b = numbered_name::of(*text, from(block)))
        if (auto other = other_name(text_block_names, b->rest, from_, to_))
          return found(to_text + std::string(to(block)) + std::to_string(b->number) + ".", *other);
    }
    return std::nullopt;
  }

 private:
  bool to_checkpoint() const { return to_ == &name_pair::checkpoint; }
  static std::optional<std::string_view> without(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    return name.substr(prefix.size());
  }
  std::optional<index> merger_number(index n) const {
    for (std::size_t i = 0; i < n_.deepstack.size(); ++i) {
      if (to_checkpoint() && n_.deepstack[i] == n) return static_cast<index>(i);
      if (!to_checkpoint() && static_cast<index>(i) == n) return n_.deepstack[i];
    }
    return std::nullopt;
  }

  gguf_naming const& n_;
  std::string_view name_pair::*from_;
  std::string_view name_pair::*to_;
};
}  // namespace detail

/// The checkpoint's name of a GGUF tensor, or nothing for one that is not known.
inline std::optional<std::string> checkpoint_name(std::string_view gguf_name, gguf_naming const& naming) {
  return detail::name_translator(naming, detail::name_translator::direction::to_checkpoint).translate(gguf_name);
}
/// And back.
inline std::optional<std::string> gguf_name(std::string_view checkpoint_name, gguf_naming const& naming) {
  return detail::name_translator(naming, detail::name_translator::direction::to_gguf).translate(checkpoint_name);
}

}  // namespace medmo::inline MEDMO_ABI::io
