// Where keys and values lie: pages of 64 positions, each head's keys row by row, its values transposed, so that attention
// reads both as K-contiguous operands. Rows are padded with zeros to whole steps of the product kernels.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include "../core/dtype.hpp"
#include "../core/parallel.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// One layer's share of a page: keys [heads][64][key_width], then values [heads][value_rows][64].
struct kv_layout {
  static constexpr index page_tokens = 64;

  dtype type = dtype::f32;  ///< f32 or bf16
  index heads = 0, head_dim = 0;

  constexpr index key_width() const { return (head_dim + 31) / 32 * 32; }
  constexpr index value_rows() const { return (head_dim + 15) / 16 * 16; }
  constexpr index key_offset(index head) const { return head * page_tokens * key_width(); }  ///< elements
  constexpr index value_offset(index head) const {
    return heads * page_tokens * key_width() + head * value_rows() * page_tokens;
  }
  constexpr index elements() const { return heads * page_tokens * (key_width() + value_rows()); }
  constexpr index bytes() const { return elements() * static_cast<index>(size_of(type)); }
};

/// Writes keys and values of positions [first, first + T) into their pages, rounded to T_.
/// k, v [T, heads * head_dim]; pages[i] is this layer's share of page i, zeroed when it was new.
template <class T>
void store_keys_values(kv_layout const& layout, view<float> const& k, view<float> const& v,
                       std::span<std::byte* const> pages, index first) {
  index d = layout.head_dim;
  parallel_ranges(layout.heads, grain_for(2 * d * k.rows()), [&](index begin, index end) {
    for (index t = 0; t < k.rows(); ++t) {
      index position = first + t, slot = position % kv_layout::page_tokens;
      auto* page = reinterpret_cast<T*>(pages[static_cast<std::size_t>(position / kv_layout::page_tokens)]);
      for (index h = begin; h < end; ++h) {
        T* key = page + layout.key_offset(h) + slot * layout.key_width();
        T* value = page + layout.value_offset(h) + slot;
        float const* k_row = k.data() + t * k.outerStride() + h * d;
        float const* v_row = v.data() + t * v.outerStride() + h * d;
        for (index i = 0; i < d; ++i) key[i] = T(k_row[i]);
        for (index i = 0; i < d; ++i) value[i * kv_layout::page_tokens] = T(v_row[i]);
      }
    }
  });
}

}  // namespace medmo::inline MEDMO_ABI::kernels
