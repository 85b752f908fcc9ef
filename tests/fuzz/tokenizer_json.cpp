// tokenizer.json of a small vocabulary.
#include "tokenizer_files.hpp"

namespace fuzz_tokenizer_json {
MEDMO_FUZZ_TARGET(tokenizer_json) {
  auto t = fuzz::accepted([&] { return medmo::text::read_tokenizer_json<fuzz::small_tokens>(input, "input"); });
  if (t) fuzz::check_tokenizer(*t);
}
}  // namespace fuzz_tokenizer_json
