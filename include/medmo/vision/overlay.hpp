// Boxes, labels and confidences drawn onto a picture. A colour a label, dark edges so that lines show on any ground, tags
// that stay inside and keep off each other. Sizes follow the picture's. Files are not written here.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/box.hpp"
#include "../core/error.hpp"
#include "../core/image.hpp"
#include "../kernels/resample.hpp"
#include "font.hpp"

namespace medmo::inline MEDMO_ABI::vision {

struct overlay_options {
  std::optional<index> picture{};  ///< draw the detections of this picture of the conversation only
  index least_side = 512;  ///< smaller pictures are enlarged by a whole factor until one side reaches it; 0: never
  index line_width = 0;    ///< pixels; 0: from the size
  index text_scale = 0;    ///< pixels a font dot; 0: from the size
  index most_tags = 24;    ///< with more boxes than this, one tag for each label and its count instead; 0: no tags
};

namespace detail {

struct colour {
  std::uint8_t r, g, b;
};

/// Bright and far apart, on grey pictures and on stains.
inline constexpr std::array<colour, 10> label_colours{{{255, 214, 10},
                                                       {0, 208, 255},
                                                       {255, 92, 176},
                                                       {132, 232, 62},
                                                       {255, 146, 36},
                                                       {178, 138, 255},
                                                       {255, 84, 72},
                                                       {0, 226, 178},
                                                       {96, 156, 255},
                                                       {240, 240, 240}}};

/// Half-open: x0 <= x < x1.
struct rectangle {
  index x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  index area() const { return x1 > x0 && y1 > y0 ? (x1 - x0) * (y1 - y0) : 0; }
  rectangle grown(index by) const { return {x0 - by, y0 - by, x1 + by, y1 + by}; }
};

inline rectangle overlap(rectangle const& a, rectangle const& b) {
  return {std::max(a.x0, b.x0), std::max(a.y0, b.y0), std::min(a.x1, b.x1), std::min(a.y1, b.y1)};
}

inline void fill(image& to, rectangle area, colour c, int opacity = 255) {
  area = overlap(area, {0, 0, to.width, to.height});
  auto mix = [opacity](std::uint8_t old, std::uint8_t now) {
    return static_cast<std::uint8_t>((old * (255 - opacity) + now * opacity + 127) / 255);
  };
  for (index y = area.y0; y < area.y1; ++y)
    for (index x = area.x0; x < area.x1; ++x) {
      std::uint8_t* p = to.at(x, y);
      p[0] = mix(p[0], c.r);
      p[1] = mix(p[1], c.g);
      p[2] = mix(p[2], c.b);
    }
}

/// The ring between `outer` and `inner`; each pixel once.
inline void fill_ring(image& to, rectangle const& outer, rectangle const& inner, colour c, int opacity = 255) {
  if (inner.area() == 0) return fill(to, outer, c, opacity);
  fill(to, {outer.x0, outer.y0, outer.x1, inner.y0}, c, opacity);
  fill(to, {outer.x0, inner.y1, outer.x1, outer.y1}, c, opacity);
  fill(to, {outer.x0, inner.y0, inner.x0, inner.y1}, c, opacity);
  fill(to, {inner.x1, inner.y0, outer.x1, inner.y1}, c, opacity);
}

/// One '?' for each character that is not printable ASCII, also if UTF-8 spells it with several bytes.
inline std::string drawable(std::string_view text, std::size_t most) {
  std::string out;
  bool foreign = false;
  for (char character : text) {
    auto c = static_cast<unsigned char>(character);
    bool continues = foreign && c >= 0x80 && c < 0xc0;
    foreign = c >= 0x80;
    if (continues) continue;
    if (out.size() == most) {  // cut, and say so
      for (std::size_t i = 0; i < std::min<std::size_t>(2, most); ++i) out[most - 1 - i] = '.';
      break;
    }
    out += c >= 32 && c <= 126 ? character : '?';
  }
  return out;
}

inline void draw_text(image& to, std::string_view text, index left, index top, index scale, colour c) {
  for (char character : text) {
    for (index y = 0; y < glyph_height; ++y)
      for (index x = 0; x < glyph_width; ++x)
        if (glyph_dot(character, x, y)) {
          index px = left + x * scale, py = top + y * scale;
          fill(to, {px, py, px + scale, py + scale}, c);
        }
    left += glyph_advance * scale;
  }
}

struct tag {
  std::string text;
  colour ground{};
  rectangle place;
};

/// A box on the result: corners in order, inside, at least one pixel. Nothing for corners that are not numbers.
inline std::optional<rectangle> place_of(box<pixel> const& b, double factor, index width, index height) {
  if (!std::isfinite(b.x1) || !std::isfinite(b.y1) || !std::isfinite(b.x2) || !std::isfinite(b.y2)) return std::nullopt;
  auto span = [factor](double a, double z, index size) {
    double limit = static_cast<double>(size);
    index low = static_cast<index>(std::lround(std::clamp(std::min(a, z) * factor, 0.0, limit)));
    index high = static_cast<index>(std::lround(std::clamp(std::max(a, z) * factor, 0.0, limit)));
    low = std::min(low, size - 1);
    return std::array<index, 2>{low, std::max(high, low + 1)};
  };
  auto [x0, x1] = span(b.x1, b.x2, width);
  auto [y0, y1] = span(b.y1, b.y2, height);
  return rectangle{x0, y0, x1, y1};
}

/// "label 0.87"; no number without a finite confidence.
inline std::string confidence_text(std::optional<double> confidence) {
  if (!confidence || !std::isfinite(*confidence)) return {};
  auto hundredths = static_cast<int>(std::lround(std::clamp(*confidence, 0.0, 1.0) * 100.0));
  std::string digits = std::to_string(hundredths % 100);
  return (hundredths >= 100 ? " 1." : " 0.") + std::string(2 - digits.size(), '0') + digits;
}

/// What is drawn: sizes in pixels of the result.
struct overlay_style {
  index line = 1, edge = 1, scale = 1;
  index padding() const { return 2 * scale; }
  index tag_width(std::size_t letters) const {
    return static_cast<index>(letters) * glyph_advance * scale - scale + 2 * padding();
  }
  index tag_height() const { return glyph_height * scale + padding(); }
  /// Letters that fit a tag in a picture of this width.
  std::size_t letters(index width) const {
    index room = (width - 2 * padding() + scale) / (glyph_advance * scale);
    return static_cast<std::size_t>(std::max<index>(0, room));
  }
};

inline overlay_style style_of(index width, index height, overlay_options const& o) {
  index side = std::max(width, height);
  overlay_style style;
  style.scale = std::clamp<index>(o.text_scale > 0 ? o.text_scale : (side + 180) / 360, 1, 256);
  style.line = std::clamp<index>(o.line_width > 0 ? o.line_width : (side + 200) / 400, 1, 256);
  style.edge = std::max<index>(1, style.line / 2);
  if (o.text_scale == 0)  // narrow pictures: smaller letters before fewer letters
    while (style.scale > 1 && (style.letters(width) < 12 || style.tag_height() * 3 > height)) --style.scale;
  return style;
}

/// The place near `around` that covers least: other tags above all, then boxes; the usual place wins ties.
inline rectangle best_place(rectangle const& around, index w, index h, rectangle const& picture,
                            std::vector<tag> const& tags, std::vector<rectangle> const& boxes) {
  rectangle best;
  index best_cost = -1;
  auto consider = [&](index x, index y, index penalty) {
    x = std::max<index>(0, std::min(x, picture.x1 - w));
    y = std::max<index>(0, std::min(y, picture.y1 - h));
    rectangle r{x, y, x + w, y + h};
    index cost = penalty * w * h / 64;
    for (auto const& t : tags) cost += 1024 * overlap(r, t.place).area();
    for (auto const& b : boxes) cost += overlap(r, b).area();
    if (best_cost < 0 || cost < best_cost) best = r, best_cost = cost;
  };
  for (index k = 0; k < 6; ++k) {
    consider(around.x0, around.y0 - (k + 1) * h, 8 * k);
    consider(around.x1 - w, around.y0 - (k + 1) * h, 8 * k + 1);
    consider(around.x0, around.y1 + k * h, 8 * k + 2);
    consider(around.x1 - w, around.y1 + k * h, 8 * k + 3);
    consider(around.x1, around.y0 + k * h, 8 * k + 4);
    consider(around.x0 - w, around.y0 + k * h, 8 * k + 5);
    consider(around.x0, around.y0 + k * h, 8 * k + 6);
  }
  return best;
}

inline void draw_tag(image& to, tag const& t, overlay_style const& style) {
  index edge = std::max<index>(1, style.scale / 2);
  fill_ring(to, t.place.grown(edge), t.place, {0, 0, 0}, 150);
  fill(to, t.place, t.ground);
  int light = (t.ground.r * 299 + t.ground.g * 587 + t.ground.b * 114) / 1000;
  colour ink = light > 110 ? colour{0, 0, 0} : colour{255, 255, 255};
  index top = t.place.y0 + style.padding() / 2 + style.scale;  // small letters and capitals look centred
  draw_text(to, t.text, t.place.x0 + style.padding(), top, style.scale, ink);
}
}  // namespace detail

/// `picture` with `detections` drawn onto it.
/// Boxes are taken from box_px (pixels of `picture`, y down), put in order and cut to the picture; those whose corners are
/// not numbers are left out. A label has the same colour wherever it stands; a tag reads "label 0.87" when there is a
/// confidence. Characters that are not ASCII show as '?'. The result is larger than the picture by a whole factor when
/// `least_side` asks for it. Any size from 1 x 1. Errors: bad_image if the picture has no size or its pixels do not fill
/// it; bad_argument for least_side above 4096.
inline image overlay(image const& picture, std::span<detection const> detections, overlay_options const& options = {}) {
  if (options.least_side > 4096)
    MEDMO_THROW(errc::bad_argument, "overlay, least_side", "0 .. 4096", std::to_string(options.least_side));
  index side = std::max<index>(1, std::max(picture.width, picture.height));
  index factor = std::max<index>(1, (options.least_side + side - 1) / side);
  image out = kernels::resample_bicubic(picture, picture.width * factor, picture.height * factor);
  auto style = detail::style_of(out.width, out.height, options);

  struct kind {
    std::string_view label;
    detail::colour paint;
    index count;
  };
  std::vector<kind> kinds;  // labels in order of appearance; colours do not depend on which picture is drawn
  auto kind_of = [&](std::string_view label) -> kind& {
    for (auto& k : kinds)
      if (k.label == label) return k;
    kinds.push_back({label, detail::label_colours[kinds.size() % detail::label_colours.size()], 0});
    return kinds.back();
  };
  struct found {
    detection const* what;
    detail::colour paint;
  };
  std::vector<found> drawn;
  std::vector<detail::rectangle> boxes;
  for (auto const& d : detections) {
    auto& k = kind_of(d.label);
    auto place = detail::place_of(d.box_px, static_cast<double>(factor), out.width, out.height);
    if (!place || (options.picture && d.image != *options.picture)) continue;
    ++k.count;
    drawn.push_back({&d, k.paint});
    boxes.push_back(*place);
  }

  index outside = style.line / 2, inside = style.line - outside;  // the line lies on the box's edge
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    auto outer = boxes[i].grown(outside), inner = boxes[i].grown(-inside);
    detail::fill_ring(out, outer.grown(style.edge), outer, {0, 0, 0}, 150);
    if (inner.area() > 0) detail::fill_ring(out, inner, inner.grown(-style.edge), {0, 0, 0}, 150);
    detail::fill_ring(out, outer, inner, drawn[i].paint);
  }

  std::vector<detail::tag> tags;
  std::size_t most_letters = style.letters(out.width);
  if (most_letters == 0 || style.tag_height() > out.height) return out;  // no room for a single letter
  if (static_cast<index>(drawn.size()) <= options.most_tags) {
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      std::string number = detail::confidence_text(drawn[i].what->confidence);
      if (number.size() + 3 > most_letters) number.clear();
      auto text = detail::drawable(drawn[i].what->label, most_letters - number.size()) + number;
      if (text.empty()) continue;
      auto place = detail::best_place(boxes[i].grown(outside + style.edge), style.tag_width(text.size()),
                                      style.tag_height(), {0, 0, out.width, out.height}, tags, boxes);
      tags.push_back({std::move(text), drawn[i].paint, place});
    }
  } else if (options.most_tags > 0) {  // a list in the upper left corner
    index y = style.scale;
    for (auto const& k : kinds) {
      if (k.count == 0) continue;
      if (static_cast<index>(tags.size()) == options.most_tags || y + style.tag_height() > out.height) break;
      std::string number = " x " + std::to_string(k.count);
      if (number.size() + 3 > most_letters) number.clear();
      auto text = detail::drawable(k.label, most_letters - number.size()) + number;
      index x = std::min(style.scale, out.width - style.tag_width(text.size()));
      tags.push_back({text, k.paint, {x, y, x + style.tag_width(text.size()), y + style.tag_height()}});
      y += style.tag_height() + style.scale;
    }
  }
  for (auto const& t : tags) detail::draw_tag(out, t, style);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::vision
