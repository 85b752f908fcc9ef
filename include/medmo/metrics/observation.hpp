// The 14 observations that chest X-ray reports are compared by, and what a report can say of one.
// Source: Irvin et al., CheXpert, AAAI 2019 (arXiv 1901.07031), section 3.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::metrics {

enum class observation {
  no_finding,
  enlarged_cardiomediastinum,
  cardiomegaly,
  lung_lesion,
  lung_opacity,
  edema,
  consolidation,
  pneumonia,
  atelectasis,
  pneumothorax,
  pleural_effusion,
  pleural_other,
  fracture,
  support_devices,
};
inline constexpr std::size_t observation_count = 14;

constexpr std::string_view name_of(observation o) {
  constexpr std::array<std::string_view, observation_count> names = {"No Finding",       "Enlarged Cardiomediastinum",
                                                                     "Cardiomegaly",     "Lung Lesion",
                                                                     "Lung Opacity",     "Edema",
                                                                     "Consolidation",    "Pneumonia",
                                                                     "Atelectasis",      "Pneumothorax",
                                                                     "Pleural Effusion", "Pleural Other",
                                                                     "Fracture",         "Support Devices"};
  return names[static_cast<std::size_t>(o)];
}

enum class mention { none, negative, uncertain, positive };

/// What a report says of each observation.
struct observations {
  std::array<mention, observation_count> of{};

  constexpr mention& operator[](observation o) { return of[static_cast<std::size_t>(o)]; }
  constexpr mention operator[](observation o) const { return of[static_cast<std::size_t>(o)]; }
  bool operator==(observations const&) const = default;
};

}  // namespace medmo::inline MEDMO_ABI::metrics
