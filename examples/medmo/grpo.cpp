// medmo grpo: a stage of kind grpo of a recipe: sampled, rewarded, learned, with a log, a page, and states to go on from.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "command.hpp"
#include "medmo/load.hpp"
#include "medmo/rewards/box.hpp"
#include "medmo/rewards/label.hpp"
#include "medmo/rewards/overlong.hpp"
#include "medmo/rewards/repetition.hpp"
#include "medmo/rewards/tag_count.hpp"
#include "medmo/save.hpp"
#include "medmo/train/adapter_file.hpp"
#include "medmo/train/checkpoint.hpp"
#include "medmo/train/grpo_log.hpp"
#include "medmo/train/grpo_page.hpp"
#include "medmo/train/sft.hpp"

namespace command {
namespace {

namespace train = medmo::train;
namespace rewards = medmo::rewards;
using medmo::index;

struct grpo_arguments {
  std::string recipe, out;
  int stage = 0, threads = 0;
  index samples = 1, sample_every = 10;
  bool resume = false;
};

std::atomic<bool> interrupted{false};
extern "C" void on_grpo_interrupt(int) {
  interrupted = true;
  std::signal(SIGINT, SIG_DFL);  // a second one ends the program
}

/// A row as GRPO takes it: one question, and what its answer should be.
struct question {
  train::grpo_prompt prompt;
  bool has_boxes = false;
  std::vector<medmo::box<medmo::norm1000>> boxes;
  std::vector<std::string> labels;
  std::string answer;
};

question question_of(train::dataset const& data, index row) {
  auto const c = data.read(row);
  question q;
  q.prompt.number = row;
  q.prompt.pictures = data.pictures(row, c);
  bool asked = false, worded = false;
  auto refuse = [&](char const* found) { MEDMO_THROW(medmo::errc::bad_argument, c.where, "at most a system text, one question that begins with its pictures, and one answer", found); };
  for (auto const& turn : c.turns) {
    std::string words;
    for (auto const& piece : turn.content) {
      if (auto const* text = std::get_if<std::string>(&piece)) words += *text, worded = worded || !text->empty();
      else if (auto const* place = std::get_if<train::box_place>(&piece)) words += train::detail::written_boxes(c, *place, q.prompt.pictures), q.has_boxes = true;
      else if (worded && turn.role == medmo::text::chat_role::user) refuse("a picture behind words");
    }
    if (turn.role == medmo::text::chat_role::system) q.prompt.system = words, worded = false;
    else if (turn.role != medmo::text::chat_role::user) q.answer = words;
    else if (asked) refuse("several questions");
    else q.prompt.text = words, asked = true;
  }
  q.has_boxes = q.has_boxes || !c.boxes.empty();
  for (auto const& b : c.boxes) {
    if (b.image != static_cast<index>(q.prompt.pictures.size()) - 1) refuse("boxes on another picture than the last");
    auto const& picture = q.prompt.pictures.back();
    if (auto const* px = std::get_if<medmo::box<medmo::pixel>>(&b.where)) q.boxes.push_back(to_norm1000(*px, picture.width, picture.height));
    else q.boxes.push_back(std::get<medmo::box<medmo::norm1000>>(b.where));
    if (!b.label.empty() && std::find(q.labels.begin(), q.labels.end(), b.label) == q.labels.end()) q.labels.push_back(b.label);
  }
  return q;
}

/// The rewards that a recipe names; `asked` holds the questions of the step.
std::vector<train::reward> rewards_of(train::grpo_recipe const& g, std::map<index, question> const& asked) {
  using value = std::optional<double>;
  using function = std::function<value(train::completion const&, question const&)>;
  rewards::overlong_options const lengths{g.max_new_tokens, g.max_new_tokens / 5};
  std::map<std::string, function> const known{
      {"box", [](auto const& c, auto const& q) { return q.has_boxes ? value(rewards::box_reward(c.text, q.boxes).value) : value(); }},
      {"box_label", [](auto const& c, auto const& q) { return q.labels.empty() ? value() : value(rewards::box_label_reward(c.text, q.labels)); }},
      {"label", [](auto const& c, auto const& q) { return q.has_boxes || q.answer.empty() ? value() : value(rewards::label_reward(c.text, q.answer)); }},
      {"tag_count", [](auto const& c, auto const&) { return value(rewards::tag_count(c.text)); }},
      {"overlong", [lengths](auto const& c, auto const&) { return value(rewards::soft_overlong(static_cast<index>(c.tokens.size()), lengths)); }},
      {"repetition", [](auto const& c, auto const&) { return value(rewards::repetition_penalty(c.text)); }}};
  std::vector<train::reward> out;
  for (auto const& [name, weight] : g.rewards) {
    auto const found = known.find(name);
    if (found == known.end())
      MEDMO_THROW(medmo::errc::bad_argument, "rewards", "box, box_label, label, tag_count, overlong, repetition", "\"" + name + "\"");
    out.push_back({name, [f = found->second, &asked](train::completion const& c) { return f(c, asked.at(c.prompt)); }, weight});
  }
  return out;
}

train::grpo_options options_of(train::stage_recipe const& s, std::uint64_t seed, index least_pixels) {
  auto const& g = s.grpo;
  train::grpo_options o;
  o.rollout = {.group = g.group_size, .max_new_tokens = g.max_new_tokens, .temperature = static_cast<float>(g.temperature), .seed = seed, .slots = g.group_size};
  o.rollout.max_pixels = s.resolution * s.resolution;  // 0: the model's own
  if (s.resolution > 0) o.rollout.min_pixels = std::min(least_pixels, o.rollout.max_pixels);
  o.loss.denominator = g.loss == "grpo" ? train::loss_denominator::grpo : g.loss == "bnpo" ? train::loss_denominator::bnpo
                       : g.loss == "dr_grpo" ? train::loss_denominator::dr_grpo : train::loss_denominator::dapo;
  o.loss.clip_low = g.clip_low;
  o.loss.clip_high = g.clip_high;
  o.loss.beta = g.beta;
  o.groups = g.groups;
  o.iterations = g.iterations;
  o.per_pass = s.batch;
  return o;
}

template <class C>
void run(grpo_arguments const& args, train::recipe const& recipe, std::size_t number, std::string const& model) {
  auto const& stage = recipe.stages[number];
  std::string const out = args.out + "/stage" + std::to_string(number + 1);
  std::filesystem::create_directories(out);
  auto const base = medmo::load<C>(model);
  train::dataset const data(stage.data);
  for (auto const& fault : data.faults()) std::fprintf(stderr, "medmo: left out: %s\n", fault.c_str());
  train::data_order const order(data.lengths(), {.seed = recipe.seed});
  index const total = stage.steps > 0 ? stage.steps
                                      : std::max<index>(1, static_cast<index>(stage.epochs * static_cast<double>(data.size()) / static_cast<double>(stage.grpo.groups)));
  std::map<index, question> asked;
  train::grpo_trainer<C> trainer(base, train::options_of(stage, total * stage.grpo.iterations), options_of(stage, recipe.seed, base.pictures.min_pixels), rewards_of(stage.grpo, asked));
  train::checkpoint_folder const states(out);
  auto const file = medmo::io::mapped_file::open(args.recipe);
  auto const digest = medmo::hex(medmo::blake2s().add(file.bytes()).add_text(model).add_text(stage.name).finish());
  auto found = states.newest();
  for (auto const& why : found.skipped) std::fprintf(stderr, "medmo: not taken: %s\n", why.c_str());
  if (!states.list().empty() && !args.resume) MEDMO_THROW(medmo::errc::file_access, out, "no states there yet, or --resume", "states of a run");
  train::data_cursor next;
  index done = 0;
  if (!found.folder.empty()) {
    auto const state = train::restore_trainer(found.folder, trainer.training());
    if (state.more.value("recipe", "") != digest) MEDMO_THROW(medmo::errc::bad_argument, found.folder, "a state of this recipe and stage", "one of another");
    next = state.next;
    done = state.more.value("rounds", index{0});
    trainer.resume(state.more.value("sampled", std::uint64_t{0}));
  }
  auto save = [&] {
    auto const& t = trainer.training();
    train::run_state const state{t.steps(), t.skipped(), next, {{"recipe", digest}, {"sampled", trainer.sampled()}, {"rounds", done}}};
    states.save(state, trainer.training().parameters().all(), [&](std::string const& folder) {
      if (stage.lora.rank > 0) {
        std::filesystem::create_directory(folder + "/adapter");
        train::write_adapter(folder + "/adapter", trainer.training().parameters().all(), stage.lora, model);
      }
      medmo::save_model<C>(t.current().weights(), folder + "/model", model);
    });
  };
  medmo::io::jsonl_journal log(out + "/log.jsonl");
  while (done < total && !interrupted) {
    asked.clear();
    auto const report = trainer.step([&] {
      for (index bad = 0;; ++bad) {
        auto const row = order.at(next).front();
        next = order.next(next);
        try {
          auto q = question_of(data, row);
          auto prompt = q.prompt;
          q.prompt.pictures.clear();
          asked[row] = std::move(q);
          return prompt;
        } catch (medmo::error const& e) {
          std::fprintf(stderr, "medmo: left out: %s\n", e.what());
          if (bad >= data.size()) throw;
        }
      }
    });
    ++done;
    auto line = train::log_line(report);
    if (args.samples > 0 && (done % args.sample_every == 0 || done == 1)) train::add_samples(line, trainer, out, static_cast<std::size_t>(args.samples));
    log.append(line);
    double const seconds = (report.sampling_ms + report.learning_ms) / 1000;
    std::fprintf(stderr, "stage %zu  step %lld of %lld  reward %.3f  same %.0f %%  kl %.2g  length %.0f  %.1f tokens/s  %.0f s left\n", number + 1,
                 static_cast<long long>(done), static_cast<long long>(total), report.total.mean, 100 * report.constant_share(), report.loss().mean_kl(),
                 report.mean_length(), static_cast<double>(report.tokens) / seconds, static_cast<double>(total - done) * seconds);
    if (done % stage.save_every == 0 && done < total) save();
    if (done % args.sample_every == 0) train::write_grpo_page(out);
  }
  save();
  train::write_grpo_page(out);
  if (interrupted) std::fprintf(stderr, "medmo: saved; go on with --resume\n");
  std::printf("%s\n", states.newest().folder.c_str());
}

void grpo(grpo_arguments const& args) {
  auto const recipe = train::read_recipe(args.recipe);
  auto const is_grpo = [](auto const& s) { return s.kind == train::stage_kind::grpo; };
  auto const first = std::find_if(recipe.stages.begin(), recipe.stages.end(), is_grpo);
  auto const number = args.stage > 0 ? static_cast<std::size_t>(args.stage - 1) : static_cast<std::size_t>(first - recipe.stages.begin());
  if (args.stage < 0 || number >= recipe.stages.size() || !is_grpo(recipe.stages[number]))
    MEDMO_THROW(medmo::errc::bad_argument, "--stage", "a stage of kind grpo", std::to_string(args.stage));
  medmo::set_thread_count(args.threads);
  std::signal(SIGINT, on_grpo_interrupt);
  std::string model = recipe.model;
  if (number > 0) {  // goes on from what the stage before left
    auto const before = train::checkpoint_folder(args.out + "/stage" + std::to_string(number)).newest().folder;
    if (!before.empty()) model = before + "/model";
  }
  with_configuration(model, [&]<class C>(std::type_identity<C>) { run<C>(args, recipe, number, model); });
}

}  // namespace

void add_grpo(CLI::App& app) {
  auto args = std::make_shared<grpo_arguments>();
  auto* sub = app.add_subcommand("grpo", "Reinforcement learning with verifiable rewards (GRPO) by a recipe: a log, a page, states and a model's folder");
  sub->add_option("--recipe", args->recipe, "recipe.json (docs/training.md)")->required();
  sub->add_option("--stage", args->stage, "Which stage, from 1; default: the first of kind grpo");
  sub->add_option("--out", args->out, "Folder of states, logs and models")->required();
  sub->add_option("--threads", args->threads, "0: all");
  sub->add_option("--samples", args->samples, "Prompts a page shows answers of, at each time")->check(CLI::Range(0, 100))->capture_default_str();
  sub->add_option("--sample-every", args->sample_every, "Steps between those times")->check(CLI::Range(1, 1000000))->capture_default_str();
  sub->add_flag("--resume", args->resume, "Go on from the newest good state in --out");
  sub->callback([args] { grpo(*args); });
}

}  // namespace command
