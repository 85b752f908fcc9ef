// Writes the safetensors format (safetensors.hpp), tensor after tensor, so that a file of any size needs little memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../core/tensor_source.hpp"
#include "atomic_file.hpp"
#include "json.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// declare(...) every tensor, then append(...) the bytes of each in the same order, in pieces of any size, then commit().
/// The file appears at commit, whole or not at all. Errors: file_access.
class safetensors_writer {
 public:
  /// Metadata defaults to what transformers expects.
  explicit safetensors_writer(std::string path, std::map<std::string, std::string> metadata = {{"format", "pt"}})
      : path_(std::move(path)) {
    header_["__metadata__"] = metadata;
  }

  void declare(std::string const& name, dtype type, std::vector<index> const& shape) {
    std::uint64_t size = size_of(type);
    for (index d : shape) size *= static_cast<std::uint64_t>(d);
    header_[name] = {{"dtype", name_of(type)}, {"shape", shape}, {"data_offsets", {declared_, declared_ + size}}};
    declared_ += size;
  }

  void append(std::span<std::byte const> bytes) {
    if (!file_) begin();
    written_ += bytes.size();
    file_->write(bytes);
  }

  void commit() {
    if (!file_) begin();
    if (written_ != declared_)
      MEDMO_THROW(errc::bad_argument, path_, std::to_string(declared_) + " bytes declared", std::to_string(written_));
    file_->commit();
  }

 private:
  void begin() {
    std::string text = header_.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
    file_ = std::make_unique<atomic_file>(path_);
    file_->write(length);
    file_->write(text);
  }

  std::string path_;
  nlohmann::ordered_json header_;
  std::uint64_t declared_ = 0, written_ = 0;
  std::unique_ptr<atomic_file> file_;
};

/// A tensor in memory, to be written.
struct named_tensor {
  std::string name;
  tensor_ref tensor;
};

inline void write_safetensors(std::string const& path, std::vector<named_tensor> const& tensors,
                              std::map<std::string, std::string> metadata = {{"format", "pt"}}) {
  safetensors_writer out(path, std::move(metadata));
  for (auto const& t : tensors) out.declare(t.name, t.tensor.type, t.tensor.shape);
  for (auto const& t : tensors) out.append(t.tensor.bytes);
  out.commit();
}

}  // namespace medmo::inline MEDMO_ABI::io
