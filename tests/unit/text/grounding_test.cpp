// The box syntax: what is read, what is dropped and why, and that printing is stable.
#include <doctest/doctest.h>

#include <chrono>
#include <medmo/text/grounding.hpp>
#include <string>
#include <vector>

using namespace medmo::text;
using norm_box = medmo::box<medmo::norm1000>;

namespace {
/// "label:x1,y1,x2,y2 ..." and "reason ..." in one line each.
std::string boxes_of(grounding_result const& r) {
  std::string out;
  for (auto const& b : r.boxes) {
    auto const& v = b.box_norm1000;
    if (!out.empty()) out += ' ';
    out += b.label + ":";
    for (double d : {v.x1, v.y1, v.x2, v.y2}) out += std::to_string(static_cast<int>(d)) + ",";
    out.pop_back();
  }
  return out;
}
std::string reasons_of(grounding_result const& r) {
  std::string out;
  for (auto const& d : r.dropped) out += (out.empty() ? "" : " ") + std::string(name_of(d.reason));
  return out;
}

struct example {
  char const* name;
  std::string text, boxes, reasons, plain;
};

std::vector<example> examples() {
  std::string digits(400, '7');
  return {
      {"one label, two boxes", "Fractures <box>[[156, 516, 231, 607], [240, 529, 296, 581]]</box>",
       "Fractures:156,516,231,607 Fractures:240,529,296,581", "", "Fractures"},
      {"nothing", "", "", "", ""},
      {"no box", "No abnormality is seen.", "", "", "No abnormality is seen."},
      {"two labels on two lines", "A <box>[[1, 2, 3, 4]]</box>\nB <box>[[5, 6, 7, 8]]</box>", "A:1,2,3,4 B:5,6,7,8", "",
       "A\nB"},
      {"two labels on one line", "A <box>[[1, 2, 3, 4]]</box>, B <box>[[5, 6, 7, 8]]</box>.", "A:1,2,3,4 B:5,6,7,8", "",
       "A, B."},
      {"line breaks and blanks", "Left lung\n<box>\n[ [ 1 ,2,\n3 , 4 ] ,\t[5,6,7,8]\n]\n</box>\n",
       "Left lung:1,2,3,4 Left lung:5,6,7,8", "", "Left lung\n"},
      {"no blanks", "A<box>[[1,2,3,4]]</box>", "A:1,2,3,4", "", "A"},
      {"one list less", "A <box>[1, 2, 3, 4]</box>", "A:1,2,3,4", "", "A"},
      {"one list more", "A <box>[[[1, 2, 3, 4]]]</box>", "A:1,2,3,4", "malformed malformed", "A"},
      {"lists side by side", "A <box>[1, 2, 3, 4], [5, 6, 7, 8]</box>", "A:1,2,3,4 A:5,6,7,8", "", "A"},
      {"numbers between blanks", "A <box>[[1 2 3 4]]</box>", "A:1,2,3,4", "", "A"},
      {"empty list", "A <box>[]</box>", "", "", "A"},
      {"empty box list", "A <box>[[]]</box>", "", "", "A"},
      {"empty tag", "A <box></box>", "", "", "A"},
      {"no label", "<box>[[1, 2, 3, 4]]</box>", ":1,2,3,4", "", ""},
      {"list mark and colon", "Findings:\n- Nodule: <box>[[1, 2, 3, 4]]</box>", "Nodule:1,2,3,4", "",
       "Findings:\n- Nodule:"},
      {"numbered list", "1. Nodule <box>[[1, 2, 3, 4]]</box>\n2. Cyst <box>[[1, 2, 3, 5]]</box>",
       "Nodule:1,2,3,4 Cyst:1,2,3,5", "", "1. Nodule\n2. Cyst"},
      {"prose before", "There is one. Pleural effusion, left <box>[[1, 2, 3, 4]]</box>",
       "Pleural effusion, left:1,2,3,4", "", "There is one. Pleural effusion, left"},
      {"decimal point inside a label", "2.5 cm mass <box>[[1, 2, 3, 4]]</box>", "2.5 cm mass:1,2,3,4", "",
       "2.5 cm mass"},
      {"stray end tag in the prose", "x</box> A <box>[[1, 2, 3, 4]]</box>", "A:1,2,3,4", "", "x</box> A"},
      {"whole decimals", "A <box>[[1.0, 2.00, 3., 4]]</box>", "A:1,2,3,4", "", "A"},
      {"fractions", "A <box>[[0.1, 0.2, 0.3, 0.4]]</box>", "", "not_whole", "A"},
      {"above 1000", "A <box>[[990, 2, 1003, 4000]]</box>", "A:990,2,1000,1000", "", "A"},
      {"all above 1000", "A <box>[[1500, 2, 1600, 4]]</box>", "", "empty", "A"},
      {"leading zeros", "A <box>[[001, 0000000002, 3, 4]]</box>", "A:1,2,3,4", "", "A"},
      {"plus signs", "A <box>[[+1, 2, 3, 4]]</box>", "A:1,2,3,4", "", "A"},
      {"negative", "A <box>[[-1, 2, 3, 4], [5, 6, 7, 8]]</box>", "A:5,6,7,8", "negative", "A"},
      {"inverted in x", "A <box>[[3, 2, 1, 4]]</box>", "", "inverted", "A"},
      {"inverted in y", "A <box>[[1, 4, 3, 2]]</box>", "", "inverted", "A"},
      {"no width", "A <box>[[3, 2, 3, 4]]</box>", "", "empty", "A"},
      {"three numbers", "A <box>[[1, 2, 3], [5, 6, 7, 8]]</box>", "A:5,6,7,8", "wrong_count", "A"},
      {"five numbers", "A <box>[[1, 2, 3, 4, 5]]</box>", "", "wrong_count", "A"},
      {"eight numbers", "A <box>[1, 2, 3, 4, 5, 6, 7, 8]</box>", "", "wrong_count", "A"},
      {"400 digits", "A <box>[[" + digits + ", 2, 3, 4]]</box>", "", "number_too_long", "A"},
      {"400 digits after the point", "A <box>[[1." + digits + ", 2, 3, 4]]</box>", "", "not_whole", "A"},
      {"exponent", "A <box>[[1e2, 2, 3, 4]]</box>", "", "malformed", "A"},
      {"words in a list", "A <box>[[one, 2, 3, 4], [5, 6, 7, 8]]</box>", "A:5,6,7,8", "malformed", "A"},
      {"points", "A <box>(1, 2), (3, 4)</box>", "", "malformed", "A"},
      {"words in a tag", "A <box>none</box>", "", "malformed", "A"},
      {"object", "A <box>{\"x\": 1}</box> B <box>[[1, 2, 3, 4]]</box>", "B:1,2,3,4", "malformed", "A B"},
      {"closing bracket too many", "A <box>[[1, 2, 3, 4]]]</box>", "A:1,2,3,4", "malformed", "A"},
      {"closing bracket missing", "A <box>[[1, 2, 3, 4]</box>", "A:1,2,3,4", "", "A"},
      {"end tag inside a list", "A <box>[[1, 2, 3</box> B", "", "malformed", "A B"},
      {"list cut by another", "A <box>[[1, 2, [5, 6, 7, 8]]</box>", "A:5,6,7,8", "malformed", "A"},
      {"no end tag", "A <box>[[1, 2, 3, 4]]", "A:1,2,3,4", "unclosed", "A"},
      {"no end tag, prose after", "A <box>[[1, 2, 3, 4]] is seen", "A:1,2,3,4", "unclosed", "A is seen"},
      {"cut in the second list", "A <box>[[1, 2, 3, 4], [5, 6", "A:1,2,3,4", "unclosed", "A"},
      {"cut in a number", "A <box>[[1, 2, 3, 40", "", "unclosed", "A"},
      {"cut after the tag", "A <box>", "", "unclosed", "A"},
      {"cut inside the tag", "A <bo", "", "", "A <bo"},
      {"tag in a tag", "A <box>[[1, 2, 3, 4]] <box>[[5, 6, 7, 8]]</box>", "A:1,2,3,4 :5,6,7,8", "unclosed", "A"},
      {"minus alone", "A <box>[[-, 2, 3, 4]]</box>", "", "malformed", "A"},
      {"two signs", "A <box>[[--1, 2, 3, 4]]</box>", "", "malformed", "A"},
      {"number glued to a number", "A <box>[[1-2, 2, 3, 4]]</box>", "", "malformed", "A"},
      {"other scripts", "\xE5\xB7\xA6\xE8\x82\xBA <box>[[1, 2, 3, 4]]</box>", "\xE5\xB7\xA6\xE8\x82\xBA:1,2,3,4", "",
       "\xE5\xB7\xA6\xE8\x82\xBA"},
      {"byte that is no text", "\xFF <box>[[1, 2, 3, 4]]</box>", "\xFF:1,2,3,4", "", "\xFF"},
  };
}
}  // namespace

TEST_CASE("answers are read as they are meant, and no further") {
  for (auto const& e : examples()) {
    CAPTURE(e.name);
    auto r = parse_grounding(e.text);
    CHECK(boxes_of(r) == e.boxes);
    CHECK(reasons_of(r) == e.reasons);
    CHECK(r.plain_text == e.plain);
    for (auto const& b : r.boxes) {
      REQUIRE(b.text_begin < b.text_end);
      CHECK(e.text[b.text_begin] == '[');
      CHECK(e.text[b.text_end - 1] == ']');
    }
  }
}

TEST_CASE("printing what was parsed and parsing that changes nothing") {
  for (auto const& e : examples()) {
    CAPTURE(e.name);
    auto once = parse_grounding(e.text);
    auto text = print_grounding(once);
    auto twice = parse_grounding(text);
    CHECK(boxes_of(twice) == boxes_of(once));
    CHECK(twice.dropped.empty());
    CHECK(print_grounding(twice) == text);
  }
  std::vector<norm_box> boxes{{156, 516, 231, 607}, {240, 529, 296, 581}};
  CHECK(print_grounding("Fractures", boxes) == "Fractures <box>[[156, 516, 231, 607], [240, 529, 296, 581]]</box>");
}

TEST_CASE("printing rounds half to even, clamps, and refuses what could not be read back") {
  std::vector<norm_box> boxes{{-3, 0.5, 1.5, 2000}};
  CHECK(print_grounding("", boxes) == "<box>[[0, 0, 2, 1000]]</box>");
  for (auto label : {"a\nb", "a<box>", "</box>"}) CHECK_THROWS_AS(print_grounding(label, boxes), medmo::error);
  boxes[0].x1 = 0.0 / 0.0;
  CHECK_THROWS_AS(print_grounding("a", boxes), medmo::error);
}

TEST_CASE("boxes and complaints are counted and capped") {
  std::string many = "A <box>[", wrong = "A <box>[";
  for (int i = 0; i < 3000; ++i) many += "[1, 2, 3, 4],", wrong += "[1],";
  auto r = parse_grounding(many + "]</box>");
  CHECK(r.boxes.size() == 1000);
  CHECK(reasons_of(r) == "too_many");
  CHECK(parse_grounding(many + "]</box>", {.boxes = 5}).boxes.size() == 5);
  CHECK(parse_grounding(wrong + "]</box>").dropped.size() == 1000);
  CHECK(parse_grounding("A <box>[[990, 2, 1003, 4]]</box>").boxes[0].clamped);
  CHECK_FALSE(parse_grounding("A <box>[[990, 2, 1000, 4]]</box>").boxes[0].clamped);
}

TEST_CASE("hostile answers cost time in proportion to their size") {
  for (std::string unit : {"<box>", "</box>", "[", "]", "[[", "<", "<box>[", "<box>x", "[1,", "9", "-", " ", ".",
                           "<box>[[1,2,3,4]]", "a. "}) {
    CAPTURE(unit);
    std::string text = "A <box>";
    while (text.size() < (1u << 20)) text += unit;
    auto begin = std::chrono::steady_clock::now();
    auto r = parse_grounding(text);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
    CHECK(r.boxes.size() <= 1000);
  }
}

TEST_CASE("random answers never break the parser and print stably") {
  std::uint64_t state = 7;
  std::string_view const bits[] = {"<box>", "</box>", "[", "]", "[[", "]]", ", ", ",",  "1",    "12",          "999",
                                   "1001",  "-",      ".", "e", " ",  "\n", "A",  ": ", "\xC3", "[1, 2, 3, 4]"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = 0; i < 24; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += bits[(state >> 33) % std::size(bits)];
    }
    auto once = parse_grounding(text);
    auto printed = print_grounding(once);
    auto twice = parse_grounding(printed);
    CAPTURE(text);
    REQUIRE(boxes_of(twice) == boxes_of(once));
    REQUIRE(print_grounding(twice) == printed);
    for (auto const& b : once.boxes) {
      auto const& v = b.box_norm1000;
      REQUIRE((v.x1 >= 0 && v.x1 < v.x2 && v.x2 <= 1000 && v.y1 >= 0 && v.y1 < v.y2 && v.y2 <= 1000));
    }
  }
}
