// Teaches a model fifty facts with a low-rank adapter, from a base that stays as it is: the loss on the way, and
// how many answers are right before and after. Takes some seconds on two cores.
//   05_lora [MODEL_FOLDER]    default: random weights of medmo_nano, made on the spot,
//                             wide ones: a frozen table of narrow ones cannot say anything with certainty
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "medmo/generate/session.hpp"
#include "medmo/load.hpp"
#include "medmo/random_checkpoint.hpp"
#include "medmo/text/tokenizer_file.hpp"
#include "medmo/train/sft.hpp"
#include "medmo/write_config.hpp"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  namespace train = medmo::train;
  using C = medmo::medmo_nano;
  std::string const scratch = (fs::temp_directory_path() / "medmo-lora").string();
  std::string model = argc > 1 ? argv[1] : scratch + "/model";
  fs::create_directories(scratch + "/model");
  if (argc == 1) {
    medmo::write_random_checkpoint<C>(model, {.seed = 1, .deviation = 0.08f});
    fs::copy_file(MEDMO_EXAMPLE_DATA "/medmo-nano/tokenizer.json", model + "/tokenizer.json", fs::copy_options::overwrite_existing);
    medmo::write_config<C>(model, medmo::dtype::bf16);
  }
  std::string const bones[] = {"femur", "tibia", "ulna", "radius", "rib"};
  {
    std::ofstream rows(scratch + "/rows.jsonl");
    for (int i = 0; i < 50; ++i)
      rows << R"({"conversations": [{"from": "human", "value": "Patient )" << i << R"(: which bone is broken?"}, {"from": "gpt", "value": "The )"
           << bones[i * 7 % 5] << R"(."}]})" << "\n";
  }
  auto const base = medmo::load<C>(model);
  train::stage_recipe stage;
  stage.data = {{scratch + "/rows.jsonl"}};
  stage.parts = {false, false, false, false, false};  // the adapter alone
  stage.lora = {.rank = 16, .within = "language_model"};
  stage.learning_rate.fill(3e-3);
  stage.batch = 10;
  stage.epochs = 16;
  train::dataset const data(stage.data);
  train::sample_source const source(data, base.tokenizer, base.pictures, stage, 0);
  auto const total = stage.total_steps(source.order().batches_per_epoch());
  train::trainer<C> trainer(base.model, train::options_of(stage, total));
  medmo::pretrained<C> const now{medmo::model<C>::over(trainer.current().weights()), base.tokenizer, base.pictures, base.sampling, base.end_ids};

  auto ask = [&](int patient) {
    medmo::session chat{now};
    return chat.ask({}, "Patient " + std::to_string(patient) + ": which bone is broken?", {.max_new_tokens = 8}).text;
  };
  auto right = [&] {
    int n = 0;
    for (int i = 0; i < 50; ++i) n += ask(i) == "The " + bones[i * 7 % 5] + ".";
    return n;
  };
  std::fprintf(stderr, "patient 8 before: %s\n", ask(8).c_str());
  std::printf("right before: %d of 50\n", right());
  train::run_sft(trainer, source, stage, {}, total, [](train::sft_step const& s) {
    if (s.batch == 1 || s.batch % 20 == 0) std::printf("step %3d  loss %.1f\n", static_cast<int>(s.batch), s.report.loss);
    return false;
  });
  std::printf("right after: %d of 50; patient 8: %s\n", right(), ask(8).c_str());
}
