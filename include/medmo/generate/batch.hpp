// Many questions to one model at once: a pass of the decoder reads the weights once for all answers under way, and questions
// that begin in the same way (the same text, the same pictures) share what that beginning cost. Each answer has the bytes
// that a session of its own would give, whatever runs beside it.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "decoding.hpp"
#include "prefix_store.hpp"

namespace medmo::inline MEDMO_ABI {

struct batch_options {
  index slots = 8;                                ///< answers under way at once; each has a cache of its own
  std::size_t prefix_bytes = std::size_t{1} << 30;  ///< of keys and values kept for questions that begin alike
  feature_cache* features = nullptr;              ///< pictures seen before; may be shared, must outlive the batch
};

/// Keeps the model by reference: it must outlive the batch. Not for several threads at once. What is called back (on_text,
/// on_answer) may add and cancel, and must not throw.
///   medmo::batch asked{model};
///   for (auto const& question : questions) asked.add({scan}, question, {.max_new_tokens = 64});
///   for (auto const& answer : asked.run()) print(answer.text);
template <model_configuration C>
class batch {
 public:
  explicit batch(pretrained<C> const& model, batch_options options = {})
      : model_(model), options_(options), prefixes_(options.prefix_bytes), pass_(model.model, memory_) {
    if (options.slots < 1 || options.slots > most_slots)
      MEDMO_THROW(errc::bad_argument, "batch: slots", "a number from 1 to " + std::to_string(most_slots), std::to_string(options.slots));
  }

  /// A question like session::ask's first one. Gives its number: 0, 1, 2, ... Everything wrong with it is said here; the
  /// batch is then as before. Errors: bad_argument, bad_image, bad_text, too_large, unsupported.
  index add(std::vector<image> pictures, std::string_view prompt, ask_options options = {}) {
    if (!options.sampling) options.sampling = model_.sampling;
    check(options, C::text.vocab);
    turn_options const turn = turn_of(options);
    std::vector<text::message> messages;
    add_turn(messages, model_, std::span<image const>(pictures), prompt, turn);
    known_prompt known{text::render_chat(model_.tokenizer, messages), {}};
    check_length<C>(static_cast<index>(known.rendered.ids.size()), options.max_new_tokens);
    if constexpr (vision_language_configuration<C>)
      for (auto const& p : pictures) known.pictures.push_back(picture_digest(p, picture_options(model_, turn)));
    waiting_.push_back({added_, std::move(pictures), std::move(known), std::move(options)});
    return added_++;
  }

  /// Takes a question back, waiting or under way: it is answered with what there is, as cancelled. No effect on others.
  void cancel(index number) {
    for (auto& q : waiting_)
      if (q.number == number) q.cancelled = true;
    for (auto& a : running_)
      if (a->asked.number == number) a->asked.cancelled = true;
  }

  index waiting() const { return static_cast<index>(waiting_.size()); }
  index running() const { return static_cast<index>(running_.size()); }

  /// Lets waiting questions into free slots, then gives every answer under way one token more, or several (look-up). Calls
  /// on_answer(number, answer) for those that ended. False once nothing is left.
  template <class F>
  bool step(F&& on_answer) {
    while (!waiting_.empty() && running() < options_.slots) {
      question next = std::move(waiting_.front());
      waiting_.pop_front();
      running_.push_back(begin(std::move(next)));
    }
    active_.clear();
    for (auto& a : running_) {
      if (a->asked.cancelled) a->talk->cancel();
      if (!a->talk->done()) active_.push_back(&*a->talk);
    }
    decode_together<C>(active_, pass_);
    for (std::size_t i = 0; i < running_.size();) {
      if (!running_[i]->talk->done()) {
        ++i;
        continue;
      }
      auto const ended = std::move(running_[i]);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      on_answer(ended->asked.number, finish(*ended));
    }
    return !waiting_.empty() || !running_.empty();
  }

  /// Answers all questions; on_answer(number, answer) as each ends.
  template <class F>
  void run(F&& on_answer) {
    while (step(on_answer)) {
    }
  }

  /// Answers all questions that are left; the answers come in the order in which they were asked.
  std::vector<answer> run() {
    std::map<index, answer> ended;
    run([&](index number, answer a) { ended.emplace(number, std::move(a)); });
    std::vector<answer> out;
    for (auto& [number, a] : ended) out.push_back(std::move(a));
    return out;
  }

  index passes() const { return pass_.passes(); }  ///< of the decoder, prefills not counted

 private:
  static constexpr index most_slots = 1024;

  struct question {
    index number;
    std::vector<image> pictures;
    known_prompt prompt;
    ask_options options;
    bool cancelled = false;
  };

  /// An answer under way. Stays where it is: its decoding refers to the rest.
  struct attempt {
    question asked;
    sequence<C> tokens;
    std::vector<picture_extent> extents{};
    timings time{};
    index reused = 0;
    std::optional<decoding<C>> talk{};
    stopwatch watch{};
    attempt(question q, sequence<C> s) : asked(std::move(q)), tokens(std::move(s)) {}
  };

  static turn_options turn_of(ask_options const& o) { return {o.system, o.min_pixels, o.max_pixels}; }

  std::unique_ptr<attempt> begin(question asked) {
    auto const known = prefixes_.find(asked.prompt);
    auto tokens = known.tokens ? known.tokens->fork(memory_) : sequence<C>(model_.model, memory_);
    auto a = std::make_unique<attempt>(std::move(asked), std::move(tokens));
    for (auto const& p : a->asked.pictures) a->extents.push_back({p.width, p.height});
    if (!a->asked.cancelled) read_prompt(*a, known.length);
    a->talk.emplace(model_, a->tokens, a->asked.options, boxes_.get(model_, a->asked.options));
    if (a->asked.cancelled) a->talk->cancel();
    if (!a->talk->done()) a->talk->take(a->tokens.logits());
    return a;
  }

  void read_prompt(attempt& a, index known) {
    auto const& prompt = a.asked.prompt.rendered;
    auto const& options = a.asked.options;
    std::vector<shared_features> seen(prompt.media.size());
    if constexpr (vision_language_configuration<C>)
      for (std::size_t i = 0; i < prompt.media.size(); ++i)
        if (prompt.media[i].begin >= known)
          seen[i] = see_image(model_, a.asked.pictures[i], turn_of(options), *memory_, options_.features);
    a.asked.pictures.clear();
    a.time.vision_ms = a.watch.lap();
    prefill(a.tokens, prompt, known, [&](std::size_t i) { return seen[i].get(); }, options.max_new_tokens, options.prefill_chunk);
    prefixes_.keep(a.asked.prompt, a.tokens, known);
    a.reused = known;
    a.time.prefill_ms = a.watch.lap();
  }

  answer finish(attempt& a) {
    auto out = a.talk->finish(a.extents);
    a.time.decode_ms = a.watch.lap();
    out.prompt_tokens = static_cast<index>(a.asked.prompt.rendered.ids.size());
    out.reused_tokens = a.reused;
    out.time = a.time;
    return out;
  }

  pretrained<C> const& model_;
  batch_options options_;
  std::shared_ptr<arena> memory_ = std::make_shared<arena>();
  prefix_store<C> prefixes_;
  decoder_pass<C> pass_;
  lazy_box_vocabulary<C> boxes_;
  std::deque<question> waiting_;
  std::vector<std::unique_ptr<attempt>> running_;
  std::vector<decoding<C>*> active_;
  index added_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI
