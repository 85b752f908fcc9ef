// What holds of any picture that was read. The limit is so low that 8 times the input and 1 MiB hold it decoded.
#pragma once

#include "harness.hpp"

#include "medmo/io/image.hpp"

namespace fuzz {
inline constexpr medmo::io::image_limits small_pictures{.max_pixels = 2048};

inline std::optional<medmo::image> check_picture(bytes input) {
  auto picture = accepted([&] { return medmo::io::read_image(input, "input", small_pictures); });
  if (!picture) return picture;
  auto header = medmo::io::read_image_header(input, "input", small_pictures);
  require(picture->width == header.width && picture->height == header.height, "a picture has the size its header says");
  require(picture->width * picture->height <= small_pictures.max_pixels, "no picture is beyond the limit");
  require(picture->pixels.size() == static_cast<std::size_t>(picture->width * picture->height * 3),
          "pixels fill the picture");
  return picture;
}
}  // namespace fuzz
