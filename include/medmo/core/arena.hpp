// A bump allocator for activations: memory taken and given back in stack order, of a size reserved before or grown once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

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

/// What an arena does when the reserved bytes are used up.
enum class arena_growth {
  refuse,  ///< throw: the need is known before (model/counter.hpp)
  extend   ///< take another block; the next `rewind` makes one of them, so a second run of the same shape allocates nothing
};

/// Bytes from `reserve`; `take` never allocates, unless the arena may extend. 64-byte aligned; what was taken never moves.
/// Not for several threads at once.
class arena {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t padded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

  explicit arena(arena_growth growth = arena_growth::refuse) : growth_(growth) {}

  /// Makes room for `bytes` in all; must be empty. Keeps a larger block it already has.
  void reserve(std::size_t bytes) {
    MEDMO_ASSERT(used_ == 0);
    if (bytes <= capacity()) return;
    blocks_.clear();
    current_ = 0;
    add_block(padded(bytes));
  }

  template <class T>
  T* take(index count) {
    std::size_t bytes = padded(static_cast<std::size_t>(count) * sizeof(T));
    if (bytes > left()) extend(bytes);
    if (blocks_.empty()) return nullptr;  // nothing of nothing
    auto* p = reinterpret_cast<T*>(blocks_[current_].memory.get() + (used_ - blocks_[current_].begin));
    used_ += bytes;
    peak_ = peak_ < used_ ? used_ : peak_;
    return p;
  }

  std::size_t mark() const { return used_; }
  void release(std::size_t mark) {
    while (current_ > 0 && mark < blocks_[current_].begin) --current_;
    used_ = mark;  // last: before the loop, g++ 12 drops this store where an exception passes through
  }
  /// Gives everything back; several blocks become one of their size.
  void rewind() {
    release(0);
    if (blocks_.size() > 1) reserve(capacity() + 1);
  }
  std::size_t capacity() const { return blocks_.empty() ? 0 : blocks_.back().begin + blocks_.back().size; }
  std::size_t peak() const { return peak_; }

 private:
  struct free_block { void operator()(std::byte* p) const { std::free(p); } };
  struct block {
    std::unique_ptr<std::byte, free_block> memory;
    std::size_t begin = 0, size = 0;  // `begin`: bytes of the blocks before
  };

  std::size_t left() const { return blocks_.empty() ? 0 : blocks_[current_].begin + blocks_[current_].size - used_; }

  void add_block(std::size_t bytes) {
    auto* p = static_cast<std::byte*>(detail::large_block(alignment, bytes));
    if (!p) MEDMO_THROW(errc::too_large, "arena", std::to_string(bytes) + " bytes of memory", "none left");
    blocks_.push_back({std::unique_ptr<std::byte, free_block>(p), capacity(), bytes});
  }

  /// Moves on to a block that has `bytes`; what is left of this one stays unused.
  void extend(std::size_t bytes) {
    if (growth_ == arena_growth::refuse)
      MEDMO_THROW(errc::too_large, "arena", std::to_string(used_ + bytes) + " bytes reserved", std::to_string(capacity()));
    while (current_ + 1 < blocks_.size()) {  // blocks of an earlier use
      used_ = blocks_[++current_].begin;
      if (bytes <= left()) return;
    }
    constexpr std::size_t least = std::size_t{1} << 22;
    add_block(std::max({bytes, least, padded(capacity() / 4)}));
    current_ = blocks_.size() - 1;
    used_ = blocks_[current_].begin;
  }

  arena_growth growth_;
  std::vector<block> blocks_;
  std::size_t current_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI
