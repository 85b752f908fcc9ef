// JSON from outside: parsed with limits, without exceptions, with errors that name the file and the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::io {

using json = nlohmann::json;

namespace detail {
inline constexpr std::size_t json_depth = 64;

/// Builds nothing: refuses what is nested too deep or names a field twice, and keeps the place of the first fault.
struct json_gate : nlohmann::json_sax<json> {
  std::vector<std::set<std::string>> keys;
  std::size_t depth = 0, fault_at = 0;
  std::string fault;

  bool refuse(std::string what) {
    fault = std::move(what);
    return false;
  }
  bool open() { return ++depth <= json_depth || refuse("nesting of more than " + std::to_string(json_depth)); }
  bool close() {
    --depth;
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, string_t const&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    keys.emplace_back();
    return open();
  }
  bool key(string_t& name) override { return keys.back().insert(name).second || refuse("field \"" + name + "\" twice"); }
  bool end_object() override {
    keys.pop_back();
    return close();
  }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t at, std::string const& token, nlohmann::detail::exception const&) override {
    fault_at = at;
    return refuse("\"" + token.substr(0, 40) + "\" at byte " + std::to_string(at));
  }
};
}  // namespace detail

/// The document in `bytes`. Errors: bad_json naming `where`: not JSON, not UTF-8, nested deeper than 64, a field twice.
inline json parse_json(std::span<std::byte const> bytes, std::string const& where) {
  auto const* begin = reinterpret_cast<char const*>(bytes.data());
  auto const* end = begin + bytes.size();
  detail::json_gate gate;
  if (!json::sax_parse(begin, end, &gate)) MEDMO_THROW(errc::bad_json, where, "JSON", gate.fault);
  return json::parse(begin, end, nullptr, false);
}

/// A JSON object with its place, so that every complaint says which field of which file.
class json_fields {
 public:
  json_fields(json const& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) MEDMO_THROW(errc::bad_json, where_, "an object", object.type_name());
  }

  std::string const& where() const { return where_; }
  json const& object() const { return object_; }
  bool has(char const* name) const { return object_.contains(name) && !object_[name].is_null(); }

  /// The field, or nothing where it is absent or null. Errors: bad_json for another type or a number out of range.
  std::optional<index> integer(char const* name) const {
    if (!has(name)) return std::nullopt;
    auto const& v = object_[name];
    if (!v.is_number_integer() || (v.is_number_unsigned() && v.get<std::uint64_t>() >
                                                                 static_cast<std::uint64_t>(std::numeric_limits<index>::max())))
      complain(name, "an integer", v);
    return v.get<index>();
  }
  std::optional<double> number(char const* name) const {
    if (!has(name)) return std::nullopt;
    if (!object_[name].is_number()) complain(name, "a number", object_[name]);
    return object_[name].get<double>();
  }
  std::optional<bool> boolean(char const* name) const {
    if (!has(name)) return std::nullopt;
    if (!object_[name].is_boolean()) complain(name, "true or false", object_[name]);
    return object_[name].get<bool>();
  }
  std::optional<std::string> text(char const* name) const {
    if (!has(name)) return std::nullopt;
    if (!object_[name].is_string()) complain(name, "a string", object_[name]);
    return object_[name].get<std::string>();
  }
  std::optional<std::vector<index>> integers(char const* name) const {
    if (!has(name)) return std::nullopt;
    auto const& v = object_[name];
    std::vector<index> out;
    if (!v.is_array()) complain(name, "a list of integers", v);
    for (auto const& x : v) {
      if (!x.is_number_integer() || (x.is_number_unsigned() && x.get<std::uint64_t>() >
                                                                   static_cast<std::uint64_t>(std::numeric_limits<index>::max())))
        complain(name, "a list of integers", x);
      out.push_back(x.get<index>());
    }
    return out;
  }
  std::optional<std::vector<double>> numbers(char const* name) const {
    if (!has(name)) return std::nullopt;
    auto const& v = object_[name];
    std::vector<double> out;
    if (!v.is_array()) complain(name, "a list of numbers", v);
    for (auto const& x : v) {
      if (!x.is_number()) complain(name, "a list of numbers", x);
      out.push_back(x.get<double>());
    }
    return out;
  }
  /// A nested object, or nothing.
  std::optional<json_fields> nested(char const* name) const {
    if (!has(name)) return std::nullopt;
    return json_fields(object_[name], where_ + ": " + name);
  }

 private:
  [[noreturn]] void complain(char const* name, char const* expected, json const& found) const {
    MEDMO_THROW(errc::bad_json, where_ + ": " + name, expected, found.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60));
  }

  json const& object_;
  std::string where_;
};

}  // namespace medmo::inline MEDMO_ABI::io
