// A conversation with a model: pictures and questions in, text and boxes out. A session owns all its state; the model it
// speaks with is const and may serve any number of sessions in any number of threads.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/box.hpp"
#include "../core/image.hpp"
#include "../text/chat.hpp"
#include "../text/grounding.hpp"
#include "../text/streaming_decoder.hpp"
#include "../vision/preprocess.hpp"
#include "box_confidence.hpp"
#include "box_constraint.hpp"
#include "pretrained.hpp"
#include "sampler.hpp"
#include "sequence.hpp"
#include "stop_strings.hpp"

namespace medmo::inline MEDMO_ABI {

enum class stop_reason {
  end_of_turn,   ///< the model ended its turn
  length,        ///< max_new_tokens reached
  cancelled,     ///< on_text returned false
  stop_string,   ///< one of ask_options::stop
  not_finite,    ///< a logit was NaN or infinite; the answer so far stands
};

constexpr std::string_view name_of(stop_reason r) {
  switch (r) {
    case stop_reason::end_of_turn: return "end_of_turn";
    case stop_reason::length: return "length";
    case stop_reason::cancelled: return "cancelled";
    case stop_reason::stop_string: return "stop_string";
    case stop_reason::not_finite: return "not_finite";
  }
  return "?";
}

struct ask_options {
  index max_new_tokens = 512;
  std::optional<sampling_options> sampling{};  ///< none: the model's own defaults
  std::string system{};                        ///< before the first turn; ignored later
  std::vector<std::string> stop{};             ///< the text ends before the first of these
  index prefill_chunk = 1024;                  ///< tokens a step; changes time and memory, never the answer
  index min_pixels = 0, max_pixels = 0;        ///< areas pictures are resized to; 0: the model's own
  box_options boxes{};                         ///< off: nothing is constrained
  /// Called with whole characters as they come; returning false stops.
  std::function<bool(std::string_view)> on_text{};
};

struct timings {
  double vision_ms = 0, prefill_ms = 0, decode_ms = 0;
};

struct answer {
  std::string text;
  std::vector<index> tokens;           ///< as sampled, without the token that ended the turn
  std::vector<double> token_logprobs;  ///< ln p of each, of the model's own distribution: no temperature, no constraint
  /// For each token the most probable ones in its place, as many as sampling.log_probabilities asked for (none: empty). A
  /// constraint's or the sampler's forbidden tokens are left out.
  std::vector<std::vector<token_probability>> alternatives;
  std::vector<detection> detections;   ///< boxes on the last picture of the conversation
  std::vector<std::string> dropped;    ///< what stood in box tags and is no box, with the reason
  stop_reason stopped = stop_reason::end_of_turn;
  index prompt_tokens = 0;             ///< of the whole conversation before this answer
  index reused_tokens = 0;             ///< of those, the ones that were still in the cache
  timings time;
};

/// One conversation. Keeps the model by reference: it must outlive the session. Not for several threads at once.
///   medmo::session chat{model};
///   auto answer = chat.ask({scan}, "Detect and localize all abnormalities.", {.max_new_tokens = 512});
template <model_configuration C>
class session {
 public:
  explicit session(pretrained<C> const& model) : model_(model), sequence_(model.model) {}

  /// Asks about `pictures` (of this turn) and everything said before. What earlier turns left in the cache is used again.
  /// Errors: bad_argument, bad_image, bad_text, too_large; the conversation is then as it was before the call.
  answer ask(std::vector<image> const& pictures, std::string_view prompt, ask_options const& options = {}) {
    using clock = std::chrono::steady_clock;
    auto since = [](clock::time_point t) { return std::chrono::duration<double, std::milli>(clock::now() - t).count(); };
    if (options.max_new_tokens < 0 || options.prefill_chunk < 1)
      MEDMO_THROW(errc::bad_argument, "ask", "max_new_tokens >= 0 and prefill_chunk >= 1",
                  std::to_string(options.max_new_tokens) + " and " + std::to_string(options.prefill_chunk));
    if (options.boxes.mode != box_mode::off) check(options.boxes);
    answer out;
    turn_guard guard(*this);
    auto start = clock::now();
    add_turn(pictures, prompt, options);
    out.time.vision_ms = since(start);

    start = clock::now();
    auto rendered = text::render_chat(model_.tokenizer, messages_);
    out.prompt_tokens = static_cast<index>(rendered.ids.size());
    if (out.prompt_tokens > C::text.max_positions - options.max_new_tokens)
      MEDMO_THROW(errc::too_large, "conversation",
                  "at most " + std::to_string(C::text.max_positions) + " tokens with the answer",
                  std::to_string(out.prompt_tokens) + " of prompt and " + std::to_string(options.max_new_tokens));
    guard.tokens = out.reused_tokens = reusable(rendered);
    prefill(rendered, out.reused_tokens, options);
    out.time.prefill_ms = since(start);

    start = clock::now();
    box_evidence evidence(model_.tokenizer);
    generate(out, options, evidence);
    out.time.decode_ms = since(start);
    messages_.push_back({text::chat_role::assistant, {text::ids_part{out.tokens}}, {}});
    read_boxes(out, evidence);
    guard.keep();
    return out;
  }

  /// Forgets the conversation; keeps its memory for the next.
  void reset() {
    messages_.clear();
    pictures_.clear();
    sequence_.truncate(0);
  }

  medmo::sequence<C> const& tokens() const { return sequence_; }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();

  struct seen_picture {
    index width = 0, height = 0;
    visual_features features;
  };

  /// Takes the turn back unless the whole of it went well. The cache keeps only what it held before: placeholders are the
  /// same ids for every picture, and those of the lost turn must never stand for another one.
  struct turn_guard {
    session& owner;
    std::size_t messages, pictures;
    index tokens;
    bool kept = false;
    explicit turn_guard(session& s)
        : owner(s), messages(s.messages_.size()), pictures(s.pictures_.size()), tokens(s.sequence_.length()) {}
    turn_guard(turn_guard const&) = delete;
    void keep() { kept = true; }
    ~turn_guard() {
      if (kept) return;
      owner.messages_.resize(messages);
      owner.pictures_.resize(pictures);
      owner.sequence_.truncate(std::min(tokens, owner.sequence_.length()));
    }
  };

  void add_turn(std::vector<image> const& pictures, std::string_view prompt, ask_options const& options) {
    if (messages_.empty() && !options.system.empty())
      messages_.push_back({text::chat_role::system, {text::text_part{options.system}}, {}});
    text::message turn{text::chat_role::user, {}, {}};
    if constexpr (vision_language_configuration<C>) {
      auto sizes = vision::options_for(C::vision, model_.pictures);
      if (options.min_pixels > 0) sizes.min_pixels = options.min_pixels;
      if (options.max_pixels > 0) sizes.max_pixels = options.max_pixels;
      for (auto const& picture : pictures) {
        auto patches = vision::preprocess(picture, sizes);
        pictures_.push_back({picture.width, picture.height,
                             see_picture(model_.model, view_of(patches.rows), patches.grid, sequence_.memory())});
        turn.content.push_back(text::image_part{patches.tokens});
      }
    } else if (!pictures.empty()) {
      MEDMO_THROW(errc::unsupported, "ask", "no pictures: " + std::string(configuration_name<C>) + " reads text only",
                  std::to_string(pictures.size()));
    }
    turn.content.push_back(text::text_part{std::string(prompt)});
    messages_.push_back(std::move(turn));
  }

  static view<float> view_of(matrix<float> const& m) {
    return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.cols())};
  }

  /// How many tokens of the prompt the cache holds.
  index reusable(text::chat_prompt const& prompt) const {
    auto known = sequence_.ids();
    std::size_t same = 0;
    while (same < known.size() && same + 1 < prompt.ids.size() && known[same] == prompt.ids[same]) ++same;
    for (auto const& place : prompt.media) {  // never cut a picture in two
      auto begin = static_cast<std::size_t>(place.begin), end = begin + static_cast<std::size_t>(place.count);
      if (same > begin && same < end) same = begin;
    }
    return static_cast<index>(same);
  }

  /// Feeds what the cache does not hold: all behind the first `same` tokens.
  void prefill(text::chat_prompt const& prompt, index same, ask_options const& options) {
    sequence_.truncate(same);
    std::vector<visual_features const*> features;
    for (auto const& place : prompt.media)
      if (place.begin >= same) features.push_back(&pictures_[static_cast<std::size_t>(place.number)].features);
    sequence_.reserve(static_cast<index>(prompt.ids.size()) + options.max_new_tokens, options.prefill_chunk);
    sequence_.append(std::span(prompt.ids).subspan(static_cast<std::size_t>(same)), features, options.prefill_chunk);
  }

  void generate(answer& out, ask_options const& options, box_evidence& evidence) {
    sampler draw(options.sampling.value_or(model_.sampling), C::text.vocab, {tokens_of<C>.image_pad, tokens_of<C>.video_pad});
    draw.see(sequence_.ids());
    text::streaming_decoder decoder(model_.tokenizer);
    out.tokens.reserve(static_cast<std::size_t>(options.max_new_tokens));
    stop_strings stops(options.stop);
    std::size_t written = 0;  // bytes of text, those held back for a stop string included
    auto give_out = [&](std::string const& piece) {
      out.text += piece;
      return !options.on_text || piece.empty() || options.on_text(piece);
    };
    auto emit = [&](std::string const& piece) {
      written += piece.size();
      return give_out(stops.push(piece));
    };
    std::optional<box_constraint> constraint;
    if (options.boxes.mode != box_mode::off) {
      if (!box_tokens_) box_tokens_ = std::make_unique<box_vocabulary>(model_.tokenizer, C::text.vocab);
      constraint.emplace(*box_tokens_, options.boxes, model_.end_ids);
    }
    evidence.reserve(options.max_new_tokens);
    out.stopped = stop_reason::length;
    for (index i = 0; i < options.max_new_tokens; ++i) {
      if (i > 0) sequence_.append_token(out.tokens.back());
      auto logits = sequence_.logits();
      evidence.see(logits);
      // checked before the mask hides it
      bool const sound = !constraint || std::all_of(logits.begin(), logits.end(), [](float l) { return l < infinity; });
      if (constraint && sound) constraint->mask(logits, options.max_new_tokens - i);
      auto id = sound ? draw.draw(logits) : std::nullopt;
      if (!id) {
        out.stopped = stop_reason::not_finite;
        break;
      }
      if (std::find(model_.end_ids.begin(), model_.end_ids.end(), *id) != model_.end_ids.end()) {
        out.stopped = stop_reason::end_of_turn;
        break;
      }
      out.tokens.push_back(*id);
      if (!draw.most_probable().empty()) out.alternatives.emplace_back(draw.most_probable().begin(), draw.most_probable().end());
      if (constraint) constraint->accept(*id);
      bool const wanted = emit(decoder.push(*id));
      evidence.drawn(*id, logits[static_cast<std::size_t>(*id)], written);
      if (!wanted || stops.found()) {
        out.stopped = wanted ? stop_reason::stop_string : stop_reason::cancelled;
        break;
      }
    }
    emit(decoder.finish());
    if (stops.found() && out.stopped != stop_reason::cancelled) out.stopped = stop_reason::stop_string;
    give_out(stops.finish());
  }

  void read_boxes(answer& out, box_evidence const& evidence) const {
    out.token_logprobs = evidence.log_probabilities();
    auto parsed = text::parse_grounding(out.text);
    for (auto const& d : parsed.dropped)
      out.dropped.push_back(std::string(text::name_of(d.reason)) + " at byte " + std::to_string(d.offset) + ": " + d.text);
    if (pictures_.empty()) return;
    auto const& picture = pictures_.back();
    for (auto const& b : parsed.boxes)
      out.detections.push_back({b.label, b.box_norm1000, to_pixel(b.box_norm1000, picture.width, picture.height),
                                static_cast<index>(pictures_.size()) - 1, evidence.score(out.text, b),
                                evidence.coordinates(out.text, b)});
  }

  pretrained<C> const& model_;
  medmo::sequence<C> sequence_;
  std::unique_ptr<box_vocabulary const> box_tokens_;  // made when first asked for
  std::vector<text::message> messages_;
  std::vector<seen_picture> pictures_;
};

}  // namespace medmo::inline MEDMO_ABI
