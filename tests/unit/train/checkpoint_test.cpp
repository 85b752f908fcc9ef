// States on disk: what is written comes back, a torn or changed one is passed over and told, old ones go. Ends of the process
// at random moments: in a child that pretends to train; MEDMO_KILLS says
// how many (./dev test --full: 200).
#include "medmo/train/checkpoint.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "unit/named_case.hpp"

namespace {
using medmo::index;
namespace train = medmo::train;
namespace fs = std::filesystem;

struct folder {
  std::string path;
  folder() {
    static int n = 0;
    path = (fs::temp_directory_path() / ("medmo-states-" + std::to_string(::getpid()) + "-" + std::to_string(n++))).string();
    fs::remove_all(path);
  }
  ~folder() { fs::remove_all(path); }
};

/// Two tensors that a pretended optimiser moves.
struct pretended_run {
  std::vector<float> memory = std::vector<float>(3 * 1000, 0.0f);
  std::vector<train::parameter> all;
  train::run_state state;
  pretended_run() {
    auto add = [&](char const* name, index rows, index cols, float* at) {
      train::parameter p;
      p.name = name, p.rows = rows, p.cols = cols, p.size = rows * cols;
      p.value = at, p.first = at + 1000, p.second = at + 2000;
      all.push_back(p);
    };
    add("a.weight", 30, 20, memory.data());
    add("b.bias", 1, 400, memory.data() + 600);
  }
  void step() {
    medmo::random_stream const random(7, static_cast<std::uint64_t>(state.steps));
    for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = 0.9f * memory[i] + static_cast<float>(random.uniform(i));
    ++state.steps;
    state.next = {state.steps / 5, state.steps % 5};
  }
  void save(train::checkpoint_folder const& to) const {
    to.save(state, all, [&](std::string const& at) {
      fs::create_directory(at + "/model");
      medmo::io::write_file(at + "/model/config.json", "{}");
    });
  }
};

void spoil(std::string const& path, std::size_t at) {
  std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(static_cast<std::streamoff>(at));
  char const c = static_cast<char>(f.get());
  f.seekp(static_cast<std::streamoff>(at));
  f.put(static_cast<char>(c ^ 1));
}

TEST_CASE("a state comes back whole; the newest two stay") {
  folder const out;
  train::checkpoint_folder const states(out.path);
  CHECK(states.newest().folder.empty());
  pretended_run run;
  for (int i = 0; i < 5; ++i) {
    run.step();
    run.state.more["sampled"] = i;
    run.save(states);
  }
  run.save(states);
  CHECK(states.list() == std::vector<index>{5, 4});
  auto const found = states.newest();
  CHECK(found.folder == out.path + "/step-00000005");
  CHECK(found.skipped.empty());
  CHECK(fs::exists(found.folder + "/model/config.json"));
  pretended_run again;
  again.state = train::restore(found.folder, again.all);
  CHECK(again.memory == run.memory);
  CHECK(again.state.steps == 5);
  CHECK(again.state.next == run.state.next);
  CHECK(again.state.more["sampled"] == 4);
}

TEST_CASE("torn and changed states are passed over, with the reason") {
  std::vector<std::pair<char const*, std::function<void(std::string const&)>>> const cases = {
      {"a bit of the tensors", [](auto const& p) { spoil(p + "/training.safetensors", 3000); }},
      {"a bit of the state", [](auto const& p) { spoil(p + "/state.json", 10); }},
      {"a bit of the model", [](auto const& p) { spoil(p + "/model/config.json", 0); }},
      {"a bit of the manifest", [](auto const& p) { spoil(p + "/manifest.json", 40); }},
      {"no manifest", [](auto const& p) { fs::remove(p + "/manifest.json"); }},
      {"an empty manifest", [](auto const& p) { medmo::io::write_file(p + "/manifest.json", "{}"); }},
      {"a manifest that is a list", [](auto const& p) { medmo::io::write_file(p + "/manifest.json", "[]"); }},
      {"tensors cut short", [](auto const& p) { fs::resize_file(p + "/training.safetensors", 100); }},
      {"a file too few", [](auto const& p) { fs::remove(p + "/model/config.json"); }},
      {"a file too many", [](auto const& p) { medmo::io::write_file(p + "/more.txt", ""); }},
      {"an empty folder", [](auto const& p) { fs::remove_all(p), fs::create_directory(p); }},
      {"a file in its place", [](auto const& p) { fs::remove_all(p), medmo::io::write_file(p, "?"); }},
  };
  for (auto const& [name, damage] : cases) {
    named_case(name);
    INFO(name);
    folder const out;
    train::checkpoint_folder const states(out.path);
    pretended_run run;
    for (int i = 0; i < 2; ++i) run.step(), run.save(states);
    damage(out.path + "/step-00000002");
    auto const found = states.newest();
    CHECK(found.folder == out.path + "/step-00000001");
    CHECK(found.skipped.size() == 1);
    run.save(states);  // the same step again, over the bad one
    CHECK(states.newest().folder == out.path + "/step-00000002");
  }
}

TEST_CASE("a state of another model is refused and changes nothing") {
  folder const out;
  train::checkpoint_folder const states(out.path);
  pretended_run run;
  run.step();
  run.save(states);
  auto const at = states.newest().folder;
  pretended_run other;
  auto const before = other.memory;
  other.all[1].name = "c.bias";
  CHECK_THROWS_AS(train::restore(at, other.all), medmo::error);
  other.all[1].name = "b.bias", other.all[1].cols = 200;
  CHECK_THROWS_AS(train::restore(at, other.all), medmo::error);
  other.all.pop_back();
  CHECK_THROWS_AS(train::restore(at, other.all), medmo::error);
  CHECK(other.memory == before);
}

/// Trains and saves until step `last`, from the newest good state on.
void go_on(std::string const& out, index last) {
  train::checkpoint_folder const states(out);
  pretended_run run;
  if (auto const found = states.newest(); !found.folder.empty()) run.state = train::restore(found.folder, run.all);
  while (run.state.steps < last) {
    run.step();
    run.save(states);
  }
}

TEST_CASE("killed at random moments, a run goes on to the same bytes") {
  char const* more = std::getenv("MEDMO_KILLS");
  int const kills = more ? std::atoi(more) : 12;
  pretended_run undisturbed;
  folder const out;
  index last = 0, seen = 0;
  medmo::random_stream const random(11, 0);
  for (int k = 0; k < kills; ++k) {
    pid_t const child = ::fork();
    if (child == 0) {
      try {
        go_on(out.path, 1'000'000);
      } catch (...) {
      }
      ::_exit(1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + random.bits(static_cast<std::uint64_t>(k)) % 60000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    auto const found = train::checkpoint_folder(out.path).newest();
    CHECK(found.skipped.empty());  // what has its name is whole
    auto const list = train::checkpoint_folder(out.path).list();
    last = list.empty() ? 0 : list.front();
    CHECK(last >= seen);
    CHECK((seen == 0 || !found.folder.empty()));
    seen = last;
  }
  last += 3;
  go_on(out.path, last);
  while (undisturbed.state.steps < last) undisturbed.step();
  pretended_run resumed;
  resumed.state = train::restore(train::checkpoint_folder(out.path).newest().folder, resumed.all);
  CHECK(resumed.state.steps == last);
  CHECK(resumed.memory == undisturbed.memory);
  index left = 0;
  for (auto const& entry : fs::directory_iterator(out.path)) left += entry.path().filename().string().starts_with(".part-");
  CHECK(left == 0);
}
}  // namespace
