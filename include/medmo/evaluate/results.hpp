// Everything one run says: each metric with its interval, groups, what was malformed or failed. As JSON, as Markdown and as a
// table of plain text. No times are in it: two runs that gave the same answers give the same bytes. summarize.hpp makes it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "../io/json.hpp"
#include "../metrics/bootstrap.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct metric {
  std::string name;
  metrics::estimate value;  ///< 0..1, CIDEr 0..10
};

struct group_results {
  std::string name;
  std::size_t n = 0;
  double value = 0;  ///< mean accuracy, or mean IoU a picture
};

struct results {
  std::string benchmark, split;
  std::size_t n = 0, failed = 0;
  std::vector<metric> metrics;
  std::vector<group_results> groups;
  std::vector<std::string> malformed;  ///< rows of the data
  std::vector<std::string> failures;   ///< items without an answer, and why
  std::string matcher;
  io::ordered_json settings = io::ordered_json::object();  ///< of the run
};

namespace detail {
inline std::string in_hundred(double v) {
  if (std::isnan(v)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 100 * v);
  return text;
}
}  // namespace detail

/// {benchmark, split, n, metrics {name {value, low, high}}, groups, failed, malformed, ...}; what is not a number is null.
inline io::ordered_json to_json(results const& r) {
  io::ordered_json out{{"benchmark", r.benchmark}, {"split", r.split}, {"n", r.n}};
  auto& metrics = out["metrics"] = io::ordered_json::object();
  for (auto const& m : r.metrics) metrics[m.name] = {{"value", m.value.value}, {"low", m.value.low}, {"high", m.value.high}};
  auto& groups = out["groups"] = io::ordered_json::object();
  for (auto const& g : r.groups) groups[g.name] = {{"n", g.n}, {"value", g.value}};
  out["failed"] = r.failed;
  out["failures"] = r.failures;
  out["malformed"] = r.malformed.size();
  out["malformed_rows"] = r.malformed;
  out["matcher"] = r.matcher;
  out["settings"] = r.settings;
  return out;
}

/// Benchmark, split, number of items and metrics of what to_json wrote. Error: bad_json.
inline results results_of(io::json_fields const& f) {
  results r;
  auto const name = f.text("benchmark");
  auto const metrics = f.nested("metrics");
  if (!name || !metrics) MEDMO_THROW(errc::bad_json, f.where(), "results: benchmark and metrics", "others");
  r.benchmark = *name;
  r.split = f.text("split").value_or("");
  r.n = static_cast<std::size_t>(std::max<index>(0, f.integer("n").value_or(0)));
  for (auto const& [key, value] : metrics->object().items()) {
    io::json_fields const m(value, metrics->where(key));
    double const nothing = std::nan("");
    r.metrics.push_back({key, {m.number("value").value_or(nothing), m.number("low").value_or(nothing), m.number("high").value_or(nothing)}});
  }
  return r;
}

/// Lines of a table: metric, value and interval in hundredths.
inline std::string to_text(results const& r) {
  std::string out = r.benchmark + ", split " + (r.split.empty() ? "all" : r.split) + ": " + std::to_string(r.n) + " items";
  if (r.failed) out += ", " + std::to_string(r.failed) + " without an answer";
  if (!r.malformed.empty()) out += ", " + std::to_string(r.malformed.size()) + " malformed rows left out";
  out += "\n";
  char line[160];
  for (auto const& m : r.metrics) {
    std::snprintf(line, sizeof line, "  %-36s %8s   [%s, %s]\n", m.name.c_str(), detail::in_hundred(m.value.value).c_str(),
                  detail::in_hundred(m.value.low).c_str(), detail::in_hundred(m.value.high).c_str());
    out += line;
  }
  return out;
}

/// The same as Markdown, with groups, failures and malformed rows.
inline std::string to_markdown(results const& r) {
  auto cell = [](std::string text) {
    for (std::size_t at = 0; (at = text.find_first_of("|<\n\r", at)) != text.npos; at += 2)
      text.replace(at, 1, text[at] == '|' ? "\\|" : text[at] == '<' ? "&lt;" : "  ");
    return text;
  };
  std::string out = "# " + cell(r.benchmark) + "\n\nSplit " + (r.split.empty() ? "all" : cell(r.split)) + ", " + std::to_string(r.n) + " items; " +
                    std::to_string(r.failed) + " without an answer, " + std::to_string(r.malformed.size()) +
                    " malformed rows left out. Values in hundredths, 95 % bootstrap intervals; rules " + r.matcher + ".\n\n| metric | value | low | high |\n| --- | ---: | ---: | ---: |\n";
  for (auto const& m : r.metrics)
    out += "| " + cell(m.name) + " | " + detail::in_hundred(m.value.value) + " | " + detail::in_hundred(m.value.low) + " | " + detail::in_hundred(m.value.high) + " |\n";
  if (!r.groups.empty()) {
    out += "\n| group | n | accuracy, or mean IoU a picture |\n| --- | ---: | ---: |\n";
    for (auto const& g : r.groups) out += "| " + cell(g.name) + " | " + std::to_string(g.n) + " | " + detail::in_hundred(g.value) + " |\n";
  }
  auto list = [&](char const* title, std::vector<std::string> const& lines) {
    if (lines.empty()) return;
    out += std::string("\n") + title + ":\n\n";
    for (auto const& l : lines) out += "- " + cell(l) + "\n";
  };
  list("Without an answer", r.failures);
  list("Malformed rows", r.malformed);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
