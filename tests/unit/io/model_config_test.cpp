// config.json: two dialects, what is refused, the comparison with a compiled-in configuration, and what is written.
#include "medmo/io/model_config.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bad_input.hpp"
#include "medmo/check_config.hpp"
#include "medmo/write_config.hpp"

using medmo::errc;
namespace io = medmo::io;
using io::json;

namespace {

io::model_config_file read(json const& j) { return io::model_config_of(j, "config.json"); }

/// Values of Qwen3-VL-4B in the dialect of transformers 4.57.
json old_4b() {
  return json::parse(R"({
    "architectures": ["Qwen3VLForConditionalGeneration"], "model_type": "qwen3_vl", "torch_dtype": "bfloat16",
    "image_token_id": 151655, "video_token_id": 151656, "vision_start_token_id": 151652, "vision_end_token_id": 151653,
    "tie_word_embeddings": true,
    "text_config": {"model_type": "qwen3_vl_text", "attention_bias": false, "head_dim": 128, "hidden_act": "silu",
      "hidden_size": 2560, "intermediate_size": 9728, "max_position_embeddings": 262144, "num_attention_heads": 32,
      "num_hidden_layers": 36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_theta": 5000000,
      "rope_scaling": {"mrope_interleaved": true, "mrope_section": [24, 20, 20], "rope_type": "default"},
      "tie_word_embeddings": true, "vocab_size": 151936},
    "vision_config": {"model_type": "qwen3_vl", "deepstack_visual_indexes": [5, 11, 17], "depth": 24,
      "hidden_act": "gelu_pytorch_tanh", "hidden_size": 1024, "in_channels": 3, "intermediate_size": 4096, "num_heads": 16,
      "num_position_embeddings": 2304, "out_hidden_size": 2560, "patch_size": 16, "spatial_merge_size": 2,
      "temporal_patch_size": 2}})");
}

/// The same in the dialect of transformers 5.
json new_4b() {
  auto j = old_4b();
  auto& t = j["text_config"];
  t["rope_parameters"] = t["rope_scaling"];
  t["rope_parameters"]["rope_theta"] = 5e6;
  t.erase("rope_scaling");
  t.erase("rope_theta");
  t.erase("tie_word_embeddings");
  j["vision_config"]["model_type"] = "qwen3_vl_vision";
  j["vision_config"]["rope_parameters"] = {{"rope_theta", 10000.0}, {"rope_type", "axial"}};
  j["dtype"] = "bfloat16";
  j.erase("torch_dtype");
  return j;
}

/// A text-only decoder, fields at top level.
json llama() {
  return json::parse(R"({"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "rope_theta": 100000, "rope_scaling": null,
    "rms_norm_eps": 1e-05, "max_position_embeddings": 8192, "tie_word_embeddings": true, "torch_dtype": "bfloat16"})");
}

struct smollm2 {
  static constexpr std::string_view name = "smollm2";
  static constexpr medmo::text_config text{.vocab = 49152, .hidden = 576, .intermediate = 1536, .layers = 30, .heads = 9,
                                           .kv_heads = 3, .head_dim = 64, .rope = medmo::rope_kind::plain,
                                           .rope_theta = 1e5, .rms_norm_eps = 1e-5, .qk_norm = false,
                                           .max_positions = 8192};
  static constexpr medmo::token_config tokens{.endoftext = 0, .im_start = 1, .im_end = 2};
};
struct qwen3_small {
  static constexpr std::string_view name = "qwen3_small";
  static constexpr medmo::text_config text{.vocab = 100, .hidden = 64, .intermediate = 96, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 32, .rope = medmo::rope_kind::plain,
                                           .rope_theta = 1e6, .attention_bias = true, .tied_head = false};
  static constexpr medmo::token_config tokens{};
};

}  // namespace

TEST_CASE("model_config: both dialects say the same") {
  for (auto const& j : {old_4b(), new_4b()}) {
    auto c = read(j);
    CHECK(c.text.rope_theta == 5e6);
    CHECK(c.text.mrope_section == std::vector<medmo::index>{24, 20, 20});
    CHECK(c.text.interleaved_mrope);
    CHECK(c.text.qk_norm);
    CHECK(c.vision->rope_theta == 10000.0);
    CHECK(c.dtype == "bfloat16");
    CHECK(c.tie_word_embeddings);
    CHECK(medmo::matches_config<medmo::medmo_4b>(c));
    CHECK(!medmo::matches_config<medmo::medmo_8b>(c));
    CHECK(!medmo::matches_config<medmo::medmo_nano>(c));
    CHECK(!medmo::matches_config<smollm2>(c));
  }
}

TEST_CASE("model_config: files written by transformers 5.23 are read") {
  for (auto const* name : {"base", "full_kv", "odd_tails", "one_kv", "other_base", "three_levels", "wide_head"}) {
    auto c = io::read_model_config(std::string(MEDMO_TEST_DATA "/parity/") + name + "/config.json");
    CHECK(c.vision->out_hidden_size == c.text.hidden_size);
    CHECK(c.defaulted.empty());
  }
}

TEST_CASE("model_config: a tied head is what the top level says, else text_config, else false") {
  struct {
    json top, text;
    bool tied;
  } const cases[] = {{true, true, true},   {true, false, true},    {true, nullptr, true},
                     {false, true, false}, {false, false, false},  {false, nullptr, false},
                     {nullptr, true, true}, {nullptr, false, false}, {nullptr, nullptr, false}};
  for (auto const& c : cases) {
    auto j = old_4b();
    j["tie_word_embeddings"] = c.top;
    j["text_config"]["tie_word_embeddings"] = c.text;
    CHECK(read(j).tie_word_embeddings == c.tied);
  }
}

TEST_CASE("model_config: a text-only decoder, and transformers' defaults where the file is silent") {
  auto c = read(llama());
  CHECK(c.text.head_dim == 64);
  CHECK(c.defaulted.contains("head_dim"));
  CHECK(!c.text.qk_norm);
  CHECK(!c.vision);
  CHECK(medmo::matches_config<smollm2>(c));
  auto j = llama();
  j.erase("num_key_value_heads");
  CHECK(read(j).text.num_key_value_heads == 9);
  auto d = medmo::compare_config<smollm2>(read(j));
  REQUIRE(d);
  CHECK(d->found == "9 (the default where the file has none)");
  j = new_4b();
  j["vision_config"]["patch_size"] = {16, 16};
  CHECK(medmo::matches_config<medmo::medmo_4b>(read(j)));
}

TEST_CASE("model_config: bad files are refused by field") {
  struct {
    char const* name;
    char const* pointer;  ///< the field to set; to remove for value null
    json value;
    errc code;
    char const* part;
  } const cases[] = {
      {"another model", "/model_type", "mistral", errc::unsupported, "model_type: expected \"qwen3_vl\" or"},
      {"no model type", "/model_type", nullptr, errc::unsupported, "model_type: expected \"qwen3_vl\""},
      {"a model type that is a number", "/model_type", 3, errc::bad_json, "model_type: expected a string, found 3"},
      {"no text_config", "/text_config", nullptr, errc::bad_config, "text_config: expected an object, found none"},
      {"no vision_config", "/vision_config", nullptr, errc::bad_config, "vision_config: expected an object"},
      {"a text_config that is a list", "/text_config", json::array(), errc::bad_json, "text_config: expected an object, found []"},
      {"no hidden size", "/text_config/hidden_size", nullptr, errc::bad_config, "text_config.hidden_size: expected an integer, found none"},
      {"a size that is a string", "/text_config/hidden_size", "2560", errc::bad_json, "text_config.hidden_size: expected an integer, found \"2560\""},
      {"a size with a fraction", "/text_config/num_hidden_layers", 36.5, errc::bad_json, "num_hidden_layers: expected an integer, found 36.5"},
      {"an eps that is a string", "/text_config/rms_norm_eps", "1e-6", errc::bad_json, "rms_norm_eps: expected a number"},
      {"a tie flag that is a number", "/tie_word_embeddings", 1, errc::bad_json, "tie_word_embeddings: expected true or false"},
      {"YaRN", "/text_config/rope_scaling/rope_type", "yarn", errc::unsupported, "text_config.rope_scaling.rope_type: expected \"default\", found \"yarn\""},
      {"YaRN in an older spelling", "/text_config/rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}, errc::unsupported, "rope_scaling.type"},
      {"sections in a row", "/text_config/rope_scaling/mrope_interleaved", false, errc::unsupported, "mrope_interleaved: expected true"},
      {"sections that are strings", "/text_config/rope_scaling/mrope_section", {"a"}, errc::bad_json, "mrope_section: expected a list of integers"},
      {"a rotation for each kind of layer", "/text_config/rope_scaling/full_attention", {{"rope_type", "default"}}, errc::unsupported, "one rotation for all layers"},
      {"a partial rotation", "/text_config/partial_rotary_factor", 0.5, errc::unsupported, "partial_rotary_factor: expected 1"},
      {"another activation", "/text_config/hidden_act", "gelu", errc::unsupported, "text_config.hidden_act: expected \"silu\", found \"gelu\""},
      {"another vision activation", "/vision_config/hidden_act", "quick_gelu", errc::unsupported, "vision_config.hidden_act: expected \"gelu_pytorch_tanh\""},
      {"another vision tower", "/vision_config/model_type", "clip_vision_model", errc::unsupported, "vision_config.model_type"},
      {"another text model", "/text_config/model_type", "llama", errc::unsupported, "text_config.model_type"},
      {"a window of attention", "/text_config/use_sliding_window", true, errc::unsupported, "use_sliding_window: expected false"},
      {"a bias in the MLP", "/text_config/mlp_bias", true, errc::unsupported, "mlp_bias: expected false"},
      {"quantised weights", "/quantization_config", {{"quant_method", "awq"}}, errc::unsupported, "quantization_config"},
      {"oblong patches", "/vision_config/patch_size", {16, 14}, errc::unsupported, "vision_config.patch_size: expected equal sides"},
      {"a patch of no sides", "/vision_config/patch_size", json::array(), errc::bad_json, "vision_config.patch_size"},
      {"a token id that is a string", "/image_token_id", "<|image_pad|>", errc::bad_json, "image_token_id: expected an integer"},
      {"an id beyond 64 bits", "/image_token_id", 18446744073709551615u, errc::bad_json, "image_token_id: expected an integer"},
  };
  for (auto const& bad : cases) {
    auto j = old_4b();
    json::json_pointer at(bad.pointer);
    j[at] = bad.value;
    bad_input::refused(bad.name, bad.code, bad.part, [&] { read(j); });
    bad_input::refused(bad.name, bad.code, "config.json", [&] { read(j); });
  }
  auto j = llama();
  j["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", 8.0}};
  bad_input::refused("llama3 rotation", errc::unsupported, "rope_scaling.rope_type: expected \"default\", found \"llama3\"", [&] { read(j); });
  j = llama();
  j["vision_config"] = json::object();
  bad_input::refused("a vision tower beside llama", errc::unsupported, "vision_config", [&] { read(j); });
  bad_input::refused("a list", errc::bad_json, "an object", [] { read(json::array()); });
}

TEST_CASE("check_config: each field that differs is named with both values") {
  struct {
    char const* pointer;
    json value;
    char const* what;
  } const cases[] = {
      {"/text_config/hidden_size", 4096, "config.json: text_config.hidden_size: expected 2560 (medmo_4b), found 4096"},
      {"/text_config/num_hidden_layers", 35, "text_config.num_hidden_layers: expected 36 (medmo_4b), found 35"},
      {"/text_config/vocab_size", 151937, "text_config.vocab_size: expected 151936"},
      {"/text_config/intermediate_size", -1, "text_config.intermediate_size: expected 9728 (medmo_4b), found -1"},
      {"/text_config/num_attention_heads", 16, "text_config.num_attention_heads: expected 32"},
      {"/text_config/num_key_value_heads", 4, "text_config.num_key_value_heads: expected 8"},
      {"/text_config/head_dim", 64, "text_config.head_dim: expected 128"},
      {"/text_config/rms_norm_eps", 1e-5, "text_config.rms_norm_eps: expected 1e-06 (medmo_4b), found 1e-05"},
      {"/text_config/attention_bias", true, "text_config.attention_bias: expected false (medmo_4b), found true"},
      {"/text_config/max_position_embeddings", 4096, "text_config.max_position_embeddings: expected 262144"},
      {"/text_config/rope_theta", 1e6, "text_config.rope_theta: expected 5e+06 (medmo_4b), found 1e+06"},
      {"/text_config/rope_scaling/mrope_section", {24, 20, 21}, "text_config.rope_scaling.mrope_section: expected [24, 20, 20] (medmo_4b), found [24, 20, 21]"},
      {"/text_config/rope_scaling/mrope_section", {24, 20}, "found [24, 20]"},
      {"/tie_word_embeddings", false, "tie_word_embeddings: expected true (medmo_4b), found false"},
      {"/vision_config/depth", 27, "vision_config.depth: expected 24"},
      {"/vision_config/hidden_size", 1152, "vision_config.hidden_size: expected 1024"},
      {"/vision_config/num_heads", 8, "vision_config.num_heads: expected 16"},
      {"/vision_config/intermediate_size", 4304, "vision_config.intermediate_size: expected 4096"},
      {"/vision_config/out_hidden_size", 4096, "vision_config.out_hidden_size: expected 2560"},
      {"/vision_config/deepstack_visual_indexes", {5, 11}, "vision_config.deepstack_visual_indexes: expected [5, 11, 17] (medmo_4b), found [5, 11]"},
      {"/vision_config/patch_size", 14, "vision_config.patch_size: expected 16"},
      {"/vision_config/spatial_merge_size", 4, "vision_config.spatial_merge_size: expected 2"},
      {"/vision_config/temporal_patch_size", 1, "vision_config.temporal_patch_size: expected 2"},
      {"/vision_config/in_channels", 1, "vision_config.in_channels: expected 3"},
      {"/vision_config/num_position_embeddings", 4096, "vision_config.num_position_embeddings: expected 2304"},
      {"/vision_config/rope_theta", 500.0, "vision_config.rope_theta: expected 10000"},
      {"/image_token_id", 9, "image_token_id: expected 151655"},
      {"/video_token_id", 9, "video_token_id: expected 151656"},
      {"/vision_start_token_id", 9, "vision_start_token_id: expected 151652"},
      {"/vision_end_token_id", 9, "vision_end_token_id: expected 151653"},
  };
  for (auto const& bad : cases) {
    auto j = old_4b();
    j[json::json_pointer(bad.pointer)] = bad.value;
    auto c = read(j);
    CHECK(!medmo::matches_config<medmo::medmo_4b>(c));
    bad_input::refused(bad.pointer, errc::bad_config, bad.what, [&] { medmo::check_config<medmo::medmo_4b>(c); });
  }
  auto c = read(old_4b());
  CHECK_NOTHROW(medmo::check_config<medmo::medmo_4b>(c));
  bad_input::refused("a vision model into a text one", errc::bad_config, "vision_config: expected none",
                     [&] { medmo::check_config<smollm2>(c); });
  auto text_only = read(llama());
  bad_input::refused("a text model into a vision one", errc::bad_config, "expected", [&] { medmo::check_config<medmo::medmo_4b>(text_only); });
  auto j = llama();
  j["model_type"] = "qwen3";
  j["head_dim"] = 64;
  bad_input::refused("QK norm", errc::bad_config, "model_type: expected plain rotation without QK norm (smollm2), found qwen3",
                     [&] { medmo::check_config<smollm2>(read(j)); });
}

TEST_CASE_TEMPLATE("config_json: what is written is read back as its own", C, medmo::medmo_4b, medmo::medmo_8b, medmo::medmo_nano,
                   smollm2, qwen3_small) {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16, medmo::dtype::f16}) {
    auto j = json::parse(medmo::config_json<C>(type));
    auto c = read(j);
    CHECK_NOTHROW(medmo::check_config<C>(c));
    CHECK(c.defaulted.empty());
    CHECK(c.dtype == (type == medmo::dtype::f32 ? "float32" : type == medmo::dtype::bf16 ? "bfloat16" : "float16"));
  }
  bad_input::refused("a dtype of no model", errc::unsupported, "I8", [] { medmo::config_json<C>(medmo::dtype::i8); });
}

TEST_CASE("model_config: thousands of damaged files end in an error or in a configuration") {
  auto good = old_4b().dump();
  int read_well = 0, refused = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    auto content = bad_input::damaged(good, i);
    try {
      auto c = io::model_config_of(io::parse_json(bad_input::bytes_of(content), "config.json"), "config.json");
      (void)medmo::compare_config<medmo::medmo_4b>(c);
      ++read_well;
    } catch (medmo::error const&) {
      ++refused;
    }
  }
  CHECK(read_well > 50);
  CHECK(refused > 1000);
}
