// medmo evaluate: a benchmark asked and scored. Every answer is journaled; a run that was stopped goes on where it was.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/evaluate/averages.hpp"
#include "medmo/evaluate/baseline.hpp"
#include "medmo/evaluate/fingerprint.hpp"
#include "medmo/evaluate/model_answerer.hpp"
#include "medmo/evaluate/page.hpp"
#include "medmo/evaluate/run.hpp"
#include "medmo/load.hpp"
#include "picture.hpp"

namespace command {
namespace {

using medmo::index;
namespace evaluate = medmo::evaluate;
namespace fs = std::filesystem;

struct evaluate_arguments {
  std::string model, benchmark, data, split, out, shard, prompt, system;
  std::optional<index> limit;
  std::optional<std::uint64_t> seed;
  index batch = 1, max_new_tokens = 512, min_pixels = 0, max_pixels = 0, page = 0, max_boxes = 100;
  int threads = 0, resamples = 1000;
  bool baseline = false, json = false, list = false, merge = false, restart = false, reasoning = false;
  bool boxes_only = false, constrain_boxes = false;
  evaluate::scoring scoring = evaluate::scoring::generation;
  medmo::metrics::answer_rules rules = medmo::metrics::answer_rules::medmo;
  std::vector<std::string> averages, box_labels;
  picture_arguments picture;
};

void list_benchmarks(bool json) {
  nlohmann::ordered_json out = nlohmann::json::array();
  for (auto const& b : evaluate::benchmarks) {
    if (json) out.push_back({{"name", b.name}, {"title", b.title}, {"group", evaluate::name_of(b.group)}});
    else std::printf("%-18s %-10s %s\n", b.name.data(), evaluate::name_of(b.group).data(), b.title.data());
  }
  if (json) std::puts(out.dump(2).c_str());
}

/// The paper's averages over the results.json of several runs.
void show_averages(std::vector<std::string> const& folders, bool json) {
  std::vector<evaluate::results> all;
  for (auto const& folder : folders) {
    auto const path = (fs::path(folder) / "results.json").string();
    auto const document = medmo::io::read_json(path);
    all.push_back(evaluate::results_of({document, path}));
  }
  nlohmann::ordered_json out = nlohmann::json::object();
  for (auto const& a : evaluate::paper_averages(all)) {
    std::string missing;
    for (auto const& m : a.missing) missing += (missing.empty() ? "" : ", ") + std::string(m);
    if (json) out[std::string(a.name)] = {{"value", a.value ? nlohmann::json(*a.value) : nlohmann::json()}, {"missing", a.missing}};
    else if (a.value) std::printf("%-20s %6.2f\n", a.name.data(), 100 * *a.value);
    else std::printf("%-20s      -   missing: %s\n", a.name.data(), missing.c_str());
  }
  if (json) std::puts(out.dump(2).c_str());
}

medmo::ask_options ask_options_of(evaluate_arguments const& args) {
  medmo::ask_options o{.max_new_tokens = args.max_new_tokens, .sampling = medmo::sampling_options{}, .system = args.system};
  o.min_pixels = args.min_pixels;
  o.max_pixels = args.max_pixels;
  o.boxes.mode = args.boxes_only ? medmo::box_mode::only : args.constrain_boxes ? medmo::box_mode::in_text : medmo::box_mode::off;
  o.boxes.labels = args.box_labels;
  o.boxes.max_boxes = args.max_boxes;
  return o;
}

/// What tells the answers of this model and these settings from others; threads and batch change none.
medmo::io::ordered_json identity_of(evaluate_arguments const& args) {
  if (args.baseline) return {{"baseline", true}};
  medmo::io::ordered_json out{{"files", evaluate::model_fingerprint(args.model)}, {"max_new_tokens", args.max_new_tokens}};
  if (!args.system.empty()) out["system"] = args.system;
  if (args.min_pixels) out["min_pixels"] = args.min_pixels;
  if (args.max_pixels) out["max_pixels"] = args.max_pixels;
  if (args.boxes_only || args.constrain_boxes)
    out["boxes"] = {{"only", args.boxes_only}, {"labels", args.box_labels}, {"most", args.max_boxes}};
  if (!args.picture.window.empty() || args.picture.frame || args.picture.ct_windows)
    out["dicom"] = {{"window", args.picture.window}, {"frame", args.picture.frame}, {"ct_windows", args.picture.ct_windows}};
  return out;
}

/// A folder for a run that nobody wants to keep.
class scratch_folder {
 public:
  scratch_folder() {
    auto pattern = (fs::temp_directory_path() / "medmo-evaluate-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) MEDMO_THROW(medmo::errc::file_access, pattern, "a scratch folder", "none");
    path_ = pattern;
  }
  scratch_folder(scratch_folder const&) = delete;
  ~scratch_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

void answer_all(evaluate_arguments const& args, evaluate::run const& run, std::string const& out) {
  progress line(args.benchmark);
  auto const show = [&](std::size_t before, std::size_t done, std::size_t all) {
    line.update(static_cast<double>(done - before), static_cast<double>(all - before), 1, "answers");
  };
  auto const at_once = static_cast<std::size_t>(args.batch) * 16;  // a free slot finds the next question waiting
  if (args.baseline) {
    std::vector<evaluate::request> all;
    for (std::size_t n = 0; n < run.items().size(); ++n) all.push_back(run.request_of(n));
    return run.answer(out, evaluate::constant_answers(all), at_once, show);
  }
  with_configuration(args.model, [&]<class C>(std::type_identity<C>) {
    auto const model = medmo::load<C>(args.model);
    evaluate::answer_settings settings{.ask = ask_options_of(args), .slots = args.batch};
    settings.read_picture = [&](std::string const& path) { return read_picture(path, args.picture); };
    run.answer(out, evaluate::model_answerer<C>(model, settings), at_once, show);
  });
}

void report(evaluate_arguments const& args, evaluate::run const& run, std::string const& out) {
  auto const replies = run.replies(out);
  auto const results = run.results(replies);
  auto const json = evaluate::to_json(results).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (!args.out.empty()) {
    if (run.shards() > 1) run.join(out, replies);
    medmo::io::write_file((fs::path(out) / "results.md").string(), evaluate::to_markdown(results));
    medmo::io::write_file((fs::path(out) / "results.json").string(), json);
    if (args.page > 0)
      evaluate::write_page((fs::path(out) / "page").string(), run, results, replies, args.rules,
                           {.most = static_cast<std::size_t>(args.page),
                            .read_picture = [&](std::string const& path) { return read_picture(path, args.picture); }});
  }
  if (args.json) std::fputs(json.c_str(), stdout);
  else std::fputs(evaluate::to_text(results).c_str(), stdout);
  constexpr std::size_t named = 20;
  auto name_some = [&](char const* what, std::vector<std::string> const& lines) {
    for (std::size_t n = 0; n < std::min(named, lines.size()); ++n) std::fprintf(stderr, "%s: %s\n", what, lines[n].c_str());
    if (lines.size() > named) std::fprintf(stderr, "%s: %zu more, all in results.json\n", what, lines.size() - named);
  };
  name_some("malformed row", results.malformed);
  name_some("no answer", results.failures);
}

void evaluate_benchmark(evaluate_arguments const& args) {
  if (args.list) return list_benchmarks(args.json);
  if (!args.averages.empty()) return show_averages(args.averages, args.json);
  auto need = [](bool good, char const* what, char const* expected) {
    if (!good) MEDMO_THROW(medmo::errc::bad_argument, what, expected, "none");
  };
  need(!args.benchmark.empty(), "--benchmark", "a benchmark; --list names them");
  need(!args.data.empty(), "--data", "a folder or file of data");
  need(args.merge || args.baseline || !args.model.empty(), "--model", "a model's folder, or --baseline");

  auto const& benchmark = evaluate::find_benchmark(args.benchmark);
  evaluate::run_options options{.limit = args.limit, .seed = args.seed, .scoring = args.scoring, .rules = args.rules, .question = args.prompt};
  options.shard = args.shard.empty() ? evaluate::shard_of_environment() : evaluate::parse_shard(args.shard);
  need(options.shard.count == 1 || !args.out.empty(), "--out", "a folder that all shards share");
  if (args.reasoning) options.style = evaluate::answer_style::reasoning;
  options.bootstrap = {.resamples = args.resamples, .seed = args.seed.value_or(0)};
  options.model = identity_of(args);
  evaluate::run const run(benchmark, evaluate::read_data_set(args.data, benchmark.format(), args.split), options);

  std::optional<scratch_folder> scratch;
  if (args.out.empty()) scratch.emplace();
  auto const out = scratch ? scratch->path() : args.out;
  if (!args.merge) {
    if (args.restart) run.forget(out);
    answer_all(args, run, out);
  }
  if (!args.merge && !run.complete(out)) {
    std::fprintf(stderr, "shard %lld of %lld is answered; the last one to end gives the results\n",
                 static_cast<long long>(options.shard.number + 1), static_cast<long long>(options.shard.count));
    return;
  }
  report(args, run, out);
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto args = std::make_shared<evaluate_arguments>();
  auto* sub = app.add_subcommand("evaluate", "Ask and score a benchmark");
  sub->add_flag("--list", args->list, "The benchmarks there are");
  auto* model = sub->add_option("--model", args->model, "Hugging Face folder of the model");
  sub->add_flag("--baseline", args->baseline, "No model: the most frequent answer, the mean box of each label")->excludes(model);
  sub->add_option("--benchmark", args->benchmark, "Its name");
  sub->add_option("--data", args->data, "The data set's folder, one above it, or a file of it");
  sub->add_option("--split", args->split, "test, val, train; default: the benchmark's own");
  sub->add_option("--limit", args->limit, "Most items")->check(CLI::PositiveNumber);
  sub->add_option("--seed", args->seed, "With --limit: a random choice of items; also of the intervals");
  sub->add_option("--batch", args->batch, "Questions answered at once; changes time and memory, never an answer")->check(CLI::Range(1, 1024))->capture_default_str();
  sub->add_option("--out", args->out, "Folder of answers.jsonl, results.json, results.md; a stopped run goes on from it. Default: nothing is kept");
  sub->add_flag("--restart", args->restart, "Forget the answers that are in --out");
  sub->add_option("--shard", args->shard, "NUMBER/COUNT: every COUNT-th item. Default: MPI's rank, or all")->type_name("N/COUNT");
  sub->add_flag("--merge", args->merge, "Results of shards answered before, given with the same options")->needs("--out");
  std::map<std::string, evaluate::scoring> const ways{{"generation", evaluate::scoring::generation}, {"likelihood", evaluate::scoring::likelihood}};
  sub->add_option("--scoring", args->scoring, "generation, or likelihood of the options' letters")->transform(CLI::CheckedTransformer(ways))->default_str("generation");
  std::map<std::string, medmo::metrics::answer_rules> const rules{{"medmo", medmo::metrics::answer_rules::medmo}, {"medevalkit", medmo::metrics::answer_rules::medevalkit}};
  sub->add_option("--rules", args->rules, "medmo, or medevalkit with its defects")->transform(CLI::CheckedTransformer(rules))->default_str("medmo");
  sub->add_flag("--reasoning", args->reasoning, "Ask for the answer in \\boxed{}");
  sub->add_option("--prompt", args->prompt, "Of questions for boxes, in place of the benchmark's");
  sub->add_option("--system", args->system, "A system text before each question");
  sub->add_option("--max-new-tokens", args->max_new_tokens, "Longest answer")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--min-pixels", args->min_pixels, "Least area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  sub->add_option("--max-pixels", args->max_pixels, "Greatest area of a resized picture; 0: the model's")->check(CLI::NonNegativeNumber);
  auto* only = sub->add_flag("--boxes-only", args->boxes_only, "Answers are labels and valid boxes, and nothing else");
  sub->add_flag("--constrain-boxes", args->constrain_boxes, "Free text, in which every box is valid")->excludes(only);
  sub->add_option("--box-labels", args->box_labels, "With --boxes-only: the labels there are, a,b,c")->delimiter(',')->needs(only);
  sub->add_option("--max-boxes", args->max_boxes, "Most boxes of a constrained answer")->check(CLI::Range(0, 1000))->capture_default_str();
  sub->add_option("--page", args->page, "Write page/index.html with the first N items")->check(CLI::NonNegativeNumber)->needs("--out");
  sub->add_option("--resamples", args->resamples, "Of the bootstrap intervals")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--averages", args->averages, "The paper's averages over the results in these folders");
  add_picture_options(*sub, args->picture);
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->add_flag("--json", args->json, "results.json on stdout");
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    evaluate_benchmark(*args);
  });
}

}  // namespace command
