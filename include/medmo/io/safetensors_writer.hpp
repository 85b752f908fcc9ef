// Writes the safetensors format (safetensors.hpp), tensor after tensor, so that a file of any size needs little memory.
// The header is padded with spaces to a multiple of 8 bytes, so that data in declared order of falling element size is
// aligned when the file is mapped.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../core/tensor_source.hpp"
#include "atomic_file.hpp"
#include "json.hpp"
#include "safetensors.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// declare(...) every tensor, then append(...) the bytes of each in the same order, in pieces of any size, then commit().
/// The file appears at commit, whole or not at all. Errors: file_access; bad_argument for a misuse, naming the tensor.
class safetensors_writer {
 public:
  using metadata_map = std::map<std::string, std::string>;

  /// Metadata defaults to what transformers expects.
  explicit safetensors_writer(std::string path, metadata_map const& metadata = {{"format", "pt"}}) : path_(std::move(path)) {
    for (auto const& [key, value] : metadata)
      if (!is_utf8(key) || !is_utf8(value))
        MEDMO_THROW(errc::bad_argument, path_ + ": __metadata__", "UTF-8", excerpt(key) + ": " + excerpt(value));
    if (!metadata.empty()) header_["__metadata__"] = metadata;
  }

  /// Errors: bad_argument (a name twice, not UTF-8 or reserved; a negative or overflowing shape; after the first append).
  void declare(std::string const& name, dtype type, std::vector<index> const& shape) {
    std::string where = path_ + ": tensor " + excerpt(name);
    if (file_) MEDMO_THROW(errc::bad_argument, where, "every tensor declared before any bytes", "a late one");
    if (name == "__metadata__" || !is_utf8(name))
      MEDMO_THROW(errc::bad_argument, where, "a name in UTF-8 other than __metadata__", "this one");
    if (!names_.insert(name).second) MEDMO_THROW(errc::bad_argument, where, "one tensor of that name", "two");
    std::uint64_t size = size_of(type);
    for (index d : shape) {
      if (d < 0 || (d != 0 && size > (std::uint64_t{1} << 60) / static_cast<std::uint64_t>(d)))
        MEDMO_THROW(errc::bad_argument, where, "a shape of numbers >= 0 and at most 2^60 bytes", shape_text(shape));
      size *= static_cast<std::uint64_t>(d);
    }
    if (size > (std::uint64_t{1} << 62) - declared_)
      MEDMO_THROW(errc::bad_argument, where, "at most 2^62 bytes in all", "more");
    header_[name] = {{"dtype", name_of(type)}, {"shape", shape}, {"data_offsets", {declared_, declared_ + size}}};
    declared_ += size;
  }

  /// Errors: bad_argument beyond the bytes declared.
  void append(std::span<std::byte const> bytes) {
    if (!file_) begin();
    if (bytes.size() > declared_ - written_)
      MEDMO_THROW(errc::bad_argument, path_, std::to_string(declared_) + " bytes as declared", "more");
    file_->write(bytes);
    written_ += bytes.size();
  }

  void commit() {
    if (!file_) begin();
    if (written_ != declared_)
      MEDMO_THROW(errc::bad_argument, path_, std::to_string(declared_) + " bytes as declared", std::to_string(written_));
    file_->commit();
  }

 private:
  void begin() {
    std::string text = header_.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > safetensors_file::header_limit)
      MEDMO_THROW(errc::too_large, path_ + ": header", "at most " + std::to_string(safetensors_file::header_limit) + " bytes",
                  std::to_string(text.size()));
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
    file_ = std::make_unique<atomic_file>(path_);
    file_->write(length);
    file_->write(text);
  }

  std::string path_;
  json header_ = json::object();
  std::set<std::string> names_;
  std::uint64_t declared_ = 0, written_ = 0;
  std::unique_ptr<atomic_file> file_;
};

/// A tensor in memory, to be written.
struct named_tensor {
  std::string name;
  tensor_ref tensor;
};

/// All of them into one file, in the given order. Errors as of safetensors_writer.
inline void write_safetensors(std::string const& path, std::vector<named_tensor> const& tensors,
                              safetensors_writer::metadata_map const& metadata = {{"format", "pt"}}) {
  safetensors_writer out(path, metadata);
  for (auto const& t : tensors) out.declare(t.name, t.tensor.type, t.tensor.shape);
  for (auto const& t : tensors) out.append(t.tensor.bytes);
  out.commit();
}

}  // namespace medmo::inline MEDMO_ABI::io
