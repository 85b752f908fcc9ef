// preprocessor_config.json and processor_config.json: dialects, what is refused, what is written.
#include "medmo/io/preprocessor_config.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "bad_input.hpp"

using medmo::errc;
namespace io = medmo::io;

namespace {
io::preprocessor_config_file read(std::string const& text) {
  return io::preprocessor_config_of(io::parse_json(bad_input::bytes_of(text), "p.json"), "p.json");
}
std::string const flat = R"({"image_processor_type": "Qwen2VLImageProcessorFast", "patch_size": 16, "merge_size": 2,
  "temporal_patch_size": 2, "size": {"longest_edge": 1000000, "shortest_edge": 5000}, "image_mean": [0.1, 0.2, 0.3],
  "image_std": [0.4, 0.5, 0.6], "resample": 3, "rescale_factor": 0.00392156862745098, "do_resize": true, "crop_size": null,
  "do_center_crop": false})";
}  // namespace

TEST_CASE("preprocessor_config: flat, nested and older files") {
  for (auto const& text : {flat, "{\"image_processor\": " + flat + ", \"video_processor\": {\"patch_size\": 1}}"}) {
    auto p = read(text);
    CHECK(p.patch_size == 16);
    CHECK(p.min_pixels == 5000);
    CHECK(p.max_pixels == 1000000);
    CHECK(p.image_mean == std::array<double, 3>{0.1, 0.2, 0.3});
    CHECK(p.image_std == std::array<double, 3>{0.4, 0.5, 0.6});
    CHECK(p.rescale_factor == 1.0 / 255.0);
    CHECK(p.unknown == std::vector<std::string>{"do_center_crop"});
  }
  auto old = read(R"({"min_pixels": 3136, "max_pixels": 12845056, "size": {"shortest_edge": 1, "longest_edge": 2}})");
  CHECK(old.min_pixels == 3136);
  CHECK(old.max_pixels == 12845056);
  auto none = read("{}");
  CHECK(none.patch_size == 16);
  CHECK(none.max_pixels == 16777216);
}

TEST_CASE("preprocessor_config: of a folder, the nested file first, nothing where there is none") {
  bad_input::folder folder;
  CHECK(!io::read_preprocessor_config(folder.path()));
  folder.write("preprocessor_config.json", flat);
  CHECK(io::read_preprocessor_config(folder.path())->min_pixels == 5000);
  folder.write("processor_config.json", R"({"processor_class": "Qwen3VLProcessor"})");  // transformers 4: no pictures in it
  CHECK(io::read_preprocessor_config(folder.path())->min_pixels == 5000);
  folder.write("processor_config.json", R"({"image_processor": {"size": {"shortest_edge": 7, "longest_edge": 8}}})");
  CHECK(io::read_preprocessor_config(folder.path())->min_pixels == 7);
  folder.write("processor_config.json", "{");
  bad_input::refused("broken", errc::bad_json, "processor_config.json", [&] { io::read_preprocessor_config(folder.path()); });
}

TEST_CASE("preprocessor_config: bad values are refused by field") {
  struct {
    char const *name, *text;
    errc code;
    char const* part;
  } const cases[] = {
      {"a list", "[]", errc::bad_json, "an object"},
      {"another processor", R"({"image_processor_type": "CLIPImageProcessor"})", errc::unsupported, "image_processor_type: expected Qwen2VLImageProcessor"},
      {"a patch of 0", R"({"patch_size": 0})", errc::bad_config, "patch_size: expected a number >= 1, found 0"},
      {"a patch that is a string", R"({"patch_size": "16"})", errc::bad_json, "patch_size: expected an integer"},
      {"a merge below 0", R"({"merge_size": -2})", errc::bad_config, "merge_size"},
      {"an area of 0", R"({"size": {"shortest_edge": 0}})", errc::bad_config, "size.shortest_edge"},
      {"an area of 2^62", R"({"max_pixels": 4611686018427387904})", errc::bad_config, "max_pixels"},
      {"areas in the wrong order", R"({"size": {"shortest_edge": 9, "longest_edge": 8}})", errc::bad_config, "found 9 and 8"},
      {"sides", R"({"size": {"height": 224, "width": 224}})", errc::unsupported, "size.height"},
      {"a size that is a number", R"({"size": 224})", errc::bad_json, "size: expected an object"},
      {"a mean of two", R"({"image_mean": [0.5, 0.5]})", errc::bad_config, "image_mean: expected 3 numbers"},
      {"a deviation of 0", R"({"image_std": [0.5, 0, 0.5]})", errc::bad_config, "image_std: expected 3 numbers above 0"},
      {"a mean of strings", R"({"image_mean": ["a", "b", "c"]})", errc::bad_json, "image_mean: expected a list of numbers"},
      {"a factor of 0", R"({"rescale_factor": 0})", errc::bad_config, "rescale_factor"},
      {"bilinear", R"({"resample": 2})", errc::unsupported, "resample: expected 3 (bicubic), found 2"},
      {"no normalisation", R"({"do_normalize": false})", errc::unsupported, "do_normalize: expected true"},
      {"no resizing", R"({"do_resize": false})", errc::unsupported, "do_resize"},
      {"a nested fault", R"({"image_processor": {"patch_size": 0}})", errc::bad_config, "image_processor.patch_size"},
  };
  for (auto const& bad : cases) bad_input::refused(bad.name, bad.code, bad.part, [&] { read(bad.text); });
}

TEST_CASE("preprocessor_config: what is written is read back") {
  io::preprocessor_config_file p{.patch_size = 14, .min_pixels = 100, .max_pixels = 200};
  p.image_mean = {0.1, 0.2, 0.3};
  auto r = read(io::preprocessor_config_json(p));
  CHECK(r.patch_size == 14);
  CHECK(r.min_pixels == 100);
  CHECK(r.max_pixels == 200);
  CHECK(r.image_mean == p.image_mean);
  CHECK(r.unknown.empty());
}
