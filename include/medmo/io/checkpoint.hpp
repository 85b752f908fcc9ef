// The tensors of a Hugging Face folder: model.safetensors, or else the shards that model.safetensors.index.json names
// (the order in which transformers looks).
//   {"metadata": {"total_size": ...}, "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}
// total_size is kept and not enforced: tools disagree on whether tied tensors count, and transformers ignores it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "json.hpp"
#include "safetensors.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// A tensor_source over all shards of a folder. Move-only; mapped, so that memory is taken only by what is touched.
class checkpoint {
 public:
  /// Errors: file_access (no checkpoint in the folder, a shard missing), bad_json, and those of safetensors_file;
  /// bad_format if the index and the shards disagree on a tensor or a shard lies outside the folder.
  static checkpoint open(std::string const& folder, file_mode mode = file_mode::map) {
    std::string single = folder + "/model.safetensors", index_path = folder + "/model.safetensors.index.json";
    checkpoint c;
    if (exists(single)) {
      c.shards_.push_back(safetensors_file::open(single, mode));
      for (auto const& name : c.shards_.front().names()) c.add(name, 0);
    } else if (exists(index_path)) {
      c.read_index(folder, index_path, mode);
    } else {
      MEDMO_THROW(errc::file_access, folder, "model.safetensors or model.safetensors.index.json", "neither");
    }
    return c;
  }

  std::optional<tensor_ref> find(std::string_view name) const {
    auto it = shard_of_.find(name);
    if (it == shard_of_.end()) return std::nullopt;
    return shards_[it->second].find(name);
  }
  /// In alphabetic order.
  std::vector<std::string> const& names() const { return names_; }
  /// Of all tensors in all shards.
  std::uint64_t data_bytes() const {
    std::uint64_t sum = 0;
    for (auto const& s : shards_) sum += s.data_bytes();
    return sum;
  }
  /// The index's total_size, where there is one.
  std::optional<index> declared_bytes() const { return declared_bytes_; }

 private:
  checkpoint() = default;

  static bool exists(std::string const& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  }
  void add(std::string const& name, std::size_t shard) {
    shard_of_[name] = shard;
    names_.push_back(name);
  }

  void read_index(std::string const& folder, std::string const& path, file_mode mode) {
    auto document = read_json(path);
    json_fields fields(document, path);
    if (auto metadata = fields.nested("metadata"))
      if (auto const* v = metadata->find("total_size"); v && v->is_number_integer())
        declared_bytes_ = metadata->integer("total_size");
    auto map = fields.nested("weight_map");
    if (!map) MEDMO_THROW(errc::bad_json, path, "an object weight_map", "none");
    std::map<std::string, std::size_t> opened;
    for (auto const& [name, entry] : map->object().items()) {
      std::string shard = entry.is_string() ? entry.get<std::string>() : "";
      if (shard.empty() || shard == "." || shard == ".." || shard.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
        MEDMO_THROW(errc::bad_format, map->where(name), "the name of a file in the same folder", excerpt(entry));
      auto [it, fresh] = opened.emplace(shard, shards_.size());
      if (fresh) shards_.push_back(safetensors_file::open(folder + "/" + shard, mode));
      if (!shards_[it->second].find(name))
        MEDMO_THROW(errc::bad_format, map->where(name), "that tensor in " + shard, "no such tensor there");
      add(name, it->second);
    }
    for (auto const& [shard, at] : opened)
      for (auto const& name : shards_[at].names())
        if (auto it = shard_of_.find(name); it == shard_of_.end() || it->second != at)
          MEDMO_THROW(errc::bad_format, folder + "/" + shard + ": tensor " + name, "its name in the index under this shard",
                      it == shard_of_.end() ? "none" : "another shard");
  }

  std::vector<safetensors_file> shards_;
  std::map<std::string, std::size_t, std::less<>> shard_of_;
  std::vector<std::string> names_;
  std::optional<index> declared_bytes_;
};
static_assert(tensor_source<checkpoint>);

}  // namespace medmo::inline MEDMO_ABI::io
