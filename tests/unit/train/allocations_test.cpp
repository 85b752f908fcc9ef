// The counter of allocations (allocations.hpp), and that it counts.
#include "allocations.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // these pairs match: g++ sees one of them inlined
#endif

namespace {
std::atomic<long> count{0};
void* counted(std::size_t size, std::size_t alignment) {
  ++count;
  if (void* p = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t n) { return counted(n, 16); }
void* operator new[](std::size_t n) { return counted(n, 16); }
void* operator new(std::size_t n, std::align_val_t a) { return counted(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return counted(n, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

long train_tests::allocations() { return count; }

TEST_CASE("allocations: each is counted") {
  long const before = train_tests::allocations();
  std::vector<int> grown(static_cast<std::size_t>(before) % 2 + 100);  // of a size that no compiler knows
  CHECK(grown.back() == 0);
  CHECK(train_tests::allocations() == before + 1);
}
