// Errors: one sentence, four parts, a code.
#include "medmo/core/error.hpp"

#include <doctest/doctest.h>

#include <exception>
#include <string>

TEST_CASE("error: what() is one sentence of where, expected and found") {
  medmo::error e{medmo::errc::wrong_shape, "model.safetensors, tensor lm_head.weight", "[10, 20]", "[10, 21]"};
  CHECK(std::string{e.what()} == "model.safetensors, tensor lm_head.weight: expected [10, 20], found [10, 21]");
  CHECK(e.code() == medmo::errc::wrong_shape);
  CHECK(e.where() == "model.safetensors, tensor lm_head.weight");
  CHECK(e.expected() == "[10, 20]");
  CHECK(e.found() == "[10, 21]");
}

TEST_CASE("error: MEDMO_THROW throws it, and it is a std::exception") {
  try {
    MEDMO_THROW(medmo::errc::bad_argument, "--seed", "a number", "'x'");
    FAIL("expected an error");
  } catch (std::exception const& e) {
    CHECK(std::string{e.what()} == "--seed: expected a number, found 'x'");
    CHECK(dynamic_cast<medmo::error const*>(&e) != nullptr);
  }
}

TEST_CASE("error: names out of a file neither flood a log nor speak to a terminal") {
  medmo::error e{medmo::errc::bad_format, std::string(1 << 20, 'n'), "one line", "two\nlines, \x1b[2J\x7f and more\t."};
  CHECK(e.where().size() == 1000);
  CHECK(e.where().ends_with("nnn..."));
  CHECK(e.found() == "two?lines, ?[2J? and more?.");
  CHECK(medmo::error{medmo::errc::bad_format, std::string(1000, 'n'), "", ""}.where().size() == 1000);
  CHECK(medmo::error{medmo::errc::bad_text, "\xE2\x82\xAC", "", ""}.where() == "\xE2\x82\xAC");  // letters stay as they are
}

TEST_CASE("error: a copy keeps its message") {  // exceptions are copied across threads by std::exception_ptr
  auto stored = [] {
    try {
      MEDMO_THROW(medmo::errc::too_large, "a.png", "at most 10 pixels", "11");
    } catch (...) {
      return std::current_exception();
    }
  }();
  CHECK_THROWS_WITH_AS(std::rethrow_exception(stored), "a.png: expected at most 10 pixels, found 11", medmo::error);
}
