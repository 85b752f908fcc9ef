// What of a model's text is its answer: a \boxed{}, an <answer> tag, what follows "answer:"; and a normal form in which answers
// are compared. The steps and their order are MedEvalKit's. Judging is answer.hpp's.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "tokenize.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Whose rules decide. Every published score should name matcher_version() of its rules.
enum class answer_rules {
  medmo,       ///< ours: the same steps, with what MedEvalKit gets wrong put right
  medevalkit,  ///< MedEvalKit's, with its defects, to reproduce published numbers
};

/// Names the rules and their version; it changes whenever some answer is judged differently.
constexpr std::string_view matcher_version(answer_rules rules = answer_rules::medmo) {
  return rules == answer_rules::medmo ? "medmo-answers-1" : "medevalkit-compatible-1";
}

/// The content of the last "\boxed{" whose braces are balanced, stripped; none if it is missing or never closes.
inline std::optional<std::string_view> boxed_answer(std::string_view text) {
  constexpr std::string_view open = "\\boxed{";
  std::size_t const at = text.rfind(open);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t const begin = at + open.size();
  std::size_t depth = 1;
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return strip(text.substr(begin, i - begin));
  }
  return std::nullopt;
}

/// All contents of <tag>...</tag>, stripped and joined by a space; none without such a pair.
inline std::optional<std::string> tagged_answer(std::string_view text, std::string_view tag = "answer") {
  std::string const open = "<" + std::string(tag) + ">", close = "</" + std::string(tag) + ">";
  std::optional<std::string> out;
  for (std::size_t at = 0;;) {
    std::size_t const begin = text.find(open, at);
    if (begin == std::string_view::npos) return out;
    std::size_t const end = text.find(close, begin + open.size());
    if (end == std::string_view::npos) return out;
    if (out) *out += ' ';
    out = std::move(out)
              .value_or(std::string())
              .append(strip(text.substr(begin + open.size(), end - begin - open.size())));
    at = end + close.size();
  }
}

/// The answer in a model's text, in lower case:
///   1. if the word "boxed" occurs, the boxed content, else the content of <answer> tags, else the whole text
///   2. for each marker in this order, what follows its last occurrence: "**answer**:", "**answer**", "*answer*:",
///      "**answer:**", "answer is", "answer:", the same in Chinese, "final answer", "final answer is"
/// medevalkit: without a balanced box the answer is the word "None". medmo: step 1 goes on to tags; nothing is cut where a
/// marker ends the text; the result is stripped.
inline std::string parse_answer(std::string_view response, answer_rules rules = answer_rules::medmo) {
  static constexpr std::array<std::string_view, 9> markers = {
      "**answer**:",  "**answer**",     "*answer*:", "**answer:**", "answer is", "answer:", "\xE7\xAD\x94\xE6\xA1\x88:",
      "final answer", "final answer is"};
  bool const compatible = rules == answer_rules::medevalkit;
  std::string text = lowercase(response);
  auto const box = text.find("boxed") != std::string::npos ? boxed_answer(text) : std::nullopt;
  if (box)
    text = std::string(*box);
  else if (compatible && text.find("boxed") != std::string::npos)
    text = "None";
  else if (auto tagged = tagged_answer(text))
    text = std::move(*tagged);
  for (auto marker : markers) {
    std::size_t const at = text.rfind(marker);
    if (at == std::string::npos) continue;
    if (!compatible && strip(std::string_view(text).substr(at + marker.size())).empty()) continue;
    text.erase(0, at + marker.size());
  }
  return compatible ? text : std::string(strip(text));
}

/// Normal form for comparing answers: lower case; marks become spaces, except a point or comma between digits and + - < > = % /
/// ' beside other characters; single spaces; without the words a, an, the, unless nothing else is there.
///   "The left lower lobe." -> "left lower lobe"; "**Yes!**" -> "yes"; "(A)" -> "a"
inline std::string normalize_answer(std::string_view answer) {
  std::string const lower = lowercase(answer);
  std::string spaced;
  for (std::size_t at = 0; at < lower.size();) {
    std::size_t const here = at;
    char32_t const c = next_character(lower, at);
    char const next = at < lower.size() ? lower[at] : ' ';
    bool const number_point = (c == '.' || c == ',') && here > 0 && is_digit(lower[here - 1]) && is_digit(next);
    bool const cjk_mark = (c >= 0x3000 && c <= 0x303F) || (c >= 0xFF01 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20);
    bool const kept = c >= 0x80 ? !is_space(c) && !cjk_mark
                                : is_letter(static_cast<char>(c)) || is_digit(static_cast<char>(c)) || number_point ||
                                      std::string_view("+-<>=%/'").find(static_cast<char>(c)) != std::string_view::npos;
    kept ? spaced.append(lower, here, at - here) : spaced.append(1, ' ');
  }
  std::string all, content;
  for (auto const& word : split_words(spaced)) {
    if (word == "-" || word == "/" || word == "'") continue;
    all.append(all.empty() ? "" : " ").append(word);
    if (word != "a" && word != "an" && word != "the") content.append(content.empty() ? "" : " ").append(word);
  }
  return content.empty() ? all : content;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
