// Radiology reports: IU-Xray, MIMIC-CXR and CheXpert Plus in the forms they are evaluated in.
//   MedEvalKit's test.json: a list of {id, image or images, findings, impression}; pictures below images/.
//   R2Gen's annotation.json: {train|val|test: [{id, image_path [..], report}]}; the report is the findings.
//   df_chexpert_plus_*.csv: path_to_image, section_findings, section_impression, split.
// A report without findings and impression has no truth and is passed over, as MedEvalKit does.
// Sources: Demner-Fushman et al. 2016; arXiv 1901.07042; arXiv 2405.19538; arXiv 2010.16056 (R2Gen).
#pragma once

#include <string>
#include <vector>

#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

/// The form in which a report is asked for and compared; a missing part is "None".
inline std::string report_text(std::string const& findings, std::string const& impression) {
  auto part = [](std::string const& text) {
    auto const t = detail::trimmed(text);
    return t.empty() ? std::string("None") : std::string(t);
  };
  return "Findings: " + part(findings) + " Impression: " + part(impression) + ".";
}

inline data_format reports(std::vector<std::string> folders) {
  data_format f;
  f.folders = std::move(folders);
  f.files = {{"test.json", "test"}, {"annotation.json"}, {"df_chexpert_plus*.csv"}};
  f.read = [](row const& r, std::vector<item>& out) {
    auto const findings = text_field(r, {"findings", "section_findings", "report"});
    auto const impression = text_field(r, {"impression", "section_impression"});
    if (!find_field(r, {"findings", "section_findings", "report", "impression", "section_impression"}).first)
      detail::bad_field(r, "findings", "findings or impression", "neither");
    if (detail::trimmed(findings).empty() && detail::trimmed(impression).empty()) return;
    item i;
    i.kind = task::report;
    i.id = id_of(r, {"id", "path_to_image"});
    for (auto const& one : texts_field(r, {"image", "images", "image_path", "path_to_image"}))
      i.images.push_back(picture_path(r, one, {"images", "", "PNG"}));
    if (i.images.empty()) detail::bad_field(r, "image", "a picture", "none");
    i.answers = {report_text(findings, impression)};
    i.split = text_field(r, {"split"});
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
