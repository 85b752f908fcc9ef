// Byte pair encoding: tokens as byte strings, merges as (left, right) -> (rank, result), and the merging of one piece.
// The pair of lowest rank merges first, the leftmost of equals: a priority queue over a linked list, so a piece of n
// bytes costs n log n whatever it holds. Ids are dense from 0. Knows neither files, nor added tokens, nor how text becomes pieces.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// Two tokens that become one.
struct merge {
  index left = 0, right = 0, result = 0;
};

class byte_pairs {
 public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  static constexpr index max_tokens = index{1} << 24;
  static constexpr std::size_t max_token_bytes = std::size_t{1} << 16;
  static constexpr std::size_t max_piece_bytes = std::size_t{1} << 31;

  byte_pairs() { single_.fill(none); }

  index size() const { return static_cast<index>(end_.size()); }
  index merge_count() const { return static_cast<index>(merges_.size()); }

  /// Bytes of token `id`, 0 <= id < size().
  std::string_view bytes(index id) const {
    auto i = static_cast<std::size_t>(id);
    std::size_t begin = i == 0 ? 0 : end_[i - 1];
    return std::string_view(pool_).substr(begin, end_[i] - begin);
  }
  /// Token of one byte, or none.
  std::uint32_t single(unsigned char byte) const { return single_[byte]; }

  /// Appends a token; its id is the size before. Throws errc::bad_format for an empty or second token of one byte,
  /// errc::too_large beyond the limits above.
  void add_token(std::string_view bytes, std::string_view where) {
    auto name = [&] { return std::string(where) + ", token " + std::to_string(size()); };
    if (bytes.empty()) MEDMO_THROW(errc::bad_format, name(), "a token of at least one byte", "none");
    if (bytes.size() > max_token_bytes || size() >= max_tokens)
      MEDMO_THROW(errc::too_large, name(), "at most 2^24 tokens of at most 2^16 bytes", "more");
    if (bytes.size() > std::numeric_limits<std::uint32_t>::max() - pool_.size())
      MEDMO_THROW(errc::too_large, name(), "at most 4 GiB of tokens", "more");
    if (bytes.size() == 1) {
      auto& own = single_[static_cast<unsigned char>(bytes[0])];
      if (own != none)
        MEDMO_THROW(errc::bad_format, name(), "every token once", "the byte of token " + std::to_string(own));
      own = static_cast<std::uint32_t>(size());
    }
    pool_.append(bytes);
    end_.push_back(static_cast<std::uint32_t>(pool_.size()));
  }

  /// Appends a merge; its rank is the number of merges before. Throws errc::bad_format unless the three ids are tokens,
  /// the result's bytes are the two others', and the pair is new.
  void add_merge(merge m, std::string_view where) {
    auto name = [&] { return std::string(where) + ", merge " + std::to_string(merges_.size()); };
    for (index id : {m.left, m.right, m.result})
      if (id < 0 || id >= size())
        MEDMO_THROW(errc::bad_format, name(), "ids below " + std::to_string(size()), "id " + std::to_string(id));
    auto left = bytes(m.left), right = bytes(m.right), whole = bytes(m.result);
    if (whole.size() != left.size() + right.size() || !whole.starts_with(left) || !whole.ends_with(right))
      MEDMO_THROW(errc::bad_format, name(), "a token that joins the two", "token " + std::to_string(m.result));
    if (slots_.size() < 16 || merges_.size() > slots_.size() / 3 * 2) grow();
    auto& free = slot_of(key_of(m.left, m.right));
    if (free.rank != none)
      MEDMO_THROW(errc::bad_format, name(), "every pair once", "the pair of merge " + std::to_string(free.rank));
    free = {key_of(m.left, m.right), static_cast<std::uint32_t>(merges_.size()), static_cast<std::uint32_t>(m.result)};
    merges_.push_back(free.key);
  }

  /// The merge of rank `rank`, 0 <= rank < merge_count().
  merge merge_at(index rank) const {
    auto key = merges_[static_cast<std::size_t>(rank)];
    return {static_cast<index>(key >> 32), static_cast<index>(key & 0xFFFFFFFF), static_cast<index>(find(key)->result)};
  }

  /// Working memory of encode; reuse it to save allocations.
  struct workspace {
    struct node {
      std::uint32_t id, previous, next, rank, result;  // rank, result: of the merge with the next node
    };
    std::vector<node> nodes;
    // Pairs to merge as rank << 32 | position: a sorted list that is walked, and a heap of those found meanwhile, which
    // becomes the next list. A run of one letter is then walked in order instead of being sifted through a heap.
    std::vector<std::uint64_t> ready, heap;
  };

  /// Appends the ids of one piece to `out`. Every byte has a token (the tokenizer checks that once);
  /// piece.size() <= max_piece_bytes. Source: arXiv 1508.07909, over bytes.
  void encode(std::string_view piece, workspace& w, std::vector<index>& out) const {
    if (piece.empty()) return;
    if (piece.size() == 1) {
      out.push_back(static_cast<index>(single(static_cast<unsigned char>(piece[0]))));
      return;
    }
    auto size = static_cast<std::uint32_t>(piece.size());
    auto& nodes = w.nodes;
    nodes.resize(size);
    w.heap.clear();
    auto update = [&](std::uint32_t at) {
      auto& n = nodes[at];
      n.rank = none;
      if (n.next == none) return false;
      auto found = find(key_of(n.id, nodes[n.next].id));
      if (!found) return false;
      n.rank = found->rank;
      n.result = found->result;
      w.heap.push_back(std::uint64_t{n.rank} << 32 | at);
      return true;
    };
    for (std::uint32_t i = 0; i < size; ++i)
      nodes[i] = {single(static_cast<unsigned char>(piece[i])), i - 1, i + 1 < size ? i + 1 : none, none, none};
    for (std::uint32_t i = 0; i < size; ++i) update(i);
    w.ready.clear();
    for (std::size_t next = 0;;) {
      if (next == w.ready.size()) {
        if (w.heap.empty()) break;
        w.ready.swap(w.heap);
        w.heap.clear();
        if (!std::is_sorted(w.ready.begin(), w.ready.end())) std::sort(w.ready.begin(), w.ready.end());
        next = 0;
      }
      std::uint64_t best = w.ready[next];
      if (!w.heap.empty() && w.heap.front() < best) {
        best = w.heap.front();
        std::pop_heap(w.heap.begin(), w.heap.end(), std::greater<>());
        w.heap.pop_back();
      } else {
        ++next;
      }
      auto at = static_cast<std::uint32_t>(best & 0xFFFFFFFF);
      auto& n = nodes[at];
      if (n.rank != static_cast<std::uint32_t>(best >> 32)) continue;  // the pair is gone
      auto& gone = nodes[n.next];
      n.id = n.result;
      n.next = gone.next;
      gone.rank = none;
      if (n.next != none) nodes[n.next].previous = at;
      if (update(at)) std::push_heap(w.heap.begin(), w.heap.end(), std::greater<>());
      if (n.previous != none && update(n.previous)) std::push_heap(w.heap.begin(), w.heap.end(), std::greater<>());
    }
    for (std::uint32_t i = 0; i != none; i = nodes[i].next) out.push_back(static_cast<index>(nodes[i].id));
  }

 private:
  struct slot {
    std::uint64_t key = 0;
    std::uint32_t rank = none, result = none;  // rank none: empty
  };
  static std::uint64_t key_of(index left, index right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
  }

  /// Open addressing with linear probing; at least a third of the slots is empty, so every search ends.
  std::size_t probe(std::uint64_t key) const {
    std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
    while (slots_[at].rank != none && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }
  slot& slot_of(std::uint64_t key) { return slots_[probe(key)]; }
  slot const* find(std::uint64_t key) const {
    if (slots_.empty()) return nullptr;
    auto const& s = slots_[probe(key)];
    return s.rank == none ? nullptr : &s;
  }
  void grow() {
    std::vector<slot> old(std::max<std::size_t>(16, slots_.size() * 2));
    old.swap(slots_);
    for (auto const& s : old)
      if (s.rank != none) slot_of(s.key) = s;
  }

  std::string pool_;                   // the bytes of all tokens
  std::vector<std::uint32_t> end_;     // where each token ends in the pool
  std::vector<std::uint64_t> merges_;  // keys by rank
  std::vector<slot> slots_;
  std::array<std::uint32_t, 256> single_{};
};

}  // namespace medmo::inline MEDMO_ABI::text
