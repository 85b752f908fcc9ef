// GGUF files found and opened as a checkpoint: a text model, and the vision tower that lies beside it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "io/gguf_checkpoint.hpp"

namespace medmo::inline MEDMO_ABI {

/// Where the vision tower of a text model is looked for: "mmproj-NAME.gguf" beside it; empty if there is none.
inline std::string vision_gguf_beside(std::string const& text_gguf) {
  std::filesystem::path const text(text_gguf), vision = text.parent_path() / ("mmproj-" + text.filename().string());
  std::error_code ignored;
  return std::filesystem::is_regular_file(vision, ignored) ? vision.string() : std::string{};
}

/// Both files; an empty `vision_gguf` is none. Errors: those of gguf_file and gguf_checkpoint.
inline io::gguf_checkpoint open_gguf(std::string const& text_gguf, std::string const& vision_gguf, io::file_mode mode = io::file_mode::map) {
  std::optional<io::gguf_file> vision;
  if (!vision_gguf.empty()) vision = io::gguf_file::open(vision_gguf, mode);
  return io::gguf_checkpoint::open(io::gguf_file::open(text_gguf, mode), std::move(vision));
}

}  // namespace medmo::inline MEDMO_ABI
