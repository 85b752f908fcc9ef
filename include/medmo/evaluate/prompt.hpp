// What a model is asked, word for word: the prompts of MedEvalKit (utils/question_formats.py, MMMU's data_utils.py), by which
// published scores were made. A score changes with its prompt, so the strings are data of the benchmark and not ours to polish.
#pragma once

#include <string>
#include <string_view>

#include "item.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

/// How an option is written.
enum class option_marks {
  letter_dot_space,  ///< "A. text": MedQA, MedMCQA, OmniMedVQA, MedXpertQA
  letter_dot,        ///< "A.text": PubMedQA, Medbullets, SuperGPQA, MMLU
  as_given,          ///< the data's own text, which has its letter: PMC-VQA
  bracketed,         ///< "(A) text", in MMMU's layout
};

enum class answer_style {
  direct,     ///< the answer alone
  reasoning,  ///< the answer in \boxed{}
};

struct prompt_style {
  option_marks marks = option_marks::letter_dot_space;
  answer_style style = answer_style::direct;
};

namespace detail {
struct sentence {
  std::string_view direct, reasoning;
  std::string_view of(answer_style s) const { return s == answer_style::direct ? direct : reasoning; }
};

inline constexpr sentence choice_sentence{"Answer with the option's letter from the given choices directly.",
                                          R"(Answer with the option's letter from the given choices and put the letter in one "\boxed{}".)"};
inline constexpr sentence yes_no_sentence{"Please output 'yes' or 'no'(no extra output).",
                                          R"(Please output "yes" or "no" and put the answer in one "\boxed{}".)"};
inline constexpr sentence closed_sentence{"Answer the question using a single word or phrase.",
                                          R"(Answer the question using a single word or phrase and put the answer in one "\boxed{}".)"};
inline constexpr sentence open_sentence{"Please answer the question concisely.",
                                        R"(Please answer the question concisely and put the answer in one "\boxed{}".)"};
inline constexpr sentence closed_sentence_zh{"\350\257\267\347\224\250\344\270\200\344\270\252\345\215\225\350\257\215\346\210\226\350\200\205\347\237\255\350\257\255\345\233\236\347\255\224\350\257\245\351\227\256\351\242\230\343\200\202", "\350\257\267\347\224\250\344\270\200\344\270\252\345\215\225\350\257\215\346\210\226\350\200\205\347\237\255\350\257\255\345\233\236\347\255\224\350\257\245\351\227\256\351\242\230\357\274\214\345\271\266\345\260\206\347\255\224\346\241\210\346\224\276\345\234\250\344\270\200\344\270\252'\\boxed{}'\344\270\255\343\200\202"};
inline constexpr sentence open_sentence_zh{"\350\257\267\347\256\200\350\246\201\345\233\236\347\255\224\350\257\245\351\227\256\351\242\230\343\200\202", "\350\257\267\347\256\200\350\246\201\345\233\236\347\255\224\350\257\245\351\227\256\351\242\230\357\274\214\345\271\266\345\260\206\347\255\224\346\241\210\346\224\276\345\234\250\344\270\200\344\270\252'\\boxed{}'\344\270\255\343\200\202"};
inline constexpr std::string_view report_prompt =
    "You are a helpful assistant. Please generate a report for the given images, including both findings and impressions. Return the "
    "report in the following format: Findings: {} Impression: {}.";

inline std::string option_lines(item const& i, option_marks marks) {
  std::string out;
  for (std::size_t n = 0; n < i.options.size(); ++n) {
    std::string const letter(1, static_cast<char>('A' + n));
    std::string const mark = marks == option_marks::letter_dot_space ? letter + ". "
                             : marks == option_marks::letter_dot     ? letter + "."
                             : marks == option_marks::bracketed      ? "(" + letter + ") "
                                                                     : "";
    out += (n ? "\n" : "") + mark + i.options[n];
  }
  return out;
}
}  // namespace detail

/// The user's text of a question; its pictures come before it.
inline std::string prompt_of(item const& i, prompt_style const& style = {}) {
  std::string const before = i.context.empty() ? "" : "Context: " + i.context + "\n";
  auto asked = [&](detail::sentence const& s) { return before + i.question + "\n" + std::string(s.of(style.style)); };
  bool const chinese = i.language == "zh";
  switch (i.kind) {
    case task::choice:
      if (style.marks == option_marks::bracketed)
        return before + "\n" + i.question + "\n\n" + detail::option_lines(i, style.marks) + "\n\n" +
               std::string(detail::choice_sentence.of(style.style));
      return before + "\nQuestion: " + i.question + "\nOptions: \n" + detail::option_lines(i, style.marks) + "\n" +
             std::string(detail::choice_sentence.of(style.style));
    case task::yes_no: return asked(detail::yes_no_sentence);
    case task::closed:
      if (style.marks == option_marks::bracketed)
        return before + i.question + "\n\n" + std::string(detail::closed_sentence.of(style.style));
      return asked(chinese ? detail::closed_sentence_zh : detail::closed_sentence);
    case task::open: return asked(chinese ? detail::open_sentence_zh : detail::open_sentence);
    case task::report: return i.question.empty() ? std::string(detail::report_prompt) : i.question;
    case task::grounding: return before + i.question;
  }
  return i.question;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
