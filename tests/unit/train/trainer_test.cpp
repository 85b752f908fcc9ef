// Whole models: gradients and loss curves of the reference, and that bytes depend on nothing but the batch.
// The one file of this room that instantiates models.
#include "medmo/train/trainer.hpp"

#include <cmath>
#include <map>

#include "medmo/generate/log_probability.hpp"
#include "medmo/generate/sequence.hpp"
#include "parity/configurations.hpp"
#include "parity/golden.hpp"
#include "unit/model/tiny_model.hpp"

namespace {

using medmo::index;
namespace train = medmo::train;

std::string const data = MEDMO_TEST_DATA;

nlohmann::json const& goldens() {
  static nlohmann::json const g = parity::read_json(data + "/train/goldens.json");
  return g;
}

template <class C>
medmo::model<C> load(medmo::dtype type = medmo::dtype::f32) {
  auto source = std::make_shared<parity::checkpoint_as const>(
      data + "/parity/" + std::string(C::name) + "/model.safetensors", type);
  return medmo::model<C>::load(std::shared_ptr<parity::checkpoint_as const>(source), "golden");
}

/// The samples of the golden batch of C.
template <class C>
std::vector<train::training_sample> golden_batch() {
  auto const& golden = goldens()["models"][std::string(C::name)];
  std::vector<train::training_sample> batch;
  for (std::size_t k = 0; k < golden["cases"].size(); ++k) {
    parity::golden_file file(data + "/parity/" + std::string(C::name) + "/case_" +
                             golden["cases"][k].template get<std::string>() + ".safetensors");
    train::training_sample s;
    s.ids = file["tokens"].as_indices();
    s.learned.resize(s.ids.size());
    for (auto i : golden["learned"][k].template get<std::vector<std::size_t>>()) s.learned[i] = 1;
    if (file.has("pixels")) {
      auto grids = file["image_grid_thw"].as_indices();
      auto pixels = file["pixels"].as_matrix();
      index row = 0;
      for (std::size_t g = 0; g < grids.size(); g += 3) {
        medmo::patch_grid grid{grids[g], grids[g + 1], grids[g + 2]};
        s.pictures.push_back({grid, pixels.middleRows(row, grid.patches())});
        row += grid.patches();
      }
    }
    batch.push_back(std::move(s));
  }
  return batch;
}

train::trainer_options golden_options() {
  auto const& o = goldens()["options"];
  train::trainer_options options;
  options.learning_rate.fill(o["rate"].get<double>());
  options.schedule = {train::decline::cosine, o["warm_up"].get<index>(), o["steps"].get<index>()};
  options.adamw.weight_decay = o["decay"].get<double>();
  options.max_gradient_norm = o["clip"].get<double>();
  return options;
}

/// Gradients of the mean loss, without a step.
template <class C>
double accumulate(train::trainer<C>& t, std::vector<train::training_sample> const& batch) {
  index count = 0;
  for (auto const& s : batch) count += train::learned_tokens(s);
  std::vector<double> lps(static_cast<std::size_t>(count));
  t.accumulate(batch, lps, [&](std::size_t, double) { return -1.0 / static_cast<double>(count); });
  double loss = 0;
  for (double l : lps) loss -= l / static_cast<double>(count);
  return loss;
}

template <class C>
void check_goldens() {
  CAPTURE(C::name);
  auto const& golden = goldens()["models"][std::string(C::name)];
  auto const model = load<C>();
  auto const batch = golden_batch<C>();
  train::trainer<C> trainer(model, golden_options());

  CHECK(accumulate(trainer, batch) == doctest::Approx(golden["loss"].template get<double>()).epsilon(1e-5));
  auto const parameters = trainer.parameters().all();
  REQUIRE(parameters.size() == golden["gradients"].size());
  double worst = 0;
  for (auto const& p : parameters) {
    auto const g = golden["gradients"][p.name].template get<std::vector<double>>();
    double squares = 0, projection[2] = {};
    for (index i = 0; i < p.size; ++i) {
      auto const x = static_cast<double>(p.gradient[i]);
      squares += x * x;
      for (int j = 0; j < 2; ++j) projection[j] += x * std::cos(0.37 * (j + 1) * static_cast<double>(i) + j);
    }
    double const off = std::max({std::abs(std::sqrt(squares) - g[0]), std::abs(projection[0] - g[1]),
                                 std::abs(projection[1] - g[2])});
    INFO(p.name << ": norm " << std::sqrt(squares) << ", expected " << g[0] << "; projections " << projection[0] << " "
                << projection[1] << ", expected " << g[1] << " " << g[2]);
    CHECK(off <= 1e-4 * g[0] + 1e-7);
    worst = std::max(worst, off / (g[0] + 1e-3));
  }
  MESSAGE(C::name << ": largest error of a gradient " << worst << " of its norm");

  trainer.parameters().clear_gradients();
  auto const losses = golden["curve"]["losses"].template get<std::vector<double>>();
  auto const norms = golden["curve"]["norms"].template get<std::vector<double>>();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    auto const report = trainer.step(batch);
    CAPTURE(i);
    CHECK(report.loss == doctest::Approx(losses[i]).epsilon(1e-4));
    CHECK(report.gradient_norm == doctest::Approx(norms[i]).epsilon(1e-3));
    CHECK(!report.skipped);
  }
}

TEST_CASE("trainer: gradients of every tensor and the loss curve are the reference's") {
  check_goldens<parity::base>();
  check_goldens<parity::odd_tails>();
  check_goldens<parity::three_levels>();
}

using seeing = parity::base;

/// All values after a few steps.
std::vector<float> trained(medmo::model<seeing> const& model, train::activations kept, index per_pass = 0) {
  auto options = golden_options();
  options.activations = kept;
  train::trainer<seeing> t(model, options);
  auto const batch = golden_batch<seeing>();
  for (int i = 0; i < 3; ++i) t.step(batch, per_pass);
  auto const v = t.parameters().values();
  return {v.begin(), v.end()};
}

TEST_CASE("trainer: the same bytes with 1 or 2 threads, with or without recomputation") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    CAPTURE(name_of(type));
    auto const model = load<seeing>(type);
    std::vector<float> first;
    for (int threads : {1, 2})
      for (auto kept : {train::activations::keep, train::activations::recompute}) {
        tiny::threads n(threads);
        auto const now = trained(model, kept);
        if (first.empty()) first = now;
        CHECK(tiny::same_bytes(first, now));
      }
  }
}

TEST_CASE("trainer: one pass or several, the same step but for rounding") {
  auto const model = load<seeing>();
  auto const whole = trained(model, train::activations::keep), split = trained(model, train::activations::keep, 1);
  double worst = 0;
  for (std::size_t i = 0; i < whole.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(whole[i] - split[i])));
  CHECK(worst < 1e-4);
  CHECK(!tiny::same_bytes(whole, split));
}

TEST_CASE("trainer: log-probabilities are those of generation, bit for bit") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    CAPTURE(name_of(type));
    auto const model = load<seeing>(type);
    auto batch = golden_batch<seeing>();
    for (auto& s : batch) s.learned.clear();
    train::trainer<seeing> t(model, {});
    index count = 0;
    for (auto const& s : batch) count += train::learned_tokens(s);
    std::vector<double> forward(static_cast<std::size_t>(count)), recorded = forward;
    t.log_probabilities(batch, forward);
    t.accumulate(batch, recorded, [](std::size_t, double) { return 1e-3; });
    std::size_t at = 0;
    for (auto const& s : batch) {
      medmo::arena memory;
      std::vector<medmo::visual_features> features;
      for (auto const& p : s.pictures)
        features.push_back(medmo::see_picture(model, tiny::view_of(p.patches), p.grid, memory));
      std::vector<medmo::visual_features const*> seen;
      for (auto const& f : features) seen.push_back(&f);
      medmo::sequence<seeing> sequence(model);
      medmo::stage_map stages;
      sequence.append(s.ids, seen, 7, &stages);
      auto const& logits = stages.at("logits");
      for (std::size_t i = 1; i < s.ids.size(); ++i, ++at) {
        std::span<float const> row(logits.data() + static_cast<index>(i - 1) * logits.cols(),
                                   static_cast<std::size_t>(logits.cols()));
        double const expected = medmo::log_probability(row, s.ids[i]);
        CAPTURE(i);
        CHECK(forward[at] == expected);
        CHECK(recorded[at] == expected);
      }
    }
  }
}

}  // namespace
