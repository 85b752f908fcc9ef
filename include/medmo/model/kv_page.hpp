// Memory of one page of keys and values, shared between the caches that hold it and freed with the last.
// std::shared_ptr would do, but for one question it cannot answer to a thread that means to write: am I the only holder?
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI {

/// A handle; copies hold the same bytes. Several threads may use handles of their own on one page at once.
class kv_page {
 public:
  kv_page() = default;
  kv_page(kv_page const& o) : block_(o.block_) {
    if (block_) block_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  kv_page(kv_page&& o) noexcept : block_(std::exchange(o.block_, nullptr)) {}
  kv_page& operator=(kv_page o) noexcept {
    std::swap(block_, o.block_);
    return *this;
  }
  ~kv_page() {
    if (!block_ || block_->holders.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    block_->~block();
    std::free(block_);
  }

  /// `bytes` of zeros, 64-byte aligned. Errors: too_large.
  static kv_page make(std::size_t bytes) {
    void* memory = std::aligned_alloc(alignment, alignment + (bytes + alignment - 1) / alignment * alignment);
    if (!memory) MEDMO_THROW(errc::too_large, "KV cache", std::to_string(bytes) + " bytes of memory", "none left");
    kv_page page;
    page.block_ = new (memory) block;
    std::memset(page.bytes(), 0, bytes);
    return page;
  }

  std::byte* bytes() const { return reinterpret_cast<std::byte*>(block_) + alignment; }
  /// Then its bytes may be written. What other holders read before they let go has been read.
  bool alone() const { return block_->holders.load(std::memory_order_acquire) == 1; }

 private:
  static constexpr std::size_t alignment = 64;
  struct block {
    std::atomic<long> holders{1};
  };
  static_assert(sizeof(block) <= alignment);
  block* block_ = nullptr;
};

}  // namespace medmo::inline MEDMO_ABI
