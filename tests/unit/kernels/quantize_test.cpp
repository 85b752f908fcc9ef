// Quantised blocks: read and made bit for bit as the gguf package does.
#include "medmo/kernels/quantize/rows.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "medmo/core/random.hpp"
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

TEST_CASE("quantize: the types of 32 numbers are made byte for byte as gguf makes them") {
  auto const x = numbers_of<float>(goldens().find("numbers")->bytes);
  for (dtype t : {dtype::q4_0, dtype::q4_1, dtype::q5_0, dtype::q5_1, dtype::q8_0}) {
    CAPTURE(std::string(medmo::name_of(t)));
    auto expected = golden(t, ".rounded");
    std::vector<std::byte> found(expected.size());
    kernels::quantize_row(t, x.data(), static_cast<index>(x.size()), found.data());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CAPTURE(i);
      REQUIRE(found[i] == expected[i]);
    }
  }
}

/// Root of the mean squared error of numbers made blocks and read again, as a share of their root mean square.
double error_of(dtype t, std::vector<float> const& x) {
  std::vector<std::byte> blocks(medmo::bytes_for(t, x.size()));
  std::vector<float> again(x.size());
  kernels::quantize_row(t, x.data(), static_cast<index>(x.size()), blocks.data());
  kernels::dequantize_row(t, blocks.data(), static_cast<index>(x.size()), again.data());
  double error = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    error += (static_cast<double>(again[i]) - x[i]) * (static_cast<double>(again[i]) - x[i]);
    size += static_cast<double>(x[i]) * x[i];
  }
  return std::sqrt(error / size);
}

TEST_CASE("quantize: errors of normal numbers; no kind of numbers is made worse than zeros would be") {
  medmo::random_stream random(2, medmo::stream_of("quantize"));
  std::vector<float> normal(4096), positive, tiny, spiky;
  for (std::size_t i = 0; i < normal.size(); ++i) normal[i] = 0.02f * random.normal(i);
  positive = tiny = spiky = normal;
  for (auto& v : positive) v = std::abs(v) + 0.01f;
  for (auto& v : tiny) v *= 1e-4f;  // too small for f16 scales of most types
  for (std::size_t i = 0; i < spiky.size(); i += 97) spiky[i] = 1;
  struct bound { dtype type; double most; };  // of normal numbers: docs/quantization.md, rounded up
  for (auto const& b : {bound{dtype::q2_k, 0.31}, bound{dtype::q3_k, 0.165}, bound{dtype::q4_k, 0.078}, bound{dtype::q5_k, 0.039},
                        bound{dtype::q6_k, 0.0195}, bound{dtype::q4_0, 0.1}, bound{dtype::q8_0, 0.006}}) {
    CAPTURE(std::string(medmo::name_of(b.type)));
    CHECK(error_of(b.type, normal) < b.most);
    CHECK(error_of(b.type, positive) < b.most);
    CHECK(error_of(b.type, spiky) < 0.5);
    CHECK(error_of(b.type, tiny) <= 1.0);
  }
}

TEST_CASE("quantize: zeros, constants and single numbers") {
  for (dtype t : all_types) {
    CAPTURE(std::string(medmo::name_of(t)));
    std::vector<std::byte> block(medmo::bytes_for(t, 256));
    for (float value : {0.0f, 1.0f, -1.0f, 1e-20f, 300.0f}) {
      CAPTURE(value);
      std::vector<float> x(256, value), again(256);
      kernels::quantize_row(t, x.data(), 256, block.data());
      kernels::dequantize_row(t, block.data(), 256, again.data());
      for (float v : again) CHECK(std::abs(v - value) <= 0.04f * std::abs(value) + 1e-7f);  // f16's step
    }
    std::vector<float> one(256, 0.0f), again(256);
    one[200] = -3.0f;
    kernels::quantize_row(t, one.data(), 256, block.data());
    kernels::dequantize_row(t, block.data(), 256, again.data());
    CHECK(again[200] == doctest::Approx(-3.0).epsilon(0.05));
    CHECK(again[3] == 0.0f);
  }
}

}  // namespace
