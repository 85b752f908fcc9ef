// A pass through the decoder runs over rows of several sequences, one after the other. An engine knows where each begins;
// the architecture does not: everything but attention is row by row.
#pragma once

#include "kv_cache.hpp"

namespace medmo::inline MEDMO_ABI {

/// The next `rows` rows of a pass go behind what `cache` holds. No cache serves two segments of one pass.
struct segment {
  kv_cache* cache = nullptr;
  index rows = 0;
};

/// The same without a cache, for counting: rows behind `first` tokens.
struct segment_size {
  index first = 0, rows = 0;
};

}  // namespace medmo::inline MEDMO_ABI
