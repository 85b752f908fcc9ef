// medmo embed: pictures, text or both as one vector of length 1.
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/generate/embed.hpp"
#include "medmo/load.hpp"
#include "picture.hpp"

namespace command {
namespace {

using medmo::index;

struct embed_arguments {
  std::string model, text;
  std::vector<std::string> images;
  picture_arguments picture;
  medmo::embed_options options;
  bool json = false;
  int threads = 0;
};

template <class C>
void embed(embed_arguments const& args) {
  auto pictures = read_pictures(args.images, args.picture);
  auto model = medmo::load<C>(args.model);
  auto const e = medmo::embed(model, pictures, args.text, args.options);
  if (!args.json) {
    for (float x : e.values) std::printf("%.9g\n", static_cast<double>(x));
    return;
  }
  nlohmann::ordered_json report{{"pooling", medmo::name_of(args.options.pooling)},
                                {"dimension", e.values.size()},
                                {"tokens", e.tokens},
                                {"embedding", e.values},
                                {"peak_memory_bytes", peak_memory_bytes()}};
  std::puts(report.dump().c_str());
}

}  // namespace

void add_embed(CLI::App& app) {
  auto args = std::make_shared<embed_arguments>();
  auto* sub = app.add_subcommand("embed", "A vector of length 1 for pictures, text or both");
  sub->add_option("--model", args->model, "Folder of the model, as published on Hugging Face")->required()->type_name("FOLDER");
  sub->add_option("--image", args->images, "PNG, JPEG or DICOM; once for each picture")->take_all()->type_name("FILE");
  add_picture_options(*sub, args->picture);
  sub->add_option("--text", args->text, "Words, after the pictures");
  sub->add_option("--system", args->options.turn.system, "A system text before the turn");
  std::map<std::string, medmo::pooling> const ways{{"last", medmo::pooling::last_token}, {"mean", medmo::pooling::mean}};
  sub->add_option("--pooling", args->options.pooling, "last: state of the last token; mean: of all tokens")
      ->transform(CLI::CheckedTransformer(ways))
      ->default_str("last");
  sub->add_option("--prefill-chunk", args->options.prefill_chunk, "Prompt tokens a step")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--min-pixels", args->options.turn.min_pixels, "Least area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--max-pixels", args->options.turn.max_pixels, "Greatest area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->add_flag("--json", args->json, "One JSON object on stdout");
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) { embed<C>(*args); });
  });
}

}  // namespace command
