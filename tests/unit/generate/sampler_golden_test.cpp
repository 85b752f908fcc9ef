// What is left of random logits, and how probable it is, against transformers' processors (tools/export_sampler_goldens.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "medmo/generate/sampler.hpp"

#ifndef MEDMO_TEST_DATA
#define MEDMO_TEST_DATA "tests/data"
#endif

namespace {

using medmo::index;

TEST_CASE("sampler: kept tokens, probabilities and log-probabilities are those of transformers") {
  std::ifstream in(MEDMO_TEST_DATA "/generate/sampler.json");
  auto const golden = nlohmann::json::parse(in);
  auto const forbidden = golden.at("forbidden").get<std::vector<index>>();
  double worst = 0;
  int number = 0;
  for (auto const& c : golden.at("cases")) {
    CAPTURE(number);
    ++number;
    auto const logits = golden.at("logits").at(c.at("row").get<std::size_t>()).get<std::vector<float>>();
    auto const vocab = static_cast<index>(logits.size());
    medmo::sampling_options o{.greedy = c.at("greedy"),
                              .temperature = c.at("temperature"),
                              .top_k = c.at("top_k"),
                              .top_p = c.at("top_p"),
                              .min_p = c.at("min_p"),
                              .repetition_penalty = c.at("repetition_penalty"),
                              .presence_penalty = c.at("presence_penalty"),
                              .log_probabilities = 5};
    for (auto const& b : c.at("bias")) o.bias.push_back({b.at(0), b.at(1)});
    medmo::sampler s(o, vocab, forbidden);
    s.see(c.at("prompt").get<std::vector<index>>());
    for (index id : c.at("made")) s.made(id);
    auto now = logits;
    auto const drawn = s.draw(now);
    REQUIRE(drawn);

    // the logits are as they were, but for the forbidden ones
    auto expected = logits;
    for (index id : forbidden) expected[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
    CHECK(now == expected);
    CHECK(s.log_probability() == doctest::Approx(medmo::log_probability(now, *drawn)).epsilon(1e-12));
    auto const top = c.at("top").get<std::vector<index>>();
    REQUIRE(s.most_probable().size() == top.size());
    for (std::size_t i = 0; i < top.size(); ++i) {
      CHECK(s.most_probable()[i].id == top[i]);
      worst = std::max(worst, std::abs(s.most_probable()[i].log_probability - c.at("top_log_probability").at(i).get<double>()));
    }

    auto const kept = c.at("kept").get<std::vector<index>>();
    for (std::size_t i = 0; i < c.at("log_probability").size(); ++i)
      if (auto const& l = c.at("log_probability").at(i); !l.is_null())
        worst = std::max(worst, std::abs(medmo::log_probability(now, kept[i]) - l.get<double>()));
    if (o.greedy) {
      CHECK(*drawn == kept.front());
      CHECK(s.drawn_from().empty());
      continue;
    }
    auto ours = s.drawn_from();
    CHECK(std::is_sorted(ours.begin(), ours.end(), [](auto const& a, auto const& b) { return a.probability > b.probability; }));
    std::sort(ours.begin(), ours.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
    index sum = 0;
    for (auto const& t : ours) sum += t.id;
    CHECK(ours.size() == c.value("kept_count", kept.size()));
    if (c.contains("kept_sum")) CHECK(sum == c.at("kept_sum").get<index>());
    REQUIRE(ours.size() >= kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
      REQUIRE(ours[i].id == kept[i]);
      worst = std::max(worst, std::abs(ours[i].probability - c.at("probability").at(i).get<double>()));
    }
  }
  CHECK(number == 144);
  CAPTURE(worst);
  CHECK(worst <= 1e-6);
  MESSAGE("greatest difference: " << worst);
}

}  // namespace
