// What a chest X-ray report says of the 14 CheXpert observations, by rules: find the words of a finding, see whether a negation
// or a doubt reaches them, take the strongest of all mentions. The steps are those that CheXpert's and NegEx's authors publish;
// the lists (report_findings.hpp, report_cues.hpp) and the scope rules are ours, so labels are not those of CheXpert's own program.
// English only. Sources: Irvin et al., arXiv 1901.07031, section 3; Chapman et al., J Biomed Inform 34, 2001 (NegEx).
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "characters.hpp"
#include "observation.hpp"
#include "report_cues.hpp"
#include "report_findings.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Changes whenever some report is labelled differently.
inline constexpr std::string_view report_labeller_version = "medmo-report-1";

namespace report_detail {
using namespace report_phrases;
using tokens = std::vector<std::string_view>;
using token_span = std::span<std::string_view const>;

/// Sentences of words and marks "," and "?" ; a sentence ends at . ! ; : and an empty line. Hyphens and slashes separate.
inline std::vector<tokens> sentences_of(std::string_view lower) {
  std::vector<tokens> out(1);
  auto at = [&](std::size_t i) { return i < lower.size() ? lower[i] : ' '; };
  auto part = [](char c) { return is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80; };
  auto space = [](char c) { return c == ' ' || c == '\n'; };
  for (std::size_t i = 0; i < lower.size();) {
    std::size_t end = i;
    while (end < lower.size() &&
           (part(lower[end]) || (lower[end] == '.' && end > i && is_digit(lower[end - 1]) && is_digit(at(end + 1)))))
      ++end;
    if (end > i) {
      out.back().push_back(lower.substr(i, end - i));
      i = end;
      continue;
    }
    char const c = lower[i];
    bool const question =
        c == '?' && (part(at(i + 1)) || (space(at(i + 1)) && (i == 0 || space(at(i - 1)))));  // "? pneumonia"
    bool const ends =
        c == '.' || c == '!' || c == ';' || c == ':' || (c == '?' && !question) || (c == '\n' && at(i + 1) == '\n');
    if (ends && !out.back().empty()) out.emplace_back();
    if (c == ',' || c == '(' || c == ')') out.back().push_back(",");
    if (question) out.back().push_back("?");
    ++i;
  }
  return out;
}

inline bool word_matches(std::string_view word, std::string_view pattern) {
  return pattern.ends_with('*') ? word.starts_with(pattern.substr(0, pattern.size() - 1)) : word == pattern;
}
inline bool any_matches(std::string_view word, std::span<std::string_view const> patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](auto p) { return word_matches(word, p); });
}

/// Where a pattern that begins at `begin` ends, or none.
inline std::optional<std::size_t> match(token_span sentence, std::size_t begin, std::string_view pattern) {
  if (sentence[begin].front() != pattern.front()) return std::nullopt;  // most patterns end here
  std::size_t at = begin, gap = 0;
  while (!pattern.empty()) {
    std::size_t const space = std::min(pattern.find(' '), pattern.size());
    std::string_view const word = pattern.substr(0, space);
    pattern.remove_prefix(std::min(space + 1, pattern.size()));
    if (word == "~") {
      gap = 5;
      continue;
    }
    // The gap crosses no comma: another statement may begin there.
    while (gap > 0 && at < sentence.size() && !word_matches(sentence[at], word) && sentence[at] != ",") ++at, --gap;
    if (at >= sentence.size() || !word_matches(sentence[at], word)) return std::nullopt;
    ++at, gap = 0;
  }
  return at;
}

struct range {
  std::size_t begin, end;
};
struct found_cue : range {
  cue_kind kind;
};

/// Cues of a sentence. Of several at a place the longest counts; one word can be a cue before and behind a finding.
inline std::vector<found_cue> find_cues(token_span sentence) {
  std::vector<found_cue> out;
  for (std::size_t i = 0; i < sentence.size();) {
    std::size_t longest = 0;
    for (auto const& c : cues)
      if (auto end = match(sentence, i, c.pattern)) longest = std::max(longest, *end);
    if (longest == 0) {
      ++i;
      continue;
    }
    for (auto const& c : cues)
      if (match(sentence, i, c.pattern) == longest) out.push_back({{i, longest}, c.kind});
    i = longest;
  }
  return out;
}

/// A cue speaks of findings at most so many words away, so that time is linear even in a text without full stops.
inline constexpr std::size_t farthest = 40;

/// A sentence, its cues, and where they stop other cues.
class scopes {
 public:
  explicit scopes(token_span sentence)
      : sentence_(sentence), cues_(find_cues(sentence)), at_(sentence.size(), stop::none) {
    for (auto const& c : cues_)
      if (c.kind == cue_kind::ends)
        at_[c.begin] = stop::always;
      else if (c.kind != cue_kind::neutral)
        at_[c.begin] = stop::behind_a_comma;
  }

  /// What the sentence says of a finding that stands in `where` and would say `plain`.
  mention judge(range where, mention plain) const {
    bool doubt = false, negated = false, uncertain = false;
    std::size_t const first = where.begin - std::min(where.begin, farthest);
    auto c = std::lower_bound(cues_.begin(), cues_.end(), first,
                              [](auto const& cue, std::size_t at) { return cue.begin < at; });
    for (; c != cues_.end() && c->begin < where.end + farthest; ++c) {
      if (!applies(*c, where)) continue;
      doubt = doubt || c->kind == cue_kind::doubts_before || c->kind == cue_kind::doubts_after;
      negated = negated || c->kind == cue_kind::negates_before || c->kind == cue_kind::negates_after;
      uncertain = uncertain || c->kind == cue_kind::uncertain_before || c->kind == cue_kind::uncertain_after;
    }
    if (doubt) return mention::uncertain;
    if (negated)
      return plain == mention::negative ? mention::uncertain : mention::negative;  // "not normal" says little
    return uncertain && plain == mention::positive ? mention::uncertain : plain;
  }

 private:
  enum class stop : unsigned char { none, behind_a_comma, always };

  bool applies(found_cue const& c, range where) const {
    switch (c.kind) {
      case cue_kind::doubts_before:
      case cue_kind::negates_before:
      case cue_kind::uncertain_before:
        if (c.begin >= where.begin && c.end < where.end) return true;  // "the heart is not enlarged"
        return c.end <= where.begin && reaches(c.end, where.begin);
      case cue_kind::doubts_after:
      case cue_kind::negates_after:
      case cue_kind::uncertain_after: {
        if (c.begin < where.end) return false;
        std::size_t last = c.begin;
        while (last > where.end && any_matches(sentence_[last - 1], linking)) --last;
        for (std::size_t i = where.end; i < last; ++i)
          if (any_matches(sentence_[i], linking)) return false;  // that verb says something else of the finding
        return reaches(where.end, last);
      }
      default: return false;
    }
  }

  /// Not across an `ends` cue, nor across a comma or "and" behind which something new begins; "or" goes on.
  bool reaches(std::size_t from, std::size_t to) const {
    bool behind_a_comma = false;
    for (std::size_t i = from; i < to; ++i) {
      if (at_[i] == stop::always || (behind_a_comma && at_[i] == stop::behind_a_comma)) return false;
      if (sentence_[i] == "," || sentence_[i] == "and")
        behind_a_comma = true;
      else if (sentence_[i] == "or" || sentence_[i] == "nor")
        behind_a_comma = false;
      else if (behind_a_comma && any_matches(sentence_[i], new_statement))
        return false;
    }
    return true;
  }

  token_span sentence_;
  std::vector<found_cue> cues_;  // by place
  std::vector<stop> at_;
};
}  // namespace report_detail

/// Labels of a report or a part of one. Of several mentions the strongest counts: positive, then uncertain, then negative.
/// No Finding is positive if nothing but support devices is positive or uncertain, and none otherwise; an empty text has none.
/// Thread-safe; linear in the text.
///   label_report("No pneumothorax. Mild cardiomegaly.")[observation::cardiomegaly] == mention::positive
inline observations label_report(std::string_view report) {
  namespace detail = report_detail;
  observations out;
  std::string const lower = lowercase(report);
  bool says_something = false;
  for (auto const& sentence : detail::sentences_of(lower)) {
    says_something = says_something || !sentence.empty();
    detail::scopes const scope(sentence);
    std::size_t excluded = 0;  // words before it are part of what is no finding
    for (std::size_t i = 0; i < sentence.size(); ++i) {
      for (auto pattern : report_phrases::no_findings)
        if (auto end = detail::match(sentence, i, pattern)) excluded = std::max(excluded, *end);
      if (i < excluded) continue;
      for (auto const& finding : report_phrases::findings)
        if (auto end = detail::match(sentence, i, finding.pattern)) {
          auto& label = out[finding.what];
          label = std::max(label, scope.judge({i, *end}, finding.says));
        }
    }
  }
  bool clean = says_something;
  for (std::size_t k = 1; k < observation_count; ++k)
    clean = clean && (static_cast<observation>(k) == observation::support_devices || out.of[k] < mention::uncertain);
  if (clean) out[observation::no_finding] = mention::positive;
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
