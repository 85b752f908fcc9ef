// Changes to pictures of a row that its boxes follow: crop, scale, mirror, intensity. A function of the options and of one
// random stream. Boxes come out in pixels of the changed picture. Not done where the words would become wrong: the rules stand
// with the options.
#pragma once

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "../core/image.hpp"
#include "../core/random.hpp"
#include "../kernels/resample.hpp"
#include "conversation.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// All off as it stands. Geometry is left alone in a row whose words hold coordinates themselves ("<box>", "bbox", "<|box").
struct augment_options {
  double crop = 0;            ///< probability of a window of the picture
  double least_area = 0.6;    ///< share of the picture that the window has at least
  /// A box keeps what lies in the window; with less than this share of its area left it is dropped. A window that drops a
  /// box named by its number, all boxes of a named label, or all boxes there are, is not taken.
  double least_box = 0.5;
  double scale = 0;           ///< probability of another size
  double least_scale = 0.75, most_scale = 1.25;
  /// Probability of mirroring left to right; never where the words or labels say left or right. Anatomy has sides: off by
  /// default.
  double flip = 0;
  double intensity = 0;       ///< probability of v' = (v - 128) contrast + 128 + brightness
  double contrast = 0.2;      ///< contrast in 1 +- this
  double brightness = 20;     ///< brightness in +- this, of 255
};

/// Errors: bad_argument naming the option.
inline void check(augment_options const& o) {
  auto within = [](char const* name, double v, double least, double most) {
    if (!(v >= least && v <= most)) MEDMO_THROW(errc::bad_argument, std::string("augment: ") + name, std::to_string(least) + " .. " + std::to_string(most), std::to_string(v));
  };
  within("crop", o.crop, 0, 1);
  within("least_area", o.least_area, 0.01, 1);
  within("least_box", o.least_box, 0, 1);
  within("scale", o.scale, 0, 1);
  within("least_scale", o.least_scale, 0.1, 10);
  within("most_scale", o.most_scale, o.least_scale, 10);
  within("flip", o.flip, 0, 1);
  within("intensity", o.intensity, 0, 1);
  within("contrast", o.contrast, 0, 0.99);
  within("brightness", o.brightness, 0, 255);
}

namespace detail {
/// Is the word there, as a word, in letters of either case?
inline bool says(std::string_view text, std::string_view word) {
  auto low = [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); };
  auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t i = 0; i + word.size() <= text.size(); ++i) {
    bool same = (i == 0 || !letter(text[i - 1])) && (i + word.size() == text.size() || !letter(text[i + word.size()]));
    for (std::size_t k = 0; same && k < word.size(); ++k) same = low(text[i + k]) == word[k];
    if (same) return true;
  }
  return false;
}
template <class F>
bool any_words(conversation const& row, F&& f) {
  for (auto const& turn : row.turns)
    for (auto const& piece : turn.content)
      if (auto const* words = std::get_if<std::string>(&piece); words && f(*words)) return true;
  return std::any_of(row.boxes.begin(), row.boxes.end(), [&](auto const& b) { return f(b.label); });
}

inline image cut(image const& p, index left, index top, index width, index height) {
  image out(width, height);
  for (index y = 0; y < height; ++y) std::copy_n(p.at(left, top + y), 3 * width, out.at(0, y));
  return out;
}
inline void mirror(image& p) {
  for (index y = 0; y < p.height; ++y)
    for (index x = 0; x < p.width / 2; ++x) std::swap_ranges(p.at(x, y), p.at(x, y) + 3, p.at(p.width - 1 - x, y));
}

/// The boxes of `row` that stay when picture `i` becomes a window; nothing where the window may not be.
inline std::optional<std::vector<stated_box>> boxes_in(conversation const& row, index i, box<pixel> const& window, double least) {
  std::vector<stated_box> kept;
  for (auto const& b : row.boxes) {
    auto in = b;
    if (b.image == i) {
      auto const& px = std::get<box<pixel>>(b.where);
      box<pixel> const c{std::max(px.x1, window.x1), std::max(px.y1, window.y1), std::min(px.x2, window.x2), std::min(px.y2, window.y2)};
      double const area = (px.x2 - px.x1) * (px.y2 - px.y1), left = std::max(0.0, c.x2 - c.x1) * std::max(0.0, c.y2 - c.y1);
      if (c.x1 > c.x2 || c.y1 > c.y2 || left < least * area) continue;
      in.where = box<pixel>{c.x1 - window.x1, c.y1 - window.y1, c.x2 - window.x1, c.y2 - window.y1};
    }
    kept.push_back(std::move(in));
  }
  if (kept.size() == row.boxes.size()) return kept;
  if (kept.empty()) return std::nullopt;
  for (auto const& turn : row.turns)
    for (auto const& piece : turn.content) {
      auto const* place = std::get_if<box_place>(&piece);
      if (!place || place->named == boxes_named::all) continue;
      if (place->named == boxes_named::by_number) return std::nullopt;  // numbers would move
      if (std::none_of(kept.begin(), kept.end(), [&](auto const& b) { return b.label == place->label; })) return std::nullopt;
    }
  return kept;
}
}  // namespace detail

/// Changes `pictures`, one for each of row.images, and the row's boxes with them. The k-th picture takes the random numbers
/// 16 k .. 16 k + 15. Errors: bad_argument (options, number of pictures); too_large.
inline void augment(conversation& row, std::vector<image>& pictures, augment_options const& o, random_stream const& random) {
  check(o);
  if (pictures.size() != row.images.size())
    MEDMO_THROW(errc::bad_argument, row.where, std::to_string(row.images.size()) + " pictures", std::to_string(pictures.size()));
  for (auto& b : row.boxes)
    if (auto const* n = std::get_if<box<norm1000>>(&b.where)) {
      auto const& p = pictures[static_cast<std::size_t>(b.image)];
      b.where = to_pixel(*n, p.width, p.height);
    }
  bool const moves = !detail::any_words(row, [](std::string const& s) {
    return s.find("<box>") != s.npos || s.find("bbox") != s.npos || s.find("<|box") != s.npos;
  });
  bool const mirrors = moves && !detail::any_words(row, [](std::string const& s) { return detail::says(s, "left") || detail::says(s, "right"); });
  for (std::size_t k = 0; k < pictures.size(); ++k) {
    auto& p = pictures[k];
    auto const i = static_cast<index>(k);
    auto draw = [&](std::uint64_t n) { return random.uniform(16 * k + n); };
    auto between = [&](std::uint64_t n, double least, double most) { return least + (most - least) * draw(n); };
    auto each_box = [&](auto&& f) {
      for (auto& b : row.boxes)
        if (b.image == i) f(std::get<box<pixel>>(b.where));
    };
    if (moves && draw(0) < o.crop) {
      double const side = std::sqrt(between(1, o.least_area, 1));
      index const w = std::clamp<index>(std::lround(side * static_cast<double>(p.width)), 1, p.width);
      index const h = std::clamp<index>(std::lround(side * static_cast<double>(p.height)), 1, p.height);
      auto const left = static_cast<index>(draw(2) * static_cast<double>(p.width - w + 1));
      auto const top = static_cast<index>(draw(3) * static_cast<double>(p.height - h + 1));
      auto real = [](index n) { return static_cast<double>(n); };
      if (auto kept = detail::boxes_in(row, i, {real(left), real(top), real(left + w), real(top + h)}, o.least_box)) {
        row.boxes = std::move(*kept);
        p = detail::cut(p, left, top, w, h);
      }
    }
    if (moves && draw(4) < o.scale) {
      double const s = between(5, o.least_scale, o.most_scale);
      index const w = std::max<index>(1, std::lround(s * static_cast<double>(p.width))), h = std::max<index>(1, std::lround(s * static_cast<double>(p.height)));
      double const sx = static_cast<double>(w) / static_cast<double>(p.width), sy = static_cast<double>(h) / static_cast<double>(p.height);
      p = kernels::resample_bicubic(p, w, h, kernels::resample_rule::pillow);
      each_box([&](auto& b) { b = {b.x1 * sx, b.y1 * sy, b.x2 * sx, b.y2 * sy}; });
    }
    if (mirrors && draw(6) < o.flip) {
      detail::mirror(p);
      auto const w = static_cast<double>(p.width);
      each_box([&](auto& b) { b = {w - b.x2, b.y1, w - b.x1, b.y2}; });
    }
    if (draw(7) < o.intensity) {
      double const contrast = between(8, 1 - o.contrast, 1 + o.contrast), brightness = between(9, -o.brightness, o.brightness);
      for (auto& v : p.pixels) v = static_cast<std::uint8_t>(std::clamp(std::nearbyint((v - 128.0) * contrast + 128 + brightness), 0.0, 255.0));
    }
  }
}

}  // namespace medmo::inline MEDMO_ABI::train
