// vocab.json, merges.txt and tokenizer_config.json in one input, with a byte 0 between them.
#include "tokenizer_files.hpp"

#include "medmo/text/vocabulary_files.hpp"

namespace fuzz_vocabulary_files {
MEDMO_FUZZ_TARGET(vocabulary_files) {
  fuzz::choices in(input);
  auto part = [&] { return std::as_bytes(std::span(in.text())); };
  auto vocab = part(), merges = part(), config = part();
  auto t = fuzz::accepted([&] {
    return medmo::text::read_vocabulary_files<fuzz::small_tokens>({vocab, merges, config}, "input");
  });
  if (t) fuzz::check_tokenizer(*t);
}
}  // namespace fuzz_vocabulary_files
