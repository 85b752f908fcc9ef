// medmo trace: every named stage of the forward pass to a safetensors file.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "medmo/core/parallel.hpp"
#include "medmo/generate/trace.hpp"
#include "medmo/io/safetensors_writer.hpp"
#include "medmo/load.hpp"
#include "picture.hpp"

namespace command {
namespace {

using medmo::index;

struct trace_arguments {
  std::string model, prompt, out;
  std::vector<std::string> images;
  picture_arguments picture;
  int threads = 0;
};

template <class T>
medmo::io::named_tensor tensor(std::string name, medmo::dtype type, std::vector<index> shape, T const* data) {
  std::size_t count = 1;
  for (index d : shape) count *= static_cast<std::size_t>(d);
  return {std::move(name), {type, std::move(shape), std::as_bytes(std::span(data, count))}};
}

template <class C>
void trace(trace_arguments const& args) {
  auto pictures = read_pictures(args.images, args.picture);
  auto model = medmo::load<C>(args.model);
  auto traced = medmo::trace(model, pictures, args.prompt);
  auto n = static_cast<index>(traced.tokens.size());
  std::vector<index> positions, grids;
  for (auto axis : {&medmo::token_position::t, &medmo::token_position::h, &medmo::token_position::w})
    for (auto const& p : traced.positions) positions.push_back(p.*axis);
  for (auto const& g : traced.grids) grids.insert(grids.end(), {g.t, g.h, g.w});

  std::vector<medmo::io::named_tensor> tensors;
  tensors.push_back(tensor("tokens", medmo::dtype::i64, {n}, traced.tokens.data()));
  tensors.push_back(tensor("positions", medmo::dtype::i64, {3, n}, positions.data()));
  if (!grids.empty())
    tensors.push_back(tensor("image_grid_thw", medmo::dtype::i64, {static_cast<index>(traced.grids.size()), 3}, grids.data()));
  for (auto const& [name, rows] : traced.stages)
    tensors.push_back(tensor(name, medmo::dtype::f32, {rows.rows(), rows.cols()}, rows.data()));
  medmo::io::write_safetensors(args.out, tensors, {{"configuration", std::string(medmo::configuration_name<C>)}});
  std::printf("%zu tensors of %lld tokens in %s\n", tensors.size(), static_cast<long long>(n), args.out.c_str());
}

}  // namespace

void add_trace(CLI::App& app) {
  auto args = std::make_shared<trace_arguments>();
  auto* sub = app.add_subcommand("trace", "Write every named stage of the forward pass to a .safetensors");
  sub->add_option("--model", args->model, "Folder of the model, as published on Hugging Face")->required()->type_name("FOLDER");
  sub->add_option("--image", args->images, "PNG, JPEG or DICOM; once for each picture")->take_all()->type_name("FILE");
  add_picture_options(*sub, args->picture);
  sub->add_option("--prompt", args->prompt, "The question")->required();
  sub->add_option("--out", args->out, "The file to write")->required();
  sub->add_option("--threads", args->threads, "0: all processors")->check(CLI::Range(0, 1024));
  sub->callback([args] {
    medmo::set_thread_count(args->threads);
    with_configuration(args->model, [&]<class C>(std::type_identity<C>) { trace<C>(*args); });
  });
}

}  // namespace command
