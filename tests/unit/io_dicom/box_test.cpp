// From the file to the box and back: what a perfect reader of the model's patches would answer, in the model's own words,
// must land on the mask in the original matrix, whatever its shape and however the picture was resized on the way.
#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "medmo/core/box.hpp"
#include "medmo/io/dicom.hpp"
#include "medmo/model/positions.hpp"
#include "medmo/text/grounding.hpp"
#include "medmo/vision/overlay.hpp"
#include "medmo/vision/preprocess.hpp"

#include "dicom_parts.hpp"

namespace {

using medmo::box;
using medmo::image;
using medmo::index;
using medmo::pixel;

/// The smallest box around what is brighter than half.
template <class Bright>
box<pixel> extent(index width, index height, Bright bright) {
  box<pixel> found{1e9, 1e9, 0, 0};
  for (index y = 0; y < height; ++y)
    for (index x = 0; x < width; ++x)
      if (bright(x, y))
        found = {std::min(found.x1, double(x)), std::min(found.y1, double(y)), std::max(found.x2, double(x + 1)), std::max(found.y2, double(y + 1))};
  return found;
}

/// A picture put together again from its patches: red, of the first temporal slot, 0 .. 1.
medmo::matrix<float> from_patches(medmo::vision::patches const& p, medmo::vision::preprocess_options const& o) {
  medmo::matrix<float> out(p.grid.h * o.patch, p.grid.w * o.patch);
  for (index n = 0; n < p.grid.patches(); ++n) {
    auto const [row, column] = medmo::patch_place(p.grid, o.merge, n);
    for (index y = 0; y < o.patch; ++y)
      for (index x = 0; x < o.patch; ++x)
        out(row * o.patch + y, column * o.patch + x) = p.rows(n, y * o.patch + x) * 0.5f + 0.5f;
  }
  return out;
}

/// A part of liver.dcm's mask as a file of its own.
bytes cut_mask(image const& mask, index left, index top, index width, index height) {
  parts p;
  p.rows = static_cast<unsigned>(height), p.columns = static_cast<unsigned>(width);
  p.allocated = p.stored = 8, p.high = 7;
  p.modality = "MR";
  p.pixels.clear();
  for (index y = 0; y < height; ++y)
    for (index x = 0; x < width; ++x) p.pixels += mask.at(left + x, top + y)[0] ? '\x64' : '\0';
  return p.file();
}

TEST_CASE("a box answered about a DICOM picture lands on the mask in its matrix") {
  auto const whole = medmo::io::read_dicom(MEDMO_TEST_DATA "/dicom/liver.dcm").picture;  // the liver: 79, 145 .. 351, 367
  struct shape { char const* name; index left, top, width, height, min_pixels, max_pixels; };
  for (auto const& s : {shape{"square, enlarged", 0, 0, 512, 512, 1 << 20, 1 << 22}, shape{"square, reduced", 0, 0, 512, 512, 1024, 1 << 15},
                        shape{"wide", 40, 130, 470, 250, 1024, 1 << 22}, shape{"wide, reduced", 40, 130, 471, 250, 1024, 1 << 15},
                        shape{"tall, odd", 60, 3, 305, 507, 1024, 1 << 22}, shape{"tall, enlarged", 60, 120, 297, 301, 1 << 20, 1 << 22}}) {
    CAPTURE(s.name);
    auto const scan = medmo::io::read_dicom(cut_mask(whole, s.left, s.top, s.width, s.height), "memory");
    REQUIRE(scan.columns == s.width);
    auto const mask = extent(s.width, s.height, [&](index x, index y) { return scan.picture.at(x, y)[0] > 127; });
    CHECK(mask == box<pixel>{79.0 - double(s.left), 145.0 - double(s.top), 351.0 - double(s.left), 367.0 - double(s.top)});

    medmo::vision::preprocess_options options{.min_pixels = s.min_pixels, .max_pixels = s.max_pixels};
    auto const patches = medmo::vision::preprocess(scan.picture, options);
    auto const seen = from_patches(patches, options);
    auto const width = seen.cols(), height = seen.rows();
    auto const b = medmo::to_norm1000(extent(width, height, [&](index x, index y) { return seen(y, x) > 0.5f; }), width, height);
    char words[80];
    std::snprintf(words, sizeof words, "Liver <box>[[%.0f, %.0f, %.0f, %.0f]]</box>", b.x1, b.y1, b.x2, b.y2);
    auto const answer = medmo::text::parse_grounding(words);
    REQUIRE(answer.boxes.size() == 1);
    auto const found = medmo::to_pixel(answer.boxes[0].box_norm1000, scan.columns, scan.rows);

    // half a thousandth of rounding, and one pixel of the resized picture
    double const dx = double(s.width) * (0.0005 + 1.0 / double(width)), dy = double(s.height) * (0.0005 + 1.0 / double(height));
    CHECK(std::abs(found.x1 - mask.x1) <= dx);
    CHECK(std::abs(found.x2 - mask.x2) <= dx);
    CHECK(std::abs(found.y1 - mask.y1) <= dy);
    CHECK(std::abs(found.y2 - mask.y2) <= dy);

    // and it is drawn there: the line is the only colour in the picture
    std::vector<medmo::detection> one{{"", answer.boxes[0].box_norm1000, found}};
    auto const drawn = medmo::vision::overlay(scan.picture, one, {.least_side = 0, .line_width = 1, .most_tags = 0});
    auto const line = extent(drawn.width, drawn.height, [&](index x, index y) { return drawn.at(x, y)[0] != drawn.at(x, y)[2]; });
    CHECK(line == box<pixel>{std::round(found.x1), std::round(found.y1), std::round(found.x2), std::round(found.y2)});
  }
}

}  // namespace
