// y = x W^T (+ bias): against sums in double over shapes with tails, and bytes that depend neither on how many rows go at
// a time nor on threads.
#include "medmo/kernels/matmul.hpp"

#include "medmo/core/arena.hpp"
#include "random_rows.hpp"

namespace kernel_tests {
namespace {

using medmo::dtype;
using medmo::kernels::product;
using medmo::kernels::store;
using medmo::kernels::stored_matrix;

/// Holds the bytes of a weight in the type it is stored as.
struct stored_weight {
  dtype type;
  std::vector<float> wide;         // the values, widened
  std::vector<medmo::bf16> narrow;
  index rows, cols;
  stored_weight(std::string_view name, index o, index k, dtype t) : type(t), rows(o), cols(k) {
    random_rows m(name, o, k);
    wide = as<float>(m);
    if (t == dtype::bf16) {
      narrow = as<medmo::bf16>(m);
      for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<float>(narrow[i]);
    }
  }
  stored_matrix stored() const {
    auto const* p = type == dtype::bf16 ? static_cast<void const*>(narrow.data()) : wide.data();
    return {type, static_cast<std::byte const*>(p), rows, cols};
  }
};

/// x [T, K] in steps of `at_a_time` rows.
void run(random_rows const& x, std::vector<stored_weight> const& w, std::vector<random_rows>& out,
         std::vector<float const*> const& bias, store how, index at_a_time) {
  medmo::arena memory;
  index most = 0;
  for (auto const& m : w) most = std::max(most, m.rows);
  auto need = static_cast<std::size_t>(medmo::kernels::matmul_scratch(w[0].type, std::min(at_a_time, x.rows()),
                                                                      x.cols(), most, medmo::thread_count()));
  memory.reserve(need + 64);
  auto* scratch = memory.take<std::byte>(static_cast<index>(need));
  for (index t = 0; t < x.rows(); t += at_a_time) {
    index n = std::min(at_a_time, x.rows() - t);
    std::vector<product> products;
    for (std::size_t i = 0; i < w.size(); ++i) products.push_back({w[i].stored(), out[i].part(t, n), bias[i], how});
    medmo::kernels::matmul(x.in(t, n), products, scratch);
  }
}

void check_shape(index t_rows, index k, index o, dtype type, store how, bool with_bias, index gap) {
  CAPTURE(t_rows);
  CAPTURE(k);
  CAPTURE(o);
  CAPTURE(static_cast<int>(how));
  CAPTURE(with_bias);
  random_rows x("matmul.x", t_rows, k, gap), bias("matmul.bias", 1, o);
  std::vector<stored_weight> w{{"matmul.w", o, k, type}};
  std::vector<random_rows> out{{"matmul.before", t_rows, o, gap}};
  auto const before = out[0];
  run(x, w, out, {with_bias ? bias.row(0) : nullptr}, how, t_rows);
  worst_element worst;
  for (index t = 0; t < t_rows; ++t)
    for (index c = 0; c < o; ++c) {
      double sum = 0, size = 0;
      for (index i = 0; i < k; ++i) {
        float xi = type == dtype::bf16 ? static_cast<float>(medmo::bf16(x.at(t, i))) : x.at(t, i);
        double p = static_cast<double>(xi) * static_cast<double>(w[0].wide[static_cast<std::size_t>(c * k + i)]);
        sum += p;
        size += std::abs(p);
      }
      if (with_bias) sum += static_cast<double>(bias.at(0, c)), size += std::abs(static_cast<double>(bias.at(0, c)));
      if (how == store::accumulate)
        sum += static_cast<double>(before.at(t, c)), size += std::abs(static_cast<double>(before.at(t, c)));
      // canonical: k / 16 additions a lane and the tree; AMX adds pairs one after the other: k / 2
      double additions = (type == dtype::bf16 ? static_cast<double>(k) : static_cast<double>(k) / 16) + 8;
      worst.see(t, c, static_cast<double>(out[0].at(t, c)), sum, additions * eps * size);
    }
  worst.check();
  for (index t = 0; t + 1 < t_rows; ++t)
    for (index g = 0; g < gap; ++g) CHECK(std::isnan(out[0].row(t)[o + g]));  // nothing beside the rows
}

TEST_CASE("matmul: random shapes with tails") {
  for (dtype type : {dtype::f32, dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    for (index k : {1, 31, 32, 33, 100, 130})
      for (index o : {1, 15, 16, 17, 65})
        for (index t : {1, 2, 3, 4, 15, 16, 17, 33, 40}) check_shape(t, k, o, type, store::assign, false, t % 3);
    for (index k : {33, 130})
      for (index o : {17, 65})
        for (index t : {1, 16, 19}) {
          check_shape(t, k, o, type, store::assign, true, 5);
          check_shape(t, k, o, type, store::accumulate, false, 0);
          check_shape(t, k, o, type, store::accumulate, true, 5);
        }
    check_shape(70, 260, 321, type, store::assign, true, 0);
  }
}

TEST_CASE("matmul: f32 has the bits of reference::dot") {
  random_rows x("matmul.x", 19, 100);
  std::vector<stored_weight> w{{"matmul.w", 37, 100, dtype::f32}};
  std::vector<random_rows> out{{"matmul.out", 19, 37}};
  run(x, w, out, {nullptr}, store::assign, 19);
  index different = 0;
  for (index t = 0; t < 19; ++t)
    for (index o = 0; o < 37; ++o)
      different += std::bit_cast<std::uint32_t>(out[0].at(t, o)) !=
                   std::bit_cast<std::uint32_t>(
                       medmo::kernels::reference::dot(x.row(t), w[0].stored().row<float>(o), 100));
  CHECK(different == 0);
}

TEST_CASE("matmul: bytes depend neither on rows at a time nor on threads; several products in one call") {
  struct shape { index t, k; std::vector<index> o; };
  for (shape const& s : {shape{40, 130, {65, 17, 1}}, shape{100, 260, {160, 33, 200}}, shape{35, 33, {15}}})
    for (dtype type : {dtype::f32, dtype::bf16})
      for (store how : {store::assign, store::accumulate}) {
        CAPTURE(s.k);
        CAPTURE(std::string(medmo::name_of(type)));
        random_rows x("rows.x", s.t, s.k, 3), bias("rows.bias", 1, 400);
        std::vector<stored_weight> w;
        std::vector<random_rows> fresh;
        std::vector<float const*> biases;
        for (std::size_t i = 0; i < s.o.size(); ++i) {
          w.emplace_back("rows.w" + std::to_string(i), s.o[i], s.k, type);
          fresh.emplace_back("rows.before" + std::to_string(i), s.t, s.o[i], 2);
          biases.push_back(i % 2 ? nullptr : bias.row(0));
        }
        std::vector<random_rows> expected = fresh;
        {
          threads one(1);
          for (std::size_t i = 0; i < w.size(); ++i) {  // each weight alone, one row at a time
            std::vector<stored_weight> alone{w[i]};
            std::vector<random_rows> out{fresh[i]};
            run(x, alone, out, {biases[i]}, how, 1);
            expected[i] = out[0];
          }
        }
        for (int n : {1, 2, 3})
          for (index at_a_time : {index{1}, index{5}, index{8}, index{16}, index{17}, s.t}) {
            CAPTURE(n);
            CAPTURE(at_a_time);
            threads several(n);
            auto out = fresh;
            run(x, w, out, biases, how, at_a_time);
            for (std::size_t i = 0; i < w.size(); ++i) CHECK(out[i].bytes() == expected[i].bytes());
          }
      }
}

TEST_CASE("matmul: no rows do nothing; a type without a product is refused") {
  random_rows x("matmul.x", 2, 8);
  std::vector<stored_weight> w{{"matmul.w", 3, 8, dtype::f32}};
  std::vector<random_rows> out{{"matmul.out", 2, 3}};
  auto before = out[0].bytes();
  product none{w[0].stored(), out[0].part(0, 0)};
  medmo::kernels::matmul(x.in(0, 0), {&none, 1}, nullptr);
  CHECK(out[0].bytes() == before);
  auto half = w[0].stored();
  half.type = dtype::f16;
  product wrong{half, out[0].all()};
  bool refused = false;
  try {
    medmo::kernels::matmul(x.in(), {&wrong, 1}, nullptr);
  } catch (medmo::error const& e) {
    refused = e.code() == medmo::errc::unsupported;
  }
  CHECK(refused);
}

}  // namespace
}  // namespace kernel_tests
