// The engine that executes as `runner` does and keeps a copy of every named stage, for parity with the reference.
#pragma once

#include <map>
#include <string>

#include "runner.hpp"

namespace medmo::inline MEDMO_ABI {

/// Stages by name ("vision.block.3"). Stages of several runs (pictures, chunks) are appended row-wise.
using stage_map = std::map<std::string, matrix<float>>;

class tracer : public runner {
 public:
  tracer(arena& memory, std::span<segment const> segments, stage_map& stages)
      : runner(memory, segments), stages_(stages) {}

  template <index D>
  void stage(std::string_view name, rows<D> x) {
    keep_stage(std::string(name), x);
  }
  template <index D>
  void stage(std::string_view name, index layer, rows<D> x) {
    keep_stage(std::string(name) + "." + std::to_string(layer), x);
  }

 private:
  void keep_stage(std::string const& name, view<float> const& x) {
    auto& kept = stages_[name];
    index before = kept.rows();
    kept.conservativeResize(before + x.rows(), x.cols());
    kept.bottomRows(x.rows()) = x;
  }
  stage_map& stages_;
};
static_assert(engine<tracer>);

}  // namespace medmo::inline MEDMO_ABI
