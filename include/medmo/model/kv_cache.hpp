// The keys and values of one sequence, in pages of fixed size at absolute positions. Forks share what they have in common:
// whole pages for good, the last one until somebody writes.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "../kernels/kv_pages.hpp"
#include "kv_page.hpp"

namespace medmo::inline MEDMO_ABI {

/// Positions [0, length) are kept; what lies behind them in a page that nobody else holds is zero.
class kv_cache {
 public:
  kv_cache(kernels::kv_layout layout, index layers) : layout_(layout), layers_(layers) {
    table_.resize(static_cast<std::size_t>(layers));
  }
  kv_cache(kv_cache&&) noexcept = default;
  kv_cache& operator=(kv_cache&&) noexcept = default;

  static constexpr index page_tokens = kernels::kv_layout::page_tokens;
  kernels::kv_layout const& layout() const { return layout_; }
  index length() const { return length_; }
  index capacity() const { return static_cast<index>(pages_.size()) * page_tokens; }
  static constexpr index pages_for(index tokens) { return (tokens + page_tokens - 1) / page_tokens; }
  static constexpr index bytes_for(kernels::kv_layout const& layout, index layers, index tokens) {
    return pages_for(tokens) * page_bytes(layout, layers);
  }

  /// A cache with the same keys and values. Holds the same pages: nothing is copied before one of the two writes.
  kv_cache fork() const {
    kv_cache other(layout_, layers_);
    auto const kept = static_cast<std::ptrdiff_t>(pages_for(length_));
    other.pages_.assign(pages_.begin(), pages_.begin() + kept);
    for (std::size_t l = 0; l < table_.size(); ++l)
      other.table_[l].assign(table_[l].begin(), table_[l].begin() + kept);
    other.length_ = length_;
    other.stale_ = stale_;
    return other;
  }

  /// Makes room for `tokens` positions in all, where those from length() on may be written. The only call that allocates.
  /// Errors: too_large, the cache is then as it was.
  void reserve(index tokens) {
    if (tokens > length_ && length_ % page_tokens > 0) own_last();
    if (tokens <= capacity()) return;
    auto const count = static_cast<std::size_t>(pages_for(tokens));
    pages_.reserve(count);
    for (auto& shares : table_) shares.reserve(count);
    while (capacity() < tokens) {
      pages_.push_back(kv_page::make(static_cast<std::size_t>(page_bytes(layout_, layers_))));
      for (index l = 0; l < layers_; ++l)
        table_[static_cast<std::size_t>(l)].push_back(pages_.back().bytes() + l * padded(layout_.bytes()));
    }
  }

  /// This layer's share of every page.
  std::span<std::byte* const> pages(index layer) const { return table_[static_cast<std::size_t>(layer)]; }

  void advance(index tokens) { length_ += tokens; }
  /// Forgets everything from position `length` on; what was there is zeroed, lest a NaN outlive its prompt, or left to
  /// those who share it.
  void truncate(index length) {
    if (length >= length_) return;
    for (auto page = pages_for(length_); page-- > length / page_tokens;) {
      index const slot = std::max<index>(0, length - page * page_tokens);
      if (pages_[static_cast<std::size_t>(page)].alone())
        for (auto& shares : table_) clear(shares[static_cast<std::size_t>(page)], slot);
      else if (slot > 0)
        stale_ = true;
      else
        drop(page);
    }
    length_ = length;
  }

 private:
  /// The page that holds the last position becomes this cache's own, zero behind it.
  void own_last() {
    auto const at = static_cast<std::size_t>(length_ / page_tokens);
    if (!pages_[at].alone()) {
      auto const bytes = static_cast<std::size_t>(page_bytes(layout_, layers_));
      auto copy = kv_page::make(bytes);
      std::memcpy(copy.bytes(), pages_[at].bytes(), bytes);
      pages_[at] = std::move(copy);
      for (index l = 0; l < layers_; ++l) table_[static_cast<std::size_t>(l)][at] = pages_[at].bytes() + l * padded(layout_.bytes());
    }
    if (stale_)
      for (auto& shares : table_) clear(shares[at], length_ % page_tokens);
    stale_ = false;
  }

  void drop(index page) {
    pages_.erase(pages_.begin() + static_cast<std::ptrdiff_t>(page));
    for (auto& shares : table_) shares.erase(shares.begin() + static_cast<std::ptrdiff_t>(page));
  }

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
  bool stale_ = false;  // the last page was shared when it was cut: it is not zero behind length_
  std::vector<kv_page> pages_;
  std::vector<std::vector<std::byte*>> table_;
};

}  // namespace medmo::inline MEDMO_ABI
