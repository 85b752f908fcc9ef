// From a Hugging Face folder to a model that answers: configuration, weights, tokenizer, picture sizes, sampling defaults.
// Everything is checked before anything is returned.
#pragma once

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>

#include "check_config.hpp"
#include "generate/pretrained.hpp"
#include "io/checkpoint.hpp"
#include "io/generation_config.hpp"
#include "io/model_config.hpp"
#include "io/preprocessor_config.hpp"
#include "text/tokenizer_file.hpp"

namespace medmo::inline MEDMO_ABI {

namespace detail {
/// The folder's picture sizes, which must agree with the configuration on the shape of a patch.
template <vision_language_configuration C>
vision::preprocess_options read_picture_options(std::string const& folder) {
  auto options = vision::options_for(C::vision);
  auto file = io::read_preprocessor_config(folder);
  if (!file) return options;
  auto same = [&](char const* name, index expected, index found) {
    if (expected != found)
      MEDMO_THROW(errc::bad_config, folder + ": picture processor: " + name, std::to_string(expected), std::to_string(found));
  };
  same("patch_size", C::vision.patch, file->patch_size);
  same("temporal_patch_size", C::vision.temporal_patch, file->temporal_patch_size);
  same("merge_size", C::vision.merge, file->merge_size);
  if (std::abs(file->rescale_factor * 255.0 - 1.0) > 1e-6)
    MEDMO_THROW(errc::unsupported, folder + ": picture processor: rescale_factor", "1 / 255", std::to_string(file->rescale_factor));
  options.min_pixels = file->min_pixels;
  options.max_pixels = file->max_pixels;
  for (std::size_t c = 0; c < 3; ++c) {
    options.mean[c] = static_cast<float>(file->image_mean[c]);
    options.deviation[c] = static_cast<float>(file->image_std[c]);
  }
  return options;
}
}  // namespace detail

/// The model in `folder`, which must be of configuration C. Weights are mapped, not copied (file_mode::read copies them,
/// for files that may shrink or slow file systems).
///   auto model = medmo::load<medmo::medmo_4b>("MedMO-4B-Next");
/// Errors: file_access, bad_json, bad_format, bad_config, missing_tensor, unused_tensor, wrong_shape, wrong_dtype,
/// bad_text, unsupported; each names the file and the place.
template <model_configuration C>
pretrained<C> load(std::string const& folder, io::file_mode mode = io::file_mode::map) {
  check_config<C>(io::read_model_config(folder + "/config.json"));
  auto weights = std::make_shared<io::checkpoint const>(io::checkpoint::open(folder, mode));
  pretrained<C> p{.model = model<C>::load(std::move(weights), folder),
                  .tokenizer = text::load_tokenizer<vocabulary_of<C>>(folder)};
  std::string const generation = folder + "/generation_config.json";
  if (std::filesystem::exists(generation)) {
    auto g = io::read_generation_config(generation);
    p.sampling.greedy = !g.do_sample;
    p.sampling.temperature = static_cast<float>(g.temperature);
    p.sampling.top_p = static_cast<float>(g.top_p);
    p.sampling.top_k = g.top_k;
    p.sampling.repetition_penalty = static_cast<float>(g.repetition_penalty);
    if (!g.eos_token_ids.empty()) p.end_ids = g.eos_token_ids;
    for (index id : p.end_ids)
      if (id < 0 || id >= C::text.vocab)
        MEDMO_THROW(errc::bad_config, generation + ": eos_token_id", "ids below " + std::to_string(C::text.vocab),
                    std::to_string(id));
  }
  if constexpr (vision_language_configuration<C>) p.pictures = detail::read_picture_options<C>(folder);
  return p;
}

}  // namespace medmo::inline MEDMO_ABI
