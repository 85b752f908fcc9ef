// Tag count: does a completion have the form that was asked for? Each tag exactly once, or well-formed box tags.
// The paper names such a reward and gives no formula; open-r1's of that name is the nearest.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI::rewards {

/// The four of open-r1, line breaks included.
inline constexpr std::array<std::string_view, 4> open_r1_tags = {"<think>\n", "\n</think>\n", "\n<answer>\n",
                                                                 "\n</answer>"};

/// The share of tags that occur exactly once, 0..1. Occurrences do not overlap. Errors: bad_argument for no tag or an empty one.
/// Source: open-r1, tag_count_reward (with open_r1_tags).
inline double tag_count(std::string_view completion, std::span<std::string_view const> tags = open_r1_tags) {
  if (tags.empty()) MEDMO_THROW(errc::bad_argument, "tags", "at least one", "none");
  double once = 0;
  for (auto tag : tags) {
    if (tag.empty()) MEDMO_THROW(errc::bad_argument, "tags", "text", "an empty one");
    auto first = completion.find(tag);
    once += first != completion.npos && completion.find(tag, first + tag.size()) == completion.npos ? 1 : 0;
  }
  return once / static_cast<double>(tags.size());
}

/// The form of box tags: pairs of <box> and the next </box> with no other tag between them, over the greater number of either;
/// `without` if there is none. A missing, doubled or stray tag lowers it; what stands inside is the box reward's matter.
///   "A <box>[[1, 2, 3, 4]]</box> B <box>[[5, 6, 7, 8]]" -> 1/2
inline double box_tag_count(std::string_view completion, double without = 0) {
  constexpr std::string_view open = "<box>", close = "</box>";
  std::size_t opened = 0, closed = 0, pairs = 0;
  bool inside = false;
  for (std::size_t at = 0; (at = completion.find('<', at)) != completion.npos; ++at) {
    auto rest = completion.substr(at);
    if (rest.starts_with(open)) {
      ++opened;
      inside = true;
    } else if (rest.starts_with(close)) {
      ++closed;
      pairs += inside ? 1 : 0;
      inside = false;
    }
  }
  auto all = std::max(opened, closed);
  return all == 0 ? without : static_cast<double>(pairs) / static_cast<double>(all);
}

}  // namespace medmo::inline MEDMO_ABI::rewards
