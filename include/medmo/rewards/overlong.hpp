// Soft overlong punishment: no cost up to a length, then rising to -1 at the limit.
// Source: DAPO, arXiv 2503.14476, equation 13; most likely what MedMO's "soft overlap" punishment is.
#pragma once

#include <string>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::rewards {

/// Lengths in tokens of a completion; DAPO's numbers.
struct overlong_options {
  index max_length = 20480;  ///< L_max
  index cache = 4096;        ///< L_cache: over how many tokens before L_max the punishment rises; 0: a step
};

/// -1..0.
///   0                           n <= L_max - L_cache
///   (L_max - L_cache - n) / L_cache   up to L_max
///   -1                          beyond
/// Errors: bad_argument for a negative length, or a cache not in 0..max_length.
inline double soft_overlong(index tokens, overlong_options const& o = {}) {
  if (tokens < 0) MEDMO_THROW(errc::bad_argument, "tokens", "a length", std::to_string(tokens));
  if (o.cache < 0 || o.cache > o.max_length)
    MEDMO_THROW(errc::bad_argument, "cache", "0.." + std::to_string(o.max_length), std::to_string(o.cache));
  index free = o.max_length - o.cache;
  if (tokens <= free) return 0;
  if (tokens > o.max_length) return -1;
  return static_cast<double>(free - tokens) / static_cast<double>(o.cache);
}

}  // namespace medmo::inline MEDMO_ABI::rewards
