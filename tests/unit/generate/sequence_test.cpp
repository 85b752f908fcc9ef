// A sequence gives the same bytes however its tokens are cut, on any number of threads, and after any detour.
#include "medmo/generate/decoder_pass.hpp"

#include <thread>

#include "../model/tiny_model.hpp"
#include "../named_case.hpp"

namespace {

using medmo::index;
using medmo::visual_features;
using tiny::reading;
using tiny::seeing;

std::vector<float> logits_of(auto& s) { return {s.logits().begin(), s.logits().end()}; }

visual_features see(medmo::model<seeing> const& m, medmo::patch_grid const& g, std::uint64_t seed) {
  medmo::arena memory;
  auto patches = tiny::random_patches(g, seeing::vision.patch_width(), seed);
  return medmo::see_picture(m, tiny::view_of(patches), g, memory);
}

/// Text, a picture of 2 x 3 tokens, text, one of 4 x 2, text.
std::vector<index> with_pictures() {
  auto ids = tiny::random_ids(90);
  auto insert = [&](std::size_t at, index count) {
    ids.insert(ids.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::size_t>(count), seeing::tokens.image_pad);
  };
  insert(70, 8);
  insert(10, 6);
  return ids;
}

template <class C>
void check_chunks(medmo::dtype type, std::vector<index> const& ids, std::vector<visual_features> const& seen,
                  medmo::model<C> const& m) {
  CAPTURE(std::string(medmo::name_of(type)));
  std::vector<visual_features const*> pictures;
  for (auto const& s : seen) pictures.push_back(&s);
  tiny::threads one(1);
  medmo::sequence<C> whole(m);
  whole.append(ids, pictures);
  auto const expected = logits_of(whole);
  CHECK(std::isfinite(expected[0]));
  for (int n : {1, 2})
    for (index chunk : {1, 3, 17, 64, 512}) {
      CAPTURE(n);
      CAPTURE(chunk);
      medmo::set_thread_count(n);
      medmo::sequence<C> s(m);
      s.append(ids, pictures, chunk);
      CHECK(tiny::same_bytes(s.logits(), expected));
      // other text, taken back, then the end once more
      s.append(tiny::random_ids(77, 9), {}, chunk);
      CHECK_FALSE(tiny::same_bytes(s.logits(), expected));
      index keep = static_cast<index>(ids.size()) - 5;
      s.truncate(keep);
      CHECK(s.length() == keep);
      s.append(std::span(ids).subspan(static_cast<std::size_t>(keep)), {}, chunk);
      CHECK(tiny::same_bytes(s.logits(), expected));
      CHECK(std::equal(s.ids().begin(), s.ids().end(), ids.begin(), ids.end()));
      CHECK(std::equal(s.positions().begin(), s.positions().end(), whole.positions().begin(), whole.positions().end()));
    }
}

TEST_CASE("sequence: bytes do not depend on chunks, threads or detours") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    auto text = tiny::random_model<reading>(type);
    check_chunks<reading>(type, tiny::random_ids(150), {}, text);
    auto m = tiny::random_model<seeing>(type);
    std::vector<visual_features> seen;
    seen.push_back(see(m, {1, 4, 6}, 1));
    seen.push_back(see(m, {1, 8, 4}, 2));
    check_chunks<seeing>(type, with_pictures(), seen, m);
  }
}

TEST_CASE("sequence: tokens one by one equal tokens at once") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    auto m = tiny::random_model<reading>(type);
    auto ids = tiny::random_ids(70);
    medmo::sequence<reading> at_once(m), one_by_one(m);
    at_once.append(ids);
    for (index id : ids) one_by_one.append_token(id);
    CHECK(tiny::same_bytes(at_once.logits(), one_by_one.logits()));
    CHECK(one_by_one.length() == 70);
  }
}

TEST_CASE("sequence: logits after each token and hidden states are those of other ways") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    auto const m = tiny::random_model<seeing>(type);
    auto const ids = with_pictures();
    std::vector<visual_features> const seen{see(m, {1, 4, 6}, 1), see(m, {1, 8, 4}, 2)};
    std::vector<visual_features const*> const pictures{&seen[0], &seen[1]};
    auto const more = tiny::random_ids(37, 4);

    medmo::stage_map stages;
    medmo::sequence<seeing> traced(m);
    traced.append(ids, pictures, 64, &stages);
    auto const& norm = stages.at("text.norm");
    for (index chunk : {7, 1024}) {
      medmo::sequence<seeing> s(m);
      index rows = 0;
      s.append_hidden(ids, pictures, [&](index i, std::span<float const> hidden) {
        CHECK(i == rows++);
        CHECK(tiny::same_bytes(hidden, {norm.row(i).data(), static_cast<std::size_t>(norm.cols())}));
      }, chunk);
      CHECK(rows == static_cast<index>(ids.size()));

      medmo::sequence<seeing> one_by_one(m);
      one_by_one.append(ids, pictures);
      index at = 0;
      s.append_each(more, [&](index i, std::span<float const> logits) {
        CHECK(i == at);
        one_by_one.append_token(more[static_cast<std::size_t>(at++)]);
        CHECK(tiny::same_bytes(logits, one_by_one.logits()));
      });
      CHECK(at == 37);
      CHECK(std::equal(s.ids().begin(), s.ids().end(), one_by_one.ids().begin(), one_by_one.ids().end()));
      CHECK(std::equal(s.positions().begin(), s.positions().end(), one_by_one.positions().begin(), one_by_one.positions().end()));
    }
  }
}

TEST_CASE("sequence: forks go their own ways, one by one or in one pass, with the bytes of those that went alone") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    auto const m = tiny::random_model<seeing>(type);
    auto const ids = with_pictures();
    std::vector<visual_features> const seen{see(m, {1, 4, 6}, 1), see(m, {1, 8, 4}, 2)};
    std::vector<visual_features const*> const pictures{&seen[0], &seen[1]};
    auto const more = [](std::uint64_t i) { return tiny::random_ids(20, 40 + i); };
    for (index count : {1, 3, 8})
      for (int n : {1, 2}) {
        CAPTURE(count);
        CAPTURE(n);
        tiny::threads several(n);
        medmo::sequence<seeing> prefix(m);
        prefix.append(ids, pictures);
        auto const memory = std::make_shared<medmo::arena>();
        std::vector<medmo::sequence<seeing>> forks;
        for (index i = 0; i < count; ++i) {
          forks.push_back(prefix.fork(memory));
          forks.back().truncate(prefix.length() - i);  // prefixes of several lengths
        }
        CHECK(tiny::same_bytes(forks[0].logits(), prefix.logits()));
        medmo::decoder_pass<seeing> pass(m, memory);
        for (std::size_t at = 0; at < 20;) {  // one, two, three tokens of each, then again; one at the end
          auto const end = std::min<std::size_t>(20, at + 1 + static_cast<std::size_t>(pass.passes()) % 3);
          for (std::size_t i = 0; i < forks.size(); ++i) {
            auto const tokens = more(i);
            pass.add(forks[i], std::span(tokens).subspan(at, end - at));
          }
          pass.run();
          at = end;
        }
        for (std::size_t i = 0; i < forks.size(); ++i) {
          CAPTURE(i);
          medmo::sequence<seeing> alone(m);
          alone.append(std::span(ids).first(ids.size() - i), pictures);
          alone.append(more(i));
          CHECK(tiny::same_bytes(pass.logits(static_cast<index>(i)), alone.logits()));
          CHECK(std::equal(forks[i].ids().begin(), forks[i].ids().end(), alone.ids().begin(), alone.ids().end()));
          CHECK(std::equal(forks[i].positions().begin(), forks[i].positions().end(), alone.positions().begin(), alone.positions().end()));
        }
        medmo::sequence<seeing> whole(m);
        whole.append(ids, pictures);
        whole.append_token(7);
        prefix.append_token(7);
        CHECK(tiny::same_bytes(prefix.logits(), whole.logits()));
      }
  }
}

TEST_CASE("sequence: forks in several threads") {
  auto const m = tiny::random_model<reading>();
  auto const ids = tiny::random_ids(100);
  medmo::sequence<reading> prefix(m);
  prefix.append(ids);
  std::vector<std::vector<float>> found(4);
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < found.size(); ++i)
    workers.emplace_back([&, i] {
      auto s = prefix.fork();
      s.truncate(100 - static_cast<index>(i) * 20);
      s.append(tiny::random_ids(10, i));
      found[i] = logits_of(s);
    });
  for (auto& w : workers) w.join();
  for (std::size_t i = 0; i < found.size(); ++i) {
    medmo::sequence<reading> alone(m);
    alone.append(std::span(ids).first(100 - i * 20));
    alone.append(tiny::random_ids(10, i));
    CHECK(tiny::same_bytes(found[i], alone.logits()));
  }
}

TEST_CASE("sequence: the picture matters, and so does its place") {
  auto m = tiny::random_model<seeing>();
  std::vector<visual_features> seen;
  seen.push_back(see(m, {1, 4, 6}, 1));
  seen.push_back(see(m, {1, 8, 4}, 2));
  seen.push_back(see(m, {1, 4, 6}, 3));
  auto run = [&](std::vector<visual_features const*> p) {
    medmo::sequence<seeing> s(m);
    s.append(with_pictures(), p);
    return logits_of(s);
  };
  CHECK_FALSE(tiny::same_bytes(run({&seen[0], &seen[1]}), run({&seen[2], &seen[1]})));
}

TEST_CASE("sequence: an error leaves it as it was") {
  auto m = tiny::random_model<seeing>();
  auto seen = see(m, {1, 4, 6}, 1);
  std::vector<index> pads(6, seeing::tokens.image_pad), few(5, seeing::tokens.image_pad);
  struct bad { char const* name; std::vector<index> ids; std::vector<visual_features const*> pictures; medmo::errc code; };
  std::vector<bad> cases{
      {"id below zero", {1, -1}, {}, medmo::errc::bad_argument},
      {"id beyond the vocabulary", {1, 288}, {}, medmo::errc::bad_argument},
      {"a picture nobody refers to", {1, 2}, {&seen}, medmo::errc::bad_argument},
      {"image tokens without a picture", pads, {}, medmo::errc::bad_argument},
      {"too few image tokens", few, {&seen}, medmo::errc::bad_argument},
      {"too long", tiny::random_ids(1020), {}, medmo::errc::too_large},
  };
  medmo::sequence<seeing> s(m), untouched(m);
  auto begin = tiny::random_ids(20), end = tiny::random_ids(7, 8);
  s.append(begin);
  untouched.append(begin);
  untouched.append(end);
  auto const before = logits_of(s);
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    auto e = tiny::error_of([&] { s.append(c.ids, c.pictures); });
    REQUIRE(e);
    CHECK(e->code() == c.code);
    CHECK(s.length() == 20);
    CHECK(s.ids().size() == 20);
    CHECK(s.positions().size() == 20);
    CHECK(tiny::same_bytes(s.logits(), before));
  }
  s.append(end);
  CHECK(tiny::same_bytes(s.logits(), untouched.logits()));
}

TEST_CASE("sequence: patches that do not fit their grid are refused") {
  auto m = tiny::random_model<seeing>();
  medmo::arena memory;
  auto patches = tiny::random_patches({1, 4, 6}, seeing::vision.patch_width());
  struct bad { char const* name; medmo::patch_grid grid; };
  for (auto const& c : {bad{"more patches", {1, 4, 8}}, bad{"odd height", {1, 3, 8}}, bad{"nothing", {1, 0, 6}},
                        bad{"negative", {-1, -4, 6}}, bad{"no time", {0, 4, 6}}}) {
    CAPTURE(c.name);
    named_case(c.name);
    auto e = tiny::error_of([&] { medmo::see_picture(m, tiny::view_of(patches), c.grid, memory); });
    REQUIRE(e);
    CHECK(e->code() == medmo::errc::bad_argument);
  }
}

}  // namespace
