// medmo ask --video.
#include "video.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "option_heading.hpp"

namespace command {
namespace {

using medmo::index;

/// frame_2 before frame_10: runs of digits compare by value, the rest by bytes.
bool natural_less(std::string const& a, std::string const& b) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!digit(a[i]) || !digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    auto run = [&](std::string const& s, std::size_t& at) {
      while (at < s.size() && s[at] == '0') ++at;
      auto const from = at;
      while (at < s.size() && digit(s[at])) ++at;
      return s.substr(from, at - from);
    };
    auto const x = run(a, i), y = run(b, j);
    if (x.size() != y.size()) return x.size() < y.size();
    if (x != y) return x < y;
  }
  return a.size() - i < b.size() - j || (a.size() - i == b.size() - j && a < b);
}

std::vector<std::string> files_of(std::string const& folder) {
  std::vector<std::string> names;
  for (auto const& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) names.push_back(entry.path().string());
  std::sort(names.begin(), names.end(), natural_less);
  if (names.empty()) MEDMO_THROW(medmo::errc::bad_argument, "--video " + folder, "a folder of pictures", "no file in it");
  return names;
}

}  // namespace

void add_video_options(CLI::App& app, video_arguments& args) {
  option_heading const heading(app, "Video");
  auto* video = app.add_option("--video", args.files, "Frames of a video: a folder, a DICOM file of many frames, or once for each file")
                    ->take_all()->type_name("PATH");
  app.add_option("--fps", args.fps, "Frames a second of --video; default: 24, the reference's guess; 2 a second are looked at")
      ->check(CLI::Range(1e-3, 1e6))->needs(video);
  app.add_flag("--all-frames", args.all_frames, "Look at every frame of --video")->needs(video);
}

std::vector<medmo::vision::video> read_videos(video_arguments const& args, picture_arguments const& picture) {
  if (args.files.empty()) return {};
  auto files = args.files;
  if (files.size() == 1 && std::filesystem::is_directory(files[0])) files = files_of(files[0]);
  bool const in_one_file = files.size() == 1;
  auto const total = in_one_file ? frame_count(files[0]) : static_cast<index>(files.size());
  double const fps = args.fps.value_or(medmo::vision::unknown_fps);
  std::vector<index> numbers;
  if (!args.all_frames) numbers = medmo::vision::sample_frames(total, fps);
  for (index i = 0; args.all_frames && i < total; ++i) numbers.push_back(i);
  medmo::vision::video out;
  for (index i : numbers) {
    auto shown = picture;
    if (in_one_file) shown.frame = i;
    out.frames.push_back(read_picture(files[in_one_file ? 0 : static_cast<std::size_t>(i)], shown));
    out.seconds.push_back(static_cast<double>(i) / fps);
  }
  return {std::move(out)};
}

}  // namespace command
