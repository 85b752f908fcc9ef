// Answers as JSON, for the subcommands that give them.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "command.hpp"
#include "medmo/generate/session.hpp"

namespace command {

inline nlohmann::ordered_json estimates(medmo::detection const& d) {
  if (!d.coordinates) return {};
  nlohmann::ordered_json out = nlohmann::json::array();
  for (auto const& c : *d.coordinates) out.push_back({{"mean", c.mean}, {"spread", c.spread}});
  return out;
}

/// Of each token, the most probable ones in its place.
template <class Tokenizer>
nlohmann::ordered_json alternatives(medmo::answer const& a, Tokenizer const& tokenizer) {
  nlohmann::ordered_json out = nlohmann::json::array();
  for (auto const& list : a.alternatives) {
    auto& place = out.emplace_back(nlohmann::json::array());
    for (auto const& t : list)
      place.push_back({{"id", t.id}, {"text", tokenizer.decode(std::span(&t.id, 1))}, {"log_probability", t.log_probability}});
  }
  return out;
}

inline nlohmann::ordered_json detections_of(medmo::answer const& a) {
  nlohmann::ordered_json detections = nlohmann::json::array();
  for (auto const& d : a.detections) {
    auto const& n = d.box_norm1000;
    auto const& p = d.box_px;
    detections.push_back({{"label", d.label},
                          {"box_norm1000", {n.x1, n.y1, n.x2, n.y2}},
                          {"box_px", {p.x1, p.y1, p.x2, p.y2}},
                          {"image", d.image},
                          {"confidence", d.confidence ? nlohmann::json(*d.confidence) : nlohmann::json()},
                          {"coordinates", estimates(d)}});
  }
  return detections;
}

inline nlohmann::ordered_json report(medmo::answer const& a, double load_ms) {
  return {{"text", a.text},
          {"prompt_tokens", a.prompt_tokens},
          {"tokens", a.tokens},
          {"detections", detections_of(a)},
          {"dropped", a.dropped},
          {"stop_reason", medmo::name_of(a.stopped)},
          {"timings_ms",
           {{"load", load_ms}, {"vision", a.time.vision_ms}, {"prefill", a.time.prefill_ms}, {"decode", a.time.decode_ms}}},
          {"peak_memory_bytes", peak_memory_bytes()}};
}

}  // namespace command
