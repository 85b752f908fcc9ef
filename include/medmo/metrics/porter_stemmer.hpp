// Porter's stemmer as nltk has it: the algorithm of 1980 with nltk's extensions (a few irregular words, "-ied" and "-ies" of
// four letters, "y" behind a consonant, words of two letters untouched). METEOR of nltk and rouge-score stem with it.
// Sources: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980; nltk 3.10.4, stem/porter.py (behaviour).
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "characters.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

namespace porter {

/// A word while it is stemmed; any character but a, e, i, o, u and some y is a consonant.
template <class C>
class stemmed_word {
  using text = std::basic_string<C>;
  using view = std::basic_string_view<C>;

 public:
  explicit stemmed_word(text word) : word_(std::move(word)) {}

  text run() {
    if (irregular() || word_.size() <= 2) return word_;
    plural();
    past_and_gerund();
    final_y();
    derived();
    first_rule(step_3, 0);
    first_rule(step_4, 1);
    final_e();
    if (ends(word_, "ll") && measure(view(word_).substr(0, word_.size() - 1)) > 1) word_.pop_back();
    return word_;
  }

 private:
  struct rule {
    std::string_view suffix, by;
  };
  static constexpr rule step_2[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
                                    {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
                                    {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                                    {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
                                    {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
                                    {"fulli", "ful"}};
  static constexpr rule step_3[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                    {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
  static constexpr rule step_4[] = {{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},    {"ic", ""},
                                    {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
                                    {"ent", ""},  {"ion", ""},  {"ou", ""},   {"ism", ""},   {"ate", ""},
                                    {"iti", ""},  {"ous", ""},  {"ive", ""},  {"ize", ""}};

  static bool is(view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (a[i] != static_cast<C>(b[i])) return false;
    return true;
  }
  static bool ends(view word, std::string_view suffix) {
    return word.size() >= suffix.size() && is(word.substr(word.size() - suffix.size()), suffix);
  }
  static bool vowel_letter(C c) { return c == C('a') || c == C('e') || c == C('i') || c == C('o') || c == C('u'); }

  /// A y is a consonant exactly where the letter before it is none; at the beginning it is one.
  static bool consonant(view word, std::size_t i) {
    if (word[i] != C('y')) return !vowel_letter(word[i]);
    std::size_t run = i;
    while (run > 0 && word[run] == C('y')) --run;
    bool const first = word[run] == C('y') || !vowel_letter(word[run]);
    return first != (((i - run) & 1) != 0);
  }
  /// Times a vowel is followed by a consonant: Porter's m.
  static int measure(view word) {
    int m = 0;
    bool before = true, current = true;
    for (std::size_t i = 0; i < word.size(); ++i, before = current) {
      current = word[i] == C('y') ? i == 0 || !before : !vowel_letter(word[i]);
      m += i > 0 && !before && current;
    }
    return m;
  }
  static bool has_vowel(view word) {
    for (std::size_t i = 0; i < word.size(); ++i)
      if (vowel_letter(word[i]) || (word[i] == C('y') && i > 0 && word[i - 1] != C('y'))) return true;
    return word.size() > 1 && word[0] == C('y') && word[1] == C('y');
  }
  static bool ends_short(view w) {
    std::size_t const n = w.size();
    if (n == 2) return !consonant(w, 0) && consonant(w, 1);
    return n > 2 && consonant(w, n - 3) && !consonant(w, n - 2) && consonant(w, n - 1) && w[n - 1] != C('w') &&
           w[n - 1] != C('x') && w[n - 1] != C('y');
  }

  view without(std::size_t n) const { return view(word_).substr(0, word_.size() - n); }
  void replace(std::string_view suffix, std::string_view by) {
    word_.resize(word_.size() - suffix.size());
    for (char c : by) word_ += static_cast<C>(c);
  }
  /// The first rule whose suffix fits decides; it acts only if the measure of what stays is above `least`.
  void first_rule(std::span<rule const> rules, int least) {
    for (auto const& r : rules) {
      if (!ends(word_, r.suffix)) continue;
      view const stem = without(r.suffix.size());
      bool const fits = measure(stem) > least && (r.suffix != "ion" || stem.back() == C('s') || stem.back() == C('t'));
      if (fits) replace(r.suffix, r.by);
      return;
    }
  }

  bool irregular() {
    static constexpr rule forms[] = {
        {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
        {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
        {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
        {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};
    for (auto const& form : forms)
      if (is(word_, form.suffix)) return replace(form.suffix, form.by), true;
    return false;
  }
  void plural() {
    if (ends(word_, "sses")) return replace("es", "");
    if (ends(word_, "ies")) return word_.size() == 4 ? replace("s", "") : replace("es", "");
    if (ends(word_, "s") && !ends(word_, "ss")) word_.pop_back();
  }
  void past_and_gerund() {
    if (ends(word_, "ied")) return word_.size() == 4 ? replace("d", "") : replace("ed", "");
    if (ends(word_, "eed")) return measure(without(3)) > 0 ? replace("d", "") : void();
    std::size_t const suffix = ends(word_, "ed") && has_vowel(without(2))    ? 2
                               : ends(word_, "ing") && has_vowel(without(3)) ? 3
                                                                             : 0;
    if (suffix == 0) return;
    word_.resize(word_.size() - suffix);
    if (ends(word_, "at") || ends(word_, "bl") || ends(word_, "iz")) return replace("", "e");
    std::size_t const n = word_.size();
    if (n >= 2 && word_[n - 1] == word_[n - 2] && consonant(word_, n - 1)) {
      if (word_[n - 1] != C('l') && word_[n - 1] != C('s') && word_[n - 1] != C('z')) word_.pop_back();
    } else if (measure(word_) == 1 && ends_short(word_)) {
      replace("", "e");
    }
  }
  void final_y() {
    if (ends(word_, "y") && word_.size() > 2 && consonant(word_, word_.size() - 2)) replace("y", "i");
  }
  void derived() {
    if (ends(word_, "alli") && measure(without(4)) > 0) replace("li", "");
    if (ends(word_, "logi")) {  // the l counts with the stem: geology, theology
      if (measure(without(3)) > 0) replace("i", "");
      return;
    }
    first_rule(step_2, 0);
  }
  void final_e() {
    if (!ends(word_, "e")) return;
    int const m = measure(without(1));
    if (m > 1 || (m == 1 && !ends_short(without(1)))) word_.pop_back();
  }

  text word_;
};

}  // namespace porter

/// The stem of a word in lower case; linear in its length. Letters beyond ASCII are consonants.
///   porter_stem("opacities") == "opac", porter_stem("enlarged") == "enlarg"
inline std::string porter_stem(std::string_view word) {
  bool ascii = true;
  for (char c : word) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii) return porter::stemmed_word<char>(std::string(word)).run();
  std::u32string characters;
  for (std::size_t at = 0; at < word.size();) characters += next_character(word, at);
  std::string out;
  for (char32_t c : porter::stemmed_word<char32_t>(std::move(characters)).run()) append_character(out, c);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
