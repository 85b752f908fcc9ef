// JSON from outside: what is read, what is refused and where the message points.
#include "medmo/io/json.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bad_input.hpp"

using medmo::errc;
namespace io = medmo::io;

namespace {
io::json parse(std::string const& text) { return io::parse_json(bad_input::bytes_of(text), "a.json"); }
}  // namespace

TEST_CASE("json: every kind of value, at any place") {
  auto j = parse(R"( {"a": [1, -2, 3.5, true, null, "x", {"b": []}, [[2]]], "u": "\u00e9\ud83d\ude00", "big": 9223372036854775807} )");
  CHECK(j["a"].size() == 8);
  CHECK(j["a"][2] == 3.5);
  CHECK(j["a"][6]["b"].empty());
  CHECK(j["a"][7][0][0] == 2);
  CHECK(j["u"] == "\xc3\xa9\xf0\x9f\x98\x80");
  CHECK(j["big"] == 9223372036854775807);
  CHECK(parse("7") == 7);
  CHECK(parse("\xef\xbb\xbf{}").empty());
  CHECK(j == io::json::parse(j.dump()));
  // 64 levels are the last that pass; a sibling after a deep one starts again from where it stands.
  CHECK(parse(std::string(64, '[') + std::string(64, ']')).is_array());
  CHECK(parse("[" + std::string(63, '[') + std::string(63, ']') + "," + std::string(63, '[') + std::string(63, ']') + "]").size() == 2);
}

TEST_CASE("json: bad documents are refused with their place") {
  struct {
    char const* name;
    std::string text;
    char const* part;
  } const cases[] = {
      {"nothing", "", "a.json: expected JSON, found nothing"},
      {"spaces alone", "   ", "a fault at byte 4"},
      {"an open object", "{\"a\": 1", "a fault at byte 8"},
      {"a comma too many", "[1,]", "a fault at byte 4"},
      {"two documents", "{}{}", "a fault at byte 3"},
      {"a comment", "{} // x", "a fault at byte 4"},
      {"a NUL and more", std::string("{}\0{", 4), "a NUL at byte 3"},
      {"a NUL inside a string", std::string("\"\0\"", 3), "a NUL at byte 2"},
      {"NaN", "[NaN]", "a fault at byte 2"},
      {"a number beyond a double", "[1e999]", "a fault at byte"},
      {"a leading zero", "[01]", "a fault at byte"},
      {"a control character in a string", "\"\x01\"", "a fault at byte 2"},
      {"bad UTF-8", "\"\xff\"", "a fault at byte 2"},
      {"overlong UTF-8", "\"\xc0\xaf\"", "a fault at byte 2"},
      {"half a surrogate pair", "\"\\ud800\"", "a fault at byte"},
      {"a field twice", R"({"x": {"a": 1, "b": 2, "a": 3}})", "the field \"a\" twice"},
      {"65 levels of lists", std::string(65, '[') + std::string(65, ']'), "nesting of more than 64"},
      {"65 levels, mixed", [] { std::string s; for (int i = 0; i < 33; ++i) s += "{\"a\":["; return s; }(), "nesting of more than 64"},
      {"a million levels", std::string(1'000'000, '['), "nesting of more than 64"},
  };
  for (auto const& bad : cases) bad_input::refused(bad.name, errc::bad_json, bad.part, [&] { parse(bad.text); });
}

TEST_CASE("json: messages are ASCII whatever the file holds") {
  try {
    parse("\"\xff\xfe");
    FAIL("accepted");
  } catch (medmo::error const& e) {
    for (char c : std::string(e.what())) CHECK((c >= ' ' && c <= '~'));
  }
  CHECK(io::excerpt(std::string(1000, 'x')).size() == 63);
  CHECK(io::is_utf8("caf\xc3\xa9"));
  CHECK(!io::is_utf8("caf\xc3"));
  CHECK(io::is_utf8("\xef\xbf\xbd"));  // the replacement character itself
}

TEST_CASE("json: typed fields, and a complaint that names file, field, expected and found") {
  auto j = parse(R"({"i": 3, "f": 2.5, "b": true, "t": "x", "n": null, "is": [1, 2], "ms": [1, "x"], "o": {"p": {"q": -1}},
                     "huge": 18446744073709551615})");
  io::json_fields f(j, "a.json");
  CHECK(f.integer("i") == 3);
  CHECK(f.number("i") == 3.0);
  CHECK(f.number("f") == 2.5);
  CHECK(f.boolean("b") == true);
  CHECK(f.text("t") == "x");
  CHECK(f.integers("is") == std::vector<medmo::index>{1, 2});
  CHECK(f.numbers("is") == std::vector<double>{1, 2});
  CHECK(!f.integer("n"));
  CHECK(!f.integer("absent"));
  CHECK(!f.nested("absent"));
  CHECK(!f.has(std::string("i\0x", 3)));  // the whole name counts
  auto deep = *f.nested("o")->nested("p");
  CHECK(deep.integer("q") == -1);
  CHECK(deep.where("q") == "a.json: o.p.q");
  auto bad = [](char const* part, auto&& read) { bad_input::refused(part, errc::bad_json, part, read); };
  bad("a.json: t: expected an integer, found \"x\"", [&] { f.integer("t"); });
  bad("a.json: f: expected an integer, found 2.5", [&] { f.integer("f"); });
  bad("a.json: huge: expected an integer, found 18446744073709551615", [&] { f.integer("huge"); });
  bad("a.json: t: expected a number", [&] { f.number("t"); });
  bad("a.json: i: expected true or false, found 3", [&] { f.boolean("i"); });
  bad("a.json: b: expected a string, found true", [&] { f.text("b"); });
  bad("a.json: ms: expected a list of integers, found [1,\"x\"]", [&] { f.integers("ms"); });
  bad("a.json: i: expected a list of numbers", [&] { f.numbers("i"); });
  bad("a.json: ms: expected a list of strings", [&] { f.texts("ms"); });
  bad("a.json: i: expected an object, found 3", [&] { f.nested("i"); });
  bad("a.json: o.p.q: expected a string, found -1", [&] { deep.text("q"); });
  auto list = parse("[]");
  bad("a.json: expected an object, found []", [&] { io::json_fields(list, "a.json"); });
}
