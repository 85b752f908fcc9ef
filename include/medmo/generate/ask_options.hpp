// What a question to a model may ask for, as plain data, and what of it makes sense.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "box_automaton.hpp"
#include "sampling_options.hpp"
#include "stop_strings.hpp"

namespace medmo::inline MEDMO_ABI {

struct ask_options {
  index max_new_tokens = 512;
  std::optional<sampling_options> sampling{};  ///< none: the model's own defaults
  std::string system{};                        ///< before the first turn; ignored later
  std::vector<std::string> stop{};             ///< the text ends before the first of these
  index prefill_chunk = 1024;                  ///< tokens a step; changes time and memory, never the answer
  index min_pixels = 0, max_pixels = 0;        ///< areas pictures are resized to; 0: the model's own
  box_options boxes{};                         ///< off: nothing is constrained
  /// Tokens guessed a step from what the conversation holds already (prompt_lookup.hpp); 0: none. Changes time, never the
  /// answer.
  index lookup = 0;
  /// Called with whole characters as they come; returning false stops.
  std::function<bool(std::string_view)> on_text{};
};

inline constexpr index most_lookup = 64;

/// Errors: bad_argument for what no answer can have.
inline void check(ask_options const& o, index vocab) {
  auto demand = [](bool good, char const* name, char const* expected, index found) {
    if (!good) MEDMO_THROW(errc::bad_argument, std::string("ask: ") + name, expected, std::to_string(found));
  };
  demand(o.max_new_tokens >= 0, "max_new_tokens", "a number >= 0", o.max_new_tokens);
  demand(o.prefill_chunk >= 1, "prefill_chunk", "a number >= 1", o.prefill_chunk);
  demand(o.lookup >= 0 && o.lookup <= most_lookup, "lookup", "a number from 0 to 64", o.lookup);
  if (o.sampling) check(*o.sampling, vocab);
  if (o.boxes.mode != box_mode::off) check(o.boxes);
  stop_strings{o.stop};
}

}  // namespace medmo::inline MEDMO_ABI
