// Threads: a thin door to OpenMP that also compiles and runs without it. Loops split outputs, never sums.
#pragma once

#include <algorithm>
#include <atomic>

#include "matrix.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace medmo::inline MEDMO_ABI {

namespace detail {
inline std::atomic<int>& thread_slot() {
  static std::atomic<int> slot{0};
  return slot;
}
}  // namespace detail

/// Threads that parallel loops use; 0 (the default) means all the machine offers.
inline void set_thread_count(int threads) { detail::thread_slot().store(std::max(0, threads)); }

inline int thread_count() {
#if defined(_OPENMP)
  int wanted = detail::thread_slot().load(std::memory_order_relaxed);
  return wanted > 0 ? wanted : omp_get_max_threads();
#else
  return 1;
#endif
}

/// The number of this thread inside a parallel loop, 0 .. thread_count() - 1.
inline int thread_index() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

/// f(i) for i in [0, n), handed out one by one. Each i must write its own outputs only.
template <class F>
void parallel_for(index n, F&& f) {
#if defined(_OPENMP)
  int threads = static_cast<int>(std::min<index>(thread_count(), n));
  if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (index i = 0; i < n; ++i) f(i);
    return;
  }
#endif
  for (index i = 0; i < n; ++i) f(i);
}

/// f(begin, end) over [0, n) in pieces of `grain` (the last may be shorter).
template <class F>
void parallel_ranges(index n, index grain, F&& f) {
  index pieces = (n + grain - 1) / grain;
  parallel_for(pieces, [&](index p) { f(p * grain, std::min(n, (p + 1) * grain)); });
}

}  // namespace medmo::inline MEDMO_ABI
