// What a step of GRPO leaves behind: a JSON line of its numbers, with some of its completions and, for those with a picture,
// a PNG of it with the boxes drawn. grpo_page.hpp shows a file of such lines.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "../io/json.hpp"
#include "../io/png.hpp"
#include "../vision/overlay.hpp"
#include "grpo.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// The numbers of a step. Shares lie in 0..1, times are seconds, lengths and speeds tokens.
inline io::ordered_json log_line(grpo_report const& r) {
  auto spread_json = [](spread const& s) {
    return io::ordered_json{{"mean", s.mean}, {"deviation", s.deviation}, {"present", s.present}};
  };
  auto const n = static_cast<double>(std::max<index>(r.completions, 1));
  auto const loss = r.loss();
  io::ordered_json rewards = io::ordered_json::object();
  for (auto const& one : r.rewards)
    rewards[one.name] = {{"weight", one.weight}, {"before", spread_json(one.before)}, {"after", spread_json(one.after)}};
  double const seconds = (r.sampling_ms + r.learning_ms) / 1000;
  return {{"step", r.step},
          {"reward", spread_json(r.total)},
          {"rewards", std::move(rewards)},
          {"groups", r.groups},
          {"constant_share", r.constant_share()},
          {"loss", r.iterations.empty() ? 0 : r.iterations.front().loss},
          {"clip_low", loss.low_share()},
          {"clip_high", loss.high_share()},
          {"least_ratio", loss.least_ratio},
          {"greatest_ratio", loss.greatest_ratio},
          {"kl", loss.mean_kl()},
          {"entropy", r.surprise},
          {"length", {{"mean", r.mean_length()}, {"least", r.shortest}, {"greatest", r.longest}}},
          {"truncated_share", static_cast<double>(r.truncated) / n},
          {"gradient_norm", r.update.gradient_norm},
          {"rate_factor", r.update.rate_factor},
          {"learned", r.learned},
          {"skipped", r.update.skipped},
          {"sampling_seconds", r.sampling_ms / 1000},
          {"learning_seconds", r.learning_ms / 1000},
          {"tokens_per_second", seconds > 0 ? static_cast<double>(r.tokens) / seconds : 0}};
}

/// Adds to `line` the best and the worst completion of each of the last step's first `most` prompts; pictures go into `folder` as
/// step-STEP-NUMBER.png. Errors: file_access, bad_image.
template <model_configuration C>
void add_samples(io::ordered_json& line, grpo_trainer<C> const& t, std::string const& folder, std::size_t most) {
  auto const prompts = t.prompts();
  auto const all = t.completions();
  if (prompts.empty()) return;
  std::size_t const group = all.size() / prompts.size();
  auto& out = line["samples"] = io::ordered_json::array();
  for (std::size_t p = 0; p < std::min(most, prompts.size()); ++p) {
    auto const advantages = t.advantages().subspan(p * group, group);
    auto const [worst, best] = std::minmax_element(advantages.begin(), advantages.end());
    for (auto at : {best, worst}) {
      auto const i = p * group + static_cast<std::size_t>(at - advantages.begin());
      auto const& c = all[i];
      io::ordered_json one{{"prompt", prompts[p].text}, {"number", c.prompt}, {"text", c.text}, {"advantage", *at},
                           {"reward", t.totals()[i] ? io::ordered_json(*t.totals()[i]) : io::ordered_json()},
                           {"tokens", c.tokens.size()}, {"truncated", c.truncated()}};
      if (!prompts[p].pictures.empty()) {
        auto const name = "step-" + std::to_string(line["step"].template get<index>()) + "-" + std::to_string(out.size()) + ".png";
        io::write_png((std::filesystem::path(folder) / name).string(), vision::overlay(prompts[p].pictures.back(), c.detections));
        one["picture"] = name;
      }
      out.push_back(std::move(one));
      if (best == worst) break;
    }
  }
}

}  // namespace medmo::inline MEDMO_ABI::train
