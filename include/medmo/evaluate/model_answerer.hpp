// Answers of a model: each question is a conversation of its own, greedy unless told otherwise. An item that cannot be answered
// (a picture that is missing or damaged, a prompt that is too long) is a failure with its reason and stops nothing.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../generate/pretrained.hpp"
#include "../generate/score.hpp"
#include "../generate/session.hpp"
#include "../io/image.hpp"
#include "reply.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct answer_settings {
  ask_options ask{.max_new_tokens = 512, .sampling = sampling_options{}};  ///< greedy; MedEvalKit: temperature 0
  std::function<image(std::string const&)> read_picture = [](std::string const& path) { return io::read_image(path); };
};

namespace detail {
template <model_configuration C>
reply answer_one(pretrained<C> const& model, session<C>& chat, request const& r, answer_settings const& settings) {
  reply out;
  std::vector<image> pictures;
  for (auto const& path : r.pictures) pictures.push_back(settings.read_picture(path));
  if (!pictures.empty()) out.width = pictures.back().width, out.height = pictures.back().height;
  if (!r.candidates.empty()) {
    score_options const options{.turn = {.system = settings.ask.system, .min_pixels = settings.ask.min_pixels, .max_pixels = settings.ask.max_pixels},
                                .prefill_chunk = settings.ask.prefill_chunk};
    for (auto const& one : score(model, pictures, r.prompt, r.candidates, options))
      out.log_probabilities.push_back(one.log_probability + one.end_log_probability);
    auto const best = std::max_element(out.log_probabilities.begin(), out.log_probabilities.end()) - out.log_probabilities.begin();
    out.text = r.candidates[static_cast<std::size_t>(best)];
    out.stop = "scored";
    return out;
  }
  chat.reset();
  auto a = chat.ask(pictures, r.prompt, settings.ask);
  out.text = std::move(a.text);
  out.stop = name_of(a.stopped);
  out.detections = std::move(a.detections);
  return out;
}
}  // namespace detail

/// Keeps the model by reference. Requests are answered one after the other.
template <model_configuration C>
answerer model_answerer(pretrained<C> const& model, answer_settings settings = {}) {
  auto chat = std::make_shared<session<C>>(model);
  return [&model, chat, settings = std::move(settings)](std::span<request const> requests, auto const& done) {
    for (std::size_t n = 0; n < requests.size(); ++n) {
      auto const start = std::chrono::steady_clock::now();
      reply r;
#if MEDMO_EXCEPTIONS
      try {
        r = detail::answer_one(model, *chat, requests[n], settings);
      } catch (error const& e) {
        r = {};
        r.failure = e.what();
      }
#else
      r = detail::answer_one(model, *chat, requests[n], settings);
#endif
      r.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      done(n, std::move(r));
    }
  };
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
