// MedMO's box reward of some answers. This header and Eigen, nothing else.
#include <cstdio>
#include <medmo/rewards/box.hpp>
#include <vector>

int main() {
  std::vector<medmo::box<medmo::norm1000>> truth{{156, 516, 231, 607}, {240, 529, 296, 581}};
  for (char const* answer : {"Fractures <box>[[156, 516, 231, 607], [240, 529, 296, 581]]</box>",
                             "Fractures <box>[[160, 510, 240, 600]]</box>", "Fractures <box>[[0, 0, 1000, 1000]]</box>",
                             "Fractures <box>[[156, 516, 231]]</box>", "No fracture."}) {
    auto s = medmo::rewards::box_reward(answer, truth, {.false_negative_weight = 0.2});
    std::printf("%.4f = %.4f - %.4f  %s\n", s.value, s.quality, s.penalty, answer);
  }
}
