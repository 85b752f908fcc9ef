// How a folder wants its pictures: preprocessor_config.json (flat; transformers 4, and 5 for an image processor alone) or
// processor_config.json (transformers 5: the same fields inside "image_processor").
//   {"image_processor_type": "Qwen2VLImageProcessorFast", "patch_size": 16, "merge_size": 2, "temporal_patch_size": 2,
//    "size": {"shortest_edge": 65536, "longest_edge": 16777216}, "image_mean": [...], "image_std": [...], ...}
// size's edges are areas in pixels. An older dialect writes min_pixels and max_pixels beside or instead of size; they win.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "json.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// Defaults: Qwen3-VL's file.
struct preprocessor_config_file {
  index patch_size = 16, temporal_patch_size = 2, merge_size = 2;
  index min_pixels = 65536, max_pixels = 16777216;  ///< areas
  std::array<double, 3> image_mean{0.5, 0.5, 0.5}, image_std{0.5, 0.5, 0.5};
  double rescale_factor = 1.0 / 255.0;
  index resample = 3;                     ///< Pillow's number: 3 is bicubic, the only one known here
  bool do_resize = true, do_rescale = true, do_normalize = true, do_convert_rgb = true;
  std::vector<std::string> unknown{};     ///< fields of the file that are not read here, in alphabetic order
};

/// `document` is either file's. Errors: bad_json (another type); bad_config for a value no picture can be prepared with;
/// unsupported: another image processor, another resampling, a step switched off.
inline preprocessor_config_file preprocessor_config_of(json const& document, std::string const& path) {
  json_fields top(document, path);
  auto nested = top.nested("image_processor");
  json_fields const& f = nested ? *nested : top;
  preprocessor_config_file p;
  auto positive = [](json_fields const& from, char const* name, index fallback) {
    index v = from.integer(name).value_or(fallback);
    if (v < 1 || v > (index{1} << 40)) MEDMO_THROW(errc::bad_config, from.where(name), "a number >= 1", std::to_string(v));
    return v;
  };
  if (auto type = f.text("image_processor_type"))
    if (!type->starts_with("Qwen2VLImageProcessor") && !type->starts_with("Qwen3VLImageProcessor"))
      MEDMO_THROW(errc::unsupported, f.where("image_processor_type"), "Qwen2VLImageProcessor", excerpt(*type));
  p.patch_size = positive(f, "patch_size", p.patch_size);
  p.temporal_patch_size = positive(f, "temporal_patch_size", p.temporal_patch_size);
  p.merge_size = positive(f, "merge_size", p.merge_size);
  if (auto size = f.nested("size")) {
    p.min_pixels = positive(*size, "shortest_edge", p.min_pixels);
    p.max_pixels = positive(*size, "longest_edge", p.max_pixels);
    for (auto const& [name, value] : size->object().items())
      if (name == "height" || name == "width")
        MEDMO_THROW(errc::unsupported, size->where(name), "areas as shortest_edge and longest_edge", excerpt(value));
  }
  p.min_pixels = positive(f, "min_pixels", p.min_pixels);
  p.max_pixels = positive(f, "max_pixels", p.max_pixels);
  if (p.min_pixels > p.max_pixels)
    MEDMO_THROW(errc::bad_config, f.where("size"), "shortest_edge <= longest_edge",
                std::to_string(p.min_pixels) + " and " + std::to_string(p.max_pixels));
  auto three = [&](char const* name, std::array<double, 3>& out, bool divisor) {
    auto list = f.numbers(name);
    if (!list) return;
    bool good = list->size() == 3;
    for (double v : *list) good = good && std::isfinite(v) && (!divisor || v > 0);
    if (!good) MEDMO_THROW(errc::bad_config, f.where(name), divisor ? "3 numbers above 0" : "3 numbers", excerpt(*list));
    std::copy(list->begin(), list->end(), out.begin());
  };
  three("image_mean", p.image_mean, false);
  three("image_std", p.image_std, true);
  p.rescale_factor = f.number("rescale_factor").value_or(p.rescale_factor);
  if (!(p.rescale_factor > 0)) MEDMO_THROW(errc::bad_config, f.where("rescale_factor"), "a number above 0", excerpt(p.rescale_factor));
  p.resample = f.integer("resample").value_or(p.resample);
  if (p.resample != 3) MEDMO_THROW(errc::unsupported, f.where("resample"), "3 (bicubic)", std::to_string(p.resample));
  auto step = [&](char const* name, bool& on) {
    on = f.boolean(name).value_or(on);
    if (!on) MEDMO_THROW(errc::unsupported, f.where(name), "true", "false");
  };
  step("do_resize", p.do_resize);
  step("do_rescale", p.do_rescale);
  step("do_normalize", p.do_normalize);
  step("do_convert_rgb", p.do_convert_rgb);
  constexpr std::string_view known[] = {
      "patch_size",     "temporal_patch_size", "merge_size", "size",         "min_pixels",     "max_pixels",
      "image_mean",     "image_std",           "resample",   "do_resize",    "rescale_factor", "do_rescale",
      "do_normalize",   "do_convert_rgb",      "image_processor_type",       "processor_class"};
  for (auto const& [name, value] : f.object().items())
    if (!value.is_null() && std::find(std::begin(known), std::end(known), name) == std::end(known)) p.unknown.push_back(name);
  return p;
}

/// Of a folder: processor_config.json where it holds an image_processor, else preprocessor_config.json; nothing where there
/// is neither. Errors: too_large, bad_json, bad_config, unsupported.
inline std::optional<preprocessor_config_file> read_preprocessor_config(std::string const& folder) {
  std::error_code ignored;
  std::string path = folder + "/processor_config.json";
  if (std::filesystem::exists(path, ignored)) {
    auto document = read_json(path);
    if (json_fields(document, path).has("image_processor")) return preprocessor_config_of(document, path);
  }
  path = folder + "/preprocessor_config.json";
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  auto document = read_json(path);
  return preprocessor_config_of(document, path);
}

/// The text of preprocessor_config.json, which transformers 4 and 5 both read; `unknown` is not written.
inline std::string preprocessor_config_json(preprocessor_config_file const& p) {
  nlohmann::ordered_json j = {
      {"image_processor_type", "Qwen2VLImageProcessorFast"},
      {"processor_class", "Qwen3VLProcessor"},
      {"size", {{"longest_edge", p.max_pixels}, {"shortest_edge", p.min_pixels}}},
      {"patch_size", p.patch_size},
      {"temporal_patch_size", p.temporal_patch_size},
      {"merge_size", p.merge_size},
      {"image_mean", p.image_mean},
      {"image_std", p.image_std},
      {"rescale_factor", p.rescale_factor},
      {"resample", p.resample},
      {"do_resize", p.do_resize},
      {"do_rescale", p.do_rescale},
      {"do_normalize", p.do_normalize},
      {"do_convert_rgb", p.do_convert_rgb}};
  return j.dump(2) + "\n";
}

/// The text of video_preprocessor_config.json for the same patches. Without that file transformers would hold videos to the
/// areas of pictures. Areas count over all frames; the defaults are Qwen3-VL's.
inline std::string video_preprocessor_config_json(preprocessor_config_file const& p, index min_pixels = 4096,
                                                  index max_pixels = 25165824) {
  nlohmann::ordered_json j = {
      {"video_processor_type", "Qwen3VLVideoProcessor"},
      {"processor_class", "Qwen3VLProcessor"},
      {"size", {{"longest_edge", max_pixels}, {"shortest_edge", min_pixels}}},
      {"patch_size", p.patch_size},
      {"temporal_patch_size", p.temporal_patch_size},
      {"merge_size", p.merge_size},
      {"image_mean", p.image_mean},
      {"image_std", p.image_std},
      {"fps", 2},
      {"min_frames", 4},
      {"max_frames", 768}};
  return j.dump(2) + "\n";
}

}  // namespace medmo::inline MEDMO_ABI::io
