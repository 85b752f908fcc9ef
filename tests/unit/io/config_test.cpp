// config.json, generation_config.json and the processor's files: dialects, what differs from a compiled-in configuration,
// and tables of files that must be refused.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bad_input.hpp"
#include "medmo/check_config.hpp"
#include "medmo/io/generation_config.hpp"
#include "medmo/io/model_config.hpp"
#include "medmo/io/preprocessor_config.hpp"
#include "medmo/write_config.hpp"

using medmo::dtype;
using medmo::errc;
namespace io = medmo::io;

namespace {

/// tests/data/parity/base/config.json, written by transformers 5.23.
struct base {
  static constexpr std::string_view name = "base";
  static constexpr medmo::text_config text{.vocab = 320, .hidden = 48, .intermediate = 72, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 16, .mrope_section = {4, 2, 2},
                                           .max_positions = 4096};
  static constexpr medmo::vision_config vision{.depth = 3, .hidden = 24, .heads = 1, .intermediate = 52,
                                               .out_hidden = 48, .deepstack = {0, 1}, .position_table = 16};
  static constexpr medmo::token_config tokens{.vision_start = 315, .vision_end = 316, .image_pad = 318, .video_pad = 319};
};
/// A text-only decoder without QK norm.
struct small_llama {
  static constexpr std::string_view name = "small_llama";
  static constexpr medmo::text_config text{.vocab = 128, .hidden = 64, .intermediate = 96, .layers = 2, .heads = 4,
                                           .kv_heads = 2, .head_dim = 16, .rope = medmo::rope_kind::plain,
                                           .rope_theta = 1e5, .rms_norm_eps = 1e-5, .qk_norm = false,
                                           .tied_head = true, .max_positions = 2048};
  static constexpr medmo::token_config tokens{.endoftext = 1, .im_start = 2, .im_end = 3};
};

io::json base_json() { return io::read_json(MEDMO_TEST_DATA "/parity/base/config.json"); }

template <class C>
std::string difference(io::json const& document) {
  auto d = medmo::compare_config<C>(io::model_config_of(document, "config.json"));
  return d ? d->field + ": " + d->expected + ", " + d->found : "";
}

/// The document with the value at a JSON pointer replaced; null takes it away.
io::json with(io::json document, char const* pointer, io::json const& value) {
  document[io::json::json_pointer(pointer)] = value;
  return document;
}

}  // namespace

TEST_CASE("config: what transformers 5.23 writes is read, and equals the configuration it was made from") {
  auto file = io::read_model_config(MEDMO_TEST_DATA "/parity/base/config.json");
  CHECK(file.model_type == "qwen3_vl");
  CHECK(file.dtype == "float32");
  CHECK(file.text.mrope_section == std::vector<medmo::index>{4, 2, 2});
  CHECK(file.vision->deepstack_visual_indexes == std::vector<medmo::index>{0, 1});
  CHECK(file.defaulted.empty());
  CHECK(medmo::matches_config<base>(file));
  CHECK(!medmo::matches_config<medmo::medmo_4b>(file));
  medmo::check_config<base>(file);
  bad_input::refused("4B", errc::bad_config, "config.json: text_config.hidden_size: expected 2560 (medmo_4b), found 48",
                     [&] { medmo::check_config<medmo::medmo_4b>(file); });
}

TEST_CASE("config: the older dialect means the same") {
  auto document = base_json();
  auto& text = document["text_config"];
  text.erase("rope_parameters");
  text["rope_theta"] = 5000000;
  text["rope_scaling"] = {{"type", "default"}, {"mrope_section", {4, 2, 2}}, {"mrope_interleaved", true}};
  document["vision_config"].erase("rope_parameters");
  document["vision_config"]["model_type"] = "qwen3_vl";
  document["torch_dtype"] = "bfloat16";
  document.erase("dtype");
  CHECK(difference<base>(document).empty());
  CHECK(io::model_config_of(document, "config.json").dtype == "bfloat16");
}

TEST_CASE("config: the tie flag at top level goes before text_config's, absent means untied") {
  struct {
    io::json top, text;
    bool tied;
  } const cases[] = {{true, true, true},   {true, false, true},     {false, true, false},  {true, nullptr, true},
                     {nullptr, true, true}, {nullptr, false, false}, {nullptr, nullptr, false}};
  for (auto const& c : cases) {
    auto document = with(with(base_json(), "/tie_word_embeddings", c.top), "/text_config/tie_word_embeddings", c.text);
    INFO("top ", c.top.dump(), " text ", c.text.dump());
    CHECK(io::model_config_of(document, "config.json").tie_word_embeddings == c.tied);
  }
}

TEST_CASE("config: what is written is read back, for every compiled-in configuration") {
  auto same = [](auto configuration, dtype type) {
    using C = decltype(configuration);
    auto text = medmo::config_json<C>(type);
    auto document = io::parse_json(bad_input::bytes_of(text), "config.json");
    auto file = io::model_config_of(document, "config.json");
    INFO(std::string(C::name));
    CHECK(difference<C>(document).empty());
    CHECK(file.defaulted.empty());
    return file;
  };
  CHECK(same(medmo::medmo_4b{}, dtype::bf16).dtype == "bfloat16");
  CHECK(same(medmo::medmo_8b{}, dtype::bf16).tie_word_embeddings == false);
  CHECK(same(medmo::medmo_nano{}, dtype::f32).dtype == "float32");
  CHECK(same(small_llama{}, dtype::f32).model_type == "llama");
  bad_input::refused("a type of integers", errc::unsupported, "F32, BF16 or F16", [] { medmo::config_json<base>(dtype::i8); });
}

TEST_CASE("config: every field that differs from the compiled-in configuration is found and named") {
  struct {
    char const* pointer;
    io::json value;
    char const* difference;
  } const cases[] = {
      {"/text_config/vocab_size", 321, "text_config.vocab_size: 320, 321"},
      {"/text_config/hidden_size", 64, "text_config.hidden_size: 48, 64"},
      {"/text_config/intermediate_size", 73, "text_config.intermediate_size: 72, 73"},
      {"/text_config/num_hidden_layers", 3, "text_config.num_hidden_layers: 2, 3"},
      {"/text_config/num_attention_heads", 8, "text_config.num_attention_heads: 4, 8"},
      {"/text_config/num_key_value_heads", 4, "text_config.num_key_value_heads: 2, 4"},
      {"/text_config/head_dim", 32, "text_config.head_dim: 16, 32"},
      {"/text_config/head_dim", nullptr, "text_config.head_dim: 16, 128 (the default where the file has none)"},
      {"/text_config/rms_norm_eps", 1e-5, "text_config.rms_norm_eps: 1e-06, 1e-05"},
      {"/text_config/attention_bias", true, "text_config.attention_bias: false, true"},
      {"/text_config/max_position_embeddings", 8192, "text_config.max_position_embeddings: 4096, 8192"},
      {"/text_config/rope_parameters/rope_theta", 10000.0, "text_config.rope_parameters.rope_theta: 5e+06, 10000"},
      {"/text_config/rope_parameters/rope_theta", nullptr, "rope_theta: 5e+06, 5e+05 (the default where the file has none)"},
      {"/text_config/rope_parameters/mrope_section", {2, 3, 3}, "rope_parameters.mrope_section: [4, 2, 2], [2, 3, 3]"},
      {"/text_config/rope_parameters/mrope_section", {8}, "mrope_section: [4, 2, 2], [8]"},
      {"/tie_word_embeddings", false, "tie_word_embeddings: true, false"},
      {"/vision_config/depth", 4, "vision_config.depth: 3, 4"},
      {"/vision_config/hidden_size", 48, "vision_config.hidden_size: 24, 48"},
      {"/vision_config/num_heads", 2, "vision_config.num_heads: 1, 2"},
      {"/vision_config/intermediate_size", 53, "vision_config.intermediate_size: 52, 53"},
      {"/vision_config/out_hidden_size", 24, "vision_config.out_hidden_size: 48, 24"},
      {"/vision_config/deepstack_visual_indexes", {0, 2}, "vision_config.deepstack_visual_indexes: [0, 1], [0, 2]"},
      {"/vision_config/deepstack_visual_indexes", io::json::array(), "deepstack_visual_indexes: [0, 1], []"},
      {"/vision_config/patch_size", 14, "vision_config.patch_size: 16, 14"},
      {"/vision_config/patch_size", {14, 14}, "vision_config.patch_size: 16, 14"},
      {"/vision_config/spatial_merge_size", 1, "vision_config.spatial_merge_size: 2, 1"},
      {"/vision_config/temporal_patch_size", 1, "vision_config.temporal_patch_size: 2, 1"},
      {"/vision_config/in_channels", 1, "vision_config.in_channels: 3, 1"},
      {"/vision_config/num_position_embeddings", 2304, "vision_config.num_position_embeddings: 16, 2304"},
      {"/vision_config/rope_parameters/rope_theta", 5000.0, "rope_theta: 10000, 5000"},
      {"/image_token_id", 317, "image_token_id: 318, 317"},
      {"/video_token_id", 317, "video_token_id: 319, 317"},
      {"/vision_start_token_id", nullptr, "vision_start_token_id: 315, 151652 (the default"},
      {"/vision_end_token_id", 0, "vision_end_token_id: 316, 0"},
  };
  for (auto const& c : cases) {
    auto found = difference<base>(with(base_json(), c.pointer, c.value));
    INFO(std::string(c.pointer), " = ", c.value.dump(), " gives ", found);
    CHECK(found.find(c.difference) != std::string::npos);
  }
}

TEST_CASE("config: a text-only file and a vision-language configuration differ, and the other way round") {
  auto text_only = medmo::config_json<small_llama>(dtype::f32);
  auto document = io::parse_json(bad_input::bytes_of(text_only), "config.json");
  CHECK(!difference<medmo::medmo_nano>(document).empty());
  CHECK(difference<small_llama>(base_json()).find("vision_config: none in a text-only model") == 0);
  CHECK(difference<small_llama>(with(document, "/model_type", "qwen3")).find("model_type: plain rotation without QK norm") == 0);
}

TEST_CASE("config: files that cannot be run are refused by name") {
  struct {
    char const *name, *pointer;
    io::json value;
    errc code;
    char const* part;
  } const cases[] = {
      {"no model_type", "/model_type", nullptr, errc::unsupported, "model_type: expected \"qwen3_vl\""},
      {"another model", "/model_type", "qwen2_5_vl", errc::unsupported, "found \"qwen2_5_vl\""},
      {"experts", "/model_type", "qwen3_vl_moe", errc::unsupported, "found \"qwen3_vl_moe\""},
      {"a model_type that is a number", "/model_type", 3, errc::bad_json, "model_type: expected a string, found 3"},
      {"no text_config", "/text_config", nullptr, errc::bad_config, "text_config: expected an object, found none"},
      {"a text_config that is a list", "/text_config", io::json::array(), errc::bad_json, "text_config: expected an object"},
      {"no vision_config", "/vision_config", nullptr, errc::bad_config, "vision_config: expected an object, found none"},
      {"a vision tower beside a text-only model", "/model_type", "llama", errc::unsupported, "vision_config: expected none"},
      {"another decoder", "/text_config/model_type", "qwen3_next", errc::unsupported, "text_config.model_type"},
      {"another vision tower", "/vision_config/model_type", "siglip", errc::unsupported, "found \"siglip\""},
      {"no hidden size", "/text_config/hidden_size", nullptr, errc::bad_config, "hidden_size: expected an integer, found none"},
      {"a hidden size that is a string", "/text_config/hidden_size", "48", errc::bad_json, "hidden_size: expected an integer"},
      {"a hidden size with a fraction", "/text_config/hidden_size", 48.5, errc::bad_json, "found 48.5"},
      {"a size beyond 2^63", "/text_config/vocab_size", 9223372036854775808u, errc::bad_json, "vocab_size: expected an integer"},
      {"an epsilon that is a string", "/text_config/rms_norm_eps", "1e-6", errc::bad_json, "rms_norm_eps: expected a number"},
      {"a flag that is a number", "/tie_word_embeddings", 1, errc::bad_json, "tie_word_embeddings: expected true or false"},
      {"YaRN", "/text_config/rope_parameters/rope_type", "yarn", errc::unsupported, "rope_type: expected \"default\", found \"yarn\""},
      {"YaRN in the older dialect", "/text_config/rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}, errc::unsupported,
       "rope_scaling.type: expected \"default\", found \"yarn\""},
      {"linear scaling", "/text_config/rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}, errc::unsupported, "\"linear\""},
      {"a rotation for each kind of layer", "/text_config/rope_parameters", {{"full_attention", {{"rope_theta", 1e4}}}},
       errc::unsupported, "one rotation for all layers"},
      {"half a rotation", "/text_config/rope_parameters/partial_rotary_factor", 0.5, errc::unsupported, "partial_rotary_factor"},
      {"sectioned M-RoPE", "/text_config/rope_parameters/mrope_interleaved", false, errc::unsupported, "mrope_interleaved: expected true"},
      {"an M-RoPE section that is a string", "/text_config/rope_parameters/mrope_section", "4,2,2", errc::bad_json,
       "mrope_section: expected a list of integers"},
      {"another activation", "/text_config/hidden_act", "gelu", errc::unsupported, "hidden_act: expected \"silu\", found \"gelu\""},
      {"another activation of the vision tower", "/vision_config/hidden_act", "quick_gelu", errc::unsupported, "gelu_pytorch_tanh"},
      {"a sliding window", "/text_config/use_sliding_window", true, errc::unsupported, "use_sliding_window"},
      {"quantised weights", "/quantization_config", {{"quant_method", "awq"}}, errc::unsupported, "quantization_config"},
      {"patches that are not square", "/vision_config/patch_size", {14, 16}, errc::unsupported, "equal sides"},
      {"patches of no size", "/vision_config/patch_size", io::json::array(), errc::bad_json, "patch_size"},
      {"DeepStack that is a number", "/vision_config/deepstack_visual_indexes", 5, errc::bad_json, "a list of integers"},
      {"DeepStack of strings", "/vision_config/deepstack_visual_indexes", {"5"}, errc::bad_json, "a list of integers"},
      {"an id that is a string", "/image_token_id", "318", errc::bad_json, "image_token_id: expected an integer"},
  };
  for (auto const& c : cases)
    bad_input::refused(c.name, c.code, c.part, [&] { io::model_config_of(with(base_json(), c.pointer, c.value), "config.json"); });
}

TEST_CASE("JSON: what is not, is refused by name") {
  struct {
    char const* name;
    std::string content;
    char const* part;
  } const cases[] = {
      {"nothing", "", "found nothing"},
      {"a brace", "{", "a fault at byte"},
      {"two documents", "{}{}", "a fault at byte"},
      {"a comment", "{} // no", "a fault at byte"},
      {"a comma too many", "{\"a\":1,}", "a fault at byte"},
      {"single quotes", "{'a':1}", "a fault at byte"},
      {"NaN", "{\"a\":NaN}", "a fault at byte"},
      {"a number beyond a double", "{\"a\":1e999}", "a fault at byte"},
      {"a number of 400 digits", "{\"a\":" + std::string(400, '9') + "}", "a fault at byte"},
      {"a number with a leading zero", "{\"a\":007}", "a fault at byte"},
      {"a string without an end", "{\"a", "a fault at byte"},
      {"half a surrogate pair", "{\"a\":\"\\ud800\"}", "a fault at byte"},
      {"bytes that are not UTF-8", "{\"a\":\"\xc0\xaf\"}", "a fault at byte"},
      {"a control character in a string", "{\"a\":\"\x01\"}", "a fault at byte"},
      {"a NUL at the end", std::string("{}\0", 3), "a NUL at byte 3"},
      {"65 levels", std::string(65, '[') + std::string(65, ']'), "nesting of more than 64"},
      {"a million levels", std::string(1'000'000, '['), "nesting of more than 64"},
      {"a million levels of objects", [] {
         std::string s;
         for (int i = 0; i < 1'000'000; ++i) s += "{\"\":";
         return s;
       }(), "nesting of more than 64"},
      {"a field twice", "{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", "\"c\" twice"},
  };
  for (auto const& c : cases)
    bad_input::refused(c.name, errc::bad_json, c.part, [&] { io::parse_json(bad_input::bytes_of(c.content), "a.json"); });
  std::string deep = std::string(64, '[') + std::string(64, ']');
  CHECK(io::parse_json(bad_input::bytes_of(deep), "a.json").is_array());
  bad_input::folder folder;
  bad_input::refused("no file", errc::file_access, "none.json", [&] { io::read_json(folder.file("none.json")); });
  auto large = folder.write("large.json", "");
  std::filesystem::resize_file(large, io::json_file_limit + 1);
  bad_input::refused("65 MiB", errc::too_large, "at most 67108864 bytes", [&] { io::read_json(large); });
}

TEST_CASE("generation_config: values, one id or a list, unknown fields by name") {
  auto read = [](std::string const& text) {
    return io::generation_config_of(io::parse_json(bad_input::bytes_of(text), "g.json"), "g.json");
  };
  auto g = read(R"({"do_sample":true,"temperature":0.7,"top_p":0.8,"top_k":20,"repetition_penalty":1.0,
                    "eos_token_id":[151645,151643],"pad_token_id":151643,"transformers_version":"4.57.0","min_p":0.1})");
  CHECK(g.do_sample);
  CHECK(g.temperature == 0.7);
  CHECK(g.top_k == 20);
  CHECK(g.eos_token_ids == std::vector<medmo::index>{151645, 151643});
  CHECK(g.pad_token_id == 151643);
  CHECK(g.unknown == std::vector<std::string>{"min_p"});
  CHECK(read(R"({"eos_token_id":7})").eos_token_ids == std::vector<medmo::index>{7});
  CHECK(read("{}").eos_token_ids.empty());
  CHECK(read(R"({"temperature":0.0})").temperature == 1.0);
  auto again = read(io::generation_config_json(g));
  CHECK(again.top_p == g.top_p);
  CHECK(again.eos_token_ids == g.eos_token_ids);

  struct {
    char const *name, *text;
    errc code;
    char const* part;
  } const cases[] = {
      {"a temperature of 0 when sampling", R"({"do_sample":true,"temperature":0})", errc::bad_config, "temperature"},
      {"a negative temperature", R"({"temperature":-1})", errc::bad_config, "temperature"},
      {"a temperature that is a string", R"({"temperature":"hot"})", errc::bad_json, "temperature: expected a number"},
      {"top_p of 0", R"({"top_p":0})", errc::bad_config, "top_p"},
      {"top_p above 1", R"({"top_p":1.5})", errc::bad_config, "top_p: expected a number above 0.0 and at most 1.0, found 1.5"},
      {"a negative top_k", R"({"top_k":-1})", errc::bad_config, "top_k"},
      {"top_k with a fraction", R"({"top_k":20.5})", errc::bad_json, "top_k: expected an integer"},
      {"a repetition penalty of 0", R"({"repetition_penalty":0})", errc::bad_config, "repetition_penalty"},
      {"a negative id", R"({"eos_token_id":-1})", errc::bad_config, "eos_token_id"},
      {"a negative id in a list", R"({"eos_token_id":[1,-1]})", errc::bad_config, "eos_token_id"},
      {"an id that is a string", R"({"eos_token_id":"<|im_end|>"})", errc::bad_json, "eos_token_id: expected an integer"},
      {"a list of strings", R"({"eos_token_id":["a"]})", errc::bad_json, "eos_token_id: expected a list of integers"},
      {"a negative padding", R"({"pad_token_id":-1})", errc::bad_config, "pad_token_id"},
      {"a flag that is a string", R"({"do_sample":"yes"})", errc::bad_json, "do_sample: expected true or false"},
      {"a list", "[]", errc::bad_json, "expected an object"},
  };
  for (auto const& c : cases) bad_input::refused(c.name, c.code, c.part, [&] { read(c.text); });
}

TEST_CASE("preprocessor_config: flat and nested, areas in both dialects, unknown fields by name") {
  auto read = [](std::string const& text) {
    return io::preprocessor_config_of(io::parse_json(bad_input::bytes_of(text), "p.json"), "p.json");
  };
  auto p = read(R"({"image_processor_type":"Qwen2VLImageProcessorFast","size":{"shortest_edge":3136,"longest_edge":12845056},
                    "patch_size":14,"image_mean":[0.1,0.2,0.3],"image_std":[1,2,3],"new_option":1})");
  CHECK(p.min_pixels == 3136);
  CHECK(p.max_pixels == 12845056);
  CHECK(p.patch_size == 14);
  CHECK(p.image_std == std::array<double, 3>{1, 2, 3});
  CHECK(p.unknown == std::vector<std::string>{"new_option"});
  CHECK(read(R"({"min_pixels":4,"max_pixels":8,"size":{"shortest_edge":5,"longest_edge":6}})").max_pixels == 8);
  CHECK(read(R"({"image_processor":{"patch_size":8},"processor_class":"Qwen3VLProcessor"})").patch_size == 8);
  CHECK(read(io::preprocessor_config_json(p)).image_mean == p.image_mean);
  CHECK(read(io::video_preprocessor_config_json(p)).max_pixels == 25165824);

  struct {
    char const *name, *text;
    errc code;
    char const* part;
  } const cases[] = {
      {"another processor", R"({"image_processor_type":"CLIPImageProcessor"})", errc::unsupported, "\"CLIPImageProcessor\""},
      {"patches of 0", R"({"patch_size":0})", errc::bad_config, "patch_size: expected a number >= 1, found 0"},
      {"a negative merge", R"({"merge_size":-2})", errc::bad_config, "merge_size"},
      {"an area of 0", R"({"size":{"shortest_edge":0}})", errc::bad_config, "shortest_edge"},
      {"areas the wrong way round", R"({"size":{"shortest_edge":10,"longest_edge":9}})", errc::bad_config, "10 and 9"},
      {"a size by height and width", R"({"size":{"height":224,"width":224}})", errc::unsupported, "size.height"},
      {"a size that is a number", R"({"size":224})", errc::bad_json, "size: expected an object"},
      {"a mean of two", R"({"image_mean":[0.5,0.5]})", errc::bad_config, "image_mean: expected 3 numbers"},
      {"a mean that is a number", R"({"image_mean":0.5})", errc::bad_json, "image_mean: expected a list"},
      {"a deviation of 0", R"({"image_std":[0.5,0,0.5]})", errc::bad_config, "image_std: expected 3 numbers above 0"},
      {"a scale of 0", R"({"rescale_factor":0})", errc::bad_config, "rescale_factor"},
      {"bilinear", R"({"resample":2})", errc::unsupported, "resample: expected 3 (bicubic), found 2"},
      {"no normalisation", R"({"do_normalize":false})", errc::unsupported, "do_normalize"},
      {"no resizing", R"({"do_resize":false})", errc::unsupported, "do_resize"},
      {"a list", "[1]", errc::bad_json, "expected an object"},
  };
  for (auto const& c : cases) bad_input::refused(c.name, c.code, c.part, [&] { read(c.text); });
}

TEST_CASE("preprocessor_config: the nested file goes first, and a folder may have none") {
  bad_input::folder folder;
  CHECK(!io::read_preprocessor_config(folder.path()));
  folder.write("preprocessor_config.json", R"({"patch_size":7})");
  CHECK(io::read_preprocessor_config(folder.path())->patch_size == 7);
  folder.write("processor_config.json", R"({"processor_class":"Qwen3VLProcessor"})");
  CHECK(io::read_preprocessor_config(folder.path())->patch_size == 7);
  folder.write("processor_config.json", R"({"image_processor":{"patch_size":9}})");
  CHECK(io::read_preprocessor_config(folder.path())->patch_size == 9);
  folder.write("processor_config.json", "{");
  bad_input::refused("broken", errc::bad_json, "/processor_config.json", [&] { io::read_preprocessor_config(folder.path()); });
}

TEST_CASE("config: thousands of damaged files end in an error or a configuration") {
  auto content = bad_input::content_of(MEDMO_TEST_DATA "/parity/base/config.json");
  int accepted = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    auto damaged = bad_input::damaged(content, i);
    try {
      auto document = io::parse_json(bad_input::bytes_of(damaged), "config.json");
      medmo::matches_config<base>(io::model_config_of(document, "config.json"));
      ++accepted;
    } catch (medmo::error const&) {
    }
  }
  CHECK(accepted > 10);
  CHECK(accepted < 2500);
}
