// Rewards of any completion: in their range, the same whatever the order of the true boxes, and 1 for the truth itself.
#include "harness.hpp"

#include <algorithm>

#include "medmo/rewards/box.hpp"
#include "medmo/rewards/label.hpp"
#include "medmo/rewards/overlong.hpp"
#include "medmo/rewards/repetition.hpp"
#include "medmo/rewards/tag_count.hpp"

namespace fuzz_rewards {
using namespace medmo::rewards;
using norm_box = medmo::box<medmo::norm1000>;

void require_share(double v) { fuzz::require(v >= 0 && v <= 1, "a reward is from 0 to 1"); }

MEDMO_FUZZ_TARGET(rewards) {
  fuzz::choices in(input);
  box_reward_options options{.false_negative_weight = in.below(3) * 0.5, .false_positive_weight = in.below(3) * 0.5};
  options.unusable = static_cast<unusable>(in.below(3));
  std::vector<norm_box> truth(in.below(40));
  for (auto& b : truth) {
    double x = in.byte() * 3.0, y = in.byte() * 3.0;
    b = {x, y, x + 1 + in.byte() * 0.5, y + 1 + in.byte() * 0.5};
  }
  auto const completion = in.rest();
  fuzz::weight() = input.size() * 64;  // a box takes 18 bytes of text, and 16 for each true one
  auto const score = box_reward(completion, truth, options);
  require_share(score.value);
  fuzz::require(score.unusable > 0 || score.matched == std::min(score.predicted, score.truth),
                "as many are matched as can be");
  std::reverse(truth.begin(), truth.end());
  fuzz::require(box_reward(completion, truth, options).value == score.value, "the order of boxes changes no bit");
  fuzz::require(truth.empty() || box_reward(std::span<norm_box const>(truth), truth, options).value > 1 - 1e-12,
                "the truth is worth 1");

  require_share(tag_count(completion));
  require_share(box_tag_count(completion));
  auto const penalty = repetition_penalty(completion);
  fuzz::require(penalty >= -1 && penalty <= 0, "a penalty is from -1 to 0");
  auto const overlong = soft_overlong(static_cast<medmo::index>(completion.size()), {.max_length = 200, .cache = 50});
  fuzz::require(overlong >= -1 && overlong <= 0, "a punishment is from -1 to 0");
  std::vector<std::string> const labels{"WBC", "RBC", "platelet"};
  require_share(label_reward(completion, labels[0]));
  require_share(box_label_reward(completion, labels));
  require_share(choice_reward(completion, labels, "B"));
}
}  // namespace fuzz_rewards
