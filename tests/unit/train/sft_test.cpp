// A whole stage on a tiny model: what is interrupted and restored goes on to the same bytes, bad rows are told and do not stop it,
// the loss falls, and the folder that is saved loads as the model that was trained.
#include "medmo/train/sft.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "medmo/io/checkpoint.hpp"
#include "medmo/io/png.hpp"
#include "medmo/save.hpp"
#include "medmo/train/checkpoint.hpp"
#include "unit/generate/byte_model.hpp"

namespace {
using medmo::index;
namespace train = medmo::train;
namespace fs = std::filesystem;
using C = tiny::seeing;

TEST_CASE("a stage that was interrupted ends in the bytes of one that was not") {
  std::string const folder = (fs::temp_directory_path() / ("medmo-sft-" + std::to_string(::getpid()))).string();
  fs::create_directories(folder);
  auto const picture = tiny::random_picture(48, 40, 3);
  medmo::io::write_png(folder + "/a.png", picture);
  {
    std::ofstream rows(folder + "/rows.jsonl");
    for (int i = 0; i < 7; ++i)
      rows << R"({"messages": [{"role": "user", "content": "Find )" << i << R"("}, {"role": "assistant", "content": "It is {boxes}"}], "images": [")"
           << (i == 3 ? "absent.png" : "a.png") << R"("], "unit": "pixel", "boxes": [{"box": [)" << i << R"(, 2, 30, 20], "label": "x"}]})" << "\n";
    rows << "{}\n";
  }
  auto const base = tiny::byte_model<C>();
  train::stage_recipe stage;
  stage.data = {{folder + "/rows.jsonl"}};
  stage.batch = 2;
  stage.learning_rate.fill(3e-3);
  stage.epochs = 3;
  stage.augment = {.crop = 0.5, .scale = 0.5, .intensity = 0.5};
  stage.pass_tokens = 600;
  train::dataset const data(stage.data);
  CHECK(data.bad_rows() == 1);
  train::sample_source const source(data, base.tokenizer, medmo::vision::options_for(C::vision, base.pictures), stage, 5);
  index const total = stage.total_steps(source.order().batches_per_epoch());
  CHECK(total == 12);
  auto bytes_of = [](train::trainer<C>& t) {
    std::vector<float> all(t.parameters().values().begin(), t.parameters().values().end());
    all.insert(all.end(), t.parameters().first_moments().begin(), t.parameters().first_moments().end());
    return all;
  };

  train::trainer<C> whole(base.model, train::options_of(stage, total));
  std::vector<double> losses;
  std::size_t faults = 0;
  train::run_sft(whole, source, stage, {}, total, [&](train::sft_step const& s) {
    losses.push_back(s.report.loss);
    faults += s.faults.size();
    CHECK(s.batch == static_cast<index>(losses.size()));
    return false;
  });
  CHECK(losses.size() == 12);
  CHECK(faults == 3);  // the row without its picture, once an epoch
  CHECK(losses.back() < losses.front());

  train::checkpoint_folder const states(folder + "/out");
  train::data_cursor from;
  for (int part = 0; part < 4; ++part) {  // five batches at a time, each by a trainer of its own
    train::trainer<C> piece(base.model, train::options_of(stage, total));
    if (part > 0) from = train::restore_trainer(states.newest().folder, piece).next;
    int taken = 0;
    train::run_sft(piece, source, stage, from, total, [&](train::sft_step const& s) {
      from = s.next;
      return ++taken == 5;
    });
    train::run_state const state{piece.steps(), piece.skipped(), from, {}};
    states.save(state, piece.parameters().all(), [&](std::string const& at) { medmo::save_model<C>(piece.current().weights(), at + "/model", ""); });
    if (part == 3) CHECK(bytes_of(piece) == bytes_of(whole));
  }
  auto const source_of = std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(states.newest().folder + "/model"));
  auto const loaded = medmo::model<C>::load(source_of, "saved");
  auto read = loaded.weights(), trained = whole.current().weights();
  std::vector<std::string> differ;
  medmo::for_each_tensor(read, [&](std::string const& name, auto& t) {
    medmo::for_each_tensor(trained, [&](std::string const& other, auto& u) {
      if (name != other) return;
      if constexpr (requires { t.stored; u.stored; }) {
        bool const same = t.stored.type == u.stored.type && t.rows == u.rows && t.cols == u.cols &&
                          std::equal(t.stored.bytes, t.stored.bytes + t.rows * t.stored.row_size(), u.stored.bytes);
        if (!same) differ.push_back(name);
      } else if constexpr (requires { t.data; u.data; }) {
        if (!std::equal(t.data, t.data + t.size, u.data)) differ.push_back(name);
      }
    });
  });
  CHECK(differ.empty());
  CHECK_THROWS_AS(medmo::save_model<C>(trained, folder, ""), medmo::error);
  fs::remove_all(folder);
}
}  // namespace
