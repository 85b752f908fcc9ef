// config.json, preprocessor_config.json, generation_config.json: each reader on the same document. Values that are accepted
// are usable, and written and read again are the same; every field is known or listed as unknown.
#include "harness.hpp"

#include "medmo/check_config.hpp"
#include "medmo/io/generation_config.hpp"
#include "medmo/io/preprocessor_config.hpp"
#include "medmo/vision/preprocess.hpp"

namespace fuzz_json_configs {
using namespace medmo::io;

json parsed(std::string const& text) { return parse_json(std::as_bytes(std::span(text)), "again"); }

void check_preprocessor(json const& document) {
  auto p = fuzz::accepted([&] { return preprocessor_config_of(document, "input"); });
  if (!p) return;
  auto text = preprocessor_config_json(*p);
  fuzz::require(preprocessor_config_json(preprocessor_config_of(parsed(text), "again")) == text,
                "preprocessor: written and read again");
  medmo::vision::preprocess_options o{.min_pixels = p->min_pixels, .max_pixels = p->max_pixels};
  o.patch = p->patch_size, o.merge = p->merge_size, o.temporal = p->temporal_patch_size;
  for (auto [width, height] : {std::pair{1, 1}, {305, 30}, {512, 512}, {200, 1}})
    fuzz::accepted([&, w = width, h = height] {
      auto plan = medmo::vision::plan_image(w, h, o);
      fuzz::require(plan.tokens > 0 && plan.resized.width > 0 && plan.resized.height > 0,
                    "a planned picture has tokens");
      return 0;
    });
}

void check_generation(json const& document) {
  auto g = fuzz::accepted([&] { return generation_config_of(document, "input"); });
  if (!g) return;
  fuzz::require(g->unknown.size() <= document.size(), "fields are known or listed once");
  fuzz::require(g->temperature > 0 && g->top_p > 0 && g->top_p <= 1 && g->repetition_penalty > 0 && g->top_k >= 0,
                "sampling is possible");
  auto text = generation_config_json(*g);
  fuzz::require(generation_config_json(generation_config_of(parsed(text), "again")) == text,
                "generation: written and read again");
}

MEDMO_FUZZ_TARGET(json_configs) {
  auto document = fuzz::accepted([&] { return parse_json(input, "input"); });
  if (!document) return;
  fuzz::require(parsed(document->dump()) == *document, "JSON: written and read again");
  if (auto c = fuzz::accepted([&] { return model_config_of(*document, "input"); })) {
    fuzz::accepted([&] { return medmo::matches_config<medmo::medmo_4b>(*c); });
    fuzz::accepted([&] { return medmo::check_config<medmo::medmo_4b>(*c), 0; });
  }
  check_preprocessor(*document);
  check_generation(*document);
}
}  // namespace fuzz_json_configs
