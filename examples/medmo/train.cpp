// medmo train: the supervised stages of a recipe, with a log, states to go on from, and the result as a model's folder.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "command.hpp"
#include "medmo/load.hpp"
#include "medmo/save.hpp"
#include "medmo/train/adapter_file.hpp"
#include "medmo/train/checkpoint.hpp"
#include "medmo/train/sft.hpp"

namespace command {
namespace {

namespace train = medmo::train;
using medmo::index;

struct train_arguments {
  std::string recipe, out;
  int stage = 0, threads = 0;
  bool resume = false;
};

std::atomic<bool> interrupted{false};
extern "C" void on_interrupt(int) {
  interrupted = true;
  std::signal(SIGINT, SIG_DFL);  // a second one ends the program
}

std::string digest_of(train::stage_recipe const& s, std::string const& model, std::string const& recipe) {
  auto const file = medmo::io::mapped_file::open(recipe);
  return medmo::hex(medmo::blake2s().add(file.bytes()).add_text(model).add_text(s.name).finish());
}

/// One stage; the folder of the model that it leaves, or nothing if it was interrupted.
template <class C>
std::optional<std::string> run_stage(train_arguments const& args, train::recipe const& recipe, std::size_t number, std::string const& model) {
  auto const& stage = recipe.stages[number];
  std::string const out = args.out + "/stage" + std::to_string(number + 1);
  std::filesystem::create_directories(out);
  auto const base = medmo::load<C>(model);
  train::dataset const data(stage.data);
  for (auto const& fault : data.faults()) std::fprintf(stderr, "medmo: left out: %s\n", fault.c_str());
  train::sample_source const source(data, base.tokenizer, medmo::vision::options_for(C::vision, base.pictures), stage, recipe.seed);
  index const total = stage.total_steps(source.order().batches_per_epoch());
  train::trainer<C> trainer(base.model, train::options_of(stage, total));
  train::checkpoint_folder const states(out);
  train::data_cursor from;
  auto const digest = digest_of(stage, model, args.recipe);
  auto found = states.newest();
  for (auto const& why : found.skipped) std::fprintf(stderr, "medmo: not taken: %s\n", why.c_str());
  if (!states.list().empty() && !args.resume)
    MEDMO_THROW(medmo::errc::file_access, out, "no states there yet, or --resume", "states of a run");
  if (!found.folder.empty()) {
    auto const state = train::restore_trainer(found.folder, trainer);
    if (state.more.value("recipe", "") != digest)
      MEDMO_THROW(medmo::errc::bad_argument, found.folder, "a state of this recipe and stage", "one of another");
    from = state.next;
  }
  auto save = [&](train::data_cursor const& next) {
    train::run_state const state{trainer.steps(), trainer.skipped(), next, {{"recipe", digest}}};
    states.save(state, trainer.parameters().all(), [&](std::string const& folder) {
      if (stage.lora.rank > 0) {
        std::filesystem::create_directory(folder + "/adapter");
        train::write_adapter(folder + "/adapter", trainer.parameters().all(), stage.lora, model);
      }
      medmo::save_model<C>(trainer.current().weights(), folder + "/model", model);
    });
  };
  medmo::io::jsonl_journal log(out + "/log.jsonl");
  bool const watched = isatty(2) != 0;
  double tokens = 0, seconds = 0;
  std::size_t bad = data.bad_rows();
  train::data_cursor last = from;
  train::run_sft(trainer, source, stage, from, total, [&](train::sft_step const& s) {
    auto const& r = s.report;
    tokens = 0.9 * tokens + static_cast<double>(s.tokens), seconds = 0.9 * seconds + s.seconds;
    bad += s.faults.size();
    for (auto const& fault : s.faults) std::fprintf(stderr, "%smedmo: left out: %s\n", watched ? "\r\033[K" : "", fault.c_str());
    log.append(medmo::io::ordered_json{{"step", s.batch}, {"epoch", s.next.epoch}, {"loss", r.loss}, {"learned_tokens", r.tokens}, {"tokens", s.tokens},
                                       {"gradient_norm", r.gradient_norm}, {"rate_factor", r.rate_factor}, {"skipped", r.skipped},
                                       {"seconds", s.seconds}, {"bad_rows", bad}});
    double const left = seconds > 0 ? static_cast<double>(total - s.batch) * s.seconds : 0;
    if (watched || s.batch % 10 == 0 || s.batch == total)
      std::fprintf(stderr, "%sstage %zu  step %lld of %lld  loss %.4f  %.0f tokens/s  %.0f s left%s", watched ? "\r\033[K" : "", number + 1,
                   static_cast<long long>(s.batch), static_cast<long long>(total), r.loss, seconds > 0 ? tokens / seconds : 0, left, watched ? "" : "\n");
    last = s.next;
    if (s.batch % stage.save_every == 0 && s.batch < total) save(last);
    return interrupted.load();
  });
  if (watched) std::fputs("\n", stderr);
  save(last);
  auto const newest = states.newest().folder;
  if (interrupted) {
    std::fprintf(stderr, "medmo: saved %s; go on with --resume\n", newest.c_str());
    return std::nullopt;
  }
  std::printf("%s\n", newest.c_str());
  return newest + "/model";
}

void train_all(train_arguments const& args) {
  auto const recipe = train::read_recipe(args.recipe);
  if (args.stage < 0 || args.stage > static_cast<int>(recipe.stages.size()))
    MEDMO_THROW(medmo::errc::bad_argument, "--stage", "1 .. " + std::to_string(recipe.stages.size()), std::to_string(args.stage));
  medmo::set_thread_count(args.threads);
  auto const first = args.stage > 0 ? static_cast<std::size_t>(args.stage - 1) : 0;
  auto const last = args.stage > 0 ? first + 1 : recipe.stages.size();
  for (std::size_t i = first; i < last; ++i)
    if (recipe.stages[i].kind != train::stage_kind::sft)
      MEDMO_THROW(medmo::errc::unsupported, args.recipe + ": stage " + std::to_string(i + 1), "kind sft", "grpo, which medmo grpo runs");
  std::signal(SIGINT, on_interrupt);
  std::string model = recipe.model;
  if (first > 0) {  // goes on from what the stage before left
    auto const before = train::checkpoint_folder(args.out + "/stage" + std::to_string(first)).newest().folder;
    if (!before.empty()) model = before + "/model";
  }
  for (std::size_t i = first; i < last; ++i) {
    std::optional<std::string> left;
    with_configuration(model, [&]<class C>(std::type_identity<C>) { left = run_stage<C>(args, recipe, i, model); });
    if (!left) return;
    model = *left;
  }
}

}  // namespace

void add_train(CLI::App& app) {
  auto args = std::make_shared<train_arguments>();
  auto* sub = app.add_subcommand("train", "Supervised fine-tuning by a recipe: states to go on from, a log, and a model's folder");
  sub->add_option("--recipe", args->recipe, "recipe.json (docs/training.md)")->required();
  sub->add_option("--stage", args->stage, "Only this stage, from 1; it begins with what the stage before left in --out, if that is there");
  sub->add_option("--out", args->out, "Folder of states, logs and models")->required();
  sub->add_option("--threads", args->threads, "0: all");
  sub->add_flag("--resume", args->resume, "Go on from the newest good state in --out");
  sub->callback([args] { train_all(*args); });
}

}  // namespace command
