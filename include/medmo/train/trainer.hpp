// Training steps of one model: samples in, one pass of the architecture on the tape, gradients, AdamW. The loss is a
// function of the log-probabilities of learned tokens; supervised fine-tuning's mean of them is built in, others (GRPO)
// give their own derivative. Knows no files, no recipe, no rewards.
#pragma once

#include <array>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../model/positions.hpp"
#include "adamw.hpp"
#include "loss.hpp"
#include "parameters.hpp"
#include "schedule.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// A picture or video as the vision tower takes it: patches [N, 1536] in merge order.
struct training_picture {
  patch_grid grid;
  matrix<float> patches;
};

/// One sequence. learned[i] is not 0 where token i is one the model shall learn to say behind those before it; empty: all.
struct training_sample {
  std::vector<index> ids;
  std::vector<std::uint8_t> learned;
  std::vector<training_picture> pictures;  ///< in the order of their image tokens
};

/// Tokens of the sample that are judged: learned ones, but never the first.
inline index learned_tokens(training_sample const& s) {
  index n = 0;
  for (std::size_t i = 1; i < s.ids.size(); ++i) n += s.learned.empty() || s.learned[i] ? 1 : 0;
  return n;
}

enum class decayed { everything, matrices };  ///< matrices: neither norms nor biases

struct trainer_options {
  trained_parts parts{};
  lora_options lora{};  ///< adapters beside what `parts` trains; usually of parts that are frozen
  std::array<double, model_parts> learning_rate = {1e-5, 1e-5, 1e-5, 1e-5, 1e-5};  ///< in the order of model_part
  train::schedule schedule{};
  adamw_options adamw{};
  decayed decay_on = decayed::matrices;
  double max_gradient_norm = 1;  ///< infinity: no clipping
  train::activations activations = train::activations::recompute;
};

struct step_report {
  double loss = 0;           ///< mean of -ln p over the learned tokens of the batch
  index tokens = 0;          ///< learned tokens
  double gradient_norm = 0;  ///< before clipping
  double rate_factor = 0;    ///< of the schedule
  bool skipped = false;      ///< loss or gradient not finite: weights and optimiser are as before
};

template <model_configuration C>
class trainer {
 public:
  trainer(model<C> const& base, trainer_options const& options) : options_(options), parameters_(base, options.parts, options.lora) {}

  /// The model as it is now; what it generates has the bits that the tape computes.
  model<C> const& current() const { return parameters_.current(); }
  train::parameters<C>& parameters() { return parameters_; }
  trainer_options const& options() const { return options_; }
  index steps() const { return steps_; }      ///< taken, without those skipped
  index skipped() const { return skipped_; }
  /// Goes on where another run stopped; moments and values are the caller's to restore.
  void resume(index steps, index skipped) { steps_ = steps, skipped_ = skipped; }

  /// One step of supervised fine-tuning: -mean ln p over the learned tokens of the whole batch, `per_pass` samples packed
  /// into a pass at a time (0: all); memory and time depend on it, the result but for rounding does not.
  /// Errors: bad_argument for samples that do not fit the model or themselves; nothing has then changed.
  step_report step(std::span<training_sample const> batch, index per_pass = 0) {
    step_report report;
    for (auto const& s : batch) {  // all of it is looked at before any of it counts
      lay_out({&s, 1});
      report.tokens += static_cast<index>(targets_.size());
    }
    if (report.tokens == 0)
      MEDMO_THROW(errc::bad_argument, "training step", "a batch with tokens to learn", std::to_string(batch.size()) + " samples without");
    auto const share = 1.0 / static_cast<double>(report.tokens);
    auto const size = per_pass > 0 ? static_cast<std::size_t>(per_pass) : batch.size();
    double total = 0;
    clear_unless_done guard{parameters_};
    for (std::size_t at = 0; at < batch.size(); at += size) {
      auto const now = batch.subspan(at, std::min(size, batch.size() - at));
      index count = 0;
      for (auto const& s : now) count += learned_tokens(s);
      log_probabilities_.resize(static_cast<std::size_t>(count));
      accumulate(now, log_probabilities_, [share](std::size_t, double) { return -share; });
      for (double l : log_probabilities_) total -= l;
    }
    report.loss = total * share;
    guard.done = true;
    update(report);
    return report;
  }

  /// Adds to the gradients those of a loss whose derivative by the log-probability of the i-th learned token (samples in
  /// their order) is slope(i, ln p); `out` gets the log-probabilities. All samples go through the model in one pass.
  template <class Slope>
  void accumulate(std::span<training_sample const> samples, std::span<double> out, Slope&& slope, float temperature = 1) {
    pass(current(), samples, out, slope, temperature, parameters_.gradients());
  }
  /// Forward only: the log-probabilities of the learned tokens.
  void log_probabilities(std::span<training_sample const> samples, std::span<double> out, float temperature = 1) {
    log_probabilities(current(), samples, out, temperature);
  }
  /// The same of another model of this configuration, as the reference of a KL term is.
  void log_probabilities(model<C> const& of, std::span<training_sample const> samples, std::span<double> out, float temperature = 1) {
    pass(of, samples, out, nullptr, temperature, weight_gradients{});
  }

  /// Moves the weights by what was accumulated and clears it. report.loss is looked at and may be any number of the
  /// caller's; gradient_norm, rate_factor and skipped are set.
  void update(step_report& report) {
    report.gradient_norm = norm_of(parameters_.gradient_values(), norm_parts_);
    report.rate_factor = options_.schedule.at(steps_);
    report.skipped = !std::isfinite(report.loss) || !std::isfinite(report.gradient_norm);
    if (report.skipped) {
      ++skipped_;
    } else {
      ++steps_;
      double const clip = clip_factor(report.gradient_norm, options_.max_gradient_norm);
      for (auto const& p : parameters_.all()) {
        auto const n = static_cast<std::size_t>(p.size);
        double const rate = options_.learning_rate[static_cast<std::size_t>(p.part)] * report.rate_factor;
        double const decay = p.is_matrix || options_.decay_on == decayed::everything ? options_.adamw.weight_decay : 0;
        adamw_step({p.value, n}, {p.gradient, n}, {p.first, n}, {p.second, n}, options_.adamw, rate, decay, clip, steps_);
        train::parameters<C>::round(p);
      }
    }
    parameters_.clear_gradients();
  }

  /// Bytes held for activations and their gradients: the most any pass needed.
  std::size_t activation_bytes() const { return memory_.capacity() + buffers_.bytes(); }

 private:
  /// Half a batch's gradients must not outlive an error.
  struct clear_unless_done {
    train::parameters<C>& of;
    bool done = false;
    ~clear_unless_done() {
      if (!done) of.clear_gradients();
    }
  };

  static void check(training_sample const& s) {
    if (s.ids.empty()) MEDMO_THROW(errc::bad_argument, "training sample", "at least one token", "none");
    if (!s.learned.empty() && s.learned.size() != s.ids.size())
      MEDMO_THROW(errc::bad_argument, "training sample", std::to_string(s.ids.size()) + " marks of learned tokens",
                  std::to_string(s.learned.size()));
    for (std::size_t i = 0; i < s.ids.size(); ++i)
      if (s.ids[i] < 0 || s.ids[i] >= C::text.vocab)
        MEDMO_THROW(errc::bad_argument, "token " + std::to_string(i), "an id below " + std::to_string(C::text.vocab),
                    std::to_string(s.ids[i]));
    if constexpr (vision_language_configuration<C>) {
      constexpr auto& v = C::vision;
      for (auto const& p : s.pictures)
        if (p.grid.t <= 0 || p.grid.h <= 0 || p.grid.w <= 0 || p.grid.h % v.merge || p.grid.w % v.merge ||
            p.patches.rows() != p.grid.patches() || p.patches.cols() != v.patch_width())
          MEDMO_THROW(errc::bad_argument, "patches of a training sample",
                      std::to_string(p.grid.patches()) + " x " + std::to_string(v.patch_width()),
                      std::to_string(p.patches.rows()) + " x " + std::to_string(p.patches.cols()));
    } else if (!s.pictures.empty()) {
      MEDMO_THROW(errc::bad_argument, "training sample", "no pictures for a text-only model", std::to_string(s.pictures.size()));
    }
  }

  /// Samples one behind the other: tokens, positions, where each begins, what is judged, where pictures go.
  void lay_out(std::span<training_sample const> samples) {
    ids_.clear(), positions_.clear(), sequences_.clear(), targets_.clear(), runs_.clear();
    index feature = 0;
    for (auto const& s : samples) {
      check(s);
      auto const first = static_cast<index>(ids_.size()), n = static_cast<index>(s.ids.size());
      grids_.clear();
      for (auto const& p : s.pictures) grids_.push_back(p.grid);
      index merge = 1;
      if constexpr (vision_language_configuration<C>) merge = C::vision.merge;
      append_positions(s.ids, grids_, merge, tokens_of<C>, 0, positions_);
      sequences_.push_back({first, n});
      for (index i = 0; i < n; ++i) {
        auto const id = s.ids[static_cast<std::size_t>(i)];
        ids_.push_back(id);
        if (i > 0 && (s.learned.empty() || s.learned[static_cast<std::size_t>(i)])) targets_.push_back({first + i - 1, id});
      }
      feature = append_visual_runs(s.ids, tokens_of<C>, first, feature, runs_);
    }
  }

  /// All pictures through the vision tower, their rows one behind the other.
  visual_rows<C, tape> look(tape& t, model_weights<C> const& w, std::span<training_sample const> samples) {
    visual_rows<C, tape> all;
    if constexpr (vision_language_configuration<C>) {
      constexpr std::size_t levels = visual_rows<C, tape>::levels;
      for (auto& s : seen_) s.clear();
      for (auto const& s : samples)
        for (auto const& p : s.pictures) {
          // the patches are read only: rows over them avoid a copy
          runner::rows<C::vision.patch_width()> patches{const_cast<float*>(p.patches.data()), p.patches.rows()};
          auto const features = see<C>(t, w.vision, tape::rows<C::vision.patch_width()>(patches), p.grid);
          seen_[0].push_back(features.merged);
          for (std::size_t l = 0; l < levels; ++l) seen_[1 + l].push_back(features.deepstack[l]);
        }
      if (seen_[0].empty()) return all;
      auto join = [&](auto const& parts) { return parts.size() == 1 ? parts[0] : t.stack<C::text.hidden>(parts); };
      all.merged = join(seen_[0]);
      for (std::size_t l = 0; l < levels; ++l) all.deepstack[l] = join(seen_[1 + l]);
    }
    return all;
  }

  template <class Slope>
  void pass(model<C> const& m, std::span<training_sample const> samples, std::span<double> out, Slope&& slope, float temperature,
            weight_gradients const& wanted) {
    lay_out(samples);
    if (out.size() != targets_.size())
      MEDMO_THROW(errc::bad_argument, "log-probabilities", "room for " + std::to_string(targets_.size()),
                  std::to_string(out.size()));
    memory_.rewind();
    buffers_.rewind();
    auto const& w = m.weights();
    tape t(memory_, buffers_, wanted, options_.activations, m.compute());
    t.set_sequences(sequences_);
    auto const visual = look(t, w, samples);
    auto x = decode<C>(t, w.text, token_chunk{.ids = ids_, .positions = positions_, .visual = runs_}, visual);
    auto h = last_norm<C>(t, w.text, x);
    train::log_probabilities<C::text.hidden>(t, h, head_table<C>(w.text), targets_, out, slope, temperature);
    if constexpr (!std::is_null_pointer_v<std::remove_cvref_t<Slope>>) t.backward();
    memory_.rewind();
  }

  trainer_options options_;
  train::parameters<C> parameters_;
  arena memory_{arena_growth::extend};
  gradient_buffers buffers_;
  index steps_ = 0, skipped_ = 0;
  std::vector<double> log_probabilities_, norm_parts_;
  // of one pass
  std::vector<index> ids_;
  std::vector<token_position> positions_;
  std::vector<patch_grid> grids_;
  std::vector<kernels::attention_rows> sequences_;
  std::vector<target> targets_;
  std::vector<visual_run> runs_;
  std::array<std::vector<tape::rows<C::text.hidden>>, 1 + visual_rows<C, tape>::levels> seen_;
};

}  // namespace medmo::inline MEDMO_ABI::train
