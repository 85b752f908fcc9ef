// A folder's config.json against a compiled-in configuration, field by field. A difference is an error that names the
// field as the file does; nothing is adapted at run time.
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "io/model_config.hpp"
#include "model/config.hpp"

namespace medmo::inline MEDMO_ABI {

/// Where a file and a configuration differ.
struct config_difference {
  std::string field;  ///< "text_config.hidden_size"
  std::string expected, found;
};

namespace detail {
inline std::string config_text(index v) { return std::to_string(v); }
inline std::string config_text(bool v) { return v ? "true" : "false"; }
inline std::string config_text(double v) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, v).ptr};  // the shortest that reads back as the same number
}
template <class List>
std::string config_list_text(List const& list) {
  std::string text = "[";
  for (std::size_t i = 0; i < list.size(); ++i) text += (i ? ", " : "") + config_text(list[i]);
  return text + "]";
}

/// Keeps the first difference.
struct config_comparison {
  io::model_config_file const& file;
  std::optional<config_difference> difference{};

  void note(std::string const& field, std::string expected, std::string found) {
    if (difference) return;
    if (file.defaulted.contains(field)) found += " (the default where the file has none)";
    auto name = file.spelled.find(field);
    difference = config_difference{name == file.spelled.end() ? field : name->second, std::move(expected), std::move(found)};
  }
  template <class T>
  void same(std::string const& field, T expected, T found) {
    if (expected != found) note(field, config_text(expected), config_text(found));
  }
  template <class A, class B>
  void same_list(std::string const& field, A const& expected, B const& found) {
    auto e = config_list_text(expected), f = config_list_text(found);
    if (e != f) note(field, e, f);
  }
};

template <text_configuration C>
void compare_text(config_comparison& c) {
  constexpr text_config e = C::text;
  auto const& f = c.file.text;
  auto const& p = c.file.text_prefix;
  c.same(p + "hidden_size", e.hidden, f.hidden_size);
  c.same(p + "num_hidden_layers", e.layers, f.num_hidden_layers);
  c.same(p + "vocab_size", e.vocab, f.vocab_size);
  c.same(p + "intermediate_size", e.intermediate, f.intermediate_size);
  c.same(p + "num_attention_heads", e.heads, f.num_attention_heads);
  c.same(p + "num_key_value_heads", e.kv_heads, f.num_key_value_heads);
  c.same(p + "head_dim", e.head_dim, f.head_dim);
  c.same(p + "rms_norm_eps", e.rms_norm_eps, f.rms_norm_eps);
  c.same(p + "attention_bias", e.attention_bias, f.attention_bias);
  c.same(p + "max_position_embeddings", e.max_positions, f.max_position_embeddings);
  c.same(c.file.rope_theta_field, e.rope_theta, f.rope_theta);
  if ((e.rope == rope_kind::interleaved_mrope) != f.interleaved_mrope || e.qk_norm != f.qk_norm)
    c.note("model_type",
           std::string(e.rope == rope_kind::interleaved_mrope ? "interleaved M-RoPE" : "plain rotation") +
               (e.qk_norm ? " with" : " without") + " QK norm",
           c.file.model_type);
  if (e.rope == rope_kind::interleaved_mrope)
    c.same_list(c.file.mrope_section_field, e.mrope_section, f.mrope_section);
  c.same("tie_word_embeddings", e.tied_head, c.file.tie_word_embeddings);
}

template <vision_language_configuration C>
void compare_vision(config_comparison& c) {
  constexpr vision_config e = C::vision;
  constexpr token_config t = tokens_of<C>;
  if (!c.file.vision) return c.note("vision_config", "an object", "none");
  auto const& f = *c.file.vision;
  std::string p = "vision_config.";
  c.same(p + "depth", e.depth, f.depth);
  c.same(p + "hidden_size", e.hidden, f.hidden_size);
  c.same(p + "num_heads", e.heads, f.num_heads);
  c.same(p + "intermediate_size", e.intermediate, f.intermediate_size);
  c.same(p + "out_hidden_size", e.out_hidden, f.out_hidden_size);
  c.same_list(p + "deepstack_visual_indexes", e.deepstack, f.deepstack_visual_indexes);
  c.same(p + "patch_size", e.patch, f.patch_size);
  c.same(p + "spatial_merge_size", e.merge, f.spatial_merge_size);
  c.same(p + "temporal_patch_size", e.temporal_patch, f.temporal_patch_size);
  c.same(p + "in_channels", e.channels, f.in_channels);
  c.same(p + "num_position_embeddings", e.position_table, f.num_position_embeddings);
  c.same(p + "rope_theta", e.rope_theta, f.rope_theta);
  c.same("image_token_id", t.image_pad, c.file.image_token_id.value_or(-1));
  c.same("video_token_id", t.video_pad, c.file.video_token_id.value_or(-1));
  c.same("vision_start_token_id", t.vision_start, c.file.vision_start_token_id.value_or(-1));
  c.same("vision_end_token_id", t.vision_end, c.file.vision_end_token_id.value_or(-1));
}
}  // namespace detail

/// The first difference between a file and the configuration C, or nothing.
template <model_configuration C>
std::optional<config_difference> compare_config(io::model_config_file const& file) {
  detail::config_comparison c{file};
  if constexpr (!vision_language_configuration<C>)
    if (file.vision) c.note("vision_config", "none in a text-only model", "an object");
  detail::compare_text<C>(c);
  if constexpr (vision_language_configuration<C>) detail::compare_vision<C>(c);
  return c.difference;
}

/// Does the file describe C? For choosing among compiled-in configurations.
template <model_configuration C>
bool matches_config(io::model_config_file const& file) {
  return !compare_config<C>(file);
}

/// Errors: bad_config naming the first field that differs, with C's value as expected.
template <model_configuration C>
void check_config(io::model_config_file const& file) {
  if (auto d = compare_config<C>(file))
    MEDMO_THROW(errc::bad_config, file.path + ": " + d->field, d->expected + " (" + std::string(configuration_name<C>) + ")", d->found);
}

}  // namespace medmo::inline MEDMO_ABI
