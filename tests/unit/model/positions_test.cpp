// Where tokens stand: text, pictures, time steps of a video, and prompts whose pads and grids do not fit.
#include "medmo/model/positions.hpp"

#include "tiny_model.hpp"
#include "../named_case.hpp"

namespace {

using medmo::index;
using medmo::patch_grid;
using medmo::token_position;

constexpr index image = tiny::byte_tokens.image_pad, video = tiny::byte_tokens.video_pad;

struct placed {
  index next;
  std::vector<token_position> at;
};

placed place(std::vector<index> const& ids, std::vector<patch_grid> const& grids, index next = 0) {
  placed p{0, {}};
  p.next = medmo::append_positions(ids, grids, 2, tiny::byte_tokens, next, p.at);
  return p;
}

token_position text(index n) { return {n, n, n}; }

TEST_CASE("positions: text counts on") {
  auto p = place({1, 2, 3}, {}, 5);
  CHECK(p.next == 8);
  CHECK(p.at == std::vector{text(5), text(6), text(7)});
  CHECK(place({}, {}, 4).next == 4);
}

TEST_CASE("positions: a picture of 2 x 3 tokens takes three places") {
  auto p = place({1, image, image, image, image, image, image, 2}, {{1, 4, 6}});
  CHECK(p.next == 5);
  CHECK(p.at == std::vector<token_position>{text(0), {1, 1, 1}, {1, 1, 2}, {1, 1, 3}, {1, 2, 1}, {1, 2, 2}, {1, 2, 3}, text(4)});
}

TEST_CASE("positions: two pictures, apart and side by side") {
  auto apart = place({image, image, 1, image, image}, {{1, 2, 4}, {1, 4, 2}});
  CHECK(apart.next == 5);
  CHECK(apart.at == std::vector<token_position>{{0, 0, 0}, {0, 0, 1}, text(2), {3, 3, 3}, {3, 4, 3}});
  auto beside = place({image, image, image, image}, {{1, 2, 4}, {1, 4, 2}});
  CHECK(beside.next == 4);
  CHECK(beside.at == std::vector<token_position>{{0, 0, 0}, {0, 0, 1}, {2, 2, 2}, {2, 3, 2}});
}

TEST_CASE("positions: each time step of a video stands by itself, after its time stamp") {
  auto p = place({9, video, video, 8, video, video}, {{2, 2, 4}});
  CHECK(p.next == 6);
  CHECK(p.at == std::vector<token_position>{text(0), {1, 1, 1}, {1, 1, 2}, text(3), {4, 4, 4}, {4, 4, 5}});
}

TEST_CASE("positions: pads and grids that do not fit each other") {
  struct bad { char const* name; std::vector<index> ids; std::vector<patch_grid> grids; char const* where; };
  std::vector<bad> cases{
      {"no grid", {1, image}, {}, "token 1"},
      {"a second picture too many", {image, 1, image}, {{1, 2, 2}}, "token 2"},
      {"more pads than the grid", {image, image}, {{1, 2, 2}}, "token 1"},
      {"fewer pads than the grid", {1, image, image, image}, {{1, 4, 4}}, "token 1"},
      {"pads of two kinds in one run", {image, video}, {{1, 2, 4}}, "token 0"},
      {"a picture nobody refers to", {1, 2}, {{1, 2, 2}}, "prompt"},
      {"a video that ends early", {video}, {{2, 2, 2}}, "prompt"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    auto e = tiny::error_of([&] { place(c.ids, c.grids); });
    REQUIRE(e);
    CHECK(e->code() == medmo::errc::bad_argument);
    CHECK(e->where() == c.where);
  }
}

TEST_CASE("positions: patches in merge order") {
  patch_grid g{1, 4, 6};
  CHECK(medmo::patch_place(g, 2, 0) == std::array<index, 2>{0, 0});
  CHECK(medmo::patch_place(g, 2, 1) == std::array<index, 2>{0, 1});
  CHECK(medmo::patch_place(g, 2, 2) == std::array<index, 2>{1, 0});
  CHECK(medmo::patch_place(g, 2, 4) == std::array<index, 2>{0, 2});
  CHECK(medmo::patch_place(g, 2, 12) == std::array<index, 2>{2, 0});
  CHECK(medmo::patch_place(g, 2, 23) == std::array<index, 2>{3, 5});
}

TEST_CASE("positions: which axis a frequency follows") {
  std::array<index, 3> count{};
  for (index k = 0; k < 64; ++k) ++count[static_cast<std::size_t>(medmo::rotary_axis(medmo::medmo_4b::text, k))];
  CHECK(count == medmo::medmo_4b::text.mrope_section);
  CHECK(medmo::rotary_axis(medmo::medmo_4b::text, 1) == 1);
  CHECK(medmo::rotary_axis(medmo::medmo_4b::text, 59) == 2);
  CHECK(medmo::rotary_axis(medmo::medmo_4b::text, 60) == 0);
  CHECK(medmo::rotary_axis(tiny::reading::text, 1) == 0);
}

}  // namespace
