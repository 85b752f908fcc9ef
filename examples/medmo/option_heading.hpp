// Headings in the help of a subcommand.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace command {

/// While it lives, options added to `app` stand under this heading of its help.
class option_heading {
 public:
  option_heading(CLI::App& app, std::string const& name) : app_(app) { app_.option_defaults()->group(name); }
  option_heading(option_heading const&) = delete;
  ~option_heading() { app_.option_defaults()->group("Options"); }

 private:
  CLI::App& app_;
};

}  // namespace command
