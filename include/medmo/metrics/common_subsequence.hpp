// Longest common subsequences of two texts given as numbers (numbering.hpp).
// Source of the length: bit-parallel dynamic programming, Hyyro, AWOCA 2004; 64 cells of the table a step.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "numbering.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Largest |a| * |b|: beyond, it is an error rather than minutes or gigabytes.
inline constexpr std::size_t max_subsequence_cells = std::size_t{1} << 32;
inline constexpr std::size_t max_subsequence_table = std::size_t{1} << 27;

namespace subsequence_detail {
inline void check(std::size_t a, std::size_t b, std::size_t most) {
  if (b != 0 && a > most / b)
    MEDMO_THROW(errc::too_large, "longest common subsequence", "at most " + std::to_string(most) + " pairs of words",
                std::to_string(a) + " x " + std::to_string(b));
}
}  // namespace subsequence_detail

/// Length of the longest common subsequence. Time |a||b|/64, memory |a| + |b|.
/// Errors: too_large for more than max_subsequence_cells pairs.
inline std::size_t common_subsequence_length(std::span<number const> a, std::span<number const> b) {
  subsequence_detail::check(a.size(), b.size(), max_subsequence_cells);
  if (a.empty() || b.empty()) return 0;
  number largest = 0;
  for (number id : a) largest = std::max(largest, id);
  std::vector<number> last(std::size_t{largest} + 1, no_number), before(a.size());  // places of each word, linked
  for (std::size_t i = 0; i < a.size(); ++i) before[i] = std::exchange(last[a[i]], static_cast<number>(i));

  std::size_t const blocks = (a.size() + 63) / 64;
  std::vector<std::uint64_t> row(blocks, ~std::uint64_t{0}), places(blocks, 0);
  for (number id : b) {
    if (id > largest || last[id] == no_number) continue;  // not in a: the row stays
    for (number i = last[id]; i != no_number; i = before[i]) places[i / 64] |= std::uint64_t{1} << (i % 64);
    std::uint64_t carry = 0;
    for (std::size_t k = 0; k < blocks; ++k) {
      std::uint64_t const v = row[k], u = v & places[k], partial = v + u, sum = partial + carry;
      carry = static_cast<std::uint64_t>(partial < v) | static_cast<std::uint64_t>(sum < partial);
      row[k] = sum | (v & ~places[k]);
      places[k] = 0;
    }
  }
  std::size_t length = 0;
  for (std::size_t k = 0; k < blocks; ++k) {
    std::size_t const used = std::min<std::size_t>(64, a.size() - 64 * k);
    std::uint64_t const mask = used == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << used) - 1;
    length += static_cast<std::size_t>(std::popcount(~row[k] & mask));
  }
  return length;
}

/// Which of several equally long subsequences is read out of the table, from the end: the one that steps back in `a`, or the
/// one that steps back in `b`, where both ways are as good. Unions of subsequences depend on it.
enum class subsequence_tie { step_in_a, step_in_b };

/// Places in `a` of one longest common subsequence, from the last to the first. Time and bytes |a||b|.
/// Errors: too_large for more than max_subsequence_table pairs.
inline std::vector<std::size_t> common_subsequence(std::span<number const> a, std::span<number const> b,
                                                   subsequence_tie tie) {
  subsequence_detail::check(a.size(), b.size(), max_subsequence_table);
  enum step : unsigned char { both, in_a, in_b };
  std::vector<unsigned char> steps(a.size() * b.size());
  std::vector<number> above(b.size() + 1, 0), here(b.size() + 1, 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    unsigned char* out = steps.data() + i * b.size();
    for (std::size_t j = 0; j < b.size(); ++j) {
      number const up = above[j + 1], left = here[j];
      bool const same = a[i] == b[j];
      bool const back_in_a = tie == subsequence_tie::step_in_a ? up >= left : up > left;
      here[j + 1] = same ? above[j] + 1 : std::max(up, left);
      out[j] = same ? both : back_in_a ? in_a : in_b;
    }
    std::swap(above, here);
  }
  std::vector<std::size_t> found;
  for (std::size_t i = a.size(), j = b.size(); i > 0 && j > 0;) {
    unsigned char const s = steps[(i - 1) * b.size() + j - 1];
    if (s == both) found.push_back(i - 1);
    i -= s != in_b;
    j -= s != in_a;
  }
  return found;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
