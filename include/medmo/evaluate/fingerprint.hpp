// Which model answered: a cheap sign of a model folder's content, so that a journal is not gone on with by another model.
// Not a checksum: of a large file, blocks at even distances are looked at.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "../core/random.hpp"
#include "../io/mapped_file.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

/// 16 hexadecimal digits over names, sizes and content (64 blocks of 4 KiB each) of a model's file, or of the files in its folder
/// that it is read from: *.safetensors, *.gguf, *.json, *.txt. The same files elsewhere give the same. Errors: file_access.
inline std::string model_fingerprint(std::string const& path) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  std::error_code fault;
  if (fs::is_regular_file(path, fault)) files.emplace_back(path);
  for (fs::directory_iterator it(path, fault), end; !fault && it != end; it.increment(fault)) {
    auto const ending = it->path().extension();
    if (ending == ".safetensors" || ending == ".gguf" || ending == ".json" || ending == ".txt") files.push_back(it->path());
  }
  std::sort(files.begin(), files.end());
  std::uint64_t h = 0;
  auto add = [&](std::uint64_t v) { h = mix64(h ^ mix64(v)); };
  for (auto const& one : files) {
    auto const file = io::mapped_file::open(one.string());
    std::string_view const bytes(reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size());
    add(stream_of(one.filename().string()));
    add(bytes.size());
    constexpr std::size_t blocks = 64, size = 4096;
    std::size_t const step = std::max(size, bytes.size() / blocks);
    for (std::size_t at = 0; at < bytes.size(); at += step) add(stream_of(bytes.substr(at, size)));
    add(stream_of(bytes.substr(bytes.size() - std::min(bytes.size(), size))));
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
