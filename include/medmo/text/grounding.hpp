// Boxes in an answer:  label <box>[[x1, y1, x2, y2], ...]</box>, thousandths of the picture's width and height.
// Parsing is tolerant of layout (white space, line breaks, a missing end tag, one list less) and strict about meaning:
// nothing is guessed, swapped or rescaled; what is no box is reported as dropped. Coordinates above 1000 become 1000.
// One pass, no recursion. Not the special tokens <|box_start|>: MedMO writes these tags as ordinary text.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/box.hpp"
#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI::text {

enum class drop_reason {
  malformed,        ///< not a list of numbers
  wrong_count,      ///< a list of more or fewer than four numbers
  number_too_long,  ///< more than six digits
  not_whole,        ///< 0.25: perhaps another unit, which is not ours to guess
  negative,
  inverted,  ///< x2 < x1 or y2 < y1
  empty,     ///< no area
  unclosed,  ///< no </box>; boxes complete before the end count
  too_many,  ///< more boxes than asked for; reported once
};

constexpr std::string_view name_of(drop_reason r) {
  constexpr std::string_view names[] = {"malformed", "wrong_count", "number_too_long", "not_whole", "negative",
                                        "inverted",  "empty",       "unclosed",        "too_many"};
  return names[static_cast<std::size_t>(r)];
}

/// A box with the label written before its tag. text[text_begin, text_end) is its list, "[x1, y1, x2, y2]".
struct labelled_box {
  std::string label;
  box<norm1000> box_norm1000;
  std::size_t text_begin = 0, text_end = 0;
  std::size_t tag = 0;   ///< which <box> tag of the answer, from 0
  bool clamped = false;  ///< a coordinate was above 1000
};

struct dropped_text {
  drop_reason reason = drop_reason::malformed;
  std::size_t offset = 0;
  std::string text;  ///< at most 80 bytes of it
};

struct grounding_result {
  std::vector<labelled_box> boxes;
  std::vector<dropped_text> dropped;
  std::string plain_text;  ///< the answer without its tags and lists; labels stay
};

struct grounding_limits {
  std::size_t boxes = 1000;
  std::size_t dropped = 1000;  ///< entries kept
};

namespace detail {
inline constexpr std::string_view box_open = "<box>", box_close = "</box>";

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

class grounding_parser {
 public:
  grounding_parser(std::string_view text, grounding_limits limits) : text_(text), limits_(limits) {}

  grounding_result run() {
    while (at_ < text_.size()) {
      auto open = std::min(text_.find(box_open, at_), text_.size());
      keep_plain(at_, open);
      if (open == text_.size()) break;
      label_ = label_before(open);
      at_ = open + box_open.size();
      tag_body(open);
      ++tag_;
    }
    return std::move(out_);
  }

 private:
  /// Text up to a tag, without the blanks just before the tag.
  void keep_plain(std::size_t begin, std::size_t end) {
    auto part = text_.substr(begin, end - begin);
    if (end != text_.size())
      while (!part.empty() && is_blank(part.back())) part.remove_suffix(1);
    out_.plain_text += part;
  }

  /// The last words before a tag: from the last tag, line break or end of a sentence on, bare of list marks.
  std::string label_before(std::size_t open) const {
    auto part = text_.substr(at_, open - at_);
    while (!part.empty() && (is_blank(part.back()) || part.back() == ':')) part.remove_suffix(1);
    std::size_t begin = part.size();
    for (; begin > 0; --begin) {
      char c = part[begin - 1];
      if (c == '\n' || c == '\r') break;
      bool ends_sentence = c == '.' || c == ';' || c == '!' || c == '?';
      if (ends_sentence && begin < part.size() && is_blank(part[begin])) break;
      if (c == '>' && part.substr(0, begin).ends_with(box_close)) break;
    }
    part.remove_prefix(begin);
    while (!part.empty() && (is_blank(part.front()) || std::string_view(",;:.-*").find(part.front()) != part.npos))
      part.remove_prefix(1);
    return std::string(part);
  }

  /// What follows <box>: lists, until </box>, another <box>, the end, or something that is neither list nor separator.
  void tag_body(std::size_t open) {
    int depth = 0;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '<' && text_.substr(at_).starts_with(box_close)) {
        at_ += box_close.size();
        return;
      }
      if (c == '<' && text_.substr(at_).starts_with(box_open)) break;
      if (c == '[') {
        if (depth < 1 && next_is_list()) {
          ++depth;
          ++at_;
        } else {
          list();
        }
      } else if (c == ']' && depth > 0) {
        --depth;
        ++at_;
      } else if (is_blank(c) || c == ',') {
        ++at_;
      } else if (!skip_to_tag_end()) {
        break;
      }
    }
    while (at_ < text_.size() && is_blank(text_[at_ - 1])) --at_;  // blanks before prose are prose
    drop(drop_reason::unclosed, open, at_);
  }

  bool next_is_list() const {
    std::size_t i = at_ + 1;
    while (i < text_.size() && is_blank(text_[i])) ++i;
    return i < text_.size() && (text_[i] == '[' || text_[i] == ']');
  }

  /// Drops what is no list if a </box> closes it before the next <box>; else it is prose after a tag that never closed.
  bool skip_to_tag_end() {
    for (auto i = at_; i < text_.size(); ++i) {
      if (text_[i] != '<') continue;
      if (text_.substr(i).starts_with(box_open)) return false;
      if (!text_.substr(i).starts_with(box_close)) continue;
      drop(drop_reason::malformed, at_, i);
      at_ = i;
      return true;
    }
    return false;
  }

  /// One list from '[' on: to its ']', or to a character that cannot stand in it.
  void list() {
    std::size_t begin = at_++, count = 0;
    double value[4] = {};
    bool clamped = false, complete = false, between = true;  // between: a number may begin here
    bool malformed = false, too_long = false, not_whole = false, negative = false;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == ']') {
        ++at_;
        complete = true;
        break;
      }
      if (is_blank(c) || c == ',') {
        between = true;
        ++at_;
      } else if ((is_digit(c) || c == '-' || c == '+') && between) {
        between = false;
        negative |= c == '-';
        if (!is_digit(c)) ++at_;
        std::size_t first = at_, digits = 0;
        double v = 0;
        for (; at_ < text_.size() && is_digit(text_[at_]); ++at_)
          if ((digits > 0 || text_[at_] != '0') && ++digits <= 6) v = v * 10 + (text_[at_] - '0');
        malformed |= at_ == first;
        too_long |= digits > 6;
        if (at_ < text_.size() && text_[at_] == '.')
          for (++at_; at_ < text_.size() && is_digit(text_[at_]); ++at_) not_whole |= text_[at_] != '0';
        clamped |= v > 1000;
        if (count < 4) value[count] = std::min(v, 1000.0);
        ++count;
      } else {
        malformed = true;
        if (c == '[' || c == '<') break;
        between = false;
        ++at_;
      }
    }
    auto refuse = [&](drop_reason reason) { drop(reason, begin, at_); };
    if (!complete && at_ == text_.size()) return;  // the answer was cut short: reported as unclosed
    if (malformed || !complete) return refuse(drop_reason::malformed);
    if (count == 0) return;
    if (too_long) return refuse(drop_reason::number_too_long);
    if (count != 4) return refuse(drop_reason::wrong_count);
    if (not_whole) return refuse(drop_reason::not_whole);
    if (negative) return refuse(drop_reason::negative);
    auto [x1, y1, x2, y2] = value;
    if (x2 < x1 || y2 < y1) return refuse(drop_reason::inverted);
    if (x1 == x2 || y1 == y2) return refuse(drop_reason::empty);
    if (out_.boxes.size() >= limits_.boxes) {
      if (!std::exchange(full_, true)) refuse(drop_reason::too_many);
      return;
    }
    out_.boxes.push_back({label_, {x1, y1, x2, y2}, begin, at_, tag_, clamped});
  }

  void drop(drop_reason reason, std::size_t begin, std::size_t end) {
    if (out_.dropped.size() < limits_.dropped)
      out_.dropped.push_back({reason, begin, std::string(text_.substr(begin, std::min<std::size_t>(end - begin, 80)))});
  }

  std::string_view text_;
  grounding_limits limits_;
  grounding_result out_;
  std::string label_;
  std::size_t at_ = 0, tag_ = 0;
  bool full_ = false;
};
}  // namespace detail

/// Boxes of an answer, what was dropped, and the text without them. Every string is accepted; time linear in its size.
///   parse_grounding("Fractures <box>[[156, 516, 231, 607]]</box>").boxes[0].label == "Fractures"
inline grounding_result parse_grounding(std::string_view answer, grounding_limits limits = {}) {
  return detail::grounding_parser(answer, limits).run();
}

/// "label <box>[[x1, y1, x2, y2], ...]</box>", coordinates rounded (half to even) and clamped to 0..1000; without a label
/// the tag alone. Throws errc::bad_argument for a label with a line break or one of the tags in it, or a box that is not
/// finite.
inline std::string print_grounding(std::string_view label, std::span<box<norm1000> const> boxes) {
  for (auto bad : {std::string_view("\n"), std::string_view("\r"), detail::box_open, detail::box_close})
    if (label.find(bad) != label.npos)
      MEDMO_THROW(errc::bad_argument, "label", "no line break and no <box>", "'" + std::string(label) + "'");
  auto number = [](double v) {
    if (!std::isfinite(v)) MEDMO_THROW(errc::bad_argument, "box", "finite coordinates", std::to_string(v));
    return std::to_string(static_cast<int>(std::clamp(std::nearbyint(v), 0.0, 1000.0)));
  };
  std::string out(label);
  out += label.empty() ? "<box>[" : " <box>[";
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    auto const& b = boxes[i];
    out += (i ? ", [" : "[") + number(b.x1) + ", " + number(b.y1) + ", " + number(b.x2) + ", " + number(b.y2) + "]";
  }
  return out + "]</box>";
}

/// All boxes of a parsed answer, one line a tag: parsing it gives the same boxes, printing those the same text.
inline std::string print_grounding(grounding_result const& result) {
  std::string out;
  std::vector<box<norm1000>> boxes;
  for (std::size_t i = 0; i < result.boxes.size();) {
    auto const& first = result.boxes[i];
    boxes.clear();
    for (; i < result.boxes.size() && result.boxes[i].tag == first.tag; ++i)
      boxes.push_back(result.boxes[i].box_norm1000);
    out += (out.empty() ? "" : "\n") + print_grounding(first.label, boxes);
  }
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::text
