// Agreement of two sets of reports on the 14 observations: F1 of each, micro and macro, over all and over the five that CheXpert's
// competition counts (atelectasis, cardiomegaly, consolidation, edema, pleural effusion).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "observation.hpp"
#include "overlap_score.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// What an uncertain mention counts as.
enum class uncertain_as {
  positive,
  negative,  ///< as no mention
  left_out,  ///< the pair of labels is not counted if either is uncertain
};

struct observation_counts {
  std::int64_t both = 0, only_predicted = 0, only_true = 0;
  overlap_score score() const {
    return overlap(static_cast<std::size_t>(both), static_cast<std::size_t>(both + only_predicted),
                   static_cast<std::size_t>(both + only_true));
  }
};

struct observation_scores {
  std::array<observation_counts, observation_count> counts{};
  std::array<overlap_score, observation_count> each{};
  overlap_score micro, micro_5;  ///< of counts added up
  double macro_f1 = 0,
         macro_f1_5 = 0;  ///< mean of F1 over observations that are true or predicted somewhere; 0 if none is
};

inline constexpr std::array<observation, 5> competition_observations = {
    observation::atelectasis, observation::cardiomegaly, observation::consolidation, observation::edema,
    observation::pleural_effusion};

/// Labels of predicted and true reports, pair by pair; a label counts if it is positive.
/// Errors: bad_argument if the two differ in length.
inline observation_scores score_observations(std::span<observations const> predicted,
                                             std::span<observations const> truth,
                                             uncertain_as uncertain = uncertain_as::positive) {
  if (predicted.size() != truth.size())
    MEDMO_THROW(errc::bad_argument, "observations", std::to_string(truth.size()) + " predicted reports",
                std::to_string(predicted.size()));
  observation_scores out;
  auto positive = [&](mention m) {
    return m == mention::positive || (m == mention::uncertain && uncertain == uncertain_as::positive);
  };
  for (std::size_t i = 0; i < truth.size(); ++i)
    for (std::size_t k = 0; k < observation_count; ++k) {
      mention const p = predicted[i].of[k], t = truth[i].of[k];
      if (uncertain == uncertain_as::left_out && (p == mention::uncertain || t == mention::uncertain)) continue;
      out.counts[k].both += positive(p) && positive(t);
      out.counts[k].only_predicted += positive(p) && !positive(t);
      out.counts[k].only_true += !positive(p) && positive(t);
    }
  auto summarise = [&](auto&& chosen, overlap_score& micro, double& macro) {
    observation_counts sum;
    int present = 0;
    for (std::size_t k = 0; k < observation_count; ++k) {
      auto const& c = out.counts[k];
      if (!chosen(static_cast<observation>(k)) || c.both + c.only_predicted + c.only_true == 0) continue;
      sum.both += c.both, sum.only_predicted += c.only_predicted, sum.only_true += c.only_true;
      macro += c.score().f1;
      ++present;
    }
    micro = sum.score();
    macro = present ? macro / present : 0;
  };
  for (std::size_t k = 0; k < observation_count; ++k) out.each[k] = out.counts[k].score();
  summarise([](observation) { return true; }, out.micro, out.macro_f1);
  auto competes = [](observation o) {
    return std::find(competition_observations.begin(), competition_observations.end(), o) !=
           competition_observations.end();
  };
  summarise(competes, out.micro_5, out.macro_f1_5);
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::metrics
