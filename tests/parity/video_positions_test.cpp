// Videos in prompts against the reference: frames looked at, patch grids, printed times, positions. Three clips, as
// transformers 5.23 and 4.57 write them (5 leaves an outer vision_start/vision_end pair around the frames). The goldens
// come from tools/export_video_positions.py.
#include <doctest/doctest.h>

#include <cstdio>

#include "golden.hpp"
#include "medmo/model/positions.hpp"
#include "medmo/vision/video.hpp"

namespace parity {

namespace {
medmo::patch_grid grid_of(nlohmann::json const& thw) {
  return {thw[0].get<index>(), thw[1].get<index>(), thw[2].get<index>()};
}
}  // namespace

TEST_CASE("videos: frames, grids, times and positions are those of the reference") {
  auto const versions = read_json(std::string(MEDMO_TEST_DATA) + "/parity/video_positions.json");
  CHECK(versions.size() == 2);
  for (auto const& version : versions.items())
    for (auto const& entry : version.value().items()) {
      auto const& clip = entry.value();
      CAPTURE(version.key());
      CAPTURE(entry.key());
      double fps = clip["fps"].is_null() ? medmo::vision::unknown_fps : clip["fps"].get<double>();
      auto const frames = medmo::vision::sample_frames(clip["total_frames"].get<index>(), fps);
      CHECK(frames == clip["frame_indices"].get<std::vector<index>>());

      auto const grid = grid_of(clip["grid_thw"]);
      CHECK(medmo::vision::plan_video(static_cast<index>(frames.size()), clip["width"].get<index>(),
                                      clip["height"].get<index>())
                .grid == grid);

      auto const text = clip["text"].get<std::string>();
      std::size_t at = 0;
      for (double time : medmo::vision::pair_timestamps(frames, fps, 2)) {
        char printed[48];
        std::snprintf(printed, sizeof printed, "<%.1f seconds><|vision_start|><|video_pad|>", time);
        CAPTURE(printed);
        at = text.find(printed, at);
        REQUIRE(at != std::string::npos);
        ++at;
      }
      CHECK(text.find(" seconds>", at + 8) == std::string::npos);

      std::vector<medmo::patch_grid> grids;
      for (auto const& picture : clip["image_grid_thw"]) grids.push_back(grid_of(picture));
      grids.push_back(grid);
      auto const ids = clip["tokens"].get<std::vector<index>>();
      std::vector<medmo::token_position> ours;
      index next = medmo::append_positions(ids, grids, 2, medmo::token_config{}, 0, ours);
      auto const expected = clip["positions"].get<std::vector<std::vector<index>>>();
      REQUIRE(ours.size() == ids.size());
      for (std::size_t i = 0; i < ours.size(); ++i) {
        CAPTURE(i);
        CHECK(ours[i] == medmo::token_position{expected[0][i], expected[1][i], expected[2][i]});
      }
      CHECK(next - static_cast<index>(ids.size()) == clip["rope_delta"].get<index>());
    }
}

}  // namespace parity
