// What a request will cost, before it runs: numbers of the released model in constant expressions, and an arena that is
// exactly as large as what runs then uses.
#include "medmo/model/plan.hpp"

#include "medmo/generate/sequence.hpp"
#include "tiny_model.hpp"

namespace {

using medmo::dtype;
using medmo::index;
using medmo::patch_grid;
using tiny::reading;
using tiny::seeing;

// a picture of 768 x 768 pixels
constexpr double tower = medmo::count_vision<medmo::medmo_4b>({1, 48, 48}, dtype::bf16, 2).flops();
static_assert(tower > 2.0e12 && tower < 2.1e12);
constexpr std::size_t tower_arena = medmo::count_vision<medmo::medmo_4b>({1, 48, 48}, dtype::bf16, 2).peak();
static_assert(tower_arena > 0 && tower_arena < (std::size_t{1} << 30));

TEST_CASE("plan: the tower's arena is what it uses") {
  for (auto type : {dtype::f32, dtype::bf16}) {
    auto m = tiny::random_model<seeing>(type);
    for (int n : {1, 2, 3})
      for (patch_grid g : {patch_grid{1, 2, 2}, patch_grid{1, 4, 6}, patch_grid{1, 10, 8}, patch_grid{3, 4, 4}}) {
        CAPTURE(std::string(medmo::name_of(type)));
        CAPTURE(n);
        CAPTURE(g.patches());
        tiny::threads several(n);
        medmo::arena memory;
        auto patches = tiny::random_patches(g, seeing::vision.patch_width());
        medmo::see_picture(m, tiny::view_of(patches), g, memory);
        CHECK(memory.peak() == medmo::count_vision<seeing>(g, type, n).peak());
        CHECK(memory.mark() == 0);
      }
  }
}

template <class C>
void check_decoder(dtype type) {
  auto m = tiny::random_model<C>(type);
  for (int n : {1, 2, 3})
    for (index tokens : {1, 2, 16, 17, 64, 100}) {
      CAPTURE(std::string(medmo::name_of(type)));
      CAPTURE(n);
      CAPTURE(tokens);
      tiny::threads several(n);
      medmo::sequence<C> s(m);
      s.append(tiny::random_ids(tokens), {}, tokens);
      CHECK(s.memory().peak() == medmo::count_decode<C>(tokens, 0, type, n).peak());
    }
}

TEST_CASE("plan: the decoder's arena is what it uses") {
  for (auto type : {dtype::f32, dtype::bf16}) {
    check_decoder<seeing>(type);
    check_decoder<reading>(type);
  }
}

TEST_CASE("plan: a request is the sum of its parts") {
  patch_grid picture{1, 48, 48};
  medmo::request_shape r{.pictures = {&picture, 1}, .tokens = 1100, .prompt_tokens = 600, .chunk = 512, .threads = 2};
  auto p = medmo::plan_request<medmo::medmo_4b>(r);
  CHECK(p.weights > 2 * std::size_t{4437815808});  // bf16, vectors as f32
  CHECK(p.weights < 2 * std::size_t{4437815808} + (std::size_t{1} << 22));
  CHECK(p.cache == std::size_t{18} * 64 * 36 * 8 * (128 + 128) * 2);
  CHECK(p.vision_flops == tower);
  CHECK(p.arena >= tower_arena);
  // at least two operations for each parameter of the decoder's layers and token
  CHECK(p.prefill_flops > 2.0 * 3.6e9 * 600);
  CHECK(p.prefill_flops < 2.0 * 4.5e9 * 600);
  CHECK(p.total() == p.weights + p.cache + p.arena + p.pictures);
}

}  // namespace
