// GGUF files are written as they are read, and read as a checkpoint: names, undone permutations, joined kernels, configuration.
#include "medmo/io/gguf_writer.hpp"

#include <cstring>

#include "bad_input.hpp"
#include "medmo/core/dtype.hpp"
#include "medmo/io/gguf_config.hpp"

namespace {

using medmo::dtype;
using medmo::errc;
using medmo::index;
using medmo::io::gguf_checkpoint;
using medmo::io::gguf_file;
using medmo::io::gguf_writer;

struct written_tensor {
  std::string name;
  std::vector<index> shape;
  dtype type = dtype::f32;
};

/// f32 numbers 0, 1, 2 ... times `step`, or bytes 0, 1, 2 ... of another type.
std::vector<std::byte> numbered(written_tensor const& t) {
  std::size_t n = 1;
  for (index d : t.shape) n *= static_cast<std::size_t>(d);
  std::vector<std::byte> out(medmo::bytes_for(t.type, n));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(i % 251);
  if (t.type == dtype::f32)
    for (std::size_t i = 0; i < n; ++i) {
      auto x = static_cast<float>(i);
      std::memcpy(out.data() + 4 * i, &x, 4);
    }
  return out;
}

template <class Set>
gguf_file write(std::string const& path, std::vector<written_tensor> const& tensors, Set&& set) {
  gguf_writer out(path);
  set(out);
  for (auto const& t : tensors) out.declare(t.name, t.type, t.shape);
  for (auto const& t : tensors) {
    auto bytes = numbered(t);
    auto half = bytes.size() / 2;
    out.append(std::span(bytes).first(half));
    out.append(std::span(bytes).subspan(half));
  }
  out.commit();
  return gguf_file::open(path);
}

void llama(gguf_writer& out) {
  out.set("general.architecture", "llama");
  out.set("llama.embedding_length", std::uint32_t{8});
  out.set("llama.block_count", std::uint32_t{1});
  out.set("llama.feed_forward_length", std::uint32_t{16});
  out.set("llama.attention.head_count", std::uint32_t{2});
  out.set("llama.attention.head_count_kv", std::uint32_t{1});
  out.set("llama.context_length", std::uint64_t{64});
  out.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  out.set("llama.rope.freq_base", 1e5f);
  out.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "c"});
}

float number_at(medmo::tensor_ref const& t, std::size_t i) {
  float x;
  std::memcpy(&x, t.bytes.data() + 4 * i, 4);
  return x;
}

TEST_CASE("gguf writer: what is written is read") {
  bad_input::folder dir;
  std::vector<written_tensor> const tensors{{"one", {3}}, {"none", {0, 4}}, {"blocks", {2, 64}, dtype::q5_1}, {"scalar", {}}};
  auto f = write(dir.file("x.gguf"), tensors, [](gguf_writer& out) {
    out.set("text", "words");
    out.set("number", -7);
    out.set("big", std::uint64_t{1} << 40);
    out.set("on", true);
    out.set("half", 0.5f);
    out.set("list", std::vector<float>{1, 2});
    out.set("words", std::vector<std::string>{"", "two"});
  });
  auto const& m = f.metadata();
  CHECK(m.text("text") == "words");
  CHECK(m.integer("number") == -7);
  CHECK(m.integer("big") == index{1} << 40);
  CHECK(m.boolean("on") == true);
  CHECK(m.number("half") == 0.5);
  CHECK(m.numbers("list") == std::vector<double>{1, 2});
  CHECK(m.texts("words") == std::vector<std::string_view>{"", "two"});
  for (auto const& t : tensors) {
    CAPTURE(t.name);
    auto found = f.find(t.name);
    REQUIRE(found);
    CHECK(found->type == t.type);
    CHECK(found->shape == t.shape);
    auto expected = numbered(t);
    CHECK(std::equal(found->bytes.begin(), found->bytes.end(), expected.begin(), expected.end()));
  }
  // a value is handed on as it stands
  auto copy = write(dir.file("y.gguf"), {}, [&](gguf_writer& out) {
    for (auto const& key : m.keys()) out.set(key, *m.value(key));
  });
  CHECK(copy.metadata().texts("words") == m.texts("words"));
  CHECK(copy.metadata().number("half") == 0.5);
}

TEST_CASE("gguf writer: misuse is an error and leaves no file") {
  bad_input::folder dir;
  auto path = dir.file("x.gguf");
  auto bad = [&](char const* name, auto f) { bad_input::refused(name, errc::bad_argument, "x.gguf", f); };
  bad("a name twice", [&] { gguf_writer w(path); w.declare("a", dtype::f32, {1}); w.declare("a", dtype::f32, {1}); });
  bad("a long name", [&] { gguf_writer(path).declare(std::string(65, 'a'), dtype::f32, {1}); });
  bad("no whole blocks", [&] { gguf_writer(path).declare("a", dtype::q8_0, {2, 31}); });
  bad("five dimensions", [&] { gguf_writer(path).declare("a", dtype::f32, {1, 1, 1, 1, 1}); });
  bad("a negative size", [&] { gguf_writer(path).declare("a", dtype::f32, {-1}); });
  bad("a type that GGUF has not", [&] { gguf_writer(path).declare("a", dtype::boolean, {1}); });
  bad("a key twice", [&] { gguf_writer w(path); w.set("k", 1); w.set("k", 2); });
  bad("too few bytes", [&] { gguf_writer w(path); w.declare("a", dtype::f32, {1}); w.commit(); });
  bad("too many bytes", [&] {
    gguf_writer w(path);
    w.declare("a", dtype::i8, {1});
    std::byte two[2] = {};
    w.append(two);
  });
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("gguf checkpoint: llama's rotary pairs are put back, quantised rows too; the configuration") {
  bad_input::folder dir;
  std::vector<written_tensor> tensors{{"token_embd.weight", {3, 8}},         {"blk.0.attn_q.weight", {8, 8}},
                                      {"blk.0.attn_q.bias", {8}},            {"blk.0.attn_k.weight", {4, 32}, dtype::q8_0},
                                      {"blk.0.attn_v.weight", {4, 8}},       {"output.weight", {3, 8}},
                                      {"blk.0.something_new.weight", {1, 1}}};
  auto c = gguf_checkpoint::open(write(dir.file("x.gguf"), tensors, llama));
  auto q = c.find("model.layers.0.self_attn.q_proj.weight"), bias = c.find("model.layers.0.self_attn.q_proj.bias");
  auto k = c.find("model.layers.0.self_attn.k_proj.weight"), v = c.find("model.layers.0.self_attn.v_proj.weight");
  REQUIRE((q && bias && k && v));
  index const from[] = {0, 2, 1, 3, 4, 6, 5, 7};  // heads of 4 rows: pairs (0,1), (2,3) are rows (0,2), (1,3)
  for (std::size_t r = 0; r < 8; ++r) {
    CHECK(number_at(*q, 8 * r) == static_cast<float>(8 * from[r]));
    CHECK(number_at(*bias, r) == static_cast<float>(from[r]));
  }
  auto const rows = numbered(tensors[3]);
  for (std::size_t r = 0; r < 4; ++r)
    CHECK(std::memcmp(k->bytes.data() + 34 * r, rows.data() + 34 * static_cast<std::size_t>(from[r]), 34) == 0);
  CHECK(number_at(*v, 8) == 8.0f);
  CHECK(c.find("lm_head.weight"));
  CHECK(c.find("blk.0.something_new.weight"));  // whoever uses the tensors refuses it by its own name

  auto config = medmo::io::read_gguf_config(c);
  CHECK(config.model_type == "llama");
  CHECK(config.text.hidden_size == 8);
  CHECK(config.text.head_dim == 4);
  CHECK(config.text.vocab_size == 3);
  CHECK(config.text.rms_norm_eps == 1e-5);
  CHECK(config.text.rope_theta == 1e5);
  CHECK(config.text.attention_bias);
  CHECK(!config.tie_word_embeddings);
  CHECK(config.spelled.at("hidden_size") == "llama.embedding_length");
}

TEST_CASE("gguf checkpoint: what cannot be put in order is refused") {
  bad_input::folder dir;
  auto refused = [&](char const* name, errc code, char const* said, std::vector<written_tensor> const& tensors, auto set) {
    bad_input::refused(name, code, said, [&] {
      auto c = gguf_checkpoint::open(write(dir.file("x.gguf"), tensors, set));
      medmo::io::read_gguf_config(c);
    });
  };
  auto with = [](auto more) { return [=](gguf_writer& out) { llama(out); more(out); }; };
  auto none = [](gguf_writer&) {};
  refused("no architecture", errc::unsupported, "general.architecture", {}, none);
  refused("another architecture", errc::unsupported, "llama or qwen3 or qwen3vl", {}, [](gguf_writer& o) { o.set("general.architecture", "mamba"); });
  refused("an odd head", errc::bad_format, "whole heads", {{"blk.0.attn_q.weight", {6, 2}}}, llama);
  refused("half a head", errc::bad_format, "whole heads", {{"blk.0.attn_q.weight", {7, 2}}}, llama);
  refused("a scalar for q", errc::bad_format, "whole heads", {{"blk.0.attn_q.weight", {}}}, llama);
  refused("no rows", errc::bad_format, "whole heads", {{"blk.0.attn_k.weight", {0, 2}}}, llama);
  refused("no sizes", errc::bad_config, "llama.embedding_length", {}, [](gguf_writer& o) { o.set("general.architecture", "llama"); });
  refused("a scaled rotation", errc::unsupported, "rope.scaling.type", {}, with([](gguf_writer& o) { o.set("llama.rope.scaling.type", "yarn"); }));
  refused("a scaled rotation by factor", errc::unsupported, "rope.scaling.factor", {}, with([](gguf_writer& o) { o.set("llama.rope.scaling.factor", 2.0f); }));
  refused("a part of the head rotated", errc::unsupported, "rope.dimension_count", {}, with([](gguf_writer& o) { o.set("llama.rope.dimension_count", 2); }));
  refused("another size of values", errc::unsupported, "attention.value_length", {}, with([](gguf_writer& o) { o.set("llama.attention.value_length", 2); }));
}

TEST_CASE("gguf names: there and back, towers and DeepStack included") {
  medmo::io::gguf_naming naming{.text = "model.language_model.", .deepstack = {5, 11}};
  struct pair { char const *gguf, *checkpoint; };
  for (auto const& p : {pair{"token_embd.weight", "model.language_model.embed_tokens.weight"},
                        pair{"output_norm.weight", "model.language_model.norm.weight"},
                        pair{"output.weight", "lm_head.weight"},
                        pair{"blk.12.attn_q_norm.weight", "model.language_model.layers.12.self_attn.q_norm.weight"},
                        pair{"blk.0.attn_output.weight", "model.language_model.layers.0.self_attn.o_proj.weight"},
                        pair{"blk.0.ffn_norm.weight", "model.language_model.layers.0.post_attention_layernorm.weight"},
                        pair{"v.patch_embd.weight", "model.visual.patch_embed.proj.weight"},
                        pair{"v.position_embd.weight", "model.visual.pos_embed.weight"},
                        pair{"v.blk.3.attn_qkv.bias", "model.visual.blocks.3.attn.qkv.bias"},
                        pair{"v.blk.3.ffn_down.weight", "model.visual.blocks.3.mlp.linear_fc2.weight"},
                        pair{"v.post_ln.bias", "model.visual.merger.norm.bias"},
                        pair{"mm.2.weight", "model.visual.merger.linear_fc2.weight"},
                        pair{"v.deepstack.11.fc1.weight", "model.visual.deepstack_merger_list.1.linear_fc1.weight"}}) {
    CHECK(medmo::io::checkpoint_name(p.gguf, naming) == p.checkpoint);
    CHECK(medmo::io::gguf_name(p.checkpoint, naming) == p.gguf);
  }
  for (char const* unknown : {"", "weight", ".weight", "blk..attn_q.weight", "blk.01.attn_q.weight", "blk.x.attn_q.weight",
                              "blk.99999999999999999999.attn_q.weight", "blk.1.attn_z.weight", "v.deepstack.4.fc1.weight",
                              "v.patch_embd.weight.1", "rope_freqs.weight"}) {
    CAPTURE(unknown);
    CHECK(!medmo::io::checkpoint_name(unknown, naming));
  }
}

}  // namespace
