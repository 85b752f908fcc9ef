// medmo inspect: what a folder holds, and what asking it will need.
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/core/random.hpp"
#include "medmo/io/checkpoint.hpp"
#include "medmo/model/model.hpp"
#include "medmo/model/plan.hpp"
#include "medmo/vision/preprocess.hpp"

namespace command {
namespace {

using medmo::index;

struct inspect_arguments {
  std::string model;
  index width = 768, height = 768, prompt_tokens = 64, max_new_tokens = 512;
  bool tensors = false, hashes = false, json = false;
  int threads = 0;
};

/// 64 bits over type, shape and bytes: tells whether two tensors are equal; no defence against forgery.
std::uint64_t content_hash(medmo::tensor_ref const& t) {
  std::uint64_t h = medmo::stream_of(std::string(medmo::name_of(t.type)) + medmo::shape_text(t.shape));
  constexpr std::size_t piece = std::size_t{1} << 22;
  std::size_t pieces = (t.bytes.size() + piece - 1) / piece;
  std::vector<std::uint64_t> parts(pieces);
  medmo::parallel_for(static_cast<index>(pieces), [&](index i) {
    auto part = t.bytes.subspan(static_cast<std::size_t>(i) * piece);
    part = part.first(std::min(piece, part.size()));
    std::uint64_t p = part.size();
    for (std::size_t at = 0; at < part.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, part.data() + at, std::min<std::size_t>(8, part.size() - at));
      p = (p ^ word) * 0x9e3779b97f4a7c15ull;
      p ^= p >> 32;
    }
    parts[static_cast<std::size_t>(i)] = p;
  });
  for (auto p : parts) h = medmo::mix64(h ^ p);
  return h;
}

template <class C, class Source>
void inspect(inspect_arguments const& args, std::shared_ptr<Source const> source) {
  auto model = medmo::model<C>::load(source, args.model);  // refuses what is missing, unknown or mis-shaped
  std::map<std::string, std::pair<std::size_t, std::size_t>> by_type;
  std::size_t parameters = 0;
  nlohmann::ordered_json tensors = nlohmann::json::array();
  for (auto const& name : source->names()) {
    auto t = *source->find(name);
    auto& [count, bytes] = by_type[std::string(medmo::name_of(t.type))];
    ++count;
    bytes += t.bytes.size();
    parameters += t.bytes.size() / medmo::block_of(t.type).bytes * medmo::block_of(t.type).numbers;
    if (!args.tensors && !args.hashes) continue;
    nlohmann::ordered_json row{{"name", name}, {"dtype", medmo::name_of(t.type)}, {"shape", t.shape}};
    if (args.hashes) {
      char text[17];
      std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(content_hash(t)));
      row["hash"] = text;
    }
    tensors.push_back(row);
  }
  std::vector<medmo::patch_grid> grids;
  index picture_tokens = 0;
  if constexpr (medmo::vision_language_configuration<C>) {
    auto plan = medmo::vision::plan_image(args.width, args.height, medmo::vision::options_for(C::vision));
    grids.push_back(plan.grid);
    picture_tokens = plan.tokens;
  }
  index prompt = args.prompt_tokens + picture_tokens;
  auto plan = medmo::plan_request<C>({.pictures = grids, .tokens = prompt + args.max_new_tokens, .prompt_tokens = prompt,
                                      .weights = model.stored(), .threads = medmo::thread_count()});
  plan.weights = medmo::weight_bytes<C>(model.weights());
  nlohmann::ordered_json report{
      {"configuration", medmo::configuration_name<C>}, {"tensors", source->names().size()}, {"parameters", parameters}, {"compute", medmo::name_of(model.compute())}};
  for (auto const& [type, sizes] : by_type) report["stored"][type] = {{"tensors", sizes.first}, {"bytes", sizes.second}};
  report["plan"] = {{"image", {args.width, args.height}}, {"image_tokens", picture_tokens}, {"prompt_tokens", prompt},
                    {"max_new_tokens", args.max_new_tokens}, {"weights_bytes", plan.weights}, {"cache_bytes", plan.cache},
                    {"arena_bytes", plan.arena}, {"pictures_bytes", plan.pictures}, {"total_bytes", plan.total()},
                    {"vision_flops", plan.vision_flops}, {"prefill_flops", plan.prefill_flops}};
  if (!tensors.empty()) report["tensor_list"] = tensors;
  if (args.json) {
    std::puts(report.dump(2).c_str());
    return;
  }
  std::printf("%s: %zu tensors, %.3f billion parameters, computed in %s\n", std::string(medmo::configuration_name<C>).c_str(), source->names().size(),
              static_cast<double>(parameters) / 1e9, std::string(medmo::name_of(model.compute())).c_str());
  auto mb = [](std::size_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::printf("one %lld x %lld picture (%lld tokens), %lld tokens of prompt, up to %lld of answer:\n",
              static_cast<long long>(args.width), static_cast<long long>(args.height), static_cast<long long>(picture_tokens),
              static_cast<long long>(prompt), static_cast<long long>(args.max_new_tokens));
  std::printf("  weights %10.1f MB\n  cache   %10.1f MB\n  arena   %10.1f MB\n  picture %10.1f MB\n  total   %10.1f MB\n",
              mb(plan.weights), mb(plan.cache), mb(plan.arena), mb(plan.pictures), mb(plan.total()));
  std::printf("  vision %.2f TFLOP, prefill %.2f TFLOP\n", plan.vision_flops / 1e12, plan.prefill_flops / 1e12);
  for (auto const& t : tensors)
    std::printf("  %-72s %-5s %-20s %s\n", t["name"].get<std::string>().c_str(), t["dtype"].get<std::string>().c_str(),
                t["shape"].dump().c_str(), t.contains("hash") ? t["hash"].get<std::string>().c_str() : "");
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto args = std::make_shared<inspect_arguments>();
  auto* sub = app.add_subcommand("inspect", "Configuration, tensors, memory plan and hashes of a model folder");
  sub->add_option("--model", args->model, "Hugging Face folder or GGUF of the model")->required();
  sub->add_option("--width", args->width, "Picture of the plan")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--height", args->height, "Picture of the plan")->check(CLI::PositiveNumber)->capture_default_str();
  sub->add_option("--prompt-tokens", args->prompt_tokens, "Words of the plan")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--max-new-tokens", args->max_new_tokens, "Answer of the plan")->check(CLI::NonNegativeNumber)->capture_default_str();
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->add_flag("--tensors", args->tensors, "List every tensor");
  sub->add_flag("--hashes", args->hashes, "List every tensor with a hash of its content (reads the whole model)");
  sub->add_flag("--json", args->json, "One JSON object on stdout");
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) {
      if (args->model.ends_with(".gguf"))
        inspect<C>(*args, std::make_shared<medmo::io::gguf_checkpoint const>(medmo::open_gguf(args->model, medmo::vision_gguf_beside(args->model))));
      else
        inspect<C>(*args, std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(args->model)));
    });
  });
}

}  // namespace command
