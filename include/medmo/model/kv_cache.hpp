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
  /// Forgets everything from position `length` on; what was there is zeroed, lest a NaN outlive its prompt.
  void truncate(index length) {
    for (index at = length; at < length_; at = (at / page_tokens + 1) * page_tokens)
      for (index l = 0; l < layers_; ++l)
        clear(table_[static_cast<std::size_t>(l)][static_cast<std::size_t>(at / page_tokens)], at % page_tokens);
    length_ = std::min(length_, length);
  }

 private:
  /// Zeroes one layer's share of a page from `slot` on.
  void clear(std::byte* share, index slot) const {
    auto size = static_cast<index>(size_of(layout_.type));
    auto zero = [&](index begin, index count) {
      std::memset(share + begin * size, 0, static_cast<std::size_t>(count * size));
    };
    for (index h = 0; h < layout_.heads; ++h) {
      zero(layout_.key_offset(h) + slot * layout_.key_width(), (page_tokens - slot) * layout_.key_width());
      for (index i = 0; i < layout_.value_rows(); ++i)
        zero(layout_.value_offset(h) + i * page_tokens + slot, page_tokens - slot);
    }
  }

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
