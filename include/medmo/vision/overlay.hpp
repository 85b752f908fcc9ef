// Boxes, labels and confidences drawn onto a picture. A colour a label, dark edges so that lines show on any ground, tags
// that stay inside and keep off each other. Sizes follow the picture's. Several pictures, and truth beside predictions:
// sheet.hpp. Files are not written here.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/box.hpp"
#include "../core/error.hpp"
#include "../kernels/resample.hpp"
#include "canvas.hpp"

namespace medmo::inline MEDMO_ABI::vision {

struct overlay_options {
  std::optional<index> picture{};  ///< draw the detections of this picture of the conversation only
  index least_side = 512;  ///< smaller pictures are enlarged by a whole factor until one side reaches it; 0: never
  index line_width = 0;    ///< pixels; 0: from the size
  index text_scale = 0;    ///< pixels a font dot; 0: from the size
  index most_tags = 24;    ///< with more boxes than this, one tag for each label and its count instead; 0: no tags
};

namespace detail {

struct tag {
  std::string text;
  colour ground{};
  rectangle place;
};

/// A detection to draw: its colour, and how its line runs.
struct mark {
  detection const* what;
  colour paint;
  bool dashed = false;
};

/// Labels in order of appearance, each with its colour.
class label_palette {
 public:
  colour of(std::string_view label) {
    auto at = std::find(labels_.begin(), labels_.end(), label);
    auto n = static_cast<std::size_t>(at - labels_.begin());
    if (at == labels_.end()) labels_.push_back(label);
    return label_colours[n % label_colours.size()];
  }

 private:
  std::vector<std::string_view> labels_;
};

/// A box on the result: corners in order, inside, at least one pixel. Nothing for corners that are not numbers.
inline std::optional<rectangle> place_of(box<pixel> const& b, std::array<double, 2> scale, image const& on) {
  if (!std::isfinite(b.x1) || !std::isfinite(b.y1) || !std::isfinite(b.x2) || !std::isfinite(b.y2)) return std::nullopt;
  auto span = [](double a, double z, double factor, index size) {
    double limit = static_cast<double>(size);
    index low = static_cast<index>(std::lround(std::clamp(std::min(a, z) * factor, 0.0, limit)));
    index high = static_cast<index>(std::lround(std::clamp(std::max(a, z) * factor, 0.0, limit)));
    low = std::min(low, size - 1);
    return std::array<index, 2>{low, std::max(high, low + 1)};
  };
  auto [x0, x1] = span(b.x1, b.x2, scale[0], on.width);
  auto [y0, y1] = span(b.y1, b.y2, scale[1], on.height);
  return rectangle{x0, y0, x1, y1};
}

/// " 0.87"; nothing without a finite confidence.
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
  style.scale = std::clamp<index>(o.text_scale > 0 ? o.text_scale : (side + 200) / 356, 1, 256);
  index const line = std::min((side + 300) / 400, (std::min(width, height) + 23) / 24);
  style.line = std::clamp<index>(o.line_width > 0 ? o.line_width : line, 1, 256);
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
  index top = t.place.y0 + style.padding() / 2 + style.scale;  // small letters and capitals look centred
  draw_text(to, t.text, t.place.x0 + style.padding(), top, style.scale, ink_on(t.ground));
}

/// A tag for each mark, near its box.
inline std::vector<tag> tags_of_boxes(image const& on, std::vector<mark> const& marks, std::vector<rectangle> const& boxes,
                                      overlay_style const& style) {
  std::vector<tag> tags;
  std::size_t const most = style.letters(on.width);
  for (std::size_t i = 0; i < marks.size(); ++i) {
    std::string number = confidence_text(marks[i].what->confidence);
    if (number.size() + 3 > most) number.clear();
    auto text = drawable(marks[i].what->label, most - number.size()) + number;
    if (text.empty()) continue;
    auto place = best_place(boxes[i].grown(style.line / 2 + style.edge), style.tag_width(text.size()), style.tag_height(),
                            {0, 0, on.width, on.height}, tags, boxes);
    tags.push_back({std::move(text), marks[i].paint, place});
  }
  return tags;
}

inline bool collide(std::vector<tag> const& tags) {
  for (std::size_t i = 0; i < tags.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (overlap(tags[i].place, tags[j].place).area() > 0) return true;
  return false;
}

/// A list in the upper left corner: each label of each colour, and how often.
inline std::vector<tag> tags_of_labels(image const& on, std::vector<mark> const& marks, overlay_style const& style, index most_tags) {
  struct kind {
    std::string_view label;
    colour paint;
    index count;
  };
  std::vector<kind> kinds;
  for (auto const& m : marks) {
    auto at = std::find_if(kinds.begin(), kinds.end(), [&](kind const& k) { return k.label == m.what->label && k.paint == m.paint; });
    if (at == kinds.end()) kinds.push_back({m.what->label, m.paint, 1});
    else ++at->count;
  }
  std::vector<tag> tags;
  std::size_t const most = style.letters(on.width);
  index y = style.scale;
  for (auto const& k : kinds) {
    if (static_cast<index>(tags.size()) == most_tags || y + style.tag_height() > on.height) break;
    std::string number = " x " + std::to_string(k.count);
    if (number.size() + 3 > most) number.clear();
    auto text = drawable(k.label, most - number.size()) + number;
    index x = std::min(style.scale, on.width - style.tag_width(text.size()));
    tags.push_back({text, k.paint, {x, y, x + style.tag_width(text.size()), y + style.tag_height()}});
    y += style.tag_height() + style.scale;
  }
  return tags;
}

inline void check_drawable(image const& picture, overlay_options const& options) {
  if (options.least_side > 4096)
    MEDMO_THROW(errc::bad_argument, "overlay, least_side", "0 .. 4096", std::to_string(options.least_side));
  constexpr index most = index{1} << 24;
  bool const sized = picture.width > 0 && picture.height > 0 && picture.width <= most && picture.height <= most;
  if (!sized || picture.pixels.size() != static_cast<std::size_t>(picture.width * picture.height * 3))
    MEDMO_THROW(errc::bad_image, "overlay", "a picture of 1 .. 2^24 pixels a side, filled by its pixels",
                std::to_string(picture.width) + " x " + std::to_string(picture.height) + " and " +
                    std::to_string(picture.pixels.size()) + " values");
}

/// Marks of a picture onto `out`, which is that picture resized by `scale` (x, y).
inline void draw_marks(image& out, std::array<double, 2> scale, std::vector<mark> marks, overlay_style style, index most_tags) {
  std::vector<rectangle> boxes;
  std::erase_if(marks, [&](mark const& m) {
    auto place = place_of(m.what->box_px, scale, out);
    if (place) boxes.push_back(*place);
    return !place;
  });
  bool const crowded = static_cast<index>(marks.size()) > most_tags;
  if (crowded) style.line = std::max<index>(1, style.line / 2), style.edge = 1;
  index const outside = style.line / 2, inside = style.line - outside;  // the line lies on the box's edge
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    auto outer = boxes[i].grown(outside), inner = boxes[i].grown(-inside);
    fill_ring(out, outer.grown(style.edge), outer, {0, 0, 0}, 150);
    if (inner.area() > 0) fill_ring(out, inner, inner.grown(-style.edge), {0, 0, 0}, 150);
    if (marks[i].dashed) fill_dashed_ring(out, outer, inner, marks[i].paint, 4 * style.line);
    else fill_ring(out, outer, inner, marks[i].paint);
  }
  if (most_tags == 0 || style.letters(out.width) == 0 || style.tag_height() > out.height) return;  // no room for a letter
  auto tags = crowded ? tags_of_labels(out, marks, style, most_tags) : tags_of_boxes(out, marks, boxes, style);
  while (!crowded && style.scale > 1 && collide(tags)) {
    --style.scale;
    tags = tags_of_boxes(out, marks, boxes, style);
  }
  for (auto const& t : tags) draw_tag(out, t, style);
}
}  // namespace detail

/// `picture` with `detections` drawn onto it.
/// Boxes are taken from box_px (pixels of `picture`, y down), put in order and cut to the picture; those whose corners are
/// not numbers are left out. A label has the same colour wherever it stands; a tag reads "label 0.87" when there is a
/// confidence. Characters that are not ASCII show as '?'. The result is larger than the picture by a whole factor when
/// `least_side` asks for it. Any size from 1 x 1. Errors: bad_image if the picture has no size or its pixels do not fill
/// it; bad_argument for least_side above 4096.
inline image overlay(image const& picture, std::span<detection const> detections, overlay_options const& options = {}) {
  detail::check_drawable(picture, options);
  index side = std::max(picture.width, picture.height);
  index factor = std::max<index>(1, (options.least_side + side - 1) / side);
  image out = kernels::resample_bicubic(picture, picture.width * factor, picture.height * factor);
  detail::label_palette palette;  // colours do not depend on which picture is drawn
  std::vector<detail::mark> marks;
  for (auto const& d : detections) {
    auto paint = palette.of(d.label);
    if (!options.picture || d.image == *options.picture) marks.push_back({&d, paint});
  }
  auto scale = static_cast<double>(factor);
  detail::draw_marks(out, {scale, scale}, std::move(marks), detail::style_of(out.width, out.height, options), options.most_tags);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::vision
