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
#include "../io/html.hpp"
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

using io::escape_html;

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

inline std::string metric_table(results const& r) {
  std::string out = "<table><tr><th>metric</th><th>value</th><th>95 % interval</th></tr>\n";
  for (auto const& m : r.metrics)
    out += "<tr><td>" + escape_html(m.name) + "</td><td class=n>" + in_hundred(m.value.value) + "</td><td class=n>" + in_hundred(m.value.low) +
           " &ndash; " + in_hundred(m.value.high) + "</td></tr>\n";
  return out + "</table>\n";
}

/// Writes a picture of an item, or the two with its boxes where there are some to compare, and shows them. `name`: of the files.
inline std::string show_picture(std::string const& folder, std::string const& name, request const& asked, std::size_t place, reply const& r,
                                page_options const& options) {
  auto const& i = *asked.what;
  auto const picture = options.read_picture(asked.pictures[place]);
  auto file = [&](std::string const& ending) { return (std::filesystem::path(folder) / (name + ending)).string(); };
  if (i.kind != task::grounding || place + 1 != asked.pictures.size()) {
    io::write_png(file(".png"), picture);
    return figure(name + ".png", i.images[place]);
  }
  io::write_png(file("-truth.png"), vision::overlay(picture, truth_of(i, picture.width, picture.height)));
  io::write_png(file("-predicted.png"), vision::overlay(picture, r.detections));
  return figure(name + "-truth.png", "truth: " + std::to_string(i.boxes.size()) + " boxes") +
         figure(name + "-predicted.png", "predicted: " + std::to_string(r.detections.size()) + " boxes");
}

inline std::string truth_text(item const& i) {
  std::string out = i.kind == task::choice ? right_answer(i) + ". " : "";
  for (std::size_t k = 0; k < i.answers.size(); ++k) out += (k ? " / " : "") + i.answers[k];
  return out;
}

/// What stands below an item's pictures.
inline std::string show_answer(request const& asked, reply const& r, judgement const& j) {
  auto const& i = *asked.what;
  std::string out = "<pre>" + escape_html(asked.prompt) + "</pre>\n";
  if (i.kind != task::grounding) out += "<p>Truth:</p><pre>" + escape_html(truth_text(i)) + "</pre>\n";
  out += "<p>Answer" + (j.rule.empty() ? std::string() : " (rule: " + escape_html(j.rule) + ")") + ":</p><pre>" + escape_html(r.text) + "</pre>\n";
  if (!r.failure.empty()) out += "<p class=wrong>" + escape_html(r.failure) + "</p>\n";
  return out + score_table(j.values);
}
}  // namespace detail

/// Writes index.html and its pictures into `folder`. A picture that cannot be read is said so in its place. Errors: file_access.
inline void write_page(std::string const& folder, run const& of, results const& all, std::span<reply const> replies, answer_rules rules,
                       page_options const& options = {}) {
  std::error_code fault;
  std::filesystem::create_directories(folder, fault);
  if (fault) MEDMO_THROW(errc::file_access, folder, "a folder that can be made", fault.message());
  auto const title = escape_html(all.benchmark + ", split " + (all.split.empty() ? "all" : all.split) + ", " + std::to_string(all.n) + " items");
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + title + "</title><style>" +
                     std::string(detail::page_style) + "</style></head><body>\n<h1>" + title + "</h1>\n" + detail::metric_table(all);
  for (std::size_t n = 0; n < std::min(options.most, replies.size()); ++n) {
    auto const asked = of.request_of(n);
    html += "<section><h2>" + std::to_string(n + 1) + ". " + escape_html(asked.what->id) + "</h2>\n<div class=pictures>\n";
    for (std::size_t p = 0; p < asked.pictures.size(); ++p) {
      auto show = [&] { html += detail::show_picture(folder, std::to_string(n) + "-" + std::to_string(p), asked, p, replies[n], options); };
#if MEDMO_EXCEPTIONS
      try {
        show();
      } catch (error const& e) {
        html += "<p class=wrong>" + escape_html(e.what()) + "</p>\n";
      }
#else
      show();
#endif
    }
    html += "</div>\n" + detail::show_answer(asked, replies[n], judge(of.of(), *asked.what, replies[n], rules)) + "</section>\n";
  }
  io::write_file((std::filesystem::path(folder) / "index.html").string(), html + "</body></html>\n");
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
