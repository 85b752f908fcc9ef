// Words and n-grams as small integers: equal things get equal numbers 0, 1, 2 ... in the order of their first appearance, so
// that counting is indexing. Exact: an n-gram is the pair of its beginning's number and its last word's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/random.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

using number = std::uint32_t;
inline constexpr number no_number = ~number{0};

/// Key: std::string_view (the texts must outlive the numbering), std::string (copies them) or std::uint64_t.
template <class Key>
class numbering {
  using argument = std::conditional_t<std::is_integral_v<Key>, Key, std::string_view>;

 public:
  explicit numbering(std::size_t expected = 0) {
    std::size_t size = 16;
    while (size < 2 * expected) size *= 2;
    slots_.assign(size, 0);
    keys_.reserve(expected);
  }

  /// The key's number; a new one if it was never seen.
  number operator()(argument key) {
    if (2 * (keys_.size() + 1) > slots_.size()) grow();
    std::size_t const at = place(key);
    if (slots_[at] == 0) {
      keys_.emplace_back(key);
      slots_[at] = static_cast<number>(keys_.size());
    }
    return slots_[at] - 1;
  }
  /// The key's number, or no_number.
  number find(argument key) const { return slots_[place(key)] - 1; }
  std::size_t size() const { return keys_.size(); }

 private:
  static std::uint64_t hash(argument key) {
    if constexpr (std::is_integral_v<Key>)
      return mix64(key);
    else
      return mix64(stream_of(key));
  }
  std::size_t place(argument key) const {
    std::size_t const mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(hash(key)) & mask;
    while (slots_[at] != 0 && keys_[slots_[at] - 1] != key) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    slots_.assign(2 * slots_.size(), 0);
    for (std::size_t i = 0; i < keys_.size(); ++i) slots_[place(keys_[i])] = static_cast<number>(i + 1);
  }

  std::vector<number> slots_;  // number + 1; 0 is free; a power of two of them, at most half in use
  std::vector<Key> keys_;
};

/// The numbers of a text's words; new words become known.
template <class Key>
std::vector<number> numbers_of(std::span<std::string const> text, numbering<Key>& known) {
  std::vector<number> out(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) out[i] = known(text[i]);
  return out;
}

constexpr std::uint64_t pair_of(number first, number last) { return (std::uint64_t{first} << 32) | last; }

/// grams: the n-grams of a text whose words are `text`, in order; becomes its (n+1)-grams.
inline void lengthen(std::vector<number>& grams, std::span<number const> text, numbering<std::uint64_t>& known) {
  if (grams.empty()) return;
  std::size_t const n = text.size() - grams.size() + 1;
  grams.pop_back();
  for (std::size_t i = 0; i < grams.size(); ++i) grams[i] = known(pair_of(grams[i], text[i + n]));
}

}  // namespace medmo::inline MEDMO_ABI::metrics
