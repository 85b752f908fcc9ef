// What tools/export_vision_goldens.py wrote, and the formula pictures that both sides make for themselves.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "medmo/core/image.hpp"

namespace goldens {

inline nlohmann::json const& of(char const* key) {
  static nlohmann::json const all = [] {
    std::ifstream file(MEDMO_TEST_DATA "/vision/goldens.json");
    return nlohmann::json::parse(file, nullptr, false);
  }();
  REQUIRE(all.is_object());
  return all.at(key);
}

/// kind: noise, smooth or edges; the same bytes as `picture` of the exporter.
inline medmo::image picture(std::string const& kind, std::uint32_t seed, medmo::index width, medmo::index height) {
  medmo::image out(width, height);
  std::uint32_t i = 0;
  for (medmo::index y = 0; y < height; ++y)
    for (medmo::index x = 0; x < width; ++x)
      for (medmo::index c = 0; c < 3; ++c, ++i) {
        std::uint32_t z = i * 0x9E3779B1u + seed * 0x85EBCA6Bu;
        z ^= z >> 15;
        z *= 0x2C1B3C6Du;
        z ^= z >> 12;
        z *= 0x297A2D39u;
        z ^= z >> 15;
        auto noise = static_cast<medmo::index>(z >> 24);
        medmo::index v = noise;
        if (kind == "smooth") v = (x * 255 / width + y * 255 / height) / 2 + (noise >> 4) - 20 * c;
        if (kind == "edges") v = (((x / 5) ^ (y / 3)) & 1) * (255 - 40 * c);
        out.at(x, y)[c] = static_cast<std::uint8_t>(std::clamp<medmo::index>(v, 0, 255));
      }
  return out;
}

/// CRC-32 of zlib.
inline std::uint32_t crc32(void const* data, std::size_t bytes) {
  static auto const table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t n = 0; n < 256; ++n) {
      std::uint32_t c = n;
      for (int k = 0; k < 8; ++k) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[n] = c;
    }
    return t;
  }();
  std::uint32_t c = 0xFFFFFFFFu;
  auto const* p = static_cast<unsigned char const*>(data);
  for (std::size_t i = 0; i < bytes; ++i) c = table[(c ^ p[i]) & 255] ^ (c >> 8);
  return ~c;
}

}  // namespace goldens
