// Several pictures of a conversation on one sheet, numbered; and truth beside predictions, or both in one picture. Each is
// resized to the sheet's cells first, so that lines and letters are as legible on a sheet of many as on one picture.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "overlay.hpp"

namespace medmo::inline MEDMO_ABI::vision {

enum class truth_layout {
  beside,   ///< two cells a picture: truth on the left, predictions on the right
  together  ///< one cell a picture: truth dashed and green, predictions solid and orange, named in a legend
};

struct sheet_options {
  std::optional<std::span<detection const>> truth{};  ///< none: predictions only; empty: nothing is to be found
  truth_layout layout = truth_layout::beside;
  index most_side = 4096;  ///< pixels; cells become smaller rather than the sheet larger
  overlay_options boxes{};  ///< `picture` is ignored
};

namespace detail {

inline constexpr colour sheet_ground{24, 24, 24}, sheet_ink{235, 235, 235}, truth_paint{0, 226, 118}, found_paint{255, 146, 36};

/// A part of a caption: words behind a sample of a line, if it explains one.
struct caption_part {
  std::string text;
  std::optional<colour> sample{};
  bool dashed = false;
};

struct sheet_cell {
  index picture;
  std::vector<caption_part> caption;
  std::vector<mark> marks;
};

/// What stands in the cells, in the order of reading.
inline std::vector<sheet_cell> sheet_cells(index pictures, std::span<detection const> found, sheet_options const& options) {
  label_palette palette;  // truth first: a label's colour does not depend on what was found
  auto const truth = options.truth.value_or(std::span<detection const>{});
  for (auto const& d : truth) palette.of(d.label);
  bool const together = options.truth && options.layout == truth_layout::together;
  auto marks_of = [&](std::span<detection const> from, index picture, std::optional<colour> paint, bool dashed) {
    std::vector<mark> out;
    for (auto const& d : from) {
      auto own = palette.of(d.label);
      if (d.image == picture) out.push_back({&d, paint.value_or(own), dashed});
    }
    return out;
  };
  std::vector<sheet_cell> cells;
  for (index n = 0; n < pictures; ++n) {
    std::string const number = pictures > 1 ? std::to_string(n + 1) : "";
    auto named = [&](char const* name) { return number.empty() ? std::string(name) : number + " " + name; };
    if (!options.truth) {
      cells.push_back({n, {{number}}, marks_of(found, n, {}, false)});
    } else if (!together) {
      cells.push_back({n, {{named("truth")}}, marks_of(truth, n, {}, false)});
      cells.push_back({n, {{named("prediction")}}, marks_of(found, n, {}, false)});
    } else {
      auto marks = marks_of(found, n, found_paint, false), on_top = marks_of(truth, n, truth_paint, true);
      std::vector<caption_part> caption{{"truth " + std::to_string(on_top.size()), truth_paint, true},
                                        {"prediction " + std::to_string(marks.size()), found_paint, false}};
      if (!number.empty()) caption.insert(caption.begin(), {number});
      marks.insert(marks.end(), on_top.begin(), on_top.end());
      cells.push_back({n, std::move(caption), std::move(marks)});
    }
  }
  return cells;
}

inline void draw_caption(image& to, std::vector<caption_part> const& parts, rectangle const& area, overlay_style const& style) {
  index x = area.x0;
  index const top = area.y0 + style.padding() / 2 + style.scale, letter = glyph_advance * style.scale, line = 2 * style.scale;
  for (auto const& part : parts) {
    if (part.sample) {
      rectangle r{x, top + 3 * style.scale - line / 2, std::min(x + 4 * letter, area.x1), top + 3 * style.scale - line / 2 + line};
      if (part.dashed) fill_dashed_ring(to, r, {}, *part.sample, letter * 4 / 5);
      else fill(to, r, *part.sample);
      x += 5 * letter;
    }
    auto const room = static_cast<std::size_t>(std::max<index>(0, (area.x1 - x) / letter));
    auto const text = drawable(part.text, room);
    draw_text(to, text, x, top, style.scale, sheet_ink);
    x += static_cast<index>(text.size() + 2) * letter;
  }
}

inline void put_picture(image& to, image const& from, index left, index top) {
  for (index y = 0; y < from.height; ++y) std::copy_n(from.at(0, y), from.width * 3, to.at(left, top + y));
}

/// Where things are on the sheet: `columns` x `rows` cells of width x height pixels, `gap` apart, a caption over each.
struct sheet_plan {
  index columns = 1, rows = 1, cell_width = 1, cell_height = 1, gap = 0, caption = 0;
  overlay_style style;
  index width() const { return gap + columns * (cell_width + gap); }
  index height() const { return rows * (caption + cell_height + gap); }
};

/// A picture's size in a cell whose longer side is `side`.
inline std::pair<index, index> fitted(image const& p, index side) {
  double const f = static_cast<double>(side) / static_cast<double>(std::max(p.width, p.height));
  auto one = [f](index size) { return std::max<index>(1, static_cast<index>(std::lround(static_cast<double>(size) * f))); };
  return {one(p.width), one(p.height)};
}

inline sheet_plan plan_sheet(std::span<image const> pictures, index cells, sheet_options const& options) {
  sheet_plan plan;
  auto const units = static_cast<double>(pictures.size());
  index const per_picture = cells / static_cast<index>(pictures.size());
  auto root = static_cast<index>(std::ceil(std::sqrt(units / static_cast<double>(per_picture))));
  plan.columns = per_picture * (per_picture == 1 && units <= 3 ? static_cast<index>(units) : std::max<index>(1, root));
  plan.rows = (cells + plan.columns - 1) / plan.columns;
  index side = std::max<index>(1, options.boxes.least_side);
  for (auto const& p : pictures) side = std::max({side, p.width, p.height});
  side = std::min(side, options.most_side);
  for (;;) {  // until it fits: three rounds at most but for sheets of tiny cells
    plan.cell_width = plan.cell_height = 1;
    for (auto const& p : pictures) {
      auto const [w, h] = fitted(p, side);
      plan.cell_width = std::max(plan.cell_width, w), plan.cell_height = std::max(plan.cell_height, h);
    }
    plan.style = style_of(plan.cell_width, plan.cell_height, options.boxes);
    plan.gap = 4 * plan.style.scale;
    plan.caption = plan.style.tag_height() + 2 * plan.style.scale;
    index const over = std::max(plan.width(), plan.height());
    if (over <= options.most_side || side <= 16) return plan;
    side = std::max<index>(16, std::min(side - 1, side * options.most_side / over));
  }
}
}  // namespace detail

/// `pictures` on one sheet, numbered from 1 where there are several, with the boxes of `found` (and of `options.truth`)
/// drawn as by `overlay`; a detection's `image` is the number of its picture, from 0. Up to three pictures stand in a row, more in a grid.
/// Pictures are enlarged or reduced, by one bicubic step each, so that their longer sides are equal; no side of the sheet is
/// above `most_side` unless cells would be smaller than 16 pixels.
/// Errors: as overlay; bad_argument for no picture, more than 256, or most_side outside 64 .. 16384.
inline image sheet(std::span<image const> pictures, std::span<detection const> found, sheet_options const& options = {}) {
  if (pictures.empty() || pictures.size() > 256)
    MEDMO_THROW(errc::bad_argument, "sheet", "1 .. 256 pictures", std::to_string(pictures.size()));
  if (options.most_side < 64 || options.most_side > 16384)
    MEDMO_THROW(errc::bad_argument, "sheet, most_side", "64 .. 16384", std::to_string(options.most_side));
  for (auto const& p : pictures) detail::check_drawable(p, options.boxes);
  auto cells = detail::sheet_cells(static_cast<index>(pictures.size()), found, options);
  auto const plan = detail::plan_sheet(pictures, static_cast<index>(cells.size()), options);
  image out(plan.width(), plan.height());
  detail::fill(out, {0, 0, out.width, out.height}, detail::sheet_ground);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    auto const& picture = pictures[static_cast<std::size_t>(cells[i].picture)];
    auto const n = static_cast<index>(i);
    index const x = plan.gap + n % plan.columns * (plan.cell_width + plan.gap);
    index const y = n / plan.columns * (plan.caption + plan.cell_height + plan.gap) + plan.caption;
    auto const [width, height] = detail::fitted(picture, std::max(plan.cell_width, plan.cell_height));
    image drawn = kernels::resample_bicubic(picture, width, height);
    detail::draw_marks(drawn, {static_cast<double>(width) / static_cast<double>(picture.width),
                               static_cast<double>(height) / static_cast<double>(picture.height)},
                       std::move(cells[i].marks), plan.style, options.boxes.most_tags);
    detail::put_picture(out, drawn, x, y);
    detail::draw_caption(out, cells[i].caption, {x, y - plan.caption, x + plan.cell_width, y}, plan.style);
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::vision
