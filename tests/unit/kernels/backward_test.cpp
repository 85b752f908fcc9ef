// Vector-Jacobian products: the scalar references in double against central differences of the forward references, and
// the kernels against the scalar references, over random shapes with tails; in place, onto what stands there, threads.
#include "medmo/kernels/activation_backward.hpp"
#include "medmo/kernels/attention_backward.hpp"
#include "medmo/kernels/cross_entropy.hpp"
#include "medmo/kernels/embedding_backward.hpp"
#include "medmo/kernels/layer_norm_backward.hpp"
#include "medmo/kernels/low_rank_backward.hpp"
#include "medmo/kernels/matmul_backward.hpp"
#include "medmo/kernels/rms_norm_backward.hpp"
#include "medmo/kernels/rope_backward.hpp"
#include "random_rows.hpp"

namespace kernel_tests {
namespace {

namespace kernels = medmo::kernels;
using doubles = std::vector<double>;

doubles wide(random_rows const& m) { return as<double>(m); }

/// d/dx_i of f by central differences.
template <class F>
doubles slope_of(doubles x, F f) {
  doubles d(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double const h = 1e-6 * std::max(1.0, std::abs(x[i])), at = x[i];
    x[i] = at + h;
    double const up = f(x);
    x[i] = at - h;
    double const down = f(x);
    x[i] = at;
    d[i] = (up - down) / (2 * h);
  }
  return d;
}

double dot(doubles const& a, doubles const& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

void check_close(doubles const& found, doubles const& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  worst_element worst;
  for (std::size_t i = 0; i < found.size(); ++i)
    worst.see(0, static_cast<index>(i), found[i], expected[i], tolerance * (1 + std::abs(expected[i])));
  worst.check();
}

TEST_CASE("vjp references: norms against central differences") {
  for (index d : {1, 3, 8}) {
    CAPTURE(d);
    auto const x = wide(random_rows("x", 1, d)), w = wide(random_rows("w", 1, d)), b = wide(random_rows("b", 1, d)),
               back = wide(random_rows("back", 1, d));
    auto const n = static_cast<std::size_t>(d);
    doubles d_x(n), d_w(n), d_b(n), y(n);
    kernels::reference::rms_norm_vjp(x.data(), w.data(), back.data(), d, 1e-3, d_x.data(), d_w.data());
    auto rms = [&](doubles const& in, doubles const& scale) {
      kernels::reference::rms_norm(in.data(), scale.data(), d, 1e-3, y.data());
      return dot(y, back);
    };
    check_close(d_x, slope_of(x, [&](doubles const& v) { return rms(v, w); }), 1e-8);
    check_close(d_w, slope_of(w, [&](doubles const& v) { return rms(x, v); }), 1e-8);
    d_x.assign(n, 0), d_w.assign(n, 0);
    kernels::reference::layer_norm_vjp(x.data(), w.data(), back.data(), d, 1e-3, d_x.data(), d_w.data(), d_b.data());
    auto layer = [&](doubles const& in, doubles const& scale, doubles const& shift) {
      kernels::reference::layer_norm(in.data(), scale.data(), shift.data(), d, 1e-3, y.data());
      return dot(y, back);
    };
    check_close(d_x, slope_of(x, [&](doubles const& v) { return layer(v, w, b); }), 1e-7);
    check_close(d_w, slope_of(w, [&](doubles const& v) { return layer(x, v, b); }), 1e-7);
    check_close(d_b, slope_of(b, [&](doubles const& v) { return layer(x, w, v); }), 1e-7);
  }
}

TEST_CASE("vjp references: activations against central differences") {
  for (double x : {-20.0, -3.0, -0.5, 0.0, 0.1, 1.0, 4.0, 15.0}) {
    CAPTURE(x);
    auto slope = [&](auto f) { return slope_of({x}, [&](doubles const& v) { return f(v[0]); })[0]; };
    using kernels::gelu_kind;
    CHECK(std::abs(kernels::reference::silu_slope(x) - slope([](double v) { return kernels::reference::silu(v); })) < 1e-8);
    for (auto kind : {gelu_kind::exact, gelu_kind::tanh})
      CHECK(std::abs(kernels::reference::gelu_slope(x, kind) -
                     slope([&](double v) { return kernels::reference::gelu(v, kind); })) < 1e-8);
  }
}

struct attention_case {
  index heads, kv_heads, d, rows;
  kernels::attention_mask mask;
};

TEST_CASE("vjp references: attention against central differences") {
  for (auto const& c : {attention_case{1, 1, 2, 3, kernels::attention_mask::full},
                        attention_case{4, 2, 3, 5, kernels::attention_mask::causal}}) {
    kernels::attention_shape shape{.heads = c.heads, .scale = 0.7f, .mask = c.mask, .first = 0, .keys = c.rows};
    auto const q = wide(random_rows("q", c.rows, c.heads * c.d)), k = wide(random_rows("k", c.rows, c.kv_heads * c.d)),
               v = wide(random_rows("v", c.rows, c.kv_heads * c.d)), back = wide(random_rows("back", c.rows, c.heads * c.d));
    doubles d_q(q.size()), d_k(k.size()), d_v(v.size()), y(q.size());
    kernels::reference::attention_vjp(shape, c.kv_heads, c.d, c.rows, q.data(), k.data(), v.data(), back.data(), d_q.data(),
                                      d_k.data(), d_v.data());
    auto f = [&](doubles const& a, doubles const& b, doubles const& e) {
      kernels::reference::attention(shape, c.kv_heads, c.d, c.rows, a.data(), b.data(), e.data(), y.data());
      return dot(y, back);
    };
    check_close(d_q, slope_of(q, [&](doubles const& x) { return f(x, k, v); }), 1e-7);
    check_close(d_k, slope_of(k, [&](doubles const& x) { return f(q, x, v); }), 1e-7);
    check_close(d_v, slope_of(v, [&](doubles const& x) { return f(q, k, x); }), 1e-7);
  }
}

TEST_CASE("matmul_vjp: against sums in double, f32 and bf16, several products of one x") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16})
    for (auto const& sizes : {std::array<index, 4>{1, 1, 1, 1}, {5, 17, 7, 3}, {33, 64, 65, 16}, {70, 130, 100, 257}})
      for (int threads_now : {1, 2}) {
        index const t = sizes[0], k = sizes[1], o1 = sizes[2], o2 = sizes[3];
        CAPTURE(name_of(type));
      CAPTURE(t);
      CAPTURE(k);
      CAPTURE(threads_now);
        threads now(threads_now);
        random_rows x("x", t, k, 3), d_x("d_x", t, k, 2);
        auto const before = d_x;
        std::array<index, 2> const outs{o1, o2};
        std::vector<random_rows> w, back, d_w, d_b;
        std::vector<std::vector<medmo::bf16>> narrow;
        for (auto o : outs) {
          w.emplace_back("w", o, k), back.emplace_back("back", t, o, 1), d_w.emplace_back("d_w", o, k), d_b.emplace_back("d_b", 1, o);
          narrow.push_back(as<medmo::bf16>(w.back()));
        }
        auto const d_w_before = d_w, d_b_before = d_b;
        std::vector<kernels::product_vjp> products;
        for (std::size_t i = 0; i < 2; ++i) {
          auto const* bytes = type == medmo::dtype::f32 ? reinterpret_cast<std::byte const*>(w[i].row(0))
                                                        : reinterpret_cast<std::byte const*>(narrow[i].data());
          products.push_back({{type, bytes, outs[i], k}, back[i].in(), d_w[i].row(0), d_b[i].row(0)});
        }
        std::vector<std::byte> scratch(static_cast<std::size_t>(kernels::matmul_vjp_scratch(type, t, k, std::max(o1, o2), threads_now)) + 64);
        auto* aligned = scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
        kernels::matmul_vjp(x.in(), products, d_x.all(), kernels::store::accumulate, aligned);
        // operands are rounded to bf16 (2^-9 each), sums are f32
        double const share = (type == medmo::dtype::f32 ? 1e-6 : 1.0 / 128);
        worst_element worst;
        for (index r = 0; r < t; ++r)
          for (index c = 0; c < k; ++c) {
            double sum = static_cast<double>(before.at(r, c)), size = std::abs(sum);
            for (std::size_t i = 0; i < 2; ++i)
              for (index o = 0; o < outs[i]; ++o) {
                double const term = static_cast<double>(back[i].at(r, o)) * static_cast<double>(w[i].at(o, c));
                sum += term, size += std::abs(term);
              }
            worst.see(r, c, static_cast<double>(d_x.at(r, c)), sum, share * size);
          }
        worst.check();
        for (std::size_t i = 0; i < 2; ++i) {
          worst_element of_w;
          for (index o = 0; o < outs[i]; ++o) {
            double bias = static_cast<double>(d_b_before[i].at(0, o)), bias_size = std::abs(bias);
            for (index r = 0; r < t; ++r) bias += static_cast<double>(back[i].at(r, o)), bias_size += std::abs(static_cast<double>(back[i].at(r, o)));
            of_w.see(o, -1, static_cast<double>(d_b[i].at(0, o)), bias, 1e-6 * bias_size);
            for (index c = 0; c < k; ++c) {
              double sum = static_cast<double>(d_w_before[i].at(o, c)), size = std::abs(sum);
              for (index r = 0; r < t; ++r) {
                double const term = static_cast<double>(back[i].at(r, o)) * static_cast<double>(x.at(r, c));
                sum += term, size += std::abs(term);
              }
              of_w.see(o, c, static_cast<double>(d_w[i].at(o, c)), sum, share * size);
            }
          }
          of_w.check();
        }
      }
}

TEST_CASE("matmul_vjp: of quantised weights, and of a mix of types, as if each stood alone as bf16") {
  index const t = 21, k = 64, o = 37;
  random_rows x("x", t, k), back("back", t, o), w("w", o, k);
  std::vector<std::byte> blocks;  // Q8_0: an f16 scale, then 32 codes
  medmo::random_stream random(5, 6);
  for (index i = 0; i < o * k / 32; ++i) {
    auto const bits = medmo::f16(0.01f + 0.001f * static_cast<float>(i % 7)).bits;
    blocks.push_back(static_cast<std::byte>(bits & 0xff));
    blocks.push_back(static_cast<std::byte>(bits >> 8));
    for (int c = 0; c < 32; ++c) blocks.push_back(static_cast<std::byte>(random.bits(blocks.size()) & 0xff));
  }
  kernels::stored_matrix const coded{medmo::dtype::q8_0, blocks.data(), o, k};
  std::vector<float> wide_row(static_cast<std::size_t>(k));
  std::vector<medmo::bf16> narrow;
  for (index r = 0; r < o; ++r) {
    kernels::read_row(coded, r, wide_row.data());
    for (float v : wide_row) narrow.emplace_back(v);
  }
  kernels::stored_matrix const rounded{medmo::dtype::bf16, reinterpret_cast<std::byte const*>(narrow.data()), o, k};
  kernels::stored_matrix const exact{medmo::dtype::f32, reinterpret_cast<std::byte const*>(w.row(0)), o, k};
  std::vector<float> scratch(1 << 18);
  auto* aligned = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
  auto run = [&](std::vector<kernels::stored_matrix> const& weights) {
    random_rows d_x("d_x", t, k), d_w("d_w", o, k);
    std::vector<kernels::product_vjp> products;
    for (auto const& m : weights) products.push_back({m, back.in(), d_w.row(0)});
    kernels::matmul_vjp(x.in(), products, d_x.all(), kernels::store::assign, aligned);
    return std::pair(d_x.bytes(), d_w.bytes());
  };
  CHECK(run({coded}) == run({rounded}));
  CHECK(run({coded, coded}) == run({rounded, rounded}));
  CHECK(run({coded, exact}) == run({rounded, exact}));
  CHECK(run({coded, exact}) != run({rounded}));
}

TEST_CASE("low_rank_add: against sums in double, forward and back, whatever rows come together") {
  for (auto const& sizes : {std::array<index, 4>{1, 5, 3, 1}, {37, 70, 33, 4}, {50, 64, 130, 16}}) {
    index const t = sizes[0], k = sizes[1], o = sizes[2], r = sizes[3];
    CAPTURE(t);
    random_rows x("x", t, k, 1), a("a", r, k), b("b", o, r), y("y", t, o, 2), back("back", t, o, 1), d_x("d_x", t, k, 1),
        d_a("d_a", r, k), d_b("d_b", o, r);
    auto stored = [](random_rows const& m) {
      return kernels::stored_matrix{medmo::dtype::f32, reinterpret_cast<std::byte const*>(m.row(0)), m.rows(), m.cols()};
    };
    kernels::low_rank const w{stored(a), stored(b), 0.75f};
    auto const before = y, d_x0 = d_x, d_a0 = d_a, d_b0 = d_b;
    kernels::low_rank_add(x.in(), w, y.all());
    auto alone = before;
    for (index i = 0; i < t; ++i) kernels::low_rank_add(x.in(i, 1), w, alone.part(i, 1));
    CHECK(alone.bytes() == y.bytes());
    std::vector<float> scratch(static_cast<std::size_t>(kernels::low_rank_add_vjp_scratch(t, k, o, r, medmo::thread_count())) / 4 + 32);
    auto* aligned = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
    kernels::low_rank_add_vjp(x.in(), w, back.in(), d_a.row(0), d_b.row(0), d_x.all(), kernels::store::accumulate, aligned);

    auto const X = wide(x), A = wide(a), B = wide(b), G = wide(back);
    doubles e_y = wide(before), e_x = wide(d_x0), e_a = wide(d_a0), e_b = wide(d_b0);
    auto at = [](index row, index cols, index col) { return static_cast<std::size_t>(row * cols + col); };
    for (index i = 0; i < t; ++i)
      for (index q = 0; q < r; ++q) {
        double u = 0, d_u = 0;
        for (index c = 0; c < k; ++c) u += 0.75 * X[at(i, k, c)] * A[at(q, k, c)];
        for (index c = 0; c < o; ++c) {
          e_y[at(i, o, c)] += u * B[at(c, r, q)];
          e_b[at(c, r, q)] += G[at(i, o, c)] * u;
          d_u += 0.75 * G[at(i, o, c)] * B[at(c, r, q)];
        }
        for (index c = 0; c < k; ++c) {
          e_a[at(q, k, c)] += d_u * X[at(i, k, c)];
          e_x[at(i, k, c)] += d_u * A[at(q, k, c)];
        }
      }
    check_close(wide(y), e_y, 3e-5);
    check_close(wide(d_x), e_x, 1e-4);
    check_close(wide(d_a), e_a, 1e-4);
    check_close(wide(d_b), e_b, 1e-4);
    std::vector<float> row(static_cast<std::size_t>(k));
    random_rows base("base", o, k);
    kernels::merged_row(stored(base), w, o - 1, row.data());
    for (index c = 0; c < k; ++c) {
      double e = static_cast<double>(base.at(o - 1, c));
      for (index q = 0; q < r; ++q) e += 0.75 * B[at(o - 1, r, q)] * A[at(q, k, c)];
      CHECK(std::abs(static_cast<double>(row[static_cast<std::size_t>(c)]) - e) < 1e-4);
    }
  }
}

TEST_CASE("outer_product: an element's bits do not depend on the rest of the product") {
  random_rows a("a", 300, 75), b("b", 300, 133), c("c", 75, 133), one("one", 1, 1);
  std::vector<float> scratch(static_cast<std::size_t>(kernels::outer_product_scratch(300, 300)));
  std::vector<float> first;
  for (int n : {1, 2}) {
    threads now(n);
    kernels::outer_product(a.in(), kernels::operand::transposed, b.in(), c.all(), false, scratch.data());
    std::vector<float> now_bits;
    for (index r = 0; r < 75; ++r) now_bits.insert(now_bits.end(), c.row(r), c.row(r) + 133);
    if (first.empty()) first = now_bits;
    CHECK(std::memcmp(first.data(), now_bits.data(), first.size() * sizeof(float)) == 0);
  }
  for (auto [r, col] : {std::array<index, 2>{0, 0}, {74, 132}, {37, 64}, {5, 65}}) {
    medmo::view<float> column(a.row(0) + r, 300, 1, Eigen::OuterStride<>(75)), row(b.row(0) + col, 300, 1, Eigen::OuterStride<>(133));
    kernels::outer_product(column, kernels::operand::transposed, row, one.all(), false, scratch.data());
    CHECK(std::memcmp(one.row(0), c.row(r) + col, sizeof(float)) == 0);
  }
}

TEST_CASE("norm vjps: against the references in double") {
  for (index d : {1, 15, 16, 48, 131})
    for (bool in_place : {false, true}) {
      index const t = 37, slices = 2;
      CAPTURE(d);
      CAPTURE(in_place);
      random_rows x("x", t, d * slices, 3), w("w", 1, d), back("back", t, d * slices, 1), d_x("d_x", t, d * slices, 2),
          d_w("d_w", 1, d), d_b("d_b", 1, d);
      doubles e_x = in_place ? doubles(static_cast<std::size_t>(t * slices * d)) : wide(d_x), e_w = wide(d_w), e_b = wide(d_b);
      auto const xs = wide(x), ws = wide(w), backs = wide(back);
      for (index s = 0; s < t * slices; ++s)
        kernels::reference::rms_norm_vjp(xs.data() + s * d, ws.data(), backs.data() + s * d, d, static_cast<double>(1e-6f),
                                         e_x.data() + s * d, e_w.data());
      std::vector<float> scratch(2 * t * slices);
      auto same = back;
      kernels::rms_norm_vjp(x.in(), w.row(0), d, 1e-6f, same.in(), in_place ? same.all() : d_x.all(),
                            in_place ? kernels::store::assign : kernels::store::accumulate, d_w.row(0), scratch.data());
      check_close(wide(in_place ? same : d_x), e_x, 3e-5);
      check_close(wide(d_w), e_w, 3e-5);

      random_rows lx("x", t, d, 3), l_back("back", t, d, 1), l_dx("d_x", t, d, 2), l_dw("d_w", 1, d);
      doubles f_x = in_place ? doubles(static_cast<std::size_t>(t * d)) : wide(l_dx), f_w = wide(l_dw);
      auto const ys = wide(lx), bs = wide(l_back);
      for (index s = 0; s < t; ++s)
        kernels::reference::layer_norm_vjp(ys.data() + s * d, ws.data(), bs.data() + s * d, d, static_cast<double>(1e-2f),
                                           f_x.data() + s * d, f_w.data(), e_b.data());
      auto l_same = l_back;
      kernels::layer_norm_vjp(lx.in(), w.row(0), 1e-2f, l_same.in(), in_place ? l_same.all() : l_dx.all(),
                              in_place ? kernels::store::assign : kernels::store::accumulate, l_dw.row(0), d_b.row(0),
                              scratch.data());
      check_close(wide(in_place ? l_same : l_dx), f_x, 3e-5);
      check_close(wide(l_dw), f_w, 3e-5);
      check_close(wide(d_b), e_b, 3e-5);
    }
}

TEST_CASE("activation vjps and rotation back: against the references") {
  for (index f : {1, 16, 37}) {
    CAPTURE(f);
    random_rows gate("gate", 9, f, 1), up("up", 9, f, 2), d("back", 9, f, 3), d_up("d_up", 9, f, 1);
    for (index t = 0; t < 9; ++t)
      for (index i = 0; i < f; ++i) gate.at(t, i) *= 4;
    auto const back = d;
    kernels::silu_multiply_vjp(gate.in(), up.in(), d.all(), d_up.all());
    worst_element worst;
    for (index t = 0; t < 9; ++t)
      for (index i = 0; i < f; ++i) {
        double const g = static_cast<double>(gate.at(t, i)), b = static_cast<double>(back.at(t, i));
        double const e_up = b * kernels::reference::silu(g),
                     e_gate = b * static_cast<double>(up.at(t, i)) * kernels::reference::silu_slope(g);
        worst.see(t, i, static_cast<double>(d_up.at(t, i)), e_up, 2e-6 * (std::abs(e_up) + 1e-3));
        worst.see(t, i, static_cast<double>(d.at(t, i)), e_gate, 2e-6 * (std::abs(e_gate) + 1));
      }
    for (auto kind : {kernels::gelu_kind::exact, kernels::gelu_kind::tanh}) {
      auto d_x = back;
      kernels::gelu_vjp(gate.in(), kind, d_x.all());
      for (index t = 0; t < 9; ++t)
        for (index i = 0; i < f; ++i) {
          double const e = static_cast<double>(back.at(t, i)) *
                           kernels::reference::gelu_slope(static_cast<double>(gate.at(t, i)), kind);
          worst.see(t, i, static_cast<double>(d_x.at(t, i)), e, 2e-6 * (std::abs(e) + 1));
        }
    }
    worst.check();
  }
  random_rows x("x", 4, 24, 1), cos("angle", 4, 4), sin("angle", 4, 4);
  for (index t = 0; t < 4; ++t)
    for (index i = 0; i < 4; ++i) {
      float const a = cos.at(t, i);
      cos.at(t, i) = std::cos(a), sin.at(t, i) = std::sin(a);
    }
  auto turned = x;  // an orthogonal map: its transpose is its inverse
  kernels::rotate(turned.all(), 8, cos.in(), sin.in());
  kernels::rotate_vjp(turned.all(), 8, cos.in(), sin.in());
  check_close(wide(turned), wide(x), 1e-6);
}

TEST_CASE("attention_vjp: against the reference in double; sequences do not mix") {
  using kernels::attention_mask;
  for (auto const& c : {attention_case{1, 1, 4, 1, attention_mask::causal}, attention_case{4, 2, 16, 70, attention_mask::causal},
                        attention_case{3, 3, 24, 65, attention_mask::full}, attention_case{6, 2, 12, 130, attention_mask::causal}})
    for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
      CAPTURE(c.d);
      CAPTURE(c.rows);
      CAPTURE(name_of(type));
      // two sequences, the second shorter
      std::vector<kernels::attention_rows> parts{{0, c.rows}, {c.rows, (c.rows + 1) / 2}};
      index const t = parts[1].row + parts[1].rows;
      random_rows q("q", t, c.heads * c.d, 1), k("k", t, c.kv_heads * c.d, 2), v("v", t, c.kv_heads * c.d, 3),
          out("out", t, c.heads * c.d, 1), back("back", t, c.heads * c.d, 2), d_q("d_q", t, c.heads * c.d, 1),
          d_k("d_k", t, c.kv_heads * c.d, 1), d_v("d_v", t, c.kv_heads * c.d, 1);
      kernels::attention_shape shape{.heads = c.heads, .scale = 0.5f, .mask = c.mask};
      std::vector<float> log_sums(static_cast<std::size_t>(t * c.heads));
      doubles e_q = wide(d_q), e_k = wide(d_k), e_v = wide(d_v);
      kernels::kv_layout layout{type, c.kv_heads, c.d};
      for (auto const& p : parts) {
        index const pages = (p.rows + 63) / 64;
        std::vector<std::vector<std::byte>> memory(static_cast<std::size_t>(pages), std::vector<std::byte>(static_cast<std::size_t>(layout.bytes())));
        std::vector<std::byte*> table;
        for (auto& m : memory) table.push_back(m.data());
        shape.keys = p.rows;
        kernels::attention_part part{shape, table, 0, p.rows, log_sums.data() + p.row * c.heads};
        auto run = [&]<class T>(T) {
          kernels::store_keys_values<T>(layout, k.in(p.row, p.rows), v.in(p.row, p.rows), table, 0);
          kernels::attention<T>(layout, {&part, 1}, q.in(p.row, p.rows), out.part(p.row, p.rows));
        };
        type == medmo::dtype::f32 ? run(float{}) : run(medmo::bf16{});
        auto rows = [&](random_rows const& m, bool rounded) {
          doubles w;
          for (index r = 0; r < p.rows; ++r)
            for (index i = 0; i < m.cols(); ++i) {
              float const x = m.at(p.row + r, i);
              w.push_back(static_cast<double>(rounded ? static_cast<float>(medmo::bf16(x)) : x));
            }
          return w;
        };
        bool const rounded = type == medmo::dtype::bf16;
        kernels::reference::attention_vjp(shape, c.kv_heads, c.d, p.rows, rows(q, rounded).data(), rows(k, rounded).data(),
                                          rows(v, rounded).data(), rows(back, false).data(),
                                          e_q.data() + p.row * c.heads * c.d, e_k.data() + p.row * c.kv_heads * c.d,
                                          e_v.data() + p.row * c.kv_heads * c.d);
      }
      std::vector<std::byte> first;
      for (int n : {1, 2}) {
        threads now(n);
        auto a = d_q, b = d_k, e = d_v;
        std::vector<float> scratch(static_cast<std::size_t>(kernels::attention_vjp_scratch(t, c.heads, c.d, n)) + 16);
        kernels::attention_vjp(type, shape, c.kv_heads, parts, q.in(), k.in(), v.in(), out.in(), back.in(), log_sums.data(),
                               scratch.data(), {a.all(), b.all(), e.all()});
        // of bf16, out carries rounded probabilities: rowsum(d_out out) is off by as much
        double const tolerance = type == medmo::dtype::f32 ? 3e-5 : 3e-2;
        check_close(wide(a), e_q, tolerance);
        check_close(wide(b), e_k, tolerance);
        check_close(wide(e), e_v, type == medmo::dtype::f32 ? 3e-5 : 1e-4);
        if (first.empty()) first = a.bytes();
        CHECK(first == a.bytes());
      }
    }
}

TEST_CASE("embed_vjp: rows of equal ids add up, in one order") {
  std::vector<index> const ids{3, 0, 3, 2, 3};
  random_rows back("back", 5, 33, 1), table("table", 4, 33);
  auto expected = table;
  for (index t = 0; t < 5; ++t)
    for (index i = 0; i < 33; ++i) expected.at(ids[static_cast<std::size_t>(t)], i) += back.at(t, i);
  for (int n : {1, 2}) {
    threads now(n);
    auto d = table;
    kernels::embed_vjp(ids, back.in(), d.row(0));
    CHECK(d.bytes() == expected.bytes());
  }
}

TEST_CASE("log_probabilities_vjp: against central differences") {
  for (index v : {2, 16, 45}) {
    random_rows logits("logits", 3, v, 2);
    std::vector<index> const targets{0, v - 1, v / 2};
    std::vector<float> const slopes{0.5f, 0.0f, -2.0f};
    doubles log_sums(3), lps(3);
    kernels::log_probabilities(logits.in(), targets, log_sums, lps);
    auto const expected = slope_of(wide(logits), [&](doubles const& l) {
      double total = 0;
      for (std::size_t t = 0; t < 3; ++t) {
        double sum = 0;
        auto const* row = l.data() + t * static_cast<std::size_t>(v);
        for (index i = 0; i < v; ++i) sum += std::exp(row[i]);
        total += static_cast<double>(slopes[t]) * (row[targets[t]] - std::log(sum));
      }
      return total;
    });
    for (std::size_t t = 0; t < 3; ++t)
      CHECK(lps[t] == doctest::Approx(static_cast<double>(logits.at(static_cast<index>(t), targets[t])) - log_sums[t]));
    kernels::log_probabilities_vjp(logits.all(), targets, log_sums, slopes);
    check_close(wide(logits), expected, 2e-6);
  }
}

}  // namespace
}  // namespace kernel_tests
