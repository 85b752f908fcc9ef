// Recipes: presets and what is refused. Augmentation: boxes follow their pixels, and words forbid what would make them wrong.
#include "medmo/train/recipe.hpp"

#include "unit/named_case.hpp"

namespace {
using medmo::index;
namespace train = medmo::train;
namespace io = medmo::io;

io::json json(std::string const& text) { return io::parse_json(std::as_bytes(std::span(text)), "test"); }
train::recipe recipe(std::string const& stage) {
  return train::parse_recipe(json(R"({"model": "m", "seed": 3, "stages": [)" + stage + "]}"), "recipe.json");
}

TEST_CASE("presets carry the paper's values, and fields change them") {
  auto const r = recipe(R"({"preset": "medmo_stage1", "data": "a.jsonl"}, {"preset": "medmo_stage2", "data": ["a", {"path": "b", "folder": "c"}]},
    {"preset": "medmo_stage3", "data": "a", "learning_rate": {"merger": 2e-5}, "train": ["merger", "decoder"], "lora": {"targets": ["q_proj"]}},
    {"preset": "medmo_stage4", "data": "a", "grpo": {"clip_high": 0.3, "rewards": {"box": 1, "label": 0.5}}})");
  REQUIRE(r.stages.size() == 4);
  CHECK(r.seed == 3);
  auto const &one = r.stages[0], &two = r.stages[1], &three = r.stages[2], &four = r.stages[3];
  CHECK((one.resolution == 768 && one.batch == 10 && one.accumulation == 2 && one.learning_rate[3] == 1e-5 && one.shape == train::decline::cosine));
  CHECK((two.resolution == 1280 && two.batch == 2 && two.accumulation == 8 && two.learning_rate[0] == 8e-6));
  CHECK((two.data.size() == 2 && two.data[1].path == "b" && two.data[1].folder == "c"));
  CHECK((three.batch == 10 && three.accumulation == 2 && three.learning_rate[3] == 5e-6 && three.learning_rate[1] == 2e-5));
  CHECK((three.parts.merger && three.parts.decoder && !three.parts.vision_tower && !three.parts.embeddings));
  CHECK((three.lora.rank == 16 && three.lora.targets == std::vector<std::string>{"q_proj"} && three.lora.seed == 3));
  CHECK((four.kind == train::stage_kind::grpo && four.grpo.clip_low == 0.15 && four.grpo.clip_high == 0.3 && four.grpo.rewards.size() == 2));
  CHECK(one.total_steps(50) == 50);
  CHECK(recipe(R"({"data": "a", "epochs": 2.5})").stages[0].total_steps(3) == 8);
  CHECK(recipe(R"({"data": "a", "steps": 7})").stages[0].total_steps(3) == 7);
}

TEST_CASE("recipes that cannot be are refused with the field") {
  std::vector<std::array<char const*, 3>> const cases = {
      {"no data", "{}", "data"},
      {"an unknown field", R"({"data": "a", "lr": 1})", "lr"},
      {"an unknown field of lora", R"({"data": "a", "lora": {"dropout": 0.1}})", "dropout"},
      {"an unknown field of augment", R"({"data": "a", "augment": {"rotate": 1}})", "rotate"},
      {"an unknown field of grpo", R"({"data": "a", "grpo": {"G": 8}})", "G"},
      {"an unknown field of data", R"({"data": [{"path": "a", "weight": 1}]})", "weight"},
      {"data without a path", R"({"data": [{"folder": "a"}]})", "path"},
      {"data that is a number", R"({"data": 3})", "data"},
      {"an unknown preset", R"({"preset": "medmo_stage5", "data": "a"})", "preset"},
      {"an unknown part", R"({"data": "a", "train": ["head"]})", "train"},
      {"an unknown schedule", R"({"data": "a", "schedule": "step"})", "schedule"},
      {"a rate that is text", R"({"data": "a", "learning_rate": "1e-5"})", "learning_rate"},
      {"a rate below 0", R"({"data": "a", "learning_rate": -1})", "learning_rate"},
      {"a rate of an unknown part", R"({"data": "a", "learning_rate": {"head": 1e-5}})", "head"},
      {"a batch of none", R"({"data": "a", "batch": 0})", "batch"},
      {"a batch that is no integer", R"({"data": "a", "batch": 1.5})", "batch"},
      {"a rank of none", R"({"data": "a", "lora": {"rank": 0}})", "rank"},
      {"a probability above 1", R"({"data": "a", "augment": {"flip": 2}})", "flip"},
      {"scales in the wrong order", R"({"data": "a", "augment": {"least_scale": 2, "most_scale": 1}})", "most_scale"},
      {"a reward without weight", R"({"data": "a", "grpo": {"rewards": {"box": "much"}}})", "rewards"},
      {"a stage that is text", R"("a")", "stage 1"},
  };
  for (auto const& [name, text, field] : cases) {
    named_case(name);
    INFO(name);
    bool refused = false;
    try {
      recipe(text);
    } catch (medmo::error const& e) {
      refused = true;
      INFO(e.what());
      CHECK(std::string(e.what()).find(field) != std::string::npos);
    }
    CHECK(refused);
  }
  for (auto const* text : {"[]", "{}", R"({"model": "m"})", R"({"model": "m", "stages": []})", R"({"model": "m", "stages": [{"data": "a"}], "x": 1})"}) {
    named_case(text);
    CHECK_THROWS_AS(train::parse_recipe(json(text), "recipe.json"), medmo::error);
  }
}

/// A dark picture whose box [20, 60) x [10, 30) is bright.
medmo::image marked() {
  medmo::image p(100, 80);
  for (index y = 10; y < 30; ++y) std::fill(p.at(20, y), p.at(60, y), std::uint8_t{200});
  return p;
}
train::conversation row(std::string const& words, std::string const& answer = "{boxes}", std::string const& more = "") {
  return train::read_conversation(json(R"({"messages": [{"role": "user", "content": ")" + words + R"("}, {"role": "assistant", "content": ")" + answer +
                                       R"("}], "images": ["a"], "unit": "pixel", "boxes": [{"box": [20, 10, 60, 30], "label": "x"})" + more + "]}"), "row");
}

TEST_CASE("boxes follow their pixels") {
  train::augment_options const all{.crop = 1, .least_area = 0.3, .least_box = 0.9, .scale = 1, .flip = 1};
  int cropped = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    auto c = row("Find it");
    std::vector<medmo::image> pictures{marked()};
    train::augment(c, pictures, all, medmo::random_stream(seed, 1));
    auto const& p = pictures[0];
    auto const b = std::get<medmo::box<medmo::pixel>>(c.boxes[0].where);
    cropped += p.width * 80 != p.height * 100;
    CHECK((b.x1 >= 0 && b.x2 <= static_cast<double>(p.width) && b.y1 >= 0 && b.y2 <= static_cast<double>(p.height)));
    double inside = 0, outside = 0;  // by two pixels, where resampling blurs
    for (index y = 0; y < p.height; ++y)
      for (index x = 0; x < p.width; ++x) {
        auto const u = static_cast<double>(x) + 0.5, v = static_cast<double>(y) + 0.5;
        if (u > b.x1 + 2 && u < b.x2 - 2 && v > b.y1 + 2 && v < b.y2 - 2) inside += *p.at(x, y) < 150;
        if (u < b.x1 - 2 || u > b.x2 + 2 || v < b.y1 - 2 || v > b.y2 + 2) outside += *p.at(x, y) > 50;
      }
    CHECK(inside == 0);
    CHECK(outside == 0);
  }
  CHECK(cropped > 20);
}

TEST_CASE("words and named boxes forbid what would make them wrong") {
  auto changed = [](train::conversation c, train::augment_options const& o) {
    int n = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      auto copy = c;
      std::vector<medmo::image> pictures{marked()};
      train::augment(copy, pictures, o, medmo::random_stream(seed, 2));
      CHECK(!copy.boxes.empty());
      n += pictures[0].pixels != marked().pixels;
    }
    return n;
  };
  train::augment_options const flip{.flip = 1}, crop{.crop = 1, .least_area = 0.2, .least_box = 0.9}, moved{.crop = 1, .scale = 1, .flip = 1};
  CHECK(changed(row("Where?"), flip) == 40);
  CHECK(changed(row("The Left lung?"), flip) == 0);
  CHECK(changed(row("RIGHT."), flip) == 0);
  CHECK(changed(row("bright cleft"), flip) == 40);
  CHECK(changed(row("Is it <box>[[1, 2, 3, 4]]</box>?"), moved) == 0);
  CHECK(changed(row("bbox_2d"), moved) == 0);
  CHECK(changed(row("Where?"), {}) == 0);
  CHECK(changed(row("Where?"), {.intensity = 1}) == 40);
  // two boxes far apart: with either named by number no window may lose one
  std::string const far = R"(, {"box": [90, 70, 99, 79], "label": "y"})";
  auto const free = changed(row("Where?", "{boxes}", far), crop), bound = changed(row("{box 0}", "{box 1}", far), crop);
  CHECK(free > bound);
  auto drop = [&](std::string const& answer) {
    std::size_t least = 2;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      auto c = row("Where?", answer, far);
      std::vector<medmo::image> pictures{marked()};
      train::augment(c, pictures, crop, medmo::random_stream(seed, 3));
      least = std::min(least, c.boxes.size());
    }
    return least;
  };
  CHECK(drop("{boxes}") == 1);
  CHECK(drop("{box 0}{box 1}") == 2);
  CHECK(drop("{boxes x} {boxes y}") == 2);
  CHECK_THROWS_AS(changed(row("?"), {.crop = -1}), medmo::error);
  CHECK_THROWS_AS(changed(row("?"), {.least_scale = 0}), medmo::error);
}
}  // namespace
