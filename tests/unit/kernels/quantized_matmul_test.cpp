// Products with quantised weights: the bits of the same product with weights expanded to bf16, for any number of rows and
// threads, alone and in a region of mixed types.
#include <cstdint>

#include "medmo/core/arena.hpp"
#include "medmo/kernels/embedding.hpp"
#include "medmo/kernels/matmul.hpp"
#include "random_rows.hpp"

namespace kernel_tests {
namespace {

using medmo::dtype;
using medmo::kernels::product;
using medmo::kernels::store;
using medmo::kernels::stored_matrix;

constexpr dtype all_types[] = {dtype::q4_0, dtype::q4_1, dtype::q5_0, dtype::q5_1, dtype::q8_0,
                               dtype::q2_k, dtype::q3_k, dtype::q4_k, dtype::q5_k, dtype::q6_k};

/// Where a block's f16 scales are; -1: no second one.
struct scale_places { int first, second; };
constexpr scale_places scales_of(dtype t) {
  switch (t) {
    case dtype::q4_0: case dtype::q5_0: case dtype::q8_0: return {0, -1};
    case dtype::q4_1: case dtype::q5_1: case dtype::q4_k: case dtype::q5_k: return {0, 2};
    case dtype::q2_k: return {80, 82};
    case dtype::q3_k: return {108, -1};
    default: return {208, -1};
  }
}

/// Random codes and small scales, and the same weights expanded to bf16.
struct quantized_weight {
  dtype type;
  index rows, cols;
  std::vector<std::byte> bytes;
  std::vector<medmo::bf16> wide;

  quantized_weight(std::string_view name, dtype t, index o, index k) : type(t), rows(o), cols(k) {
    auto block = medmo::block_of(t);
    bytes.resize(medmo::bytes_for(t, static_cast<std::size_t>(o * k)));
    medmo::random_stream random(3, medmo::stream_of(name));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(random.bits(static_cast<std::uint64_t>(i)) & 255u);
    auto places = scales_of(t);
    for (std::size_t b = 0; b < bytes.size() / block.bytes; ++b)
      for (int at : {places.first, places.second}) {
        if (at < 0) continue;
        medmo::f16 scale(0.01f * random.normal(static_cast<std::uint64_t>(b) * 2 + (at == places.first)));
        std::memcpy(bytes.data() + b * block.bytes + static_cast<std::size_t>(at), static_cast<void*>(&scale), 2);
      }
    wide.resize(static_cast<std::size_t>(o * k));
    for (index r = 0; r < o; ++r) medmo::kernels::expand_row(t, stored().row_bytes(r), k, wide.data() + r * k);
  }
  stored_matrix stored() const { return {type, bytes.data(), rows, cols}; }
  stored_matrix expanded() const {
    return {dtype::bf16, reinterpret_cast<std::byte const*>(wide.data()), rows, cols};
  }
};

void run(random_rows const& x, std::vector<stored_matrix> const& w, std::vector<random_rows>& out, float const* bias,
         store how, index at_a_time) {
  medmo::arena memory;
  index most = 0;
  dtype type = dtype::f32;
  for (auto const& m : w) {
    most = std::max(most, m.rows);
    if (!medmo::is_quantized(type) && m.type != dtype::f32) type = m.type;
  }
  auto need = static_cast<std::size_t>(medmo::kernels::matmul_scratch(type, std::min(at_a_time, x.rows()), x.cols(), most,
                                                                      medmo::thread_count()));
  memory.reserve(need + 64);
  auto* scratch = memory.take<std::byte>(static_cast<index>(need));
  for (index t = 0; t < x.rows(); t += at_a_time) {
    index n = std::min(at_a_time, x.rows() - t);
    std::vector<product> products;
    for (std::size_t i = 0; i < w.size(); ++i) products.push_back({w[i], out[i].part(t, n), bias, how});
    medmo::kernels::matmul(x.in(t, n), products, scratch);
  }
}

TEST_CASE("quantised matmul: the bits of the weights expanded to bf16, however the rows and threads are cut") {
  for (dtype type : all_types) {
    CAPTURE(std::string(medmo::name_of(type)));
    index k = medmo::block_of(type).numbers == 256 ? 512 : 96;
    for (index o : {1, 16, 37, 300}) {
      CAPTURE(o);
      random_rows x("quantized.x", 37, k, 3), bias("quantized.bias", 1, o);
      quantized_weight w("quantized.w", type, o, k);
      random_rows const before("quantized.before", 37, o, 2);
      for (store how : {store::assign, store::accumulate}) {
        std::vector<random_rows> expected{before};
        run(x, {w.expanded()}, expected, bias.row(0), how, 37);
        for (int n : {1, 2})
          for (index at_a_time : {1, 5, 16, 17, 37}) {
            CAPTURE(n);
            CAPTURE(at_a_time);
            threads several(n);
            std::vector<random_rows> found{before};
            run(x, {w.stored()}, found, bias.row(0), how, at_a_time);
            CHECK(found[0].bytes() == expected[0].bytes());
          }
      }
    }
  }
}

TEST_CASE("quantised matmul: a region of mixed types, f32 among them") {
  index k = 256;
  random_rows x("mixed.x", 20, k);
  quantized_weight a("mixed.a", dtype::q4_k, 40, k), b("mixed.b", dtype::q6_k, 24, k), c("mixed.c", dtype::q8_0, 8, k);
  auto plain = as<float>(random_rows("mixed.plain", 8, k));
  stored_matrix f32{dtype::f32, reinterpret_cast<std::byte const*>(plain.data()), 8, k};
  for (index at_a_time : {1, 20}) {
    std::vector<stored_matrix> weights{a.stored(), b.stored(), b.expanded(), c.stored()};
    std::vector<stored_matrix> wide{a.expanded(), b.expanded(), b.expanded(), c.expanded()};
    for (bool with_f32 : {false, true}) {
      if (with_f32) weights.push_back(f32), wide.push_back(f32);
      std::vector<random_rows> found, expected;
      for (auto const& w : weights) found.emplace_back("mixed.out", 20, w.rows), expected.emplace_back("mixed.out", 20, w.rows);
      run(x, weights, found, nullptr, store::assign, at_a_time);
      for (std::size_t i = 0; i < wide.size(); ++i) {
        std::vector<random_rows> one{expected[i]};
        run(x, {wide[i]}, one, nullptr, store::assign, 20);
        CHECK(found[i].bytes() == one[0].bytes());
      }
    }
  }
}

TEST_CASE("quantised embedding: rows are widened exactly") {
  for (dtype type : all_types) {
    CAPTURE(std::string(medmo::name_of(type)));
    quantized_weight table("quantized.table", type, 5, 256);
    std::vector<index> ids{4, 0};
    random_rows out("quantized.rows", 2, 256);
    medmo::kernels::embed(table.stored(), ids, out.all());
    std::vector<float> row(256);
    for (index t = 0; t < 2; ++t) {
      medmo::kernels::dequantize_row(type, table.stored().row_bytes(ids[static_cast<std::size_t>(t)]), 256, row.data());
      CHECK(std::memcmp(out.row(t), row.data(), 1024) == 0);
    }
  }
}

}  // namespace
}  // namespace kernel_tests
