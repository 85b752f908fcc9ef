// A bump allocator for activations: one block, taken and given back in stack order, that grows only between uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "error.hpp"
#include "matrix.hpp"

namespace medmo::inline MEDMO_ABI {

namespace detail {
/// Memory to be freed with std::free; large blocks ask for large pages, which spares the processor look-ups of addresses.
inline void* large_block(std::size_t alignment, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::size_t page = std::size_t{1} << 21;
  if (bytes >= 4 * page) {
    void* p = std::aligned_alloc(page, (bytes + page - 1) / page * page);
    if (p) ::madvise(p, bytes, MADV_HUGEPAGE);  // a wish: refusal changes nothing
    return p;
  }
#endif
  return std::aligned_alloc(alignment, bytes);
}
}  // namespace detail

/// Bytes from `reserve`; `take` never allocates. 64-byte aligned. Not for several threads at once.
class arena {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t padded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

  /// Makes room for `bytes` in all; must be empty. Keeps a larger block it already has.
  void reserve(std::size_t bytes) {
    MEDMO_ASSERT(used_ == 0);
    if (bytes <= capacity_) return;
    block_.reset();
    capacity_ = 0;
    auto* p = static_cast<std::byte*>(detail::large_block(alignment, padded(bytes)));
    if (!p) MEDMO_THROW(errc::too_large, "arena", std::to_string(bytes) + " bytes of memory", "none left");
    block_.reset(p);
    capacity_ = padded(bytes);
  }

  template <class T>
  T* take(index count) {
    std::size_t bytes = padded(static_cast<std::size_t>(count) * sizeof(T));
    if (bytes > capacity_ - used_)
      MEDMO_THROW(errc::too_large, "arena", std::to_string(used_ + bytes) + " bytes reserved", std::to_string(capacity_));
    auto* p = reinterpret_cast<T*>(block_.get() + used_);
    used_ += bytes;
    peak_ = peak_ < used_ ? used_ : peak_;
    return p;
  }

  std::size_t mark() const { return used_; }
  void release(std::size_t mark) { used_ = mark; }
  std::size_t capacity() const { return capacity_; }
  std::size_t peak() const { return peak_; }

 private:
  struct free_block { void operator()(std::byte* p) const { std::free(p); } };
  std::unique_ptr<std::byte, free_block> block_;
  std::size_t capacity_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI
