// A cached picture is found again if and only if everything its features depend on is the same.
#include "medmo/generate/feature_cache.hpp"

#include "byte_model.hpp"
#include "medmo/generate/session.hpp"

namespace {

using medmo::index;
using tiny::seeing;

medmo::digest number(int i) { return medmo::blake2s().add(static_cast<std::uint64_t>(i)).finish(); }

medmo::shared_features features(index rows) {
  auto f = std::make_shared<medmo::visual_features>();
  f->merged = medmo::matrix<float>::Zero(rows, 48);
  return f;
}

TEST_CASE("feature_cache: keys differ with everything that matters") {
  auto const model = tiny::random_model<seeing>();
  auto const picture = tiny::random_picture(48, 32, 1);
  medmo::vision::preprocess_options const options{.min_pixels = 1024, .max_pixels = 8192};
  std::vector<medmo::digest> keys{medmo::feature_key(model, picture, options)};
  auto other = [&](medmo::image const& p, medmo::vision::preprocess_options const& o, medmo::model<seeing> const& m) {
    keys.push_back(medmo::feature_key(m, p, o));
  };
  medmo::image transposed(32, 48), turned = picture;
  for (index y = 0; y < 32; ++y)
    for (index x = 0; x < 48; ++x) std::copy_n(picture.at(x, y), 3, transposed.at(y, x));
  std::swap(turned.width, turned.height);  // the same bytes in another shape
  auto touched = picture, flat = picture;
  touched.pixels.back() ^= 1;
  flat.width *= 2, flat.height /= 2;
  for (auto const& p : {transposed, turned, touched, flat}) other(p, options, model);
  for (auto change : {+[](medmo::vision::preprocess_options& o) { o.min_pixels = 2048; },
                      +[](medmo::vision::preprocess_options& o) { o.max_pixels = 4096; },
                      +[](medmo::vision::preprocess_options& o) { o.mean[2] = 0.4f; },
                      +[](medmo::vision::preprocess_options& o) { o.deviation[0] = 0.4f; },
                      +[](medmo::vision::preprocess_options& o) { o.rule = medmo::kernels::resample_rule::torch; }}) {
    auto changed = options;
    change(changed);
    other(picture, changed, model);
  }
  other(picture, options, tiny::random_model<seeing>(medmo::dtype::f32, 2));  // of the same shape
  other(picture, options, tiny::random_model<seeing>(medmo::dtype::bf16));
  for (char const* name : {"model.visual.blocks.2.attn.qkv.bias", "model.visual.deepstack_merger_list.1.linear_fc2.weight"}) {
    auto source = tiny::random_checkpoint<seeing>();
    source.tensors.at(name).bytes.back() ^= std::byte{1};
    other(picture, options, tiny::load<seeing>(source));
  }
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = i + 1; j < keys.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(keys[i] != keys[j]);
    }
  // and do not differ with what does not matter: another object, another decoder
  auto source = tiny::random_checkpoint<seeing>();
  source.tensors.at("model.language_model.norm.weight").bytes.back() ^= std::byte{1};
  for (int threads : {1, 2}) {
    tiny::threads several(threads);
    CHECK(medmo::feature_key(tiny::load<seeing>(source), medmo::image(picture), options) == keys[0]);
  }
}

TEST_CASE("feature_cache: the least recently used leave first, within the limit") {
  auto const size = medmo::feature_cache::size_of(*features(10));
  medmo::feature_cache cache(3 * size);
  for (int i : {1, 2, 3}) cache.put(number(i), features(10));
  CHECK(cache.bytes() == 3 * size);
  CHECK(cache.find(number(1)));
  cache.put(number(4), features(10));
  CHECK_FALSE(cache.find(number(2)));
  for (int i : {3, 1, 4}) CHECK(cache.find(number(i)));
  auto const held = cache.find(number(3));
  cache.put(number(5), features(21));  // takes the room of two and a bit
  CHECK(cache.bytes() <= cache.limit());
  CHECK(cache.find(number(5)));
  CHECK_FALSE(cache.find(number(1)));
  CHECK(held->merged.rows() == 10);  // whoever holds it keeps it
  cache.put(number(6), features(1000));
  CHECK_FALSE(cache.find(number(6)));
  CHECK(cache.find(number(5)));
  cache.put(number(5), features(3));  // first come
  CHECK(cache.find(number(5))->merged.rows() == 21);
}

TEST_CASE("feature_cache: sessions share it; a limit of 0 keeps nothing") {
  auto const model = tiny::byte_model<seeing>();
  auto const scan = tiny::random_picture(96, 64, 1);
  medmo::image turned = scan;
  std::swap(turned.width, turned.height);
  medmo::session fresh(model);
  auto const expected = fresh.ask({scan}, "What?", {.max_new_tokens = 10});
  for (std::size_t limit : {std::size_t{0}, std::size_t{1} << 20}) {
    CAPTURE(limit);
    medmo::feature_cache cache(limit);
    for (int i = 0; i < 3; ++i) {
      medmo::session chat(model, &cache);
      CHECK(chat.ask({scan}, "What?", {.max_new_tokens = 10}).token_logprobs == expected.token_logprobs);
      chat.reset();
      CHECK(chat.ask({turned}, "What?", {.max_new_tokens = 10}).token_logprobs != expected.token_logprobs);
      chat.reset();
      CHECK(chat.ask({scan}, "What?", {.max_new_tokens = 10, .min_pixels = 8192}).token_logprobs != expected.token_logprobs);
    }
    CHECK(cache.hits() == (limit ? 6 : 0));
    CHECK(cache.misses() == (limit ? 3 : 9));
  }
}

}  // namespace
