// Pages of keys and values: zeroed when new, kept when more come, and counted before they exist.
#include "medmo/model/kv_cache.hpp"

#include <doctest/doctest.h>

#include <cstdint>

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

}  // namespace
