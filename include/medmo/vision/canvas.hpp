// What overlays are drawn with: colours, rectangles, text of font.hpp, all cut to the picture and mixed in integers.
// It knows nothing of detections.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "../core/image.hpp"
#include "font.hpp"

namespace medmo::inline MEDMO_ABI::vision::detail {

struct colour {
  std::uint8_t r, g, b;
  friend constexpr bool operator==(colour const&, colour const&) = default;
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

/// The same ring in dashes of `dash` pixels; between them what was there shows through.
inline void fill_dashed_ring(image& to, rectangle const& outer, rectangle const& inner, colour c, index dash) {
  auto side = [&](rectangle r, bool across) {
    index const end = across ? r.x1 : r.y1;
    for (index at = across ? r.x0 : r.y0; at < end; at += 2 * dash) {
      index const stop = std::min(at + dash, end);
      fill(to, across ? rectangle{at, r.y0, stop, r.y1} : rectangle{r.x0, at, r.x1, stop}, c);
    }
  };
  if (inner.area() == 0) return side(outer, outer.x1 - outer.x0 >= outer.y1 - outer.y0);
  side({outer.x0, outer.y0, outer.x1, inner.y0}, true);
  side({outer.x0, inner.y1, outer.x1, outer.y1}, true);
  side({outer.x0, inner.y0, inner.x0, inner.y1}, false);
  side({inner.x1, inner.y0, outer.x1, inner.y1}, false);
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

/// Black or white, whichever is read better on this ground.
inline colour ink_on(colour ground) {
  int const light = (ground.r * 299 + ground.g * 587 + ground.b * 114) / 1000;
  return light > 110 ? colour{0, 0, 0} : colour{255, 255, 255};
}

}  // namespace medmo::inline MEDMO_ABI::vision::detail
