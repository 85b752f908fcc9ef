// medmo ask: pictures and a question in, an answer with boxes out.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ask_arguments.hpp"
#include "ask_rows.hpp"
#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/generate/session.hpp"
#include "medmo/load.hpp"
#include "option_heading.hpp"
#include "report.hpp"

namespace command {
namespace {

using medmo::index;

template <class C>
void ask(ask_arguments const& args) {
  auto start = std::chrono::steady_clock::now();
  auto pictures = read_pictures(args.images, args.picture, args.video.files);
  auto const videos = read_videos(args.video, args.picture);
  if (!args.overlay.file.empty() && !videos.empty())
    MEDMO_THROW(medmo::errc::bad_argument, "--overlay", "pictures only: boxes of a video have no picture of their own", "--video");
  auto const truth = read_truth(args.overlay, pictures);
  auto model = medmo::load<C>(args.model);
  double load_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();

  auto options = options_of(args, model.sampling);
  progress line("answering");
  index done = 0;
  options.on_text = [&](std::string_view piece) {
    if (!args.json) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    } else {
      line.update(static_cast<double>(++done), static_cast<double>(args.max_new_tokens), 1, "tokens");
    }
    return true;
  };
  medmo::session<C> chat(model);
  auto answer = chat.ask(pictures, videos, args.prompt, options);
  write_overlay(args.overlay, pictures, answer.detections, truth);
  if (args.json) {
    auto out = report(answer, load_ms);
    if (args.top_logprobs) out["token_logprobs"] = answer.token_logprobs, out["alternatives"] = alternatives(answer, model.tokenizer);
    std::puts(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return;
  }
  std::printf("\n");
  for (auto const& d : answer.detections)
    std::printf("  %-24s  [%4.0f, %4.0f, %4.0f, %4.0f] px  %.3g\n", d.label.c_str(), d.box_px.x1, d.box_px.y1, d.box_px.x2,
                d.box_px.y2, d.confidence.value_or(0));
  for (auto const& d : answer.dropped) std::fprintf(stderr, "not a box: %s\n", d.c_str());
  auto n = static_cast<double>(answer.tokens.size());
  std::fprintf(stderr, "%lld tokens of prompt; load %.0f ms, vision %.0f ms, prefill %.0f ms, %.0f tokens in %.0f ms (%.1f a second); %s\n",
               static_cast<long long>(answer.prompt_tokens), load_ms, answer.time.vision_ms, answer.time.prefill_ms, n,
               answer.time.decode_ms, n > 0 ? 1000 * n / answer.time.decode_ms : 0.0, std::string(medmo::name_of(answer.stopped)).c_str());
}

}  // namespace

void add_ask(CLI::App& app) {
  auto args = std::make_shared<ask_arguments>();
  auto* sub = app.add_subcommand("ask", "Ask a question about pictures: text and boxes");
  sub->add_option("--model", args->model, "Folder of the model, as published on Hugging Face")->required()->type_name("FOLDER");
  auto* image = sub->add_option("--image", args->images, "PNG, JPEG or DICOM; once for each picture")->take_all()->type_name("FILE");
  add_picture_options(*sub, args->picture);
  add_video_options(*sub, args->video);
  auto* prompt = sub->add_option("--prompt", args->prompt, "The question");
  sub->add_option("--system", args->system, "A system text before the first turn");
  add_sampling(*sub, args->sampling);
  sub->add_option("--max-new-tokens", args->max_new_tokens, "Longest answer")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--prefill-chunk", args->chunk, "Prompt tokens a step")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--min-pixels", args->min_pixels, "Least area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--max-pixels", args->max_pixels, "Greatest area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  {
    option_heading const heading(*sub, "Boxes");
    auto* only = sub->add_flag("--boxes-only", args->boxes_only, "The answer is labels and valid boxes, and nothing else");
    sub->add_flag("--constrain-boxes", args->constrain_boxes, "Free text, in which every box is valid")->excludes(only);
    sub->add_option("--box-labels", args->box_labels, "With --boxes-only: the labels there are, a,b,c")->delimiter(',')->needs(only);
    sub->add_option("--max-boxes", args->max_boxes, "Most boxes of a constrained answer")->check(CLI::Range(0, 1000))->capture_default_str();
  }
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  add_overlay_options(*sub, args->overlay);
  sub->add_option("--top-logprobs", args->top_logprobs, "In the JSON: the log-probability of each token and of the N most probable ones")
      ->check(CLI::Range(0, 1000));
  sub->add_flag("--json", args->json, "One JSON object on stdout; with --batch, a summary");
  sub->add_option("--lookup", args->lookup, "Tokens guessed a step from the text so far: answers that repeat it come faster, and are the same")
      ->check(CLI::Range(medmo::index{0}, medmo::most_lookup));
  auto* rows = sub->add_option("--batch", args->rows, "JSON lines {\"image\" or \"images\", \"prompt\", \"id\", \"options\"}: all are answered, several at once")
                   ->excludes(prompt)->excludes(image);
  sub->add_option("--out", args->out, "With --batch: the answers, a line each; a file of the same run is gone on with. Default: stdout")->needs(rows);
  sub->add_option("--batch-size", args->slots, "With --batch: answers under way at once")->check(CLI::Range(1, 1024))->capture_default_str()->needs(rows);
  sub->footer("medmo ask --model MedMO-4B-Next --image chest.png --prompt \"Detect and localize all abnormalities.\" --overlay out.png\n"
              "medmo ask --model MedMO-4B-Next --video cine.dcm --fps 15 --prompt \"What moves?\" --json");
  sub->callback([args, prompt, rows] {
    medmo::set_thread_count(args->threads);
    bool const many = rows->count() > 0;
    if (!many && prompt->count() == 0)
      MEDMO_THROW(medmo::errc::bad_argument, "ask", "a question (--prompt) or a file of them (--batch)", "neither");
    if (many && !args->video.files.empty()) MEDMO_THROW(medmo::errc::bad_argument, "--video", "one question", "--batch");
    if (many && !args->overlay.file.empty()) MEDMO_THROW(medmo::errc::bad_argument, "--overlay", "one question", "--batch");
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) { many ? ask_rows<C>(*args) : ask<C>(*args); });
  });
}

}  // namespace command
