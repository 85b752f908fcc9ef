// A page to look at: for each answer the question, the truth, what was said and the scores; for pictures the true and the
// predicted boxes side by side. Static HTML without scripts; pictures are PNG files beside it, named relatively. Text from data and
// models is escaped.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/image.hpp"
#include "../io/atomic_file.hpp"
#include "../io/image.hpp"
#include "../io/png.hpp"
#include "../vision/overlay.hpp"
#include "reply.hpp"
#include "results.hpp"
#include "run.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct page_options {
  std::size_t most = 50;  ///< items shown, the first ones
  std::function<image(std::string const&)> read_picture = [](std::string const& path) { return io::read_image(path); };
};

/// Text as HTML shows it: markup means nothing, bytes that are no UTF-8 are U+FFFD, control characters are spaces.
inline std::string escape_html(std::string_view text) {
  auto const quoted = io::json(std::string(text)).dump(-1, ' ', false, io::json::error_handler_t::replace);
  auto const sound = io::json::parse(quoted, nullptr, false).get<std::string>();
  std::string out;
  for (char c : sound) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += "&#39;";
    else out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
  }
  return out;
}

namespace detail {
inline constexpr std::string_view page_style =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}"
    "h1{font-size:1.4em}section{border-top:1px solid #ccc;padding:1em 0}h2{font-size:1em;margin:0 0 .5em}"
    ".pictures{display:flex;gap:1em;flex-wrap:wrap}figure{margin:0;flex:1 1 20em;max-width:36em}"
    "img{width:100%;height:auto;background:#eee}figcaption{color:#555}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f5;padding:.5em;margin:.3em 0}"
    "table{border-collapse:collapse}td,th{padding:.1em .8em .1em 0;text-align:left}td.n{text-align:right}.wrong{color:#a00}";

inline std::vector<detection> truth_of(item const& i, index width, index height) {
  std::vector<detection> out;
  for (auto const& t : i.boxes) {
    auto const px = in_pixels(t, width, height);
    out.push_back({t.label, to_norm1000(px, width, height), px});
  }
  return out;
}

inline std::string figure(std::string const& file, std::string_view caption) {
  return "<figure><img src=\"" + file + "\" alt=\"" + escape_html(caption) + "\"><figcaption>" + escape_html(caption) + "</figcaption></figure>\n";
}

inline std::string score_table(scores const& values) {
  std::string out = "<table><tr>";
  for (auto const& [name, value] : values) out += "<th>" + escape_html(name) + "</th>";
  out += "</tr><tr>";
  for (auto const& [name, value] : values) out += "<td class=n>" + in_hundred(value) + "</td>";
  return out + "</tr></table>\n";
}
}  // namespace detail

/// Writes index.html and its pictures into `folder`. A picture that cannot be read is said so in its place.
/// Errors: file_access.
inline void write_page(std::string const& folder, run const& of, results const& all, std::span<reply const> replies, answer_rules rules,
                       page_options const& options = {}) {
  namespace fs = std::filesystem;
  fs::create_directories(folder);
  auto const title = escape_html(all.benchmark + ", split " + (all.split.empty() ? "all" : all.split) + ", " + std::to_string(all.n) + " items");
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + title + "</title><style>" +
                     std::string(detail::page_style) + "</style></head><body>\n<h1>" + title + "</h1>\n<table><tr><th>metric</th><th>value</th><th>95 % interval</th></tr>\n";
  for (auto const& m : all.metrics)
    html += "<tr><td>" + escape_html(m.name) + "</td><td class=n>" + detail::in_hundred(m.value.value) + "</td><td class=n>" +
            detail::in_hundred(m.value.low) + " &ndash; " + detail::in_hundred(m.value.high) + "</td></tr>\n";
  html += "</table>\n";
  for (std::size_t n = 0; n < std::min(options.most, replies.size()); ++n) {
    auto const& i = *of.items()[n];
    auto const& r = replies[n];
    auto const request = of.request_of(n);
    auto const j = judge(of.of(), i, r, rules);
    html += "<section><h2>" + std::to_string(n + 1) + ". " + escape_html(i.id) + "</h2>\n<div class=pictures>\n";
    for (std::size_t p = 0; p < request.pictures.size(); ++p) {
      std::string const name = std::to_string(n) + "-" + std::to_string(p);
#if MEDMO_EXCEPTIONS
      try {
#endif
        auto const picture = options.read_picture(request.pictures[p]);
        bool const last = p + 1 == request.pictures.size();
        if (i.kind == task::grounding && last) {
          io::write_png((fs::path(folder) / (name + "-truth.png")).string(), vision::overlay(picture, detail::truth_of(i, picture.width, picture.height)));
          io::write_png((fs::path(folder) / (name + "-predicted.png")).string(), vision::overlay(picture, r.detections));
          html += detail::figure(name + "-truth.png", "truth: " + std::to_string(i.boxes.size()) + " boxes") +
                  detail::figure(name + "-predicted.png", "predicted: " + std::to_string(r.detections.size()) + " boxes");
        } else {
          io::write_png((fs::path(folder) / (name + ".png")).string(), picture);
          html += detail::figure(name + ".png", i.images[p]);
        }
#if MEDMO_EXCEPTIONS
      } catch (error const& e) {
        html += "<p class=wrong>" + escape_html(e.what()) + "</p>\n";
      }
#endif
    }
    html += "</div>\n<pre>" + escape_html(request.prompt) + "</pre>\n";
    if (i.kind != task::grounding) {
      std::string truth = i.kind == task::choice ? std::string(1, static_cast<char>('A' + i.right.value_or(0))) + ". " : "";
      for (std::size_t k = 0; k < i.answers.size(); ++k) truth += (k ? " / " : "") + i.answers[k];
      html += "<p>Truth:</p><pre>" + escape_html(truth) + "</pre>\n";
    }
    html += "<p>Answer" + (j.rule.empty() ? std::string() : " (rule: " + escape_html(j.rule) + ")") + ":</p><pre>" + escape_html(r.text) + "</pre>\n";
    if (!r.failure.empty()) html += "<p class=wrong>" + escape_html(r.failure) + "</p>\n";
    html += detail::score_table(j.values) + "</section>\n";
  }
  html += "</body></html>\n";
  io::write_file((fs::path(folder) / "index.html").string(), html);
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
