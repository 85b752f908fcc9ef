// The tensors of a Hugging Face folder: model.safetensors, or the shards that model.safetensors.index.json names.
//   {"metadata": {"total_size": ...}, "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "safetensors.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// A tensor_source over all shards of a folder.
class checkpoint {
 public:
  /// Errors: file_access (no checkpoint in the folder, a shard missing), bad_json, and those of safetensors_file;
  /// bad_format if the index and the shards disagree on a tensor or a shard lies outside the folder.
  static checkpoint open(std::string const& folder, file_mode mode = file_mode::map) {
    checkpoint c;
    std::string index_path = folder + "/model.safetensors.index.json", single = folder + "/model.safetensors";
    if (!std::filesystem::exists(index_path)) {
      if (!std::filesystem::exists(single))
        MEDMO_THROW(errc::file_access, folder, "model.safetensors or model.safetensors.index.json", "neither");
      c.shards_.push_back(safetensors_file::open(single, mode));
      c.names_ = c.shards_.front().names();
      for (auto const& name : c.names_) c.shard_of_[name] = 0;
      return c;
    }
    auto file = mapped_file::open(index_path, file_mode::read);
    auto document = parse_json(file.bytes(), index_path);
    json_fields fields(document, index_path);
    auto map = fields.nested("weight_map");
    if (!map) MEDMO_THROW(errc::bad_json, index_path, "an object weight_map", "none");
    std::map<std::string, std::size_t> opened;
    for (auto const& [name, entry] : map->object().items()) {
      std::string shard = *map->text(name.c_str());
      if (shard.empty() || shard == ".." || shard.find_first_of("/\\") != std::string::npos ||
          shard.find('\0') != std::string::npos)
        MEDMO_THROW(errc::bad_format, index_path + ": " + name, "a file name in the same folder", "\"" + shard + "\"");
      auto [it, fresh] = opened.emplace(shard, c.shards_.size());
      if (fresh) c.shards_.push_back(safetensors_file::open(folder + "/" + shard, mode));
      if (!c.shards_[it->second].find(name))
        MEDMO_THROW(errc::bad_format, index_path + ": " + name, "that tensor in " + shard, "no such tensor there");
      c.shard_of_[name] = it->second;
      c.names_.push_back(name);
    }
    for (auto const& [shard, at] : opened)
      for (auto const& name : c.shards_[at].names())
        if (auto it = c.shard_of_.find(name); it == c.shard_of_.end() || it->second != at)
          MEDMO_THROW(errc::bad_format, folder + "/" + shard + ": tensor " + name, "its name in the index under this shard",
                      it == c.shard_of_.end() ? "none" : "another shard");
    return c;
  }

  std::optional<tensor_ref> find(std::string_view name) const {
    auto it = shard_of_.find(name);
    if (it == shard_of_.end()) return std::nullopt;
    return shards_[it->second].find(name);
  }
  std::vector<std::string> const& names() const { return names_; }

 private:
  checkpoint() = default;
  std::vector<safetensors_file> shards_;
  std::map<std::string, std::size_t, std::less<>> shard_of_;
  std::vector<std::string> names_;
};
static_assert(tensor_source<checkpoint>);

}  // namespace medmo::inline MEDMO_ABI::io
