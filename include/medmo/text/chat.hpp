// A conversation becomes token ids: Qwen3-VL-Instruct's chat template, rendered straight into ids.
//   turn = <|im_start|> role \n content <|im_end|> \n;  image = <|vision_start|> <|image_pad|> x n <|vision_end|>
// Control tokens are written as ids, text is encoded with control tokens forbidden: nobody's text can begin a turn. All
// text between two control tokens is encoded as one, so that ids equal those of the reference's rendered string.
// Says nothing about pixels: how many placeholders a picture has is the caller's. Jinja form: chat_template.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "tokenizer.hpp"

namespace medmo::inline MEDMO_ABI::text {

enum class chat_role { system, user, assistant, tool };

/// Words. `control`: forbid, unless the words are the application's own.
struct text_part {
  std::string text;
  control_tokens control = control_tokens::forbid;
};
/// A picture; placeholders = t * h * w / 4 of its patch grid.
struct image_part {
  index placeholders = 0;
};
/// A video: a time and the same number of placeholders (h * w / 4) for each pair of frames.
struct video_part {
  std::vector<double> seconds;
  index placeholders = 0;
};
/// Ids as they are: an answer as the model gave it, so that a longer conversation begins with the same ids.
struct ids_part {
  std::vector<index> ids;
};
using content_part = std::variant<text_part, image_part, video_part, ids_part>;

/// A call of a tool by the model; `arguments` is JSON text and used as it is.
struct tool_call {
  std::string name, arguments;
};

struct message {
  chat_role role = chat_role::user;
  std::vector<content_part> content;
  std::vector<tool_call> tool_calls;  ///< assistant only
};

enum class vision_labels { none, numbered };  ///< numbered: "Picture 1: ", "Video 1: " before each
enum class generation_prompt { append, omit };
/// Where transformers 5 replaces only the pad token of a video, an outer vision_start/vision_end stays around its frames;
/// transformers 4 replaced all three.
enum class video_layout { outer_pair, frames_only };

struct chat_options {
  std::vector<std::string> tools;  ///< JSON signatures, used as they are, one line each
  vision_labels labels = vision_labels::none;
  generation_prompt prompt = generation_prompt::append;
  video_layout video = video_layout::outer_pair;
};

enum class media_kind { image, video_frames };

/// Placeholders of one picture or one pair of frames: ids[begin, begin + count).
struct media_place {
  media_kind kind = media_kind::image;
  index begin = 0, count = 0;
  index number = 0;  ///< which image, or which video, of the conversation, from 0
};

struct chat_prompt {
  std::vector<index> ids;
  std::vector<media_place> media;  ///< in order of `begin`
};

namespace detail {
/// The name of a token as a template argument.
template <std::size_t N>
struct fixed_name {
  char text[N]{};
  consteval fixed_name(char const (&s)[N]) { std::copy_n(s, N, text); }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

/// Gathers text until a control token comes, so that it is encoded as one.
template <tokenizer_configuration T>
class chat_writer {
 public:
  chat_writer(tokenizer<T> const& t, chat_options const& options) : tokenizer_(t), options_(options) {}

  void control(index id) {
    flush();
    out_.ids.push_back(id);
  }
  /// A control token that not every vocabulary has.
  template <fixed_name Name>
  void control() {
    if constexpr (has_token<T>(Name.view()))
      control(id_of<T>(Name.view()));
    else
      MEDMO_THROW(errc::unsupported, "conversation", "what the vocabulary " + std::string(T::name) + " has a token for",
                  "a need for " + std::string(Name.view()));
  }
  void text(std::string_view s, control_tokens allowed = control_tokens::forbid) {
    if (allowed == control_tokens::forbid)
      plain_ += s;
    else
      tokenizer_.split_control(
          s, [&](std::string_view part) { plain_ += part; }, [&](index id) { control(id); });
  }
  void begin_turn(std::string_view role) {
    control(id_of<T>("<|im_start|>"));
    text(role);
    text("\n");
  }
  void end_turn() {
    control(id_of<T>("<|im_end|>"));
    text("\n");
  }

  void content(std::vector<content_part> const& parts) {
    for (auto const& part : parts) std::visit([&](auto const& p) { add(p); }, part);
  }

  void tools() {
    text(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
        "function "
        "signatures within <tools></tools> XML tags:\n<tools>");
    for (auto const& tool : options_.tools) {
      text("\n");
      text(tool);
    }
    text("\n</tools>\n\nFor each function call, return a json object with function name and arguments within ");
    control<"<tool_call>">();
    control<"</tool_call>">();
    text(" XML tags:\n");
    control<"<tool_call>">();
    text("\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n");
    control<"</tool_call>">();
  }

  void call(tool_call const& c) {
    control<"<tool_call>">();
    text("\n{\"name\": \"");
    text(c.name);
    text("\", \"arguments\": ");
    text(c.arguments);
    text("}\n");
    control<"</tool_call>">();
  }

  void response(std::vector<content_part> const& parts) {
    control<"<tool_response>">();
    text("\n");
    content(parts);
    text("\n");
    control<"</tool_response>">();
  }

  chat_prompt finish() {
    flush();
    return std::move(out_);
  }

 private:
  void add(text_part const& p) { text(p.text, p.control); }
  void add(ids_part const& p) {
    flush();
    for (index id : p.ids) {
      tokenizer_.bytes(id);  // throws if it is none
      out_.ids.push_back(id);
    }
  }
  void add(image_part const& p) {
    if (options_.labels == vision_labels::numbered) text("Picture " + std::to_string(images_ + 1) + ": ");
    control<"<|vision_start|>">();
    placeholders<"<|image_pad|>">(media_kind::image, p.placeholders, images_++);
    control<"<|vision_end|>">();
  }
  void add(video_part const& p) {
    if (p.seconds.empty()) MEDMO_THROW(errc::bad_argument, "video", "the time of at least one pair of frames", "none");
    if (options_.labels == vision_labels::numbered) text("Video " + std::to_string(videos_ + 1) + ": ");
    if (options_.video == video_layout::outer_pair) control<"<|vision_start|>">();
    for (double seconds : p.seconds) {
      if (!(seconds >= 0 && seconds <= 1e9))
        MEDMO_THROW(errc::bad_argument, "video", "a time between 0 and 1e9 seconds", std::to_string(seconds));
      char stamp[40];
      std::snprintf(stamp, sizeof stamp, "<%.1f seconds>", seconds);
      text(stamp);
      control<"<|vision_start|>">();
      placeholders<"<|video_pad|>">(media_kind::video_frames, p.placeholders, videos_);
      control<"<|vision_end|>">();
    }
    if (options_.video == video_layout::outer_pair) control<"<|vision_end|>">();
    ++videos_;
  }
  template <fixed_name Name>
  void placeholders(media_kind kind, index count, index number) {
    if (count < 1 || count > max_placeholders)
      MEDMO_THROW(errc::bad_argument, kind == media_kind::image ? "image" : "video",
                  "1 to " + std::to_string(max_placeholders) + " placeholders", std::to_string(count));
    control<Name>();  // the first of them
    out_.media.push_back({kind, static_cast<index>(out_.ids.size()) - 1, count, number});
    out_.ids.insert(out_.ids.end(), static_cast<std::size_t>(count) - 1, out_.ids.back());
  }
  void flush() {
    if (plain_.empty()) return;
    tokenizer_.append(out_.ids, plain_);
    plain_.clear();
  }

  static constexpr index max_placeholders = index{1} << 24;
  tokenizer<T> const& tokenizer_;
  chat_options const& options_;
  chat_prompt out_;
  std::string plain_;
  index images_ = 0, videos_ = 0;
};

template <class Part>
bool holds(std::vector<content_part> const& parts) {
  for (auto const& part : parts)
    if (std::holds_alternative<Part>(part)) return true;
  return false;
}

/// What the template would drop in silence is an error here.
inline void check_message(message const& m, std::size_t number) {
  auto where = "message " + std::to_string(number);
  if (m.role == chat_role::system && number != 0)
    MEDMO_THROW(errc::bad_argument, where, "a system message only at the beginning", "one later");
  if (m.role != chat_role::assistant && !m.tool_calls.empty())
    MEDMO_THROW(errc::bad_argument, where, "tool calls only of the assistant", "another role");
  if ((m.role == chat_role::system || m.role == chat_role::assistant) &&
      (holds<image_part>(m.content) || holds<video_part>(m.content)))
    MEDMO_THROW(errc::bad_argument, where, "pictures only of a user or tool", "another role");
}

inline bool is_empty(content_part const& part) {
  if (auto t = std::get_if<text_part>(&part)) return t->text.empty();
  if (auto i = std::get_if<ids_part>(&part)) return i->ids.empty();
  return false;
}
}  // namespace detail

/// Ids of a conversation and the places of its pictures. Source: Qwen3-VL-Instruct's chat template; equal to the ids of
/// its rendered text, except that control tokens inside text stay text (unless a part allows them).
/// Throws errc::bad_argument for a conversation the template has no form for, errc::bad_text for text that is not UTF-8
/// or an id that is none, errc::too_large beyond the tokenizer's limit.
///   render_chat(tokenizer, {{{.role = chat_role::user, .content = {image_part{256}, text_part{"What is this?"}}}}})
template <tokenizer_configuration T>
chat_prompt render_chat(tokenizer<T> const& t, std::vector<message> const& messages, chat_options const& options = {}) {
  if (messages.empty()) MEDMO_THROW(errc::bad_argument, "conversation", "at least one message", "none");
  for (std::size_t i = 0; i < messages.size(); ++i) detail::check_message(messages[i], i);
  detail::chat_writer<T> out(t, options);
  bool system = messages[0].role == chat_role::system;
  constexpr auto usual = default_system_of<T>;
  if (system || !options.tools.empty() || !usual.empty()) {
    out.begin_turn("system");
    if (system) out.content(messages[0].content);
    else out.text(usual);
    if (!options.tools.empty()) {
      if (system || !usual.empty()) out.text("\n\n");
      out.tools();
    }
    out.end_turn();
  }
  for (std::size_t i = system ? 1 : 0; i < messages.size(); ++i) {
    auto const& m = messages[i];
    if (m.role == chat_role::tool) {
      if (i == 0 || messages[i - 1].role != chat_role::tool) {
        out.control(id_of<T>("<|im_start|>"));
        out.text("user");
      }
      out.text("\n");
      out.response(m.content);
      if (i + 1 == messages.size() || messages[i + 1].role != chat_role::tool) out.end_turn();
      continue;
    }
    out.begin_turn(m.role == chat_role::user ? "user" : "assistant");
    out.content(m.content);
    bool words = !std::all_of(m.content.begin(), m.content.end(), detail::is_empty);
    for (std::size_t c = 0; c < m.tool_calls.size(); ++c) {
      if (words || c > 0) out.text("\n");
      out.call(m.tool_calls[c]);
    }
    out.end_turn();
  }
  if (options.prompt == generation_prompt::append) out.begin_turn("assistant");
  return out.finish();
}

}  // namespace medmo::inline MEDMO_ABI::text
