// The policy-gradient losses of GRPO and its kin as functions of log-probabilities: values, and derivatives by the
// log-probability of every token. No model, no rewards: advantages come from advantages.hpp.
// Source: arXiv 2402.03300 (grpo, KL), 2503.20783 (dr_grpo), 2503.14476 (dapo, asymmetric clipping), 2507.18071 (ratios of
// sequences); MedMO's paper, equations 3, 4 and 6; conventions of TRL 1.16.0.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// What the sum of the tokens' losses is divided by; they differ in nothing else.
enum class loss_denominator {
  grpo,     ///< each completion by its own tokens, then by completions: favours short right and long wrong answers
  bnpo,     ///< by the tokens of one part, then by parts: the only one that depends on how a batch is cut
  dr_grpo,  ///< by completions times the longest completion allowed
  dapo      ///< by the tokens of the whole batch, as MedMO's equation 3
};

enum class ratio_level { token, sequence };

enum class kl_estimate {
  k3,           ///< exp(d) - d - 1, d = reference - policy
  k3_corrected  ///< times the ratio: unbiased where the policy has moved
};

struct grpo_loss_options {
  loss_denominator denominator = loss_denominator::dapo;
  ratio_level ratio = ratio_level::token;
  double clip_low = 0.2, clip_high = 0.2;  ///< ratios of 1 - low .. 1 + high count; DAPO: 0.2 and 0.28
  std::optional<double> delta{};           ///< no ratio counts for more, whatever the sign of the advantage
  double beta = 0;                         ///< of the KL term; 0: none, and no reference is needed
  kl_estimate kl = kl_estimate::k3_corrected;
  index max_completion_tokens = 512;       ///< of dr_grpo
};

/// Errors: bad_argument.
inline void check(grpo_loss_options const& o) {
  auto demand = [](bool good, char const* name, char const* expected, double found) {
    if (!good) MEDMO_THROW(errc::bad_argument, std::string("GRPO: ") + name, expected, std::to_string(found));
  };
  demand(o.clip_low >= 0 && o.clip_low <= 1, "clip_low", "a number from 0 to 1", o.clip_low);
  demand(o.clip_high >= 0 && std::isfinite(o.clip_high), "clip_high", "a number >= 0", o.clip_high);
  demand(!o.delta || (*o.delta > 0 && std::isfinite(*o.delta)), "delta", "a number above 0", o.delta.value_or(0));
  demand(std::isfinite(o.beta) && o.beta >= 0, "beta", "a number >= 0", o.beta);
  demand(o.max_completion_tokens > 0, "max_completion_tokens", "a number above 0", static_cast<double>(o.max_completion_tokens));
}

/// One completion: log-probabilities of its tokens under the policy as it is, as it was when it sampled, and under the
/// reference. All of one size; `reference` may be empty with beta 0, `mask` (0: a token that does not count) anyway.
struct scored_completion {
  std::span<double const> policy, old, reference{};
  std::span<std::uint8_t const> mask{};
  double advantage = 0;

  bool counts(std::size_t t) const { return mask.empty() || mask[t]; }
  index tokens() const {
    return mask.empty() ? static_cast<index>(policy.size()) : static_cast<index>(mask.size()) - std::count(mask.begin(), mask.end(), std::uint8_t{0});
  }
};

/// The whole batch of a step, of which a part is on its way: what denominators are made of.
struct batch_extent {
  index completions = 0;
  index tokens = 0;  ///< that count
  index parts = 1;
};

/// Sums over a part; adding those of all parts gives the batch's.
struct grpo_loss_report {
  double loss = 0;             ///< the part's share of the batch's loss
  index tokens = 0;            ///< that count
  index ratios = 0;            ///< tokens, or completions with ratios of sequences
  index low = 0, high = 0;     ///< ratios clipped below (advantage < 0) and above (advantage > 0)
  double kl = 0;               ///< summed over tokens
  double greatest_ratio = 0, least_ratio = 0;

  double low_share() const { return share(low); }
  double high_share() const { return share(high); }
  double mean_kl() const { return tokens ? kl / static_cast<double>(tokens) : 0; }
  grpo_loss_report& operator+=(grpo_loss_report const& o) {
    greatest_ratio = ratios == 0 ? o.greatest_ratio : o.ratios == 0 ? greatest_ratio : std::max(greatest_ratio, o.greatest_ratio);
    least_ratio = ratios == 0 ? o.least_ratio : o.ratios == 0 ? least_ratio : std::min(least_ratio, o.least_ratio);
    loss += o.loss, tokens += o.tokens, ratios += o.ratios, low += o.low, high += o.high, kl += o.kl;
    return *this;
  }

 private:
  double share(index n) const { return ratios ? static_cast<double>(n) / static_cast<double>(ratios) : 0; }
};

namespace detail {
/// -min(c1 A, c2 A) of a ratio, and its derivative by the logarithm of that ratio.
///   c1 = min(r, delta),  c2 = clip(r, 1 - low, 1 + high)
struct surrogate {
  double loss, slope;
  surrogate(double ratio, double advantage, grpo_loss_options const& o) {
    double const c1 = o.delta ? std::min(ratio, *o.delta) : ratio, d1 = o.delta && ratio > *o.delta ? 0 : ratio;
    double const c2 = std::clamp(ratio, 1 - o.clip_low, 1 + o.clip_high), d2 = c2 == ratio ? ratio : 0;
    double const one = c1 * advantage, two = c2 * advantage;
    loss = -std::min(one, two);
    slope = -advantage * (one < two ? d1 : two < one ? d2 : (d1 + d2) / 2);
  }
};

inline void check(scored_completion const& c, grpo_loss_options const& o) {
  auto const n = c.policy.size();
  if (c.old.size() != n || (!c.mask.empty() && c.mask.size() != n) || (c.reference.size() != n && (o.beta != 0 || !c.reference.empty())))
    MEDMO_THROW(errc::bad_argument, "completion", std::to_string(n) + " log-probabilities and marks of each kind",
                std::to_string(c.old.size()) + " old, " + std::to_string(c.reference.size()) + " of the reference, " +
                    std::to_string(c.mask.size()) + " marks");
}
}  // namespace detail

/// The loss of one completion as its part of the batch's, and its derivatives by c.policy into `slopes` of the same size.
///   r_t = exp(policy_t - old_t), or of a sequence exp(mean_t(policy_t - old_t)) for all of its tokens
///   L_t = -min(min(r, delta) A, clip(r, 1 - low, 1 + high) A) + beta KL_t
///   KL_t = exp(d) - d - 1, d = reference_t - policy_t; corrected: r KL_t
///   L = sum over the tokens that count of L_t / denominator
/// `part_tokens` are those of the part that count (bnpo). Errors: bad_argument for sizes that differ.
inline grpo_loss_report grpo_loss(scored_completion const& c, batch_extent const& batch, index part_tokens,
                                  grpo_loss_options const& o, std::span<double> slopes) {
  detail::check(c, o);
  if (slopes.size() != c.policy.size())
    MEDMO_THROW(errc::bad_argument, "slopes", std::to_string(c.policy.size()), std::to_string(slopes.size()));
  std::fill(slopes.begin(), slopes.end(), 0.0);
  grpo_loss_report report;
  report.tokens = c.tokens();
  auto at_least_one = [](index n) { return static_cast<double>(std::max<index>(n, 1)); };
  double const own = at_least_one(report.tokens), count = at_least_one(batch.completions);
  double const share = [&] {
    switch (o.denominator) {
      case loss_denominator::grpo: return 1 / (own * count);
      case loss_denominator::bnpo: return 1 / (at_least_one(part_tokens) * at_least_one(batch.parts));
      case loss_denominator::dr_grpo: return 1 / (count * static_cast<double>(o.max_completion_tokens));
      case loss_denominator::dapo: break;
    }
    return 1 / at_least_one(batch.tokens);
  }();
  bool const whole = o.ratio == ratio_level::sequence;
  double mean = 0;
  if (whole) {
    for (std::size_t t = 0; t < slopes.size(); ++t)
      if (c.counts(t)) mean += c.policy[t] - c.old[t];
    mean /= own;
  }
  auto see = [&](double ratio) {
    double const used = o.delta ? std::min(ratio, *o.delta) : ratio;
    report.low += used < 1 - o.clip_low && c.advantage < 0 ? 1 : 0;
    report.high += used > 1 + o.clip_high && c.advantage > 0 ? 1 : 0;
    report.least_ratio = report.ratios ? std::min(report.least_ratio, ratio) : ratio;
    report.greatest_ratio = report.ratios ? std::max(report.greatest_ratio, ratio) : ratio;
    ++report.ratios;
  };
  if (whole) see(std::exp(mean));
  double common = 0;  // the derivative by the mean, which every token moves by 1 / own
  for (std::size_t t = 0; t < slopes.size(); ++t) {
    if (!c.counts(t)) continue;
    double const ratio = std::exp(whole ? mean : c.policy[t] - c.old[t]);
    if (!whole) see(ratio);
    detail::surrogate const s(ratio, c.advantage, o);
    double loss = s.loss, by_ratio = s.slope;
    if (o.beta != 0) {
      double const d = c.reference[t] - c.policy[t], k3 = std::exp(d) - d - 1;
      bool const corrected = o.kl == kl_estimate::k3_corrected;
      double const kl = corrected ? ratio * k3 : k3;
      loss += o.beta * kl;
      report.kl += kl;
      slopes[t] += share * o.beta * (1 - std::exp(d)) * (corrected ? ratio : 1);
      if (corrected) by_ratio += o.beta * kl;
    }
    report.loss += share * loss;
    if (whole) common += share * by_ratio;
    else slopes[t] += share * by_ratio;
  }
  if (whole)
    for (std::size_t t = 0; t < slopes.size(); ++t)
      if (c.counts(t)) slopes[t] += common / own;
  return report;
}

/// The same of a whole part of a batch; `slopes` holds those of its completions one behind the other.
inline grpo_loss_report grpo_loss(std::span<scored_completion const> part, batch_extent const& batch, grpo_loss_options const& o,
                                  std::span<double> slopes) {
  index tokens = 0;
  std::size_t size = 0;
  for (auto const& c : part) tokens += c.tokens(), size += c.policy.size();
  if (slopes.size() != size) MEDMO_THROW(errc::bad_argument, "slopes", std::to_string(size), std::to_string(slopes.size()));
  grpo_loss_report report;
  std::size_t at = 0;
  for (auto const& c : part) {
    report += grpo_loss(c, batch, tokens, o, slopes.subspan(at, c.policy.size()));
    at += c.policy.size();
  }
  return report;
}

}  // namespace medmo::inline MEDMO_ABI::train
