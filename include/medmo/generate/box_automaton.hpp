// Which byte may follow, so that every box that begins is a box: an automaton over the bytes of
//   label <box>[[x1, y1, x2, y2], ...]</box>
// in the one layout that text::print_grounding writes: whole numbers 0..1000 without leading zeros, x1 < x2, y1 < y2, no
// box twice under one label, at most N boxes in all. It never runs into a dead end: a byte is taken only if the answer can
// still be ended well, and it knows within how many bytes. Bytes, not tokens: box_constraint.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "../core/random.hpp"
#include "../text/grounding.hpp"
#include "../text/unicode.hpp"

namespace medmo::inline MEDMO_ABI {

enum class box_mode {
  off,      ///< nothing is constrained
  in_text,  ///< free text; from the moment it holds <box>, that box is valid and closed
  only,     ///< lines of one label and its boxes, and nothing else; an answer without lines says that there is nothing
};

struct box_options {
  box_mode mode = box_mode::off;
  std::vector<std::string> labels{};  ///< of mode only: the labels there are; none: any text
  index max_boxes = 100;              ///< in one answer, 0..1000
  index max_label_bytes = 64;         ///< of mode only without labels, 1..1000
};

/// Errors: bad_argument for a number outside its range, labels in another mode than `only`, a label twice, or one that
/// would not be read back as itself (empty, blanks at an end, a line break, '<', the end of a sentence within).
inline void check(box_options const& o) {
  auto demand = [](bool good, std::string where, char const* expected, std::string found) {
    if (!good) MEDMO_THROW(errc::bad_argument, std::move(where), expected, std::move(found));
  };
  demand(o.max_boxes >= 0 && o.max_boxes <= 1000, "max_boxes", "0 to 1000", std::to_string(o.max_boxes));
  demand(o.max_label_bytes >= 1 && o.max_label_bytes <= 1000, "max_label_bytes", "1 to 1000",
         std::to_string(o.max_label_bytes));
  demand(o.labels.empty() || o.mode == box_mode::only, "box labels", "none, unless the answer is boxes only",
         std::to_string(o.labels.size()));
  demand(o.labels.size() <= 10000, "box labels", "at most 10000", std::to_string(o.labels.size()));
  for (auto const& label : o.labels) {
    bool plain = !label.empty() && text::find_invalid_utf8(label) == std::string::npos;
    for (char c : label) plain &= static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '<';
    if (plain) {
      auto read = text::parse_grounding(label + " <box>[[0, 0, 1, 1]]</box>");
      plain = read.boxes.size() == 1 && read.boxes[0].label == label;
    }
    demand(plain, "box label", "one line of text that is read back as itself", "'" + label + "'");
  }
  auto sorted = o.labels;
  std::sort(sorted.begin(), sorted.end());
  auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  demand(twice == sorted.end(), "box labels", "every label once",
         twice == sorted.end() ? "" : "'" + *twice + "' twice");
}

class box_automaton {
 public:
  /// `options.mode` is in_text or only. Errors: bad_argument (check above).
  explicit box_automaton(box_options options) : options_((check(options), std::move(options))) {
    std::sort(options_.labels.begin(), options_.labels.end());
    done_.reserve(static_cast<std::size_t>(options_.max_boxes) + 1);
    here_.at = options_.mode == box_mode::only ? place::line : place::text;
    begin_label();
  }

  /// In free text of mode in_text: every byte may follow, but perhaps the one that ends <box>.
  bool in_text() const { return here_.at == place::text; }
  /// How much of "<box>" the text ends in: 0..4. Only in_text().
  int opened() const { return here_.n; }
  /// May the answer end here?
  bool may_end() const { return here_.at == place::text || here_.at == place::line || here_.at == place::line_end; }
  /// Boxes written so far.
  index boxes() const { return static_cast<index>(done_.size()); }

  /// May `bytes` follow, and could at most `left` further bytes then end the answer well? Allocates nothing; the automaton
  /// stays where it is.
  bool takes(std::string_view bytes, index left) {
    auto const before = here_;
    auto const boxes = done_.size();
    bool good = advance(bytes) && needs() <= left;
    here_ = before;
    done_.resize(boxes);
    return good;
  }

  /// Goes on by `bytes`, which must be taken.
  void accept(std::string_view bytes) {
    [[maybe_unused]] bool good = advance(bytes);
    MEDMO_ASSERT(good);
  }

  /// So many more bytes end the answer well, at most. From every state some byte makes it less by one or more: an answer of
  /// `needs()` more tokens can always be ended, whatever the tokens are, as every byte is one.
  index needs() const {
    auto const& s = here_;
    switch (s.at) {
      case place::text:
      case place::line:
      case place::line_end: return 0;
      case place::label: return label_needs() + 5 + bytes_of_list;
      case place::open: return 5 - s.n + bytes_of_list;
      case place::brackets: return bytes_of_list - s.n;
      case place::number: return 4 - s.digits + after_number(s.number);
      case place::blank: return after_number(s.number) - 1;
      case place::after_box: return 7;
      case place::next_box: return 3 - s.n + 4 + after_number(0);
      case place::close: return 6 - s.n;
    }
    return 0;
  }

  /// Where a label goes on as any text, what tells without trying: a token that is plain_label(), is no longer than `room`
  /// and whose first byte may follow may follow, unless it begins with a blank and `no_blank` is set.
  struct label_room {
    index room = 0;
    bool no_blank = false;  ///< a sentence would end within the label
  };
  label_room free_label_room() const {
    auto const& s = here_;
    bool free = options_.labels.empty() && (s.at == place::label || (s.at == place::line && !full()));
    if (!free || s.utf8_left > 0 || s.sentence) return {};
    return {options_.max_label_bytes - s.length, ends_sentence(s.last)};
  }
  /// At most this many bytes end the answer after any label.
  static constexpr index needs_after_label = 1 + 5 + 32;

  static bool begins_label(char c) { return std::string_view(" ,;:.-*").find(c) == std::string_view::npos; }
  /// Whole characters of a label's text, without a sentence's end before a blank.
  static bool plain_label(std::string_view bytes) {
    if (bytes.empty() || text::find_invalid_utf8(bytes) != std::string_view::npos) return false;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      auto c = static_cast<unsigned char>(bytes[i]);
      if (c < 0x20 || c == 0x7f || c == '<' || (c == ' ' && i > 0 && ends_sentence(bytes[i - 1]))) return false;
    }
    return true;
  }

 private:
  enum class place : std::uint8_t {
    text,
    line,
    label,
    open,
    brackets,
    number,
    blank,
    after_box,
    next_box,
    close,
    line_end
  };
  static constexpr std::string_view open_tag = "<box>", close_tag = "</box>";
  static constexpr index bytes_of_list = 32;  // of "[[1000, 1000, 1000, 1000]]</box>"

  struct state {
    place at = place::text;
    std::uint8_t n = 0;                   // bytes of the literal at hand, or of "<box>" in text
    std::uint8_t number = 0, digits = 0;  // which of the four, and how many digits it has
    std::int16_t value[4] = {};           // numbers so far; the last may be unfinished
    std::uint64_t group = 0;              // of boxes that must differ
    std::uint64_t hash = 0, label = 0;    // of all bytes of the label; up to its last that is no blank or colon
    std::uint32_t tags = 0;
    std::int32_t length = 0;          // bytes of the label
    std::uint32_t low = 0, high = 0;  // the labels that begin with these bytes, of a fixed set
    bool whole = false;               // a label of the set, then a blank
    bool sentence = false;            // the end of a sentence, then a blank
    char last = 0;
    std::uint8_t utf8_left = 0, utf8_low = 0, utf8_high = 0;  // bytes missing of a character; bounds of the next
  };
  struct known_box {
    std::uint64_t group;
    std::int16_t v[4];
  };

  static bool ends_sentence(char c) { return c == '.' || c == ';' || c == '!' || c == '?'; }
  static constexpr index after_number(int number) { return number == 3 ? 8 : 2 + 4 + after_number(number + 1); }
  bool full() const { return boxes() >= options_.max_boxes; }

  bool advance(std::string_view bytes) {
    for (char c : bytes)
      if (!step(c)) return false;
    return true;
  }

  void go(place at) {
    here_.at = at;
    here_.n = 0;
  }

  bool step(char c) {
    auto& s = here_;
    switch (s.at) {
      case place::text:
        if (c == '<') return s.n = 1, true;
        s.n = c == open_tag[s.n] ? static_cast<std::uint8_t>(s.n + 1) : std::uint8_t{0};
        if (s.n == open_tag.size()) {
          if (full()) return false;
          s.group = s.tags;
          go(place::brackets);
        }
        return true;
      case place::line:
        if (full()) return false;
        begin_label();
        s.at = place::label;
        [[fallthrough]];
      case place::label: return options_.labels.empty() ? step_free_label(c) : step_fixed_label(c);
      case place::open:
        if (c != open_tag[s.n]) return false;
        if (++s.n == open_tag.size()) s.group = s.label, go(place::brackets);
        return true;
      case place::brackets:
        if (c != '[') return false;
        if (++s.n == 2) begin_number(0);
        return true;
      case place::number: return step_number(c);
      case place::blank:
        if (c != ' ') return false;
        begin_number(s.number + 1);
        return true;
      case place::after_box:
        if (c == ']') return go(place::close), true;
        if (c != ',' || full()) return false;
        go(place::next_box);
        s.n = 1;
        return true;
      case place::next_box:
        if (c != (s.n == 1 ? ' ' : '[')) return false;
        if (++s.n == 3) begin_number(0);
        return true;
      case place::close:
        if (c != close_tag[s.n]) return false;
        if (++s.n == close_tag.size()) {
          ++s.tags;
          go(options_.mode == box_mode::only ? place::line_end : place::text);
        }
        return true;
      case place::line_end:
        if (c != '\n' || full()) return false;
        go(place::line);
        begin_label();
        return true;
    }
    return false;
  }

  // ---- numbers
  void begin_number(int number) {
    go(place::number);
    here_.number = static_cast<std::uint8_t>(number);
    here_.digits = 0;
    here_.value[number] = 0;
  }

  bool step_number(char c) {
    auto& s = here_;
    int const prefix = s.value[s.number];
    if (c >= '0' && c <= '9') {
      int const longer = prefix * 10 + (c - '0');
      if ((s.digits > 0 && prefix == 0) || !can_become_number(longer)) return false;
      s.value[s.number] = static_cast<std::int16_t>(longer);
      ++s.digits;
      return true;
    }
    if (s.digits == 0 || c != (s.number < 3 ? ',' : ']') || !is_allowed(prefix)) return false;
    if (s.number < 3) return go(place::blank), true;
    done_.push_back({s.group, {s.value[0], s.value[1], s.value[2], s.value[3]}});
    go(place::after_box);
    return true;
  }

  int least() const { return here_.number < 2 ? 0 : here_.value[here_.number - 2] + 1; }
  int greatest() const { return here_.number < 2 ? 999 : 1000; }
  bool is_allowed(int v) const { return v >= least() && v <= greatest() && !is_taken(v); }

  /// Is `prefix`, or a number that begins with it, allowed?
  bool can_become_number(int prefix) const {
    for (int first = prefix, count = 1; first <= 1000; first *= 10, count *= 10) {
      int const end = std::min(first + count - 1, greatest());
      for (int v = std::max(first, least()); v <= end; ++v)
        if (!is_taken(v)) return true;
      if (prefix == 0) break;  // no leading zeros
    }
    return false;
  }

  /// Are all boxes that begin with the numbers so far and v written already? x1 alone never is: it begins more boxes than
  /// an answer may have.
  bool is_taken(int v) const {
    auto const& s = here_;
    index room = 1;  // boxes that begin so
    if (s.number == 0) return false;
    if (s.number == 1) room = index{1000 - s.value[0]} * (1000 - v);
    if (s.number == 2) room = 1000 - s.value[1];
    if (boxes() < room) return false;
    index same = 0;
    for (auto const& b : done_)
      same += b.group == s.group && b.v[s.number] == v && std::equal(b.v, b.v + s.number, s.value);
    return same >= room;
  }

  // ---- labels
  void begin_label() {
    auto& s = here_;
    s.length = 0;
    s.hash = s.label = stream_of("");
    s.low = 0;
    s.high = static_cast<std::uint32_t>(options_.labels.size());
    s.whole = s.sentence = false;
    s.last = 0;
    s.utf8_left = 0;
  }

  void add_to_label(char c) {
    auto& s = here_;
    s.hash = (s.hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    if (c != ' ' && c != ':') s.label = s.hash;
    s.sentence = c == ' ' && ends_sentence(s.last);
    s.last = c;
    ++s.length;
  }

  bool step_free_label(char c) {
    auto& s = here_;
    auto const u = static_cast<unsigned char>(c);
    auto const room = options_.max_label_bytes - s.length;
    if (s.utf8_left > 0) {
      if (u < s.utf8_low || u > s.utf8_high) return false;
      --s.utf8_left;
      s.utf8_low = 0x80;
      s.utf8_high = 0xBF;
    } else if (c == '<') {
      if (s.last != ' ') return false;
      go(place::open);
      s.n = 1;
      return true;
    } else if (u < 0x20 || u == 0x7f || s.sentence || (s.length == 0 && !begins_label(c))) {
      return false;
    } else if (u < 0x80) {
      if (room < 1 && (c != ' ' || s.last == ' ')) return false;  // the blank before <box> always has room
    } else {
      if (u < 0xC2 || u > 0xF4) return false;
      s.utf8_left = u < 0xE0 ? 1 : u < 0xF0 ? 2 : 3;
      if (room < 1 + s.utf8_left) return false;
      s.utf8_low = u == 0xE0 ? 0xA0 : u == 0xF0 ? 0x90 : 0x80;
      s.utf8_high = u == 0xED ? 0x9F : u == 0xF4 ? 0x8F : 0xBF;
    }
    add_to_label(c);
    return true;
  }

  bool step_fixed_label(char c) {
    auto& s = here_;
    if (c == '<') {
      if (!s.whole) return false;
      go(place::open);
      s.n = 1;
      return true;
    }
    auto const depth = static_cast<std::size_t>(s.length);
    auto const& labels = options_.labels;
    s.whole = c == ' ' && s.low < s.high && labels[s.low].size() == depth;  // the shortest comes first
    auto has = [&](std::uint32_t i) { return labels[i].size() > depth && labels[i][depth] == c; };
    while (s.low < s.high && !has(s.low)) ++s.low;
    auto end = s.low;
    while (end < s.high && has(end)) ++end;
    s.high = end;
    if (s.low == s.high && !s.whole) return false;
    add_to_label(c);
    return true;
  }

  /// Bytes up to the '<' after the label, at most.
  index label_needs() const {
    auto const& s = here_;
    if (options_.labels.empty()) return s.utf8_left + (s.utf8_left == 0 && s.last == ' ' ? 0 : 1);
    index least = s.whole ? 0 : std::numeric_limits<index>::max();
    for (auto i = s.low; i < s.high; ++i)
      least = std::min(least, static_cast<index>(options_.labels[i].size()) - s.length + 1);
    return least;
  }

  box_options options_;
  state here_;
  std::vector<known_box> done_;
};

}  // namespace medmo::inline MEDMO_ABI
