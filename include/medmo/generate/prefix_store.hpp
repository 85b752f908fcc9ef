// Prompts that went through a model lately, for others that begin in the same way: the same tokens and the same pictures.
// Entries are forks, so they cost the pages that nobody else holds. Exact: any number of tokens can be shared.
#pragma once

#include <list>
#include <span>
#include <utility>
#include <vector>

#include "turn.hpp"

namespace medmo::inline MEDMO_ABI {

/// A prompt as ids, and what its pictures are.
struct known_prompt {
  text::chat_prompt rendered;
  std::vector<digest> pictures;  ///< of each picture, by picture_digest
};

/// At most `limit_bytes` of keys and values; the least recently used leave first. Not for several threads at once.
template <model_configuration C>
class prefix_store {
 public:
  explicit prefix_store(std::size_t limit_bytes) : limit_(limit_bytes) {}

  struct match {
    sequence<C> const* tokens = nullptr;  ///< to be forked and cut; none: nothing in common
    index length = 0;                     ///< tokens in common
  };

  /// What has most in common with `prompt`; valid until the next `keep`.
  match find(known_prompt const& prompt) {
    match best;
    auto used = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      auto const same_picture = [&](std::size_t i) { return i < at->prompt.pictures.size() && at->prompt.pictures[i] == prompt.pictures[i]; };
      index const same = common_prefix(at->tokens.ids(), prompt.rendered, same_picture);
      if (same <= best.length) continue;
      best = {&at->tokens, same};
      used = at;
    }
    if (best.tokens) entries_.splice(entries_.begin(), entries_, used);
    return best;
  }

  /// Keeps a fork of `tokens`, which hold `prompt`, if beyond the `known` tokens that `find` found it has a picture or a page.
  void keep(known_prompt prompt, sequence<C> const& tokens, index known) {
    index const pages = kv_cache::pages_for(tokens.length()) - known / kv_cache::page_tokens;
    auto const bytes = static_cast<std::size_t>(pages * tokens.page_bytes());
    bool const picture = !prompt.rendered.media.empty() && prompt.rendered.media.back().begin >= known;
    if ((!picture && tokens.length() - known < kv_cache::page_tokens) || bytes > limit_) return;
    while (bytes_ > limit_ - bytes) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
    entries_.push_front({std::move(prompt), tokens.fork(), bytes});
    bytes_ += bytes;
  }

  std::size_t bytes() const { return bytes_; }

 private:
  struct entry {
    known_prompt prompt;
    sequence<C> tokens;
    std::size_t bytes;  // of the pages that it did not share when it came
  };
  std::size_t limit_, bytes_ = 0;
  std::list<entry> entries_;  // the most recently used first
};

}  // namespace medmo::inline MEDMO_ABI
