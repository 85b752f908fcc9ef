// The safetensors format: 8 bytes little-endian header length N, N bytes of JSON, then the tensors' bytes.
//   {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {"key": "value"}}
// Offsets count from the end of the header. All rules of the reference implementation (huggingface/safetensors 0.5) hold:
// N at most 100,000,000; the header begins with '{'; offsets rise without overlap or hole and end at the end of the file;
// bytes = product of shape times size of dtype; unknown dtypes are refused. Files are read in place.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/tensor_source.hpp"
#include "json.hpp"
#include "mapped_file.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// An open safetensors file; a tensor_source. Everything is checked when it is opened.
class safetensors_file {
 public:
  static constexpr std::uint64_t header_limit = 100'000'000;

  /// Errors: file_access; bad_format, bad_json, wrong_dtype naming the file and the tensor.
  static safetensors_file open(std::string const& path, file_mode mode = file_mode::map) {
    return safetensors_file(mapped_file::open(path, mode));
  }

  std::optional<tensor_ref> find(std::string_view name) const {
    auto it = tensors_.find(name);
    if (it == tensors_.end()) return std::nullopt;
    return it->second;
  }
  std::vector<std::string> const& names() const { return names_; }
  std::map<std::string, std::string, std::less<>> const& metadata() const { return metadata_; }

 private:
  struct extent {
    std::uint64_t begin, end;
    std::string const* name;
  };

  explicit safetensors_file(mapped_file file) : file_(std::move(file)) {
    auto bytes = file_.bytes();
    auto const& path = file_.path();
    if (bytes.size() < 8)
      MEDMO_THROW(errc::bad_format, path, "8 bytes of header length", std::to_string(bytes.size()) + " bytes in all");
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<std::uint64_t>(bytes[i]);
    if (length > header_limit)
      MEDMO_THROW(errc::bad_format, path + ": header", "at most " + std::to_string(header_limit) + " bytes",
                  std::to_string(length));
    if (length > bytes.size() - 8)
      MEDMO_THROW(errc::bad_format, path + ": header", "at most the " + std::to_string(bytes.size() - 8) + " bytes there are",
                  std::to_string(length));
    auto header = bytes.subspan(8, static_cast<std::size_t>(length));
    if (header.empty() || header.front() != std::byte{'{'})
      MEDMO_THROW(errc::bad_format, path + ": header", "'{' as its first byte",
                  header.empty() ? "an empty header" : "byte " + std::to_string(static_cast<int>(header.front())));
    auto document = parse_json(header, path + ": header");
    if (!document.is_object()) MEDMO_THROW(errc::bad_json, path + ": header", "an object", document.type_name());
    read(document, bytes.subspan(8 + static_cast<std::size_t>(length)));
  }

  void read(json const& document, std::span<std::byte const> data) {
    auto const& path = file_.path();
    std::vector<extent> extents;
    for (auto const& [name, entry] : document.items()) {
      if (name == "__metadata__") {
        read_metadata(entry);
        continue;
      }
      auto [it, fresh] = tensors_.emplace(name, read_entry(name, entry, data));
      (void)fresh;  // a name cannot come twice: parse_json refuses that
      auto begin = static_cast<std::uint64_t>(it->second.bytes.data() - data.data());
      extents.push_back({begin, begin + it->second.bytes.size(), &it->first});
      names_.push_back(name);
    }
    std::sort(extents.begin(), extents.end(), [](extent const& a, extent const& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    std::uint64_t at = 0;
    for (auto const& e : extents) {
      if (e.begin != at)
        MEDMO_THROW(errc::bad_format, path + ": tensor " + *e.name, "data from byte " + std::to_string(at),
                    std::to_string(e.begin) + (e.begin < at ? " (an overlap)" : " (a hole)"));
      at = e.end;
    }
    if (at != data.size())
      MEDMO_THROW(errc::bad_format, path, "tensors up to the last of " + std::to_string(data.size()) + " bytes",
                  "an end at " + std::to_string(at));
  }

  void read_metadata(json const& entry) {
    json_fields fields(entry, file_.path() + ": __metadata__");
    for (auto const& [key, value] : entry.items()) metadata_[key] = *fields.text(key.c_str());
  }

  tensor_ref read_entry(std::string const& name, json const& entry, std::span<std::byte const> data) const {
    std::string where = file_.path() + ": tensor " + name;
    json_fields fields(entry, where);
    auto type_name = fields.text("dtype");
    auto shape = fields.integers("shape");
    auto offsets = fields.integers("data_offsets");
    if (!type_name || !shape || !offsets || entry.size() != 3)
      MEDMO_THROW(errc::bad_format, where, "the fields dtype, shape and data_offsets",
                  entry.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 80));
    auto type = dtype_from_name(*type_name);
    if (!type) MEDMO_THROW(errc::wrong_dtype, where, "a known dtype", "\"" + type_name->substr(0, 40) + "\"");
    if (offsets->size() != 2 || (*offsets)[0] < 0 || (*offsets)[1] < (*offsets)[0] ||
        static_cast<std::uint64_t>((*offsets)[1]) > data.size())
      MEDMO_THROW(errc::bad_format, where, "data_offsets 0 <= begin <= end <= " + std::to_string(data.size()),
                  entry["data_offsets"].dump());
    std::uint64_t count = 1, limit = std::uint64_t{1} << 62;
    for (index d : *shape) {
      if (d < 0) MEDMO_THROW(errc::bad_format, where, "a shape of numbers >= 0", shape_text(*shape));
      if (d != 0 && count > limit / static_cast<std::uint64_t>(d))
        MEDMO_THROW(errc::bad_format, where, "a shape below 2^62 elements", shape_text(*shape));
      count *= static_cast<std::uint64_t>(d);
    }
    auto size = static_cast<std::uint64_t>((*offsets)[1] - (*offsets)[0]);
    if (size % size_of(*type) != 0 || size / size_of(*type) != count)
      MEDMO_THROW(errc::bad_format, where, std::to_string(count) + " elements of " + std::string(name_of(*type)),
                  std::to_string(size) + " bytes");
    return {*type, std::move(*shape),
            data.subspan(static_cast<std::size_t>((*offsets)[0]), static_cast<std::size_t>(size))};
  }

  mapped_file file_;
  std::map<std::string, tensor_ref, std::less<>> tensors_;
  std::vector<std::string> names_;
  std::map<std::string, std::string, std::less<>> metadata_;
};
static_assert(tensor_source<safetensors_file>);

}  // namespace medmo::inline MEDMO_ABI::io
