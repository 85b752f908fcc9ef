// Text to ids. The first byte says how often the rest is repeated: 1 to 4 times, now and then 32, so that what is worse than
// linear shows.
//   decode(encode(x)) = NFC(x);  text never yields a control token unless asked;  token by token = at once
#include "harness.hpp"

#include "medmo/text/streaming_decoder.hpp"
#include "medmo/text/tokenizer_file.hpp"

namespace fuzz_encode {
using namespace medmo::text;
using medmo::index;

/// The other scheme, without normalisation: one token a byte.
struct digits_apart {
  static constexpr std::string_view name = "digits_apart";
  static constexpr pretokenizer_scheme scheme = pretokenizer_scheme::gpt2_single_digits;
  static constexpr normalization normalize = normalization::none;
  static constexpr index base = 256, first_added = 256, rows = 260;
  static constexpr std::array<added_token_name, 1> added{{{"<|im_end|>"}}};
};

tokenizer<nano_tokens> const nano = load_tokenizer<nano_tokens>(MEDMO_EXAMPLE_DATA "/medmo-nano");
tokenizer<digits_apart> const plain = [] {
  byte_pairs base;
  for (int b = 0; b < 256; ++b) base.add_token(std::string(1, static_cast<char>(b)), "bytes");
  return tokenizer<digits_apart>{std::move(base), configured_added_tokens<digits_apart>(), "bytes"};
}();

template <class T>
std::string streamed(tokenizer<T> const& t, std::span<index const> ids) {
  streaming_decoder decoder(t);
  std::string out;
  for (auto id : ids) {
    auto piece = decoder.push(id);
    fuzz::require(find_invalid_utf8(piece) == std::string::npos, "no half characters are given out");
    out += piece;
  }
  return out + decoder.finish();
}

MEDMO_FUZZ_TARGET(encode) {
  fuzz::choices in(input);
  unsigned const first = in.byte();
  std::size_t repeats = first % 32 == 31 ? 32 : 1 + first % 4;
  std::string text;
  for (; repeats > 0 && text.size() < 2048; --repeats) text += in.rest();
  fuzz::weight() = std::max(fuzz::weight(), text.size());
  auto ids = fuzz::accepted([&] { return nano.encode(text); });
  fuzz::require(ids.has_value() == (find_invalid_utf8(text) == std::string::npos),
                "UTF-8 and nothing else is accepted");
  if (!ids) return;
  for (auto id : *ids) fuzz::require(nano.kind(id) == token_kind::base, "text yields no control token");
  auto normal = nfc(text);
  fuzz::require(nfc(normal) == normal, "NFC is stable");
  fuzz::require(nano.decode(*ids) == normal, "decode(encode(x)) = NFC(x)");
  fuzz::require(streamed(nano, *ids) == normal, "token by token is as at once");
  auto controlled = nano.encode(text, {.control = control_tokens::allow});
  std::string parts;
  nano.split_control(
      text, [&](std::string_view part) { parts += nfc(part); }, [&](index id) { parts += nano.bytes(id); });
  fuzz::require(nano.decode(controlled, {.special = special_tokens::keep}) == parts,
                "control tokens are what they stood for");
  auto bytes = plain.encode(text);
  fuzz::require(plain.decode(bytes) == text && bytes.size() == text.size(),
                "without normalisation: decode(encode(x)) = x");
}
}  // namespace fuzz_encode
