// Thirty-two small numbers side by side, a byte each: how codes of a few bits are taken out of blocks on any machine. Vectors of
// g++ and clang++, which become whatever registers there are: a loop over bytes is left to luck, and costs ten times as much
// where it is not made one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../../core/version.hpp"

namespace medmo::inline MEDMO_ABI::kernels::detail {

struct packed_bytes {
  using words = std::uint64_t __attribute__((vector_size(16)));
  words low, high;  // numbers 0..15 and 16..31

  static constexpr std::uint64_t each(std::uint8_t x) { return x * 0x0101010101010101u; }

  /// Thirty-two bytes as they lie.
  static packed_bytes load(std::byte const* p) {
    packed_bytes x;
    std::memcpy(&x.low, p, 16);
    std::memcpy(&x.high, p + 16, 16);
    return x;
  }
  /// Low four bits of sixteen bytes, then their high four bits.
  static packed_bytes load_nibbles(std::byte const* p) {
    words both;
    std::memcpy(&both, p, 16);
    return {both & each(15), both >> 4 & each(15)};
  }
  /// Bit i of `bits` as number i.
  static packed_bytes load_bits(std::uint32_t bits) {
    auto spread = [&](int first) {
      auto eight = [&](int at) { return each(static_cast<std::uint8_t>(bits >> at)); };
      words chosen = words{eight(first), eight(first + 8)} & 0x8040201008040201u;  // bit b of byte b
      return (chosen + each(0x7f)) >> 7 & each(1);
    };
    return {spread(0), spread(16)};
  }

  /// Bits [shift, shift + the size of `mask`) of every byte.
  packed_bytes bits(unsigned shift, std::uint8_t mask) const { return {low >> shift & each(mask), high >> shift & each(mask)}; }
  /// `top` above `width` bits of every byte.
  packed_bytes below(packed_bytes const& top, unsigned width) const { return {low | top.low << width, high | top.high << width}; }
  /// Every number of 0..127 less `centre`, as a signed byte.
  packed_bytes minus(std::uint8_t centre) const {
    auto less = [&](words x) { return ((x | each(0x80)) - each(centre)) ^ each(0x80); };
    return {less(low), less(high)};
  }
  void store(std::int8_t* out) const {
    std::memcpy(out, &low, 16);
    std::memcpy(out + 16, &high, 16);
  }
};

}  // namespace medmo::inline MEDMO_ABI::kernels::detail
