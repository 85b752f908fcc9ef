// Pages of keys and values: zeroed when new, kept when more come, and counted before they exist.
#include "medmo/model/kv_cache.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

namespace {

using medmo::index;

TEST_CASE("kv_cache: pages come whole, zeroed and aligned") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    medmo::kernels::kv_layout layout{type, 2, 24};
    medmo::kv_cache cache(layout, 3);
    CHECK(cache.length() == 0);
    CHECK(cache.capacity() == 0);
    cache.reserve(65);
    CHECK(cache.capacity() == 128);
    auto const* first = cache.pages(2)[0];
    cache.reserve(10);
    CHECK(cache.capacity() == 128);
    cache.reserve(129);
    CHECK(cache.capacity() == 192);
    CHECK(cache.pages(2)[0] == first);  // what is there stays where it is
    index bytes = 0;
    for (index layer = 0; layer < 3; ++layer) {
      REQUIRE(cache.pages(layer).size() == 3);
      for (auto const* page : cache.pages(layer)) {
        CHECK(reinterpret_cast<std::uintptr_t>(page) % 64 == 0);
        index not_zero = 0;
        for (index i = 0; i < layout.bytes(); ++i) not_zero += page[i] != std::byte{0};
        CHECK(not_zero == 0);
        bytes += layout.bytes();
      }
    }
    CHECK(medmo::kv_cache::bytes_for(layout, 3, 129) == bytes);
    CHECK(medmo::kv_cache::bytes_for(layout, 3, 0) == 0);
  }
}

TEST_CASE("kv_cache: length") {
  medmo::kv_cache cache({medmo::dtype::f32, 1, 16}, 1);
  cache.reserve(100);
  cache.advance(70);
  CHECK(cache.length() == 70);
  cache.truncate(80);
  CHECK(cache.length() == 70);
  cache.truncate(3);
  CHECK(cache.length() == 3);
  CHECK(cache.capacity() == 128);
}

TEST_CASE("kv_cache: what is forgotten is zero again, what is kept stays") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    medmo::kernels::kv_layout layout{type, 2, 24};
    medmo::matrix<float> k = medmo::matrix<float>::Constant(100, 48, 3.0f), v = medmo::matrix<float>::Constant(100, 48, 5.0f);
    medmo::view<float> keys(k.data(), 100, 48, Eigen::OuterStride<>(48)), values(v.data(), 100, 48, Eigen::OuterStride<>(48));
    auto put = [&](medmo::kv_cache const& cache, index rows) {
      medmo::view<float> some_keys(keys.data(), rows, 48, Eigen::OuterStride<>(48)), some_values(values.data(), rows, 48, Eigen::OuterStride<>(48));
      for (index layer = 0; layer < 2; ++layer)
        if (type == medmo::dtype::bf16)
          medmo::kernels::store_keys_values<medmo::bf16>(layout, some_keys, some_values, cache.pages(layer), 0);
        else
          medmo::kernels::store_keys_values<float>(layout, some_keys, some_values, cache.pages(layer), 0);
    };
    medmo::kv_cache longer(layout, 2), shorter(layout, 2);
    for (auto* cache : {&longer, &shorter}) cache->reserve(128);
    put(longer, 100);
    longer.advance(100);
    longer.truncate(37);
    put(shorter, 37);
    for (index layer = 0; layer < 2; ++layer)
      for (std::size_t page = 0; page < 2; ++page)
        CHECK(std::memcmp(longer.pages(layer)[page], shorter.pages(layer)[page], static_cast<std::size_t>(layout.bytes())) == 0);
  }
}

/// A cache of one layer in f32, one head of 16, whose keys and values at each position are a number of the caller's.
struct numbered {
  medmo::kv_cache cache{{medmo::dtype::f32, 1, 16}, 1};

  void write(index count, float number) {
    cache.reserve(cache.length() + count);
    medmo::matrix<float> rows = medmo::matrix<float>::Constant(count, 16, number);
    medmo::view<float> all(rows.data(), count, 16, Eigen::OuterStride<>(16));
    medmo::kernels::store_keys_values<float>(cache.layout(), all, all, cache.pages(0), cache.length());
    cache.advance(count);
  }
  float key(index position) const {
    auto const* page = reinterpret_cast<float const*>(cache.pages(0)[static_cast<std::size_t>(position / 64)]);
    return page[position % 64 * cache.layout().key_width()];
  }
  float value(index position) const {
    auto const* page = reinterpret_cast<float const*>(cache.pages(0)[static_cast<std::size_t>(position / 64)]);
    return page[cache.layout().value_offset(0) + position % 64];
  }
  bool holds(index begin, index end, float number) const {
    for (index i = begin; i < end; ++i)
      if (key(i) != number || value(i) != number) return false;
    return true;
  }
};

TEST_CASE("kv_cache: a fork shares whole pages, and a part of one until somebody writes") {
  numbered one;
  one.cache.reserve(200);
  one.write(100, 1);
  numbered two{one.cache.fork()};
  CHECK(two.cache.length() == 100);
  CHECK(two.cache.capacity() == 128);  // the spare pages stay where they were
  CHECK(two.cache.pages(0)[0] == one.cache.pages(0)[0]);
  CHECK(two.cache.pages(0)[1] == one.cache.pages(0)[1]);
  SUBCASE("the fork writes") {
    two.write(10, 2);
    CHECK(two.cache.pages(0)[1] != one.cache.pages(0)[1]);
    one.write(30, 3);
  }
  SUBCASE("the origin writes") {
    auto const* kept = one.cache.pages(0)[1];
    one.write(30, 3);
    two.write(10, 2);
    CHECK(two.cache.pages(0)[1] == kept);  // alone by then: nothing to copy
  }
  CHECK(two.cache.pages(0)[0] == one.cache.pages(0)[0]);
  CHECK(one.holds(0, 100, 1));
  CHECK(one.holds(100, 130, 3));
  CHECK(one.holds(130, 192, 0));
  CHECK(two.holds(0, 100, 1));
  CHECK(two.holds(100, 110, 2));
  CHECK(two.holds(110, 128, 0));
}

TEST_CASE("kv_cache: cutting what is shared leaves it to the others") {
  for (index cut : {0, 1, 63, 64, 65, 99, 100, 128, 140}) {
    CAPTURE(cut);
    numbered one;
    one.write(140, 1);
    numbered two{one.cache.fork()};
    SUBCASE("while the other lives") {
      two.cache.truncate(cut);
      CHECK(one.holds(0, 140, 1));
      numbered three{two.cache.fork()};  // of a page that is cut and still shared
      three.write(3, 4);
      CHECK(three.holds(0, cut, 1));
      CHECK(three.holds(cut, cut + 3, 4));
      CHECK(three.holds(cut + 3, three.cache.capacity(), 0));
    }
    SUBCASE("and after it has gone") {
      two.cache.truncate(cut);
      one = {};
    }
    SUBCASE("or went before") {
      one = {};
      two.cache.truncate(cut);
    }
    two.write(5, 2);
    CHECK(two.holds(0, cut, 1));
    CHECK(two.holds(cut, cut + 5, 2));
    CHECK(two.holds(cut + 5, two.cache.capacity(), 0));
    two.cache.truncate(cut / 2);
    two.write(1, 3);
    CHECK(two.holds(cut / 2 + 1, two.cache.capacity(), 0));
  }
}

}  // namespace
