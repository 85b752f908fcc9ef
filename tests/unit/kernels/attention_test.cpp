// Attention over pages against its formula in double: both types, both masks, groups, head sizes, keys over several pages;
// bytes that depend neither on rows at a time nor on threads, nor on what a forgotten key left behind.
#include "medmo/kernels/attention.hpp"

#include <cmath>
#include <limits>
#include <memory>

#include "random_rows.hpp"

namespace kernel_tests {
namespace {

using medmo::dtype;
using medmo::kernels::attention_mask;
using medmo::kernels::attention_shape;
using medmo::kernels::kv_layout;

/// Zeroed pages for `tokens` positions.
struct pages {
  kv_layout layout;
  std::vector<std::unique_ptr<std::byte, void (*)(void*)>> memory;
  std::vector<std::byte*> table;
  pages(kv_layout const& l, index tokens) : layout(l) {
    auto bytes = static_cast<std::size_t>((l.bytes() + 63) / 64 * 64);
    for (index at = 0; at < tokens; at += kv_layout::page_tokens) {
      memory.emplace_back(static_cast<std::byte*>(std::aligned_alloc(64, bytes)), std::free);
      std::memset(memory.back().get(), 0, bytes);
      table.push_back(memory.back().get());
    }
  }
  void put(medmo::view<float> const& k, medmo::view<float> const& v, index first) {
    if (layout.type == dtype::bf16)
      medmo::kernels::store_keys_values<medmo::bf16>(layout, k, v, table, first);
    else
      medmo::kernels::store_keys_values<float>(layout, k, v, table, first);
  }
  void attend(attention_shape const& s, medmo::view<float> const& q, medmo::mutable_view<float> out) const {
    if (layout.type == dtype::bf16)
      medmo::kernels::attention<medmo::bf16>(layout, s, q, table, out);
    else
      medmo::kernels::attention<float>(layout, s, q, table, out);
  }
};

/// The values as the pages and the queries hold them.
std::vector<double> rounded(random_rows const& m, dtype type) {
  std::vector<double> out;
  for (index t = 0; t < m.rows(); ++t)
    for (index i = 0; i < m.cols(); ++i)
      out.push_back(static_cast<double>(type == dtype::bf16 ? static_cast<float>(medmo::bf16(m.at(t, i))) : m.at(t, i)));
  return out;
}

struct attention_case {
  dtype type;
  attention_mask mask;
  index group, kv_heads, d, first, rows;
};

void check_case(attention_case const& c) {
  CAPTURE(std::string(medmo::name_of(c.type)));
  CAPTURE(static_cast<int>(c.mask));
  CAPTURE(c.group);
  CAPTURE(c.d);
  CAPTURE(c.first);
  CAPTURE(c.rows);
  index heads = c.group * c.kv_heads, keys = c.first + c.rows;
  random_rows q("attention.q", c.rows, heads * c.d, 3), k("attention.k", keys, c.kv_heads * c.d, 1),
      v("attention.v", keys, c.kv_heads * c.d, 2), out("attention.out", c.rows, heads * c.d, 4);
  pages p({c.type, c.kv_heads, c.d}, keys);
  p.put(k.in(), v.in(), 0);
  attention_shape shape{heads, 1.0f / std::sqrt(static_cast<float>(c.d)), c.mask, c.first, keys};
  p.attend(shape, q.in(), out.all());

  std::vector<double> expected(static_cast<std::size_t>(c.rows * heads * c.d));
  auto const values = rounded(v, c.type);
  medmo::kernels::reference::attention(shape, c.kv_heads, c.d, c.rows, rounded(q, c.type).data(),
                                       rounded(k, c.type).data(), values.data(), expected.data());
  double largest = 0, score = 0;  // |score| <= scale |q| |k|; an error of it multiplies a weight by exp(error)
  for (double x : values) largest = std::max(largest, std::abs(x));
  for (index t = 0; t < c.rows; ++t) score = std::max(score, static_cast<double>(q.in(t, 1).norm()));
  double widest = 0;
  for (index t = 0; t < keys; ++t) widest = std::max(widest, static_cast<double>(k.in(t, 1).norm()));
  score *= widest * static_cast<double>(shape.scale);
  double weight = c.type == dtype::bf16 ? 0x1p-8 : 0;  // probabilities are rounded to the type of the values
  double allowed = largest * (weight + eps * (8 * score + static_cast<double>(c.d + keys) + 16));
  worst_element worst;
  for (index t = 0; t < c.rows; ++t)
    for (index i = 0; i < heads * c.d; ++i)
      worst.see(t, i, static_cast<double>(out.at(t, i)), expected[static_cast<std::size_t>(t * heads * c.d + i)], allowed);
  worst.check();
}

TEST_CASE("attention: against the formula in double") {
  for (dtype type : {dtype::f32, dtype::bf16})
    for (auto mask : {attention_mask::causal, attention_mask::full}) {
      for (index group : {1, 2, 3, 4, 6})
        for (index d : {16, 24, 64, 72, 128}) check_case({type, mask, group, 2, d, mask == attention_mask::full ? 0 : 57, 23});
      for (index rows : {1, 15, 17, 64, 65, 130}) check_case({type, mask, 2, 1, 24, 0, rows});
    }
  for (index first : {0, 1, 62, 63, 64, 127, 128, 200}) check_case({dtype::f32, attention_mask::causal, 3, 2, 16, first, 1});
  for (index first : {0, 63, 64, 200}) check_case({dtype::bf16, attention_mask::causal, 4, 1, 72, first, 5});
}

TEST_CASE("attention: bytes depend neither on rows at a time nor on threads") {
  for (dtype type : {dtype::f32, dtype::bf16})
    for (index group : {1, 3, 4}) {
      CAPTURE(std::string(medmo::name_of(type)));
      CAPTURE(group);
      index d = 72, kv_heads = 2, heads = group * kv_heads, first = 50, rows = 60, keys = first + rows;
      random_rows q("alone.q", rows, heads * d), k("alone.k", keys, kv_heads * d), v("alone.v", keys, kv_heads * d);
      auto run = [&](index at_a_time) {
        pages p({type, kv_heads, d}, keys);
        p.put(k.in(0, first), v.in(0, first), 0);
        random_rows out("alone.out", rows, heads * d);
        for (index t = 0; t < rows; t += at_a_time) {
          index n = std::min(at_a_time, rows - t);
          p.put(k.in(first + t, n), v.in(first + t, n), first + t);
          attention_shape shape{heads, 0.125f, attention_mask::causal, first + t, first + t + n};
          p.attend(shape, q.in(t, n), out.part(t, n));
        }
        return out.bytes();
      };
      threads one(1);
      auto const expected = run(1);
      for (int n : {1, 2, 3})
        for (index at_a_time : {1, 7, 16, 17, 60}) {
          CAPTURE(n);
          CAPTURE(at_a_time);
          medmo::set_thread_count(n);
          CHECK(run(at_a_time) == expected);
        }
    }
}

TEST_CASE("attention: several sequences at once give the bytes of each alone") {
  for (dtype type : {dtype::f32, dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    index d = 24, kv_heads = 2, heads = 6;
    struct one_sequence { index first, rows; };
    std::vector<one_sequence> const sequences{{0, 1}, {200, 1}, {63, 2}, {10, 70}, {64, 1}, {5, 0}, {130, 17}};
    std::vector<pages> caches;
    index total = 0;
    for (auto const& s : sequences) {
      random_rows k("parts.k", s.first + s.rows, kv_heads * d), v("parts.v", s.first + s.rows, kv_heads * d);
      caches.emplace_back(kv_layout{type, kv_heads, d}, s.first + s.rows);
      caches.back().put(k.in(), v.in(), 0);
      total += s.rows;
    }
    random_rows q("parts.q", total, heads * d, 3), expected("parts.out", total, heads * d, 2), out = expected;
    std::vector<medmo::kernels::attention_part> parts;
    index row = 0;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      auto const& s = sequences[i];
      attention_shape shape{heads, 0.25f, attention_mask::causal, s.first, s.first + s.rows};
      threads one(1);
      caches[i].attend(shape, q.in(row, s.rows), expected.part(row, s.rows));
      parts.push_back({shape, caches[i].table, row, s.rows});
      row += s.rows;
    }
    for (int n : {1, 2, 3}) {
      CAPTURE(n);
      threads several(n);
      auto together = out;
      if (type == dtype::bf16)
        medmo::kernels::attention<medmo::bf16>(caches[0].layout, parts, q.in(), together.all());
      else
        medmo::kernels::attention<float>(caches[0].layout, parts, q.in(), together.all());
      CHECK(together.bytes() == expected.bytes());
    }
  }
}

TEST_CASE("attention: what a forgotten key left behind does not matter") {
  for (dtype type : {dtype::f32, dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    index d = 24, heads = 2, rows = 3, first = 50;
    random_rows q("garbage.q", rows, heads * d), k("garbage.k", 53, d), v("garbage.v", 53, d);
    random_rows old_k("garbage.old_k", 100, d), old_v("garbage.old_v", 100, d);
    for (index t = 0; t < 100; ++t)
      for (index i = 0; i < d; ++i) old_k.at(t, i) *= 1e4f, old_v.at(t, i) *= 1e6f;
    attention_shape shape{heads, 0.25f, attention_mask::causal, first, first + rows};
    auto run = [&](bool used_before) {
      pages p({type, 1, d}, 100);
      if (used_before) p.put(old_k.in(), old_v.in(), 0);
      p.put(k.in(), v.in(), 0);
      random_rows out("garbage.out", rows, heads * d);
      p.attend(shape, q.in(), out.all());
      return out.bytes();
    };
    CHECK(run(true) == run(false));
  }
}

TEST_CASE("attention: a NaN reaches every query that sees it, and no other") {
  for (dtype type : {dtype::f32, dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    index d = 32, rows = 70, bad = 40;
    random_rows q("nan.q", rows, d), k("nan.k", rows, d), v("nan.v", rows, d), out("nan.out", rows, d);
    k.at(bad, 5) = std::numeric_limits<float>::quiet_NaN();
    pages p({type, 1, d}, rows);
    p.put(k.in(), v.in(), 0);
    p.attend({1, 0.25f, attention_mask::causal, 0, rows}, q.in(), out.all());
    for (index t = 0; t < rows; ++t)
      for (index i = 0; i < d; ++i) CHECK(std::isnan(out.at(t, i)) == (t >= bad));
  }
}

}  // namespace
}  // namespace kernel_tests
