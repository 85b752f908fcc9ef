// Adapters in PEFT's format: a folder with adapter_config.json and adapter_model.safetensors, whose tensors are
// "base_model.model.<linear>.lora_A.weight" [rank, In] and "...lora_B.weight" [Out, rank]. Plain LoRA only: what changes the
// arithmetic otherwise (DoRA, biases, ranks by pattern ...) is refused. Source: peft 0.21, LoraConfig.
#pragma once

#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "../io/json.hpp"
#include "../io/safetensors_writer.hpp"
#include "lora.hpp"
#include "parameters.hpp"

namespace medmo::inline MEDMO_ABI::train {

namespace detail {
inline std::string peft_name(std::string const& parameter) { return "base_model.model." + parameter; }
inline bool is_adapter(parameter const& p) {
  return p.name.ends_with(".lora_A.weight") || p.name.ends_with(".lora_B.weight");
}
}  // namespace detail

/// Writes the adapters among `all` to an existing folder; each file appears whole or not at all. `base` is the name or
/// folder of the model that they belong to. Errors: file_access; bad_argument (no adapters).
inline void write_adapter(std::string const& folder, std::span<parameter const> all, lora_options const& lora,
                          std::string const& base) {
  std::vector<std::string> targets;
  std::vector<io::named_tensor> tensors;
  for (auto const& p : all) {
    if (!detail::is_adapter(p)) continue;
    if (p.name.ends_with(".lora_A.weight")) targets.push_back(p.name.substr(0, p.name.size() - std::strlen(".lora_A.weight")));
    tensors.push_back({detail::peft_name(p.name),
                       {dtype::f32, {p.rows, p.cols}, std::as_bytes(std::span(p.value, static_cast<std::size_t>(p.size)))}});
  }
  if (tensors.empty()) MEDMO_THROW(errc::bad_argument, folder, "adapters to write", "none");
  io::write_safetensors(folder + "/adapter_model.safetensors", tensors);
  io::ordered_json const config = {
      {"peft_type", "LORA"},       {"task_type", nullptr},   {"base_model_name_or_path", base}, {"r", lora.rank},
      {"lora_alpha", lora.alpha},  {"lora_dropout", 0.0},    {"bias", "none"},                  {"fan_in_fan_out", false},
      {"use_rslora", false},       {"use_dora", false},      {"init_lora_weights", true},       {"inference_mode", true},
      {"target_modules", targets}};
  io::write_file(folder + "/adapter_config.json", config.dump(2) + "\n");
}

/// The options of a folder's adapters, to give to a trainer before read_adapter.
/// Errors: file_access, bad_json; unsupported for what is not plain LoRA, naming the field; bad_argument (rank, alpha).
inline lora_options read_adapter_options(std::string const& folder) {
  std::string const path = folder + "/adapter_config.json";
  io::json const document = io::read_json(path);
  io::json_fields const fields(document, path);
  auto only = [&](char const* name, bool fine, char const* expected) {
    auto const* value = fields.find(name);
    if (!fine) MEDMO_THROW(errc::unsupported, fields.where(name), expected, value ? io::excerpt(*value) : "nothing");
  };
  only("peft_type", fields.text("peft_type") == "LORA", "LORA");
  only("bias", fields.text("bias").value_or("none") == "none", "none");
  for (char const* flag : {"use_dora", "use_qalora", "use_bdlora", "fan_in_fan_out", "lora_bias"}) only(flag, !fields.boolean(flag).value_or(false), "false");
  for (char const* list : {"rank_pattern", "alpha_pattern", "modules_to_save", "layers_to_transform", "exclude_modules",
                           "trainable_token_indices", "target_parameters", "layer_replication", "alora_invocation_tokens",
                           "kasa_config", "velora_config", "monteclora_config"})
    only(list, !fields.has(list) || fields.find(list)->empty(), "nothing");
  lora_options o;
  auto const rank = fields.integer("r");
  auto const alpha = fields.number("lora_alpha");
  if (!rank || *rank < 1 || !alpha) MEDMO_THROW(errc::bad_json, path, "r >= 1 and lora_alpha", rank ? std::to_string(*rank) : "none");
  o.rank = *rank;
  o.alpha = *alpha;
  if (fields.boolean("use_rslora").value_or(false)) o.alpha *= std::sqrt(static_cast<double>(o.rank));  // alpha / sqrt(r)
  only("target_modules", fields.has("target_modules") && fields.find("target_modules")->is_array(), "a list of names");
  o.targets = *fields.texts("target_modules");
  check(o);
  return o;
}

/// Fills the adapters among `all` from a folder; nothing is changed unless all of them are there and fit.
/// Errors: file_access, bad_format, missing_tensor, unused_tensor, wrong_shape, wrong_dtype (not F32, F16 or BF16).
inline void read_adapter(std::string const& folder, std::span<parameter const> all) {
  std::string const path = folder + "/adapter_model.safetensors";
  auto const file = io::safetensors_file::open(path);
  std::vector<std::pair<parameter const*, tensor_ref>> found;
  for (auto const& p : all) {
    if (!detail::is_adapter(p)) continue;
    auto const name = detail::peft_name(p.name);
    auto t = file.find(name);
    if (!t) MEDMO_THROW(errc::missing_tensor, path, "tensor " + name, "none of that name");
    std::vector<index> const shape{p.rows, p.cols};
    if (t->shape != shape) MEDMO_THROW(errc::wrong_shape, path + ": tensor " + name, shape_text(shape), shape_text(t->shape));
    if (t->type != dtype::f32 && t->type != dtype::f16 && t->type != dtype::bf16)
      MEDMO_THROW(errc::wrong_dtype, path + ": tensor " + name, "F32, F16 or BF16", std::string(name_of(t->type)));
    found.emplace_back(&p, *t);
  }
  if (found.size() != file.names().size())
    MEDMO_THROW(errc::unused_tensor, path, std::to_string(found.size()) + " tensors", std::to_string(file.names().size()));
  for (auto const& [p, t] : found) {
    auto each = [&, &q = *p, &from = t]<class T>(T x) {
      for (index i = 0; i < q.size; ++i) {
        std::memcpy(static_cast<void*>(&x), from.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
        q.value[i] = static_cast<float>(x);
      }
    };
    if (t.type == dtype::f32) each(float{});
    else if (t.type == dtype::f16) each(f16{});
    else each(bf16{});
  }
}

}  // namespace medmo::inline MEDMO_ABI::train
