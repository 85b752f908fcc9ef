// Whole models: gradients and loss curves of the reference, and that bytes depend on nothing but the batch.
// The one file of this room that instantiates models.
#include "medmo/train/trainer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>

#include "allocations.hpp"
#include "medmo/generate/log_probability.hpp"
#include "medmo/generate/sequence.hpp"
#include "medmo/train/adapter_file.hpp"
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

/// Gradients of the golden batch by name.
std::map<std::string, std::vector<float>> gradients(medmo::model<seeing> const& model, train::trainer_options const& options) {
  train::trainer<seeing> t(model, options);
  accumulate(t, golden_batch<seeing>());
  std::map<std::string, std::vector<float>> out;
  for (auto const& p : t.parameters().all()) out[p.name].assign(p.gradient, p.gradient + p.size);
  return out;
}

TEST_CASE("trainer: a frozen part has no gradient, and the others have the bytes they have when all is trained") {
  auto const model = load<seeing>();
  for (auto kept : {train::activations::keep, train::activations::recompute}) {
    train::trainer_options options;
    options.activations = kept;
    auto const all = gradients(model, options);
    struct named {
      char const* name;
      train::trained_parts parts;
    };
    for (auto const& c : {named{"vision tower", {true, false, false, false, false}}, named{"merger", {false, true, false, false, false}},
                          named{"DeepStack mergers", {false, false, true, false, false}}, named{"decoder", {false, false, false, true, false}},
                          named{"embeddings", {false, false, false, false, true}}, named{"merger and decoder", {false, true, false, true, false}},
                          named{"all but the tower", {false, true, true, true, true}}}) {
      CAPTURE(c.name);
      options.parts = c.parts;
      auto const some = gradients(model, options);
      CHECK(!some.empty());
      std::size_t expected = 0;
      for (auto const& one : all) {
        auto const& name = one.first;
        auto const& g = one.second;
        bool const wanted = c.parts.has(train::part_of(name));
        expected += wanted ? 1 : 0;
        CAPTURE(name);
        CHECK(some.count(name) == (wanted ? 1 : 0));
        if (wanted && some.count(name)) CHECK(tiny::same_bytes(g, some.at(name)));
      }
      CHECK(some.size() == expected);
    }
  }
}

TEST_CASE("trainer: adapters begin as nothing, learn, and are generated with as they were trained") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    CAPTURE(name_of(type));
    auto const model = load<seeing>(type);
    auto const batch = golden_batch<seeing>();
    auto options = golden_options();
    options.parts = {false, false, false, false, false};
    options.lora = {.rank = 4, .alpha = 6, .targets = {"q_proj", "v_proj", "down_proj", "attn.qkv", "linear_fc1"}, .seed = 5};
    options.learning_rate.fill(2e-2);
    train::trainer<seeing> plain(model, {}), t(model, options);
    index count = 0;
    for (auto const& s : batch) count += train::learned_tokens(s);
    std::vector<double> before(static_cast<std::size_t>(count)), now = before;
    plain.log_probabilities(batch, before);
    t.log_probabilities(batch, now);
    CHECK(before == now);
    double first = 0, last = 0;
    for (int i = 0; i < 20; ++i) {
      last = t.step(batch).loss;
      if (i == 0) first = last;
    }
    CHECK(last < 0.6 * first);

    // generation with the adapters says what the tape says
    t.log_probabilities(batch, now);
    medmo::arena memory;
    auto const& s = batch[1];
    auto const features = medmo::see_picture(t.current(), tiny::view_of(s.pictures[0].patches), s.pictures[0].grid, memory);
    medmo::visual_features const* seen = &features;
    medmo::sequence<seeing> sequence(t.current());
    medmo::stage_map stages;
    sequence.append(s.ids, {&seen, 1}, 5, &stages);
    auto at = static_cast<std::size_t>(train::learned_tokens(batch[0]));
    auto const& logits = stages.at("logits");
    for (std::size_t i = 1; i < s.ids.size(); ++i)
      if (s.learned[i]) {
        std::span<float const> row(logits.data() + static_cast<index>(i - 1) * logits.cols(), static_cast<std::size_t>(logits.cols()));
        CHECK(now[at++] == medmo::log_probability(row, s.ids[i]));
      }

    // switched off, it is the model it was; merged, the model it became
    train::trainer<seeing> off(t.parameters().without_adapters(), {});
    off.log_probabilities(batch, now);
    CHECK(before == now);
    if (type != medmo::dtype::f32) continue;
    auto merged = t.current().weights();
    std::vector<std::vector<float>> rows;
    medmo::for_each_linear(merged, [&](std::string const&, auto& l) {
      if (!l.adapter) return;
      auto& m = rows.emplace_back(static_cast<std::size_t>(l.out * l.in));
      for (index o = 0; o < l.out; ++o) medmo::kernels::merged_row(l.weight.stored, *l.adapter, o, m.data() + o * l.in);
      l.weight.stored.bytes = reinterpret_cast<std::byte const*>(m.data());
      l.adapter = nullptr;
    });
    auto const as_one = medmo::model<seeing>::over(merged);
    train::trainer<seeing> one(as_one, {});
    std::vector<double> with(before.size());
    one.log_probabilities(batch, with);
    t.log_probabilities(batch, now);
    for (std::size_t i = 0; i < with.size(); ++i) CHECK(with[i] == doctest::Approx(now[i]).epsilon(1e-3));
  }
}

TEST_CASE("trainer: gradients of adapters against central differences") {
  auto const model = load<seeing>();
  auto const batch = golden_batch<seeing>();
  train::trainer_options options;
  options.parts = {false, false, false, false, false};
  options.lora = {.rank = 3, .alpha = 4, .targets = {"k_proj", "o_proj", "up_proj", "linear_fc2"}, .seed = 5};
  train::trainer<seeing> t(model, options);
  medmo::random_stream random(1, 2);
  for (auto const& p : t.parameters().all())
    if (p.name.ends_with("lora_B.weight"))
      for (index i = 0; i < p.size; ++i) p.value[i] = 0.1f * random.normal(static_cast<std::uint64_t>(p.offset + i));
  accumulate(t, batch);
  index count = 0;
  for (auto const& s : batch) count += train::learned_tokens(s);
  std::vector<double> lps(static_cast<std::size_t>(count));
  auto loss = [&] {
    t.log_probabilities(batch, lps);
    double total = 0;
    for (double l : lps) total -= l / static_cast<double>(count);
    return total;
  };
  for (auto const& p : t.parameters().all()) {  // along the gradient itself, the slope is its norm
    double norm = 0;
    for (index i = 0; i < p.size; ++i) norm += static_cast<double>(p.gradient[i]) * static_cast<double>(p.gradient[i]);
    norm = std::sqrt(norm);
    std::vector<float> const at(p.value, p.value + p.size);
    double const h = 1e-2;
    auto shift = [&](double by) {
      for (index i = 0; i < p.size; ++i)
        p.value[i] = at[static_cast<std::size_t>(i)] + static_cast<float>(by / norm) * p.gradient[i];
      return loss();
    };
    double const slope = (shift(h) - shift(-h)) / (2 * h);
    shift(0);
    CAPTURE(p.name);
    CHECK(slope == doctest::Approx(norm).epsilon(2e-2));
  }
}

TEST_CASE("trainer: a loss or gradient that is not finite changes nothing and is counted") {
  auto const model = load<seeing>();
  auto const batch = golden_batch<seeing>();
  train::trainer<seeing> t(model, golden_options());
  t.step(batch);
  auto bytes = [&](std::span<float> x) { return std::vector<float>(x.begin(), x.end()); };
  auto const values = bytes(t.parameters().values()), first = bytes(t.parameters().first_moments());
  std::vector<double> lps(static_cast<std::size_t>(train::learned_tokens(batch[1])));
  train::step_report report;
  t.accumulate({&batch[1], 1}, lps, [](std::size_t i, double) { return i == 3 ? std::numeric_limits<double>::quiet_NaN() : -1.0; });
  t.update(report);
  CHECK(report.skipped);
  report.loss = std::numeric_limits<double>::infinity();
  t.accumulate({&batch[1], 1}, lps, [](std::size_t, double) { return -1.0; });
  t.update(report);
  CHECK(report.skipped);
  CHECK(t.skipped() == 2);
  CHECK(t.steps() == 1);
  CHECK(tiny::same_bytes(values, bytes(t.parameters().values())));
  CHECK(tiny::same_bytes(first, bytes(t.parameters().first_moments())));
  CHECK(!t.step(batch).skipped);  // nothing of it is left
  CHECK(t.steps() == 2);
  train::trainer<seeing> other(model, golden_options());
  other.step(batch);
  other.step(batch);
  CHECK(tiny::same_bytes(bytes(other.parameters().values()), bytes(t.parameters().values())));
}

TEST_CASE("trainer: a second step of the same shape allocates nothing; nor does one of an earlier shape") {
  auto const model = load<seeing>(medmo::dtype::bf16);
  auto const batch = golden_batch<seeing>();
  std::vector<train::training_sample> const other{batch[1], batch[1]};
  for (auto kept : {train::activations::keep, train::activations::recompute}) {
    auto options = golden_options();
    options.activations = kept;
    train::trainer<seeing> t(model, options);
    t.step(batch);
    t.step(other);
    auto const bytes = t.activation_bytes();
    long const before = train_tests::allocations();
    for (int i = 0; i < 3; ++i) t.step(batch), t.step(other);
    CHECK(train_tests::allocations() == before);
    CHECK(t.activation_bytes() == bytes);
  }
}

TEST_CASE("trainer: samples that do not fit are refused, and nothing has changed") {
  auto const model = load<seeing>();
  auto const good = golden_batch<seeing>();
  train::trainer<seeing> t(model, golden_options());
  using batch = std::vector<train::training_sample>;
  struct bad {
    char const* name;
    void (*damage)(batch&);
    char const* where;
  };
  for (auto const& c : {bad{"no samples", [](batch& b) { b.clear(); }, "training step"},
                        bad{"no tokens", [](batch& b) { b[1].ids.clear(), b[1].learned.clear(); }, "training sample"},
                        bad{"marks do not match", [](batch& b) { b[1].learned.pop_back(); }, "training sample"},
                        bad{"nothing to learn", [](batch& b) { for (auto& s : b) std::fill(s.learned.begin(), s.learned.end(), std::uint8_t{0}); }, "training step"},
                        bad{"an id too high", [](batch& b) { b[0].ids[2] = seeing::text.vocab; }, "token 2"},
                        bad{"an id too low", [](batch& b) { b[0].ids[0] = -1; }, "token 0"},
                        bad{"a picture missing", [](batch& b) { b[0].pictures.pop_back(); }, "token"},
                        bad{"a picture too many", [](batch& b) { b[2].pictures.push_back(b[1].pictures[0]); }, "prompt"},
                        bad{"patches too few", [](batch& b) { b[1].pictures[0].patches.conservativeResize(3, Eigen::NoChange); }, "patches of a training sample"},
                        bad{"a grid of odd size", [](batch& b) { b[1].pictures[0].grid.h = 3; }, "patches of a training sample"},
                        bad{"an empty grid", [](batch& b) { b[1].pictures[0].grid = {0, 0, 0}; }, "patches of a training sample"}}) {
    CAPTURE(c.name);
    auto b = good;
    c.damage(b);
    auto const e = tiny::error_of([&] { t.step(b, 1); });
    REQUIRE(e);
    CHECK(e->code() == medmo::errc::bad_argument);
    CHECK(e->where().find(c.where) == 0);
    CHECK(t.steps() == 0);
    auto const g = t.parameters().gradient_values();
    CHECK(std::all_of(g.begin(), g.end(), [](float x) { return x == 0; }));
  }
  CHECK(tiny::error_of([&] { train::trainer<seeing>(model, {.parts = {false, false, false, false, false}}); }));
  CHECK(tiny::error_of([&] { train::trainer<seeing>(model, {.lora = {.rank = 257}}); }));
  train::trainer<seeing> fresh(model, golden_options());
  CHECK(t.step(good).loss == fresh.step(good).loss);
}

TEST_CASE("adapters: PEFT's files are read, and give PEFT's loss; what is written is read again") {
  auto const model = load<seeing>();
  auto const batch = golden_batch<seeing>();
  train::trainer_options options;
  options.parts = {false, false, false, false, false};
  options.lora = train::read_adapter_options(data + "/train/adapter");
  CHECK(options.lora.rank == 3);
  train::trainer<seeing> t(model, options);
  train::read_adapter(data + "/train/adapter", t.parameters().all());
  double const expected = goldens()["models"]["base"]["adapter"].get<double>();
  CHECK(accumulate(t, batch) == doctest::Approx(expected).epsilon(1e-5));

  auto const folder = std::filesystem::temp_directory_path() / ("medmo_adapter_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  train::write_adapter(folder.string(), t.parameters().all(), options.lora, "base");
  auto again = options;
  again.lora = train::read_adapter_options(folder.string());
  CHECK(again.lora.scale() == options.lora.scale());
  train::trainer<seeing> other(model, again);
  train::read_adapter(folder.string(), other.parameters().all());
  auto const a = t.parameters().values(), b = other.parameters().values();
  CHECK(tiny::same_bytes({a.data(), a.size()}, {b.data(), b.size()}));

  SUBCASE("files that do not fit") {
    struct bad {
      char const* name;
      char const* from;
      char const* to;
      medmo::errc code;
    };
    auto const config = (folder / "adapter_config.json").string();
    auto const good = parity::read_json(config).dump();
    for (auto const& c : {bad{"not LoRA", "\"LORA\"", "\"IA3\"", medmo::errc::unsupported}, bad{"DoRA", "\"use_dora\":false", "\"use_dora\":true", medmo::errc::unsupported},
                          bad{"biases", "\"none\"", "\"all\"", medmo::errc::unsupported}, bad{"rank by pattern", "\"r\":3", "\"r\":3,\"rank_pattern\":{\"a\":1}", medmo::errc::unsupported},
                          bad{"no rank", "\"r\":3,", "", medmo::errc::bad_json}, bad{"rank 0", "\"r\":3", "\"r\":0", medmo::errc::bad_json},
                          bad{"a huge rank", "\"r\":3", "\"r\":1000000", medmo::errc::bad_argument}, bad{"rank no number", "\"r\":3", "\"r\":\"3\"", medmo::errc::bad_json},
                          bad{"no type", "\"peft_type\":\"LORA\",", "", medmo::errc::unsupported}, bad{"not JSON", "{", "", medmo::errc::bad_json}}) {
      CAPTURE(c.name);
      auto text = good;
      auto const at = text.find(c.from);
      REQUIRE(at != std::string::npos);
      medmo::io::write_file(config, text.replace(at, std::string(c.from).size(), c.to));
      auto const e = tiny::error_of([&] { train::read_adapter_options(folder.string()); });
      REQUIRE(e);
      CHECK(e->code() == c.code);
    }
    auto const code_of = [&](train::lora_options const& lora) {
      auto o = options;
      o.lora = lora;
      train::trainer<seeing> target(model, o);
      auto const before = target.parameters().values();
      std::vector<float> const values(before.begin(), before.end());
      auto const e = tiny::error_of([&] { train::read_adapter(folder.string(), target.parameters().all()); });
      CHECK(tiny::same_bytes(values, {before.data(), before.size()}));
      return e ? std::optional(e->code()) : std::nullopt;
    };
    auto lora = options.lora;
    lora.rank = 2;
    CHECK(code_of(lora) == medmo::errc::wrong_shape);
    lora = options.lora;
    lora.targets = {"q_proj"};
    CHECK(code_of(lora) == medmo::errc::unused_tensor);
    lora.targets.push_back("gate_proj");
    CHECK(code_of(lora) == medmo::errc::missing_tensor);
    std::filesystem::remove(folder / "adapter_model.safetensors");
    CHECK(code_of(options.lora) == medmo::errc::file_access);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
