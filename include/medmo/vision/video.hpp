// Videos: which frames are looked at, frames to patches in pairs, and the time of each pair. A video arrives as decoded
// frames; nothing here reads files. Source: transformers 5.23, Qwen3VLVideoProcessor and Qwen3VLProcessor.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "preprocess.hpp"

namespace medmo::inline MEDMO_ABI::vision {

inline constexpr double unknown_fps = 24.0;  ///< the reference's guess

struct frame_sampling {
  double fps = 2.0;  ///< frames looked at per second
  index min_frames = 4, max_frames = 768;
};

struct video_patches {
  patches frames;                    ///< grid.t = pairs
  std::vector<double> timestamps_s;  ///< [grid.t], middle of the first and last frame of each pair; printed as %.1f
};

namespace detail {
inline void check_fps(char const* where, double fps) {
  if (!(fps > 0.0) || !std::isfinite(fps))
    MEDMO_THROW(errc::bad_argument, where, "a finite number above 0", std::to_string(fps));
}
}  // namespace detail

/// The numbers of the frames to look at.
///   n = clamp(floor(total / source_fps * fps), min_frames, max_frames), at most total
///   frame i = round(i (total - 1) / (n - 1)), halves to even
/// total >= 1. Errors: bad_argument for rates that are not above 0 or limits outside 1 <= min <= max.
inline std::vector<index> sample_frames(index total, double source_fps = unknown_fps, frame_sampling const& s = {}) {
  detail::check_fps("sample_frames, source_fps", source_fps);
  detail::check_fps("sample_frames, fps", s.fps);
  if (total < 1) MEDMO_THROW(errc::bad_argument, "sample_frames, total", "at least 1", std::to_string(total));
  if (s.min_frames < 1 || s.max_frames < s.min_frames)
    MEDMO_THROW(errc::bad_argument, "sample_frames", "1 <= min_frames <= max_frames",
                std::to_string(s.min_frames) + ", " + std::to_string(s.max_frames));
  double wanted = static_cast<double>(total) / source_fps * s.fps;
  index n = wanted >= static_cast<double>(s.max_frames) ? s.max_frames : static_cast<index>(wanted);
  n = std::min(std::max(n, s.min_frames), total);
  std::vector<index> out(static_cast<std::size_t>(n), 0);
  double step = n > 1 ? static_cast<double>(total - 1) / static_cast<double>(n - 1) : 0.0;
  for (index i = 0; i + 1 < n; ++i)
    out[static_cast<std::size_t>(i)] = static_cast<index>(std::nearbyint(static_cast<double>(i) * step));
  if (n > 1) out.back() = total - 1;
  return out;
}

/// The time of each group of `temporal` frames, in seconds: (first / fps + last / fps) / 2; the last frame fills up.
inline std::vector<double> pair_timestamps(std::span<index const> frame_indices, double source_fps, index temporal) {
  detail::check_fps("video, source_fps", source_fps);
  auto n = static_cast<index>(frame_indices.size());
  std::vector<double> out;
  for (index i = 0; i < n; i += temporal) {
    auto first = static_cast<double>(frame_indices[static_cast<std::size_t>(i)]);
    auto last = static_cast<double>(frame_indices[static_cast<std::size_t>(std::min(i + temporal, n) - 1)]);
    out.push_back((first / source_fps + last / source_fps) / 2.0);
  }
  return out;
}

/// What a video of this size becomes. Allocates nothing. Errors: as smart_resize_video and plan_image.
/// With max_tokens_per_frame the area of a frame is at most that many tokens, and at most its share of max_pixels, but
/// at least 1.05 min_pixels (the reference's cap_pixels_per_frame).
inline preprocess_plan plan_video(index frames, index width, index height,
                                  preprocess_options const& options = video_defaults) {
  detail::check_options(options);
  index factor = options.patch * options.merge, limit = options.max_pixels;
  if (options.max_tokens_per_frame < 0 || options.max_tokens_per_frame > 65536)
    MEDMO_THROW(errc::bad_argument, "preprocess, max_tokens_per_frame", "0 .. 65536",
                std::to_string(options.max_tokens_per_frame));
  detail::check_limits(factor, options.min_pixels, options.max_pixels);
  detail::check_frames(frames, options.temporal);
  if (options.max_tokens_per_frame > 0) {
    index cap = std::min(options.max_tokens_per_frame * factor * factor, options.max_pixels / frames);
    limit = std::max(cap, static_cast<index>(static_cast<double>(options.min_pixels) * 1.05)) * frames;
  }
  auto resized = smart_resize_video(frames, height, width, options.temporal, factor, options.min_pixels, limit);
  return detail::make_plan((frames + options.temporal - 1) / options.temporal, {height, width}, resized, options);
}

/// Frames of one size as patches: `temporal` real frames a time step, the last frame repeated to fill up.
/// frame_indices: the numbers of the frames in the source, for the timestamps; empty: 0, 1, 2 ...
/// Errors: as plan_video; bad_image for frames of different sizes; bad_argument for indices that are negative or not as
/// many as the frames.
inline video_patches preprocess_video(std::span<image const> frames, std::span<index const> frame_indices = {},
                                      double source_fps = unknown_fps,
                                      preprocess_options const& options = video_defaults) {
  auto n = static_cast<index>(frames.size());
  detail::check_options(options);
  detail::check_frames(n, options.temporal);
  for (auto const& f : frames) {
    detail::check_pixels(f);
    if (f.width != frames[0].width || f.height != frames[0].height)
      MEDMO_THROW(errc::bad_image, "video",
                  "frames of " + std::to_string(frames[0].width) + " x " + std::to_string(frames[0].height),
                  std::to_string(f.width) + " x " + std::to_string(f.height));
  }
  std::vector<index> numbers(frame_indices.begin(), frame_indices.end());
  if (numbers.empty())
    for (index i = 0; i < n; ++i) numbers.push_back(i);
  if (static_cast<index>(numbers.size()) != n || *std::min_element(numbers.begin(), numbers.end()) < 0)
    MEDMO_THROW(errc::bad_argument, "video, frame_indices", std::to_string(n) + " numbers from 0",
                std::to_string(numbers.size()) + " numbers");
  auto plan = plan_video(n, frames[0].width, frames[0].height, options);
  auto times = pair_timestamps(numbers, source_fps, options.temporal);

  video_patches out{{matrix<float>(plan.grid.patches(), plan.patch_width), plan.grid, plan.original.width,
                     plan.original.height, plan.resized.width, plan.resized.height, plan.tokens},
                    std::move(times)};
  auto table = detail::make_normal_table(options);
  index step_size = plan.grid.h * plan.grid.w * plan.patch_width;
  std::vector<image> resized(static_cast<std::size_t>(options.temporal));
  std::vector<image const*> slots(resized.size());
  for (index t = 0; t < plan.grid.t; ++t) {
    for (index k = 0; k < options.temporal; ++k) {
      auto slot = static_cast<std::size_t>(k);
      index i = t * options.temporal + k;
      if (i < n)
        resized[slot] = kernels::resample_bicubic(frames[static_cast<std::size_t>(i)], plan.resized.width,
                                                  plan.resized.height, options.rule);
      slots[slot] = i < n ? &resized[slot] : slots[slot - 1];
    }
    detail::cut_patches(slots, plan.grid, options, table, out.frames.rows.data() + t * step_size);
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::vision
