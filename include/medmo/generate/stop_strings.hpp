// Ends an answer at given strings, in text that comes piece by piece. Nothing that could be the beginning of a stop string
// goes out before it is known not to be one. The result does not depend on how the text is cut into pieces.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI {

/// The stop string that is complete first ends the text; of several complete at the same byte, the longest. It is no part
/// of the text. Errors of the constructor: bad_argument for an empty string.
///   stop_strings stops({"\n\n", "User:"});
///   for (auto const& piece : pieces) { print(stops.push(piece)); if (stops.found()) break; }
///   print(stops.finish());
class stop_strings {
 public:
  explicit stop_strings(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (auto const& s : strings_)
      if (s.empty()) MEDMO_THROW(errc::bad_argument, "stop string", "at least one character", "none");
  }

  /// Text that may go out now; after a stop string, nothing ever.
  std::string push(std::string_view piece) {
    if (found_) return {};
    if (strings_.empty()) return std::string(piece);
    std::string out;
    for (char c : piece) {
      held_ += c;
      std::size_t stop = longest([&](std::string const& s) { return held_.ends_with(s) ? s.size() : 0; });
      if (stop > 0) {
        out.append(held_, 0, held_.size() - stop);
        held_.clear();
        found_ = true;
        break;
      }
      std::size_t keep = longest([&](std::string const& s) { return overlap(s); });
      out.append(held_, 0, held_.size() - keep);
      held_.erase(0, held_.size() - keep);
    }
    return out;
  }

  /// What was held back, when the text has ended without a stop string.
  std::string finish() { return std::exchange(held_, {}); }

  bool found() const { return found_; }

 private:
  template <class F>
  std::size_t longest(F&& size_for) const {
    std::size_t most = 0;
    for (auto const& s : strings_) most = std::max(most, size_for(s));
    return most;
  }

  /// The longest end of held_ that is a beginning of s, but not all of it.
  std::size_t overlap(std::string const& s) const {
    std::string_view const held(held_);
    for (std::size_t n = std::min(held.size(), s.size() - 1); n > 0; --n)
      if (held.substr(held.size() - n) == std::string_view(s).substr(0, n)) return n;
    return 0;
  }

  std::vector<std::string> strings_;
  std::string held_;  // the end of the text, as long as it begins a stop string
  bool found_ = false;
};

}  // namespace medmo::inline MEDMO_ABI
