// What follows the last place where the newest tokens stood.
#include "medmo/generate/prompt_lookup.hpp"

#include <doctest/doctest.h>

namespace {

using medmo::index;

TEST_CASE("look_up: guesses") {
  struct guess { char const* name; std::vector<index> ids; index count; std::vector<index> stops, expected; };
  std::vector<guess> const cases{
      {"nothing to look at", {}, 5, {}, {}},
      {"too short", {1, 2}, 5, {}, {}},
      {"never seen", {1, 2, 3, 4, 5}, 5, {}, {}},
      {"three of the same", {1, 2, 3, 7, 8, 1, 2, 3}, 2, {}, {7, 8}},
      {"the latest place of two", {1, 2, 5, 1, 2, 6, 1, 2}, 1, {}, {6}},
      {"three count more than two", {9, 1, 2, 5, 1, 2, 6, 9, 1, 2}, 1, {}, {5}},
      {"two if not three", {1, 2, 5, 8, 1, 2}, 1, {}, {5}},
      {"on behind the end", {1, 2, 1, 2, 1, 2}, 5, {}, {1, 2, 1, 2, 1}},
      {"one token again and again", {4, 4, 4}, 3, {}, {4, 4, 4}},
      {"not beyond a stop", {1, 2, 3, 7, 66, 8, 1, 2, 3}, 4, {66}, {7}},
      {"no guess at a stop", {1, 2, 3, 66, 8, 1, 2, 3}, 4, {66}, {}},
      {"none wanted", {1, 2, 3, 7, 1, 2, 3}, 0, {}, {}},
      {"none left", {1, 2, 3, 7, 1, 2, 3}, -1, {}, {}},
  };
  for (auto const& c : cases) {
    CAPTURE(c.name);
    std::vector<index> out{100};
    medmo::look_up(c.ids, c.count, c.stops, out);
    std::vector<index> expected{100};
    expected.insert(expected.end(), c.expected.begin(), c.expected.end());
    CHECK(out == expected);
  }
}

}  // namespace
