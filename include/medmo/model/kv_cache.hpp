// The keys and values of one sequence, in pages of fixed size at absolute positions.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../kernels/kv_pages.hpp"

namespace medmo::inline MEDMO_ABI {

/// Pages are zeroed when new and may be shared between sequences as long as nobody writes.
class kv_cache {
 public:
  kv_cache(kernels::kv_layout layout, index layers) : layout_(layout), layers_(layers) {
    table_.resize(static_cast<std::size_t>(layers));
  }

  static constexpr index page_tokens = kernels::kv_layout::page_tokens;
  kernels::kv_layout const& layout() const { return layout_; }
  index length() const { return length_; }
  index capacity() const { return static_cast<index>(pages_.size()) * page_tokens; }
  static constexpr index bytes_for(kernels::kv_layout const& layout, index layers, index tokens) {
    return (tokens + page_tokens - 1) / page_tokens * page_bytes(layout, layers);
  }

  /// Makes room for `tokens` positions in all. The only call that allocates.
  void reserve(index tokens) {
    while (capacity() < tokens) {
      auto bytes = static_cast<std::size_t>(page_bytes(layout_, layers_));
      auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
      if (!memory) MEDMO_THROW(errc::too_large, "KV cache", std::to_string(bytes) + " bytes of memory", "none left");
      std::memset(memory, 0, bytes);
      pages_.emplace_back(memory, [](std::byte* p) { std::free(p); });
      for (index l = 0; l < layers_; ++l)
        table_[static_cast<std::size_t>(l)].push_back(memory + l * padded(layout_.bytes()));
    }
  }

  /// This layer's share of every page.
  std::span<std::byte* const> pages(index layer) const { return table_[static_cast<std::size_t>(layer)]; }

  void advance(index tokens) { length_ += tokens; }
  /// Forgets everything from position `length` on.
  void truncate(index length) { length_ = std::min(length_, length); }

 private:
  static constexpr index padded(index bytes) { return (bytes + 63) / 64 * 64; }
  static constexpr index page_bytes(kernels::kv_layout const& layout, index layers) {
    return layers * padded(layout.bytes());
  }

  kernels::kv_layout layout_;
  index layers_, length_ = 0;
  std::vector<std::shared_ptr<std::byte>> pages_;
  std::vector<std::vector<std::byte*>> table_;
};

}  // namespace medmo::inline MEDMO_ABI
