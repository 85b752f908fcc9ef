// Steps of GRPO on a tiny model: rollouts against the tape, what the policy learns, and what must be exact.
#include "medmo/train/grpo.hpp"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "medmo/train/grpo_log.hpp"
#include "medmo/train/grpo_page.hpp"
#include "unit/generate/byte_model.hpp"

namespace {

using medmo::index;
namespace train = medmo::train;
using C = tiny::seeing;

medmo::pretrained<C> const& base() {
  static auto const model = tiny::byte_model<C>();
  return model;
}

train::grpo_prompt prompt(index number = 0) {
  return {.number = number, .pictures = {tiny::random_picture(32, 32, 5 + static_cast<std::uint64_t>(number))}, .text = "Say it."};
}

train::rollout_options short_ones(index group = 4) { return {.group = group, .max_new_tokens = 12, .seed = 7, .slots = 3}; }

/// The share of even bytes among what was said.
std::optional<double> even_bytes(train::completion const& c) {
  if (c.text.empty()) return std::nullopt;
  double n = 0;
  for (index t : c.tokens) n += t < 256 && t % 2 == 0 ? 1 : 0;
  return n / static_cast<double>(c.tokens.size());
}

train::trainer_options fast() {
  train::trainer_options o;
  o.learning_rate.fill(3e-3);
  return o;
}

std::vector<float> values_of(train::grpo_trainer<C>& t) {
  auto const v = t.training().parameters().values();
  return {v.begin(), v.end()};
}

TEST_CASE("rollouts: log-probabilities are the tape's, bit for bit; no placeholder; both ends end") {
  std::vector<train::grpo_prompt> const prompts{prompt(0), prompt(1)};
  auto const& model = base();
  train::trainer<C> tape(model.model, {});
  std::set<index> ends;
  index truncated = 0;
  for (std::uint64_t round = 0; round < 3; ++round) {
    auto options = short_ones(16);
    options.max_new_tokens = 24;
    options.slots = 1 + static_cast<index>(round);
    auto const all = train::sample_groups(model, std::span<train::grpo_prompt const>(prompts), options, 32 * round);
    REQUIRE(all.size() == 32);
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto const& c = all[i];
      CHECK(c.prompt == static_cast<index>(i / 16));
      REQUIRE(c.tokens.size() == c.log_probabilities.size());
      for (index t : c.tokens) CHECK((t != C::tokens.image_pad && t != C::tokens.video_pad));
      bool const ended = !c.tokens.empty() && (c.tokens.back() == C::tokens.im_end || c.tokens.back() == C::tokens.endoftext);
      CHECK(c.truncated() != ended);
      if (ended) ends.insert(c.tokens.back());
      truncated += c.truncated() ? 1 : 0;
      if (round > 0) continue;
      auto const sample = train::with_completion(train::sample_of(model, prompts[i / 16], options), c);
      std::vector<double> said(c.tokens.size());
      tape.log_probabilities({&sample, 1}, said);
      CHECK(said == c.log_probabilities);
      tape.accumulate({&sample, 1}, said, [](std::size_t, double) { return 1e-3; });
      CHECK(said == c.log_probabilities);
    }
  }
  CHECK(ends.size() == 2);
  CHECK(truncated > 0);
}

TEST_CASE("rollouts: a completion does not depend on slots or on the others") {
  std::vector<train::grpo_prompt> const both{prompt(0), prompt(1)};
  auto options = short_ones();
  auto const together = train::sample_groups(base(), std::span<train::grpo_prompt const>(both), options);
  options.slots = 1;
  auto const alone = train::sample_groups(base(), std::span(both).subspan(1), options, 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(together[4 + i].tokens == alone[i].tokens);
  CHECK(together[0].tokens != together[1].tokens);
}

TEST_CASE("GRPO: a reward that prefers some tokens rises; the first iteration's ratios are exactly 1") {
  tiny::threads one(1);
  train::grpo_options o{.rollout = short_ones(8), .iterations = 2, .per_pass = 4};
  o.loss.beta = 0.01;
  train::grpo_trainer<C> t(base(), fast(), o, {{"even", even_bytes, 2.0}});
  double first = 0, last = 0;
  for (int i = 0; i < 12; ++i) {
    auto const report = t.step([&] { return prompt(); });
    if (i == 0) first = report.rewards[0].before.mean;
    last = report.rewards[0].before.mean;
    CHECK(report.iterations[0].least_ratio == 1.0);
    CHECK(report.iterations[0].greatest_ratio == 1.0);
    CHECK(report.iterations[0].low + report.iterations[0].high == 0);
    CHECK(report.iterations[1].greatest_ratio != report.iterations[1].least_ratio);
    CHECK(report.rewards[0].after.mean == doctest::Approx(2 * report.rewards[0].before.mean));
    if (i == 0) CHECK(report.iterations[0].kl == 0.0);
    if (i == 11) CHECK(report.iterations[0].kl > 0.0);
    CHECK(report.step == 2 * (i + 1));
  }
  MESSAGE("share of even bytes: " << first << ", then " << last);
  CHECK(last > first + 0.2);
}

TEST_CASE("GRPO: adapters alone learn, and what generates is what is trained") {
  tiny::threads one(1);
  auto training = fast();
  training.parts = {false, false, false, false, false};
  training.lora = {.rank = 4, .alpha = 8};
  training.learning_rate.fill(2e-2);
  train::grpo_options o{.rollout = short_ones(8), .groups = 1};
  o.rollout.temperature = 0.8f;
  o.loss.beta = 0.01;
  train::grpo_trainer<C> t(base(), training, o, {{"even", even_bytes}});
  for (int i = 0; i < 3; ++i) {
    auto const report = t.step([] { return prompt(); });
    CHECK(report.iterations[0].least_ratio == 1.0);
    CHECK(report.iterations[0].greatest_ratio == 1.0);
  }
  CHECK(t.completions().size() == 8);
}

TEST_CASE("GRPO: a step's line, and the page of a run") {
  tiny::threads one(1);
  auto const folder = std::filesystem::temp_directory_path() / ("medmo-grpo-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  auto hostile = prompt();
  hostile.text = "<script>alert(1)</script>";
  {
    train::grpo_trainer<C> t(base(), fast(), {.rollout = short_ones()}, {{"e/v~en<", even_bytes, 2.0}});
    medmo::io::jsonl_journal log((folder / "log.jsonl").string());
    for (int i = 0; i < 2; ++i) {
      auto line = train::log_line(t.step([&] { return hostile; }));
      train::add_samples(line, t, folder.string(), 1);
      CHECK(line["samples"].size() == 2);
      CHECK(line["samples"][0]["advantage"] > line["samples"][1]["advantage"]);
      CHECK(std::filesystem::exists(folder / line["samples"][0]["picture"].get<std::string>()));
      CHECK(line["rewards"]["e/v~en<"]["after"]["mean"].get<double>() == doctest::Approx(line["reward"]["mean"].get<double>()));
      log.append(line);
    }
  }
  train::write_grpo_page(folder.string());
  auto const file = medmo::io::mapped_file::open((folder / "index.html").string());
  std::string_view const page(reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size());
  CHECK(page.find("reward e/v~en&lt;, before its weight") != page.npos);
  CHECK(page.find("<polyline") != page.npos);
  CHECK(page.find("step-2-0.png") != page.npos);
  CHECK(page.find("<script") == page.npos);
  std::filesystem::remove_all(folder);
}

TEST_CASE("GRPO: one pass of eight or eight of one, the same step but for rounding") {
  auto run = [](index per_pass) {
    train::grpo_trainer<C> t(base(), fast(), {.rollout = short_ones(8), .per_pass = per_pass}, {{"even", even_bytes}});
    auto const report = t.step([] { return prompt(); });
    return std::pair(values_of(t), report.update);
  };
  auto const [whole, a] = run(8);
  auto const [cut, b] = run(1);
  CHECK(a.gradient_norm == doctest::Approx(b.gradient_norm).epsilon(1e-4));
  CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-9));
  CHECK(a.tokens == b.tokens);
}

TEST_CASE("GRPO: the same seed, the same bytes, with one thread or two") {
  std::vector<float> first;
  for (int n : {1, 2}) {
    tiny::threads threads(n);
    train::grpo_trainer<C> t(base(), fast(), {.rollout = short_ones()}, {{"even", even_bytes}});
    for (int i = 0; i < 2; ++i) t.step([] { return prompt(); });
    if (first.empty()) first = values_of(t);
    CHECK(tiny::same_bytes(first, values_of(t)));
  }
}

TEST_CASE("GRPO: groups without spread teach nothing, and make room for others where that is asked for") {
  train::grpo_trainer<C> flat(base(), fast(), {.rollout = short_ones(), .groups = 2}, {{"same", [](auto const&) { return 0.1; }}});
  auto const before = values_of(flat);
  auto report = flat.step([] { return prompt(); });
  CHECK(report.constant_groups == 2);
  CHECK(report.constant_share() == 1);
  CHECK(!report.learned);
  CHECK(report.step == 0);
  CHECK(tiny::same_bytes(before, values_of(flat)));

  // only odd prompts have a spread
  auto mixed = [](train::completion const& c) { return c.prompt % 2 ? even_bytes(c) : std::optional(1.0); };
  index n = 0;
  train::grpo_trainer<C> t(base(), fast(), {.rollout = short_ones(), .groups = 2, .rounds = 4}, {{"mixed", mixed}});
  report = t.step([&] { return prompt(n++); });
  CHECK(report.groups == 4);
  CHECK(report.constant_groups == 2);
  CHECK(n == 4);
  for (auto const& p : t.prompts()) CHECK(p.number % 2 == 1);
  // and if there are none, the step goes on without
  train::grpo_trainer<C> none(base(), fast(), {.rollout = short_ones(), .groups = 2, .rounds = 3}, {{"same", [](auto const&) { return 1.0; }}});
  report = none.step([&] { return prompt(n++); });
  CHECK(report.groups == 6);
  CHECK(t.completions().size() == none.completions().size());
}

TEST_CASE("GRPO: truncated completions are masked where that is asked for, and counted once") {
  train::grpo_options o{.rollout = short_ones(8), .truncated = train::truncated_completions::masked};
  o.rollout.max_new_tokens = 20;
  train::grpo_trainer<C> t(base(), fast(), o, {{"even", even_bytes}});
  auto const report = t.step([] { return prompt(); });
  index truncated = 0, tokens = 0;
  for (auto const& c : t.completions()) truncated += c.truncated() ? 1 : 0, tokens += c.truncated() ? 0 : static_cast<index>(c.tokens.size());
  CHECK(report.truncated == truncated);
  CHECK(truncated > 0);
  CHECK(report.update.tokens == tokens);
}

TEST_CASE("GRPO: an error of a reward or a prompt changes no weight; options that cannot be are refused") {
  int calls = 0;
  auto fails = [&](train::completion const&) -> std::optional<double> {
    if (++calls > 2) MEDMO_THROW(medmo::errc::bad_argument, "reward", "", "");
    return 1.0;
  };
  train::grpo_trainer<C> t(base(), fast(), {.rollout = short_ones()}, {{"fails", fails}});
  auto const before = values_of(t);
  CHECK_THROWS_AS(t.step([] { return prompt(); }), medmo::error);
  CHECK_THROWS_AS(t.step([]() -> train::grpo_prompt { MEDMO_THROW(medmo::errc::bad_argument, "prompt", "", ""); }), medmo::error);
  CHECK(tiny::same_bytes(before, values_of(t)));
  auto refused = [](train::grpo_options o) {
    return tiny::error_of([&] { train::grpo_trainer<C>(base(), fast(), o, {{"even", even_bytes}}); }).has_value();
  };
  CHECK(refused({.groups = 0}));
  CHECK(refused({.iterations = 0}));
  CHECK(refused({.per_pass = 0}));
  CHECK(refused({.rounds = 0}));
  CHECK(refused({.rollout = {.group = 0}}));
  CHECK(refused({.rollout = {.max_new_tokens = 0}}));
  CHECK(refused({.loss = {.clip_low = 2}}));
  CHECK(tiny::error_of([] { train::grpo_trainer<C>(base(), fast(), {}, {}); }).has_value());
}

}  // namespace
