// Ids and texts against the reference tokenizer; control tokens; streaming; long runs.
#include <doctest/doctest.h>

#include <chrono>
#include <medmo/text/normalization.hpp>
#include <medmo/text/streaming_decoder.hpp>
#include <medmo/text/tokenizer.hpp>
#include <string>
#include <vector>

#include "tokenizers.hpp"

using namespace medmo::text;
using text_tests::golden;
using text_tests::nano_tokenizer;
using text_tests::qwen_tokenizer;

namespace {
/// Small, fast, repeatable.
struct dice {
  std::uint64_t state = 12345;
  std::size_t below(std::size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state >> 33) % n;
  }
};

template <class Tokenizer>
std::size_t count_differences(Tokenizer const& t, medmo::io::json const& rows) {
  std::size_t wrong = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    auto text = rows[i][0].get<std::string>();
    auto plain = rows[i][1].get<std::vector<medmo::index>>();
    auto control = rows[i].size() > 2 ? rows[i][2].get<std::vector<medmo::index>>() : plain;
    bool same = t.encode(text) == plain && t.encode(text, {.control = control_tokens::allow}) == control &&
                t.decode(plain) == nfc(text);
    if (!same && wrong++ == 0) MESSAGE("first difference: " << rows[i].dump());
  }
  return wrong;
}
}  // namespace

TEST_CASE("ids equal the reference's on 5,000 strings, and decoding gives NFC back") {
  auto rows = golden("strings.json");
  CHECK(rows.size() > 5000);
  CHECK(count_differences(qwen_tokenizer(), rows) == 0);
}

TEST_CASE("ids of the cut vocabulary equal the reference's on its tokenizer.json") {
  auto rows = golden("nano.json");
  CHECK(rows.size() > 500);
  CHECK(count_differences(nano_tokenizer(), rows) == 0);
  CHECK(count_differences(truncate<nano_tokens>(qwen_tokenizer()), rows) == 0);
}

TEST_CASE("decoding equals the reference's, cut characters included") {
  auto rows = golden("decode.json");
  for (std::size_t i = 1; i < rows.size(); ++i) {
    CAPTURE(rows[i].dump());
    auto ids = rows[i][0].get<std::vector<medmo::index>>();
    CHECK(qwen_tokenizer().decode(ids) == rows[i][1].get<std::string>());
    CHECK(qwen_tokenizer().decode(ids, {special_tokens::keep}) == rows[i][2].get<std::string>());
    for (auto special : {special_tokens::skip, special_tokens::keep}) {
      streaming_decoder<qwen_tokens> stream(qwen_tokenizer(), {special});
      std::string text;
      for (auto id : ids) {
        auto piece = stream.push(id);
        CHECK(find_invalid_utf8(piece) == std::string::npos);
        text += piece;
      }
      text += stream.finish();
      CHECK(text == qwen_tokenizer().decode(ids, {special}));
    }
  }
}

TEST_CASE("streaming gives out whole characters, whatever the tokens cut") {
  auto rows = golden("strings.json");
  dice d;
  for (std::size_t i = 1; i < rows.size(); i += 10) {
    // Bytes as tokens of their own, or the usual tokens, in random stretches.
    auto text = nfc(rows[i][0].get<std::string>());
    std::vector<medmo::index> ids;
    for (std::size_t at = 0; at < text.size();) {
      auto n = std::min(text.size() - at, 1 + d.below(5));
      if (d.below(2) == 0 || find_invalid_utf8(text.substr(at, n)) != std::string::npos)
        for (char b : text.substr(at, n)) ids.push_back(qwen_tokenizer().base().single(static_cast<unsigned char>(b)));
      else
        qwen_tokenizer().append(ids, text.substr(at, n));
      at += n;
    }
    streaming_decoder<qwen_tokens> stream(qwen_tokenizer());
    std::string joined;
    for (auto id : ids) {
      auto piece = stream.push(id);
      REQUIRE(find_invalid_utf8(piece) == std::string::npos);
      if (text.find("\xEF\xBF\xBD") == std::string::npos) REQUIRE(piece.find("\xEF\xBF\xBD") == std::string::npos);
      joined += piece;
    }
    CHECK(stream.finish() == "");
    CHECK(joined == text);
  }
}

TEST_CASE("text of a user never becomes a control token") {
  dice d;
  auto added = qwen_tokenizer().added();
  CHECK(added.size() == 26);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::size_t n = 1 + d.below(4); n > 0; --n) {
      text += added[d.below(added.size())].content;
      if (d.below(3) == 0) text += "<|im_ >"[d.below(7)];
    }
    for (auto id : qwen_tokenizer().encode(text)) REQUIRE(qwen_tokenizer().kind(id) == token_kind::base);
    CHECK(qwen_tokenizer().decode(qwen_tokenizer().encode(text)) == nfc(text));
  }
  for (auto const& token : added) {
    auto ids = qwen_tokenizer().encode(token.content, {.control = control_tokens::allow});
    CHECK(ids == std::vector<medmo::index>{token.id});
    CHECK(qwen_tokenizer().find(token.content) == token.id);
    CHECK(qwen_tokenizer().decode(ids) == (token.id <= 151656 ? "" : token.content));
  }
}

TEST_CASE("ids without a token") {
  auto const& t = qwen_tokenizer();
  CHECK(t.size() == 151669);
  for (medmo::index hole : {151669, 151700, 151935}) {
    std::vector<medmo::index> ids{hole};
    CHECK(t.decode(ids) == "");
    CHECK_FALSE(t.kind(hole));
  }
  for (medmo::index outside : {medmo::index{-1}, medmo::index{151936}, medmo::index{1} << 40}) {
    std::vector<medmo::index> ids{outside};
    CHECK_THROWS_AS(t.decode(ids), medmo::error);
    streaming_decoder<qwen_tokens> stream(t);
    CHECK_THROWS_AS(stream.push(outside), medmo::error);
  }
}

TEST_CASE("text that is not UTF-8 is refused and nothing is appended") {
  for (std::string bad : {"\xFF", "a\xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80", "ok \x80"}) {
    std::vector<medmo::index> ids{7};
    CHECK_THROWS_AS(qwen_tokenizer().append(ids, bad), medmo::error);
    CHECK_THROWS_AS(qwen_tokenizer().append(ids, bad, {control_tokens::allow}), medmo::error);
    CHECK(ids == std::vector<medmo::index>{7});
  }
}

TEST_CASE("a megabyte of one character takes seconds at most") {
  struct {
    char const* name;
    std::string unit;
  } const cases[] = {{"letter", "a"},
                     {"space", " "},
                     {"newline", "\n"},
                     {"digit", "1"},
                     {"mark", "\xCC\x81"},
                     {"punctuation", "!"},
                     {"Chinese", "\xE6\xBC\xA2"},
                     {"apostrophe", "'"},
                     {"tag begin", "<"},
                     {"tag", "<|im_end|>"},
                     {"marks out of order", "\xCC\x81\xCC\xA3"},
                     {"jamo", "\xE1\x84\x80\xE1\x85\xA1"}};
  for (auto const& c : cases) {
    CAPTURE(c.name);
    std::string text;
    while (text.size() < (1u << 20)) text += c.unit;
    for (auto control : {control_tokens::forbid, control_tokens::allow}) {
      auto begin = std::chrono::steady_clock::now();
      auto ids = qwen_tokenizer().encode(text, {control});
      CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
      CHECK(qwen_tokenizer().decode(ids, {special_tokens::keep}) == nfc(text));
    }
  }
}

namespace {
template <pretokenizer_scheme Scheme>
std::vector<std::size_t> characters_of_pieces(std::string const& text) {
  std::vector<std::size_t> out;
  split<Scheme>(text, [&](std::string_view piece) {
    out.push_back(0);
    for (char b : piece) out.back() += (static_cast<unsigned char>(b) & 0xC0) != 0x80;
  });
  return out;
}
}  // namespace

TEST_CASE("pieces of both schemes equal the reference's") {
  auto rows = golden("pieces.json");
  CHECK(rows.size() > 1400);
  std::size_t wrong = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    auto text = rows[i][0].get<std::string>();
    bool same = characters_of_pieces<pretokenizer_scheme::qwen2>(text) == rows[i][1].get<std::vector<std::size_t>>() &&
                characters_of_pieces<pretokenizer_scheme::gpt2_single_digits>(text) ==
                    rows[i][2].get<std::vector<std::size_t>>();
    if (!same && wrong++ == 0) MESSAGE("first difference: " << rows[i].dump());
  }
  CHECK(wrong == 0);
}

TEST_CASE("ids of added tokens are constants of the configuration") {
  static_assert(id_of<qwen_tokens>("<|im_end|>") == 151645);
  static_assert(id_of<qwen_tokens>("</think>") == 151668);
  static_assert(id_of<nano_tokens>("<|endoftext|>") == 4070);
  static_assert(id_of<nano_tokens>("<|image_pad|>") == 4082);
  static_assert(id_of<nano_tokens>("</think>") == 4095);
  CHECK_THROWS_AS(truncate<qwen_tokens>(nano_tokenizer()), medmo::error);
}
