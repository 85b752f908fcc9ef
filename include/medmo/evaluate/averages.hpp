// The averages of the paper's tables out of the results of single benchmarks. An average is given only if every part is there:
// a mean over fewer parts is another number.
//   vqa nine    MMMU-Med, VQA-RAD closed and all, SLAKE closed and all, PathVQA, PMC-VQA, OmniMedVQA, MedXpertQA-MM (v2 of the paper)
//   vqa seven   the same with "all" only (v1 and the conference version)
//   text        MMLU-Med, PubMedQA, MedMCQA, MedQA, Medbullets op4 and op5, MedXpertQA-Text, SuperGPQA
//   grounding   NIH, DeepLesion, Bacteria, MedSG multi-view, tracking, referring
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "results.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct average_part {
  std::string_view benchmark, metric;
};

struct average {
  std::string_view name;
  std::optional<double> value;            ///< 0..1
  std::vector<std::string_view> missing;  ///< benchmarks without a result
};

inline constexpr average_part vqa_nine[] = {{"mmmu_med", "accuracy"}, {"vqa_rad", "accuracy_closed"}, {"vqa_rad", "accuracy"},
                                            {"slake", "accuracy_closed"}, {"slake", "accuracy"}, {"path_vqa", "accuracy"},
                                            {"pmc_vqa", "accuracy"}, {"omnimedvqa", "accuracy"}, {"medxpertqa_mm", "accuracy"}};
inline constexpr average_part vqa_seven[] = {{"mmmu_med", "accuracy"}, {"vqa_rad", "accuracy"}, {"slake", "accuracy"}, {"path_vqa", "accuracy"},
                                             {"pmc_vqa", "accuracy"}, {"omnimedvqa", "accuracy"}, {"medxpertqa_mm", "accuracy"}};
inline constexpr average_part text_eight[] = {{"mmlu_med", "accuracy"}, {"pubmedqa", "accuracy"}, {"medmcqa", "accuracy"}, {"medqa", "accuracy"},
                                              {"medbullets_op4", "accuracy"}, {"medbullets_op5", "accuracy"}, {"medxpertqa_text", "accuracy"},
                                              {"supergpqa", "accuracy"}};
inline constexpr average_part grounding_six[] = {{"nih_chest", "mean_iou"}, {"deep_lesion", "mean_iou"}, {"bacteria", "mean_iou"},
                                                 {"medsg_multi_view", "first_iou"}, {"medsg_tracking", "first_iou"}, {"medsg_referring", "first_iou"}};

namespace detail {
inline std::optional<double> find_metric(std::span<results const> all, average_part const& part) {
  for (auto const& r : all)
    if (r.benchmark == part.benchmark)
      for (auto const& m : r.metrics)
        if (m.name == part.metric) return m.value.value;
  return std::nullopt;
}
}  // namespace detail

/// The mean of the parts, or which benchmarks are missing.
inline average average_of(std::string_view name, std::span<average_part const> parts, std::span<results const> all) {
  average out{name, {}, {}};
  double sum = 0;
  for (auto const& part : parts) {
    if (auto const v = detail::find_metric(all, part)) sum += *v;
    else if (out.missing.empty() || out.missing.back() != part.benchmark) out.missing.push_back(part.benchmark);
  }
  if (out.missing.empty()) out.value = sum / static_cast<double>(parts.size());
  return out;
}

/// The four averages of the paper.
inline std::vector<average> paper_averages(std::span<results const> all) {
  return {average_of("VQA, nine numbers", vqa_nine, all), average_of("VQA, seven numbers", vqa_seven, all),
          average_of("text", text_eight, all), average_of("grounding", grounding_six, all)};
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
