// Supervised fine-tuning as a recipe's stage says: rows in their order, made into samples by a thread ahead, steps of the
// trainer. Where it stops and goes on is a cursor; files of states and logs are the caller's.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "read_ahead.hpp"
#include "recipe.hpp"
#include "trainer.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// What the trainer gets of a stage of `total` steps.
inline trainer_options options_of(stage_recipe const& s, index total) {
  trainer_options o;
  o.parts = s.parts;
  o.lora = s.lora;
  o.learning_rate = s.learning_rate;
  o.schedule = {s.shape, static_cast<index>(std::ceil(s.warm_up * static_cast<double>(total))), total};
  o.adamw.weight_decay = s.weight_decay;
  o.max_gradient_norm = s.max_gradient_norm;
  return o;
}

/// Samples of one step and what was wrong with the rows that are missing.
struct training_batch {
  std::vector<training_sample> samples;
  std::vector<std::string> faults;
  data_cursor next;  ///< behind it

  std::size_t bytes() const {
    std::size_t n = 0;
    for (auto const& s : samples) {
      n += s.ids.size() * (sizeof(index) + 1);
      for (auto const& p : s.pictures) n += static_cast<std::size_t>(p.patches.size()) * sizeof(float);
    }
    return n;
  }
};

struct sft_step {
  step_report report;            ///< of no tokens where no row of the batch was good
  std::vector<std::string> faults;
  data_cursor next;
  index batch = 0, batches = 0;  ///< taken so far, and in all
  index tokens = 0;              ///< that went through the model
  double seconds = 0;
};

/// Rows that a stage makes samples of. `pictures`: the model's own sizes. All must outlive what uses it.
template <text::tokenizer_configuration T>
class sample_source {
 public:
  sample_source(dataset const& data, text::tokenizer<T> const& tokenizer, vision::preprocess_options const& pictures, stage_recipe const& stage,
                std::uint64_t seed, index rank = 0, index ranks = 1)
      : data_(data), tokenizer_(tokenizer), stage_(stage), seed_(seed),
        order_(data.lengths(), {seed, stage.step_rows(), stage.lengths, rank, ranks}) {
    options_.pictures = pictures;
    if (stage.resolution > 0) {
      options_.pictures.max_pixels = stage.resolution * stage.resolution;
      options_.pictures.min_pixels = std::min(options_.pictures.min_pixels, options_.pictures.max_pixels);
    }
    options_.learned = stage.learned;
    options_.max_tokens = stage.max_tokens;
  }

  data_order const& order() const { return order_; }
  /// The batch at a cursor, a pure function of it. Bad rows (a picture that cannot be read, too many tokens) are told in it.
  training_batch make(data_cursor const& at) const {
    training_batch b;
    b.next = order_.next(at);
    for (index row : order_.at(at)) {
      try {
        auto c = data_.read(row);
        auto pictures = data_.pictures(row, c);
        augment(c, pictures, stage_.augment,
                random_stream(mix64(seed_ ^ mix64(static_cast<std::uint64_t>(at.epoch))), stream_of("augment") + static_cast<std::uint64_t>(row)));
        b.samples.push_back(make_sample(tokenizer_, c, pictures, options_));
      } catch (error const& e) {
        b.faults.push_back(e.what());
      }
    }
    return b;
  }

 private:
  dataset const& data_;
  text::tokenizer<T> const& tokenizer_;
  stage_recipe const& stage_;
  std::uint64_t seed_;
  sample_options options_;
  data_order order_;
};

/// Steps from `from` on until `batches` are taken in all or done(step) says so. The result is a function of the trainer's
/// state, the source and the cursor alone. Errors: those of trainer.step; of files that cannot be read at all.
template <model_configuration C, text::tokenizer_configuration T>
void run_sft(trainer<C>& trainer, sample_source<T> const& source, stage_recipe const& stage, data_cursor from, index batches,
             std::function<bool(sft_step const&)> const& done) {
  auto taken = [&](data_cursor const& c) { return c.epoch * source.order().batches_per_epoch() + c.batch; };
  data_cursor ahead = from;
  read_ahead<training_batch> next(
      [&]() -> std::optional<training_batch> {
        if (taken(ahead) >= batches) return std::nullopt;
        auto b = source.make(ahead);
        ahead = b.next;
        return b;
      },
      [](training_batch const& b) { return b.bytes(); });
  auto start = std::chrono::steady_clock::now();
  while (auto b = next.take()) {
    sft_step step{{}, std::move(b->faults), b->next, taken(b->next), batches, 0, 0};
    std::vector<index> tokens;
    for (auto const& s : b->samples) tokens.push_back(static_cast<index>(s.ids.size())), step.tokens += tokens.back();
    if (!b->samples.empty())
      step.report = trainer.step(b->samples, stage.pass_tokens > 0 ? samples_per_pass(tokens, stage.pass_tokens) : stage.batch);
    auto const now = std::chrono::steady_clock::now();
    step.seconds = std::chrono::duration<double>(now - start).count();
    start = now;
    if (done(step)) return;
  }
}

}  // namespace medmo::inline MEDMO_ABI::train
