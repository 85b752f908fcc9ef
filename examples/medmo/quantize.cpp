// medmo quantize: a model folder as GGUF files, in types of fewer bits.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/load.hpp"
#include "medmo/write_gguf.hpp"

namespace command {
namespace {

struct quantize_arguments {
  std::string model, type = "q4_k_m", out;
  int threads = 0;
};

template <class C>
void quantize(quantize_arguments const& args) {
  namespace fs = std::filesystem;
  if (!args.out.ends_with(".gguf")) MEDMO_THROW(medmo::errc::bad_argument, "--out", "a name that ends in .gguf", "\"" + args.out + "\"");
  std::string vision;
  if constexpr (medmo::vision_language_configuration<C>)
    vision = (fs::path(args.out).parent_path() / ("mmproj-" + fs::path(args.out).filename().string())).string();
  for (auto const& path : {args.out, vision})
    if (!path.empty() && fs::exists(path)) MEDMO_THROW(medmo::errc::file_access, path, "no file there yet", "one");
  auto const model = medmo::load<C>(args.model);
  progress line("writing " + args.out);
  medmo::write_gguf(model, args.out, vision, {.mix = *medmo::io::gguf_mix_from_name(args.type), .on_progress = [&](std::uint64_t done, std::uint64_t total) {
                                                line.update(static_cast<double>(done), static_cast<double>(total), 1e-6, "M numbers");
                                              }});
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto args = std::make_shared<quantize_arguments>();
  auto* sub = app.add_subcommand("quantize", "A model as GGUF files of fewer bits: OUT.gguf and, of the vision tower, mmproj-OUT.gguf beside it");
  std::vector<std::string> types;
  for (auto const& m : medmo::io::gguf_mixes) types.emplace_back(m.name);
  sub->add_option("--model", args->model, "Hugging Face folder or GGUF of the model")->required();
  sub->add_option("--type", args->type, "What to store matrices as")->check(CLI::IsMember(types))->capture_default_str();
  sub->add_option("--out", args->out, "The file to write; must not exist")->required();
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) { quantize<C>(*args); });
  });
}

}  // namespace command
