// Videos: which frames are looked at, frames to patches in pairs, and the time of each pair. A video arrives as decoded
// frames; nothing here reads files. Source: transformers 5.23, Qwen3VLVideoProcessor and Qwen3VLProcessor.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
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

/// Decoded frames of one size, in order.
///   vision::video{.frames = frames, .fps = 10}                                  // two frames a second of it are looked at
///   vision::video{.frames = frames, .seconds = {0.0, 0.4, 1.1, 2.0}}            // each of them
struct video {
  std::vector<image> frames;
  double fps = unknown_fps;                                   ///< of `frames`
  std::vector<double> seconds{};                              ///< when each frame was taken, instead of fps; then all are looked at
  std::optional<frame_sampling> sampling = frame_sampling{};  ///< none: all frames are looked at
};

/// What a video becomes: the frames looked at, the time of each pair of them, and the patches of all pairs.
struct video_plan {
  std::vector<index> frames;
  std::vector<double> timestamps_s;
  preprocess_plan patches;  ///< grid.t = pairs
  index tokens_per_pair() const { return patches.tokens / patches.grid.t; }
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

namespace detail {
inline void check_frames_alike(std::span<image const> frames) {
  for (auto const& f : frames) {
    check_pixels(f);
    if (f.width != frames[0].width || f.height != frames[0].height)
      MEDMO_THROW(errc::bad_image, "video",
                  "frames of " + std::to_string(frames[0].width) + " x " + std::to_string(frames[0].height),
                  std::to_string(f.width) + " x " + std::to_string(f.height));
  }
}

/// Time step t of frames[0, n): out [h w, patch_width]. frame(i) is the i-th; the last one fills up.
template <class Frame>
void cut_step(Frame&& frame, index n, index t, preprocess_plan const& plan, preprocess_options const& options,
              normal_table const& table, float* out) {
  std::vector<image> resized(static_cast<std::size_t>(options.temporal));
  std::vector<image const*> slots(resized.size());
  for (index k = 0; k < options.temporal; ++k) {
    auto slot = static_cast<std::size_t>(k);
    index i = t * options.temporal + k;
    if (i < n)
      resized[slot] = kernels::resample_bicubic(frame(i), plan.resized.width, plan.resized.height, options.rule);
    slots[slot] = i < n ? &resized[slot] : slots[slot - 1];
  }
  cut_patches(slots, plan.grid, options, table, out);
}
}  // namespace detail

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
  detail::check_frames_alike(frames);
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
  for (index t = 0; t < plan.grid.t; ++t)
    detail::cut_step([&](index i) -> image const& { return frames[static_cast<std::size_t>(i)]; }, n, t, plan, options, table,
                     out.frames.rows.data() + t * step_size);
  return out;
}

/// Checks a video and says what it becomes. Errors: as preprocess_video and sample_frames; bad_argument for times that are
/// negative, fall, or are not as many as the frames.
inline video_plan plan_video(video const& v, preprocess_options const& options = video_defaults) {
  auto const n = static_cast<index>(v.frames.size());
  detail::check_options(options);
  detail::check_frames(n, options.temporal);
  detail::check_frames_alike(v.frames);
  video_plan plan;
  if (v.seconds.empty() && v.sampling) {
    plan.frames = sample_frames(n, v.fps, *v.sampling);
  } else {
    for (index i = 0; i < n; ++i) plan.frames.push_back(i);
  }
  auto const looked_at = static_cast<index>(plan.frames.size());
  plan.patches = plan_video(looked_at, v.frames[0].width, v.frames[0].height, options);
  if (v.seconds.empty()) {
    plan.timestamps_s = pair_timestamps(plan.frames, v.fps, options.temporal);
    return plan;
  }
  if (v.seconds.size() != v.frames.size() || !(v.seconds.front() >= 0) || !std::isfinite(v.seconds.back()) ||
      !std::is_sorted(v.seconds.begin(), v.seconds.end(), [](double a, double b) { return !(a >= b); }))
    MEDMO_THROW(errc::bad_argument, "video, seconds", std::to_string(n) + " times from 0 on, none before the one in front of it",
                std::to_string(v.seconds.size()) + " others");
  for (index i = 0; i < looked_at; i += options.temporal)
    plan.timestamps_s.push_back((v.seconds[static_cast<std::size_t>(i)] +
                                 v.seconds[static_cast<std::size_t>(std::min(i + options.temporal, looked_at) - 1)]) / 2.0);
  return plan;
}

/// Pair t of a planned video as the patches of one time step: rows [h w, patch_width], grid.t = 1.
inline patches preprocess_pair(video const& v, video_plan const& plan, index t, preprocess_options const& options = video_defaults) {
  auto const& whole = plan.patches;
  patch_grid const grid{1, whole.grid.h, whole.grid.w};
  patches out{matrix<float>(grid.patches(), whole.patch_width), grid, whole.original.width, whole.original.height,
              whole.resized.width, whole.resized.height, plan.tokens_per_pair()};
  auto const frame = [&](index i) -> image const& { return v.frames[static_cast<std::size_t>(plan.frames[static_cast<std::size_t>(i)])]; };
  detail::cut_step(frame, static_cast<index>(plan.frames.size()), t, whole, options, detail::make_normal_table(options),
                   out.rows.data());
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::vision
