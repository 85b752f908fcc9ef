// How sure the model was of a box it wrote, from the probabilities of its digits. Formulas and what they leave out:
// docs/boxes.md. The probabilities are the model's own, at temperature 1 over all tokens, before any constraint, penalty or
// sampling option: a box that a constraint had to force out of the model has a low score.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "../core/box.hpp"
#include "../text/grounding.hpp"
#include "../text/tokenizer.hpp"
#include "log_probability.hpp"

namespace medmo::inline MEDMO_ABI {

/// The tokens of an answer as they were drawn, with what the boxes among them are judged by.
class box_evidence {
 public:
  template <text::tokenizer_configuration T>
  explicit box_evidence(text::tokenizer<T> const& tokenizer) {
    for (std::size_t d = 0; d < 10; ++d) digit_ids_[d] = tokenizer.base().single(static_cast<unsigned char>('0' + d));
  }

  /// Room for so many tokens; up to there nothing is allocated.
  void reserve(index tokens) {
    log_probabilities_.reserve(static_cast<std::size_t>(tokens));
    text_ends_.reserve(static_cast<std::size_t>(tokens));
    digits_.reserve(static_cast<std::size_t>(tokens));
  }

  /// The model's logits [V], before anything is done to them.
  void see(std::span<float const> logits) {
    log_sum_ = log_sum_exp(logits);
    for (std::size_t d = 0; d < 10; ++d) digit_logits_[d] = logits[static_cast<std::size_t>(digit_ids_[d])];
  }

  /// The token that was drawn from them, its logit as seen, and how long the text was after it.
  void drawn(index id, float logit, std::size_t text_end) {
    log_probabilities_.push_back(log_probability(logit));
    text_ends_.push_back(text_end);
    bool digit = std::find(digit_ids_.begin(), digit_ids_.end(), id) != digit_ids_.end();
    digits_.push_back({digit, digit ? digit_probabilities() : std::array<float, 10>{}});
  }

  /// ln p of a token of this logit, of those seen last.
  double log_probability(float logit) const { return static_cast<double>(logit) - log_sum_; }
  /// ln p of every token.
  std::vector<double> const& log_probabilities() const { return log_probabilities_; }

  /// The geometric mean of the probabilities of the tokens that hold the box's digits; none for text that was not drawn.
  ///   score = exp(1/n sum_i ln p_i)
  std::optional<double> score(std::string_view text, text::labelled_box const& box) const {
    double sum = 0;
    int n = 0;
    for (auto i = token_at(box.text_begin); i < text_ends_.size() && begin_of(i) < box.text_end; ++i) {
      auto begin = std::max(begin_of(i), box.text_begin), end = std::min(text_ends_[i], box.text_end);
      auto part = text.substr(begin, end - begin);
      if (part.find_first_of("0123456789") == part.npos) continue;
      sum += log_probabilities_[i];
      ++n;
    }
    if (n == 0 || !std::isfinite(sum)) return std::nullopt;
    return std::min(std::exp(sum / n), 1.0);
  }

  /// Expected value and standard deviation of the four coordinates (docs/boxes.md); none unless the list is four whole
  /// numbers 0..1000 without leading zeros, each digit a token of its own.
  std::optional<std::array<coordinate_estimate, 4>> coordinates(std::string_view text,
                                                                text::labelled_box const& box) const {
    std::array<coordinate_estimate, 4> out{};
    std::size_t count = 0;
    for (auto at = box.text_begin; at < box.text_end; ++at) {
      char const c = text[at];
      if (c == '.' || c == '+' || c == '-') return std::nullopt;
      if (c < '0' || c > '9') continue;
      auto end = at;
      while (end < box.text_end && text[end] >= '0' && text[end] <= '9') ++end;
      auto one = count < 4 ? estimate(text, at, end) : std::nullopt;
      if (!one) return std::nullopt;
      out[count++] = *one;
      at = end - 1;
    }
    if (count != 4) return std::nullopt;
    return out;
  }

 private:
  struct digit_record {
    bool digit = false;
    std::array<float, 10> probability{};  // of the ten digits, which add up to 1
  };

  std::size_t begin_of(std::size_t token) const { return token ? text_ends_[token - 1] : 0; }
  /// The token that holds this byte of the text.
  std::size_t token_at(std::size_t byte) const {
    return static_cast<std::size_t>(std::upper_bound(text_ends_.begin(), text_ends_.end(), byte) - text_ends_.begin());
  }

  std::array<float, 10> digit_probabilities() const {
    std::array<float, 10> p{};
    float const most = *std::max_element(digit_logits_.begin(), digit_logits_.end());
    float total = 0;
    for (std::size_t d = 0; d < 10; ++d) total += p[d] = std::exp(digit_logits_[d] - most);
    for (auto& q : p) q /= total;
    return p;
  }

  /// Of the number text[begin, end). Another digit at a place leaves the places after it open: uniform over their numbers.
  std::optional<coordinate_estimate> estimate(std::string_view text, std::size_t begin, std::size_t end) const {
    auto const size = end - begin;
    if (size > 4 || (size > 1 && text[begin] == '0')) return std::nullopt;
    int written = 0;
    for (auto i = begin; i < end; ++i) written = written * 10 + (text[i] - '0');
    if (written > 1000) return std::nullopt;
    auto const places = std::min<std::size_t>(size, 3);  // instead of 1000 it would have been a number of three digits
    double reached = 1, offset = 0, square = 0;          // moments about the number as written
    int prefix = 0;
    for (std::size_t place = 0; place < size; ++place) {
      auto const token = token_at(begin + place);
      if (token >= text_ends_.size() || begin_of(token) != begin + place || text_ends_[token] != begin + place + 1 ||
          !digits_[token].digit)
        return std::nullopt;
      if (place >= places) continue;
      auto const& p = digits_[token].probability;
      int const digit = text[begin + place] - '0';
      double const open = place + 1 == places ? 1 : place + 2 == places ? 10 : 100;  // numbers that begin so
      for (int other = 0; other < 10; ++other) {
        if (other == digit) continue;
        double const w = reached * static_cast<double>(p[static_cast<std::size_t>(other)]);
        bool const zero = place == 0 && other == 0;
        double const x = (zero ? 0.0 : (prefix * 10 + other) * open + (open - 1) / 2) - written;
        offset += w * x;
        square += w * (x * x + (zero ? 0.0 : (open * open - 1) / 12));
      }
      reached *= static_cast<double>(p[static_cast<std::size_t>(digit)]);
      prefix = prefix * 10 + digit;
    }
    return coordinate_estimate{written + offset, std::sqrt(std::max(0.0, square - offset * offset))};
  }

  std::array<index, 10> digit_ids_{};
  double log_sum_ = 0;
  std::array<float, 10> digit_logits_{};
  std::vector<double> log_probabilities_;
  std::vector<std::size_t> text_ends_;
  std::vector<digit_record> digits_;
};

}  // namespace medmo::inline MEDMO_ABI
