// generation_config.json: values, defaults, what is refused, what is written.
#include "medmo/io/generation_config.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bad_input.hpp"

using medmo::errc;
namespace io = medmo::io;

namespace {
io::generation_config_file read(std::string const& text) {
  return io::generation_config_of(io::parse_json(bad_input::bytes_of(text), "g.json"), "g.json");
}
}  // namespace

TEST_CASE("generation_config: Qwen3-VL's values, one id or several, fields nobody reads are listed") {
  auto g = read(R"({"bos_token_id": 151643, "pad_token_id": 151643, "do_sample": true, "eos_token_id": [151645, 151643],
                    "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.0, "temperature": 0.7, "transformers_version": "4.56.0",
                    "typical_p": 0.9, "no_repeat_ngram_size": 3})");
  CHECK(g.do_sample);
  CHECK(g.temperature == 0.7);
  CHECK(g.top_p == 0.8);
  CHECK(g.top_k == 20);
  CHECK(g.repetition_penalty == 1.0);
  CHECK(g.eos_token_ids == std::vector<medmo::index>{151645, 151643});
  CHECK(g.pad_token_id == 151643);
  CHECK(g.unknown == std::vector<std::string>{"no_repeat_ngram_size", "typical_p"});
  CHECK(read(R"({"eos_token_id": 2})").eos_token_ids == std::vector<medmo::index>{2});
}

TEST_CASE("generation_config: an empty file is transformers' defaults; a temperature of 0 without sampling is greedy") {
  auto g = read("{}");
  CHECK(!g.do_sample);
  CHECK(g.temperature == 1.0);
  CHECK(g.top_k == 50);
  CHECK(g.eos_token_ids.empty());
  CHECK(!g.pad_token_id);
  CHECK(read(R"({"temperature": 0.0})").temperature == 1.0);
  CHECK(read(R"({"top_k": 0})").top_k == 0);
}

TEST_CASE("generation_config: bad values are refused by field") {
  struct {
    char const *name, *text;
    errc code;
    char const* part;
  } const cases[] = {
      {"a list", "[]", errc::bad_json, "an object"},
      {"sampling at 0", R"({"do_sample": true, "temperature": 0})", errc::bad_config, "temperature: expected a number above 0"},
      {"a negative temperature", R"({"temperature": -1})", errc::bad_config, "g.json: temperature"},
      {"a temperature that is a string", R"({"temperature": "hot"})", errc::bad_json, "temperature: expected a number, found \"hot\""},
      {"top_p of 0", R"({"top_p": 0})", errc::bad_config, "top_p: expected a number above 0.0 and at most 1"},
      {"top_p above 1", R"({"top_p": 1.5})", errc::bad_config, "found 1.5"},
      {"top_k below 0", R"({"top_k": -1})", errc::bad_config, "top_k: expected a number >= 0, found -1"},
      {"top_k that is a fraction", R"({"top_k": 1.5})", errc::bad_json, "top_k: expected an integer"},
      {"a penalty of 0", R"({"repetition_penalty": 0})", errc::bad_config, "repetition_penalty"},
      {"an id that is a string", R"({"eos_token_id": "<|im_end|>"})", errc::bad_json, "eos_token_id: expected an integer"},
      {"a list with a string", R"({"eos_token_id": [1, "x"]})", errc::bad_json, "eos_token_id: expected a list of integers"},
      {"a negative id", R"({"eos_token_id": [1, -1]})", errc::bad_config, "eos_token_id: expected a number >= 0"},
      {"a negative pad", R"({"pad_token_id": -1})", errc::bad_config, "pad_token_id"},
      {"a flag that is a number", R"({"do_sample": 1})", errc::bad_json, "do_sample: expected true or false"},
  };
  for (auto const& bad : cases) bad_input::refused(bad.name, bad.code, bad.part, [&] { read(bad.text); });
}

TEST_CASE("generation_config: what is written is read back") {
  io::generation_config_file g{.do_sample = true, .temperature = 0.7, .top_p = 0.8, .repetition_penalty = 1.05, .top_k = 20};
  g.eos_token_ids = {5, 6};
  g.pad_token_id = 6;
  g.max_new_tokens = 512;
  auto r = read(io::generation_config_json(g));
  CHECK(r.do_sample == g.do_sample);
  CHECK(r.temperature == g.temperature);
  CHECK(r.top_p == g.top_p);
  CHECK(r.top_k == g.top_k);
  CHECK(r.repetition_penalty == g.repetition_penalty);
  CHECK(r.eos_token_ids == g.eos_token_ids);
  CHECK(r.pad_token_id == g.pad_token_id);
  CHECK(!r.bos_token_id);
  CHECK(r.max_new_tokens == 512);
  CHECK(r.unknown.empty());
}
