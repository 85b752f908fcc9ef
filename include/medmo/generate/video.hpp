// A video in a conversation: how its frames are cut, its part of a message, and its pairs as the decoder sees them. Each pair
// of frames is a picture of its own, between a time in words and the next: the tower attends within a pair only. So a
// prompt has one place, and one visual_features, for each pair.
#pragma once

#include <memory>
#include <vector>

#include "../text/chat.hpp"
#include "../vision/video.hpp"
#include "feature_cache.hpp"
#include "pretrained.hpp"
#include "sequence.hpp"

namespace medmo::inline MEDMO_ABI {

/// How the frames of a video are resized and cut: the reference's areas, the model's patches and rule.
template <vision_language_configuration C>
vision::preprocess_options video_options(pretrained<C> const& p) {
  auto options = vision::options_for(C::vision, p.pictures);
  options.min_pixels = vision::video_defaults.min_pixels;
  options.max_pixels = vision::video_defaults.max_pixels;
  return options;
}

/// The times and place holders of a planned video.
inline text::video_part video_part_of(vision::video_plan const& plan) { return {plan.timestamps_s, plan.tokens_per_pair()}; }

/// What stands for each pair of frames in the decoder, in order; one pair's patches are held at a time. `memory` is grown to
/// what the vision tower needs.
template <vision_language_configuration C>
std::vector<shared_features> see_video(pretrained<C> const& p, vision::video const& video, arena& memory) {
  auto const options = video_options(p);
  auto const plan = vision::plan_video(video, options);
  std::vector<shared_features> out;
  for (index t = 0; t < plan.patches.grid.t; ++t) {
    auto const pair = vision::preprocess_pair(video, plan, t, options);
    view<float> const rows(pair.rows.data(), pair.rows.rows(), pair.rows.cols(), Eigen::OuterStride<>(pair.rows.cols()));
    out.push_back(std::make_shared<visual_features const>(see_picture(p.model, rows, pair.grid, memory)));
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI
