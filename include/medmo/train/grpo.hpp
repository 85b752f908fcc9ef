// One step of GRPO: prompts, completions sampled by the policy as it is, rewards, advantages, and one or several steps of
// the optimiser on them. Rewards are callables; sampling is rollout.hpp's, formulas are advantages.hpp's and grpo_loss.hpp's.
// Source: arXiv 2402.03300 and 2503.14476; MedMO's paper, equations 3 to 6; defaults of TRL 1.16.0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "advantages.hpp"
#include "grpo_loss.hpp"
#include "rollout.hpp"
#include "trainer.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// Nothing: the reward does not apply to this completion.
struct reward {
  std::string name;
  std::function<std::optional<double>(completion const&)> of;
  double weight = 1;
};

enum class truncated_completions {
  learned,  ///< like the others
  masked    ///< no token of them counts; their rewards are still in their group's mean
};

struct grpo_options {
  rollout_options rollout{};
  advantage_options advantages{};
  grpo_loss_options loss{};  ///< max_completion_tokens is the rollout's
  index groups = 1;          ///< prompts of a step
  index iterations = 1;      ///< optimiser steps on the same completions
  index per_pass = 1;        ///< completions on the tape at once: memory and time, not the result but for rounding (and bnpo)
  truncated_completions truncated = truncated_completions::learned;
  /// Rounds of sampling at most. From the second on, groups whose totals are equal make room for other prompts' (DAPO's
  /// dynamic sampling); what is still missing after the last is made up of such groups. 1: all groups are kept.
  index rounds = 1;
};

/// A reward over all completions that were sampled, before and after its weight.
struct reward_report {
  std::string name;
  double weight = 1;
  spread before{}, after{};
};

struct grpo_report {
  index step = 0;  ///< of the optimiser, behind this
  std::vector<reward_report> rewards;
  spread total{};                      ///< of the weighted sums: what the policy sees
  index groups = 0, constant_groups = 0;  ///< sampled, and of those the ones without spread
  index completions = 0, truncated = 0;   ///< sampled, and of those the ones without an end
  index tokens = 0, shortest = 0, longest = 0;
  double surprise = 0;                 ///< mean -ln p of sampled tokens: estimates the policy's entropy without bias
  std::vector<grpo_loss_report> iterations;
  step_report update{};                ///< of the last iteration
  bool learned = false;                ///< false: no completion of the step could teach anything, and none was taken
  double sampling_ms = 0, learning_ms = 0;

  double constant_share() const { return groups ? static_cast<double>(constant_groups) / static_cast<double>(groups) : 0; }
  double mean_length() const { return completions ? static_cast<double>(tokens) / static_cast<double>(completions) : 0; }
  grpo_loss_report loss() const {  ///< all iterations; its loss is their sum
    grpo_loss_report all;
    for (auto const& i : iterations) all += i;
    return all;
  }
};

template <model_configuration C>
class grpo_trainer {
 public:
  /// `base`, which must outlive this, is the model that training begins with and, unless another is given, the reference of
  /// the KL term: its own tensors never change, and with adapters alone in training it is the policy without them.
  /// Errors: bad_argument for options that cannot be, or no rewards; those of parameters.
  grpo_trainer(pretrained<C> const& base, trainer_options const& training, grpo_options options, std::vector<reward> rewards,
               model<C> const* reference = nullptr)
      : options_(std::move(options)),
        rewards_(std::move(rewards)),
        trainer_(base.model, training),
        policy_{model<C>::over(trainer_.current().weights()), base.tokenizer, base.pictures, base.sampling, base.end_ids},
        reference_(reference ? *reference : base.model) {
    options_.loss.max_completion_tokens = options_.rollout.max_new_tokens;
    train::check(options_.rollout);
    train::check(options_.loss);
    auto demand = [](bool good, char const* name, index found) {
      if (!good) MEDMO_THROW(errc::bad_argument, std::string("GRPO: ") + name, "a number above 0", std::to_string(found));
    };
    demand(options_.groups >= 1, "groups", options_.groups);
    demand(options_.iterations >= 1, "iterations", options_.iterations);
    demand(options_.per_pass >= 1, "per_pass", options_.per_pass);
    demand(options_.rounds >= 1, "rounds", options_.rounds);
    demand(!rewards_.empty(), "rewards", 0);
    for (auto const& r : rewards_) weights_.push_back(r.weight);
  }

  train::trainer<C>& training() { return trainer_; }
  /// The policy as it is now, to ask it something.
  pretrained<C> const& policy() const { return policy_; }

  std::uint64_t sampled() const { return sampled_; }  ///< completions so far: with the trainer's, the state to go on from
  void resume(std::uint64_t sampled) { sampled_ = sampled; }

  // what the last step learned from, one group behind the other
  std::span<grpo_prompt const> prompts() const { return prompts_; }
  std::span<completion const> completions() const { return completions_; }
  std::span<double const> advantages() const { return advantages_.values; }
  std::span<std::optional<double> const> totals() const { return advantages_.totals; }

  /// A step on prompts that next() gives, as many as are needed. An error of a prompt or a reward changes no weight.
  template <class Next>
  grpo_report step(Next&& next) {
    grpo_report report;
    stopwatch watch;
    sample(next, report);
    report.sampling_ms = watch.lap();
    advantages_ = advantages_of(values_, weights_, options_.rollout.group, options_.advantages);
    prepare();
    for (index i = 0; i < options_.iterations; ++i) {
      report.update = {};
      auto loss = learn(i == 0, report);
      report.update.loss = loss.loss;
      report.update.tokens = loss.tokens;
      report.iterations.push_back(loss);
      if (report.learned) trainer_.update(report.update);
    }
    report.learning_ms = watch.lap();
    report.step = trainer_.steps();
    return report;
  }

 private:
  using rewards_of_one = std::vector<std::optional<double>>;

  rewards_of_one judge(completion const& c) const {
    rewards_of_one out;
    for (auto const& r : rewards_) out.push_back(r.of(c));
    return out;
  }

  /// Prompts, completions and rewards of the step.
  template <class Next>
  void sample(Next&& next, grpo_report& report) {
    struct group {
      grpo_prompt prompt;
      std::vector<completion> completions;
      rewards_of_one values;
    };
    auto const size = static_cast<std::size_t>(options_.rollout.group), wanted = static_cast<std::size_t>(options_.groups);
    std::vector<group> kept, constant;
    rewards_of_one all;
    for (index round = 0; round < options_.rounds && kept.size() < wanted; ++round) {
      std::vector<grpo_prompt> asked;
      while (asked.size() < wanted - kept.size()) asked.push_back(next());
      auto said = sample_groups(policy_, std::span<grpo_prompt const>(asked), options_.rollout, sampled_);
      sampled_ += said.size();
      for (std::size_t g = 0; g < asked.size(); ++g) {
        group one{std::move(asked[g]), {}, {}};
        rewards_of_one totals;
        for (std::size_t i = g * size; i < (g + 1) * size; ++i) {
          auto const values = judge(said[i]);
          totals.push_back(total_reward(values, weights_));
          one.values.insert(one.values.end(), values.begin(), values.end());
          note(said[i], report);
          one.completions.push_back(std::move(said[i]));
        }
        all.insert(all.end(), one.values.begin(), one.values.end());
        bool const flat = spread_of(totals).constant;
        ++report.groups;
        report.constant_groups += flat ? 1 : 0;
        (flat && options_.rounds > 1 ? constant : kept).push_back(std::move(one));
      }
    }
    for (auto g = constant.begin(); kept.size() < wanted; ++g) kept.push_back(std::move(*g));
    summarize(all, report);
    prompts_.clear(), completions_.clear(), values_.clear();
    for (auto& g : kept) {
      prompts_.push_back(std::move(g.prompt));
      std::move(g.completions.begin(), g.completions.end(), std::back_inserter(completions_));
      values_.insert(values_.end(), g.values.begin(), g.values.end());
    }
  }

  static void note(completion const& c, grpo_report& report) {
    auto const n = static_cast<index>(c.tokens.size());
    report.shortest = report.completions ? std::min(report.shortest, n) : n;
    report.longest = std::max(report.longest, n);
    report.tokens += n;
    ++report.completions;
    report.truncated += c.truncated() ? 1 : 0;
    for (double l : c.log_probabilities) report.surprise -= l;
  }

  void summarize(rewards_of_one const& all, grpo_report& report) const {
    if (report.tokens) report.surprise /= static_cast<double>(report.tokens);
    rewards_of_one totals;
    for (std::size_t at = 0; at < all.size(); at += rewards_.size())
      totals.push_back(total_reward(std::span(all).subspan(at, rewards_.size()), weights_));
    report.total = spread_of(totals);
    for (std::size_t k = 0; k < rewards_.size(); ++k) {
      rewards_of_one one, weighted;
      for (std::size_t at = k; at < all.size(); at += rewards_.size()) {
        one.push_back(all[at]);
        weighted.push_back(all[at] ? std::optional(weights_[k] * *all[at]) : std::nullopt);
      }
      report.rewards.push_back({rewards_[k].name, weights_[k], spread_of(one), spread_of(weighted)});
    }
  }

  /// What the tape and the loss need of each completion, and the log-probabilities that do not change over iterations.
  void prepare() {
    samples_.clear();
    for (auto const& p : prompts_) samples_.push_back(sample_of(policy_, p, options_.rollout));
    batch_ = {.completions = static_cast<index>(completions_.size())};
    batch_.parts = (batch_.completions + options_.per_pass - 1) / options_.per_pass;
    scores_.assign(completions_.size(), {});
    auto const t = options_.rollout.temperature;
    for (std::size_t i = 0; i < completions_.size(); ++i) {
      auto const& c = completions_[i];
      auto& s = scores_[i];
      bool const counts = !(c.truncated() && options_.truncated == truncated_completions::masked);
      s.mask.assign(c.tokens.size(), counts ? 1 : 0);
      s.teaches = counts && !c.tokens.empty() && (advantages_.values[i] != 0 || options_.loss.beta != 0);
      if (counts) batch_.tokens += static_cast<index>(c.tokens.size());
      s.old = c.log_probabilities;
      if (options_.loss.beta != 0) s.reference.resize(s.old.size());
      if (!s.teaches) continue;
      auto const sample = sample_at(i);
      if (t != 1.0f) trainer_.log_probabilities({&sample, 1}, s.old, t);
      if (options_.loss.beta != 0) trainer_.log_probabilities(reference_, {&sample, 1}, s.reference, t);
    }
  }

  training_sample sample_at(std::size_t i) const {
    return with_completion(samples_[i / static_cast<std::size_t>(options_.rollout.group)], completions_[i]);
  }

  /// Gradients of the whole batch, part by part. In the first iteration the policy is what sampled, so its log-probabilities
  /// are known; later ones take a forward pass before. A part that teaches nothing does not go through the model.
  grpo_loss_report learn(bool first, grpo_report& report) {
    auto const size = static_cast<std::size_t>(options_.per_pass);
    auto const t = options_.rollout.temperature;
    grpo_loss_report total;
    clear_unless_done guard{trainer_.parameters()};
    report.learned = false;
    for (std::size_t begin = 0; begin < scores_.size(); begin += size) {
      auto const end = std::min(begin + size, scores_.size());
      std::vector<training_sample> part;
      std::vector<double> policy;
      bool teaches = false;
      for (std::size_t i = begin; i < end; ++i) {
        teaches = teaches || scores_[i].teaches;
        policy.insert(policy.end(), scores_[i].old.begin(), scores_[i].old.end());
      }
      std::vector<double> slopes(policy.size()), ignored = slopes;
      if (teaches) {
        for (std::size_t i = begin; i < end; ++i) part.push_back(sample_at(i));
        if (!first) trainer_.log_probabilities(part, policy, t);
        loss_of(begin, end, policy, slopes);
        trainer_.accumulate(part, policy, [&](std::size_t i, double) { return slopes[i]; }, t);
        report.learned = true;
      }
      total += loss_of(begin, end, policy, ignored);
    }
    guard.done = true;
    return total;
  }

  grpo_loss_report loss_of(std::size_t begin, std::size_t end, std::span<double const> policy, std::span<double> slopes) const {
    std::vector<scored_completion> part;
    std::size_t at = 0;
    for (std::size_t i = begin; i < end; ++i) {
      auto const& s = scores_[i];
      part.push_back({policy.subspan(at, s.old.size()), s.old, s.reference, s.mask, advantages_.values[i]});
      at += s.old.size();
    }
    return grpo_loss(part, batch_, options_.loss, slopes);
  }

  /// Half a batch's gradients must not outlive an error.
  struct clear_unless_done {
    train::parameters<C>& of;
    bool done = false;
    ~clear_unless_done() {
      if (!done) of.clear_gradients();
    }
  };
  struct score {
    std::vector<double> old, reference;
    std::vector<std::uint8_t> mask;
    bool teaches = false;
  };

  grpo_options options_;
  std::vector<reward> rewards_;
  std::vector<double> weights_;
  train::trainer<C> trainer_;
  pretrained<C> policy_;
  model<C> const& reference_;
  std::uint64_t sampled_ = 0;
  // of one step
  std::vector<grpo_prompt> prompts_;
  std::vector<completion> completions_;
  rewards_of_one values_;
  train::advantages advantages_;
  std::vector<training_sample> samples_;  // of the prompts
  std::vector<score> scores_;             // of the completions
  batch_extent batch_;
};

}  // namespace medmo::inline MEDMO_ABI::train
