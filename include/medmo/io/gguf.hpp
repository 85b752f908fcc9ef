// The GGUF format, versions 2 and 3, little-endian. The whole of it:
//   "GGUF", u32 version, u64 tensors, u64 entries
//   entry   string key, u32 type, value            string  u64 size, bytes      array  u32 type, u64 count, values
//   tensor  string name, u32 dimensions (<= 4), u64 each (innermost first), u32 ggml type, u64 offset
//   padding to general.alignment (u32, a power of two, 32 where there is none), then the tensors' bytes, one after the other
//   in that order, each padded to the alignment; offsets count from the first of them.
// Read in place: every size is compared with the bytes left before it is used, so that what find() gives lies in the file.
// Limits: strings 16 MiB, arrays 2^26 values and not of arrays, names 64 bytes. Types that nothing here reads (ggml's IQ and
// MX blocks ...) are refused by number. Source: ggml's gguf.md and its reader. What keys and names mean: gguf_checkpoint.hpp.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/dtype.hpp"
#include "../core/tensor_source.hpp"
#include "gguf_metadata.hpp"
#include "mapped_file.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// ggml's number of each type; nothing for those GGUF has not.
constexpr std::optional<std::uint32_t> ggml_number(dtype t) {
  switch (t) {
    case dtype::f32: return 0;
    case dtype::f16: return 1;
    case dtype::q4_0: return 2;
    case dtype::q4_1: return 3;
    case dtype::q5_0: return 6;
    case dtype::q5_1: return 7;
    case dtype::q8_0: return 8;
    case dtype::q2_k: return 10;
    case dtype::q3_k: return 11;
    case dtype::q4_k: return 12;
    case dtype::q5_k: return 13;
    case dtype::q6_k: return 14;
    case dtype::i8: return 24;
    case dtype::i16: return 25;
    case dtype::i32: return 26;
    case dtype::i64: return 27;
    case dtype::f64: return 28;
    case dtype::bf16: return 30;
    default: return std::nullopt;
  }
}

/// A GGUF in a file or in memory; a tensor_source with ggml's names, shapes outermost first. Everything is checked when it
/// is opened. Move-only; what it gave stays valid through a move.
class gguf_file {
 public:
  /// Errors: file_access; bad_format, too_large, wrong_dtype, unsupported naming the file and the place in it.
  static gguf_file open(std::string const& path, file_mode mode = file_mode::map) {
    auto file = mapped_file::open(path, mode);
    gguf_file f(file.bytes(), path);
    f.file_ = std::move(file);
    return f;
  }
  /// The same of bytes the caller keeps alive, an array linked into a program say; `where` names them in errors.
  static gguf_file over(std::span<std::byte const> bytes, std::string where) { return gguf_file(bytes, std::move(where)); }

  std::string const& where() const { return where_; }
  std::uint32_t version() const { return version_; }
  gguf_metadata const& metadata() const { return metadata_; }

  std::optional<tensor_ref> find(std::string_view name) const { return tensors_.find(name); }
  /// Of all tensors, in alphabetic order.
  std::vector<std::string> names() const { return tensors_.names(); }

 private:
  gguf_file(std::span<std::byte const> bytes, std::string where) : where_(std::move(where)) {
    detail::gguf_cursor in(bytes, where_);
    auto magic = in.take(std::min<std::size_t>(4, in.left()), "the magic");
    if (magic.size() < 4 || std::memcmp(magic.data(), "GGUF", 4) != 0)
      MEDMO_THROW(errc::bad_format, where_, "\"GGUF\" as its first bytes", "something else");
    version_ = in.number<std::uint32_t>("a version");
    if (version_ != 2 && version_ != 3)
      MEDMO_THROW(errc::bad_format, where_, "version 2 or 3, little-endian", std::to_string(version_));
    auto tensors = in.number<std::uint64_t>("the number of tensors"), entries = in.number<std::uint64_t>("the number of entries");
    constexpr std::size_t least_entry = 8 + 4 + 1, least_tensor = 8 + 4 + 4 + 8;
    if (entries > in.left() / least_entry || tensors > in.left() / least_tensor)
      MEDMO_THROW(errc::bad_format, where_, "entries and tensors that fit " + std::to_string(bytes.size()) + " bytes",
                  std::to_string(entries) + " and " + std::to_string(tensors));
    metadata_ = gguf_metadata(in, entries, where_);
    read_tensors(in, bytes, tensors);
  }

  void read_tensors(detail::gguf_cursor& in, std::span<std::byte const> bytes, std::uint64_t count) {
    auto alignment = static_cast<std::uint64_t>(metadata_.integer("general.alignment").value_or(32));
    if (!std::has_single_bit(alignment) || alignment > (std::uint64_t{1} << 20))
      MEDMO_THROW(errc::bad_format, where_ + ": general.alignment", "a power of two up to 2^20", std::to_string(alignment));
    tensors_.entries.reserve(static_cast<std::size_t>(count));
    std::vector<std::uint64_t> offsets;
    offsets.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      auto name = in.string("a name");
      if (name.empty() || name.size() > 64)
        MEDMO_THROW(errc::bad_format, in.place(), "a tensor's name of 1 to 64 bytes", std::to_string(name.size()));
      std::string const where = where_ + ": tensor " + std::string(name);
      tensor_ref t = read_shape(in, where);
      offsets.push_back(in.number<std::uint64_t>("an offset"));
      tensors_.entries.emplace_back(name, std::move(t));
    }
    if (count > 0) in.take((alignment - in.at() % alignment) % alignment, "padding");
    auto data = bytes.subspan(in.at());
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < tensors_.entries.size(); ++i) {
      auto& [name, t] = tensors_.entries[i];
      std::string const where = where_ + ": tensor " + std::string(name);
      std::uint64_t count_of = 1;
      for (index d : t.shape) count_of *= static_cast<std::uint64_t>(d);
      std::uint64_t const size = count_of / block_of(t.type).numbers * block_of(t.type).bytes;
      if (offsets[i] != next)
        MEDMO_THROW(errc::bad_format, where, "data from byte " + std::to_string(next), std::to_string(offsets[i]));
      if (next > data.size() || size > data.size() - next)
        MEDMO_THROW(errc::bad_format, where, std::to_string(size) + " bytes of data from byte " + std::to_string(next),
                    "the end after " + std::to_string(data.size()));
      t.bytes = data.subspan(static_cast<std::size_t>(next), static_cast<std::size_t>(size));
      next += (size + alignment - 1) / alignment * alignment;  // below 2^62: the size fits the file
    }
    tensors_.sort(where_, "one tensor of name ");
  }

  /// Type and shape; the number of elements is below 2^56.
  static tensor_ref read_shape(detail::gguf_cursor& in, std::string const& where) {
    auto dimensions = in.number<std::uint32_t>("a number of dimensions");
    if (dimensions > 4) MEDMO_THROW(errc::bad_format, where, "at most 4 dimensions", std::to_string(dimensions));
    tensor_ref t;
    std::uint64_t count = 1;
    constexpr std::uint64_t most = std::uint64_t{1} << 56;
    for (std::uint32_t d = 0; d < dimensions; ++d) {
      auto size = in.number<std::uint64_t>("a dimension");
      if (size > most || (size != 0 && count > most / size))
        MEDMO_THROW(errc::bad_format, where, "a shape of at most 2^56 numbers", std::to_string(size) + " as dimension " + std::to_string(d));
      count *= size;
      t.shape.insert(t.shape.begin(), static_cast<index>(size));
    }
    auto number = in.number<std::uint32_t>("a type");
    bool known = false;
    for (int i = 0; i <= static_cast<int>(dtype::q6_k) && !known; ++i) {
      t.type = static_cast<dtype>(i);
      known = ggml_number(t.type) == number;
    }
    if (!known) MEDMO_THROW(errc::wrong_dtype, where, "a ggml type that can be read here", "number " + std::to_string(number));
    auto block = static_cast<index>(block_of(t.type).numbers);
    if (block > 1 && (t.shape.empty() || t.shape.back() % block != 0))
      MEDMO_THROW(errc::bad_format, where, "rows of whole blocks of " + std::to_string(block) + " numbers", shape_text(t.shape));
    return t;
  }

  std::string where_;
  std::optional<mapped_file> file_;
  std::uint32_t version_ = 0;
  gguf_metadata metadata_;
  detail::gguf_table<tensor_ref> tensors_;
};
static_assert(tensor_source<gguf_file>);

}  // namespace medmo::inline MEDMO_ABI::io
