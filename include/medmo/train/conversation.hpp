// One row of training data: a conversation with its pictures and boxes, read from either of two forms of JSON.
//   ours      {"messages": [{"role", "content"}], "images": [PATH], "boxes": [{"label", "box": [x1, y1, x2, y2], "image"}], "unit":
//             "pixel" or "norm1000", "no_boxes": TEXT}; content is text or a list of {"type": "text", "text"} and {"type": "image"}
//   Qwen-VL   {"conversations": [{"from": "human" or "gpt", "value"}], "image": PATH or [PATH]}, text around <image> stripped
// <image> in a user's text is the next picture; without any, all stand before the first words of the first user. In a row with
// boxes, {boxes} is all of them, a line a label; {boxes LABEL} those of a label; {box N} one: written when the row becomes ids.
#pragma once

#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/box.hpp"
#include "../io/json.hpp"
#include "../text/chat.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// A box in the unit its data state: never guessed from the size of the numbers.
struct stated_box {
  std::string label;
  std::variant<box<pixel>, box<norm1000>> where;
  index image = 0;  ///< of the row's pictures, from 0
};

struct picture_place {
  index image = 0;
};
enum class boxes_named { all, of_label, by_number };
struct box_place {
  boxes_named named = boxes_named::all;
  std::string label;
  index number = 0;
};
using turn_piece = std::variant<std::string, picture_place, box_place>;

struct conversation_turn {
  text::chat_role role = text::chat_role::user;
  std::vector<turn_piece> content;
};

struct conversation {
  std::string where;  ///< "FILE:LINE"
  std::vector<conversation_turn> turns;
  std::vector<std::string> images;  ///< paths below the data's folder
  std::vector<stated_box> boxes;
  std::string no_boxes = "None";  ///< stands for {boxes} where there are none
};

/// Limits of a row beside that of its line.
inline constexpr std::size_t row_turns = 1000, row_pictures = 256, row_boxes = 10000;

namespace detail {
/// Reads one row; refuses what it does not understand.
class conversation_reader {
 public:
  conversation_reader(io::json const& row, std::string where) : fields_(row, where) { out_.where = std::move(where); }

  conversation read() {
    bool const ours = fields_.has("messages");
    if (ours == fields_.has("conversations")) refuse("messages", "either messages or conversations", ours ? "both" : "neither");
    read_images();
    read_boxes();
    auto const* list = fields_.find(ours ? "messages" : "conversations");
    if (!list->is_array() || list->empty() || list->size() > row_turns)
      refuse(ours ? "messages" : "conversations", "a list of 1 to " + std::to_string(row_turns), io::excerpt(*list));
    for (auto const& one : *list) ours ? read_message(one) : read_statement(one);
    check_turns();
    place_pictures();
    check_boxes();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string const& field, std::string expected, std::string found) const {
    MEDMO_THROW(errc::bad_json, fields_.where(field), std::move(expected), std::move(found));
  }

  void read_images() {
    for (char const* name : {"images", "image"}) {
      auto const* value = fields_.find(name);
      if (!value) continue;
      if (!out_.images.empty()) refuse(name, "either images or image", "both");
      if (value->is_string()) out_.images.push_back(value->get<std::string>());
      else out_.images = *fields_.texts(name);
      if (out_.images.size() > row_pictures) refuse(name, "at most " + std::to_string(row_pictures) + " pictures", std::to_string(out_.images.size()));
      for (auto const& path : out_.images)
        if (!is_below(path)) refuse(name, "a path below the data's folder", io::excerpt(path));
    }
    if (fields_.has("video") || fields_.has("videos")) refuse("video", "pictures only", "a video");
  }
  /// Neither absolute nor with a step upwards.
  static bool is_below(std::string_view path) {
    if (path.empty() || path.front() == '/' || path.find('\0') != path.npos) return false;
    for (std::size_t at = 0; at <= path.size();) {
      auto const end = std::min(path.find('/', at), path.size());
      if (path.substr(at, end - at) == "..") return false;
      at = end + 1;
    }
    return true;
  }

  void read_boxes() {
    if (auto text = fields_.text("no_boxes")) out_.no_boxes = *text;
    auto const* list = fields_.find("boxes");
    has_boxes_ = list != nullptr;
    if (!list) return;
    if (!list->is_array() || list->size() > row_boxes)
      refuse("boxes", "a list of at most " + std::to_string(row_boxes), io::excerpt(*list));
    auto const unit = fields_.text("unit").value_or("");
    if (unit != "pixel" && unit != "norm1000" && !list->empty())
      refuse("unit", "pixel or norm1000", unit.empty() ? "none" : io::excerpt(unit));
    for (auto const& one : *list) {
      io::json_fields const f(one, fields_.where("boxes"));
      auto const corners = f.numbers("box").value_or(std::vector<double>{});
      bool good = corners.size() == 4;
      for (double c : corners) good = good && std::isfinite(c);
      if (!good || corners[0] > corners[2] || corners[1] > corners[3])
        refuse("boxes", "box [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2", io::excerpt(one));
      stated_box b{f.text("label").value_or(""), box<pixel>{corners[0], corners[1], corners[2], corners[3]}, f.integer("image").value_or(0)};
      if (unit == "norm1000") b.where = box<norm1000>{corners[0], corners[1], corners[2], corners[3]};
      if (b.image < 0 || b.image >= static_cast<index>(out_.images.size()))
        refuse("boxes", "image: a picture of the row, from 0", io::excerpt(one));
      if (b.label.find_first_of("\r\n") != b.label.npos || b.label.find("<box>") != b.label.npos || b.label.find("</box>") != b.label.npos)
        refuse("boxes", "a label without line breaks and <box>", io::excerpt(b.label));
      out_.boxes.push_back(std::move(b));
    }
  }

  void read_message(io::json const& one) {
    io::json_fields const f(one, fields_.where("messages"));
    auto const role = f.text("role").value_or("");
    conversation_turn turn;
    if (role == "system") turn.role = text::chat_role::system;
    else if (role == "user") turn.role = text::chat_role::user;
    else if (role == "assistant") turn.role = text::chat_role::assistant;
    else refuse("messages", "role system, user or assistant", io::excerpt(role));
    auto const* content = f.find("content");
    if (content && content->is_string()) {
      add_text(turn, content->get<std::string>(), spaces::kept);
    } else if (content && content->is_array()) {
      for (auto const& part : *content) {
        io::json_fields const p(part, f.where("content"));
        auto const type = p.text("type").value_or("");
        if (type == "text" && p.has("text")) add_text(turn, *p.text("text"), spaces::kept);
        else if (type == "image") add_picture(turn);
        else refuse("messages", "parts of type text or image", io::excerpt(part));
      }
    } else {
      refuse("messages", "content: text or a list of parts", content ? io::excerpt(*content) : "none");
    }
    out_.turns.push_back(std::move(turn));
  }

  /// Source: Qwen3-VL's data_processor.py, _build_messages.
  void read_statement(io::json const& one) {
    io::json_fields const f(one, fields_.where("conversations"));
    auto const from = f.text("from").value_or("");
    auto const value = f.text("value");
    if ((from != "human" && from != "gpt") || !value) refuse("conversations", "from human or gpt, and a value", io::excerpt(one));
    conversation_turn turn;
    turn.role = from == "human" ? text::chat_role::user : text::chat_role::assistant;
    add_text(turn, *value, from == "human" ? spaces::stripped : spaces::kept);
    out_.turns.push_back(std::move(turn));
  }

  enum class spaces { kept, stripped };
  void add_text(conversation_turn& turn, std::string_view text, spaces rule) {
    constexpr std::string_view mark = "<image>";
    while (turn.role == text::chat_role::user) {
      auto const at = text.find(mark);
      if (at == text.npos) break;
      add_words(turn, text.substr(0, at), rule);
      add_picture(turn);
      text.remove_prefix(at + mark.size());
    }
    add_words(turn, text, rule);
  }
  void add_words(conversation_turn& turn, std::string_view words, spaces rule) {
    if (rule == spaces::stripped) {
      constexpr std::string_view blank = " \t\n\r\f\v";
      auto const first = words.find_first_not_of(blank);
      words = first == words.npos ? std::string_view() : words.substr(first, words.find_last_not_of(blank) - first + 1);
    }
    while (has_boxes_) {
      auto const at = words.find("{box");
      if (at == words.npos) break;
      auto const end = words.find('}', at);
      if (end == words.npos) break;
      if (at > 0) turn.content.emplace_back(std::string(words.substr(0, at)));
      turn.content.emplace_back(box_named(words.substr(at + 1, end - at - 1)));
      words.remove_prefix(end + 1);
    }
    if (!words.empty()) turn.content.emplace_back(std::string(words));
  }
  /// The inside of a place holder.
  box_place box_named(std::string_view name) {
    box_place place;
    if (name == "boxes") {
      named_.insert(everything);
      return place;
    }
    if (name.starts_with("boxes ")) {
      place.named = boxes_named::of_label;
      place.label = name.substr(6);
      bool any = false;
      for (std::size_t i = 0; i < out_.boxes.size(); ++i)
        if (out_.boxes[i].label == place.label) any = true, named_.insert(static_cast<index>(i));
      if (any) return place;
    } else if (name.starts_with("box ") && name.size() > 4 && name.size() < 10 && name.find_first_not_of("0123456789", 4) == name.npos) {
      place.named = boxes_named::by_number;
      for (char c : name.substr(4)) place.number = place.number * 10 + (c - '0');
      if (place.number < static_cast<index>(out_.boxes.size())) {
        named_.insert(place.number);
        return place;
      }
    }
    refuse("boxes", "what {" + std::string(name) + "} names", "no such box");
  }
  void add_picture(conversation_turn& turn) {
    if (turn.role != text::chat_role::user) refuse("messages", "pictures only of a user", "another role");
    if (placed_ == static_cast<index>(out_.images.size()))
      refuse("images", "a picture for each <image>", std::to_string(out_.images.size()));
    turn.content.emplace_back(picture_place{placed_++});
  }

  void check_turns() const {
    bool answered = false;
    for (std::size_t i = 0; i < out_.turns.size(); ++i) {
      auto const role = out_.turns[i].role;
      if (role == text::chat_role::system && i > 0) refuse("messages", "a system message only at the beginning", "one later");
      answered = answered || (role == text::chat_role::assistant && !out_.turns[i].content.empty());
    }
    if (!answered) refuse("messages", "something of the assistant", "nothing");
  }
  void place_pictures() {
    auto const count = static_cast<index>(out_.images.size());
    if (placed_ == count) return;
    if (placed_ > 0 || fields_.has("conversations"))
      refuse("images", "an <image> for each of " + std::to_string(count) + " pictures", std::to_string(placed_));
    for (auto& turn : out_.turns) {
      if (turn.role != text::chat_role::user) continue;
      std::vector<turn_piece> all;
      for (index i = 0; i < count; ++i) all.emplace_back(picture_place{i});
      turn.content.insert(turn.content.begin(), all.begin(), all.end());
      return;
    }
    refuse("images", "a user who shows the pictures", "none");
  }
  /// A box that no text names would be lost in silence.
  void check_boxes() const {
    if (named_.contains(everything)) return;
    if (named_.size() < out_.boxes.size())
      refuse("boxes", "a place holder for each of " + std::to_string(out_.boxes.size()) + " boxes", std::to_string(named_.size()));
  }

  static constexpr index everything = -1;
  io::json_fields fields_;
  conversation out_;
  std::set<index> named_;
  bool has_boxes_ = false;
  index placed_ = 0;
};
}  // namespace detail

/// The row in `row`; `where` is its file and line. Errors: bad_json naming the field, for whatever is not understood in full.
inline conversation read_conversation(io::json const& row, std::string where) {
  return detail::conversation_reader(row, std::move(where)).read();
}

}  // namespace medmo::inline MEDMO_ABI::train
