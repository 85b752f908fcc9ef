// A video of the command line: frames as picture files, or a DICOM file of many frames.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "medmo/vision/video.hpp"
#include "picture.hpp"

namespace command {

struct video_arguments {
  std::vector<std::string> files;  ///< frames in order; or one folder of them; or one DICOM file
  std::optional<double> fps;
  bool all_frames = false;
};

void add_video_options(CLI::App& app, video_arguments& args);

/// The frames that are looked at, with their times; none if no file is named. Files of a folder are taken in the order of
/// their names, numbers in them by value. Only what is looked at is decoded. Errors: those of read_picture; bad_argument for
/// an empty folder; bad_image for frames of different sizes.
std::vector<medmo::vision::video> read_videos(video_arguments const& args, picture_arguments const& picture);

}  // namespace command
