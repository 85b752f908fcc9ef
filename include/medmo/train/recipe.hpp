// recipe.json: what is trained on what, stage by stage. A field that is not known is an error, and so is a value that cannot
// be. {"model": FOLDER, "seed": 0, "stages": [{"preset": "medmo_stage2", "data": [PATH or {"path", "folder"}], ...}]}; the other
// fields of a stage are those that read_stage reads, in docs/training.md. Source of the presets: MedMO's paper, section 4.1.
#pragma once

#include <array>
#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../io/json.hpp"
#include "augment.hpp"
#include "data_order.hpp"
#include "dataset.hpp"
#include "lora.hpp"
#include "sample.hpp"
#include "schedule.hpp"

namespace medmo::inline MEDMO_ABI::train {

enum class stage_kind { sft, grpo };

/// GRPO's own numbers. Which rewards exist is the program's business: names and weights are handed on.
struct grpo_recipe {
  index group_size = 8, groups = 1, iterations = 1, max_new_tokens = 512;
  double temperature = 1, clip_low = 0.15, clip_high = 0.25, beta = 0;
  std::string loss = "dapo";
  std::vector<std::pair<std::string, double>> rewards = {{"box", 1}};
};

struct stage_recipe {
  std::string name;
  stage_kind kind = stage_kind::sft;
  std::vector<data_file> data;
  index resolution = 0;         ///< side of a square whose area pictures have at most; 0: the model's own
  learned_part learned = learned_part::answers;
  index max_tokens = 8192;
  trained_parts parts{};
  index batch = 1, accumulation = 1;  ///< samples of a pass, passes of a step
  index pass_tokens = 0;        ///< most tokens of a pass, if above 0, in place of `batch` samples; the step stays batch x accumulation
  batch_lengths lengths = batch_lengths::mixed;
  std::array<double, model_parts> learning_rate = {1e-5, 1e-5, 1e-5, 1e-5, 1e-5};
  decline shape = decline::cosine;
  double warm_up = 0.03;        ///< share of the steps
  double epochs = 1;
  index steps = 0;              ///< above 0: in place of epochs
  double weight_decay = 0, max_gradient_norm = 1;
  lora_options lora{};
  augment_options augment{};
  index save_every = 100;       ///< steps
  grpo_recipe grpo{};

  index step_rows() const { return batch * accumulation; }
  index total_steps(index steps_of_an_epoch) const {
    if (steps > 0) return steps;
    double const n = std::ceil(epochs * static_cast<double>(steps_of_an_epoch));
    return std::max<index>(1, static_cast<index>(std::min(n, 9e7)));
  }
};

struct recipe {
  std::string model;
  std::uint64_t seed = 0;
  std::vector<stage_recipe> stages;
};

/// medmo_stage1 .. medmo_stage4. From the paper: resolution of stages 1 and 2, batch, accumulation, learning rate and cosine
/// as given. Open there and ours: everything else, and of stage 4 all numbers (docs/training.md marks each).
inline std::optional<stage_recipe> preset(std::string_view name) {
  auto of = [&](index resolution, index batch, index accumulation, double rate) {
    stage_recipe s;
    s.name = name;
    s.resolution = resolution;
    s.batch = batch;
    s.accumulation = accumulation;
    s.learning_rate.fill(rate);
    return s;
  };
  if (name == "medmo_stage1") return of(768, 10, 2, 1e-5);
  if (name == "medmo_stage2") return of(1280, 2, 8, 8e-6);
  if (name == "medmo_stage3") return of(1280, 10, 2, 5e-6);
  if (name != "medmo_stage4") return std::nullopt;
  auto s = of(1280, 1, 1, 1e-6);
  s.kind = stage_kind::grpo;
  s.shape = decline::constant;
  s.warm_up = 0;
  return s;
}

namespace detail {
/// Typed fields of an object, into variables; what was not asked for is an error at the end.
class recipe_fields {
 public:
  recipe_fields(io::json_fields fields) : fields_(std::move(fields)) {}

  io::json_fields const& raw() const { return fields_; }
  io::json const* find(char const* name) {
    known_.push_back(name);
    return fields_.find(name);
  }
  std::optional<io::json_fields> nested(char const* name) {
    known_.push_back(name);
    return fields_.nested(name);
  }
  void read(char const* name, index& to, index least, index most) {
    known_.push_back(name);
    if (auto v = fields_.integer(name)) within(name, static_cast<double>(to = *v), static_cast<double>(least), static_cast<double>(most));
  }
  void read(char const* name, double& to, double least, double most) {
    known_.push_back(name);
    if (auto v = fields_.number(name)) within(name, to = *v, least, most);
  }
  void read(char const* name, bool& to) {
    known_.push_back(name);
    if (auto v = fields_.boolean(name)) to = *v;
  }
  void read(char const* name, std::string& to) {
    known_.push_back(name);
    if (auto v = fields_.text(name)) to = *v;
  }
  template <class E>
  void read(char const* name, E& to, std::initializer_list<std::pair<char const*, E>> names) {
    known_.push_back(name);
    auto const v = fields_.text(name);
    if (!v) return;
    std::string all;
    for (auto const& [text, value] : names) {
      if (*v == text) return void(to = value);
      all += (all.empty() ? "" : ", ") + std::string(text);
    }
    refuse(name, all, io::excerpt(*v));
  }
  void finish() const {
    for (auto const& [name, value] : fields_.object().items())
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) refuse(io::excerpt(name), "a field of a recipe", "an unknown one");
  }
  [[noreturn]] void refuse(std::string const& name, std::string expected, std::string found) const {
    MEDMO_THROW(errc::bad_json, fields_.where(name), std::move(expected), std::move(found));
  }

 private:
  void within(char const* name, double v, double least, double most) const {
    if (v >= least && v <= most) return;
    auto text = [](double x) { return io::excerpt(io::json(x)); };
    refuse(name, text(least) + " .. " + text(most), text(v));
  }
  io::json_fields fields_;
  std::vector<std::string> known_;
};

inline constexpr std::array<char const*, model_parts> part_names = {"vision_tower", "merger", "deepstack_mergers", "decoder", "embeddings"};

inline void read_data(recipe_fields& f, std::vector<data_file>& to) {
  auto const* list = f.find("data");
  if (!list) return;
  auto one = [&](io::json const& v) {
    if (v.is_string()) return to.push_back({v.get<std::string>()});
    recipe_fields d(io::json_fields(v, f.raw().where("data")));
    data_file file;
    d.read("path", file.path);
    d.read("folder", file.folder);
    d.finish();
    if (file.path.empty()) d.refuse("path", "a file of JSON lines", "none");
    to.push_back(std::move(file));
  };
  if (!list->is_array()) return one(*list);
  for (auto const& v : *list) one(v);
}

inline void read_parts(recipe_fields& f, trained_parts& to) {
  auto const* list = f.find("train");
  if (!list) return;
  auto const names = *f.raw().texts("train");
  to = {false, false, false, false, false};
  for (auto const& name : names) {
    if (name == part_names[0]) to.vision_tower = true;
    else if (name == part_names[1]) to.merger = true;
    else if (name == part_names[2]) to.deepstack_mergers = true;
    else if (name == part_names[3]) to.decoder = true;
    else if (name == part_names[4]) to.embeddings = true;
    else f.refuse("train", "vision_tower, merger, deepstack_mergers, decoder, embeddings", io::excerpt(name));
  }
}

inline void read_rates(recipe_fields& f, std::array<double, model_parts>& to) {
  auto const* v = f.find("learning_rate");
  if (!v) return;
  if (!v->is_object()) {
    double rate = 0;
    f.read("learning_rate", rate, 0, 1);
    return to.fill(rate);
  }
  recipe_fields parts(*f.nested("learning_rate"));
  for (std::size_t i = 0; i < model_parts; ++i) parts.read(part_names[i], to[i], 0, 1);
  parts.finish();
}

inline void read_lora(recipe_fields& f, lora_options& to) {
  auto nested = f.nested("lora");
  if (!nested) return;
  recipe_fields l(*nested);
  to.rank = 16;
  l.read("rank", to.rank, 1, kernels::low_rank::max_rank);
  l.read("alpha", to.alpha, 0, 1e6);
  l.read("within", to.within);
  if (l.find("targets")) to.targets = *l.raw().texts("targets");
  l.finish();
}

inline void read_augment(recipe_fields& f, augment_options& to) {
  auto nested = f.nested("augment");
  if (!nested) return;
  recipe_fields a(*nested);
  a.read("crop", to.crop, 0, 1);
  a.read("least_area", to.least_area, 0.01, 1);
  a.read("least_box", to.least_box, 0, 1);
  a.read("scale", to.scale, 0, 1);
  a.read("least_scale", to.least_scale, 0.1, 10);
  a.read("most_scale", to.most_scale, 0.1, 10);
  a.read("flip", to.flip, 0, 1);
  a.read("intensity", to.intensity, 0, 1);
  a.read("contrast", to.contrast, 0, 0.99);
  a.read("brightness", to.brightness, 0, 255);
  a.finish();
  check(to);
}

inline void read_grpo(recipe_fields& f, grpo_recipe& to) {
  auto nested = f.nested("grpo");
  if (!nested) return;
  recipe_fields g(*nested);
  g.read("group_size", to.group_size, 2, 1024);
  g.read("groups", to.groups, 1, 1024);
  g.read("iterations", to.iterations, 1, 64);
  g.read("max_new_tokens", to.max_new_tokens, 1, 65536);
  g.read("temperature", to.temperature, 0.01, 10);
  g.read("clip_low", to.clip_low, 0, 1);
  g.read("clip_high", to.clip_high, 0, 10);
  g.read("beta", to.beta, 0, 10);
  g.read("loss", to.loss, {{"grpo", std::string("grpo")}, {"bnpo", "bnpo"}, {"dr_grpo", "dr_grpo"}, {"dapo", "dapo"}});
  if (auto rewards = g.nested("rewards")) {
    to.rewards.clear();
    for (auto const& [name, weight] : rewards->object().items()) {
      auto const w = rewards->number(name);
      if (!w || !std::isfinite(*w)) g.refuse("rewards", "a weight for each name", io::excerpt(weight));
      to.rewards.emplace_back(name, *w);
    }
  }
  g.finish();
}

inline stage_recipe read_stage(io::json const& value, std::string const& where) {
  recipe_fields f(io::json_fields(value, where));
  stage_recipe s;
  if (std::string name; f.find("preset")) {
    f.read("preset", name);
    auto known = preset(name);
    if (!known) f.refuse("preset", "medmo_stage1 .. medmo_stage4", io::excerpt(name));
    s = std::move(*known);
  }
  f.read("name", s.name);
  f.read("kind", s.kind, {{"sft", stage_kind::sft}, {"grpo", stage_kind::grpo}});
  read_data(f, s.data);
  f.read("resolution", s.resolution, 0, 4096);
  f.read("learned", s.learned, {{"answers", learned_part::answers}, {"answers_and_newline", learned_part::answers_and_newline}, {"everything", learned_part::everything}});
  f.read("max_tokens", s.max_tokens, 16, 262144);
  read_parts(f, s.parts);
  f.read("batch", s.batch, 1, 4096);
  f.read("accumulation", s.accumulation, 1, 4096);
  f.read("pass_tokens", s.pass_tokens, 0, 1 << 20);
  f.read("lengths", s.lengths, {{"mixed", batch_lengths::mixed}, {"bucketed", batch_lengths::bucketed}});
  read_rates(f, s.learning_rate);
  f.read("schedule", s.shape, {{"constant", decline::constant}, {"linear", decline::linear}, {"cosine", decline::cosine}});
  f.read("warm_up", s.warm_up, 0, 1);
  f.read("epochs", s.epochs, 0, 1e6);
  f.read("steps", s.steps, 0, 90'000'000);
  f.read("weight_decay", s.weight_decay, 0, 1);
  f.read("max_gradient_norm", s.max_gradient_norm, 1e-6, 1e6);
  read_lora(f, s.lora);
  read_augment(f, s.augment);
  f.read("save_every", s.save_every, 1, 90'000'000);
  read_grpo(f, s.grpo);
  f.finish();
  if (s.data.empty()) f.refuse("data", "at least one file", "none");
  return s;
}
}  // namespace detail

/// A recipe; `where` names it in messages. Errors: bad_json naming the field.
inline recipe parse_recipe(io::json const& document, std::string const& where) {
  detail::recipe_fields f(io::json_fields(document, where));
  recipe r;
  f.read("model", r.model);
  index seed = 0;
  f.read("seed", seed, 0, index{1} << 53);
  r.seed = static_cast<std::uint64_t>(seed);
  auto const* stages = f.find("stages");
  f.finish();
  if (r.model.empty()) f.refuse("model", "a folder", "none");
  if (!stages || !stages->is_array() || stages->empty() || stages->size() > 100) f.refuse("stages", "a list of 1 to 100", stages ? io::excerpt(*stages) : "none");
  for (std::size_t i = 0; i < stages->size(); ++i) {
    auto s = detail::read_stage((*stages)[i], where + ": stage " + std::to_string(i + 1));
    s.lora.seed = r.seed;
    r.stages.push_back(std::move(s));
  }
  return r;
}

/// The same of a file. Errors: also file_access.
inline recipe read_recipe(std::string const& path) { return parse_recipe(io::read_json(path), path); }

}  // namespace medmo::inline MEDMO_ABI::train
