// Quantised blocks: read and made bit for bit as the gguf package does.
#include "medmo/kernels/quantize/rows.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "medmo/io/safetensors.hpp"

namespace {

using medmo::dtype;
using medmo::index;
namespace kernels = medmo::kernels;

constexpr dtype all_types[] = {dtype::q4_0, dtype::q4_1, dtype::q5_0, dtype::q5_1, dtype::q8_0,
                               dtype::q2_k, dtype::q3_k, dtype::q4_k, dtype::q5_k, dtype::q6_k};

medmo::io::safetensors_file const& goldens() {
  static auto const file = medmo::io::safetensors_file::open(MEDMO_TEST_DATA "/quantize/goldens.safetensors");
  return file;
}
std::span<std::byte const> golden(dtype t, char const* what) {
  auto found = goldens().find(std::string(medmo::name_of(t)) + what);
  REQUIRE(found.has_value());
  return found->bytes;
}
template <class T>
std::vector<T> numbers_of(std::span<std::byte const> bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(static_cast<void*>(out.data()), bytes.data(), bytes.size());
  return out;
}

TEST_CASE("quantize: every type is read bit for bit as gguf reads it, and rounded to bf16 once") {
  for (dtype t : all_types) {
    CAPTURE(std::string(medmo::name_of(t)));
    auto blocks = golden(t, ".blocks");
    auto expected = numbers_of<float>(golden(t, ".values"));
    auto block = medmo::block_of(t);
    REQUIRE(blocks.size() / block.bytes * block.numbers == expected.size());
    auto n = static_cast<index>(expected.size());
    std::vector<float> found(expected.size());
    std::vector<medmo::bf16> narrow(expected.size());
    kernels::dequantize_row(t, blocks.data(), n, found.data());
    kernels::expand_row(t, blocks.data(), n, narrow.data());
    CHECK(std::memcmp(found.data(), expected.data(), blocks.size() > 0 ? expected.size() * sizeof(float) : 0) == 0);
    index different = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) different += narrow[i].bits != medmo::bf16(expected[i]).bits;
    CHECK(different == 0);
  }
}

}  // namespace
