// config.json of a Hugging Face folder as a flat run-time struct, in the dialects of transformers 4 and 5 (read from
// configuration files of 4.57.1 and 5.23.0). Known: qwen3_vl; qwen3_vl_text, qwen3 and llama, whose fields stand at top level.
//   rotation   old: rope_theta beside rope_scaling {rope_type or type, ...}; new: one rope_parameters {rope_theta, ...}
//   tied head  transformers 5 reads tie_word_embeddings at top level, transformers 4 reads text_config's. We take the top
//              level where it is there, else text_config's, else false.
// What would change the arithmetic and is not implemented (another kind of rotation, quantised weights, an activation) is
// refused by name here. The comparison with a compiled-in configuration is medmo/check_config.hpp.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "json.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// The decoder. Names are the file's.
struct text_config_file {
  index vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  index num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0, max_position_embeddings = 0;
  double rms_norm_eps = 0, rope_theta = 0;
  std::vector<index> mrope_section;  ///< empty unless interleaved_mrope
  bool interleaved_mrope = false;    ///< qwen3_vl; else plain rotation
  bool qk_norm = false;              ///< not a field: what the family does
  bool attention_bias = false;
};

/// The vision tower.
struct vision_config_file {
  index depth = 0, hidden_size = 0, num_heads = 0, intermediate_size = 0, out_hidden_size = 0;
  index patch_size = 0, spatial_merge_size = 0, temporal_patch_size = 0, in_channels = 0, num_position_embeddings = 0;
  std::vector<index> deepstack_visual_indexes;
  double rope_theta = 0;
};

struct model_config_file {
  std::string path;                          ///< of the file
  std::string model_type;
  std::vector<std::string> architectures;
  std::optional<std::string> dtype;          ///< "bfloat16"; of the file as saved, each tensor says its own
  text_config_file text;
  std::string text_prefix;                   ///< "text_config." or "", for messages
  std::string rope_theta_field, mrope_section_field;  ///< "text_config.rope_parameters.rope_theta" ..., for messages
  std::optional<vision_config_file> vision;  ///< qwen3_vl only
  bool tie_word_embeddings = false;
  std::optional<index> image_token_id, video_token_id, vision_start_token_id, vision_end_token_id;  ///< qwen3_vl only
  std::set<std::string> defaulted;           ///< paths of fields that the file lacks and transformers' default filled
  std::map<std::string, std::string> spelled{};  ///< fields that the file spells otherwise (gguf_config.hpp), for messages
};

namespace detail {

class config_reader {
 public:
  config_reader(json const& document, std::string path) : top_(document, path) { c_.path = std::move(path); }

  model_config_file read() {
    auto type = top_.text("model_type");
    one_of(top_, "model_type", type ? "\"" + *type + "\"" : "none", {"\"qwen3_vl\"", "\"qwen3_vl_text\"", "\"qwen3\"", "\"llama\""});
    c_.model_type = *type;
    c_.architectures = top_.texts("architectures").value_or(std::vector<std::string>{});
    c_.dtype = top_.has("dtype") ? top_.text("dtype") : top_.text("torch_dtype");
    refuse_quantised(top_);
    auto tied = top_.boolean("tie_word_embeddings");
    if (c_.model_type != "qwen3_vl") {
      if (top_.has("vision_config"))
        MEDMO_THROW(errc::unsupported, top_.where("vision_config"), "none beside model_type " + c_.model_type, "one");
      read_text(top_);
    } else {
      auto text = section("text_config", {"\"qwen3_vl_text\"", "\"qwen3_vl\""});
      c_.text_prefix = "text_config.";
      refuse_quantised(text);
      read_text(text);
      if (!tied) tied = text.boolean("tie_word_embeddings");
      if (!c_.dtype) c_.dtype = text.has("dtype") ? text.text("dtype") : text.text("torch_dtype");
      read_vision(section("vision_config", {"\"qwen3_vl_vision\"", "\"qwen3_vl\""}));
      c_.image_token_id = token("image_token_id", 151655);
      c_.video_token_id = token("video_token_id", 151656);
      c_.vision_start_token_id = token("vision_start_token_id", 151652);
      c_.vision_end_token_id = token("vision_end_token_id", 151653);
    }
    c_.tie_word_embeddings = tied.value_or(false);
    if (!tied) c_.defaulted.insert("tie_word_embeddings");
    return std::move(c_);
  }

 private:
  void read_text(json_fields const& f) {
    auto& t = c_.text;
    auto const& prefix = c_.text_prefix;
    bool qwen3_vl = c_.model_type.starts_with("qwen3_vl"), llama = c_.model_type == "llama";
    t.qk_norm = !llama;
    t.interleaved_mrope = qwen3_vl;
    t.vocab_size = required(f, "vocab_size");
    t.hidden_size = required(f, "hidden_size");
    t.intermediate_size = required(f, "intermediate_size");
    t.num_hidden_layers = required(f, "num_hidden_layers");
    t.num_attention_heads = required(f, "num_attention_heads");
    t.num_key_value_heads = or_default(f.integer("num_key_value_heads"), t.num_attention_heads, prefix + "num_key_value_heads");
    index head_dim = llama && t.num_attention_heads > 0 ? t.hidden_size / t.num_attention_heads : 128;
    t.head_dim = or_default(f.integer("head_dim"), head_dim, prefix + "head_dim");
    t.max_position_embeddings = or_default(f.integer("max_position_embeddings"), qwen3_vl ? 128000 : llama ? 2048 : 32768,
                                           prefix + "max_position_embeddings");
    t.rms_norm_eps = or_default(f.number("rms_norm_eps"), 1e-6, prefix + "rms_norm_eps");
    t.attention_bias = or_default(f.boolean("attention_bias"), false, prefix + "attention_bias");
    if (auto act = f.text("hidden_act")) one_of(f, "hidden_act", "\"" + *act + "\"", {"\"silu\""});
    for (auto const* name : {"mlp_bias", "use_sliding_window"})
      if (f.boolean(name).value_or(false)) MEDMO_THROW(errc::unsupported, f.where(name), "false", "true");
    read_rope(f, qwen3_vl ? 500000.0 : 10000.0);
  }

  void read_rope(json_fields const& f, double default_theta) {
    auto& t = c_.text;
    auto [rope, name] = rope_parameters(f);
    auto const& prefix = c_.text_prefix;
    c_.rope_theta_field = prefix + (rope && rope->has("rope_theta") ? name + "." : "") + "rope_theta";
    if (rope) check_rope(*rope, {"\"default\""});
    partial_rotation(f);
    auto theta = rope ? rope->number("rope_theta") : std::nullopt;
    if (!theta) theta = f.number("rope_theta");
    t.rope_theta = or_default(theta, default_theta, c_.rope_theta_field);
    if (!t.interleaved_mrope) {
      if (rope && rope->has("mrope_section"))
        MEDMO_THROW(errc::unsupported, rope->where("mrope_section"), "none in a text-only model", excerpt(*rope->find("mrope_section")));
      return;
    }
    auto sections = rope ? rope->integers("mrope_section") : std::nullopt;
    c_.mrope_section_field = prefix + (rope ? name + "." : "") + "mrope_section";
    t.mrope_section = or_default(sections, std::vector<index>{24, 20, 20}, c_.mrope_section_field);
    if (rope && !rope->boolean("mrope_interleaved").value_or(true))
      MEDMO_THROW(errc::unsupported, rope->where("mrope_interleaved"), "true", "false");
  }

  void read_vision(json_fields const& f) {
    vision_config_file v;
    std::string prefix = "vision_config.";
    v.depth = required(f, "depth");
    v.hidden_size = required(f, "hidden_size");
    v.num_heads = required(f, "num_heads");
    v.intermediate_size = required(f, "intermediate_size");
    v.out_hidden_size = required(f, "out_hidden_size");
    v.patch_size = or_default(side(f, "patch_size"), 16, prefix + "patch_size");
    v.temporal_patch_size = or_default(side(f, "temporal_patch_size"), 2, prefix + "temporal_patch_size");
    v.spatial_merge_size = or_default(f.integer("spatial_merge_size"), 2, prefix + "spatial_merge_size");
    v.in_channels = or_default(f.integer("in_channels"), 3, prefix + "in_channels");
    v.num_position_embeddings = or_default(f.integer("num_position_embeddings"), 2304, prefix + "num_position_embeddings");
    v.deepstack_visual_indexes = or_default(f.integers("deepstack_visual_indexes"), std::vector<index>{8, 16, 24},
                                            prefix + "deepstack_visual_indexes");
    if (auto act = f.text("hidden_act")) one_of(f, "hidden_act", "\"" + *act + "\"", {"\"gelu_pytorch_tanh\""});
    auto [rope, name] = rope_parameters(f);
    if (rope) check_rope(*rope, {"\"axial\"", "\"default\""});
    auto theta = rope ? rope->number("rope_theta") : std::nullopt;
    if (!theta) theta = f.number("rope_theta");
    v.rope_theta = or_default(theta, 10000.0, prefix + "rope_theta");
    c_.vision = std::move(v);
  }

  /// The rotation's object, where there is one that is not empty, with its name.
  static std::pair<std::optional<json_fields>, std::string> rope_parameters(json_fields const& f) {
    for (std::string name : {"rope_scaling", "rope_parameters"})
      if (auto rope = f.nested(name); rope && !rope->object().empty()) return {rope, name};
    return {std::nullopt, ""};
  }
  static void check_rope(json_fields const& rope, std::initializer_list<std::string_view> known) {
    std::string name = rope.has("rope_type") ? "rope_type" : "type";
    if (auto type = rope.text(name)) one_of(rope, name, "\"" + *type + "\"", known);
    for (auto const& [key, value] : rope.object().items())
      if (value.is_object()) MEDMO_THROW(errc::unsupported, rope.where(key), "one rotation for all layers", excerpt(value));
    partial_rotation(rope);
  }
  static void partial_rotation(json_fields const& f) {
    if (auto part = f.number("partial_rotary_factor"); part && *part != 1.0)
      MEDMO_THROW(errc::unsupported, f.where("partial_rotary_factor"), "1", std::to_string(*part));
  }
  static void refuse_quantised(json_fields const& f) {
    if (auto const* q = f.find("quantization_config"))
      MEDMO_THROW(errc::unsupported, f.where("quantization_config"), "weights as they were trained", excerpt(*q));
  }

  json_fields section(char const* name, std::initializer_list<std::string_view> types) const {
    auto f = top_.nested(name);
    if (!f) MEDMO_THROW(errc::bad_config, top_.where(name), "an object", "none");
    if (auto type = f->text("model_type")) one_of(*f, "model_type", "\"" + *type + "\"", types);
    return *f;
  }
  static void one_of(json_fields const& f, std::string const& name, std::string const& found,
                     std::initializer_list<std::string_view> known) {
    std::string expected;
    for (auto k : known) {
      if (found == k) return;
      expected += (expected.empty() ? "" : " or ") + std::string(k);
    }
    MEDMO_THROW(errc::unsupported, f.where(name), expected, found.size() > 62 ? found.substr(0, 60) + "..." : found);
  }
  static index required(json_fields const& f, char const* name) {
    auto v = f.integer(name);
    if (!v) MEDMO_THROW(errc::bad_config, f.where(name), "an integer", "none");
    return *v;
  }
  template <class T, class D>
  T or_default(std::optional<T> v, D const& fallback, std::string const& path) {
    if (v) return *std::move(v);
    c_.defaulted.insert(path);
    return static_cast<T>(fallback);
  }
  index token(char const* name, index fallback) { return or_default(top_.integer(name), fallback, name); }
  /// A number, or a list of equal numbers.
  static std::optional<index> side(json_fields const& f, char const* name) {
    auto const* v = f.find(name);
    if (!v || !v->is_array()) return f.integer(name);
    auto list = *f.integers(name);
    for (index x : list)
      if (x != list.front()) MEDMO_THROW(errc::unsupported, f.where(name), "equal sides", excerpt(*v));
    if (list.empty()) MEDMO_THROW(errc::bad_json, f.where(name), "an integer", "[]");
    return list.front();
  }

  json_fields top_;
  model_config_file c_;
};
}  // namespace detail

/// Errors: bad_json (a field of another type), bad_config (a size or a section is missing), unsupported (named above).
inline model_config_file model_config_of(json const& document, std::string path) {
  return detail::config_reader(document, std::move(path)).read();
}

/// config.json. Errors: file_access, too_large, bad_json, bad_config, unsupported, each naming file and field.
inline model_config_file read_model_config(std::string const& path) {
  auto document = read_json(path);
  return model_config_of(document, path);
}

}  // namespace medmo::inline MEDMO_ABI::io
