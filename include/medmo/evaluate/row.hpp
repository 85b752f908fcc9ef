// One row of a data file as named fields, whatever the file's format, and the ways in which readers take values out of it.
// Every complaint names file, line and field.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../io/json.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct row {
  std::string where;  ///< "PATH:LINE", or "PATH: item 12" of a JSON list
  std::string folder; ///< of the data set
  std::string file;   ///< below it
  std::string split;  ///< that the file's name states; empty: none
  std::size_t number = 0;  ///< line or place in the file, from 1
  io::json value;          ///< an object; of a CSV table, strings
};

namespace detail {
inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

inline std::string_view trimmed(std::string_view text) {
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// A word or number as text; other values are no text.
inline std::optional<std::string> as_text(io::json const& v) {
  if (v.is_string()) return v.get<std::string>();
  if (v.is_number_integer() || v.is_number_float()) return v.dump();
  if (v.is_boolean()) return v.get<bool>() ? "yes" : "no";
  return std::nullopt;
}

[[noreturn]] inline void bad_field(row const& r, std::string const& name, std::string const& expected, std::string const& found) {
  MEDMO_THROW(errc::bad_json, r.where + (name.empty() ? "" : ": " + name), expected, found);
}
}  // namespace detail

/// The first of the fields `names` that is there and not null, with its name; or none.
inline std::pair<io::json const*, std::string> find_field(row const& r, std::initializer_list<char const*> names) {
  for (auto const* name : names)
    if (auto it = r.value.find(name); it != r.value.end() && !it->is_null()) return {&*it, name};
  return {nullptr, {}};
}

/// The text in the first of those fields that is there, numbers included; empty where none is. Error: bad_json.
inline std::string text_field(row const& r, std::initializer_list<char const*> names) {
  auto const [value, name] = find_field(r, names);
  if (!value) return {};
  auto text = detail::as_text(*value);
  if (!text) detail::bad_field(r, name, "text", io::excerpt(*value));
  return *text;
}

/// The same, but it must be there and not blank. Error: bad_json.
inline std::string needed_text(row const& r, std::initializer_list<char const*> names) {
  auto text = text_field(r, names);
  if (detail::trimmed(text).empty()) detail::bad_field(r, *names.begin(), "text", find_field(r, names).first ? "none" : "no such field");
  return text;
}

/// One text or a list of them; empty where the field is absent. Error: bad_json.
inline std::vector<std::string> texts_field(row const& r, std::initializer_list<char const*> names) {
  auto const [value, name] = find_field(r, names);
  if (!value) return {};
  std::vector<std::string> out;
  auto take = [&, &field = name](io::json const& v) {
    auto text = detail::as_text(v);
    if (!text) detail::bad_field(r, field, "text or a list of texts", io::excerpt(v));
    out.push_back(*std::move(text));
  };
  if (value->is_array()) for (auto const& v : *value) take(v);
  else take(*value);
  return out;
}

/// Numbers of a list, or of a text such as "1.5, 2, 3, 4". Error: bad_json unless there are `count`, all finite.
inline std::vector<double> numbers_of(row const& r, std::string const& name, io::json const& value, std::size_t count) {
  std::vector<double> out;
  auto wrong = [&] { detail::bad_field(r, name, std::to_string(count) + " numbers", io::excerpt(value)); };
  if (value.is_array()) {
    for (auto const& v : value) {
      if (!v.is_number()) wrong();
      out.push_back(v.get<double>());
    }
  } else if (value.is_string()) {
    auto text = value.get<std::string>();
    for (char& c : text)
      if (c == '[' || c == ']' || c == '(' || c == ')' || c == ',' || c == ';') c = ' ';
    for (char const* at = text.c_str(); *(at += std::strspn(at, " \t")) != 0;) {
      char* end = nullptr;
      out.push_back(std::strtod(at, &end));
      if (end == at) wrong();
      at = end;
    }
  } else {
    wrong();
  }
  if (out.size() != count || !std::all_of(out.begin(), out.end(), [](double v) { return std::isfinite(v); })) wrong();
  return out;
}

/// The row's own name, or "FILE:NUMBER".
inline std::string id_of(row const& r, std::initializer_list<char const*> names) {
  auto id = text_field(r, names);
  return id.empty() ? r.file + ":" + std::to_string(r.number) : id;
}

/// "validation", "valid" and "dev" are "val"; "testing" is "test"; lower case.
inline std::string split_name(std::string_view name) {
  auto s = detail::lower(detail::trimmed(name));
  if (s == "validation" || s == "valid" || s == "dev") return "val";
  return s == "testing" ? "test" : s == "training" ? "train" : s;
}

/// The picture `name`, below the data set's folder: in the first of `folders` ("" is the folder itself) that has it, or as it
/// would be in the first. Error: bad_json for a path that leads out of the folder.
inline std::string picture_path(row const& r, std::string const& name, std::initializer_list<char const*> folders = {"", "images"}) {
  namespace fs = std::filesystem;
  fs::path const path(name);
  bool const inside = !name.empty() && name.find('\0') == name.npos && !path.is_absolute() &&
                      std::none_of(path.begin(), path.end(), [](fs::path const& part) { return part == ".."; });
  if (!inside) detail::bad_field(r, "picture", "a path inside the data's folder", io::excerpt(io::json(name)));
  auto below = [&](char const* folder) { return (fs::path(folder) / path).generic_string(); };
  std::error_code ignored;
  for (auto const* folder : folders)
    if (fs::is_regular_file(fs::path(r.folder) / below(folder), ignored)) return below(folder);
  return below(*folders.begin());
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
