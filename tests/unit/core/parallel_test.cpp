// Parallel loops: every index once, whatever the number of threads; nested loops run in one thread.
#include "medmo/core/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

namespace {
struct threads {  // of the scope
  explicit threads(int n) { medmo::set_thread_count(n); }
  ~threads() { medmo::set_thread_count(0); }
};
}  // namespace

TEST_CASE("parallel: every index exactly once") {
  for (int t : {1, 2, 3, 8})
    for (medmo::index n : {0, 1, 2, 7, 1000}) {
      CAPTURE(t);
      CAPTURE(n);
      threads scope{t};
      std::vector<int> seen(static_cast<std::size_t>(n));
      medmo::parallel_for(n, [&](medmo::index i) { ++seen[static_cast<std::size_t>(i)]; });
      CHECK(seen == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
}

TEST_CASE("parallel: ranges tile [0, n), the last may be shorter") {
  for (int t : {1, 3})
    for (medmo::index n : {0, 1, 9, 10, 11, 100})
      for (medmo::index grain : {1, 3, 10, 1000}) {
        CAPTURE(n);
        CAPTURE(grain);
        threads scope{t};
        std::vector<int> seen(static_cast<std::size_t>(n));
        std::atomic<int> too_long{0};
        medmo::parallel_ranges(n, grain, [&](medmo::index begin, medmo::index end) {
          if (begin >= end || end - begin > grain) ++too_long;
          for (medmo::index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        CHECK(seen == std::vector<int>(static_cast<std::size_t>(n), 1));
        CHECK(too_long == 0);
      }
}

TEST_CASE("parallel: a loop within a loop covers everything") {
  threads scope{4};
  std::vector<int> seen(35);
  medmo::parallel_for(5, [&](medmo::index i) {
    medmo::parallel_for(7, [&](medmo::index j) { ++seen[static_cast<std::size_t>(i * 7 + j)]; });
  });
  CHECK(seen == std::vector<int>(35, 1));
}

TEST_CASE("parallel: thread count") {
  threads scope{5};
#ifdef _OPENMP
  CHECK(medmo::thread_count() == 5);
  std::atomic<int> highest{0};
  medmo::parallel_for(100, [&](medmo::index) {
    if (omp_get_num_threads() > highest) highest = omp_get_num_threads();
  });
  CHECK(highest <= 5);
  CHECK(highest > 1);
#else
  CHECK(medmo::thread_count() == 1);
#endif
  medmo::set_thread_count(-3);
  CHECK(medmo::thread_count() >= 1);
}
