// A tiktoken rank file: the whole reader, with a vocabulary of any size, and the tokenizer where the size fits.
#include "tokenizer_files.hpp"

#include "medmo/text/tiktoken.hpp"

namespace fuzz_tiktoken {
MEDMO_FUZZ_TARGET(tiktoken) {
  auto base = fuzz::accepted([&] { return medmo::text::read_tiktoken_ranks(fuzz::text_of(input), "input"); });
  if (!base) return;
  fuzz::require(static_cast<std::size_t>(base->size()) <= input.size(), "a token takes a line");
  auto t =
      fuzz::accepted([&] { return medmo::text::read_tiktoken<fuzz::small_tokens>(fuzz::text_of(input), "input"); });
  if (t) fuzz::check_tokenizer(*t);
}
}  // namespace fuzz_tiktoken
