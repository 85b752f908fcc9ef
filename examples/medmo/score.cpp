// medmo score: how probable given answers are.
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/generate/score.hpp"
#include "medmo/load.hpp"
#include "picture.hpp"

namespace command {
namespace {

using medmo::index;

struct score_arguments {
  std::string model, prompt;
  std::vector<std::string> images, answers;
  picture_arguments picture;
  medmo::score_options options;
  bool json = false;
  int threads = 0;
};

template <class C>
void score(score_arguments const& args) {
  auto pictures = read_pictures(args.images, args.picture);
  auto model = medmo::load<C>(args.model);
  auto start = std::chrono::steady_clock::now();
  auto const scores = medmo::score(model, pictures, args.prompt, args.answers, args.options);
  double const ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (!args.json) {
    for (auto const& s : scores) std::printf("%10.4f  %10.4f  %s\n", s.log_probability, s.end_log_probability, s.text.c_str());
    return;
  }
  nlohmann::ordered_json answers = nlohmann::json::array();
  for (auto const& s : scores) {
    nlohmann::ordered_json tokens = nlohmann::json::array();
    for (std::size_t i = 0; i < s.tokens.size(); ++i)
      tokens.push_back({{"id", s.tokens[i]},
                        {"text", model.tokenizer.decode(std::span(s.tokens).subspan(i, 1))},
                        {"log_probability", s.log_probabilities[i]}});
    answers.push_back({{"answer", s.text},
                       {"log_probability", s.log_probability},
                       {"end_log_probability", s.end_log_probability},
                       {"tokens", tokens}});
  }
  nlohmann::ordered_json report{{"answers", answers}, {"timings_ms", {{"score", ms}}}, {"peak_memory_bytes", peak_memory_bytes()}};
  std::puts(report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace

void add_score(CLI::App& app) {
  auto args = std::make_shared<score_arguments>();
  auto* sub = app.add_subcommand("score", "Log-probabilities of given answers: of their tokens, and that the turn ends there");
  sub->add_option("--model", args->model, "Folder of the model, as published on Hugging Face")->required()->type_name("FOLDER");
  sub->add_option("--image", args->images, "PNG, JPEG or DICOM; once for each picture")->take_all()->type_name("FILE");
  add_picture_options(*sub, args->picture);
  sub->add_option("--prompt", args->prompt, "The question")->required();
  sub->add_option("--answer", args->answers, "An answer; once for each")->required()->take_all();
  sub->add_option("--system", args->options.turn.system, "A system text before the turn");
  sub->add_option("--prefill-chunk", args->options.prefill_chunk, "Prompt tokens a step")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--min-pixels", args->options.turn.min_pixels, "Least area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--max-pixels", args->options.turn.max_pixels, "Greatest area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->add_flag("--json", args->json, "One JSON object on stdout");
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) { score<C>(*args); });
  });
}

}  // namespace command
