// The words by which report.hpp finds negation and uncertainty, and where they end: our own lists in the manner of NegEx.
// Patterns are those of report_findings.hpp.
#pragma once

#include <string_view>

#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::metrics::report_phrases {

enum class cue_kind {
  neutral,           ///< holds a word of negation or doubt without meaning it: "no change"
  doubts_before,     ///< stronger than a negation, and stands before the finding: "cannot exclude"
  doubts_after,      ///< "cannot be excluded"
  negates_before,    ///< "no", "without"
  negates_after,     ///< "not seen", "has resolved"
  uncertain_before,  ///< "possible"; weaker than a negation
  uncertain_after,   ///< "is suspected"
  ends,              ///< no cue reaches across: "but"
};

struct cue {
  cue_kind kind;
  std::string_view pattern;
};

/// Of several at one place, the longest is taken.
inline constexpr cue cues[] = {
    {cue_kind::neutral, "no change"},
    {cue_kind::neutral, "no significant change"},
    {cue_kind::neutral, "no significant interval change"},
    {cue_kind::neutral, "no interval change"},
    {cue_kind::neutral, "no relevant change"},
    {cue_kind::neutral, "no appreciable change"},
    {cue_kind::neutral, "without change"},
    {cue_kind::neutral, "without significant change"},
    {cue_kind::neutral, "without interval change"},
    {cue_kind::neutral, "not changed"},
    {cue_kind::neutral, "not significantly changed"},
    {cue_kind::neutral, "not substantially changed"},
    {cue_kind::neutral, "no increase"},
    {cue_kind::neutral, "no decrease"},
    {cue_kind::neutral, "not only"},
    {cue_kind::neutral, "not resolved"},
    {cue_kind::neutral, "not cleared"},
    {cue_kind::neutral, "not yet resolved"},
    {cue_kind::neutral, "not completely resolved"},
    {cue_kind::neutral, "consistent with"},
    {cue_kind::neutral, "compatible with"},
    {cue_kind::neutral, "in keeping with"},
    {cue_kind::neutral, "associated with"},

    {cue_kind::doubts_before, "cannot exclude"},
    {cue_kind::doubts_before, "can not exclude"},
    {cue_kind::doubts_before, "could not exclude"},
    {cue_kind::doubts_before, "does not exclude"},
    {cue_kind::doubts_before, "do not exclude"},
    {cue_kind::doubts_before, "not exclude"},
    {cue_kind::doubts_before, "cannot rule out"},
    {cue_kind::doubts_before, "can not rule out"},
    {cue_kind::doubts_before, "not rule out"},
    {cue_kind::doubts_before, "rule out"},
    {cue_kind::doubts_before, "evaluate for"},
    {cue_kind::doubts_after, "cannot be excluded"},
    {cue_kind::doubts_after, "cannot be ruled out"},
    {cue_kind::doubts_after, "cannot be entirely excluded"},
    {cue_kind::doubts_after, "cannot entirely be excluded"},
    {cue_kind::doubts_after, "can not be excluded"},
    {cue_kind::doubts_after, "could not be excluded"},
    {cue_kind::doubts_after, "not excluded"},
    {cue_kind::doubts_after, "not entirely excluded"},
    {cue_kind::doubts_after, "not ruled out"},
    {cue_kind::doubts_after, "difficult to exclude"},

    {cue_kind::negates_before, "no"},
    {cue_kind::negates_before, "not"},
    {cue_kind::negates_before, "without"},
    {cue_kind::negates_before, "w o"},
    {cue_kind::negates_before, "negative for"},
    {cue_kind::negates_before, "free of"},
    {cue_kind::negates_before, "clear of"},
    {cue_kind::negates_before, "absence of"},
    {cue_kind::negates_before, "lack of"},
    {cue_kind::negates_before, "absent"},
    {cue_kind::negates_before, "resolved"},
    {cue_kind::negates_before, "resolution of"},
    {cue_kind::negates_before, "interval removal of"},
    {cue_kind::negates_before, "removal of"},
    {cue_kind::negates_before, "rather than"},
    {cue_kind::negates_before, "denies"},
    {cue_kind::negates_before, "neither"},
    {cue_kind::negates_before, "nor"},
    {cue_kind::negates_after, "not seen"},
    {cue_kind::negates_after, "not identified"},
    {cue_kind::negates_after, "not visualized"},
    {cue_kind::negates_after, "not visualised"},
    {cue_kind::negates_after, "not present"},
    {cue_kind::negates_after, "not appreciated"},
    {cue_kind::negates_after, "not evident"},
    {cue_kind::negates_after, "not detected"},
    {cue_kind::negates_after, "not demonstrated"},
    {cue_kind::negates_after, "not apparent"},
    {cue_kind::negates_after, "not definitely seen"},
    {cue_kind::negates_after, "not clearly seen"},
    {cue_kind::negates_after, "not confirmed"},
    {cue_kind::negates_after, "no longer"},
    {cue_kind::negates_after, "absent"},
    {cue_kind::negates_after, "resolved"},
    {cue_kind::negates_after, "cleared"},
    {cue_kind::negates_after, "ruled out"},
    {cue_kind::negates_after, "excluded"},
    {cue_kind::negates_after, "unlikely"},
    {cue_kind::negates_after, "removed"},

    {cue_kind::uncertain_before, "possible"},
    {cue_kind::uncertain_before, "possibly"},
    {cue_kind::uncertain_before, "possibility of"},
    {cue_kind::uncertain_before, "probable"},
    {cue_kind::uncertain_before, "probably"},
    {cue_kind::uncertain_before, "likely"},
    {cue_kind::uncertain_before, "presumed"},
    {cue_kind::uncertain_before, "presumably"},
    {cue_kind::uncertain_before, "perhaps"},
    {cue_kind::uncertain_before, "may"},
    {cue_kind::uncertain_before, "might"},
    {cue_kind::uncertain_before, "could"},
    {cue_kind::uncertain_before, "suspicious for"},
    {cue_kind::uncertain_before, "suspicion for"},
    {cue_kind::uncertain_before, "suspicion of"},
    {cue_kind::uncertain_before, "suspect"},
    {cue_kind::uncertain_before, "suspected"},
    {cue_kind::uncertain_before, "concern for"},
    {cue_kind::uncertain_before, "concerning for"},
    {cue_kind::uncertain_before, "worrisome for"},
    {cue_kind::uncertain_before, "question of"},
    {cue_kind::uncertain_before, "questionable"},
    {cue_kind::uncertain_before, "equivocal"},
    {cue_kind::uncertain_before, "borderline"},
    {cue_kind::uncertain_before, "suggest*"},
    {cue_kind::uncertain_before, "appears to be"},
    {cue_kind::uncertain_before, "versus"},
    {cue_kind::uncertain_before, "vs"},
    {cue_kind::uncertain_before, "differential"},
    {cue_kind::uncertain_before, "?"},
    {cue_kind::uncertain_after, "versus"},
    {cue_kind::uncertain_after, "vs"},
    {cue_kind::uncertain_after, "is possible"},
    {cue_kind::uncertain_after, "are possible"},
    {cue_kind::uncertain_after, "remains possible"},
    {cue_kind::uncertain_after, "is suspected"},
    {cue_kind::uncertain_after, "are suspected"},
    {cue_kind::uncertain_after, "was suspected"},
    {cue_kind::uncertain_after, "questioned"},
    {cue_kind::uncertain_after, "may be present"},
    {cue_kind::uncertain_after, "might be present"},
    {cue_kind::uncertain_after, "could be present"},
    {cue_kind::uncertain_after, "in the differential"},
    {cue_kind::uncertain_after, "a consideration"},
    {cue_kind::uncertain_after, "less likely"},

    {cue_kind::ends, "but"},
    {cue_kind::ends, "however"},
    {cue_kind::ends, "although"},
    {cue_kind::ends, "though"},
    {cue_kind::ends, "except"},
    {cue_kind::ends, "apart from"},
    {cue_kind::ends, "aside from"},
    {cue_kind::ends, "other than"},
    {cue_kind::ends, "with the exception of"},
    {cue_kind::ends, "yet"},
    {cue_kind::ends, "whereas"},
    {cue_kind::ends, "while"},
    {cue_kind::ends, "otherwise"},
    {cue_kind::ends, "with"},
};

/// Behind a comma or an "and", one of these before the finding says that something new begins: "no effusion, mild edema".
inline constexpr std::string_view new_statement[] = {
    "there",        "is",       "are",      "was",     "were",    "has",       "have",     "remain*",    "show*",
    "demonstrate*", "increas*", "decreas*", "worsen*", "improv*", "small",     "mild*",    "moderate*",  "severe*",
    "minimal*",     "trace",    "tiny",     "new",     "stable",  "unchanged", "persist*", "again",      "also",
    "continued",    "chronic",  "healing",  "healed",  "old",     "prior",     "left",     "right",      "bilateral",
    "bibasilar",    "basilar",  "patchy",   "subtle",  "status",  "seen",      "noted",    "developing", "low",
};

/// Words between a finding and what negates it behind: "effusion is also no longer seen".
inline constexpr std::string_view linking[] = {
    "is",  "are",   "was",     "were",       "has",   "have",       "had",     "been", "be",        "also",
    "now", "again", "clearly", "definitely", "since", "completely", "thought", "felt", "considered"};

}  // namespace medmo::inline MEDMO_ABI::metrics::report_phrases
