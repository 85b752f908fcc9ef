// What the subcommands of the program share: the configurations compiled in, how one is chosen, and how a person is told.
#pragma once

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <type_traits>

#include "medmo/check_config.hpp"
#include "medmo/io/gguf_config.hpp"
#include "medmo/io/model_config.hpp"
#include "medmo/model/config.hpp"
#include "medmo/open_gguf.hpp"

namespace command {

/// Each adds its subcommand; the callback runs it.
void add_ask(CLI::App& app);
void add_trace(CLI::App& app);
void add_chat(CLI::App& app);
void add_score(CLI::App& app);
void add_embed(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_grpo(CLI::App& app);
void add_init(CLI::App& app);
void add_inspect(CLI::App& app);
void add_quantize(CLI::App& app);
void add_train(CLI::App& app);

template <class... C>
struct configuration_list {};
using configurations = configuration_list<medmo::medmo_4b, medmo::medmo_8b, medmo::medmo_nano>;

namespace detail {
template <class F, class... C>
void for_matching(configuration_list<C...>, std::string const& path, medmo::io::model_config_file const& file, F& f) {
  std::string names;
  bool found = false;
  auto attempt = [&]<class One>(std::type_identity<One> type) {
    names += (names.empty() ? "" : ", ") + std::string(medmo::configuration_name<One>);
    if (!found && medmo::matches_config<One>(file)) {
      found = true;
      f(type);
    }
  };
  (attempt(std::type_identity<C>{}), ...);
  if (!found) MEDMO_THROW(medmo::errc::bad_config, path, "one of the configurations compiled in (" + names + ")", "another one");
}
}  // namespace detail

/// f(std::type_identity<C>) for the configuration that a folder's config.json states, or a GGUF with the tower beside it.
template <class F>
void with_configuration(std::string const& folder, F&& f) {
  if (folder.ends_with(".gguf")) {
    auto files = medmo::open_gguf(folder, medmo::vision_gguf_beside(folder));
    return detail::for_matching(configurations{}, folder, medmo::io::read_gguf_config(files), f);
  }
  std::string path = folder + "/config.json";
  detail::for_matching(configurations{}, path, medmo::io::read_model_config(path), f);
}

/// f(std::type_identity<C>) for a configuration by name.
template <class F>
void with_named(std::string const& name, F&& f) {
  auto each = [&]<class... C>(configuration_list<C...>) {
    std::string names;
    bool found = false;
    ((names += (names.empty() ? "" : ", ") + std::string(medmo::configuration_name<C>),
      medmo::configuration_name<C> == name ? (found = true, f(std::type_identity<C>{})) : void()), ...);
    if (!found) MEDMO_THROW(medmo::errc::bad_argument, "--config", "one of " + names, "\"" + name + "\"");
  };
  each(configurations{});
}

/// One line on stderr that is rewritten, only where a person looks on: what, how far, how fast, how long still.
class progress {
 public:
  explicit progress(std::string what) : what_(std::move(what)), start_(clock::now()), shown_(isatty(2) != 0) {}
  ~progress() {
    if (drawn_) std::fputs("\r\033[K", stderr);
  }
  void update(double done, double total, double unit_scale, char const* unit) {
    auto now = clock::now();
    double seconds = std::chrono::duration<double>(now - start_).count();
    if (!shown_ || seconds < 1 || std::chrono::duration<double>(now - last_).count() < 0.1) return;
    last_ = now;
    drawn_ = true;
    double rate = done / seconds;
    std::fprintf(stderr, "\r\033[K%s  %3.0f %%  %.1f %s/s  %.0f s left", what_.c_str(), 100 * done / total,
                 rate * unit_scale, unit, rate > 0 ? (total - done) / rate : 0.0);
  }

 private:
  using clock = std::chrono::steady_clock;
  std::string what_;
  clock::time_point start_, last_{};
  bool shown_, drawn_ = false;
};

/// The most memory this process ever held, in bytes; 0 where the system does not say.
inline long long peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  return 0;
}

}  // namespace command
