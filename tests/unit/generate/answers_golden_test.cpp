// Scores of answers and pooled hidden states against the reference, for pictures, several pictures and text
// (tools/export_answer_goldens.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "../../parity/configurations.hpp"
#include "../../parity/golden.hpp"
#include "medmo/generate/embed.hpp"
#include "medmo/generate/score.hpp"

#ifndef MEDMO_TEST_DATA
#define MEDMO_TEST_DATA "tests/data"
#endif

namespace {

using medmo::index;

struct prompt {
  std::vector<index> ids;
  std::vector<medmo::visual_features> seen;
  std::vector<medmo::visual_features const*> features() const {
    std::vector<medmo::visual_features const*> out;
    for (auto const& f : seen) out.push_back(&f);
    return out;
  }
};

template <class C>
prompt read_prompt(medmo::model<C> const& m, std::string const& path) {
  parity::golden_file const g(path);
  prompt out{g["tokens"].as_indices(), {}};
  if (!g.has("pixels")) return out;
  auto const pixels = g["pixels"].as_matrix();
  auto const grids = g["image_grid_thw"].as_indices();
  medmo::arena memory;
  index row = 0;
  for (std::size_t i = 0; i < grids.size(); i += 3) {
    medmo::patch_grid grid{grids[i], grids[i + 1], grids[i + 2]};
    out.seen.push_back(medmo::see_picture(
        m, {pixels.row(row).data(), grid.patches(), pixels.cols(), Eigen::OuterStride<>(pixels.cols())}, grid, memory));
    row += grid.patches();
  }
  return out;
}

/// ||a - b|| / ||b||
double relative(auto const& a, auto const& b) {
  REQUIRE(a.size() == b.size());
  double square = 0, total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double d = static_cast<double>(a[i]) - b[i];
    square += d * d;
    total += b[i] * b[i];
  }
  return std::sqrt(square / total);
}

TEST_CASE("score and embed: equal to the reference") {
  auto const golden = parity::read_json(MEDMO_TEST_DATA "/generate/answers.json");
  double worst_score = 0, worst_embedding = 0;
  int answers = 0;
  auto check_case = [&]<class C>(std::type_identity<C>, nlohmann::json const& c) {
    std::string const folder = MEDMO_TEST_DATA "/parity/" + std::string(C::name);
    auto const m = medmo::model<C>::load(
        std::make_shared<parity::checkpoint_as const>(folder + "/model.safetensors", medmo::dtype::f32), folder);
    auto const p = read_prompt(m, folder + "/case_" + c.at("case").get<std::string>() + ".safetensors");

    medmo::sequence<C> s(m);
    s.append(p.ids, p.features());
    std::vector<float> const behind(s.logits().begin(), s.logits().end());
    for (auto const& a : c.at("answers")) {
      auto const found = medmo::score_tokens(s, behind, a.at("ids").get<std::vector<index>>());
      auto const expected = a.at("log_probabilities").get<std::vector<double>>();
      CHECK(s.length() == static_cast<index>(p.ids.size()));
      CAPTURE(expected.size());
      REQUIRE(found.log_probabilities.size() == expected.size());
      double sum = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        worst_score = std::max(worst_score, std::abs(found.log_probabilities[i] / expected[i] - 1));
        sum += expected[i];
      }
      CHECK(found.log_probability == doctest::Approx(sum).epsilon(1e-5));
      worst_score = std::max(worst_score, std::abs(found.end_log_probability / a.at("end").get<double>() - 1));
      ++answers;
    }
    for (auto how : {medmo::pooling::last_token, medmo::pooling::mean}) {
      medmo::sequence<C> t(m);
      auto const e = medmo::embed_tokens(t, p.ids, p.features(), {.pooling = how});
      worst_embedding = std::max(worst_embedding, relative(e.values, c.at(medmo::name_of(how)).template get<std::vector<double>>()));
      CHECK(e.tokens == static_cast<index>(p.ids.size()));
    }
  };
  for (auto const& c : golden.at("cases")) {
    auto const name = c.at("configuration").get<std::string>();
    CAPTURE(name);
    CAPTURE(c.at("case").get<std::string>());
    if (name == "base") check_case(std::type_identity<parity::base>{}, c);
    else if (name == "one_kv") check_case(std::type_identity<parity::one_kv>{}, c);
    else if (name == "odd_tails") check_case(std::type_identity<parity::odd_tails>{}, c);
    else FAIL("no such configuration");
  }
  CHECK(answers == 25);
  CHECK(worst_score <= 1e-4);
  CHECK(worst_embedding <= 1e-5);
  MESSAGE("greatest relative difference: scores " << worst_score << ", embeddings " << worst_embedding);
}

}  // namespace
