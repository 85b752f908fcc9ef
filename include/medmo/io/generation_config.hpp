// generation_config.json of a Hugging Face folder: how its makers sample. Fields and defaults as transformers 5.23.0.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "json.hpp"

namespace medmo::inline MEDMO_ABI::io {

struct generation_config_file {
  bool do_sample = false;
  double temperature = 1.0, top_p = 1.0, repetition_penalty = 1.0;
  index top_k = 50;                   ///< 0: no limit
  std::vector<index> eos_token_ids{};  ///< any of them ends a turn
  std::optional<index> pad_token_id{}, bos_token_id{}, max_new_tokens{};
  std::vector<std::string> unknown{}; ///< fields of the file that are not read here, in alphabetic order
};

/// Errors: bad_json (another type); bad_config for a value that sampling cannot mean (temperature or penalty <= 0, top_p
/// outside 0..1, a negative id, a value that is not finite).
inline generation_config_file generation_config_of(json const& document, std::string const& path) {
  json_fields f(document, path);
  generation_config_file g;
  auto number = [&](char const* name, double fallback, double above, double limit) {
    double v = f.number(name).value_or(fallback);
    if (!(v > above && v <= limit))
      MEDMO_THROW(errc::bad_config, f.where(name),
                  "a number above " + excerpt(above) + (limit < 1e6 ? " and at most " + excerpt(limit) : ""), excerpt(v));
    return v;
  };
  auto id = [&](char const* name, index v) {
    if (v < 0) MEDMO_THROW(errc::bad_config, f.where(name), "a number >= 0", std::to_string(v));
    return v;
  };
  auto optional_id = [&](char const* name) {
    auto v = f.integer(name);
    if (v) id(name, *v);
    return v;
  };
  g.do_sample = f.boolean("do_sample").value_or(g.do_sample);
  // A temperature of 0 is how some files spell greedy decoding; transformers refuses to sample with it.
  if (!g.do_sample && f.number("temperature") == 0.0)
    g.temperature = 1.0;
  else
    g.temperature = number("temperature", g.temperature, 0.0, 1e6);
  g.top_p = number("top_p", g.top_p, 0.0, 1.0);
  g.repetition_penalty = number("repetition_penalty", g.repetition_penalty, 0.0, 1e6);
  g.top_k = id("top_k", f.integer("top_k").value_or(g.top_k));
  if (auto const* eos = f.find("eos_token_id")) {
    g.eos_token_ids = eos->is_array() ? *f.integers("eos_token_id") : std::vector<index>{*f.integer("eos_token_id")};
    for (index v : g.eos_token_ids) id("eos_token_id", v);
  }
  g.pad_token_id = optional_id("pad_token_id");
  g.bos_token_id = optional_id("bos_token_id");
  g.max_new_tokens = optional_id("max_new_tokens");
  constexpr std::string_view known[] = {"do_sample",    "temperature",  "top_p",          "top_k",
                                        "eos_token_id", "pad_token_id", "bos_token_id",   "repetition_penalty",
                                        "_from_model_config", "max_new_tokens", "transformers_version"};
  for (auto const& [name, value] : document.items())
    if (std::find(std::begin(known), std::end(known), name) == std::end(known)) g.unknown.push_back(name);
  return g;
}

/// Errors: file_access, too_large, bad_json, bad_config.
inline generation_config_file read_generation_config(std::string const& path) {
  auto document = read_json(path);
  return generation_config_of(document, path);
}

/// The text of generation_config.json; `unknown` is not written.
inline std::string generation_config_json(generation_config_file const& g) {
  nlohmann::ordered_json j;
  if (g.bos_token_id) j["bos_token_id"] = *g.bos_token_id;
  if (g.pad_token_id) j["pad_token_id"] = *g.pad_token_id;
  if (!g.eos_token_ids.empty()) j["eos_token_id"] = g.eos_token_ids;
  j["do_sample"] = g.do_sample;
  j["temperature"] = g.temperature;
  j["top_p"] = g.top_p;
  j["top_k"] = g.top_k;
  j["repetition_penalty"] = g.repetition_penalty;
  if (g.max_new_tokens) j["max_new_tokens"] = *g.max_new_tokens;
  return j.dump(2) + "\n";
}

}  // namespace medmo::inline MEDMO_ABI::io
