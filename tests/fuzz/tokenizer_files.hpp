// A vocabulary small enough that a whole file of it fits into a fuzzer's input: the 256 bytes and three merges.
#pragma once

#include "harness.hpp"

#include "medmo/text/tokenizer_json.hpp"

namespace fuzz {
using small_tokens = medmo::text::qwen_vocabulary<259, 300>;
using small_tokenizer = medmo::text::tokenizer<small_tokens>;

/// What any accepted tokenizer does: it writes itself so that it is read again, and gives back the text it was given.
inline void check_tokenizer(small_tokenizer const& t) {
  auto text = medmo::text::write_tokenizer_json(t);
  auto again = medmo::text::read_tokenizer_json<small_tokens>(std::as_bytes(std::span(text)), "again");
  require(medmo::text::write_tokenizer_json(again) == text, "a tokenizer written and read again is the same");
  std::string_view const sentence = "hello, hell <box>[[1, 2, 3, 4]]</box> \xE2\x82\xAC";
  require(t.decode(t.encode(sentence)) == sentence, "decode(encode(x)) = x");
}
}  // namespace fuzz
