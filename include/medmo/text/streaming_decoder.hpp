// Decodes token by token and never gives out half a character: bytes of an unfinished one wait for the next token.
// The pieces together are exactly what tokenizer::decode gives for all ids at once.
#pragma once

#include <string>
#include <utility>

#include "tokenizer.hpp"
#include "unicode.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// Keeps a reference to the tokenizer, which must outlive it.
///   for (auto id : ids) print(decoder.push(id));
///   print(decoder.finish());
template <tokenizer_configuration T>
class streaming_decoder {
 public:
  explicit streaming_decoder(tokenizer<T> const& t, decode_options options = {}) : tokenizer_(&t), options_(options) {}

  /// Text that is complete with this token; may be empty. Throws errc::bad_text for an id outside the embedding.
  std::string push(index id) {
    pending_.append(tokenizer_->bytes_for(id, options_));
    return take(pending_.size() - unfinished_tail());
  }

  /// What is left: an unfinished character becomes U+FFFD. The decoder can then be used again.
  std::string finish() { return take(pending_.size()); }

 private:
  /// Bytes at the end that more bytes may complete to a character; at most three.
  std::size_t unfinished_tail() const {
    for (std::size_t tail = 1; tail <= 3 && tail <= pending_.size(); ++tail) {
      auto head = look_at_utf8(pending_, pending_.size() - tail);
      if (head.state == utf8_state::incomplete) return tail;
    }
    return 0;
  }

  std::string take(std::size_t size) {
    std::string text;
    append_lossy(text, std::string_view(pending_).substr(0, size));
    pending_.erase(0, size);
    return text;
  }

  tokenizer<T> const* tokenizer_;
  decode_options options_;
  std::string pending_;
};

}  // namespace medmo::inline MEDMO_ABI::text
