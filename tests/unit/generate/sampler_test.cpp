// Drawing the next token: ties, numbers that are none, forbidden tokens, the sets of top-k and top-p, and the shares.
#include "medmo/generate/sampler.hpp"

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
    for (auto const& [id, n] : counts) {
      CAPTURE(id);
      CHECK(expected.count(id));
    }
    for (auto const& [id, p] : expected) {
      double mean = p * draws;
      chi += (counts[id] - mean) * (counts[id] - mean) / mean;
    }
    double freedom = static_cast<double>(expected.size()) - 1;
    CHECK(chi <= freedom + 5 * std::sqrt(2 * freedom));  // five deviations of the chi-square distribution
  }
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
}

}  // namespace
