// Pictures and videos to patches: bits of the reference processor, plans, several pictures, bad input.
#include "medmo/vision/preprocess.hpp"

#include <limits>

#include "medmo/model/config.hpp"
#include "medmo/vision/video.hpp"
#include "unit/vision/goldens.hpp"

namespace {  // also keeps POSIX index() out

using medmo::image;
using medmo::index;
using medmo::kernels::resample_rule;
using namespace medmo::vision;

std::uint32_t crc(patches const& p) {
  return goldens::crc32(p.rows.data(), static_cast<std::size_t>(p.rows.size()) * sizeof(float));
}

TEST_CASE("preprocess: every bit equals the reference processor, by torch's and by Pillow's pixels") {
  for (auto const& row : goldens::of("images")) {
    index w = row.at("from")[0], h = row.at("from")[1];
    CAPTURE(w);
    CAPTURE(h);
    image in = goldens::picture(row.at("kind"), row.at("seed"), w, h);
    preprocess_options options{.max_pixels = row.at("max_pixels")};
    for (std::size_t c = 0; c < 3; ++c) {
      options.mean[c] = row.at("mean")[c];
      options.deviation[c] = row.at("deviation")[c];
    }
    auto out = preprocess(in, options);
    CHECK(out.grid == medmo::patch_grid{row.at("grid")[0], row.at("grid")[1], row.at("grid")[2]});
    CHECK(out.original_width == w);
    CHECK(out.original_height == h);
    CHECK(out.resized_width == out.grid.w * 16);
    CHECK(out.resized_height == out.grid.h * 16);
    CHECK(out.rows.rows() == out.grid.patches());
    CHECK(out.rows.cols() == 1536);
    for (auto const& sample : row.at("samples"))
      CHECK(out.rows.data()[sample[0].get<index>()] == sample[1].get<float>());
    CHECK(crc(out) == row.at("pillow").get<std::uint32_t>());
    options.rule = resample_rule::torch;
    CHECK(crc(preprocess(in, options)) == row.at("torch").get<std::uint32_t>());
  }
}

TEST_CASE("preprocess: the plan says what comes, for every size") {
  for (auto [w, h] : {std::pair<index, index>{1, 1}, {30, 305}, {1, 200}, {333, 500}}) {
    auto plan = plan_image(w, h);
    auto out = preprocess(goldens::picture("smooth", 1, w, h));
    CHECK(plan.grid == out.grid);
    CHECK(plan.tokens == out.tokens);
    CHECK(plan.tokens * 4 == out.rows.rows());
    CHECK(plan.bytes() == out.rows.size() * 4);
  }
  CHECK(plan_image(768, 768).tokens == 576);
  CHECK(plan_image(5000, 5000).tokens == 16384);
  CHECK(plan_image(5000, 5000, {.max_pixels = 1024 * 1024}).tokens == tokens_for_grounding);
}

TEST_CASE("preprocess: several pictures are each as if alone, for every number of threads") {
  std::vector<image> in{goldens::picture("noise", 1, 40, 30), goldens::picture("smooth", 2, 300, 7),
                        goldens::picture("edges", 3, 1, 1)};
  for (int threads : {1, 2, 3}) {
    medmo::set_thread_count(threads);
    auto out = preprocess(in);
    REQUIRE(out.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      medmo::set_thread_count(1);
      CHECK(crc(out[i]) == crc(preprocess(in[i])));
      medmo::set_thread_count(threads);
    }
  }
  medmo::set_thread_count(0);
  CHECK(preprocess(std::span<image const>{}).empty());
}

TEST_CASE("preprocess: patch sizes come from a vision configuration") {
  auto o = options_for(medmo::medmo_4b::vision, {.min_pixels = 1024});
  CHECK(o.patch == 16);
  CHECK(o.min_pixels == 1024);
  CHECK(plan_image(64, 64, o).patch_width == medmo::medmo_4b::vision.patch_width());
}

TEST_CASE("video: every bit equals the reference processor; timestamps too") {
  for (auto const& row : goldens::of("videos")) {
    index n = row.at("frames"), w = row.at("size")[0], h = row.at("size")[1];
    CAPTURE(n);
    CAPTURE(w);
    std::vector<image> frames;
    for (index i = 0; i < n; ++i)
      frames.push_back(
          goldens::picture("smooth", row.at("seed").get<std::uint32_t>() + static_cast<std::uint32_t>(i), w, h));
    auto options = video_defaults;
    options.rule = resample_rule::torch;
    options.max_tokens_per_frame = row.at("cap");
    auto indices = row.at("indices").get<std::vector<index>>();
    auto out = preprocess_video(frames, indices, row.at("fps"), options);
    CHECK(out.frames.grid == medmo::patch_grid{row.at("grid")[0], row.at("grid")[1], row.at("grid")[2]});
    CHECK(out.timestamps_s == row.at("times").get<std::vector<double>>());
    CHECK(crc(out.frames) == row.at("torch").get<std::uint32_t>());
    CHECK(plan_video(n, w, h, options).tokens == out.frames.tokens);

    video const clip{.frames = frames, .fps = row.at("fps"), .sampling = {}};
    auto const plan = plan_video(clip, options);
    CHECK(plan.patches.grid == out.frames.grid);
    CHECK(plan.frames.size() == frames.size());
    for (index t = 0; t < plan.patches.grid.t; ++t) {
      auto const pair = preprocess_pair(clip, plan, t, options);
      index const rows = pair.grid.patches();
      CHECK(pair.tokens * plan.patches.grid.t == plan.patches.tokens);
      CHECK(pair.rows == out.frames.rows.middleRows(t * rows, rows));
    }
  }
}

TEST_CASE("video: sampled frames equal the reference") {
  for (auto const& row : goldens::of("sampling")) {
    index total = row.at("total");
    CAPTURE(total);
    CHECK(sample_frames(total, row.at("source_fps"), {.fps = row.at("fps")}) ==
          row.at("frames").get<std::vector<index>>());
  }
  CHECK(sample_frames(std::numeric_limits<index>::max() / 4, 1e-9).size() == 768);  // the count fits no integer
}

TEST_CASE("video: which frames are looked at, and when they were taken") {
  std::vector<image> const frames(25, image(40, 100));
  auto sampled = plan_video(video{.frames = frames, .fps = 10});
  CHECK(sampled.frames == std::vector<index>{0, 6, 12, 18, 24});
  CHECK(sampled.timestamps_s == std::vector<double>{0.3, 1.5, 2.4});
  CHECK(plan_video(video{.frames = frames, .fps = 10, .sampling = {}}).frames.size() == 25);
  video timed{.frames = std::vector<image>(5, image(64, 64)), .seconds = {0, 1, 1, 4, 9.5}};
  auto plan = plan_video(timed);
  CHECK(plan.frames == std::vector<index>{0, 1, 2, 3, 4});
  CHECK(plan.timestamps_s == std::vector<double>{0.5, 2.5, 9.5});
  CHECK(plan.patches.grid.t == 3);
}

#if MEDMO_EXCEPTIONS
TEST_CASE("preprocess: bad input is an error before anything is made") {
  image good(8, 8), empty, torn(8, 8), ribbon(201, 1);
  torn.pixels.pop_back();
  struct row {
    char const* name;
    image const* in;
    preprocess_options options;
  };
  float nan = std::numeric_limits<float>::quiet_NaN();
  for (auto const& r :
       {row{"empty", &empty, {}}, row{"pixels too few", &torn, {}}, row{"aspect 201", &ribbon, {}},
        row{"patch 0", &good, {.patch = 0}}, row{"merge -1", &good, {.merge = -1}},
        row{"temporal 65", &good, {.temporal = 65}}, row{"deviation 0", &good, {.deviation = {1, 0, 1}}},
        row{"mean NaN", &good, {.mean = {nan, 0, 0}}}, row{"min above max", &good, {.min_pixels = 1 << 30}},
        row{"max 0", &good, {.max_pixels = 0}}}) {
    CAPTURE(r.name);
    CHECK_THROWS_AS(preprocess(*r.in, r.options), medmo::error);
  }
  std::vector<image> second_bad{good, torn};
  CHECK_THROWS_AS(preprocess(second_bad), medmo::error);
}

TEST_CASE("video: bad input is an error") {
  std::vector<image> pair{image(8, 8), image(8, 8)}, mixed{image(8, 8), image(8, 9)}, one{image(8, 8)};
  std::vector<index> few{1}, negative{-1, 2};
  double const nan = std::numeric_limits<double>::quiet_NaN();
  struct row {
    char const* name;
    video clip;
  };
  for (auto const& r : {row{"no frames", {.frames = {}}}, row{"one frame", {.frames = one}}, row{"sizes that differ", {.frames = mixed}},
                        row{"a rate of 0", {.frames = pair, .fps = 0}}, row{"no rate", {.frames = pair, .fps = nan}},
                        row{"a time too few", {.frames = pair, .seconds = {0.0}}}, row{"a time before the start", {.frames = pair, .seconds = {-1, 0}}},
                        row{"times that fall", {.frames = pair, .seconds = {1, 0}}}, row{"no time", {.frames = pair, .seconds = {0, nan}}},
                        row{"endless", {.frames = pair, .seconds = {0, std::numeric_limits<double>::infinity()}}}}) {
    CAPTURE(r.name);
    CHECK_THROWS_AS(plan_video(r.clip), medmo::error);
  }
  CHECK_THROWS_AS(preprocess_video({}), medmo::error);
  CHECK_THROWS_AS(preprocess_video(one), medmo::error);
  CHECK_THROWS_AS(preprocess_video(mixed), medmo::error);
  CHECK_THROWS_AS(preprocess_video(pair, few), medmo::error);
  CHECK_THROWS_AS(preprocess_video(pair, negative), medmo::error);
  CHECK_THROWS_AS(preprocess_video(pair, {}, 0.0), medmo::error);
  CHECK_THROWS_AS(preprocess_video(pair, {}, std::numeric_limits<double>::infinity()), medmo::error);
  CHECK_THROWS_AS(plan_video(2, 8, 8, {.max_tokens_per_frame = -1}), medmo::error);
  CHECK_THROWS_AS(plan_video(0, 8, 8, {.max_tokens_per_frame = 8}), medmo::error);
  CHECK_THROWS_AS(sample_frames(0), medmo::error);
  CHECK_THROWS_AS(sample_frames(9, -1.0), medmo::error);
  CHECK_THROWS_AS(sample_frames(9, 24.0, {.fps = 0.0}), medmo::error);
  CHECK_THROWS_AS(sample_frames(9, 24.0, {.min_frames = 5, .max_frames = 4}), medmo::error);
}
#endif

}  // namespace
