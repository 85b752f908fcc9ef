// Every code point against what the reference does with it (tests/data/text/unicode.txt).
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <medmo/text/normalization.hpp>
#include <medmo/text/unicode.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tokenizers.hpp"

using namespace medmo::text;

namespace {
std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) {
  static auto const table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t b = 0; b < 256; ++b) {
      t[b] = b;
      for (int i = 0; i < 8; ++i) t[b] = (t[b] >> 1) ^ (t[b] & 1 ? 0xEDB88320u : 0u);
    }
    return t;
  }();
  crc = ~crc;
  for (char b : bytes) crc = table[(crc ^ static_cast<unsigned char>(b)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string utf8(std::u32string_view text) {
  std::string out;
  for (char32_t c : text) append_utf8(out, c);
  return out;
}

bool is_surrogate(char32_t c) { return c >= 0xD800 && c < 0xE000; }
}  // namespace

TEST_CASE("character classes equal the reference's for every code point") {
  std::istringstream file(text_tests::file_text(MEDMO_TEST_DATA "/text/unicode.txt"));
  std::vector<int> expected(0x110000, -1);
  std::string word;
  char32_t last = 0;
  int kind = -1, runs = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::uint32_t first = 0;
    int value = 0;
    if (!(fields >> word) || word != "class") continue;
    fields >> std::hex >> first >> value;
    for (; last < first; ++last) expected[last] = kind;
    kind = value;
    ++runs;
  }
  for (; last < 0x110000; ++last) expected[last] = kind;
  CHECK(runs > 1000);
  std::size_t wrong = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (is_surrogate(c) || static_cast<int>(class_of(c)) == expected[c]) continue;
    if (wrong++ == 0) MESSAGE("first difference at U+" << std::hex << static_cast<std::uint32_t>(c));
  }
  CHECK(wrong == 0);
}

TEST_CASE("NFC equals the reference's for every code point in twelve places") {
  std::istringstream file(text_tests::file_text(MEDMO_TEST_DATA "/text/unicode.txt"));
  int blocks = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string word;
    std::uint32_t first = 0, expected = 0, crc = 0;
    if (!(fields >> word) || word != "nfc") continue;
    fields >> std::hex >> first >> expected;
    for (char32_t c = first; c < first + 1024; ++c) {
      if (is_surrogate(c)) continue;
      std::vector<std::u32string> texts{{c}};
      for (char32_t mark : {U'\x334', U'\x315', U'\x345', U'\x316', U'\x301', U'\x3099'})
        texts.push_back({U'a', mark, c});
      texts.insert(texts.end(), {{U'a', c, 0x301}, {c, 0x301, 0x327}, {c, 0x3099}, {0x1100, c, 0x11A8}, {c, c}});
      for (auto const& t : texts) {
        auto normal = nfc(utf8(t));
        normal.push_back('\0');
        crc = crc32(crc, normal);
      }
    }
    INFO("block from U+" << std::hex << first);
    CHECK(crc == expected);
    ++blocks;
  }
  CHECK(blocks == 0x110000 / 1024);
}

TEST_CASE("NFC is idempotent and leaves ASCII alone") {
  CHECK(nfc("plain text\n\0x") == "plain text\n\0x");
  for (auto s : {"e\xCC\x81", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "a\xCC\x81\xCC\xA3\xCC\xA7"})
    CHECK(nfc(nfc(s)) == nfc(s));
  CHECK(nfc("e\xCC\x81") == "\xC3\xA9");
}

TEST_CASE("UTF-8 is taken whole or named broken") {
  struct {
    char const* name;
    std::string bytes;
    std::size_t invalid_at;
    std::string lossy;
  } const cases[] = {
      {"valid of every length", "a\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x98\x80", std::string::npos,
       "a\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x98\x80"},
      {"lone continuation", "a\x80z", 1, "a\xEF\xBF\xBDz"},
      {"overlong slash", "\xC0\xAF", 0, "\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"overlong three bytes", "\xE0\x80\x80", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"surrogate", "\xED\xA0\x80", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"beyond Unicode", "\xF4\x90\x80\x80", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"cut after three of four", "x\xF0\x9F\x98", 1, "x\xEF\xBF\xBD"},
      {"cut in the middle", "\xF0\x9F\x98z", 0, "\xEF\xBF\xBDz"},
      {"two cut ones", "\xE6\xBC\xE6\xBC", 0, "\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"byte FF", "\xFF", 0, "\xEF\xBF\xBD"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.name);
    CHECK(find_invalid_utf8(c.bytes) == c.invalid_at);
    std::string lossy;
    append_lossy(lossy, c.bytes);
    CHECK(lossy == c.lossy);
    if (c.invalid_at != std::string::npos) CHECK_THROWS_AS(nfc(c.bytes), medmo::error);
  }
}
