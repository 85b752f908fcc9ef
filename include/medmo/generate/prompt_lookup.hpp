// Guesses the next tokens of a conversation from its own past: what followed the last time the newest few tokens stood
// there. Reports, lists and answers that quote the question repeat themselves. A guess costs a row of the next pass; a wrong
// one costs nothing else (decoding.hpp). Source: prompt look-up decoding, transformers' PromptLookupCandidateGenerator.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI {

/// Appends at most `count` guesses of what follows `ids` to `out`: the tokens behind the latest earlier place where the last
/// three tokens stood, else the last two. Stops before a token that `stops` holds. Allocates only what `out` does.
inline void look_up(std::span<index const> ids, index count, std::span<index const> stops, std::vector<index>& out) {
  for (std::size_t n : {3, 2}) {
    if (ids.size() <= n) continue;
    auto const tail = ids.last(n);
    for (std::size_t at = ids.size() - n; at-- > 0;) {  // overlapping the tail is fine: "ababab"
      if (!std::equal(tail.begin(), tail.end(), ids.begin() + static_cast<std::ptrdiff_t>(at))) continue;
      auto next = ids.subspan(at + n);
      for (index i = 0; i < count; ++i) {
        // behind the end of the text, the guess goes on from itself
        index const id = static_cast<std::size_t>(i) < next.size() ? next[static_cast<std::size_t>(i)]
                                                                   : out[out.size() - next.size()];
        if (std::find(stops.begin(), stops.end(), id) != stops.end()) return;
        out.push_back(id);
      }
      return;
    }
  }
}

}  // namespace medmo::inline MEDMO_ABI
