// Counter-based random numbers: value i of stream s under a seed is a pure function, so results do not depend on the
// order of calls, on threads, or on the C++ library. Mixing: splitmix64 (Steele, Lea, Flood 2014).
#pragma once

#include <cstdint>
#include <string_view>

#include "version.hpp"

namespace medmo::inline MEDMO_ABI {

constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// FNV-1a, 64 bit: names a stream. Not for untrusted keys.
constexpr std::uint64_t stream_of(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h;
}

struct random_stream {
  std::uint64_t key;
  constexpr random_stream(std::uint64_t seed, std::uint64_t stream) : key(mix64(seed ^ mix64(stream))) {}
  constexpr std::uint64_t bits(std::uint64_t i) const { return mix64(key ^ mix64(i)); }
  /// Uniform in [0, 1), 53 bits.
  constexpr double uniform(std::uint64_t i) const { return static_cast<double>(bits(i) >> 11) * 0x1p-53; }
  /// Mean 0, variance 1: the sum of four 16-bit uniforms (Irwin-Hall), exact in f32, the same on every machine.
  constexpr float normal(std::uint64_t i) const {
    std::uint64_t b = bits(i);
    auto sum = static_cast<std::int64_t>((b & 0xffff) + ((b >> 16) & 0xffff) + ((b >> 32) & 0xffff) + (b >> 48));
    return static_cast<float>(static_cast<double>(sum - 131070) * (1.7320508075688772 / 65536.0));
  }
};

}  // namespace medmo::inline MEDMO_ABI
