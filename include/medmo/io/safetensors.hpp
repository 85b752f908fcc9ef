// The safetensors format: 8 bytes little-endian header length N, N bytes of JSON, then the tensors' bytes.
//   {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {"key": "value"}}
// Offsets count from the end of the header. Verdicts follow the reference implementation (huggingface/safetensors 0.8):
// N at most 100,000,000 and inside the file; every tensor begins where another ends, the first at 0 and the last ends with
// the file; bytes = product of shape times size of dtype, without overflow; the JSON is UTF-8 with nothing after it.
// Stricter than the reference: the header begins with '{', no name comes twice, and dtypes of less than 8 bits, of 8-bit
// floats and of complex numbers, which nothing here computes with, are refused by name. Files are read in place.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/tensor_source.hpp"
#include "json.hpp"
#include "mapped_file.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// Safetensors in a file or in memory; a tensor_source. Everything is checked when it is opened. Move-only; what find()
/// gave stays valid through a move.
class safetensors_file {
 public:
  static constexpr std::uint64_t header_limit = 100'000'000;

  /// Errors: file_access; bad_format, bad_json, wrong_dtype naming the file and the tensor.
  static safetensors_file open(std::string const& path, file_mode mode = file_mode::map) {
    auto file = mapped_file::open(path, mode);
    auto bytes = file.bytes();
    safetensors_file f(bytes, path);
    f.file_ = std::move(file);
    return f;
  }
  /// The same of bytes the caller keeps alive, an array linked into a program say; `where` names them in errors.
  static safetensors_file over(std::span<std::byte const> bytes, std::string where) {
    return safetensors_file(bytes, std::move(where));
  }

  std::optional<tensor_ref> find(std::string_view name) const {
    auto it = tensors_.find(name);
    if (it == tensors_.end()) return std::nullopt;
    return it->second;
  }
  /// In alphabetic order.
  std::vector<std::string> const& names() const { return names_; }
  std::map<std::string, std::string, std::less<>> const& metadata() const { return metadata_; }
  /// Of all tensors together.
  std::uint64_t data_bytes() const { return data_bytes_; }

 private:
  safetensors_file(std::span<std::byte const> bytes, std::string where) : where_(std::move(where)) {
    if (bytes.size() < 8)
      MEDMO_THROW(errc::bad_format, where_, "8 bytes of header length", std::to_string(bytes.size()) + " bytes in all");
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<std::uint64_t>(bytes[i]);
    std::string at = where_ + ": header";
    if (length > header_limit)
      MEDMO_THROW(errc::bad_format, at, "at most " + std::to_string(header_limit) + " bytes", std::to_string(length));
    if (length > bytes.size() - 8)
      MEDMO_THROW(errc::bad_format, at, "at most the " + std::to_string(bytes.size() - 8) + " bytes there are",
                  std::to_string(length));
    auto header = bytes.subspan(8, static_cast<std::size_t>(length));
    if (header.empty() || header.front() != std::byte{'{'})
      MEDMO_THROW(errc::bad_format, at, "'{' as its first byte",
                  header.empty() ? "an empty header" : "byte " + std::to_string(static_cast<int>(header.front())));
    auto document = parse_json(header, at);
    read(json_fields(document, at), bytes.subspan(8 + static_cast<std::size_t>(length)));
  }

  void read(json_fields const& header, std::span<std::byte const> data) {
    struct extent {
      std::uint64_t begin, end;
      std::string const* name;
    };
    std::vector<extent> extents;
    for (auto const& [name, entry] : header.object().items()) {
      if (name == "__metadata__") continue;
      auto it = tensors_.emplace(name, read_entry(json_fields(entry, where_ + ": tensor " + name), data)).first;
      auto begin = static_cast<std::uint64_t>(it->second.bytes.data() - data.data());
      extents.push_back({begin, begin + it->second.bytes.size(), &it->first});
      names_.push_back(name);
    }
    if (auto fields = header.nested("__metadata__"))
      for (auto const& [key, value] : fields->object().items()) {
        if (!value.is_string()) MEDMO_THROW(errc::bad_json, fields->where(key), "a string", excerpt(value));
        metadata_[key] = value.get<std::string>();
      }
    std::sort(extents.begin(), extents.end(), [](extent const& a, extent const& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    for (auto const& e : extents) {
      if (e.begin != data_bytes_)
        MEDMO_THROW(errc::bad_format, where_ + ": tensor " + *e.name, "data from byte " + std::to_string(data_bytes_),
                    std::to_string(e.begin) + (e.begin < data_bytes_ ? " (an overlap)" : " (a hole)"));
      data_bytes_ = e.end;
    }
    if (data_bytes_ != data.size())
      MEDMO_THROW(errc::bad_format, where_, "tensors up to the last of " + std::to_string(data.size()) + " bytes",
                  "an end at " + std::to_string(data_bytes_));
  }

  static tensor_ref read_entry(json_fields const& entry, std::span<std::byte const> data) {
    auto where = entry.where();
    auto type_name = entry.text("dtype");
    auto shape = entry.integers("shape"), offsets = entry.integers("data_offsets");
    if (!type_name || !shape || !offsets)
      MEDMO_THROW(errc::bad_format, where, "the fields dtype, shape and data_offsets", excerpt(entry.object(), 80));
    auto type = dtype_from_name(*type_name);
    if (!type) MEDMO_THROW(errc::wrong_dtype, where, "a known dtype", excerpt(*type_name));
    if (offsets->size() != 2 || (*offsets)[0] < 0 || (*offsets)[1] < (*offsets)[0] ||
        static_cast<std::uint64_t>((*offsets)[1]) > data.size())
      MEDMO_THROW(errc::bad_format, where, "data_offsets 0 <= begin <= end <= " + std::to_string(data.size()),
                  excerpt(entry.object()["data_offsets"]));
    std::uint64_t bits = 8 * size_of(*type);  // a product of bits that does not wrap, as the reference's
    for (index d : *shape) {
      if (d < 0) MEDMO_THROW(errc::bad_format, where, "a shape of numbers >= 0", excerpt(*shape));
      if (d != 0 && bits > std::numeric_limits<std::uint64_t>::max() / static_cast<std::uint64_t>(d))
        MEDMO_THROW(errc::bad_format, where, "a shape of less than 2^64 bits", excerpt(*shape));
      bits *= static_cast<std::uint64_t>(d);
    }
    auto size = static_cast<std::uint64_t>((*offsets)[1] - (*offsets)[0]);
    if (size != bits / 8)
      MEDMO_THROW(errc::bad_format, where,
                  std::to_string(bits / 8) + " bytes for " + std::string(name_of(*type)) + " " + excerpt(*shape),
                  std::to_string(size));
    return {*type, std::move(*shape),
            data.subspan(static_cast<std::size_t>((*offsets)[0]), static_cast<std::size_t>(size))};
  }

  std::string where_;
  std::optional<mapped_file> file_;
  std::map<std::string, tensor_ref, std::less<>> tensors_;
  std::vector<std::string> names_;
  std::map<std::string, std::string, std::less<>> metadata_;
  std::uint64_t data_bytes_ = 0;
};
static_assert(tensor_source<safetensors_file>);

}  // namespace medmo::inline MEDMO_ABI::io
