// PNG files as another decoder (stb) reads them.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "medmo/core/image.hpp"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

inline medmo::image read_png(std::uint8_t const* data, std::size_t size) {
  int w = 0, h = 0, channels = 0;
  auto* pixels = stbi_load_from_memory(data, static_cast<int>(size), &w, &h, &channels, 3);
  REQUIRE(pixels);
  medmo::image out(w, h);
  std::copy(pixels, pixels + out.pixels.size(), out.pixels.data());
  stbi_image_free(pixels);
  return out;
}

inline medmo::image read_png(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::string data(std::istreambuf_iterator<char>(file), {});
  return read_png(reinterpret_cast<std::uint8_t const*>(data.data()), data.size());
}
