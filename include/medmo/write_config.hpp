// The config.json of a compiled-in configuration, as transformers 4 and 5 load it: AutoConfig and
// Qwen3VLForConditionalGeneration for a vision-language configuration, Qwen3ForCausalLM or LlamaForCausalLM for text only.
// Both dialects stand side by side where they differ (rope_scaling and rope_parameters, torch_dtype and dtype).
#pragma once

#include <string>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "io/atomic_file.hpp"
#include "io/json.hpp"
#include "model/config.hpp"

namespace medmo::inline MEDMO_ABI {

namespace detail {
inline std::string torch_name(dtype type) {
  switch (type) {
    case dtype::f32: return "float32";
    case dtype::bf16: return "bfloat16";
    case dtype::f16: return "float16";
    default: MEDMO_THROW(errc::unsupported, "config.json: dtype", "F32, BF16 or F16", std::string(name_of(type)));
  }
}

template <text_configuration C>
nlohmann::ordered_json text_config_json(std::string const& torch_dtype) {
  constexpr text_config t = C::text;
  nlohmann::ordered_json rope = {{"rope_type", "default"}, {"rope_theta", t.rope_theta}};
  nlohmann::ordered_json j = {{"vocab_size", t.vocab},
                              {"hidden_size", t.hidden},
                              {"intermediate_size", t.intermediate},
                              {"num_hidden_layers", t.layers},
                              {"num_attention_heads", t.heads},
                              {"num_key_value_heads", t.kv_heads},
                              {"head_dim", t.head_dim},
                              {"hidden_act", "silu"},
                              {"max_position_embeddings", t.max_positions},
                              {"rms_norm_eps", t.rms_norm_eps},
                              {"attention_bias", t.attention_bias},
                              {"attention_dropout", 0.0},
                              {"initializer_range", 0.02},
                              {"use_cache", true},
                              {"tie_word_embeddings", t.tied_head},
                              {"bos_token_id", tokens_of<C>.endoftext},
                              {"eos_token_id", tokens_of<C>.im_end},
                              {"dtype", torch_dtype},
                              {"rope_theta", t.rope_theta}};
  if (t.rope == rope_kind::interleaved_mrope) {
    rope["mrope_section"] = t.mrope_section;
    rope["mrope_interleaved"] = true;
    j["rope_scaling"] = rope;
    j["rope_scaling"].erase("rope_theta");
  }
  j["rope_parameters"] = rope;
  return j;
}
}  // namespace detail

/// The text of config.json for weights of `type`. Errors: unsupported for a type other than f32, bf16, f16.
template <model_configuration C>
std::string config_json(dtype type) {
  nlohmann::ordered_json j;
  auto torch_dtype = detail::torch_name(type);
  constexpr text_config t = C::text;
  auto text = detail::text_config_json<C>(torch_dtype);
  if constexpr (vision_language_configuration<C>) {
    static_assert(t.qk_norm && t.rope == rope_kind::interleaved_mrope,
                  "config.json has a name for this family only with QK norm and interleaved M-RoPE");
    constexpr vision_config v = C::vision;
    nlohmann::ordered_json deepstack = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < v.deepstack.size(); ++i) deepstack.push_back(v.deepstack[i]);
    text["model_type"] = "qwen3_vl_text";
    j = {{"architectures", {"Qwen3VLForConditionalGeneration"}},
         {"model_type", "qwen3_vl"},
         {"dtype", torch_dtype},
         {"torch_dtype", torch_dtype},
         {"tie_word_embeddings", t.tied_head},
         {"image_token_id", tokens_of<C>.image_pad},
         {"video_token_id", tokens_of<C>.video_pad},
         {"vision_start_token_id", tokens_of<C>.vision_start},
         {"vision_end_token_id", tokens_of<C>.vision_end}};
    j["text_config"] = text;
    j["vision_config"] = {{"model_type", "qwen3_vl_vision"},
                          {"depth", v.depth},
                          {"hidden_size", v.hidden},
                          {"num_heads", v.heads},
                          {"intermediate_size", v.intermediate},
                          {"out_hidden_size", v.out_hidden},
                          {"deepstack_visual_indexes", deepstack},
                          {"hidden_act", "gelu_pytorch_tanh"},
                          {"in_channels", v.channels},
                          {"patch_size", v.patch},
                          {"spatial_merge_size", v.merge},
                          {"temporal_patch_size", v.temporal_patch},
                          {"num_position_embeddings", v.position_table},
                          {"initializer_range", 0.02},
                          {"dtype", torch_dtype},
                          {"rope_parameters", {{"rope_type", "axial"}, {"rope_theta", v.rope_theta}}}};
  } else {
    static_assert(t.rope == rope_kind::plain, "config.json has a name for a text-only decoder only with plain rotation");
    j = {{"architectures", {t.qk_norm ? "Qwen3ForCausalLM" : "LlamaForCausalLM"}},
         {"model_type", t.qk_norm ? "qwen3" : "llama"},
         {"torch_dtype", torch_dtype}};
    j.update(text);
  }
  return j.dump(2) + "\n";
}

/// Writes config.json into an existing folder. Errors: file_access, unsupported.
template <model_configuration C>
void write_config(std::string const& folder, dtype type) {
  io::write_file(folder + "/config.json", config_json<C>(type));
}

}  // namespace medmo::inline MEDMO_ABI
