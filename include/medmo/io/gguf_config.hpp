// The configuration that the metadata of GGUF files states, in the form of a config.json (model_config.hpp), so that one
// comparison with the compiled-in configuration serves both. Architectures: those of gguf_checkpoint.hpp.
// Numbers are stored as f32: each is read as the shortest decimal that is that f32 (1e-5 rather than 9.99999975e-6).
// What would change the arithmetic and is not implemented (scaled rotary positions, an activation) is refused by key here.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf_checkpoint.hpp"
#include "model_config.hpp"

namespace medmo::inline MEDMO_ABI::io {

namespace detail {
class gguf_config_reader {
 public:
  explicit gguf_config_reader(gguf_checkpoint const& source) : source_(source), text_(source.text().metadata()) {}

  model_config_file read() {
    c_.path = source_.text().where();
    c_.model_type = std::string(source_.architecture()) == "qwen3vl" ? "qwen3_vl" : std::string(source_.architecture());
    read_text();
    if (source_.vision()) {
      read_vision(source_.vision()->metadata(), source_.vision()->where());
      read_vision_tokens();
    }
    return std::move(c_);
  }

 private:
  static double decimal(double x) {
    char text[32];
    auto* end = std::to_chars(text, text + sizeof text, static_cast<float>(x)).ptr;
    std::from_chars(text, end, x);
    return x;
  }

  std::string spell(std::string const& field, std::string key) {
    c_.spelled[field] = key;
    return key;
  }
  index required(gguf_metadata const& m, std::string const& where, std::string const& key) {
    auto v = m.integer(key);
    if (!v) MEDMO_THROW(errc::bad_config, where + ": " + key, "an integer", "none");
    return *v;
  }
  template <class T>
  T or_default(std::optional<T> v, T fallback, std::string const& field) {
    if (v) return *v;
    c_.defaulted.insert(field);
    return fallback;
  }

  void read_text() {
    std::string const prefix = std::string(source_.architecture()) + ".", where = c_.path;
    auto& t = c_.text;
    auto key = [&](char const* field, char const* name) { return spell(field, prefix + name); };
    auto integer = [&](char const* field, char const* name) { return required(text_, where, key(field, name)); };
    t.qk_norm = source_.architecture() != "llama";
    t.interleaved_mrope = source_.architecture() == "qwen3vl";
    t.hidden_size = integer("hidden_size", "embedding_length");
    t.num_hidden_layers = integer("num_hidden_layers", "block_count");
    t.intermediate_size = integer("intermediate_size", "feed_forward_length");
    t.num_attention_heads = integer("num_attention_heads", "attention.head_count");
    t.num_key_value_heads = or_default(text_.integer(key("num_key_value_heads", "attention.head_count_kv")),
                                       t.num_attention_heads, "num_key_value_heads");
    t.head_dim = or_default(text_.integer(key("head_dim", "attention.key_length")),
                            t.num_attention_heads > 0 ? t.hidden_size / t.num_attention_heads : 0, "head_dim");
    t.max_position_embeddings = integer("max_position_embeddings", "context_length");
    auto eps = text_.number(key("rms_norm_eps", "attention.layer_norm_rms_epsilon"));
    if (!eps) MEDMO_THROW(errc::bad_config, where + ": " + c_.spelled["rms_norm_eps"], "a number", "none");
    t.rms_norm_eps = decimal(*eps);
    c_.rope_theta_field = "rope_theta";
    t.rope_theta = decimal(or_default(text_.number(key("rope_theta", "rope.freq_base")), 10000.0, "rope_theta"));
    auto vocab = text_.integer(key("vocab_size", "vocab_size"));
    if (!vocab) {
      auto tokens = text_.value(spell("vocab_size", "tokenizer.ggml.tokens"));
      vocab = static_cast<index>(tokens ? tokens->count : 0);
    }
    t.vocab_size = *vocab;
    t.attention_bias = source_.find(source_.naming().text + "layers.0.self_attn.q_proj.bias").has_value();
    c_.tie_word_embeddings = !source_.find("lm_head.weight").has_value();
    spell("attention_bias", "tensor blk.0.attn_q.bias");
    spell("tie_word_embeddings", "no tensor output.weight");
    spell("model_type", "general.architecture");
    check_rotation(prefix);
  }

  void check_rotation(std::string const& prefix) {
    auto refuse = [&](std::string const& key, std::string expected, std::string found) {
      MEDMO_THROW(errc::unsupported, c_.path + ": " + prefix + key, std::move(expected), std::move(found));
    };
    auto& t = c_.text;
    for (char const* key : {"attention.value_length", "rope.dimension_count"})
      if (auto n = text_.integer(prefix + key); n && *n != t.head_dim) refuse(key, "the head's size " + std::to_string(t.head_dim), std::to_string(*n));
    if (auto type = text_.text(prefix + "rope.scaling.type"); type && *type != "none")
      refuse("rope.scaling.type", "none", "\"" + std::string(type->substr(0, 60)) + "\"");
    if (auto factor = text_.number(prefix + "rope.scaling.factor"); factor && *factor != 1.0)
      refuse("rope.scaling.factor", "1", std::to_string(*factor));
    if (!t.interleaved_mrope) return;
    c_.mrope_section_field = "mrope_section";
    auto sections = text_.integers(spell("mrope_section", prefix + "rope.dimension_sections"));
    if (!sections || sections->size() < 3 || (sections->size() > 3 && (*sections)[3] != 0))
      MEDMO_THROW(errc::bad_config, c_.path + ": " + c_.spelled["mrope_section"], "three sections, and none for a fourth axis",
                  sections ? shape_text(*sections) : "none");
    t.mrope_section.assign(sections->begin(), sections->begin() + 3);
  }

  void read_vision(gguf_metadata const& m, std::string const& where) {
    vision_config_file v;
    auto integer = [&](char const* field, char const* name) {
      return required(m, where, spell(std::string("vision_config.") + field, std::string("clip.vision.") + name));
    };
    v.depth = integer("depth", "block_count");
    v.hidden_size = integer("hidden_size", "embedding_length");
    v.num_heads = integer("num_heads", "attention.head_count");
    v.intermediate_size = integer("intermediate_size", "feed_forward_length");
    v.out_hidden_size = integer("out_hidden_size", "projection_dim");
    v.patch_size = integer("patch_size", "patch_size");
    v.spatial_merge_size = or_default(m.integer("clip.vision.spatial_merge_size"), index{2}, "vision_config.spatial_merge_size");
    v.temporal_patch_size = 2;
    v.in_channels = 3;
    v.rope_theta = 10000;
    v.deepstack_visual_indexes = source_.naming().deepstack;
    spell("vision_config.deepstack_visual_indexes", "clip.vision.is_deepstack_layers");
    auto image = integer("num_position_embeddings", "image_size");
    if (v.patch_size <= 0 || image < 0 || image > (index{1} << 20))
      MEDMO_THROW(errc::bad_config, where + ": clip.vision.image_size", "a size up to 2^20 in patches", std::to_string(image));
    v.num_position_embeddings = image / v.patch_size * (image / v.patch_size);
    if (m.boolean("clip.use_gelu") == false || m.boolean("clip.use_silu") == true)
      MEDMO_THROW(errc::unsupported, where + ": clip.use_gelu", "GELU in the tower", "another activation");
    c_.vision = std::move(v);
  }

  /// The ids of vision tokens, which GGUF states by the tokens' spelling only.
  void read_vision_tokens() {
    auto tokens = text_.texts("tokenizer.ggml.tokens");
    if (!tokens) return;
    auto id = [&](std::string_view spelling) -> std::optional<index> {
      auto at = std::find(tokens->begin(), tokens->end(), spelling);
      if (at == tokens->end()) return std::nullopt;
      return at - tokens->begin();
    };
    c_.image_token_id = id("<|image_pad|>");
    c_.video_token_id = id("<|video_pad|>");
    c_.vision_start_token_id = id("<|vision_start|>");
    c_.vision_end_token_id = id("<|vision_end|>");
  }

  gguf_checkpoint const& source_;
  gguf_metadata const& text_;
  model_config_file c_;
};
}  // namespace detail

/// What the files state. Errors: bad_config (a value is missing), bad_format (one of another type), unsupported.
inline model_config_file read_gguf_config(gguf_checkpoint const& source) { return detail::gguf_config_reader(source).read(); }

}  // namespace medmo::inline MEDMO_ABI::io
