// What a model is given and what it gives back, and how a reply lies in a journal of answers. The model itself is a callable:
// anything that answers can be judged.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/box.hpp"
#include "../core/error.hpp"
#include "../io/json.hpp"
#include "item.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct request {
  item const* what = nullptr;
  std::string prompt;
  std::vector<std::string> pictures;    ///< files
  std::vector<std::string> candidates;  ///< not empty: score these answers instead of generating one
};

struct reply {
  std::string text;
  std::string stop;                  ///< why the answer ended
  std::vector<detection> detections; ///< on the last picture
  index width = 0, height = 0;       ///< of the last picture; 0 without one
  std::vector<double> log_probabilities;  ///< of the candidates, the end of the turn included
  std::string failure;               ///< not empty: no answer, and why; counted as a wrong one
  double milliseconds = 0;           ///< kept apart from what is compared
};

/// Answers all requests and hands over each reply with its place among them, in any order, each once.
using answerer = std::function<void(std::span<request const>, std::function<void(std::size_t, reply)> const&)>;

/// The reply's part of a journal line; times are not in it.
inline io::ordered_json to_json(reply const& r) {
  io::ordered_json out{{"answer", r.text}, {"stop", r.stop}};
  if (r.width > 0) out["size"] = {r.width, r.height};
  if (!r.detections.empty()) {
    auto& boxes = out["boxes"] = io::ordered_json::array();
    for (auto const& d : r.detections) {
      auto const& n = d.box_norm1000;
      boxes.push_back({{"label", d.label}, {"box_norm1000", {n.x1, n.y1, n.x2, n.y2}}, {"confidence", d.confidence ? io::ordered_json(*d.confidence) : io::ordered_json()}});
    }
  }
  if (!r.log_probabilities.empty()) out["log_probabilities"] = r.log_probabilities;
  if (!r.failure.empty()) out["failure"] = r.failure;
  return out;
}

/// The reply out of a journal line. Error: bad_json.
inline reply reply_of(io::json_fields const& f) {
  reply r;
  r.text = f.text("answer").value_or("");
  r.stop = f.text("stop").value_or("");
  r.failure = f.text("failure").value_or("");
  r.log_probabilities = f.numbers("log_probabilities").value_or(std::vector<double>{});
  if (auto const size = f.integers("size")) {
    if (size->size() != 2 || (*size)[0] < 1 || (*size)[1] < 1) MEDMO_THROW(errc::bad_json, f.where("size"), "a width and a height", "others");
    r.width = (*size)[0], r.height = (*size)[1];
  }
  auto const* boxes = f.find("boxes");
  if (boxes && !boxes->is_array()) MEDMO_THROW(errc::bad_json, f.where("boxes"), "a list", io::excerpt(*boxes));
  if (boxes)
    for (auto const& one : *boxes) {
      io::json_fields const b(one, f.where("boxes"));
      auto const v = b.numbers("box_norm1000");
      if (!v || v->size() != 4) MEDMO_THROW(errc::bad_json, b.where("box_norm1000"), "four numbers", "others");
      detection d{b.text("label").value_or(""), {(*v)[0], (*v)[1], (*v)[2], (*v)[3]}, {}};
      d.box_px = to_pixel(d.box_norm1000, r.width, r.height);
      d.confidence = b.number("confidence");
      r.detections.push_back(std::move(d));
    }
  return r;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
