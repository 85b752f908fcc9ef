// States of a run on disk, from which it goes on bit for bit. OUT/step-00000120/ holds
//   state.json             steps, skipped steps, the place in the data, and what the caller adds
//   training.safetensors   value.NAME, first.NAME, second.NAME [rows, cols] f32 of each trained tensor
//   model/ or adapter/     written by the caller: what other programs load
//   manifest.json          {"files": {PATH: {"bytes", "blake2s"}}} of all of these, written last
// A folder appears whole (io/atomic_folder.hpp). Of several the newest whose manifest is true is taken; the others are told.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/blake2s.hpp"
#include "../io/atomic_file.hpp"
#include "../io/atomic_folder.hpp"
#include "../io/json.hpp"
#include "../io/mapped_file.hpp"
#include "../io/safetensors_writer.hpp"
#include "data_order.hpp"
#include "parameters.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// All of a run that is not a tensor. Random numbers are functions of seed and step: they have no other state.
struct run_state {
  index steps = 0, skipped = 0;
  data_cursor next{};             ///< batch that the next step takes
  io::json more = io::json::object();  ///< the caller's: the recipe's hash, completions sampled so far ...
};

namespace detail {
/// Bytes and hash of every file below `folder` but the manifest itself.
inline io::json manifest_of(std::string const& folder) {
  namespace fs = std::filesystem;
  io::json files = io::json::object();
  std::error_code fault;
  for (fs::recursive_directory_iterator it(folder, fault), end; !fault && it != end; it.increment(fault)) {
    if (it->is_directory(fault)) continue;
    auto const name = it->path().lexically_relative(folder).generic_string();
    if (name == "manifest.json") continue;
    auto const file = io::mapped_file::open(it->path().string());
    files[name] = {{"bytes", file.bytes().size()}, {"blake2s", hex(blake2s().add(file.bytes()).finish())}};
  }
  if (fault) MEDMO_THROW(errc::file_access, folder, "a folder that can be listed", fault.message());
  return io::json{{"files", files}};
}
}  // namespace detail

/// Is every file of the folder the one that was written, with none missing and none more? The reason why not, or nothing.
inline std::string fault_of_checkpoint(std::string const& folder) {
  try {
    auto const written = io::read_json(folder + "/manifest.json");
    auto const found = detail::manifest_of(folder);
    if (written == found) return {};
    if (!written.is_object() || !written.contains("files") || !written["files"].is_object()) return folder + "/manifest.json: expected a list of files";
    for (auto const& [name, entry] : written["files"].items())
      if (!found["files"].contains(name)) return folder + ": expected file " + io::excerpt(name) + ", found none";
      else if (found["files"][name] != entry) return folder + ": expected " + io::excerpt(name) + " as it was written, found other bytes";
    return folder + ": expected the files of its manifest, found more";
  } catch (error const& e) {
    return e.what();
  }
}

class checkpoint_folder {
 public:
  /// OUT need not be there yet; `keep` states stay when another is written.
  explicit checkpoint_folder(std::string out, std::size_t keep = 2) : out_(std::move(out)), keep_(std::max<std::size_t>(1, keep)) {}

  /// Writes the state of step `state.steps`; write_model(folder) adds a subfolder of its own. Then older ones are taken away.
  /// Does nothing if that step is there already and good. Errors: file_access and those of write_model; the states that were
  /// there are then there still.
  void save(run_state const& state, std::span<parameter const> all, std::function<void(std::string const&)> const& write_model) const {
    auto const name = name_of(state.steps);
    if (std::filesystem::exists(out_ + "/" + name)) {
      if (fault_of_checkpoint(out_ + "/" + name).empty()) return;
      io::atomic_folder::discard(out_, name);
    }
    io::atomic_folder folder(out_, name);
    if (write_model) write_model(folder.path());
    write_tensors(folder.path() + "/training.safetensors", all);
    io::ordered_json const document = {{"steps", state.steps}, {"skipped", state.skipped}, {"epoch", state.next.epoch},
                                       {"batch", state.next.batch}, {"more", state.more}};
    io::write_file(folder.path() + "/state.json", document.dump(2) + "\n");
    io::write_file(folder.path() + "/manifest.json", detail::manifest_of(folder.path()).dump(2) + "\n");
    folder.commit();
    auto const states = list();
    for (std::size_t i = keep_; i < states.size(); ++i) io::atomic_folder::discard(out_, name_of(states[i]));
  }

  struct found {
    std::string folder;
    std::vector<std::string> skipped;  ///< one sentence for each newer state that is torn or changed
  };
  /// The newest good state; an empty folder name where there is none.
  found newest() const {
    found f;
    for (index step : list()) {
      auto const folder = out_ + "/" + name_of(step);
      auto fault = fault_of_checkpoint(folder);
      if (fault.empty()) {
        f.folder = folder;
        break;
      }
      f.skipped.push_back(std::move(fault));
    }
    return f;
  }

  /// The steps of all states, the newest first, good or not.
  std::vector<index> list() const {
    std::vector<index> steps;
    std::error_code fault;
    for (std::filesystem::directory_iterator it(out_, fault), end; !fault && it != end; it.increment(fault)) {
      auto const name = it->path().filename().string();
      if (name.size() != 13 || !name.starts_with("step-") || name.find_first_not_of("0123456789", 5) != name.npos) continue;
      steps.push_back(static_cast<index>(std::stol(name.substr(5))));
    }
    std::sort(steps.rbegin(), steps.rend());
    return steps;
  }
  std::string const& out() const { return out_; }

 private:
  static std::string name_of(index step) {
    if (step < 0 || step > 99'999'999) MEDMO_THROW(errc::bad_argument, "checkpoint", "a step of at most 8 digits", std::to_string(step));
    char text[24];
    std::snprintf(text, sizeof text, "step-%08lld", static_cast<long long>(step));
    return text;
  }
  static void write_tensors(std::string const& path, std::span<parameter const> all) {
    std::vector<io::named_tensor> tensors;
    for (auto const& p : all)
      for (auto [kind, data] : {std::pair{"value.", p.value}, {"first.", p.first}, {"second.", p.second}})
        tensors.push_back({kind + p.name, {dtype::f32, {p.rows, p.cols}, std::as_bytes(std::span(data, static_cast<std::size_t>(p.size)))}});
    io::write_safetensors(path, tensors);
  }

  std::string out_;
  std::size_t keep_;
};

/// Puts the tensors of a state back and gives the rest of it. Nothing is changed unless all of them are there and fit.
/// Errors: file_access, bad_json, bad_format, missing_tensor, unused_tensor, wrong_shape, wrong_dtype.
inline run_state restore(std::string const& folder, std::span<parameter const> all) {
  std::string const path = folder + "/training.safetensors";
  auto const document = io::read_json(folder + "/state.json");
  io::json_fields const fields(document, folder + "/state.json");
  run_state state;
  auto number = [&](char const* name) {
    auto const n = fields.integer(name);
    if (!n || *n < 0) MEDMO_THROW(errc::bad_json, fields.where(name), "a number from 0", n ? std::to_string(*n) : "none");
    return *n;
  };
  state.steps = number("steps");
  state.skipped = number("skipped");
  state.next = {number("epoch"), number("batch")};
  if (auto const* more = fields.find("more")) state.more = *more;

  auto const file = io::safetensors_file::open(path);
  std::vector<std::pair<float*, std::span<std::byte const>>> copies;
  for (auto const& p : all)
    for (auto [kind, to] : {std::pair{"value.", p.value}, {"first.", p.first}, {"second.", p.second}}) {
      auto const t = file.find(kind + p.name);
      if (!t) MEDMO_THROW(errc::missing_tensor, path, "tensor " + (kind + p.name), "none of that name");
      std::vector<index> const shape{p.rows, p.cols};
      if (t->shape != shape) MEDMO_THROW(errc::wrong_shape, path + ": tensor " + (kind + p.name), shape_text(shape), shape_text(t->shape));
      if (t->type != dtype::f32) MEDMO_THROW(errc::wrong_dtype, path + ": tensor " + (kind + p.name), "F32", std::string(name_of(t->type)));
      copies.emplace_back(to, t->bytes);
    }
  if (copies.size() != file.names().size())
    MEDMO_THROW(errc::unused_tensor, path, std::to_string(copies.size()) + " tensors", std::to_string(file.names().size()));
  for (auto const& [to, bytes] : copies) std::memcpy(to, bytes.data(), bytes.size());
  return state;
}

/// The same for a trainer, whose bf16 copies then follow.
template <class Trainer>
run_state restore_trainer(std::string const& folder, Trainer& trainer) {
  auto state = restore(folder, trainer.parameters().all());
  for (auto const& p : trainer.parameters().all()) trainer.parameters().round(p);
  trainer.resume(state.steps, state.skipped);
  return state;
}

}  // namespace medmo::inline MEDMO_ABI::train
