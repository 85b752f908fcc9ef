// The one unit of the program that knows DCMTK.
#include "picture.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include "option_heading.hpp"
#include "medmo/io/dicom_elements.hpp"
#include "medmo/io/image.hpp"
#ifdef MEDMO_DICOM
#include "medmo/io/dicom.hpp"
#endif

namespace command {
namespace {

bool named_dicom(std::string const& path) {
  std::string end = path.size() < 4 ? "" : path.substr(path.size() - 4);
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return end == ".dcm";
}

bool holds_dicom(std::string const& path) {
  if (named_dicom(path)) return true;
  auto file = medmo::io::mapped_file::open(path, medmo::io::file_mode::map);
  return medmo::io::is_dicom(file.bytes());
}

#ifdef MEDMO_DICOM
medmo::io::dicom_options options_of(picture_arguments const& args) {
  medmo::io::dicom_options options{.frame = args.frame};
  if (args.ct_windows) options.colour = medmo::io::dicom_colour::ct_windows;
  if (args.window.empty()) return options;
  auto const* end = args.window.data() + args.window.size();
  medmo::io::dicom_window w;
  auto centre = std::from_chars(args.window.data(), end, w.centre);
  bool good = centre.ec == std::errc{} && centre.ptr != end && *centre.ptr == '/';
  if (good) {
    auto width = std::from_chars(centre.ptr + 1, end, w.width);
    good = width.ec == std::errc{} && width.ptr == end;
  }
  if (!good)
    MEDMO_THROW(medmo::errc::bad_argument, "--window", "centre/width, such as 40/400", "\"" + args.window + "\"");
  options.window = w;
  return options;
}
#endif

}  // namespace

void add_picture_options(CLI::App& app, picture_arguments& args) {
  option_heading const heading(app, "DICOM");
  app.add_option("--window", args.window, "Grey window C/W; default: the file's own, else the frame's range")->type_name("C/W");
  app.add_option("--frame", args.frame, "Frame of a multi-frame file, from 0")->check(CLI::NonNegativeNumber);
  app.add_flag("--ct-windows", args.ct_windows, "Three CT windows as red, green, blue: 0/2048, 40/350, 40/80");
}

medmo::image read_picture(std::string const& path, picture_arguments const& args) {
  if (!holds_dicom(path)) return medmo::io::read_image(path);
#ifdef MEDMO_DICOM
  return medmo::io::read_dicom(path, options_of(args)).picture;
#else
  static_cast<void>(args);
  MEDMO_THROW(medmo::errc::unsupported, path, "a PNG or JPEG (this program was built without DCMTK)", "DICOM");
#endif
}

medmo::index frame_count(std::string const& path) {
  if (!holds_dicom(path)) return 1;
#ifdef MEDMO_DICOM
  return medmo::io::read_dicom(path).frames;
#else
  return 1;  // read_picture says why it cannot be read
#endif
}

std::vector<medmo::image> read_pictures(std::vector<std::string> const& paths, picture_arguments const& args,
                                        std::vector<std::string> const& others) {
  std::vector<medmo::image> pictures;
  bool any = std::any_of(others.begin(), others.end(), [](auto const& p) { return std::filesystem::is_directory(p) || holds_dicom(p); });
  for (auto const& path : paths) {
    pictures.push_back(read_picture(path, args));
    any = any || holds_dicom(path);
  }
  char const* given = !args.window.empty() ? "--window" : args.ct_windows ? "--ct-windows" : args.frame != 0 ? "--frame" : nullptr;
  if (given && !any) MEDMO_THROW(medmo::errc::bad_argument, given, "a DICOM file (--image)", "none");
  return pictures;
}

}  // namespace command
