// A conversation with a model: pictures and questions in, text and boxes out. A session owns all its state; the model it
// speaks with is const and may serve any number of sessions in any number of threads.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "decoding.hpp"
#include "turn.hpp"

namespace medmo::inline MEDMO_ABI {

/// One conversation. Keeps the model by reference: it must outlive the session. Not for several threads at once.
///   medmo::session chat{model};
///   auto answer = chat.ask({scan}, "Detect and localize all abnormalities.", {.max_new_tokens = 512});
template <model_configuration C>
class session {
 public:
  /// `seen` may be shared by sessions; it must outlive them.
  explicit session(pretrained<C> const& model, feature_cache* seen = nullptr)
      : model_(model), seen_(seen), sequence_(model.model, memory_), pass_(model.model, memory_) {}

  /// Asks about `pictures` (of this turn) and everything said before. What earlier turns left in the cache is used again.
  /// Errors: bad_argument, bad_image, bad_text, too_large; the conversation is then as it was before the call.
  answer ask(std::vector<image> const& pictures, std::string_view prompt, ask_options const& options = {}) {
    return ask(pictures, {}, prompt, options);
  }

  /// The same with videos, which stand behind the pictures. A video counts as one picture in detections.
  ///   chat.ask({}, {medmo::vision::video{.frames = frames, .fps = 10}}, "What changes?");
  answer ask(std::vector<image> const& pictures, std::vector<vision::video> const& videos, std::string_view prompt,
             ask_options const& options = {}) {
    check(options, C::text.vocab);
    timings time;
    turn_guard guard(*this);
    turn_options const turn{options.system, options.min_pixels, options.max_pixels};
    add_turn(messages_, model_, std::span<image const>(pictures), prompt, turn, std::span<vision::video const>(videos));
    auto const rendered = text::render_chat(model_.tokenizer, messages_);
    auto const prompt_tokens = static_cast<index>(rendered.ids.size());
    check_length<C>(prompt_tokens, options.max_new_tokens);
    stopwatch watch;
    for (auto& f : see_images(model_, std::span(pictures), turn, *memory_, seen_)) features_.push_back(std::move(f));
    for (auto const& p : pictures) extents_.push_back({p.width, p.height});
    if constexpr (vision_language_configuration<C>)
      for (auto const& v : videos) {
        for (auto& f : see_video(model_, v, *memory_)) features_.push_back(std::move(f));
        extents_.push_back({v.frames[0].width, v.frames[0].height});
      }
    time.vision_ms = watch.lap();

    auto const reused = guard.tokens = common_prefix(sequence_.ids(), rendered, [](std::size_t) { return true; });
    auto const features = [&](std::size_t i) { return features_[i].get(); };
    prefill(sequence_, rendered, reused, features, options.max_new_tokens, options.prefill_chunk);
    time.prefill_ms = watch.lap();

    decoding<C> talk(model_, sequence_, options, boxes_.get(model_, options));
    if (!talk.done()) talk.take(sequence_.logits());
    for (decoding<C>* one = &talk; !talk.done();) decode_together<C>({&one, 1}, pass_);
    auto out = talk.finish(extents_);
    time.decode_ms = watch.lap();
    out.prompt_tokens = prompt_tokens;
    out.reused_tokens = reused;
    out.time = time;
    messages_.push_back({text::chat_role::assistant, {text::ids_part{out.tokens}}, {}});
    guard.keep();
    return out;
  }

  /// Forgets the conversation; keeps its memory for the next.
  void reset() {
    messages_.clear();
    features_.clear();
    extents_.clear();
    sequence_.truncate(0);
  }

  medmo::sequence<C> const& tokens() const { return sequence_; }

 private:
  /// Takes the turn back unless the whole of it went well. The cache keeps only what it held before: placeholders are the
  /// same ids for every picture, and those of the lost turn must never stand for another one.
  struct turn_guard {
    session& owner;
    std::size_t messages, features, pictures;
    index tokens;
    bool kept = false;
    explicit turn_guard(session& s)
        : owner(s), messages(s.messages_.size()), features(s.features_.size()), pictures(s.extents_.size()),
          tokens(s.sequence_.length()) {}
    turn_guard(turn_guard const&) = delete;
    void keep() { kept = true; }
    ~turn_guard() {
      if (kept) return;
      owner.messages_.resize(messages);
      owner.features_.resize(features);
      owner.extents_.resize(pictures);
      owner.sequence_.truncate(std::min(tokens, owner.sequence_.length()));
    }
  };

  pretrained<C> const& model_;
  feature_cache* seen_;
  std::shared_ptr<arena> memory_ = std::make_shared<arena>();
  medmo::sequence<C> sequence_;
  decoder_pass<C> pass_;
  lazy_box_vocabulary<C> boxes_;
  std::vector<text::message> messages_;
  std::vector<shared_features> features_;  // of every picture and pair of frames so far
  std::vector<picture_extent> extents_;    // of every picture and video
};

}  // namespace medmo::inline MEDMO_ABI
