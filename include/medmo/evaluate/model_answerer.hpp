// Answers of a model, several at once: each question is a conversation of its own, greedy unless told otherwise. An item that
// cannot be answered (a picture that is missing or damaged, a prompt that is too long) is a failure with its reason and stops
// nothing.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../generate/batch.hpp"
#include "../generate/pretrained.hpp"
#include "../generate/score.hpp"
#include "../io/image.hpp"
#include "reply.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct answer_settings {
  ask_options ask{.max_new_tokens = 512, .sampling = sampling_options{}};  ///< greedy; MedEvalKit: temperature 0
  index slots = 1;                                                         ///< answers under way at once; changes none
  std::function<image(std::string const&)> read_picture = [](std::string const& path) { return io::read_image(path); };
};

/// An answerer that keeps the model by reference. Copies share what it remembers of prompts.
template <model_configuration C>
class model_answerer {
 public:
  explicit model_answerer(pretrained<C> const& model, answer_settings settings = {})
      : model_(model), settings_(std::move(settings)), batch_(std::make_shared<batch<C>>(model, batch_options{.slots = settings_.slots})) {}

  void operator()(std::span<request const> requests, std::function<void(std::size_t, reply)> const& done) const {
    std::map<index, waiting> asked;  // by the batch's number
    auto ended = [&](index number, answer a) {
      auto const it = asked.find(number);
      if (it == asked.end()) return;  // left over from a call that an exception ended
      auto r = std::move(it->second.so_far);
      auto const place = it->second.place;
      asked.erase(it);
      r.text = std::move(a.text);
      r.stop = name_of(a.stopped);
      r.detections = std::move(a.detections);
      r.milliseconds = a.time.vision_ms + a.time.prefill_ms + a.time.decode_ms;
      done(place, std::move(r));
    };
    for (std::size_t n = 0; n < requests.size(); ++n) {
      reply r;
      bool under_way = false;
      auto begin = [&] {
        if (!requests[n].candidates.empty()) return scored(requests[n], r);
        asked.emplace(add(requests[n], r), waiting{n, r});
        under_way = true;
      };
#if MEDMO_EXCEPTIONS
      try {
        begin();
      } catch (error const& e) {
        r.failure = e.what();
      }
#else
      begin();
#endif
      if (!under_way) done(n, std::move(r));
      while (batch_->waiting() + batch_->running() >= settings_.slots) batch_->step(ended);  // pictures are read when there is room
    }
    batch_->run(ended);
  }

 private:
  struct waiting {
    std::size_t place;
    reply so_far;
  };

  std::vector<image> pictures_of(request const& asked, reply& r) const {
    std::vector<image> out;
    for (auto const& path : asked.pictures) out.push_back(settings_.read_picture(path));
    if (!out.empty()) r.width = out.back().width, r.height = out.back().height;
    return out;
  }

  index add(request const& asked, reply& r) const { return batch_->add(pictures_of(asked, r), asked.prompt, settings_.ask); }

  void scored(request const& asked, reply& r) const {
    auto const start = std::chrono::steady_clock::now();
    auto const pictures = pictures_of(asked, r);
    auto const& a = settings_.ask;
    score_options const options{.turn = {.system = a.system, .min_pixels = a.min_pixels, .max_pixels = a.max_pixels}, .prefill_chunk = a.prefill_chunk};
    for (auto const& one : score(model_, pictures, asked.prompt, asked.candidates, options))
      r.log_probabilities.push_back(one.log_probability + one.end_log_probability);
    auto const best = std::max_element(r.log_probabilities.begin(), r.log_probabilities.end()) - r.log_probabilities.begin();
    r.text = asked.candidates[static_cast<std::size_t>(best)];
    r.stop = "scored";
    r.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

  pretrained<C> const& model_;
  answer_settings settings_;
  std::shared_ptr<batch<C>> batch_;
};

}  // namespace medmo::inline MEDMO_ABI::evaluate
