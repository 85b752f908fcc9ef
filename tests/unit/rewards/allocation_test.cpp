// The box reward of up to 32 boxes a side allocates nothing. Every list that grows beyond the stack goes through operator new.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <medmo/rewards/box.hpp>
#include <new>
#include <vector>

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

TEST_CASE("box_reward: nothing is allocated up to 32 boxes a side") {
  for (int n : {0, 1, 8, 32, 33}) {
    std::vector<medmo::box<medmo::norm1000>> boxes;
    for (int i = 0; i < n; ++i) boxes.push_back({7.0 * i, 3.0 * i, 7.0 * i + 50, 3.0 * i + 40});
    long before = allocations;
    double value = medmo::rewards::box_reward(boxes, boxes).value;
    long during = allocations - before;
    CHECK(value == doctest::Approx(1));
    CHECK((during == 0) == (n <= 32));
  }
}
