// What --overlay writes: the pictures with their boxes as PNG, with the truth of a file where there is one.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "medmo/core/box.hpp"
#include "medmo/core/image.hpp"

namespace command {

struct overlay_arguments {
  std::string file, truth;
  bool together = false;
};

void add_overlay_options(CLI::App& app, overlay_arguments& args);

/// The truth for these pictures, or nothing where none is asked for; also checks that there is a picture to draw on. For
/// before the model is loaded. The file: a list of {"label": ..., "box_px" or "box_norm1000": [x1, y1, x2, y2], "image": n},
/// alone or as "detections" of an object, as `ask --json` prints it; without "image", of the last picture.
/// Errors: bad_argument without a picture; file_access, bad_json.
std::optional<std::vector<medmo::detection>> read_truth(overlay_arguments const& args, std::span<medmo::image const> pictures);

/// One picture as it is, several or truth as a sheet. Nothing where no file is named. Errors: those of write_png.
void write_overlay(overlay_arguments const& args, std::span<medmo::image const> pictures, std::span<medmo::detection const> found,
                   std::optional<std::vector<medmo::detection>> const& truth);

}  // namespace command
