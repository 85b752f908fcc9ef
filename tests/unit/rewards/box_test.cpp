// The box reward: a table of completions with rewards computed elsewhere, the order of boxes, sizes beyond the stack, bad options.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <medmo/core/random.hpp>
#include <medmo/io/json.hpp>
#include <medmo/rewards/box.hpp>
#include <numeric>
#include <set>
#include <string>
#include <vector>

using namespace medmo::rewards;
using thousandths = medmo::box<medmo::norm1000>;
using boxes = std::vector<thousandths>;

namespace {
boxes boxes_of(nlohmann::json const& rows) {
  boxes out;
  for (auto const& r : rows) out.push_back({r.at(0), r.at(1), r.at(2), r.at(3)});
  return out;
}

boxes random_boxes(std::size_t count, std::uint64_t seed) {
  medmo::random_stream random(seed, medmo::stream_of("box_test"));
  boxes out;
  for (std::uint64_t i = 0; out.size() < count; i += 4) {
    double x = random.uniform(i) * 900, y = random.uniform(i + 1) * 900;
    out.push_back({x, y, x + 1 + random.uniform(i + 2) * 99, y + 1 + random.uniform(i + 3) * 99});
  }
  return out;
}

/// The formulas again, one pair at a time.
double by_force(boxes p, boxes g) {
  if (p.size() > g.size()) std::swap(p, g);
  std::vector<std::size_t> order(g.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  double best_cost = 1e300, best = 0;
  do {
    double cost = 0, quality = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      auto const &a = p[i], &b = g[order[i]];
      double l1 = (std::abs(a.x1 - b.x1) + std::abs(a.y1 - b.y1) + std::abs(a.x2 - b.x2) + std::abs(a.y2 - b.y2)) /
                  (2 * std::sqrt(2e6));
      double overlap = medmo::metrics::giou(a, b);
      cost += 5 * l1 + 2 * (1 - overlap);
      quality += (5 * (1 - std::min(1.0, l1)) + (overlap + 1)) / 7;
    }
    if (cost < best_cost) best_cost = cost, best = quality;
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}
}  // namespace

TEST_CASE("box_reward: the table of completions, under several options") {
  std::ifstream file(MEDMO_TEST_DATA "/rewards/completions.jsonl");
  std::string line;
  std::set<std::string> names;
  while (std::getline(file, line)) {
    auto row = medmo::io::parse_json(std::as_bytes(std::span(line)), "completions.jsonl");
    auto name = row.at("name").get<std::string>(), text = row.at("text").get<std::string>();
    CAPTURE(name);
    names.insert(name);
    auto truth = boxes_of(row.at("truth")), predicted = boxes_of(row.at("boxes"));
    struct variant {
      char const* field;
      box_reward_options options;
    };
    for (variant const& v :
         {variant{"reward", {}}, variant{"penalties", {.false_negative_weight = 0.5, .false_positive_weight = 0.125}},
          variant{"counted", {.false_positive_weight = 0.25, .unusable = unusable::counted}},
          variant{"zero", {.unusable = unusable::zero}}, variant{"pixels", {.picture = picture_size{640, 480}}},
          variant{"giou_only", {.l1_weight = 0, .giou_weight = 1}}}) {
      CAPTURE(v.field);
      auto expected = row.at(v.field).get<double>();
      auto s = box_reward(text, truth, v.options);
      CHECK(std::abs(s.value - expected) < 1e-11);
      CHECK(s.unusable == row.at("unusable").get<medmo::index>());
      CHECK(s.truth == std::ssize(truth));
      if (s.unusable == 0) {
        CHECK(box_reward(predicted, truth, v.options).value == s.value);
        CHECK(s.predicted == std::ssize(predicted));
      }
    }
    auto to_pixels = [](boxes const& from) {
      std::vector<medmo::box<medmo::pixel>> out;
      for (auto const& b : from) out.push_back(medmo::to_pixel(b, 640, 480));
      return out;
    };
    if (row.at("unusable") == 0)
      CHECK(std::abs(box_reward(to_pixels(predicted), to_pixels(truth), {640, 480}).value -
                     row.at("pixels").get<double>()) < 1e-11);
  }
  CHECK(names.size() >= 200);
}

TEST_CASE("box_reward: what it is made of") {
  boxes truth{{0, 0, 100, 100}, {200, 200, 300, 300}, {400, 400, 500, 500}};
  boxes predicted{{400, 400, 500, 500}, {0, 0, 100, 100}, {700, 0, 710, 20}, {700, 0, 710, 20}};
  auto s = box_reward(predicted, truth, {.false_negative_weight = 1, .false_positive_weight = 0.3});
  CHECK(s.predicted == 4);
  CHECK(s.truth == 3);
  CHECK(s.matched == 3);
  CHECK(s.penalty == doctest::Approx(0.1));
  CHECK(s.quality > 2.0 / 3);
  CHECK(s.value == s.quality - s.penalty);
}

TEST_CASE("box_reward: equal to every assignment tried, on random boxes") {
  double worst = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    auto p = random_boxes(1 + seed % 5, 2 * seed), g = random_boxes(1 + seed / 5 % 5, 2 * seed + 1);
    worst = std::max(worst, std::abs(box_reward(p, g).value * double(g.size()) - by_force(p, g)));
  }
  CHECK(worst < 1e-12);
}

TEST_CASE("box_reward: the order of boxes changes no bit, ties included") {
  medmo::random_stream random(9, 9);
  std::uint64_t at = 0;
  for (std::size_t n : {1, 2, 5, 8, 9, 32, 33, 40}) {
    for (int round = 0; round < 60; ++round) {
      auto p = random_boxes(n, at + 1), g = random_boxes(1 + random.bits(at) % 35, at + 2);
      at += 3;
      if (round % 3 == 0)  // a lattice: many pairs cost the same
        for (auto* side : {&p, &g})
          for (auto& b : *side) {
            b.x1 = std::floor(b.x1 / 400) * 300, b.y1 = std::floor(b.y1 / 400) * 300;
            b.x2 = b.x1 + 100, b.y2 = b.y1 + 100;
          }
      double first = box_reward(p, g).value;
      for (int turn = 0; turn < 10; ++turn) {
        for (auto* side : {&p, &g})
          for (std::size_t i = side->size(); i > 1; --i) std::swap((*side)[i - 1], (*side)[random.bits(at++) % i]);
        double again = box_reward(p, g).value;
        REQUIRE(std::memcmp(&first, &again, sizeof first) == 0);
      }
    }
  }
}

TEST_CASE("box_reward: from one box to hundreds, bounded, and 1 for the truth itself") {
  for (std::size_t n : {1, 7, 8, 31, 32, 33, 200}) {
    auto g = random_boxes(n, n);
    CHECK(box_reward(g, g).value == doctest::Approx(1).epsilon(1e-12));
    for (std::size_t m : {1, 32, 33, 150}) {
      auto s = box_reward(random_boxes(m, 77), g);
      CHECK((s.value >= 0 && s.value <= 1));
      CHECK(s.matched == std::ptrdiff_t(std::min(n, m)));
    }
  }
}

TEST_CASE("box_reward: boxes that are none") {
  double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  boxes truth{{10, 10, 20, 20}};
  struct row {
    char const* name;
    thousandths bad;
  };
  for (row const& r :
       {row{"inverted", {20, 10, 10, 20}}, row{"a line", {10, 10, 10, 20}}, row{"NaN", {10, nan, 20, 20}},
        row{"infinite", {10, 10, infinite, 20}}, row{"huge", {10, 10, 1e10, 20}}}) {
    CAPTURE(r.name);
    boxes both{r.bad, truth[0]}, alone{r.bad};
    CHECK(box_reward(both, truth).value == 1);
    CHECK(box_reward(both, truth).unusable == 1);
    CHECK(box_reward(both, truth, {.false_positive_weight = 0.5, .unusable = unusable::counted}).value == 0.5);
    CHECK(box_reward(both, truth, {.unusable = unusable::zero}).value == 0);
    CHECK(box_reward(alone, truth).value == 0);
    CHECK(box_reward(alone, {}).value == 0);
    CHECK_THROWS_AS(box_reward(truth, alone), medmo::error);
  }
}

TEST_CASE("box_reward: the choices that the paper leaves open are options") {
  boxes none, some{{10, 10, 20, 20}};
  box_reward_options o{.nothing_to_find = 0.25, .false_alarm = 0.5, .nothing_found = 0.125, .unparsable = -1};
  CHECK(box_reward(none, none, o).value == 0.25);
  CHECK(box_reward(some, none, o).value == 0.5);
  CHECK(box_reward(none, some, o).value == 0.125);
  CHECK(box_reward("A <box>[[1, 2, 3]]</box>", some, o).value == -1);
  CHECK(box_reward("nothing", some, o).value == 0.125);
}

TEST_CASE("box_reward: options that are refused") {
  boxes some{{10, 10, 20, 20}};
  double nan = std::numeric_limits<double>::quiet_NaN();
  struct row {
    char const* name;
    box_reward_options options;
  };
  for (row const& r :
       {row{"l1_weight", {.l1_weight = -1}}, row{"l1_weight", {.l1_weight = nan}},
        row{"giou_weight", {.giou_weight = -1}}, row{"giou_weight", {.l1_weight = 0, .giou_weight = 0}},
        row{"false_negative_weight", {.false_negative_weight = -1}},
        row{"false_positive_weight", {.false_positive_weight = nan}}, row{"picture", {.picture = picture_size{0, 480}}},
        row{"picture", {.picture = picture_size{640, nan}}}}) {
    try {
      box_reward(some, some, r.options);
      FAIL(r.name);
    } catch (medmo::error const& e) {
      CHECK(e.code() == medmo::errc::bad_argument);
      CHECK(e.where() == r.name);
    }
  }
}
