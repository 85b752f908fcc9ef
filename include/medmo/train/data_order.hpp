// Which rows make which step: a shuffle that is a pure function of seed and epoch, batches of rows of like length, and the
// share of one rank. Nothing is stored but a cursor of two numbers, so a run goes on anywhere. Knows no files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "../core/random.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// A shuffle of 0 .. n-1 that is computed place by place: four rounds of a Feistel network over the next even number of
/// bits, walked until the value lies below n. Source: Black and Rogaway, CT-RSA 2002 (cycle walking).
class permutation {
 public:
  permutation(index n, std::uint64_t seed, std::uint64_t stream) : random_(seed, stream), n_(static_cast<std::uint64_t>(n)) {
    while (half_ < 32 && (std::uint64_t{1} << (2 * half_)) < n_) ++half_;
  }
  /// 0 <= i < n.
  index operator()(index i) const {
    auto x = static_cast<std::uint64_t>(i);
    do x = once(x);
    while (x >= n_);
    return static_cast<index>(x);
  }

 private:
  std::uint64_t once(std::uint64_t x) const {
    std::uint64_t const mask = (std::uint64_t{1} << half_) - 1;
    std::uint64_t left = x >> half_, right = x & mask;
    for (std::uint64_t round = 0; round < 4; ++round)
      left = std::exchange(right, left ^ (random_.bits(round << 32 | right) & mask));
    return left << half_ | right;
  }
  random_stream random_;
  std::uint64_t n_;
  int half_ = 1;
};

/// The next step's place in the data.
struct data_cursor {
  index epoch = 0, batch = 0;
  friend bool operator==(data_cursor const&, data_cursor const&) = default;
};

enum class batch_lengths {
  mixed,    ///< rows as the shuffle gives them
  bucketed  ///< rows of like length together, within windows of 64 batches; batches are shuffled again
};

struct order_options {
  std::uint64_t seed = 0;
  index batch = 1;  ///< rows of one step, of all ranks together
  batch_lengths lengths = batch_lengths::mixed;
  index rank = 0, ranks = 1;
};

class data_order {
 public:
  /// lengths[i]: of row i, in any unit; read only where rows are bucketed, and must outlive this.
  /// Errors: bad_argument (no rows; a batch or rank that cannot be).
  data_order(std::span<std::uint32_t const> lengths, order_options const& options) : lengths_(lengths), options_(options) {
    if (lengths.empty()) MEDMO_THROW(errc::bad_argument, "training data", "at least one good row", "none");
    if (options.batch < 1) MEDMO_THROW(errc::bad_argument, "training data: batch", "a number above 0", std::to_string(options.batch));
    if (options.ranks < 1 || options.rank < 0 || options.rank >= options.ranks)
      MEDMO_THROW(errc::bad_argument, "training data: rank", "0 .. " + std::to_string(options.ranks - 1), std::to_string(options.rank));
  }

  index rows() const { return static_cast<index>(lengths_.size()); }
  /// The last batch of an epoch may be smaller.
  index batches_per_epoch() const { return (rows() - 1) / options_.batch + 1; }
  data_cursor next(data_cursor const& c) const {
    return c.batch + 1 < batches_per_epoch() ? data_cursor{c.epoch, c.batch + 1} : data_cursor{c.epoch + 1, 0};
  }
  order_options const& options() const { return options_; }

  /// The rows of a batch, every `ranks`-th of them, from `rank` on: together the ranks have each row of it once. May be none
  /// in a small last batch. Errors: bad_argument for a cursor outside the data.
  std::vector<index> at(data_cursor const& c) const {
    if (c.epoch < 0 || c.batch < 0 || c.batch >= batches_per_epoch())
      MEDMO_THROW(errc::bad_argument, "training data: batch", "below " + std::to_string(batches_per_epoch()), std::to_string(c.batch));
    auto const all = options_.lengths == batch_lengths::mixed ? shuffled(c) : bucketed(c);
    std::vector<index> mine;
    for (auto i = static_cast<std::size_t>(options_.rank); i < all.size(); i += static_cast<std::size_t>(options_.ranks)) mine.push_back(all[i]);
    return mine;
  }

 private:
  static constexpr index window_batches = 64;

  std::vector<index> range(index epoch, index first, index last) const {
    permutation const shuffle(rows(), options_.seed, stream_of("rows") + static_cast<std::uint64_t>(epoch));
    std::vector<index> out;
    for (index i = first; i < std::min(last, rows()); ++i) out.push_back(shuffle(i));
    return out;
  }
  std::vector<index> shuffled(data_cursor const& c) const {
    index const first = c.batch * options_.batch;  // below rows() and hence no overflow
    return range(c.epoch, first, first + std::min(options_.batch, rows() - first));
  }
  /// The window's rows by length, cut into batches; the batch that place c.batch of the window's own shuffle names. A short
  /// batch stays at the end, so that an epoch has the same steps in either order.
  std::vector<index> bucketed(data_cursor const& c) const {
    index const window = c.batch / window_batches, first_batch = window * window_batches;
    index const first = first_batch * options_.batch;
    index const size = std::min(window_batches * std::min(options_.batch, rows()), rows() - first);
    auto all = range(c.epoch, first, first + size);
    std::stable_sort(all.begin(), all.end(), [&](index a, index b) { return length(a) < length(b); });
    index const whole = size / options_.batch;
    index place = c.batch - first_batch;
    if (place < whole)
      place = permutation(whole, options_.seed, stream_of("batches") + static_cast<std::uint64_t>(c.epoch * 1000003 + window))(place);
    auto const begin = all.begin() + place * options_.batch;
    return {begin, begin + std::min(options_.batch, static_cast<index>(all.end() - begin))};
  }
  std::uint32_t length(index row) const { return lengths_[static_cast<std::size_t>(row)]; }

  std::span<std::uint32_t const> lengths_;
  order_options options_;
};

/// The most samples that may go through a pass together so that no pass of the batch, cut in order, has more than `limit`
/// tokens (one longer sample goes alone). At least 1.
inline index samples_per_pass(std::span<index const> tokens, index limit) {
  auto fits = [&](std::size_t n) {
    for (std::size_t at = 0; at < tokens.size(); at += n) {
      auto const piece = tokens.subspan(at, std::min(n, tokens.size() - at));
      if (std::accumulate(piece.begin(), piece.end(), index{0}) > limit) return false;
    }
    return true;
  };
  for (std::size_t n = tokens.size(); n > 1; --n)
    if (fits(n)) return static_cast<index>(n);
  return 1;
}

}  // namespace medmo::inline MEDMO_ABI::train
