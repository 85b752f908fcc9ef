// A tiny random model with a tokenizer of one token for each byte, and random pictures, for tests of whole questions.
#pragma once

#include "../model/tiny_model.hpp"
#include "medmo/generate/pretrained.hpp"

namespace tiny {

template <class C>
medmo::pretrained<C> byte_model(memory_source source = random_checkpoint<C>()) {
  medmo::text::byte_pairs base;
  for (int b = 0; b < 256; ++b) base.add_token(std::string(1, static_cast<char>(b)), "bytes");
  medmo::pretrained<C> p{.model = load<C>(std::move(source)),
                         .tokenizer = {std::move(base), medmo::text::configured_added_tokens<medmo::vocabulary_of<C>>(), "bytes"}};
  p.pictures.min_pixels = 1024;
  p.pictures.max_pixels = 8192;
  return p;
}

inline medmo::image random_picture(index width, index height, std::uint64_t seed) {
  medmo::image p(width, height);
  medmo::random_stream random(seed, medmo::stream_of("picture"));
  for (std::size_t i = 0; i < p.pixels.size(); ++i) p.pixels[i] = static_cast<std::uint8_t>(random.bits(i));
  return p;
}

}  // namespace tiny
