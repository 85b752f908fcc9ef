// From a picture to what the vision tower reads: resized, normalised, cut into patches in merge order. `plan` says what a
// picture will cost before anything is allocated. Source: transformers 5.23, Qwen2VLImageProcessor. Videos: video.hpp.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/image.hpp"
#include "../core/parallel.hpp"
#include "../core/patch_grid.hpp"
#include "../kernels/resample.hpp"
#include "smart_resize.hpp"

namespace medmo::inline MEDMO_ABI::vision {

/// Defaults: Qwen3-VL's preprocessor_config.json.
struct preprocess_options {
  index min_pixels = 65536, max_pixels = 16777216;  ///< areas; of a video: over all its frames
  index patch = 16, merge = 2, temporal = 2;
  std::array<float, 3> mean{0.5f, 0.5f, 0.5f}, deviation{0.5f, 0.5f, 0.5f};  ///< of values scaled to 0..1
  kernels::resample_rule rule = kernels::resample_rule::pillow;
  index max_tokens_per_frame = 0;  ///< videos only; 0: no cap
};
inline constexpr preprocess_options video_defaults{.min_pixels = 4096, .max_pixels = 25165824};

/// `options` with the patch sizes of a vision configuration (patch, merge, temporal_patch).
template <class VisionConfig>
constexpr preprocess_options options_for(VisionConfig const& config, preprocess_options options = {}) {
  options.patch = config.patch;
  options.merge = config.merge;
  options.temporal = config.temporal_patch;
  return options;
}

/// Below this many tokens a picture, boxes get poor (advice of Qwen's developers, llama.cpp #16842).
inline constexpr index tokens_for_grounding = 1024;

/// What a picture or a video becomes.
struct preprocess_plan {
  picture_size original, resized;
  patch_grid grid;
  index tokens = 0;       ///< rows it takes in the prompt, after merging
  index patch_width = 0;  ///< values of one patch: 3 temporal patch^2
  index bytes() const { return grid.patches() * patch_width * static_cast<index>(sizeof(float)); }
};

/// rows [N, 3 temporal patch^2], N = grid.patches(): time step, then 2 x 2 blocks row by row, then row, column in the
/// block; a row is channel-major, then temporal slot, y, x.
struct patches {
  matrix<float> rows;
  patch_grid grid;
  index original_width = 0, original_height = 0, resized_width = 0, resized_height = 0;
  index tokens = 0;
};

namespace detail {

inline void check_options(preprocess_options const& o) {
  auto one = [](char const* name, index value, index limit) {
    if (value < 1 || value > limit)
      MEDMO_THROW(errc::bad_argument, std::string("preprocess, ") + name, "1 .. " + std::to_string(limit),
                  std::to_string(value));
  };
  one("patch", o.patch, 1024);
  one("merge", o.merge, 64);
  one("temporal", o.temporal, 64);
  for (std::size_t c = 0; c < 3; ++c)
    if (!std::isfinite(o.mean[c]) || !std::isfinite(o.deviation[c]) || o.deviation[c] == 0.0f)
      MEDMO_THROW(errc::bad_argument, "preprocess, mean and deviation", "finite numbers, no deviation of 0",
                  std::to_string(o.mean[c]) + ", " + std::to_string(o.deviation[c]));
}

inline void check_pixels(image const& picture) {
  check_size(picture.height, picture.width);
  if (picture.pixels.size() != static_cast<std::size_t>(picture.width * picture.height * 3))
    MEDMO_THROW(errc::bad_image, "picture", std::to_string(picture.width * picture.height * 3) + " bytes of pixels",
                std::to_string(picture.pixels.size()));
}

inline preprocess_plan make_plan(index steps, picture_size original, picture_size resized,
                                 preprocess_options const& o) {
  patch_grid grid{steps, resized.height / o.patch, resized.width / o.patch};
  return {original, resized, grid, grid.tokens(o.merge), 3 * o.temporal * o.patch * o.patch};
}

/// The reference's fused step in f32: (u - 255 mean) / (255 deviation).
using normal_table = std::array<std::array<float, 256>, 3>;
inline normal_table make_normal_table(preprocess_options const& o) {
  normal_table table;
  for (std::size_t c = 0; c < 3; ++c) {
    float mean = o.mean[c] * 255.0f, deviation = o.deviation[c] * 255.0f;
    for (std::size_t u = 0; u < 256; ++u) table[c][u] = (static_cast<float>(u) - mean) / deviation;
  }
  return table;
}

/// One time step: slots[k] is the resized frame in temporal slot k. out [h w, 3 temporal patch^2].
inline void cut_patches(std::span<image const* const> slots, patch_grid const& grid, preprocess_options const& o,
                        normal_table const& table, float* out) {
  index area = o.patch * o.patch, width = 3 * o.temporal * area, across = grid.w / o.merge;
  parallel_for(grid.h / o.merge, [&](index block_row) {
    float* to = out + block_row * o.merge * grid.w * width;
    for (index block = 0; block < across; ++block)
      for (index i = 0; i < o.merge; ++i)
        for (index j = 0; j < o.merge; ++j, to += width) {
          index top = (block_row * o.merge + i) * o.patch, left = (block * o.merge + j) * o.patch;
          for (index k = 0; k < o.temporal; ++k) {
            image const& frame = *slots[static_cast<std::size_t>(k)];
            for (index y = 0; y < o.patch; ++y) {
              std::uint8_t const* from = frame.at(left, top + y);
              for (index c = 0; c < 3; ++c) {
                float* row = to + (c * o.temporal + k) * area + y * o.patch;
                auto const& normal = table[static_cast<std::size_t>(c)];
                for (index x = 0; x < o.patch; ++x) row[x] = normal[from[3 * x + c]];
              }
            }
          }
        }
  });
}
}  // namespace detail

/// What a picture of this size becomes: size, grid, tokens, bytes. Allocates nothing.
/// Errors: as smart_resize; bad_argument for options outside their range.
inline preprocess_plan plan_image(index width, index height, preprocess_options const& options = {}) {
  detail::check_options(options);
  auto resized = smart_resize(height, width, options.patch * options.merge, options.min_pixels, options.max_pixels);
  return detail::make_plan(1, {height, width}, resized, options);
}

/// The same of a picture; bad_image as well if its pixels do not fill its size.
inline preprocess_plan plan_image(image const& picture, preprocess_options const& options = {}) {
  detail::check_pixels(picture);
  return plan_image(picture.width, picture.height, options);
}

/// A still picture as patches; each of the temporal slots holds the same picture.
///   value = (u - 255 mean) / (255 deviation), u the resized 8-bit value
/// Any size from 1 x 1 up to an aspect of 200. Errors: as plan_image; bad_image if the pixels do not fill the size.
/// Source: transformers 5.23, Qwen2VLImageProcessor; bits equal to it with the rule `torch`, and to it on pictures that
/// Pillow resized with the rule `pillow`.
inline patches preprocess(image const& picture, preprocess_options const& options = {}) {
  auto plan = plan_image(picture, options);
  image resized = kernels::resample_bicubic(picture, plan.resized.width, plan.resized.height, options.rule);
  patches out{matrix<float>(plan.grid.patches(), plan.patch_width),
              plan.grid,
              picture.width,
              picture.height,
              plan.resized.width,
              plan.resized.height,
              plan.tokens};
  std::vector<image const*> slots(static_cast<std::size_t>(options.temporal), &resized);
  detail::cut_patches(slots, plan.grid, options, detail::make_normal_table(options), out.rows.data());
  return out;
}

/// Several pictures, each by itself, in order. All are checked before the first is resized.
inline std::vector<patches> preprocess(std::span<image const> pictures, preprocess_options const& options = {}) {
  for (auto const& p : pictures) plan_image(p, options);
  std::vector<patches> out;
  out.reserve(pictures.size());
  for (auto const& p : pictures) out.push_back(preprocess(p, options));
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::vision
