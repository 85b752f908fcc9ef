// Stop strings over every cut of the text: what goes out, when, and never a part of a stop string.
#include "medmo/generate/stop_strings.hpp"

#include <doctest/doctest.h>

#include "medmo/core/random.hpp"

namespace {

using medmo::stop_strings;
using strings = std::vector<std::string>;

struct outcome {
  std::string text;
  bool found = false;
  bool operator==(outcome const&) const = default;
};

outcome run(strings const& stops, strings const& pieces) {
  stop_strings s(stops);
  outcome o;
  for (auto const& p : pieces) o.text += s.push(p);
  o.found = s.found();
  o.text += s.finish();
  return o;
}

TEST_CASE("stop_strings: the text ends where it should") {
  struct known { char const* name; strings stops, pieces; outcome expected; };
  std::vector<known> cases{
      {"none given", {}, {"ab", "c"}, {"abc", false}},
      {"none in it", {"x"}, {"ab", "c"}, {"abc", false}},
      {"in one piece", {"b"}, {"abc"}, {"a", true}},
      {"at the beginning", {"ab"}, {"abc"}, {"", true}},
      {"at the end", {"c"}, {"abc"}, {"ab", true}},
      {"over pieces", {"bcd"}, {"ab", "c", "de"}, {"a", true}},
      {"only begun", {"bcd"}, {"ab", "c"}, {"abc", false}},
      {"begun and broken off", {"bcd"}, {"abc", "x", "bcd", "y"}, {"abcx", true}},
      {"it overlaps itself", {"aab"}, {"aaab"}, {"a", true}},
      {"it overlaps itself, over pieces", {"abac"}, {"ab", "ab", "ac"}, {"ab", true}},
      {"the first complete one", {"abcd", "bc"}, {"abcd"}, {"a", true}},
      {"the longest of two", {"bc", "abc"}, {"xabc"}, {"x", true}},
      {"one begins another", {"ab", "abc"}, {"abc"}, {"", true}},
      {"a fall back to a shorter one", {"abcx", "bcd"}, {"abcd"}, {"a", true}},
      {"characters of several bytes", {"\xc3\xa9!"}, {"caf\xc3\xa9", " ", "\xc3\xa9!"}, {"caf\xc3\xa9 ", true}},
      {"nothing after it", {"b"}, {"ab", "c", "b"}, {"a", true}},
      {"empty pieces", {"ab"}, {"", "a", "", "b"}, {"", true}}};
  for (auto const& c : cases) {
    CAPTURE(c.name);
    CHECK(run(c.stops, c.pieces) == c.expected);
    std::string whole;
    for (auto const& p : c.pieces) whole += p;
    CHECK(run(c.stops, {whole}) == c.expected);
    strings bytes;
    for (char b : whole) bytes.push_back({b});
    CHECK(run(c.stops, bytes) == c.expected);
  }
}

TEST_CASE("stop_strings: holds back no more than it must, gives out at once what it can") {
  stop_strings s({"\n\nUser:"});
  CHECK(s.push("Yes.") == "Yes.");
  CHECK(s.push("\n") == "");
  CHECK(s.push("No.") == "\nNo.");
  CHECK(s.push("\n\n") == "");
  CHECK(s.push("\n") == "\n");  // the later two line ends may still begin it
  CHECK(s.push("User") == "");
  CHECK(s.finish() == "\n\nUser");
  CHECK_FALSE(s.found());
}

TEST_CASE("stop_strings: any cut of any text, against a plain search") {
  medmo::random_stream random(3, medmo::stream_of("stops"));
  std::uint64_t at = 0;
  auto below = [&](std::uint64_t n) { return random.bits(at++) % n; };
  auto word = [&](std::uint64_t most) {
    std::string w;
    for (auto n = 1 + below(most); n > 0; --n) w += static_cast<char>('a' + below(2));
    return w;
  };
  for (int round = 0; round < 3000; ++round) {
    strings stops{word(4), word(4)};
    std::string const text = word(20);
    outcome expected{text, false};
    for (std::size_t end = 1; end <= text.size() && !expected.found; ++end)
      for (std::size_t begin = 0; begin < end && !expected.found; ++begin)
        for (auto const& s : stops)
          if (text.substr(begin, end - begin) == s) expected = {text.substr(0, begin), true};
    strings pieces;
    for (std::size_t i = 0; i < text.size();) {
      auto n = 1 + below(3);
      pieces.push_back(text.substr(i, n));
      i += n;
    }
    CAPTURE(text);
    CAPTURE(stops[0]);
    CAPTURE(stops[1]);
    CHECK(run(stops, pieces) == expected);
    // nothing that goes out is ever taken back
    stop_strings s(stops);
    std::string out;
    for (auto const& p : pieces) {
      out += s.push(p);
      CHECK(expected.text.starts_with(out));
    }
  }
}

TEST_CASE("stop_strings: an empty one is refused") {
  CHECK_THROWS_AS(stop_strings({"a", ""}), medmo::error);
}

}  // namespace
