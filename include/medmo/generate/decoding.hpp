// One answer on its way: logits in, tokens out, text given to whoever listens, until something ends it. Sessions and batches
// decode through this alone. With look-up, a pass takes guessed tokens along and those that are drawn as guessed are kept:
// every draw sees the logits and the random numbers it would see without, so the answer is the same.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/image.hpp"
#include "../text/grounding.hpp"
#include "../text/streaming_decoder.hpp"
#include "answer.hpp"
#include "ask_options.hpp"
#include "box_confidence.hpp"
#include "box_constraint.hpp"
#include "decoder_pass.hpp"
#include "pretrained.hpp"
#include "prompt_lookup.hpp"
#include "sampler.hpp"

namespace medmo::inline MEDMO_ABI {

/// Width and height of a picture that boxes are drawn on.
struct picture_extent {
  index width = 0, height = 0;
};

/// Errors: too_large if prompt and answer would be longer than the model's positions.
template <model_configuration C>
void check_length(index prompt_tokens, index max_new_tokens) {
  if (prompt_tokens > C::text.max_positions - max_new_tokens)
    MEDMO_THROW(errc::too_large, "conversation", "at most " + std::to_string(C::text.max_positions) + " tokens with the answer",
                std::to_string(prompt_tokens) + " of prompt and " + std::to_string(max_new_tokens));
}

/// The tokens of a model as constraints want them, made when a question first asks for a constraint.
template <model_configuration C>
class lazy_box_vocabulary {
 public:
  box_vocabulary const* get(pretrained<C> const& model, ask_options const& options) {
    if (options.boxes.mode == box_mode::off) return nullptr;
    if (!made_) made_ = std::make_unique<box_vocabulary>(model.tokenizer, C::text.vocab);
    return made_.get();
  }

 private:
  std::unique_ptr<box_vocabulary const> made_;
};

///   decoding<C> talk(model, tokens, options, boxes);   // tokens hold the prompt, with room for the answer
///   talk.take(tokens.logits());
///   while (!talk.done()) { talk.feed(pass); pass.run(); talk.read(pass); }
///   answer a = talk.finish(pictures);
/// Keeps all it is given by reference. Between feed and read, other answers may feed the same pass.
template <model_configuration C>
class decoding {
 public:
  /// `boxes` is needed where options.boxes asks for a constraint. Errors: bad_argument (check in ask_options.hpp).
  decoding(pretrained<C> const& model, sequence<C>& tokens, ask_options const& options, box_vocabulary const* boxes)
      : model_(model),
        tokens_(tokens),
        options_(options),
        draw_(options.sampling.value_or(model.sampling), C::text.vocab, {tokens_of<C>.image_pad, tokens_of<C>.video_pad}),
        decoder_(model.tokenizer),
        stops_(options.stop),
        evidence_(model.tokenizer) {
    draw_.see(tokens.ids());
    if (options.boxes.mode != box_mode::off) constraint_.emplace(*boxes, options.boxes, model.end_ids);
    answer_.tokens.reserve(static_cast<std::size_t>(options.max_new_tokens));
    evidence_.reserve(options.max_new_tokens);
    fed_.reserve(static_cast<std::size_t>(options.lookup) + 1);
    guessing_ = options.lookup > 0;
    if (guessing_) {
      seen_.reserve(tokens.ids().size() + static_cast<std::size_t>(options.max_new_tokens));
      seen_.assign(tokens.ids().begin(), tokens.ids().end());
    }
    if (options.max_new_tokens == 0) end(stop_reason::length);
  }
  decoding(decoding const&) = delete;
  decoding& operator=(decoding const&) = delete;

  bool done() const { return done_; }
  /// Ends it here; what was said stands.
  void cancel() {
    if (!done_) end(stop_reason::cancelled);
  }

  /// Draws the next token from the logits [V] behind all that was fed; changes them.
  void take(std::span<float> logits) {
    evidence_.see(logits);
    // checked before the mask hides it
    bool const sound = !constraint_ || std::all_of(logits.begin(), logits.end(), [](float l) { return l < infinity; });
    if (constraint_ && sound) constraint_->mask(logits, left());
    auto const id = sound ? draw_.draw(logits) : std::nullopt;
    if (!id) return end(stop_reason::not_finite);
    if (std::find(model_.end_ids.begin(), model_.end_ids.end(), *id) != model_.end_ids.end()) {
      answer_.ended_with = {*id, evidence_.log_probability(logits[static_cast<std::size_t>(*id)])};
      return end(stop_reason::end_of_turn);
    }
    answer_.tokens.push_back(*id);
    if (guessing_) seen_.push_back(*id);
    if (!draw_.most_probable().empty())
      answer_.alternatives.emplace_back(draw_.most_probable().begin(), draw_.most_probable().end());
    if (constraint_) constraint_->accept(*id);
    bool const wanted = emit(decoder_.push(*id));
    evidence_.drawn(*id, logits[static_cast<std::size_t>(*id)], written_);
    if (!wanted) end(stop_reason::cancelled);
    else if (stops_.found()) end(stop_reason::stop_string);
    else if (left() == 0) end(stop_reason::length);
  }

  /// Adds the token drawn last, and guesses behind it, to a pass.
  void feed(decoder_pass<C>& pass) {
    MEDMO_ASSERT(!done_ && !answer_.tokens.empty());
    fed_.assign(1, answer_.tokens.back());
    // the last token of an answer is never fed
    if (guessing_) look_up(seen_, std::min(options_.lookup, left() - 1), no_text, fed_);
    first_row_ = pass.rows();
    pass.add(tokens_, fed_);
  }

  /// Draws behind what was fed, as far as the guesses were right, and takes back those that were not.
  void read(decoder_pass<C>& pass) {
    index const begin = tokens_.length() - static_cast<index>(fed_.size());
    for (std::size_t i = 0; i < fed_.size(); ++i) {
      auto const logits = pass.logits(first_row_ + static_cast<index>(i));
      if (i + 1 < fed_.size() && !std::all_of(logits.begin(), logits.end(), [](float l) { return l < infinity; })) {
        guessing_ = false;  // a guess may be to blame: the token goes once more, alone
        return tokens_.truncate(begin + static_cast<index>(i));
      }
      take(logits);
      bool const right = !done_ && i + 1 < fed_.size() && answer_.tokens.back() == fed_[i + 1];
      if (!right) return tokens_.truncate(begin + static_cast<index>(i) + 1);
    }
  }

  /// The answer, whose boxes lie on the last of the conversation's pictures. To be called once.
  answer finish(std::span<picture_extent const> pictures) {
    emit(decoder_.finish());
    if (stops_.found() && answer_.stopped != stop_reason::cancelled) answer_.stopped = stop_reason::stop_string;
    give_out(stops_.finish());
    read_boxes(pictures);
    return std::move(answer_);
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  static constexpr std::array<index, 2> no_text{tokens_of<C>.image_pad, tokens_of<C>.video_pad};

  index left() const { return options_.max_new_tokens - static_cast<index>(answer_.tokens.size()); }

  void end(stop_reason why) {
    done_ = true;
    answer_.stopped = why;
  }

  bool give_out(std::string const& piece) {
    answer_.text += piece;
    return !options_.on_text || piece.empty() || options_.on_text(piece);
  }
  bool emit(std::string const& piece) {
    written_ += piece.size();
    return give_out(stops_.push(piece));
  }

  void read_boxes(std::span<picture_extent const> pictures) {
    answer_.token_logprobs = evidence_.log_probabilities();
    auto parsed = text::parse_grounding(answer_.text);
    for (auto const& d : parsed.dropped)
      answer_.dropped.push_back(std::string(text::name_of(d.reason)) + " at byte " + std::to_string(d.offset) + ": " + d.text);
    if (pictures.empty()) return;
    auto const& [width, height] = pictures.back();
    for (auto const& b : parsed.boxes)
      answer_.detections.push_back({b.label, b.box_norm1000, to_pixel(b.box_norm1000, width, height),
                                    static_cast<index>(pictures.size()) - 1, evidence_.score(answer_.text, b),
                                    evidence_.coordinates(answer_.text, b)});
  }

  pretrained<C> const& model_;
  sequence<C>& tokens_;
  ask_options const& options_;
  sampler draw_;
  text::streaming_decoder<vocabulary_of<C>> decoder_;
  stop_strings stops_;
  box_evidence evidence_;
  std::optional<box_constraint> constraint_;
  answer answer_;
  std::size_t written_ = 0;   // bytes of text, those held back for a stop string included
  std::vector<index> fed_;    // to the pass: the token drawn last, then guesses
  std::vector<index> seen_;   // prompt and answer, where guesses come from
  index first_row_ = 0;
  bool done_ = false, guessing_ = false;
};

/// One pass for all of these: each that is not done gets a token more, or several where it guessed right.
template <model_configuration C>
void decode_together(std::span<decoding<C>* const> answers, decoder_pass<C>& pass) {
  pass.clear();  // of a pass that an error kept from running
  for (auto* a : answers)
    if (!a->done()) a->feed(pass);
  pass.run();
  for (auto* a : answers)
    if (!a->done()) a->read(pass);
}

}  // namespace medmo::inline MEDMO_ABI
