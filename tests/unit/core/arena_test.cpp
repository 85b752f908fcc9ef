// The arena: alignment, stack order, exhaustion, and that it allocates in reserve() only.
#include "medmo/core/arena.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

using medmo::arena;

TEST_CASE("arena: everything taken is aligned and apart") {
  arena a;
  a.reserve(1000);
  CHECK(a.capacity() == arena::padded(1000));
  auto* x = a.take<float>(3);
  auto* y = a.take<double>(5);
  auto* z = a.take<char>(1);
  for (auto address :
       {reinterpret_cast<std::uintptr_t>(x), reinterpret_cast<std::uintptr_t>(y), reinterpret_cast<std::uintptr_t>(z)})
    CHECK(address % arena::alignment == 0);
  CHECK(reinterpret_cast<char*>(y) - reinterpret_cast<char*>(x) == 64);
  CHECK(z - reinterpret_cast<char*>(y) == 64);
  CHECK(a.mark() == 192);
}

TEST_CASE("arena: gives back in stack order and remembers its peak") {
  arena a;
  a.reserve(4096);
  auto mark = a.mark();
  auto* first = a.take<float>(100);
  a.take<float>(100);
  a.release(mark);
  CHECK(a.take<float>(10) == first);
  CHECK(a.mark() == 64);
  CHECK(a.peak() == 896);
}

TEST_CASE("arena: what does not fit is an error, and the arena stays usable") {
  arena a;
  a.reserve(256);
  a.take<float>(16);
  CHECK_THROWS_WITH_AS(a.take<float>(1000), "arena: expected 4096 bytes reserved, found 256", medmo::error);
  CHECK(a.mark() == 64);
  CHECK(a.take<float>(48) != nullptr);
  CHECK_THROWS_AS(a.take<char>(1), medmo::error);
}

TEST_CASE("arena: an empty one holds nothing, and nothing fits") {
  arena a;
  CHECK(a.take<float>(0) == nullptr);
  CHECK_THROWS_AS(a.take<float>(1), medmo::error);
}

TEST_CASE("arena: memory that cannot be had is an error and leaves an empty arena") {
  arena a;
  a.reserve(64);
  CHECK_THROWS_AS(a.reserve(std::size_t{1} << 60), medmo::error);
  CHECK(a.capacity() == 0);
  a.reserve(64);
  CHECK(a.take<char>(64) != nullptr);
}

TEST_CASE("arena: reserve keeps a block that is large enough") {
  arena a;
  a.reserve(1024);
  auto* p = a.take<char>(1);
  a.release(0);
  a.reserve(512);
  CHECK(a.capacity() == 1024);
  CHECK(a.take<char>(1) == p);
}
