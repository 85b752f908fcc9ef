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

}  // namespace
