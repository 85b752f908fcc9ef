// BLAKE2s with 256-bit digests: a key for data that nobody can make two of. Source: RFC 7693; no keys, no salt.
// Chosen over SHA-256 for its speed in plain C++. Not for passwords.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "version.hpp"

namespace medmo::inline MEDMO_ABI {

/// 256 bits. Compares as bytes.
using digest = std::array<std::uint8_t, 32>;

/// Lower-case hexadecimal.
inline std::string hex(std::span<std::uint8_t const> bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (auto b : bytes) text += digits[b >> 4], text += digits[b & 15];
  return text;
}

///   blake2s hash;
///   hash.add(pixels).add(width);
///   auto key = hash.finish();
/// Data of more than one part must be told apart by its reader: add numbers and texts (with their size), not bare bytes.
class blake2s {
 public:
  blake2s() { state_[0] ^= 0x01010000u ^ 32u; }

  blake2s& add(std::span<std::byte const> bytes) {
    while (!bytes.empty()) {
      if (used_ == block_.size()) {  // the last block waits for finish
        compress(block_.size(), false);
        used_ = 0;
      }
      auto const n = std::min(block_.size() - used_, bytes.size());
      std::memcpy(block_.data() + used_, bytes.data(), n);
      used_ += n;
      bytes = bytes.subspan(n);
    }
    return *this;
  }
  /// Eight bytes, the lowest first.
  blake2s& add(std::uint64_t number) {
    std::array<std::byte, 8> bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i) & 255);
    return add(std::span<std::byte const>(bytes));
  }
  /// Its size, then its bytes.
  blake2s& add_text(std::string_view text) {
    return add(std::uint64_t{text.size()}).add(std::as_bytes(std::span(text)));
  }

  /// The digest of all that was added; the hash is used up.
  digest finish() {
    std::fill(block_.begin() + static_cast<std::ptrdiff_t>(used_), block_.end(), std::byte{0});
    compress(used_, true);
    digest out;
    for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (8 * (i % 4)));
    return out;
  }

 private:
  static constexpr std::array<std::uint32_t, 8> start{0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  static constexpr std::uint8_t order[10][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

  void compress(std::size_t bytes, bool last) {
    counted_ += bytes;
    std::array<std::uint32_t, 16> m, v;
    for (std::size_t i = 0; i < 16; ++i) {
      m[i] = 0;
      for (std::size_t b = 0; b < 4; ++b) m[i] |= std::to_integer<std::uint32_t>(block_[4 * i + b]) << (8 * b);
    }
    std::copy(state_.begin(), state_.end(), v.begin());
    std::copy(start.begin(), start.end(), v.begin() + 8);
    v[12] ^= static_cast<std::uint32_t>(counted_);
    v[13] ^= static_cast<std::uint32_t>(counted_ >> 32);
    if (last) v[14] = ~v[14];
    auto mix = [&](std::size_t a, std::size_t b, std::size_t c, std::size_t d, std::uint32_t x, std::uint32_t y) {
      v[a] += v[b] + x;
      v[d] = std::rotr(v[d] ^ v[a], 16);
      v[c] += v[d];
      v[b] = std::rotr(v[b] ^ v[c], 12);
      v[a] += v[b] + y;
      v[d] = std::rotr(v[d] ^ v[a], 8);
      v[c] += v[d];
      v[b] = std::rotr(v[b] ^ v[c], 7);
    };
    for (auto const& s : order) {
      mix(0, 4, 8, 12, m[s[0]], m[s[1]]);
      mix(1, 5, 9, 13, m[s[2]], m[s[3]]);
      mix(2, 6, 10, 14, m[s[4]], m[s[5]]);
      mix(3, 7, 11, 15, m[s[6]], m[s[7]]);
      mix(0, 5, 10, 15, m[s[8]], m[s[9]]);
      mix(1, 6, 11, 12, m[s[10]], m[s[11]]);
      mix(2, 7, 8, 13, m[s[12]], m[s[13]]);
      mix(3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (std::size_t i = 0; i < 8; ++i) state_[i] ^= v[i] ^ v[i + 8];
  }

  std::array<std::uint32_t, 8> state_ = start;
  std::array<std::byte, 64> block_{};
  std::size_t used_ = 0;
  std::uint64_t counted_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI
