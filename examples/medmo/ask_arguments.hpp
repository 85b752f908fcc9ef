// What `medmo ask` was told, and the options of the library it comes to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "medmo/generate/ask_options.hpp"
#include "overlay_file.hpp"
#include "picture.hpp"
#include "sampling.hpp"
#include "video.hpp"

namespace command {

struct ask_arguments {
  std::string model, prompt, system, rows, out;
  std::vector<std::string> images;
  picture_arguments picture;
  video_arguments video;
  overlay_arguments overlay;
  bool json = false;
  sampling_arguments sampling;
  std::optional<medmo::index> top_logprobs;
  medmo::index max_new_tokens = 512, chunk = 1024, min_pixels = 0, max_pixels = 0, lookup = 0, slots = 8;
  bool boxes_only = false, constrain_boxes = false;
  std::vector<std::string> box_labels;
  medmo::index max_boxes = 100;
  int threads = 0;
};

/// `own`: the model's sampling.
inline medmo::ask_options options_of(ask_arguments const& args, medmo::sampling_options const& own) {
  medmo::ask_options options{.max_new_tokens = args.max_new_tokens, .system = args.system, .prefill_chunk = args.chunk,
                             .min_pixels = args.min_pixels, .max_pixels = args.max_pixels, .lookup = args.lookup};
  options.sampling = sampling_of(args.sampling, own);
  options.sampling->log_probabilities = args.top_logprobs;
  options.stop = args.sampling.stop;
  options.boxes.mode = args.boxes_only ? medmo::box_mode::only : args.constrain_boxes ? medmo::box_mode::in_text : medmo::box_mode::off;
  options.boxes.labels = args.box_labels;
  options.boxes.max_boxes = args.max_boxes;
  return options;
}

}  // namespace command
