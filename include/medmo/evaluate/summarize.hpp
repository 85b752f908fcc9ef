// Items and replies summed up: every metric of the benchmark with a bootstrap interval. Items of one picture are drawn together,
// since they are not independent.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../metrics/average_precision.hpp"
#include "../metrics/bootstrap.hpp"
#include "../metrics/cider.hpp"
#include "../metrics/observation_f1.hpp"
#include "../metrics/report.hpp"
#include "results.hpp"
#include "score.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

inline constexpr int average_precision_resamples = 100;  ///< it is dear; the other intervals have bootstrap_options::resamples

namespace detail {
class summary {
 public:
  summary(benchmark const& b, std::span<item const* const> items, std::span<reply const> replies, answer_rules rules,
          metrics::bootstrap_options const& bootstrap)
      : benchmark_(b), items_(items), replies_(replies), bootstrap_(bootstrap) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      judged_.push_back(judge(b, *items[i], replies[i], rules));
      pictures_.push_back(items[i]->images.empty() ? mix64(i) : stream_of(items[i]->images.front()));
    }
  }

  std::vector<metric> metrics_of_all() {
    boxes();
    means();
    reports();
    return std::move(out_);
  }

  std::vector<group_results> groups() const {
    std::map<std::string, group_results> by_name;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (items_[i]->group.empty() || judged_[i].values.empty()) continue;
      auto& g = by_name[items_[i]->group];
      g.name = items_[i]->group;
      g.value = (g.value * static_cast<double>(g.n) + judged_[i].values.front().second) / static_cast<double>(g.n + 1);
      ++g.n;
    }
    std::vector<group_results> out;
    for (auto& [name, g] : by_name) out.push_back(std::move(g));
    return out;
  }

 private:
  /// The mean of `name` over items that have it and are wanted.
  void mean(std::string const& shown, std::string const& name, std::function<bool(item const&)> const& wanted) {
    std::vector<double> values;
    std::vector<std::uint64_t> clusters;
    for (std::size_t i = 0; i < items_.size(); ++i)
      for (auto const& [one, value] : judged_[i].values)
        if (one == name && wanted(*items_[i])) values.push_back(value), clusters.push_back(pictures_[i]);
    if (!values.empty()) out_.push_back({shown, metrics::bootstrap_mean(values, bootstrap_, clusters)});
  }

  void means() {
    std::vector<std::string> names;
    bool any_open = false, any_closed = false;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (items_[i]->kind == task::grounding) continue;
      any_open |= items_[i]->kind == task::open;
      any_closed |= items_[i]->kind == task::yes_no || items_[i]->kind == task::closed;
      for (auto const& [name, value] : judged_[i].values)
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    for (auto const& name : names) {
      mean(name, name, [](item const& i) { return i.kind != task::grounding; });
      if (name != "accuracy" || !any_open || !any_closed) continue;
      mean("accuracy_closed", name, [](item const& i) { return i.kind == task::yes_no || i.kind == task::closed; });
      mean("accuracy_open", name, [](item const& i) { return i.kind == task::open; });
    }
  }

  /// CIDEr with document frequencies of the whole set, and agreement on the 14 observations; uncertain ones count.
  void reports() {
    std::vector<metrics::words> answers;
    std::vector<std::vector<metrics::words>> references;
    std::vector<metrics::observations> predicted, truth;
    std::vector<std::uint64_t> clusters;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (items_[i]->kind != task::report) continue;
      answers.push_back(metrics::tokenize_medevalkit(replies_[i].text, metrics::empty_words::drop));
      references.push_back({metrics::tokenize_medevalkit(items_[i]->answers.at(0), metrics::empty_words::drop)});
      predicted.push_back(metrics::label_report(replies_[i].text));
      truth.push_back(metrics::label_report(items_[i]->answers.at(0)));
      clusters.push_back(pictures_[i]);
    }
    if (answers.empty()) return;
    out_.push_back({"cider", metrics::bootstrap_mean(metrics::score_cider(answers, references).each, bootstrap_, clusters)});
    auto observed = [&](char const* name, auto value) {
      auto statistic = [&](std::span<std::size_t const> chosen) {
        std::vector<metrics::observations> p, t;
        for (auto i : chosen) p.push_back(predicted[i]), t.push_back(truth[i]);
        return value(metrics::score_observations(p, t));
      };
      out_.push_back({name, metrics::bootstrap(answers.size(), statistic, bootstrap_, clusters)});
    };
    observed("observation_f1_micro", [](auto const& s) { return s.micro.f1; });
    observed("observation_f1_macro", [](auto const& s) { return s.macro_f1; });
  }

  void boxes() {
    std::vector<metrics::grounded_picture<pixel>> all;
    std::vector<std::uint64_t> clusters;
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (items_[i]->kind != task::grounding) continue;
      all.push_back(judged_[i].boxes);
      clusters.push_back(pictures_[i]);
      for (auto const& t : items_[i]->boxes)
        if (std::find(labels.begin(), labels.end(), t.label) == labels.end()) labels.push_back(t.label);
    }
    if (all.empty()) return;
    detection_metrics(all, clusters, "", all_fields);
    average_precision(all, clusters);
    if (benchmark_.labels == box_labels::ignored) return;
    auto unlabelled = all;
    for (auto& one : unlabelled) {
      for (auto& p : one.predicted) p.label = 0;
      for (auto& t : one.truth) t.label = 0;
    }
    detection_metrics(unlabelled, clusters, " (any label)", few_fields);
    std::sort(labels.begin(), labels.end());
    for (auto const& label : labels) {
      auto of_label = all;
      for (auto& one : of_label) {
        std::erase_if(one.predicted, [&](auto const& p) { return p.label != label_number(label); });
        std::erase_if(one.truth, [&](auto const& t) { return t.label != label_number(label); });
      }
      detection_metrics(of_label, clusters, " (" + label + ")", few_fields);
    }
  }

  struct detection_field {
    char const* name;
    double metrics::detection_summary::*value;
  };
  static constexpr detection_field all_fields[] = {{"mean_iou", &metrics::detection_summary::mean_iou},
                                                   {"mean_iou_per_picture", &metrics::detection_summary::mean_iou_per_picture},
                                                   {"first_iou", &metrics::detection_summary::first_iou},
                                                   {"accuracy_50", &metrics::detection_summary::accuracy_50},
                                                   {"precision_50", &metrics::detection_summary::precision_50},
                                                   {"recall_50", &metrics::detection_summary::recall_50},
                                                   {"f1_50", &metrics::detection_summary::f1_50},
                                                   {"precision", &metrics::detection_summary::precision},
                                                   {"recall", &metrics::detection_summary::recall},
                                                   {"f1", &metrics::detection_summary::f1},
                                                   {"centre_precision", &metrics::detection_summary::centre_precision},
                                                   {"centre_recall", &metrics::detection_summary::centre_recall}};
  static constexpr detection_field few_fields[] = {{"mean_iou", &metrics::detection_summary::mean_iou},
                                                   {"precision_50", &metrics::detection_summary::precision_50},
                                                   {"recall_50", &metrics::detection_summary::recall_50},
                                                   {"f1_50", &metrics::detection_summary::f1_50}};

  /// Every field has the same resamples in the same order: each is summed up once, at the first field.
  void detection_metrics(std::vector<metrics::grounded_picture<pixel>> const& all, std::vector<std::uint64_t> const& clusters,
                         std::string const& suffix, std::span<detection_field const> fields) {
    std::vector<metrics::picture_score> each;
    for (auto const& one : all) each.push_back(metrics::score_picture(one));
    std::vector<metrics::detection_summary> drawn;
    for (auto const& field : fields) {
      std::size_t call = 0;
      auto statistic = [&](std::span<std::size_t const> chosen) {
        if (call == drawn.size()) {
          std::vector<metrics::picture_score> some;
          for (auto i : chosen) some.push_back(each[i]);
          drawn.push_back(metrics::summarize(some));
        }
        auto const& one = drawn[call++];
        return one.truth || one.predicted ? one.*field.value : std::nan("");  // no box of the label was drawn
      };
      out_.push_back({field.name + suffix, metrics::bootstrap(all.size(), statistic, bootstrap_, clusters)});
    }
  }

  void average_precision(std::vector<metrics::grounded_picture<pixel>> const& all, std::vector<std::uint64_t> const& clusters) {
    auto options = bootstrap_;
    options.resamples = std::min(options.resamples, average_precision_resamples);
    std::vector<metrics::average_precision_summary> drawn;
    for (auto const& [name, value] : {std::pair{"ap", &metrics::average_precision_summary::ap}, std::pair{"ap_50", &metrics::average_precision_summary::ap_50}}) {
      std::size_t call = 0;
      auto statistic = [&, field = value](std::span<std::size_t const> chosen) {
        if (call == drawn.size()) {
          std::vector<metrics::grounded_picture<pixel>> some;
          for (auto i : chosen) some.push_back(all[i]);
          drawn.push_back(metrics::average_precision<pixel>(some));
        }
        return (drawn[call++].*field).value_or(std::nan(""));
      };
      out_.push_back({name, metrics::bootstrap(all.size(), statistic, options, clusters)});
    }
  }

  benchmark const& benchmark_;
  std::span<item const* const> items_;
  std::span<reply const> replies_;
  metrics::bootstrap_options bootstrap_;
  std::vector<judgement> judged_;
  std::vector<std::uint64_t> pictures_;  // items of one picture are drawn together
  std::vector<metric> out_;
};
}  // namespace detail

/// Judges and sums up; replies[i] answers items[i]. Errors: those of the metrics.
inline results summarize(benchmark const& b, std::span<item const* const> items, std::span<reply const> replies,
                         answer_rules rules = answer_rules::medmo, metrics::bootstrap_options const& bootstrap = {}) {
  if (items.size() != replies.size())
    MEDMO_THROW(errc::bad_argument, "summarize", std::to_string(items.size()) + " replies", std::to_string(replies.size()));
  results out;
  out.benchmark = b.name;
  out.n = items.size();
  out.matcher = metrics::matcher_version(rules);
  detail::summary s(b, items, replies, rules, bootstrap);
  out.metrics = s.metrics_of_all();
  out.groups = s.groups();
  for (std::size_t i = 0; i < items.size(); ++i)
    if (!replies[i].failure.empty()) out.failures.push_back(items[i]->id + ": " + replies[i].failure);
  out.failed = out.failures.size();
  return out;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
