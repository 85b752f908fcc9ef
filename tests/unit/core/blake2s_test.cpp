// BLAKE2s against RFC 7693 (appendices B and E) and Python's hashlib.
#include "medmo/core/blake2s.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

medmo::digest hash_of(std::string_view text) { return medmo::blake2s().add(std::as_bytes(std::span(text))).finish(); }

TEST_CASE("blake2s: known digests") {
  CHECK(medmo::hex(hash_of("abc")) == "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");  // RFC 7693, B
  CHECK(medmo::hex(hash_of("")) == "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
  // hashlib.blake2s(b"a" * n)
  CHECK(medmo::hex(hash_of(std::string(64, 'a'))) == "651d2f5f20952eacaea2fba2f2af2bcd633e511ea2d2e4c9ae2ac0d9ffb7b252");
  CHECK(medmo::hex(hash_of(std::string(65, 'a'))) == "045f8ae18932119bd051ac7ba5c73db59892055fad5c32f82d79a6543d92a497");
  CHECK(medmo::hex(hash_of(std::string(1000000, 'a'))) == "bec0c0e6cde5b67acb73b81f79a67a4079ae1c60dac9d2661af18e9f8b50dfa5");
}

/// The sequence of appendix E: byte i is the upper byte of the i-th Fibonacci-like number from `seed`.
std::string sequence_of(std::size_t size, std::uint32_t seed) {
  std::uint32_t a = 0xdead4badu * seed, b = 1;
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    std::uint32_t const t = a + b;
    a = b;
    b = t;
    out += static_cast<char>(t >> 24);
  }
  return out;
}

TEST_CASE("blake2s: digests of many sizes, together") {
  medmo::blake2s all, cut;
  for (std::size_t size : {0, 3, 64, 65, 255, 1024}) {
    auto const text = sequence_of(size, static_cast<std::uint32_t>(size));
    auto const whole = hash_of(text);
    all.add(std::as_bytes(std::span(whole)));
    for (std::size_t piece : {1, 7, 63, 64, 100}) {
      medmo::blake2s hash;
      for (std::size_t at = 0; at < size; at += piece) hash.add(std::as_bytes(std::span(std::string_view(text).substr(at, piece))));
      CHECK(hash.finish() == whole);
    }
  }
  CHECK(medmo::hex(all.finish()) == "7c23dc21fe153229b4b6eb325499e60fbc1b4889893882f3852b5b06d2048a4e");
}

TEST_CASE("blake2s: numbers and texts know where they end") {
  CHECK(medmo::blake2s().add_text("ab").add_text("c").finish() != medmo::blake2s().add_text("a").add_text("bc").finish());
  CHECK(medmo::blake2s().add(std::uint64_t{0x0807060504030201}).finish() == hash_of("\1\2\3\4\5\6\7\10"));
}

}  // namespace
