// The words by which report.hpp finds observations: our own lists, written from how reports read. A pattern's words stand
// between spaces: "opacit*" is any word beginning so, "~" up to five words of the same clause. Hyphens of a report are spaces
// here; everything is in lower case.
#pragma once

#include <string_view>

#include "observation.hpp"

namespace medmo::inline MEDMO_ABI::metrics::report_phrases {

struct finding {
  observation what;
  std::string_view pattern;
  mention says = mention::positive;  ///< where no negation or uncertainty reaches it; negative: "lungs are clear"
};

inline constexpr finding findings[] = {
    {observation::enlarged_cardiomediastinum, "enlarged cardiomediastin*"},
    {observation::enlarged_cardiomediastinum, "mediastinal widening"},
    {observation::enlarged_cardiomediastinum, "widen* ~ mediastin*"},
    {observation::enlarged_cardiomediastinum, "mediastin* ~ widened"},
    {observation::enlarged_cardiomediastinum, "mediastin* ~ enlarged"},
    {observation::enlarged_cardiomediastinum, "enlarge* ~ mediastin*"},
    {observation::enlarged_cardiomediastinum, "cardiomediastin* ~ enlarged"},
    {observation::enlarged_cardiomediastinum, "mediastin* enlargement"},
    {observation::enlarged_cardiomediastinum, "mediastin* ~ normal", mention::negative},
    {observation::enlarged_cardiomediastinum, "normal ~ mediastin*", mention::negative},
    {observation::enlarged_cardiomediastinum, "mediastin* ~ unremarkable", mention::negative},
    {observation::enlarged_cardiomediastinum, "unremarkable ~ mediastin*", mention::negative},
    {observation::enlarged_cardiomediastinum, "mediastin* ~ within normal limits", mention::negative},
    {observation::enlarged_cardiomediastinum, "cardiomediastin* ~ normal", mention::negative},
    {observation::enlarged_cardiomediastinum, "normal ~ cardiomediastin*", mention::negative},
    {observation::enlarged_cardiomediastinum, "cardiomediastin* ~ unremarkable", mention::negative},
    {observation::enlarged_cardiomediastinum, "unremarkable ~ cardiomediastin*", mention::negative},
    {observation::enlarged_cardiomediastinum, "cardiomediastin* ~ within normal limits", mention::negative},

    {observation::cardiomegaly, "cardiomegaly"},
    {observation::cardiomegaly, "enlarge* ~ heart"},
    {observation::cardiomegaly, "enlarge* ~ cardiac"},
    {observation::cardiomegaly, "heart ~ enlarged"},
    {observation::cardiomegaly, "cardiac ~ enlarged"},
    {observation::cardiomegaly, "cardiac enlargement"},
    {observation::cardiomegaly, "heart enlargement"},
    {observation::cardiomegaly, "increased heart size"},
    {observation::cardiomegaly, "large heart"},
    {observation::cardiomegaly, "heart ~ normal", mention::negative},
    {observation::cardiomegaly, "normal ~ heart", mention::negative},
    {observation::cardiomegaly, "normal cardiac", mention::negative},
    {observation::cardiomegaly, "cardiac silhouette ~ normal", mention::negative},
    {observation::cardiomegaly, "cardiac size ~ normal", mention::negative},
    {observation::cardiomegaly, "heart ~ within normal limits", mention::negative},
    {observation::cardiomegaly, "cardiac silhouette ~ within normal limits", mention::negative},
    {observation::cardiomegaly, "heart ~ unremarkable", mention::negative},
    {observation::cardiomegaly, "cardiac silhouette ~ unremarkable", mention::negative},

    {observation::lung_lesion, "nodul*"},
    {observation::lung_lesion, "lung mass*"},
    {observation::lung_lesion, "pulmonary mass*"},
    {observation::lung_lesion, "mass"},
    {observation::lung_lesion, "masses"},
    {observation::lung_lesion, "lung lesion*"},
    {observation::lung_lesion, "pulmonary lesion*"},
    {observation::lung_lesion, "cavitary lesion*"},
    {observation::lung_lesion, "granuloma*"},
    {observation::lung_lesion, "metasta*"},
    {observation::lung_lesion, "neoplasm*"},
    {observation::lung_lesion, "tumor*"},
    {observation::lung_lesion, "tumour*"},
    {observation::lung_lesion, "carcinoma*"},

    {observation::lung_opacity, "opacit*"},
    {observation::lung_opacity, "opacification*"},
    {observation::lung_opacity, "infiltrat*"},
    {observation::lung_opacity, "airspace disease"},
    {observation::lung_opacity, "air space disease"},
    {observation::lung_opacity, "airspace process*"},
    {observation::lung_opacity, "interstitial markings"},
    {observation::lung_opacity, "interstitial ~ thickening"},
    {observation::lung_opacity, "reticular*"},
    {observation::lung_opacity, "parenchymal scarring"},
    {observation::lung_opacity, "lung* ~ clear", mention::negative},
    {observation::lung_opacity, "clear ~ lung*", mention::negative},

    {observation::edema, "edema"},
    {observation::edema, "oedema"},
    {observation::edema, "heart failure"},
    {observation::edema, "chf"},
    {observation::edema, "vascular congestion"},
    {observation::edema, "pulmonary congestion"},
    {observation::edema, "volume overload"},
    {observation::edema, "fluid overload"},
    {observation::edema, "vascular redistribution"},
    {observation::edema, "cephalization"},

    {observation::consolidation, "consolidat*"},

    {observation::pneumonia, "pneumonia*"},
    {observation::pneumonia, "bronchopneumonia*"},
    {observation::pneumonia, "infection"},
    {observation::pneumonia, "infectious process*"},
    {observation::pneumonia, "infectious ~ infiltrate*"},

    {observation::atelectasis, "atelecta*"},
    {observation::atelectasis, "collapse"},
    {observation::atelectasis, "collapsed ~ lobe"},

    {observation::pneumothorax, "pneumothora*"},
    {observation::pneumothorax, "hydropneumothora*"},
    {observation::pneumothorax, "hydro pneumothora*"},

    {observation::pleural_effusion, "effusion*"},
    {observation::pleural_effusion, "pleural fluid"},
    {observation::pleural_effusion, "hydropneumothora*"},
    {observation::pleural_effusion, "hemothora*"},
    {observation::pleural_effusion, "blunt* ~ costophrenic"},
    {observation::pleural_effusion, "costophrenic ~ blunt*"},
    {observation::pleural_effusion, "costophrenic ~ sharp", mention::negative},
    {observation::pleural_effusion, "costophrenic ~ clear", mention::negative},

    {observation::pleural_other, "pleural thickening"},
    {observation::pleural_other, "pleural plaque*"},
    {observation::pleural_other, "pleural scar*"},
    {observation::pleural_other, "pleural calcification*"},
    {observation::pleural_other, "calcified pleur*"},
    {observation::pleural_other, "pleural fibrosis"},
    {observation::pleural_other, "fibrothorax"},
    {observation::pleural_other, "thickening of ~ pleura"},

    {observation::fracture, "fractur*"},
    {observation::fracture, "compression deformit*"},

    {observation::support_devices, "endotracheal"},
    {observation::support_devices, "et tube"},
    {observation::support_devices, "ett"},
    {observation::support_devices, "tracheostomy"},
    {observation::support_devices, "nasogastric"},
    {observation::support_devices, "enteric tube*"},
    {observation::support_devices, "orogastric"},
    {observation::support_devices, "ng tube"},
    {observation::support_devices, "feeding tube"},
    {observation::support_devices, "dobbhoff"},
    {observation::support_devices, "chest tube*"},
    {observation::support_devices, "pigtail"},
    {observation::support_devices, "drainage catheter*"},
    {observation::support_devices, "catheter*"},
    {observation::support_devices, "picc"},
    {observation::support_devices, "central line*"},
    {observation::support_devices, "central venous line*"},
    {observation::support_devices, "venous line*"},
    {observation::support_devices, "port a cath"},
    {observation::support_devices, "portacath"},
    {observation::support_devices, "port"},
    {observation::support_devices, "swan ganz"},
    {observation::support_devices, "pacemaker*"},
    {observation::support_devices, "pacer*"},
    {observation::support_devices, "icd"},
    {observation::support_devices, "defibrillator*"},
    {observation::support_devices, "balloon pump"},
    {observation::support_devices, "sternotomy wire*"},
    {observation::support_devices, "sternal wire*"},
    {observation::support_devices, "valve replacement"},
    {observation::support_devices, "prosthetic ~ valve"},
    {observation::support_devices, "spinal hardware"},
    {observation::support_devices, "fixation hardware"},
    {observation::support_devices, "stent*"},
    {observation::support_devices, "leads"},
};

/// Words that look like a finding and are none.
inline constexpr std::string_view no_findings[] = {
    "mass effect",
    "nodular density of the nipple",
    "nipple shadow*",
    "pericardial effusion*",
    "joint effusion*",
    "port of entry",
    "infection control",
    "collapse of ~ vertebra*",
    "infiltrat* of contrast",
};

}  // namespace medmo::inline MEDMO_ABI::metrics::report_phrases
