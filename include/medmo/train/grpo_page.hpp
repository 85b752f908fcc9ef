// A page of a GRPO run: a curve for each number of its log, and the sampled completions with their boxes. Static HTML without
// scripts, made anew from the log each time; the pictures lie beside it. Text from data and models is escaped.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../io/atomic_file.hpp"
#include "../io/html.hpp"
#include "../io/jsonl.hpp"

namespace medmo::inline MEDMO_ABI::train {

namespace detail {
using curve = std::vector<std::pair<double, double>>;

inline std::string short_number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", v);
  return text;
}

/// The number at a JSON pointer, or nothing.
inline std::optional<double> number_at(io::json const& line, std::string const& pointer) {
  io::json::json_pointer const place(pointer);
  if (!line.contains(place) || !line[place].is_number()) return std::nullopt;
  double const v = line[place].get<double>();
  return std::isfinite(v) ? std::optional(v) : std::nullopt;
}

inline std::string draw(curve const& c, std::string const& name) {
  constexpr double width = 320, height = 90;
  double low = c.front().second, high = low;
  for (auto const& [x, y] : c) low = std::min(low, y), high = std::max(high, y);
  double const first = c.front().first, span = std::max(c.back().first - first, 1e-9), range = std::max(high - low, 1e-12);
  std::string points;
  for (auto const& [x, y] : c)
    points += short_number(4 + (width - 8) * (x - first) / span) + "," + short_number(height - 4 - (height - 8) * (y - low) / range) + " ";
  return "<figure><svg viewBox=\"0 0 320 90\"><polyline points=\"" + points + "\"/></svg><figcaption>" + io::escape_html(name) + ": " +
         short_number(c.back().second) + " (" + short_number(low) + " .. " + short_number(high) + ")</figcaption></figure>\n";
}

inline std::string show_sample(io::json const& s, index step) {
  auto text = [&](char const* name) { return s.contains(name) && s[name].is_string() ? s[name].get<std::string>() : std::string(); };
  auto number = [&](char const* name) {
    auto const v = number_at(s, std::string("/") + name);
    return v ? short_number(*v) : std::string("none");
  };
  std::string out = "<section><h2>step " + std::to_string(step) + ", reward " + number("reward") + ", advantage " + number("advantage") + "</h2>\n";
  if (auto const name = text("picture"); !name.empty() && name.find('/') == name.npos)
    out += "<figure><img src=\"" + io::escape_html(name) + "\" alt=\"picture with the boxes of the answer\"></figure>\n";
  return out + "<pre>" + io::escape_html(text("prompt")) + "</pre>\n<pre>" + io::escape_html(text("text")) + "</pre></section>\n";
}
}  // namespace detail

/// Writes `folder`/index.html from the lines of `folder`/log.jsonl; lines that are torn are left out. The samples of the last
/// `most` steps that have some are shown, the newest first. Errors: file_access.
inline void write_grpo_page(std::string const& folder, std::size_t most = 10) {
  std::vector<std::pair<std::string, std::string>> wanted{
      {"reward", "/reward/mean"}, {"deviation of the reward", "/reward/deviation"}};
  std::vector<std::pair<std::string, std::string>> const others{
      {"share of groups without spread", "/constant_share"}, {"ratios clipped below", "/clip_low"}, {"ratios clipped above", "/clip_high"},
      {"KL to the reference", "/kl"}, {"entropy (estimate)", "/entropy"}, {"length in tokens", "/length/mean"},
      {"share of truncated completions", "/truncated_share"}, {"norm of the gradient", "/gradient_norm"}, {"tokens/s", "/tokens_per_second"}};
  std::vector<io::json> lines;
  for (io::jsonl_reader rows((std::filesystem::path(folder) / "log.jsonl").string()); auto line = rows.next();)
    if (line->value && detail::number_at(*line->value, "/step")) lines.push_back(std::move(*line->value));
  if (!lines.empty() && lines.back().contains("rewards") && lines.back()["rewards"].is_object())
    for (auto const& [name, unused] : lines.back()["rewards"].items()) {
      auto const at = "/rewards" + (io::json::json_pointer() / name).to_string();
      wanted.emplace_back("reward " + name + ", before its weight", at + "/before/mean");
      wanted.emplace_back("reward " + name + ", after its weight", at + "/after/mean");
    }
  wanted.insert(wanted.end(), others.begin(), others.end());
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>GRPO</title><style>"
      "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}"
      "h1{font-size:1.4em}h2{font-size:1em}section{border-top:1px solid #ccc;padding:1em 0}.curves{display:flex;gap:1em;flex-wrap:wrap}"
      "figure{margin:0;max-width:36em}svg{width:320px;height:90px;background:#f5f5f5}polyline{fill:none;stroke:#246;stroke-width:1.5}"
      "figcaption{color:#555}img{width:100%;height:auto}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f5;padding:.5em}"
      "</style></head><body>\n<h1>GRPO, " + std::to_string(lines.size()) + " steps</h1>\n<div class=curves>\n";
  for (auto const& [name, pointer] : wanted) {
    detail::curve c;
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (auto const v = detail::number_at(lines[i], pointer)) c.emplace_back(static_cast<double>(i), *v);
    if (!c.empty()) html += detail::draw(c, name);
  }
  html += "</div>\n";
  for (auto line = lines.rbegin(); line != lines.rend() && most > 0; ++line) {
    if (!line->contains("samples") || !(*line)["samples"].is_array()) continue;
    for (auto const& s : (*line)["samples"]) html += detail::show_sample(s, static_cast<index>(*detail::number_at(*line, "/step")));
    --most;
  }
  io::write_file((std::filesystem::path(folder) / "index.html").string(), html + "</body></html>\n");
}

}  // namespace medmo::inline MEDMO_ABI::train
