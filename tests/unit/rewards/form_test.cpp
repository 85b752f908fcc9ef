// The rewards of form: tag counts, DAPO's soft overlong punishment at every break point, repetition.
#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <medmo/rewards/overlong.hpp>
#include <medmo/rewards/repetition.hpp>
#include <medmo/rewards/tag_count.hpp>
#include <string>
#include <vector>

using namespace medmo::rewards;

TEST_CASE("tag_count: open-r1's four, each exactly once") {
  struct row {
    char const* name;
    std::string text;
    double expected;
  };
  for (row const& r : {
           row{"all", "<think>\nx\n</think>\n<answer>\ny\n</answer>", 1},
           row{"none", "x", 0},
           row{"empty", "", 0},
           row{"only thinking", "<think>\nx\n</think>\n", 0.5},
           row{"without line breaks", "<think>x</think><answer>y</answer>", 0},
           row{"one twice", "<think>\n<think>\nx\n</think>\n<answer>\ny\n</answer>", 0.75},
       }) {
    CAPTURE(r.name);
    CHECK(tag_count(r.text) == r.expected);
  }
  std::array<std::string_view, 2> own{"<box>", "</box>"};
  CHECK(tag_count("A <box>[[1, 2, 3, 4]]</box>", own) == 1);
  CHECK(tag_count("A <box>[[1, 2, 3, 4]]", own) == 0.5);
  CHECK(tag_count("<box></box><box></box>", own) == 0);
  std::array<std::string_view, 1> twin{"aa"};
  CHECK(tag_count("aaa", twin) == 1);  // occurrences do not overlap
  CHECK(tag_count("aaaa", twin) == 0);
  std::array<std::string_view, 1> empty{""};
  CHECK_THROWS_AS(tag_count("x", empty), medmo::error);
  CHECK_THROWS_AS(tag_count("x", std::span<std::string_view const>{}), medmo::error);
}

TEST_CASE("box_tag_count: pairs of tags") {
  struct row {
    char const* name;
    std::string text;
    double expected;
  };
  for (row const& r : {
           row{"none", "Nothing.", 0.25},
           row{"one", "A <box>[[1, 2, 3, 4]]</box>", 1},
           row{"three", "A <box>x</box> B <box>x</box>\nC <box>x</box>", 1},
           row{"not closed", "A <box>x", 0},
           row{"second not closed", "A <box>x</box> B <box>x", 0.5},
           row{"stray end", "x</box> A <box>x</box>", 0.5},
           row{"opened twice", "A <box>x <box>x</box>", 0.5},
           row{"closed twice", "A <box>x</box></box>", 0.5},
           row{"wrong way round", "</box> x <box>", 0},
           row{"cut tag", "A <box>x</bo", 0},
           row{"other brackets", "a < b <box>1 < 2</box>", 1},
       }) {
    CAPTURE(r.name);
    CHECK(box_tag_count(r.text, 0.25) == r.expected);
  }
  CHECK(box_tag_count("") == 0);
}

TEST_CASE("soft_overlong: DAPO's formula at every break point") {
  struct row {
    medmo::index tokens;
    double expected;
  };
  for (row const& r : {row{0, 0}, row{1, 0}, row{16383, 0}, row{16384, 0}, row{16385, -1.0 / 4096}, row{18432, -0.5},
                       row{20479, -4095.0 / 4096}, row{20480, -1}, row{20481, -1}, row{1'000'000, -1}}) {
    CAPTURE(r.tokens);
    CHECK(soft_overlong(r.tokens) == r.expected);
  }
  for (row const& r :
       {row{411, 0}, row{412, 0}, row{413, -0.01}, row{462, -0.5}, row{511, -0.99}, row{512, -1}, row{513, -1}})
    CHECK(soft_overlong(r.tokens, {.max_length = 512, .cache = 100}) == r.expected);
  CHECK(soft_overlong(512, {.max_length = 512, .cache = 0}) == 0);  // a step
  CHECK(soft_overlong(513, {.max_length = 512, .cache = 0}) == -1);
  CHECK(soft_overlong(0, {.max_length = 512, .cache = 512}) == 0);
  CHECK(soft_overlong(128, {.max_length = 512, .cache = 512}) == -0.25);
  CHECK(soft_overlong(0, {.max_length = 0, .cache = 0}) == 0);
  CHECK(soft_overlong(std::numeric_limits<medmo::index>::max()) == -1);
}

TEST_CASE("soft_overlong: what is refused") {
  CHECK_THROWS_AS(soft_overlong(-1), medmo::error);
  CHECK_THROWS_AS(soft_overlong(1, {.max_length = 10, .cache = 11}), medmo::error);
  CHECK_THROWS_AS(soft_overlong(1, {.max_length = 10, .cache = -1}), medmo::error);
  CHECK_THROWS_AS(soft_overlong(1, {.max_length = -1, .cache = 0}), medmo::error);
}

TEST_CASE("repetition_penalty: words and tokens") {
  struct row {
    char const* name;
    std::string text;
    repetition_options options;
    double expected;
  };
  for (row const& r : {
           row{"empty", "", {}, 0},
           row{"too short", "a b", {}, 0},
           row{"three words", "a b c", {}, 0},
           row{"no repetition", "a b c d e f", {}, 0},
           row{"one word again and again", "no no no no no no no no no no no no", {}, -0.9},
           row{"case", "No nO NO no", {}, -0.5},
           row{"white space", " a  b\nc\ta b c ", {}, -0.25},  // abc bca cab abc
           row{"another size", "a b a b a b", {.ngram = 2}, -0.6},
           row{"single words", "a b a b", {.ngram = 1}, -0.5},
           row{"another weight", "a b a b", {.ngram = 1, .max_penalty = -0.2}, -0.1},
           row{"switched off", "a a a a", {.ngram = 1, .max_penalty = 0}, 0},
       }) {
    CAPTURE(r.name);
    CHECK(repetition_penalty(r.text, r.options) == doctest::Approx(r.expected).epsilon(1e-15));
  }
  std::vector<medmo::index> tokens{5, 7, 5, 7, 5, 7};
  CHECK(repetition_penalty(tokens, {.ngram = 2}) == doctest::Approx(-0.6));
  CHECK(repetition_penalty(std::vector<medmo::index>{-3, -3, -3, -3}) == doctest::Approx(-0.5));
  CHECK_THROWS_AS(repetition_penalty("a", {.ngram = 0}), medmo::error);
  CHECK_THROWS_AS(repetition_penalty("a", {.max_penalty = 0.5}), medmo::error);
}
