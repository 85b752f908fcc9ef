// Pictures of the command line: PNG, JPEG and, where built with DCMTK, DICOM; the format is told by the content.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "medmo/core/image.hpp"

namespace command {

/// How a DICOM file is shown; nothing of this touches the others.
struct picture_arguments {
  std::string window;  ///< "centre/width"; empty: the file's own, else the frame's range
  medmo::index frame = 0;
  bool ct_windows = false;
};

void add_picture_options(CLI::App& app, picture_arguments& args);

/// One picture. Errors: those of io::read_image and io::read_dicom; unsupported for DICOM in a build without DCMTK.
medmo::image read_picture(std::string const& path, picture_arguments const& args);

/// How many frames a file has: 1 but for DICOM. Errors: as read_picture.
medmo::index frame_count(std::string const& path);

/// All of them. Error also: bad_argument where a DICOM option meets no DICOM file, neither here nor among `others`.
std::vector<medmo::image> read_pictures(std::vector<std::string> const& paths, picture_arguments const& args,
                                        std::vector<std::string> const& others = {});

}  // namespace command
