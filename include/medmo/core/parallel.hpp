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

namespace detail {
inline int& worker_slot() {
  thread_local int worker = 0;
  return worker;
}
}  // namespace detail

/// The number of this thread inside a parallel_for, 0 .. thread_count() - 1; 0 outside. Threads that the application made
/// itself all see 0: each has scratch of its own.
inline int thread_index() { return detail::worker_slot(); }

/// f(i) for i in [0, n), handed out one by one. Each i must write its own outputs only. Inside another parallel region the
/// loop runs on the calling thread.
template <class F>
void parallel_for(index n, F&& f) {
#if defined(_OPENMP)
  int threads = static_cast<int>(std::min<index>(thread_count(), n));
  if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
    {
      detail::worker_slot() = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
      for (index i = 0; i < n; ++i) f(i);
      detail::worker_slot() = 0;
    }
    return;
  }
#endif
  for (index i = 0; i < n; ++i) f(i);
}

/// How many items of `work` operations each make a piece worth handing to another thread.
constexpr index grain_for(index work) { return std::max<index>(1, (index{1} << 17) / std::max<index>(1, work)); }

/// f(begin, end) over [0, n) in pieces of `grain` (the last may be shorter).
template <class F>
void parallel_ranges(index n, index grain, F&& f) {
  index pieces = (n + grain - 1) / grain;
  parallel_for(pieces, [&](index p) { f(p * grain, std::min(n, (p + 1) * grain)); });
}

}  // namespace medmo::inline MEDMO_ABI
