// Tokenizers in folders: what a checkpoint folder holds is found and read, and written for other programs to read.
// Formats: tokenizer_json.hpp, vocabulary_files.hpp, tiktoken.hpp; this file only chooses among them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "../core/error.hpp"
#include "../io/atomic_file.hpp"
#include "../io/mapped_file.hpp"
#include "chat_template.hpp"
#include "tiktoken.hpp"
#include "tokenizer.hpp"
#include "tokenizer_json.hpp"
#include "vocabulary_files.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// The tokenizer of a file (tokenizer.json or *.tiktoken) or of a folder: its tokenizer.json, else its vocab.json with
/// merges.txt (and tokenizer_config.json, if there), else its qwen.tiktoken. Throws errc::file_access if there is none
/// of them, and as their readers do.
template <tokenizer_configuration T>
tokenizer<T> load_tokenizer(std::filesystem::path const& place) {
  auto is_there = [](std::filesystem::path const& p) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(p, ignored);
  };
  // Read, not mapped: these files are small, and one that is cut short meanwhile must not fault.
  auto read = [](std::filesystem::path const& p) { return io::mapped_file::open(p.string(), io::file_mode::read); };
  auto read_one = [&](std::filesystem::path const& p) {
    auto file = read(p);
    if (p.extension() != ".tiktoken") return read_tokenizer_json<T>(file.bytes(), file.path());
    return read_tiktoken<T>({reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size()}, file.path());
  };
  if (is_there(place)) return read_one(place);
  if (is_there(place / "tokenizer.json")) return read_one(place / "tokenizer.json");
  if (is_there(place / "vocab.json") && is_there(place / "merges.txt")) {
    auto vocab = read(place / "vocab.json"), merges = read(place / "merges.txt");
    auto config_path = place / "tokenizer_config.json";
    if (!is_there(config_path)) return read_vocabulary_files<T>({vocab.bytes(), merges.bytes(), {}}, place.string());
    auto config = read(config_path);
    return read_vocabulary_files<T>({vocab.bytes(), merges.bytes(), config.bytes()}, place.string());
  }
  if (is_there(place / "qwen.tiktoken")) return read_one(place / "qwen.tiktoken");
  MEDMO_THROW(errc::file_access, place.string(), "tokenizer.json, vocab.json with merges.txt, or qwen.tiktoken",
              "none");
}

/// Writes tokenizer.json, tokenizer_config.json and chat_template.jinja into an existing folder; transformers'
/// AutoTokenizer loads it and gives the same ids. Each file appears whole or not at all. Throws errc::file_access.
template <tokenizer_configuration T>
void save_tokenizer(tokenizer<T> const& t, std::filesystem::path const& folder, index max_length) {
  io::write_file((folder / "tokenizer.json").string(), write_tokenizer_json(t));
  io::write_file((folder / "tokenizer_config.json").string(), write_tokenizer_config(t, max_length));
  io::write_file((folder / "chat_template.jinja").string(), chat_template);
}

}  // namespace medmo::inline MEDMO_ABI::text
