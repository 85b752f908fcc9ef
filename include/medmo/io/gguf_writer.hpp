// Writes the GGUF format (gguf.hpp), version 3, tensor after tensor, so that a file of any size needs little memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/tensor_source.hpp"
#include "atomic_file.hpp"
#include "gguf.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// set(...) the metadata and declare(...) every tensor, then append(...) the bytes of each in the same order, in pieces of any
/// size, then commit(). The file appears at commit, whole or not at all. Errors: file_access; bad_argument for a misuse.
class gguf_writer {
 public:
  static constexpr std::uint64_t alignment = 32;

  explicit gguf_writer(std::string path) : path_(std::move(path)) {}

  void set(std::string_view key, std::string_view text) {
    begin_entry(key, gguf_type::string);
    put_text(entries_, text);
  }
  void set(std::string_view key, char const* text) { set(key, std::string_view(text)); }
  /// A number or a bool, in the type it has.
  template <class T>
    requires std::is_arithmetic_v<T>
  void set(std::string_view key, T x) {
    begin_entry(key, type_of<T>());
    put_number(entries_, x);
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  void set(std::string_view key, std::vector<T> const& list) {
    begin_array(key, type_of<T>(), list.size());
    for (T x : list) put_number(entries_, x);
  }
  void set(std::string_view key, std::vector<std::string> const& list) {
    begin_array(key, gguf_type::string, list.size());
    for (auto const& s : list) put_text(entries_, s);
  }
  /// A value as it stands in another file.
  void set(std::string_view key, gguf_value const& v) {
    if (v.type == gguf_type::array) begin_array(key, v.element, v.count);
    else begin_entry(key, v.type);
    entries_.append(reinterpret_cast<char const*>(v.bytes.data()), v.bytes.size());
  }

  /// Shape outermost first. Errors: bad_argument (a name twice or of another length than 1 to 64 bytes; a shape that is none,
  /// of more than 4 dimensions or not of whole blocks; a type that GGUF has not; after the first append).
  void declare(std::string const& name, dtype type, std::vector<index> const& shape) {
    std::string const where = path_ + ": tensor " + name;
    if (file_) MEDMO_THROW(errc::bad_argument, where, "every tensor declared before any bytes", "a late one");
    if (name.empty() || name.size() > 64 || !names_.insert(name).second)
      MEDMO_THROW(errc::bad_argument, where, "a name of its own of 1 to 64 bytes", "another one");
    auto number = ggml_number(type);
    if (!number) MEDMO_THROW(errc::bad_argument, where, "a type that GGUF has", std::string(name_of(type)));
    std::uint64_t count = 1;
    auto const block = block_of(type);
    bool sound = shape.size() <= 4 && (block.numbers == 1 || (!shape.empty() && shape.back() % static_cast<index>(block.numbers) == 0));
    for (index d : shape) {
      sound = sound && d >= 0 && (d == 0 || count <= (std::uint64_t{1} << 50) / static_cast<std::uint64_t>(d));
      if (sound) count *= static_cast<std::uint64_t>(d);
    }
    if (!sound) MEDMO_THROW(errc::bad_argument, where, "at most 4 dimensions, 2^50 numbers, rows of whole blocks", shape_text(shape));
    put_text(tensors_, name);
    put_number(tensors_, static_cast<std::uint32_t>(shape.size()));
    for (auto d = shape.rbegin(); d != shape.rend(); ++d) put_number(tensors_, static_cast<std::uint64_t>(*d));
    put_number(tensors_, *number);
    put_number(tensors_, sizes_.empty() ? std::uint64_t{0} : end_);
    sizes_.push_back(bytes_for(type, count));
    end_ += padded(sizes_.back());
  }

  /// Bytes of the tensor whose turn it is; a piece lies within one tensor. Errors: bad_argument beyond the bytes declared.
  void append(std::span<std::byte const> bytes) {
    if (!file_) begin();
    if (bytes.empty()) return;
    if (current_ == sizes_.size() || bytes.size() > sizes_[current_] - written_)
      MEDMO_THROW(errc::bad_argument, path_, "bytes as declared, tensor by tensor", "more");
    file_->write(bytes);
    written_ += bytes.size();
    finish_full_tensors();
  }

  void commit() {
    if (!file_) begin();
    if (current_ != sizes_.size())
      MEDMO_THROW(errc::bad_argument, path_, "the bytes of " + std::to_string(sizes_.size()) + " tensors", "those of " + std::to_string(current_));
    file_->commit();
  }

 private:
  static constexpr std::uint64_t padded(std::uint64_t size) { return (size + alignment - 1) / alignment * alignment; }

  template <class T>
  static constexpr gguf_type type_of() {
    if constexpr (std::is_same_v<T, bool>) return gguf_type::boolean;
    else if constexpr (std::is_same_v<T, float>) return gguf_type::f32;
    else if constexpr (std::is_same_v<T, double>) return gguf_type::f64;
    else if constexpr (sizeof(T) == 1) return std::is_signed_v<T> ? gguf_type::i8 : gguf_type::u8;
    else if constexpr (sizeof(T) == 2) return std::is_signed_v<T> ? gguf_type::i16 : gguf_type::u16;
    else if constexpr (sizeof(T) == 4) return std::is_signed_v<T> ? gguf_type::i32 : gguf_type::u32;
    else return std::is_signed_v<T> ? gguf_type::i64 : gguf_type::u64;
  }
  template <class T>
  static void put_number(std::string& out, T x) {
    out.append(reinterpret_cast<char const*>(&x), sizeof x);
  }
  static void put_text(std::string& out, std::string_view text) {
    put_number(out, static_cast<std::uint64_t>(text.size()));
    out.append(text);
  }
  void begin_entry(std::string_view key, gguf_type type) {
    if (file_ || !keys_.emplace(key).second)
      MEDMO_THROW(errc::bad_argument, path_ + ": " + std::string(key), "each key once, before any bytes", "another time");
    put_text(entries_, key);
    put_number(entries_, static_cast<std::uint32_t>(type));
  }
  void begin_array(std::string_view key, gguf_type element, std::uint64_t count) {
    begin_entry(key, gguf_type::array);
    put_number(entries_, static_cast<std::uint32_t>(element));
    put_number(entries_, count);
  }

  void begin() {
    std::string head = "GGUF";
    put_number(head, std::uint32_t{3});
    put_number(head, static_cast<std::uint64_t>(names_.size()));
    put_number(head, static_cast<std::uint64_t>(keys_.size()));
    head += entries_;
    head += tensors_;
    if (!names_.empty()) head.resize(static_cast<std::size_t>(padded(head.size())), '\0');
    file_.emplace(path_);
    file_->write(std::string_view(head));
    finish_full_tensors();
  }
  /// Pads behind each tensor that is complete, those of no bytes included.
  void finish_full_tensors() {
    constexpr std::byte zeros[alignment] = {};
    for (; current_ < sizes_.size() && written_ == sizes_[current_]; ++current_) {
      file_->write(std::span(zeros).first(static_cast<std::size_t>(padded(written_) - written_)));
      written_ = 0;
    }
  }

  std::string path_, entries_, tensors_;
  std::set<std::string, std::less<>> keys_, names_;
  std::vector<std::uint64_t> sizes_;
  std::uint64_t end_ = 0, written_ = 0;
  std::size_t current_ = 0;
  std::optional<atomic_file> file_;
};

}  // namespace medmo::inline MEDMO_ABI::io
