// JSON from outside: parsed with limits, without exceptions, with errors that name the file, the place and the field.
// parse_json builds the document; json_fields reads typed fields out of an object of it. The one owner of nlohmann-json.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "mapped_file.hpp"

namespace medmo::inline MEDMO_ABI::io {

using json = nlohmann::json;
using ordered_json = nlohmann::ordered_json;  ///< to write: fields stay in the order they were put in

/// A value as JSON for messages: ASCII only and cut off, whatever bytes it came from.
inline std::string excerpt(json const& value, std::size_t limit = 60) {
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= limit ? text : text.substr(0, limit) + "...";
}

/// Is every byte of it part of a well-formed UTF-8 character?
inline bool is_utf8(std::string const& text) {
  json value = text;  // `replace` puts a character where `ignore` puts none
  return value.dump(-1, ' ', false, json::error_handler_t::replace) ==
         value.dump(-1, ' ', false, json::error_handler_t::ignore);
}

namespace detail {
inline constexpr std::size_t json_depth = 64;

/// Builds the document while it is read; stops where it nests too deep or names a field twice. Not recursive.
class json_builder : public nlohmann::json_sax<json> {
 public:
  json document;
  std::string fault;

  bool null() override { return place(nullptr); }
  bool boolean(bool v) override { return place(v); }
  bool number_integer(number_integer_t v) override { return place(v); }
  bool number_unsigned(number_unsigned_t v) override { return place(v); }
  bool number_float(number_float_t v, string_t const&) override { return place(v); }
  bool string(string_t& v) override { return place(std::move(v)); }
  bool binary(binary_t&) override { return false; }  // JSON has none
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    auto& object = open_.back()->get_ref<json::object_t&>();
    auto [at, fresh] = object.emplace(std::move(name), nullptr);
    value_ = &at->second;
    return fresh || refuse("the field " + excerpt(at->first) + " twice");
  }
  bool parse_error(std::size_t at, std::string const& token, nlohmann::detail::exception const&) override {
    return refuse("a fault at byte " + std::to_string(at) + ", after " + excerpt(token));
  }

 private:
  bool refuse(std::string what) {
    fault = std::move(what);
    return false;
  }
  json* put(json&& v) {
    if (open_.empty()) return &(document = std::move(v));
    if (open_.back()->is_object()) return &(*value_ = std::move(v));
    auto& list = open_.back()->get_ref<json::array_t&>();
    return &list.emplace_back(std::move(v));
  }
  bool place(json v) {
    put(std::move(v));
    return true;
  }
  bool open(json v) {
    if (open_.size() == json_depth) return refuse("nesting of more than " + std::to_string(json_depth));
    open_.push_back(put(std::move(v)));  // stays in place: its parent gets nothing new until it is closed
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<json*> open_;
  json* value_ = nullptr;  ///< of the field being read in the innermost object
};
}  // namespace detail

/// The document in `bytes`, or nothing and why not in `fault`: not JSON, not UTF-8, a number beyond a double, nested deeper
/// than 64, a field twice. A byte order mark is skipped.
inline std::optional<json> try_parse_json(std::span<std::byte const> bytes, std::string& fault) {
  auto const* begin = reinterpret_cast<char const*>(bytes.data());
  auto refuse = [&](std::string why) {
    fault = std::move(why);
    return std::nullopt;
  };
  if (bytes.empty()) return refuse("nothing");
  // the parser would take a NUL for the end and leave what follows unread
  if (auto const* nul = static_cast<char const*>(std::memchr(begin, 0, bytes.size())))
    return refuse("a NUL at byte " + std::to_string(nul - begin + 1));
  detail::json_builder builder;
  if (!json::sax_parse(begin, begin + bytes.size(), &builder)) return refuse(std::move(builder.fault));
  return std::move(builder.document);
}

/// The same, but what is not JSON is an error. Errors: bad_json naming `where` and the offset.
inline json parse_json(std::span<std::byte const> bytes, std::string const& where) {
  std::string fault;
  auto document = try_parse_json(bytes, fault);
  if (!document) MEDMO_THROW(errc::bad_json, where, "JSON", fault);
  return *std::move(document);
}

inline constexpr std::size_t json_file_limit = 64u << 20;  ///< bytes of a JSON file; a tokenizer.json has 11 MB

/// The document in a file. Errors: file_access; too_large beyond 64 MiB; bad_json.
inline json read_json(std::string const& path) {
  auto mapped = mapped_file::open(path);
  if (mapped.bytes().size() > json_file_limit)
    MEDMO_THROW(errc::too_large, path, "at most " + std::to_string(json_file_limit) + " bytes",
                std::to_string(mapped.bytes().size()));
  auto file = mapped_file::open(path, file_mode::read);
  return parse_json(file.bytes(), path);
}

/// A JSON object with its place, so that every complaint says which field of which file. Refers to the object: keep that
/// alive. Each reader gives nothing where the field is absent or null. Errors: bad_json for a value of another type.
class json_fields {
 public:
  json_fields(json const& object, std::string where) : json_fields(object, std::move(where), "") {}
  json_fields(json&&, std::string) = delete;

  /// The place of the object, and of one of its fields: "config.json: text_config.hidden_size".
  std::string where() const { return path_.empty() ? file_ : file_ + ": " + path_; }
  std::string where(std::string const& name) const { return file_ + ": " + (path_.empty() ? "" : path_ + ".") + name; }
  json const& object() const { return *object_; }
  /// The value, or nullptr where it is absent or null.
  json const* find(std::string const& name) const {
    auto it = object_->find(name);
    return it == object_->end() || it->is_null() ? nullptr : &*it;
  }
  bool has(std::string const& name) const { return find(name) != nullptr; }

  std::optional<index> integer(std::string const& name) const {
    return read<index>(name, "an integer", is_index);
  }
  std::optional<double> number(std::string const& name) const {
    return read<double>(name, "a number", [](json const& v) { return v.is_number(); });
  }
  std::optional<bool> boolean(std::string const& name) const {
    return read<bool>(name, "true or false", [](json const& v) { return v.is_boolean(); });
  }
  std::optional<std::string> text(std::string const& name) const {
    return read<std::string>(name, "a string", [](json const& v) { return v.is_string(); });
  }
  std::optional<std::vector<index>> integers(std::string const& name) const {
    return read<std::vector<index>>(name, "a list of integers", [](json const& v) {
      return v.is_array() && std::all_of(v.begin(), v.end(), is_index);
    });
  }
  std::optional<std::vector<double>> numbers(std::string const& name) const {
    return read<std::vector<double>>(name, "a list of numbers", [](json const& v) {
      return v.is_array() && std::all_of(v.begin(), v.end(), [](json const& x) { return x.is_number(); });
    });
  }
  std::optional<std::vector<std::string>> texts(std::string const& name) const {
    return read<std::vector<std::string>>(name, "a list of strings", [](json const& v) {
      return v.is_array() && std::all_of(v.begin(), v.end(), [](json const& x) { return x.is_string(); });
    });
  }
  /// A nested object.
  std::optional<json_fields> nested(std::string const& name) const {
    auto const* v = find(name);
    if (!v) return std::nullopt;
    return json_fields(*v, file_, path_.empty() ? name : path_ + "." + name);
  }

 private:
  json_fields(json const& object, std::string file, std::string path)
      : object_(&object), file_(std::move(file)), path_(std::move(path)) {
    if (!object.is_object()) MEDMO_THROW(errc::bad_json, where(), "an object", excerpt(object));
  }
  static bool is_index(json const& v) {
    return v.is_number_unsigned() ? std::in_range<index>(v.get<std::uint64_t>()) : v.is_number_integer();
  }
  template <class T, class Good>
  std::optional<T> read(std::string const& name, char const* expected, Good good) const {
    auto const* v = find(name);
    if (!v) return std::nullopt;
    if (!good(*v)) MEDMO_THROW(errc::bad_json, where(name), expected, excerpt(*v));
    return v->get<T>();
  }

  json const* object_;
  std::string file_, path_;
};

}  // namespace medmo::inline MEDMO_ABI::io
