// The benchmarks: each is data, prompt, rule and summary. One table; a new benchmark is a reader and a line here.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "prompt.hpp"
#include "readers/box_list.hpp"
#include "readers/deep_lesion.hpp"
#include "readers/medbullets.hpp"
#include "readers/medmcqa.hpp"
#include "readers/medqa.hpp"
#include "readers/medsg.hpp"
#include "readers/medxpertqa.hpp"
#include "readers/mmlu_med.hpp"
#include "readers/mmmu_med.hpp"
#include "readers/nih_chest.hpp"
#include "readers/omnimedvqa.hpp"
#include "readers/own_jsonl.hpp"
#include "readers/path_vqa.hpp"
#include "readers/pmc_vqa.hpp"
#include "readers/pubmedqa.hpp"
#include "readers/reports.hpp"
#include "readers/slake.hpp"
#include "readers/supergpqa.hpp"
#include "readers/vqa_rad.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

/// Which of the paper's tables a benchmark stands in.
enum class benchmark_group { vqa, text, report, grounding, own };

constexpr std::string_view name_of(benchmark_group g) {
  constexpr std::string_view names[] = {"vqa", "text", "report", "grounding", "own"};
  return names[static_cast<std::size_t>(g)];
}

/// The rule that judges choices and closed answers.
enum class matcher { medevalkit, mmmu };

/// Do boxes of different labels pair up? `ignored` where there is one kind of thing: a model may call it what it likes.
enum class box_labels { ignored, compared };

struct benchmark {
  std::string_view name, title;
  benchmark_group group;
  data_format (*format)();
  option_marks marks = option_marks::letter_dot_space;
  evaluate::matcher matcher = matcher::medevalkit;
  box_labels labels = box_labels::ignored;
};

namespace detail {
using readers::medbullets_part;
using readers::medxpertqa_part;
}  // namespace detail

inline constexpr std::array<benchmark, 30> benchmarks{{
    {"mmmu_med", "MMMU, health and medicine", benchmark_group::vqa, readers::mmmu_med, option_marks::bracketed, matcher::mmmu},
    {"vqa_rad", "VQA-RAD", benchmark_group::vqa, readers::vqa_rad},
    {"slake", "SLAKE", benchmark_group::vqa, readers::slake},
    {"path_vqa", "PathVQA", benchmark_group::vqa, readers::path_vqa},
    {"pmc_vqa", "PMC-VQA", benchmark_group::vqa, readers::pmc_vqa, option_marks::as_given},
    {"omnimedvqa", "OmniMedVQA, open access", benchmark_group::vqa, readers::omnimedvqa},
    {"medxpertqa_mm", "MedXpertQA, multimodal", benchmark_group::vqa, [] { return readers::medxpertqa(detail::medxpertqa_part::multimodal); }},
    {"mmlu_med", "MMLU, medical subjects", benchmark_group::text, readers::mmlu_med, option_marks::letter_dot},
    {"pubmedqa", "PubMedQA", benchmark_group::text, readers::pubmedqa, option_marks::letter_dot},
    {"medmcqa", "MedMCQA", benchmark_group::text, readers::medmcqa},
    {"medqa", "MedQA (USMLE)", benchmark_group::text, readers::medqa},
    {"medbullets_op4", "Medbullets, four options", benchmark_group::text, [] { return readers::medbullets(detail::medbullets_part::op4); }, option_marks::letter_dot},
    {"medbullets_op5", "Medbullets, five options", benchmark_group::text, [] { return readers::medbullets(detail::medbullets_part::op5); }, option_marks::letter_dot},
    {"medxpertqa_text", "MedXpertQA, text", benchmark_group::text, [] { return readers::medxpertqa(detail::medxpertqa_part::text); }},
    {"supergpqa", "SuperGPQA, medicine", benchmark_group::text, readers::supergpqa, option_marks::letter_dot},
    {"iu_xray", "IU-Xray", benchmark_group::report, [] { return readers::reports({"iu_xray", "iu-xray"}); }},
    {"mimic_cxr", "MIMIC-CXR", benchmark_group::report, [] { return readers::reports({"mimic_cxr", "mimic-cxr"}); }},
    {"chexpert_plus", "CheXpert Plus", benchmark_group::report, [] { return readers::reports({"chexpert_plus", "chexpert-plus"}); }},
    {"nih_chest", "NIH chest X-ray", benchmark_group::grounding, readers::nih_chest},
    {"deep_lesion", "DeepLesion", benchmark_group::grounding, readers::deep_lesion},
    {"bacteria", "Bacteria", benchmark_group::grounding, [] { return readers::box_list({"bacteria"}, "Detect and localize all bacteria."); }},
    {"medsg_multi_view", "MedSG-Bench, multi-view", benchmark_group::grounding, [] { return readers::medsg("multi_view"); }},
    {"medsg_tracking", "MedSG-Bench, object tracking", benchmark_group::grounding, [] { return readers::medsg("object_tracking"); }},
    {"medsg_referring", "MedSG-Bench, referring", benchmark_group::grounding, [] { return readers::medsg("referring"); }},
    {"medsg", "MedSG-Bench, all tasks", benchmark_group::own, [] { return readers::medsg(""); }},
    {"blood_cells", "Blood cells (BCCD)", benchmark_group::own,
     [] { return readers::box_list({"blood_cells"}, "Detect and localize all blood cells: WBC, RBC, Platelets."); }, {}, {}, box_labels::compared},
    {"nuclei", "Nuclei (Data Science Bowl 2018)", benchmark_group::own, [] { return readers::box_list({"nuclei"}, "Detect and localize all nuclei."); }},
    {"cells", "Cells, as boxes.jsonl", benchmark_group::own, [] { return readers::box_list({"cells"}, "Detect and localize all cells."); }},
    {"boxes", "Boxes with labels, as boxes.jsonl", benchmark_group::own,
     [] { return readers::box_list({"boxes"}, "Detect and localize all abnormalities."); }, {}, {}, box_labels::compared},
    {"jsonl", "Your own questions, as JSON lines", benchmark_group::own, readers::own_jsonl, {}, {}, box_labels::compared},
}};

/// The benchmark of that name; '-' stands for '_' and case is not told apart. Error: bad_argument, naming all of them.
inline benchmark const& find_benchmark(std::string_view name) {
  auto plain = detail::lower(name);
  std::replace(plain.begin(), plain.end(), '-', '_');
  std::string names;
  for (auto const& b : benchmarks) {
    if (b.name == plain) return b;
    names += (names.empty() ? "" : ", ") + std::string(b.name);
  }
  MEDMO_THROW(errc::bad_argument, "benchmark", "one of " + names, "\"" + std::string(name) + "\"");
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
