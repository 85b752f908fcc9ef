// Rules out the tokens after which an answer could not hold valid boxes only: box_automaton.hpp lifted from bytes to
// tokens. A token may follow if its bytes may, so every way to cut the text into tokens is allowed. A step looks at the
// tokens whose first byte may follow; in free text only at the few that could end "<box>".
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../text/tokenizer.hpp"
#include "box_automaton.hpp"

namespace medmo::inline MEDMO_ABI {

/// The tokens of a tokenizer as the constraint wants them: by first byte. Made once a model (some milliseconds for Qwen's
/// 151,643); keeps views into the tokenizer, which must outlive it. Const, shared between threads.
class box_vocabulary {
 public:
  struct token {
    std::string_view bytes;
    index id = 0;
    bool plain_label = false;  ///< box_automaton::plain_label
  };

  /// Tokens of ids below `vocab`. Special ones, which decoding leaves out, and ids without a token are never part of a box.
  template <text::tokenizer_configuration T>
  box_vocabulary(text::tokenizer<T> const& tokenizer, index vocab) : vocab_(vocab) {
    bytes_.resize(static_cast<std::size_t>(vocab));
    std::array<std::size_t, 257> count{};
    for (index id = 0; id < vocab; ++id) {
      auto bytes = id < T::rows ? tokenizer.bytes_for(id, {}) : std::string_view{};
      bytes_[static_cast<std::size_t>(id)] = bytes;
      if (!bytes.empty()) ++count[static_cast<unsigned char>(bytes[0]) + 1u];
    }
    for (std::size_t b = 0; b < 256; ++b) count[b + 1] += count[b];
    begin_ = count;
    tokens_.resize(count[256]);
    for (index id = 0; id < vocab; ++id) {
      auto bytes = bytes_[static_cast<std::size_t>(id)];
      if (bytes.empty()) continue;
      tokens_[count[static_cast<unsigned char>(bytes[0])]++] = {bytes, id, box_automaton::plain_label(bytes)};
      for (std::size_t opened = 0; opened < 5; ++opened)
        if (opens(bytes, opened)) opening_[opened].push_back({bytes, id, false});
    }
  }

  index size() const { return vocab_; }
  /// What a token adds to the text; nothing for special tokens.
  std::string_view bytes(index id) const { return bytes_[static_cast<std::size_t>(id)]; }
  std::span<token const> beginning_with(unsigned char byte) const {
    return std::span(tokens_).subspan(begin_[byte], begin_[byte + 1u] - begin_[byte]);
  }
  /// Tokens that end "<box>" somewhere, given that the text ends in its first `opened` bytes.
  std::span<token const> opening(int opened) const { return opening_[static_cast<std::size_t>(opened)]; }

 private:
  static bool opens(std::string_view bytes, std::size_t opened) {
    constexpr std::string_view tag = "<box>";
    for (char c : bytes) {
      opened = c == '<' ? 1 : c == tag[opened] ? opened + 1 : 0;
      if (opened == tag.size()) return true;
    }
    return false;
  }

  index vocab_;
  std::vector<std::string_view> bytes_;   // by id
  std::vector<token> tokens_;             // by first byte
  std::array<std::size_t, 257> begin_{};  // where in tokens_
  std::array<std::vector<token>, 5> opening_;
};

/// One answer under a constraint.
///   box_constraint constraint(vocabulary, {.mode = box_mode::only}, end_ids);
///   for (left = max_new_tokens; left > 0; --left) { constraint.mask(logits, left); id = draw(logits); constraint.accept(id); }
/// Whatever is drawn, the answer parses with nothing dropped, even one cut at max_new_tokens.
class box_constraint {
 public:
  /// `vocabulary` must outlive it. Errors: bad_argument (check in box_automaton.hpp).
  box_constraint(box_vocabulary const& vocabulary, box_options options, std::vector<index> end_ids)
      : vocabulary_(vocabulary), automaton_(std::move(options)), end_ids_(std::move(end_ids)) {
    kept_.reserve(static_cast<std::size_t>(vocabulary.size()));
  }

  /// Sets the logits [V] of tokens that may not follow to -infinity; of the others not a bit is changed, and at least one is
  /// left. `left` >= 1 tokens can still be drawn, this one included. Allocates nothing.
  void mask(std::span<float> logits, index left) {
    MEDMO_ASSERT(static_cast<index>(logits.size()) == vocabulary_.size() && left >= 1);
    if (automaton_.in_text()) {
      for (auto const& t : vocabulary_.opening(automaton_.opened()))
        if (!automaton_.takes(t.bytes, left - 1)) at(logits, t.id) = ruled_out;
      return;
    }
    kept_.clear();
    auto keep = [&](index id) { kept_.push_back({at(logits, id), id}); };
    auto const label = automaton_.free_label_room();
    bool const quick = label.room > 0 && left - 1 >= box_automaton::needs_after_label;
    for (int b = 0; b < 256; ++b) {
      auto const c = static_cast<char>(b);
      if (!automaton_.takes({&c, 1}, std::numeric_limits<index>::max())) continue;
      bool const here = quick && !(label.no_blank && c == ' ');  // that c may begin a label is known by now
      for (auto const& t : vocabulary_.beginning_with(static_cast<unsigned char>(b)))
        if ((here && t.plain_label && static_cast<index>(t.bytes.size()) <= label.room) ||
            automaton_.takes(t.bytes, left - 1))
          keep(t.id);
    }
    if (automaton_.may_end())
      for (index id : end_ids_) keep(id);
    std::fill(logits.begin(), logits.end(), ruled_out);
    for (auto const& k : kept_) at(logits, k.id) = k.logit;
  }

  /// The token that was drawn; not one that ended the turn.
  void accept(index id) { automaton_.accept(vocabulary_.bytes(id)); }

  box_automaton const& automaton() const { return automaton_; }

 private:
  static constexpr float ruled_out = -std::numeric_limits<float>::infinity();
  struct kept_logit {
    float logit;
    index id;
  };
  static float& at(std::span<float> logits, index id) { return logits[static_cast<std::size_t>(id)]; }

  box_vocabulary const& vocabulary_;
  box_automaton automaton_;
  std::vector<index> end_ids_;
  std::vector<kept_logit> kept_;
};

}  // namespace medmo::inline MEDMO_ABI
