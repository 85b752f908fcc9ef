// An 8-bit RGB picture in memory: what every reader yields and the vision room consumes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "matrix.hpp"

namespace medmo::inline MEDMO_ABI {

/// pixels[(y * width + x) * 3 + c], c = R, G, B. Sizes are at least 1.
struct image {
  index width = 0, height = 0;
  std::vector<std::uint8_t> pixels;

  image() = default;
  image(index w, index h) : width(w), height(h), pixels(static_cast<std::size_t>(w * h * 3)) {}
  std::uint8_t* at(index x, index y) { return pixels.data() + (y * width + x) * 3; }
  std::uint8_t const* at(index x, index y) const { return pixels.data() + (y * width + x) * 3; }
};

}  // namespace medmo::inline MEDMO_ABI
