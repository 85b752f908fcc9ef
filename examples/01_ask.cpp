// Asks a model about a picture and draws what it found.
//
//   medmo init --config medmo_nano --seed 8 --dtype f32 --out nano
//   example_01_ask nano nuclei_fluorescence.png "Detect and localize all nuclei." overlay.png
//
// The configuration is a type: medmo_nano here, medmo::medmo_4b or medmo_8b for MedMO's published folders, or your own.
#include <cstdio>
#include <exception>
#include <medmo/medmo.hpp>

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s MODEL_FOLDER PICTURE QUESTION OVERLAY.png\n", argv[0]);
    return 2;
  }
  auto model = medmo::load<medmo::medmo_nano>(argv[1]);  // weights are mapped; everything is checked first
  auto scan = medmo::io::read_image(argv[2]);
  medmo::session chat{model};  // one conversation; the model is const and may serve many
  auto answer = chat.ask({scan}, argv[3], {.max_new_tokens = 8, .sampling = medmo::sampling_options{.greedy = true}});

  std::printf("%td tokens of prompt\nanswer: %s\n", answer.prompt_tokens, answer.text.c_str());
  for (auto const& d : answer.detections)
    std::printf("%s: [%.0f, %.0f, %.0f, %.0f] px\n", d.label.c_str(), d.box_px.x1, d.box_px.y1, d.box_px.x2,
                d.box_px.y2);
  std::printf("%zu boxes, stopped by %s\n", answer.detections.size(),
              std::string(medmo::name_of(answer.stopped)).c_str());
  medmo::vision::write_png(argv[4], medmo::vision::overlay(scan, answer.detections));

  auto more =
      chat.ask({}, "How many are there?", {.max_new_tokens = 4, .sampling = medmo::sampling_options{.greedy = true}});
  std::printf("second turn: %td tokens of prompt, %td of them still in the cache\n", more.prompt_tokens,
              more.reused_tokens);
  return 0;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
