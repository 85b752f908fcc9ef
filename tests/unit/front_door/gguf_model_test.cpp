// Models written as GGUF files and loaded again: the same bytes in f32, and in every mix bytes that depend on nothing but the
// weights.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "../generate/byte_model.hpp"
#include "../io/bad_input.hpp"
#include "medmo/generate/session.hpp"
#include "medmo/load.hpp"
#include "medmo/write_gguf.hpp"

namespace {

using medmo::dtype;
using medmo::errc;
using medmo::index;
using medmo::io::gguf_mix;

/// Wide enough for blocks of 256 in its decoder, of 32 in its tower, and with rows that are neither.
struct blocky {
  static constexpr std::string_view name = "blocky";
  static constexpr medmo::text_config text{.vocab = 288, .hidden = 256, .intermediate = 288, .layers = 2, .heads = 4, .kv_heads = 2,
                                           .head_dim = 64, .mrope_section = {12, 10, 10}, .max_positions = 1024};
  static constexpr medmo::vision_config vision{.depth = 2, .hidden = 64, .heads = 2, .intermediate = 76, .out_hidden = 256,
                                               .deepstack = {1}, .position_table = 16};
  static constexpr auto tokens = tiny::byte_tokens;
};
/// The same with another inner size.
struct other : blocky {
  static constexpr std::string_view name = "other";
  static constexpr medmo::text_config text = [] { auto t = blocky::text; t.intermediate = 320; return t; }();
};

/// Relative error of normal numbers stored in a type, rounded up (tests/unit/kernels/quantize_test.cpp).
constexpr double weight_error(dtype t) {
  switch (t) {
    case dtype::f32: return 1e-6;
    case dtype::bf16: return 0.003;
    case dtype::q8_0: return 0.006;
    case dtype::q6_k: return 0.02;
    case dtype::q5_0: case dtype::q5_1: case dtype::q5_k: return 0.05;
    case dtype::q4_0: case dtype::q4_1: case dtype::q4_k: return 0.1;
    case dtype::q3_k: return 0.165;
    default: return 0.31;
  }
}

std::vector<float> logits_of(medmo::model<blocky> const& m, index chunk) {
  medmo::sequence<blocky> s(m);
  s.append(tiny::random_ids(21), {}, chunk);
  return {s.logits().begin(), s.logits().end()};
}

TEST_CASE("gguf models: in f32 every answer is that of the model written, pictures and all") {
  bad_input::folder dir;
  auto const text = dir.file("text.gguf"), vision = dir.file("mmproj.gguf");
  auto model = tiny::byte_model<blocky>();
  index last = 0;
  medmo::write_gguf(model, text, vision, {.mix = gguf_mix::f32, .on_progress = [&](std::uint64_t done, std::uint64_t total) {
                                            CHECK(done <= total);
                                            last = static_cast<index>(total - done);
                                          }});
  CHECK(last == 0);
  auto again = medmo::load<blocky>(text, vision);
  CHECK(again.model.compute() == dtype::f32);
  CHECK(again.pictures.min_pixels == model.pictures.min_pixels);
  CHECK(again.tokenizer.encode("two words") == model.tokenizer.encode("two words"));
  medmo::ask_options options{.max_new_tokens = 6, .sampling = medmo::sampling_options{.greedy = true}};
  auto picture = tiny::random_picture(80, 64, 1);
  auto a = medmo::session{model}.ask({picture}, "what is it?", options), b = medmo::session{again}.ask({picture}, "what is it?", options);
  CHECK(a.tokens == b.tokens);
  CHECK(a.token_logprobs == b.token_logprobs);
}

TEST_CASE("gguf models: a decoder of the llama kind, whose rotary pairs are written in another order") {
  bad_input::folder dir;
  auto const path = dir.file("text.gguf");
  auto model = tiny::byte_model<tiny::reading>();
  medmo::write_gguf(model, path, "", {.mix = gguf_mix::f32});
  CHECK(medmo::io::gguf_file::open(path).metadata().text("general.architecture") == "llama");
  auto again = medmo::load<tiny::reading>(path);
  medmo::sequence<tiny::reading> a(model.model), b(again.model);
  auto const ids = tiny::random_ids(30);
  a.append(ids);
  b.append(ids);
  CHECK(tiny::same_bytes(a.logits(), b.logits()));
}

TEST_CASE("gguf models: in every mix the types are the mix's, and bytes depend on neither chunks nor threads") {
  bad_input::folder dir;
  auto const text = dir.file("text.gguf"), vision = dir.file("mmproj.gguf");
  auto model = tiny::byte_model<blocky>();
  auto const exact = logits_of(model.model, 21);
  double rounding = 0;  // of the bf16 mix, which comes before the quantised ones
  for (auto const& mix : medmo::io::gguf_mixes) {
    CAPTURE(std::string(mix.name));
    medmo::write_gguf(model, text, vision, {.mix = mix.mix});
    auto again = medmo::load<blocky>(text, vision);
    auto const& w = again.model.weights();
    if (medmo::is_quantized(mix.type)) {
      CHECK(medmo::is_quantized(again.model.stored()));
      CHECK(w.text.embed_tokens.stored.type == (mix.mix == gguf_mix::q8_0 ? dtype::q8_0 : dtype::q6_k));
      auto const down = w.text.layers[0].down_proj.weight.stored.type;  // rows of 288: no whole blocks of 256
      CHECK(medmo::block_of(down).numbers == 32);
      CHECK(w.text.layers[0].q_proj.weight.stored.type == mix.type);
      CHECK(w.vision.blocks[0].qkv.weight.stored.type == dtype::q8_0);
      CHECK(w.vision.blocks[0].linear_fc2.weight.stored.type == dtype::bf16);  // rows of 76
    }
    auto const found = logits_of(again.model, 21);
    double error = 0, size = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      error += std::pow(static_cast<double>(found[i]) - exact[i], 2);
      size += std::pow(static_cast<double>(exact[i]), 2);
    }
    // ten products in a row, each with the relative error of its weights, adding up as independent ones do, and what bf16
    // activations cost beside that; half as much again for what attention and the MLP make of them. Noise would be sqrt(2).
    double const relative = std::sqrt(error / size);
    CHECK(relative < std::min(1.0, 1.5 * (std::sqrt(10.0) * weight_error(mix.type) + rounding)));
    if (mix.mix == gguf_mix::bf16) rounding = relative;
    for (int n : {1, 2})
      for (index chunk : {1, 4, 21}) {
        tiny::threads several(n);
        CHECK(tiny::same_bytes(logits_of(again.model, chunk), found));
      }
  }
}

TEST_CASE("gguf models: what does not fit is refused by name") {
  bad_input::folder dir;
  auto const text = dir.file("text.gguf"), vision = dir.file("mmproj.gguf");
  auto model = tiny::byte_model<blocky>();
  medmo::write_gguf(model, text, vision, {.mix = gguf_mix::q4_k_m});
  bad_input::refused("no tower", errc::missing_tensor, "mmproj", [&] { medmo::load<blocky>(text); });
  bad_input::refused("another configuration", errc::bad_config, "qwen3vl.feed_forward_length: expected 320 (other), found 288",
                     [&] { medmo::load<other>(text, vision); });
  bad_input::refused("the files the other way round", errc::unsupported, "general.architecture", [&] { medmo::load<blocky>(vision, text); });
  bad_input::refused("the text model twice", errc::unsupported, "clip", [&] { medmo::load<blocky>(text, text); });
  auto whole = bad_input::content_of(text);
  dir.write("short.gguf", whole.substr(0, whole.size() - 200));
  bad_input::refused("a file cut short", errc::bad_format, "short.gguf", [&] { medmo::load<blocky>(dir.file("short.gguf"), vision); });
  auto source = tiny::random_checkpoint<blocky>();
  float const nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(source.tensors.at("model.language_model.layers.1.mlp.up_proj.weight").bytes.data() + 400, &nan, 4);
  auto broken = tiny::byte_model<blocky>(std::move(source));
  bad_input::refused("a NaN", errc::not_finite, "blk.1.ffn_up.weight",
                     [&] { medmo::write_gguf(broken, dir.file("nan.gguf"), dir.file("nan2.gguf"), {.mix = gguf_mix::q4_0}); });
  CHECK(!std::filesystem::exists(dir.file("nan.gguf")));
}

}  // namespace
