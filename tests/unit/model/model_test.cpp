// Loading: every error by its name, the dialects of tensor names, stored types and places; nothing half-loaded.
#include "medmo/model/model.hpp"

#include <functional>

#include "medmo/generate/sequence.hpp"
#include "tiny_model.hpp"
#include "../named_case.hpp"

namespace {

using medmo::dtype;
using medmo::errc;
using medmo::index;
using tiny::memory_source;
using tiny::reading;
using tiny::seeing;

std::string const q = "model.language_model.layers.1.self_attn.q_proj.weight";
std::string const norm = "model.language_model.norm.weight";
std::string const embed = "model.language_model.embed_tokens.weight";
std::string const kernel = "model.visual.patch_embed.proj.weight";

template <class C>
std::vector<float> logits(medmo::model<C> const& m) {
  medmo::sequence<C> s(m);
  s.append(tiny::random_ids(20));
  return {s.logits().begin(), s.logits().end()};
}

/// Every tensor of `from` as `type`, moved by `skip` bytes.
memory_source converted(memory_source from, dtype type, std::size_t skip = 0) {
  for (auto& [name, t] : from.tensors) {
    std::vector<float> values(t.bytes.size() / sizeof(float));
    std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
    t = tiny::make_tensor(values, t.shape, type, skip);
  }
  return from;
}

void rename(memory_source& s, std::string const& from, std::string const& to) {
  memory_source out;
  for (auto& [name, t] : s.tensors)
    out.tensors[name.starts_with(from) ? to + name.substr(from.size()) : name] = std::move(t);
  s = std::move(out);
}

TEST_CASE("model: what is wrong with a checkpoint is said by name") {
  struct bad {
    char const* name;
    std::function<void(memory_source&)> change;
    errc code;
    std::string said;
  };
  auto shape = [](std::string name, std::vector<index> s) {
    return [=](memory_source& m) { m.tensors[name].shape = s; };
  };
  auto type = [](std::string name, dtype t) {
    return [=](memory_source& m) {
      auto& x = m.tensors[name];
      x.type = t;
      index n = 1;
      for (index d : x.shape) n *= d;
      x.bytes.resize(static_cast<std::size_t>(n) * medmo::size_of(t));
    };
  };
  std::vector<bad> cases{
      {"missing matrix", [](auto& m) { m.tensors.erase(q); }, errc::missing_tensor, q},
      {"missing vector", [](auto& m) { m.tensors.erase(norm); }, errc::missing_tensor, norm},
      {"missing everything", [](auto& m) { m.tensors.clear(); }, errc::missing_tensor, embed},
      {"extra", [](auto& m) { m.tensors["model.language_model.extra"] = m.tensors[norm]; }, errc::unused_tensor,
       "model.language_model.extra"},
      {"a layer too many", [](auto& m) { m.tensors["model.language_model.layers.2.mlp.up_proj.weight"] = m.tensors[q]; },
       errc::unused_tensor, "layers.2.mlp.up_proj"},
      {"transposed", shape(embed, {48, 288}), errc::wrong_shape, embed},
      {"too few dimensions", shape(q, {64 * 48}), errc::wrong_shape, q},
      {"too many dimensions", shape(q, {64, 48, 1}), errc::wrong_shape, q},
      {"a matrix for a vector", shape(norm, {48, 1}), errc::wrong_shape, norm},
      {"nothing times what overflows", shape(embed, {0, index{1} << 62, index{1} << 62}), errc::wrong_shape, embed},
      {"a kernel whose size overflows", shape(kernel, {0, index{1} << 62, index{1} << 62, 2}), errc::wrong_shape, kernel},
      {"no dimensions", shape(norm, {}), errc::wrong_shape, norm},
      {"integers", type(q, dtype::i64), errc::wrong_dtype, q},
      {"doubles", type(norm, dtype::f64), errc::wrong_dtype, norm},
      {"bytes", type(embed, dtype::u8), errc::wrong_dtype, embed},
  };
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    auto source = tiny::random_checkpoint<seeing>();
    c.change(source);
    auto shared = std::make_shared<memory_source const>(std::move(source));
    auto e = tiny::error_of([&] { medmo::model<seeing>::load(shared, "the place"); });
    REQUIRE(e);
    CHECK(e->code() == c.code);
    CHECK(std::string(e->what()).find(c.said) != std::string::npos);
    CHECK(e->where().starts_with("the place"));
    CHECK(shared.use_count() == 1);  // nothing of it is kept
  }
}

TEST_CASE("model: many missing tensors are counted") {
  auto source = tiny::random_checkpoint<seeing>();
  rename(source, "model.visual.", "elsewhere.");
  auto e = tiny::error_of([&] { tiny::load<seeing>(source); });
  REQUIRE(e);
  CHECK(e->code() == errc::missing_tensor);
  CHECK(e->expected().find("more") != std::string::npos);
}

TEST_CASE("model: what is no mistake") {
  auto const expected = logits(tiny::random_model<seeing>());
  auto same = [&](memory_source s) { return tiny::same_bytes(logits(tiny::load<seeing>(std::move(s))), expected); };
  auto source = tiny::random_checkpoint<seeing>();
  SUBCASE("a stored copy of a tied head") { source.tensors["lm_head.weight"] = source.tensors[embed]; }
  SUBCASE("derived buffers") {
    source.tensors["model.language_model.layers.0.self_attn.rotary_emb.inv_freq"] = source.tensors[norm];
  }
  SUBCASE("the patch embedding as the convolution it was") {
    source.tensors["model.visual.patch_embed.proj.weight"].shape = {24, 3, 2, 16, 16};
  }
  SUBCASE("older names: language_model.model and visual") {
    rename(source, "model.language_model.", "language_model.model.");
    rename(source, "model.visual.", "visual.");
  }
  SUBCASE("older names: model and visual") {
    rename(source, "model.language_model.", "model.");
    rename(source, "model.visual.", "visual.");
  }
  SUBCASE("bytes that are not aligned") { source = converted(source, dtype::f32, 1); }
  CHECK(same(source));
}

TEST_CASE("model: a convolution of another size is refused") {
  auto source = tiny::random_checkpoint<seeing>();
  source.tensors["model.visual.patch_embed.proj.weight"].shape = {24, 3, 2, 16, 8};
  auto e = tiny::error_of([&] { tiny::load<seeing>(source); });
  REQUIRE(e);
  CHECK(e->code() == errc::wrong_shape);
}

TEST_CASE("model: f16 is widened exactly, bf16 is used in place or, misaligned, widened") {
  auto const f32 = tiny::random_checkpoint<reading>();
  auto half = converted(f32, dtype::f16), widened = half;
  for (auto& [name, t] : widened.tensors) {
    std::vector<float> values(t.bytes.size() / 2);
    for (std::size_t i = 0; i < values.size(); ++i) {
      medmo::f16 x;
      std::memcpy(static_cast<void*>(&x), t.bytes.data() + 2 * i, 2);
      values[i] = static_cast<float>(x);
    }
    t = tiny::make_tensor(values, t.shape, dtype::f32);
  }
  auto m = tiny::load<reading>(half);
  CHECK(m.compute() == dtype::f32);
  CHECK(tiny::same_bytes(logits(m), logits(tiny::load<reading>(widened))));
  CHECK(tiny::same_bytes(logits(tiny::load<reading>(converted(f32, dtype::f16, 1))), logits(m)));

  auto narrow = tiny::load<reading>(converted(f32, dtype::bf16));
  CHECK(narrow.compute() == dtype::bf16);
  auto moved = tiny::load<reading>(converted(f32, dtype::bf16, 1));
  CHECK(std::isfinite(logits(moved)[0]));
}

TEST_CASE("model: matrices in place keep their source alive") {
  auto source = std::make_shared<memory_source const>(tiny::random_checkpoint<reading>());
  auto const* bytes = source->tensors.at("model.embed_tokens.weight").bytes.data();
  auto m = medmo::model<reading>::load(source, "memory");
  CHECK(m.weights().text.embed_tokens.stored.bytes == bytes);
  CHECK(source.use_count() == 2);
  auto moved = std::move(m);
  source.reset();
  CHECK(std::isfinite(logits(moved)[0]));
}

TEST_CASE("model: a decoder alone, with the names of its kind") {
  auto const expected = logits(tiny::random_model<reading>());
  auto source = tiny::random_checkpoint<reading>();
  rename(source, "model.", "");
  CHECK(tiny::same_bytes(logits(tiny::load<reading>(source)), expected));
  source.tensors.erase("lm_head.weight");
  auto e = tiny::error_of([&] { tiny::load<reading>(source); });
  REQUIRE(e);
  CHECK(e->code() == errc::missing_tensor);
}

}  // namespace
