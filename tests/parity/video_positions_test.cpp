// Videos in prompts against the reference: frames looked at, patch grids, printed times, ids of the whole prompt, positions. Three clips, as
// transformers 5.23 and 4.57 write them (5 leaves an outer vision_start/vision_end pair around the frames). The goldens
// come from tools/export_video_positions.py.
#include <doctest/doctest.h>

#include <cstdio>

#include "golden.hpp"
#include "medmo/generate/video.hpp"
#include "medmo/model/positions.hpp"
#include "medmo/text/tokenizer_file.hpp"

namespace parity {

namespace {
medmo::patch_grid grid_of(nlohmann::json const& thw) {
  return {thw[0].get<index>(), thw[1].get<index>(), thw[2].get<index>()};
}

/// The user's message of a golden prompt: words, and what stands between them.
std::vector<medmo::text::content_part> parts_of(nlohmann::json const& clip, medmo::vision::video_plan const& plan) {
  std::string prompt = clip["prompt"].get<std::string>();
  std::string const head = "<|im_start|>user\n", tail = "<|im_end|>";
  prompt = prompt.substr(head.size(), prompt.find(tail) - head.size());
  std::vector<medmo::text::content_part> parts;
  std::string const open = "<|vision_start|>", close = "<|vision_end|>";
  for (std::size_t at = 0; at < prompt.size();) {
    auto const begin = prompt.find(open, at);
    if (begin > at) parts.emplace_back(medmo::text::text_part{prompt.substr(at, begin == std::string::npos ? begin : begin - at)});
    if (begin == std::string::npos) break;
    auto const end = prompt.find(close, begin);
    if (prompt.compare(begin + open.size(), 13, "<|video_pad|>") == 0) parts.emplace_back(medmo::video_part_of(plan));
    else parts.emplace_back(medmo::text::image_part{grid_of(clip["image_grid_thw"][0]).tokens(2)});
    at = end + close.size();
  }
  return parts;
}
}  // namespace

TEST_CASE("videos: frames, grids, times and positions are those of the reference") {
  auto const versions = read_json(std::string(MEDMO_TEST_DATA) + "/parity/video_positions.json");
  CHECK(versions.size() == 2);
  auto const tokenizer = medmo::text::load_tokenizer<medmo::text::qwen_tokens>(MEDMO_EXAMPLE_DATA "/qwen-tokenizer");
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

      // the whole prompt, as a session renders it: ids and places of the pairs
      medmo::vision::video_plan plan;
      plan.frames = frames;
      plan.timestamps_s = medmo::vision::pair_timestamps(frames, fps, 2);
      plan.patches = medmo::vision::plan_video(static_cast<index>(frames.size()), clip["width"].get<index>(), clip["height"].get<index>());
      auto const layout = version.key().starts_with("transformers 5") ? medmo::text::video_layout::outer_pair : medmo::text::video_layout::frames_only;
      medmo::text::chat_options options;
      options.video = layout;
      auto const rendered = medmo::text::render_chat(tokenizer, {{medmo::text::chat_role::user, parts_of(clip, plan), {}}}, options);
      CHECK(rendered.ids == clip["tokens"].get<std::vector<index>>());
      std::size_t pairs = 0;
      for (auto const& place : rendered.media) {
        bool const of_video = place.kind == medmo::text::media_kind::video_frames;
        pairs += of_video;
        CHECK(place.count == (of_video ? plan.tokens_per_pair() : grid_of(clip["image_grid_thw"][0]).tokens(2)));
        for (index i = place.begin; i < place.begin + place.count; ++i)
          CHECK(rendered.ids[static_cast<std::size_t>(i)] == (of_video ? 151656 : 151655));
      }
      CHECK(static_cast<index>(pairs) == grid.t);

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
