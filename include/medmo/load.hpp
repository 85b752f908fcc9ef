// From a Hugging Face folder or GGUF files to a model that answers: configuration, weights, tokenizer, picture sizes, sampling
// defaults.
// Everything is checked before anything is returned.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>

#include "check_config.hpp"
#include "generate/pretrained.hpp"
#include "io/checkpoint.hpp"
#include "io/generation_config.hpp"
#include "io/gguf_config.hpp"
#include "io/model_config.hpp"
#include "io/preprocessor_config.hpp"
#include "open_gguf.hpp"
#include "text/tokenizer_file.hpp"
#include "text/tokenizer_gguf.hpp"

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

/// Mean and deviation of the picture's channels as the vision file states them; sizes where it does.
template <vision_language_configuration C>
vision::preprocess_options read_picture_options(io::gguf_file const& file) {
  auto options = vision::options_for(C::vision);
  auto const& m = file.metadata();
  auto channels = [&](char const* key, auto& values) {
    auto found = m.numbers(key);
    if (!found) return;
    if (found->size() != 3) MEDMO_THROW(errc::bad_config, file.where() + ": " + key, "3 numbers", std::to_string(found->size()));
    for (std::size_t c = 0; c < 3; ++c) values[c] = static_cast<float>((*found)[c]);
  };
  channels("clip.vision.image_mean", options.mean);
  channels("clip.vision.image_std", options.deviation);
  options.min_pixels = m.integer("clip.vision.image_min_pixels").value_or(options.min_pixels);
  options.max_pixels = m.integer("clip.vision.image_max_pixels").value_or(options.max_pixels);
  for (float d : options.deviation)
    if (!(d > 0)) MEDMO_THROW(errc::bad_config, file.where() + ": clip.vision.image_std", "numbers above 0", std::to_string(d));
  if (options.min_pixels < 1 || options.max_pixels < options.min_pixels)
    MEDMO_THROW(errc::bad_config, file.where() + ": clip.vision.image_min_pixels", "1 <= least <= most pixels",
                std::to_string(options.min_pixels) + " and " + std::to_string(options.max_pixels));
  return options;
}

template <model_configuration C>
pretrained<C> load_gguf(std::string const& text_path, std::string const& vision_path, io::file_mode mode) {
  auto weights = std::make_shared<io::gguf_checkpoint const>(open_gguf(text_path, vision_path, mode));
  if (vision_language_configuration<C> && !weights->vision())
    MEDMO_THROW(errc::missing_tensor, text_path, "a second GGUF with the vision tower (mmproj)", "the text model alone");
  check_config<C>(io::read_gguf_config(*weights));
  auto const& metadata = weights->text().metadata();
  pretrained<C> p{.model = model<C>::load(weights, text_path),
                  .tokenizer = text::read_tokenizer_gguf<medmo::vocabulary_of<C>>(metadata, text_path)};
  auto end = metadata.integer("tokenizer.ggml.eos_token_id").value_or(p.end_ids.front());
  if (end < 0 || end >= C::text.vocab)
    MEDMO_THROW(errc::bad_config, text_path + ": tokenizer.ggml.eos_token_id", "an id below " + std::to_string(C::text.vocab),
                std::to_string(end));
  if (std::find(p.end_ids.begin(), p.end_ids.end(), end) == p.end_ids.end()) p.end_ids.push_back(end);
  if constexpr (vision_language_configuration<C>) p.pictures = read_picture_options<C>(*weights->vision());
  return p;
}
}  // namespace detail

/// The model in two GGUF files, its text part and its vision tower (mmproj); as `load` of a folder. Rows are used as they are
/// stored, quantised ones too. Errors: also unsupported for another architecture.
///   auto model = medmo::load<medmo::medmo_4b>("MedMO-4B-Q4_K_M.gguf", "mmproj-MedMO-4B-Q8_0.gguf");
template <model_configuration C>
pretrained<C> load(std::string const& text_gguf, std::string const& vision_gguf, io::file_mode mode = io::file_mode::map) {
  return detail::load_gguf<C>(text_gguf, vision_gguf, mode);
}

/// The model in `folder`, which must be of configuration C. Weights are mapped, not copied (file_mode::read copies them,
/// for files that may shrink or slow file systems). A path that ends in ".gguf" is such a file; its vision tower lies beside
/// it (vision_gguf_beside).
///   auto model = medmo::load<medmo::medmo_4b>("MedMO-4B-Next");
/// Errors: file_access, bad_json, bad_format, bad_config, missing_tensor, unused_tensor, wrong_shape, wrong_dtype,
/// bad_text, unsupported; each names the file and the place.
template <model_configuration C>
pretrained<C> load(std::string const& folder, io::file_mode mode = io::file_mode::map) {
  if (folder.ends_with(".gguf"))
    return detail::load_gguf<C>(folder, vision_language_configuration<C> ? vision_gguf_beside(folder) : "", mode);
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
