// The assignment: against every permutation, against scipy, ties, bad costs.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <medmo/core/random.hpp>
#include <medmo/io/json.hpp>
#include <medmo/metrics/matching.hpp>
#include <numeric>
#include <vector>

using medmo::matrix;
using medmo::metrics::match;

namespace {
/// The least cost over every way to pair rows with columns.
double by_force(matrix<double> cost) {
  if (cost.rows() > cost.cols()) cost = cost.transpose().eval();
  std::vector<int> order(static_cast<std::size_t>(cost.cols()));
  std::iota(order.begin(), order.end(), 0);
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (medmo::index i = 0; i < cost.rows(); ++i) sum += cost(i, order[static_cast<std::size_t>(i)]);
    best = std::min(best, sum);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

/// Every pair is said twice, the same; as many pairs as there can be; the cost is theirs.
bool is_consistent(medmo::metrics::matching const& m, matrix<double> const& cost) {
  medmo::index pairs = 0;
  double sum = 0;
  for (medmo::index i = 0; i < cost.rows(); ++i)
    if (auto j = m.column_of_row[static_cast<std::size_t>(i)]; j >= 0) {
      if (j >= cost.cols() || m.row_of_column[static_cast<std::size_t>(j)] != i) return false;
      ++pairs, sum += cost(i, j);
    }
  return pairs == std::min(cost.rows(), cost.cols()) && sum == m.cost &&
         std::count(m.row_of_column.begin(), m.row_of_column.end(), -1) == cost.cols() - pairs;
}
}  // namespace

TEST_CASE("match: the least cost of every permutation, 100,000 random matrices up to 5 x 5") {
  medmo::random_stream random(3, medmo::stream_of("matching_test"));
  std::uint64_t at = 0;
  int wrong = 0;
  for (int round = 0; round < 100'000; ++round) {
    matrix<double> cost(1 + medmo::index(random.bits(at) % 5), 1 + medmo::index(random.bits(at + 1) % 5));
    at += 2;
    bool few = round % 2;  // many equal sums, or none
    for (auto& c : cost.reshaped())
      c = few ? double(random.bits(at++) % 4) : std::floor(random.uniform(at++) * 1e9) - 5e8;
    auto m = match(cost);
    wrong += !is_consistent(m, cost) || m.cost != by_force(cost);
  }
  CHECK(wrong == 0);
}

TEST_CASE("match: equal to scipy") {
  auto const* other = std::getenv("MEDMO_MATCHING_CASES");  // a longer list: tools/export_box_goldens.py --matching N
  auto file = medmo::io::read_json(other ? other : MEDMO_TEST_DATA "/metrics/matching.json");
  int wrong = 0, unique = 0;
  for (auto const& c : file.at("cases")) {
    auto const& rows = c.at("cost");
    matrix<double> cost(medmo::index(rows.size()), medmo::index(rows.at(0).size()));
    for (medmo::index i = 0; i < cost.rows(); ++i)
      for (medmo::index j = 0; j < cost.cols(); ++j) cost(i, j) = rows.at(std::size_t(i)).at(std::size_t(j));
    auto m = match(cost);
    wrong += !is_consistent(m, cost) || m.cost != c.at("total").get<double>();
    if (!c.contains("column_of_row")) continue;
    ++unique;
    wrong += m.column_of_row != c.at("column_of_row").get<std::vector<medmo::index>>();
  }
  CHECK(wrong == 0);
  CHECK(unique > 50);
}

TEST_CASE("match: ties") {
  using columns = std::vector<medmo::index>;
  matrix<double> same = matrix<double>::Zero(3, 5);
  CHECK(match(same).column_of_row == columns{0, 1, 2});
  CHECK(match(same.transpose()).column_of_row == columns{0, 1, 2, -1, -1});
  matrix<double> two(2, 3);
  two << 1, 1, 0,  //
      1, 1, 0;
  CHECK(match(two).column_of_row == columns{2, 0});
  matrix<double> one(3, 1);
  one << 7, 3, 3;
  CHECK(match(one).column_of_row == columns{-1, 0, -1});
}

TEST_CASE("match: empty sides") {
  CHECK(match(matrix<double>(0, 0)).cost == 0);
  CHECK(match(matrix<double>(0, 3)).row_of_column.size() == 3);
  CHECK(match(matrix<double>(2, 0)).column_of_row == std::vector<medmo::index>{-1, -1});
}

TEST_CASE("match: large and lopsided numbers still end, at the optimum of the duals") {
  medmo::random_stream random(5, 1);
  for (medmo::index n : {60, 150}) {
    matrix<double> cost(n, n + 7);
    std::uint64_t at = 0;
    for (auto& c : cost.reshaped()) c = std::ldexp(random.uniform(at), int(random.bits(at + 1) % 200) - 100), at += 2;
    CHECK(is_consistent(match(cost), cost));
  }
}

TEST_CASE("match: costs that are refused") {
  struct row {
    char const* name;
    double cost;
    medmo::errc code;
  };
  for (row const& r : {row{"NaN", std::numeric_limits<double>::quiet_NaN(), medmo::errc::not_finite},
                       row{"infinity", std::numeric_limits<double>::infinity(), medmo::errc::not_finite},
                       row{"minus infinity", -std::numeric_limits<double>::infinity(), medmo::errc::not_finite},
                       row{"1e101", 1e101, medmo::errc::too_large}}) {
    CAPTURE(r.name);
    matrix<double> cost = matrix<double>::Zero(2, 3);
    cost(1, 2) = r.cost;
    try {
      match(cost);
      FAIL("accepted");
    } catch (medmo::error const& e) {
      CHECK(e.code() == r.code);
      CHECK(e.where() == "cost of row 1, column 2");
    }
  }
}
