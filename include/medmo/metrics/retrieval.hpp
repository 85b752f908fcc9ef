// Finding the one that belongs: recall at k and ranks from a matrix of scores, a query a row and a candidate a column, higher is
// better: cosines of embeddings, or log-probabilities of texts given pictures.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

/// Where candidates with the score of the right one stand.
enum class rank_ties {
  before,  ///< all before it: equal scores earn nothing
  middle,  ///< half of them before it: the mean over orders
  behind,  ///< all behind it, as an argsort may have it by luck
};

struct retrieval_scores {
  index queries = 0;
  double recall_1 = 0, recall_5 = 0, recall_10 = 0;  ///< share of queries whose rank is at most k
  double mean_rank = 0, median_rank = 0;  ///< ranks count from 1; an even number of queries: mean of the middle two
};

/// Rank of each query's right candidate among all: 1 + candidates with a higher score, and of those with an equal one what
/// `ties` says. NaN is lower than every number and equal to NaN.
/// scores [Q, C], right [Q] columns. Errors: bad_argument if right has another length or a column that is not there.
inline std::vector<double> retrieval_ranks(view<float> scores, std::span<index const> right,
                                           rank_ties ties = rank_ties::before) {
  if (static_cast<index>(right.size()) != scores.rows())
    MEDMO_THROW(errc::bad_argument, "retrieval: right candidates", std::to_string(scores.rows()),
                std::to_string(right.size()));
  std::vector<double> ranks;
  ranks.reserve(right.size());
  for (index q = 0; q < scores.rows(); ++q) {
    index const own = right[static_cast<std::size_t>(q)];
    if (own < 0 || own >= scores.cols())
      MEDMO_THROW(errc::bad_argument, "retrieval: right candidate of query " + std::to_string(q),
                  "below " + std::to_string(scores.cols()), std::to_string(own));
    float const mine = scores(q, own);
    index higher = 0, equal = 0;
    for (index c = 0; c < scores.cols(); ++c) {
      float const other = scores(q, c);
      higher += other > mine || (std::isnan(mine) && !std::isnan(other));
      equal += c != own && (other == mine || (std::isnan(mine) && std::isnan(other)));
    }
    double const before = ties == rank_ties::before ? 1 : ties == rank_ties::middle ? 0.5 : 0;
    ranks.push_back(1 + static_cast<double>(higher) + before * static_cast<double>(equal));
  }
  return ranks;
}

/// Recall at 1, 5 and 10, mean and median of ranks; all 0 without queries.
inline retrieval_scores score_ranks(std::vector<double> ranks) {
  retrieval_scores out;
  if (ranks.empty()) return out;
  out.queries = static_cast<index>(ranks.size());
  auto const n = static_cast<double>(ranks.size());
  std::sort(ranks.begin(), ranks.end());
  auto recall = [&](double k) {
    return static_cast<double>(std::upper_bound(ranks.begin(), ranks.end(), k) - ranks.begin()) / n;
  };
  out.recall_1 = recall(1), out.recall_5 = recall(5), out.recall_10 = recall(10);
  for (double r : ranks) out.mean_rank += r / n;
  out.median_rank = (ranks[(ranks.size() - 1) / 2] + ranks[ranks.size() / 2]) / 2;
  return out;
}

/// retrieval_ranks and score_ranks in one step.
inline retrieval_scores score_retrieval(view<float> scores, std::span<index const> right,
                                        rank_ties ties = rank_ties::before) {
  return score_ranks(retrieval_ranks(scores, right, ties));
}

/// Cosines of each query with each candidate: queries [Q, D], candidates [C, D] -> [Q, C]; 0 with a zero vector.
/// Errors: wrong_shape if the two differ in D.
inline matrix<float> cosine_scores(view<float> queries, view<float> candidates) {
  if (queries.cols() != candidates.cols())
    MEDMO_THROW(errc::wrong_shape, "retrieval: embeddings", std::to_string(queries.cols()) + " columns",
                std::to_string(candidates.cols()));
  auto unit = [](view<float> rows) {
    matrix<float> out = rows;
    for (index i = 0; i < out.rows(); ++i)
      if (float const norm = out.row(i).norm(); norm > 0) out.row(i) /= norm;
    return out;
  };
  return unit(queries) * unit(candidates).transpose();
}

}  // namespace medmo::inline MEDMO_ABI::metrics
