// Any ids to text: two bytes an id, or eight for ids no embedding has. The text is UTF-8, and token by token it is the same.
#include "harness.hpp"

#include "medmo/text/streaming_decoder.hpp"
#include "medmo/text/tokenizer_file.hpp"

namespace fuzz_decode {
using namespace medmo::text;
using medmo::index;

tokenizer<nano_tokens> const nano = load_tokenizer<nano_tokens>(MEDMO_EXAMPLE_DATA "/medmo-nano");

MEDMO_FUZZ_TARGET(decode) {
  fuzz::choices in(input);
  decode_options options{in.below(2) ? special_tokens::skip : special_tokens::keep};
  std::vector<index> ids;
  bool good = true;
  while (!in.done()) {
    auto high = in.byte();
    ids.push_back(high == 255 ? static_cast<index>(in.number()) : static_cast<index>((high & 15) << 8 | in.byte()));
    good = good && ids.back() >= 0 && ids.back() < nano_tokens::rows;
  }
  auto text = fuzz::accepted([&] { return nano.decode(ids, options); });
  fuzz::require(text.has_value() == good, "ids of the embedding and no others are accepted");
  if (!text) return;
  fuzz::require(find_invalid_utf8(*text) == std::string::npos, "decoded text is UTF-8");
  streaming_decoder decoder(nano, options);
  std::string pieces;
  for (auto id : ids) pieces += decoder.push(id);
  fuzz::require(pieces + decoder.finish() == *text, "token by token is as at once");
}
}  // namespace fuzz_decode
