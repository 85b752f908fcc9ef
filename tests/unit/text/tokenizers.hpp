// The real tokenizers and the golden files, loaded once for all tests of this room.
#pragma once

#include <medmo/io/json.hpp>
#include <medmo/io/mapped_file.hpp>
#include <medmo/text/tokenizer_file.hpp>
#include <string>

namespace text_tests {

using qwen = medmo::text::tokenizer<medmo::text::qwen_tokens>;
using nano = medmo::text::tokenizer<medmo::text::nano_tokens>;

inline qwen const& qwen_tokenizer() {
  static auto t = medmo::text::load_tokenizer<medmo::text::qwen_tokens>(MEDMO_EXAMPLE_DATA "/qwen-tokenizer");
  return t;
}
inline nano const& nano_tokenizer() {
  static auto t = medmo::text::load_tokenizer<medmo::text::nano_tokens>(MEDMO_EXAMPLE_DATA "/medmo-nano");
  return t;
}

inline std::string file_text(std::string const& path) {
  auto file = medmo::io::mapped_file::open(path, medmo::io::file_mode::read);
  return {reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size()};
}

/// A golden file is an array; its first entry says what made it.
inline medmo::io::json golden(std::string const& name) {
  auto path = std::string(MEDMO_TEST_DATA "/text/") + name;
  auto file = medmo::io::mapped_file::open(path, medmo::io::file_mode::read);
  return medmo::io::parse_json(file.bytes(), path);
}

}  // namespace text_tests
