// The metadata of a GGUF (gguf.hpp): entries of typed values, read in place, and the walk over bytes that proves they are there.
// Limits: strings 16 MiB, arrays 2^26 values and not of arrays. What the keys mean is not known here.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// Types of values, by their number in the file.
enum class gguf_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

constexpr std::string_view name_of(gguf_type t) {
  constexpr std::array<std::string_view, 13> names{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                   "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<std::size_t>(t)];
}

/// A value of the metadata: `bytes` are its own, in the file; of an array those of all elements.
struct gguf_value {
  gguf_type type = gguf_type::u8;
  gguf_type element = gguf_type::u8;  ///< of an array
  std::uint64_t count = 1;            ///< elements of an array
  std::span<std::byte const> bytes;
};

namespace detail {
constexpr std::size_t size_of(gguf_type t) {
  switch (t) {
    case gguf_type::u16: case gguf_type::i16: return 2;
    case gguf_type::u32: case gguf_type::i32: case gguf_type::f32: return 4;
    case gguf_type::u64: case gguf_type::i64: case gguf_type::f64: return 8;
    default: return 1;
  }
}
template <class T>
T load_little_endian(std::byte const* p) {
  static_assert(std::endian::native == std::endian::little, "medmo: model files are read in place on little-endian machines");
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

/// Walks over bytes; whatever it gives was proven to be there.
class gguf_cursor {
 public:
  static constexpr std::uint64_t string_limit = std::uint64_t{1} << 24, array_limit = std::uint64_t{1} << 26;

  gguf_cursor(std::span<std::byte const> bytes, std::string const& where) : bytes_(bytes), where_(where) {}
  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  std::span<std::byte const> take(std::uint64_t size, std::string_view what) {
    if (size > left())
      MEDMO_THROW(errc::bad_format, place(), std::string(what) + " of " + std::to_string(size) + " bytes",
                  "the end of the file after " + std::to_string(left()));
    auto part = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return part;
  }
  template <class T>
  T number(std::string_view what) {
    return load_little_endian<T>(take(sizeof(T), what).data());
  }
  std::string_view string(std::string_view what) {
    auto size = number<std::uint64_t>(what);
    if (size > string_limit)
      MEDMO_THROW(errc::too_large, place(), std::string(what) + " of at most " + std::to_string(string_limit) + " bytes",
                  std::to_string(size));
    auto part = take(size, what);
    return {reinterpret_cast<char const*>(part.data()), part.size()};
  }
  gguf_type type() {
    auto n = number<std::uint32_t>("a type");
    if (n > static_cast<std::uint32_t>(gguf_type::f64))
      MEDMO_THROW(errc::bad_format, place(), "a type of value from 0 to 12", std::to_string(n));
    return static_cast<gguf_type>(n);
  }
  gguf_value value() {
    gguf_value v;
    v.type = v.element = type();
    if (v.type == gguf_type::array) {
      v.element = type();
      v.count = number<std::uint64_t>("a count");
      if (v.element == gguf_type::array) MEDMO_THROW(errc::unsupported, place(), "arrays of numbers or strings", "an array of arrays");
      if (v.count > array_limit)
        MEDMO_THROW(errc::too_large, place(), "an array of at most " + std::to_string(array_limit) + " values",
                    std::to_string(v.count));
    }
    auto begin = at_;
    if (v.element == gguf_type::string) {
      if (v.count > left() / 8)
        MEDMO_THROW(errc::bad_format, place(), std::to_string(v.count) + " strings",
                    "the end of the file after " + std::to_string(left()) + " bytes");
      for (std::uint64_t i = 0; i < v.count; ++i) string("a string");
    } else {
      take(v.count * detail::size_of(v.element), "a value");  // at most 2^29
    }
    v.bytes = bytes_.subspan(begin, at_ - begin);
    return v;
  }

  std::string place() const { return where_ + ": byte " + std::to_string(at_); }

 private:
  std::span<std::byte const> bytes_;
  std::string const& where_;
  std::size_t at_ = 0;
};

/// Things by their name in the file; sorted once all are read.
template <class T>
class gguf_table {
 public:
  std::vector<std::pair<std::string_view, T>> entries;

  /// Errors: bad_format for a name that comes twice.
  void sort(std::string const& where, char const* expected) {
    auto by_key = [](auto const& a, auto const& b) { return a.first < b.first; };
    std::sort(entries.begin(), entries.end(), by_key);
    for (std::size_t i = 1; i < entries.size(); ++i)
      if (entries[i].first == entries[i - 1].first)
        MEDMO_THROW(errc::bad_format, where, expected + std::string(entries[i].first), "two");
  }
  std::optional<T> find(std::string_view key) const {
    auto at = std::lower_bound(entries.begin(), entries.end(), key, [](auto const& e, std::string_view k) { return e.first < k; });
    if (at == entries.end() || at->first != key) return std::nullopt;
    return at->second;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (auto const& e : entries) out.emplace_back(e.first);
    return out;
  }
};
}  // namespace detail

/// Values by their key: nothing where there is no such key. Errors: bad_format naming the key, for one of another type.
class gguf_metadata {
 public:
  gguf_metadata() = default;
  /// Reads `count` entries, which the caller has proven possible.
  gguf_metadata(detail::gguf_cursor& in, std::uint64_t count, std::string where) : where_(std::move(where)) {
    table_.entries.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      auto key = in.string("a key");
      table_.entries.emplace_back(key, in.value());
    }
    table_.sort(where_, "one entry of key ");
  }

  /// Keys of the metadata, in alphabetic order.
  std::vector<std::string> keys() const { return table_.names(); }
  std::optional<gguf_value> value(std::string_view key) const { return table_.find(key); }

  std::optional<index> integer(std::string_view key) const {
    auto v = value(key);
    if (!v) return std::nullopt;
    auto n = integer_at(*v, v->type, 0);
    if (!n) refuse(key, "an integer below 2^63", *v);
    return n;
  }
  std::optional<double> number(std::string_view key) const {
    auto v = value(key);
    if (!v) return std::nullopt;
    auto x = number_at(*v, v->type, 0);
    if (!x) refuse(key, "a number", *v);
    return x;
  }
  std::optional<bool> boolean(std::string_view key) const {
    auto v = value(key);
    if (!v) return std::nullopt;
    if (v->type != gguf_type::boolean) refuse(key, "true or false", *v);
    return v->bytes[0] != std::byte{0};
  }
  std::optional<std::string_view> text(std::string_view key) const {
    auto v = value(key);
    if (!v) return std::nullopt;
    if (v->type != gguf_type::string) refuse(key, "a string", *v);
    return std::string_view(reinterpret_cast<char const*>(v->bytes.data()), v->bytes.size()).substr(8);
  }
  std::optional<std::vector<index>> integers(std::string_view key) const {
    return list<index>(key, "an array of integers below 2^63", [](auto const& v, std::uint64_t i) { return integer_at(v, v.element, i); });
  }
  std::optional<std::vector<double>> numbers(std::string_view key) const {
    return list<double>(key, "an array of numbers", [](auto const& v, std::uint64_t i) { return number_at(v, v.element, i); });
  }
  std::optional<std::vector<bool>> booleans(std::string_view key) const {
    return list<bool>(key, "an array of true and false", [](auto const& v, std::uint64_t i) -> std::optional<bool> {
      if (v.element != gguf_type::boolean) return std::nullopt;
      return v.bytes[static_cast<std::size_t>(i)] != std::byte{0};
    });
  }
  /// The strings themselves lie in the file.
  std::optional<std::vector<std::string_view>> texts(std::string_view key) const {
    auto v = value(key);
    if (!v) return std::nullopt;
    if (v->type != gguf_type::array || v->element != gguf_type::string) refuse(key, "an array of strings", *v);
    std::vector<std::string_view> out;
    out.reserve(static_cast<std::size_t>(v->count));
    detail::gguf_cursor walk(v->bytes, where_);
    for (std::uint64_t i = 0; i < v->count; ++i) out.push_back(walk.string("a string"));
    return out;
  }

 private:
  template <class F>
  static auto with_number(gguf_value const& v, gguf_type type, std::uint64_t i, F&& f) {
    auto const* p = v.bytes.data() + static_cast<std::size_t>(i) * detail::size_of(type);
    using detail::load_little_endian;
    switch (type) {
      case gguf_type::u8: return f(load_little_endian<std::uint8_t>(p));
      case gguf_type::i8: return f(load_little_endian<std::int8_t>(p));
      case gguf_type::u16: return f(load_little_endian<std::uint16_t>(p));
      case gguf_type::i16: return f(load_little_endian<std::int16_t>(p));
      case gguf_type::u32: return f(load_little_endian<std::uint32_t>(p));
      case gguf_type::i32: return f(load_little_endian<std::int32_t>(p));
      case gguf_type::u64: return f(load_little_endian<std::uint64_t>(p));
      case gguf_type::i64: return f(load_little_endian<std::int64_t>(p));
      case gguf_type::f32: return f(load_little_endian<float>(p));
      case gguf_type::f64: return f(load_little_endian<double>(p));
      default: return f(nullptr);
    }
  }
  static std::optional<index> integer_at(gguf_value const& v, gguf_type type, std::uint64_t i) {
    return with_number(v, type, i, [](auto x) -> std::optional<index> {
      if constexpr (std::is_integral_v<decltype(x)>)
        if (std::in_range<index>(x)) return static_cast<index>(x);
      return std::nullopt;
    });
  }
  static std::optional<double> number_at(gguf_value const& v, gguf_type type, std::uint64_t i) {
    return with_number(v, type, i, [](auto x) -> std::optional<double> {
      if constexpr (std::is_arithmetic_v<decltype(x)>) return static_cast<double>(x);
      return std::nullopt;
    });
  }
  template <class T, class F>
  std::optional<std::vector<T>> list(std::string_view key, char const* expected, F&& at) const {
    auto v = value(key);
    if (!v) return std::nullopt;
    if (v->type != gguf_type::array) refuse(key, expected, *v);
    std::vector<T> out;
    out.reserve(static_cast<std::size_t>(v->element == gguf_type::string ? 0 : v->count));
    for (std::uint64_t i = 0; i < v->count; ++i) {
      auto x = at(*v, i);
      if (!x) refuse(key, expected, *v);
      out.push_back(*x);
    }
    return out;
  }
  [[noreturn]] void refuse(std::string_view key, char const* expected, gguf_value const& found) const {
    auto name = std::string(name_of(found.type));
    if (found.type == gguf_type::array) name += " of " + std::string(name_of(found.element));
    MEDMO_THROW(errc::bad_format, where_ + ": " + std::string(key), expected, name);
  }

  std::string where_;
  detail::gguf_table<gguf_value> table_;
};

}  // namespace medmo::inline MEDMO_ABI::io
