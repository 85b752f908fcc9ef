// Drawing the next token: ties, numbers that are none, forbidden tokens, the sets of top-k and top-p, and the shares.
#include "medmo/generate/sampler.hpp"
#include "../named_case.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <set>

namespace {

using medmo::index;
using medmo::sampler;
using medmo::sampling_options;

constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

std::optional<index> draw_once(std::vector<float> logits, sampling_options o = {}, std::vector<index> forbidden = {}) {
  return sampler(o, static_cast<index>(logits.size()), std::move(forbidden)).draw(logits);
}

TEST_CASE("sampler: greedy takes the first of the most probable") {
  CHECK(draw_once({1, 3, 2}) == 1);
  CHECK(draw_once({3, 1, 3, 3}) == 0);
  CHECK(draw_once({-inf, -5, -5}) == 1);
  CHECK(draw_once({5, 4, 3}, {}, {0}) == 1);
  CHECK(draw_once({0.0f, -0.0f}) == 0);
}

TEST_CASE("sampler: no token from logits that are no numbers") {
  struct bad { char const* name; std::vector<float> logits; std::vector<index> forbidden; };
  std::vector<bad> cases{{"NaN first", {nan, 1, 2}, {}},  {"NaN last", {1, 2, nan}, {}},   {"infinity", {1, inf, 2}, {}},
                         {"all NaN", {nan, nan}, {}},     {"all -inf", {-inf, -inf}, {}}, {"all forbidden", {1, 2}, {0, 1}},
                         {"NaN among -inf", {-inf, nan}, {}}};
  for (auto const& c : cases)
    for (bool greedy : {true, false}) {
      CAPTURE(c.name);
      CAPTURE(greedy);
      CHECK_FALSE(draw_once(c.logits, {.greedy = greedy}, c.forbidden));
    }
  // a forbidden token may be anything
  CHECK(draw_once({nan, 1, 2}, {}, {0}) == 2);
}

std::vector<float> some_logits(std::size_t n) {
  medmo::random_stream random(11, medmo::stream_of("logits"));
  std::vector<float> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(2.0f * random.normal(i));
  return out;
}

TEST_CASE("sampler: a forbidden token is never drawn") {
  auto const logits = some_logits(12);
  sampler s({.greedy = false, .temperature = 5.0f, .top_k = 0, .top_p = 1.0f}, 12, {3, 7});
  std::set<index> seen;
  for (int i = 0; i < 10000; ++i) {
    auto now = logits;
    seen.insert(s.draw(now).value());
  }
  CHECK(seen.count(3) == 0);
  CHECK(seen.count(7) == 0);
  CHECK(seen.size() == 10);
}

/// The shares after temperature, top-k and top-p, the plain way.
std::map<index, double> plain(std::vector<float> const& logits, sampling_options const& o) {
  std::vector<std::pair<double, index>> all;
  for (std::size_t i = 0; i < logits.size(); ++i)
    all.push_back({-static_cast<double>(logits[i] / o.temperature), static_cast<index>(i)});
  std::sort(all.begin(), all.end());
  if (o.top_k > 0 && all.size() > static_cast<std::size_t>(o.top_k)) all.resize(static_cast<std::size_t>(o.top_k));
  double total = 0, kept = 0;
  for (auto const& [l, id] : all) total += std::exp(-l);
  std::map<index, double> out;
  for (auto const& [l, id] : all) {
    if (!out.empty() && kept >= static_cast<double>(o.top_p) * total) break;
    out[id] = std::exp(-l);
    kept += out[id];
  }
  for (auto& [id, p] : out) p /= kept;
  return out;
}

TEST_CASE("sampler: the sets and the shares are those of the definition") {
  auto const logits = some_logits(30);
  constexpr int draws = 20000;
  for (auto const& o : {sampling_options{.greedy = false, .temperature = 1.0f, .top_k = 0, .top_p = 1.0f},
                        sampling_options{.greedy = false, .temperature = 0.7f, .top_k = 20, .top_p = 0.8f},
                        sampling_options{.greedy = false, .temperature = 2.0f, .top_k = 5, .top_p = 1.0f},
                        sampling_options{.greedy = false, .temperature = 2.0f, .top_k = 0, .top_p = 0.5f},
                        sampling_options{.greedy = false, .temperature = 1.0f, .top_k = 1, .top_p = 1.0f},
                        sampling_options{.greedy = false, .temperature = 1.0f, .top_k = 100, .top_p = 0.0f}}) {
    CAPTURE(o.temperature);
    CAPTURE(o.top_k);
    CAPTURE(o.top_p);
    auto const expected = plain(logits, o);
    sampler s(o, 30, {});
    std::map<index, int> counts;
    for (int i = 0; i < draws; ++i) {
      auto now = logits;
      ++counts[s.draw(now).value()];
    }
    double chi = 0;
    for (auto const& drawn : counts) {
      auto const id = drawn.first;
      CAPTURE(id);
      CHECK(expected.count(id));
    }
    for (auto const& kept : expected) {
      auto const id = kept.first;
      auto const p = kept.second;
      double mean = p * draws;
      chi += (counts[id] - mean) * (counts[id] - mean) / mean;
    }
    double freedom = static_cast<double>(expected.size()) - 1;
    CHECK(chi <= freedom + 5 * std::sqrt(2 * freedom));  // five deviations of the chi-square distribution
  }
}

TEST_CASE("sampler: penalties, by hand") {
  using list = std::vector<index>;
  auto greedy = [](std::vector<float> const& logits, sampling_options o, list const& prompt, int draws) {
    sampler s(o, static_cast<index>(logits.size()), {});
    s.see(prompt);
    list out;
    for (int i = 0; i < draws; ++i) {
      auto now = logits;
      out.push_back(s.draw(now).value());
      CHECK(now == logits);
    }
    return out;
  };
  // 3 / 2 = 1.5 < 2; then 2 / 2 = 1 < 1.5; penalties do not add up
  CHECK(greedy({3, 2, -1}, {.repetition_penalty = 2.0f}, {}, 4) == list{0, 1, 0, 0});
  CHECK(greedy({3, 2, -1}, {.repetition_penalty = 2.0f}, {0}, 2) == list{1, 0});
  CHECK(greedy({-1, -1.5f}, {.repetition_penalty = 2.0f}, {0}, 1) == list{1});       // negative logits are multiplied
  CHECK(greedy({0, -0.1f}, {.repetition_penalty = 4.0f}, {0}, 1) == list{0});
  CHECK(greedy({3, 2.5f, 1}, {.presence_penalty = 1.0f}, {0, 0}, 4) == list{0, 1, 0, 0});  // the prompt does not count
  CHECK(greedy({3, 2.5f, 1}, {.presence_penalty = 9.0f}, {}, 3) == list{0, 1, 2});
  CHECK(greedy({1, 2}, {.presence_penalty = -1.0f}, {}, 2) == list{1, 1});
  CHECK(greedy({1, 2, 3}, {.bias = {{0, 2.5f}}}, {}, 1) == list{0});
  CHECK(greedy({1, 2, 3}, {.bias = {{2, -inf}, {1, -inf}}}, {}, 2) == list{0, 0});
  CHECK(greedy({1, 2, 3}, {.bias = {{0, 1.0f}, {0, 1.5f}}}, {}, 1) == list{0});      // twice the same id: both count
}

TEST_CASE("sampler: greatest temperatures and least ones") {
  for (float t : {1e-38f, 1e-30f, 1e-3f}) {
    CHECK(draw_once({-3, -1, -2}, {.greedy = false, .temperature = t}) == 1);
    CHECK(draw_once({1, 300, 2}, {.greedy = false, .temperature = t, .top_k = 0, .top_p = 1.0f}) == 1);
  }
  CHECK(draw_once({1, 3e38f, 2}, {.greedy = false, .temperature = 0.5f}) == 1);
  CHECK(draw_once({1, 300, 2}, {.greedy = false, .temperature = 3e38f}).has_value());
}

TEST_CASE("sampler: options that mean nothing are refused") {
  using o = sampling_options;
  struct bad { char const* name; o options; };
  std::vector<bad> cases{
      {"temperature", {.greedy = false, .temperature = 0.0f}}, {"temperature", {.greedy = false, .temperature = -1.0f}},
      {"temperature", {.greedy = false, .temperature = nan}},  {"temperature", {.greedy = false, .temperature = inf}},
      {"top_k", {.greedy = false, .top_k = -1}},               {"top_p", {.greedy = false, .top_p = -0.1f}},
      {"top_p", {.greedy = false, .top_p = 1.1f}},             {"top_p", {.greedy = false, .top_p = nan}},
      {"min_p", {.greedy = false, .min_p = -0.1f}},            {"min_p", {.greedy = false, .min_p = 2.0f}},
      {"min_p", {.greedy = false, .min_p = nan}},              {"repetition_penalty", {.repetition_penalty = 0.0f}},
      {"repetition_penalty", {.repetition_penalty = -1.0f}},   {"repetition_penalty", {.repetition_penalty = inf}},
      {"presence_penalty", {.presence_penalty = nan}},         {"presence_penalty", {.presence_penalty = inf}},
      {"bias", {.bias = {{-1, 0.0f}}}},                        {"bias", {.bias = {{3, 0.0f}}}},
      {"bias", {.bias = {{0, nan}}}},                          {"bias", {.bias = {{0, inf}}}},
      {"log_probabilities", {.log_probabilities = -1}}};
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    try {
      draw_once({1, 2, 3}, c.options);
      FAIL("accepted");
    } catch (medmo::error const& e) {
      CHECK(e.code() == medmo::errc::bad_argument);
      CHECK(std::string(e.what()).find(c.name) != std::string::npos);
    }
  }
  CHECK(draw_once({1, 2, 3}, {.temperature = -1.0f, .top_k = -1, .min_p = 7.0f}) == 2);  // greedy does not ask
}

TEST_CASE("sampler: the same seed draws the same") {
  auto const logits = some_logits(30);
  auto run = [&](std::uint64_t seed) {
    sampler s({.greedy = false, .temperature = 2.0f, .top_k = 0, .top_p = 1.0f, .seed = seed}, 30, {});
    std::vector<index> ids;
    for (int i = 0; i < 50; ++i) {
      auto now = logits;
      ids.push_back(s.draw(now).value());
    }
    return ids;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
  auto first = run(1);  // a seed keeps its meaning from version to version
  first.resize(4);
  CHECK(first == std::vector<index>{13, 6, 0, 3});
}

}  // namespace
