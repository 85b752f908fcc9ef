// model.safetensors.index.json beside two shards of one tensor each: accepted only where every tensor is named once, under
// the shard that holds it, and never a file outside the folder.
#include "harness.hpp"

#include <filesystem>
#include <fstream>

#include "medmo/io/checkpoint.hpp"

namespace fuzz_checkpoint_index {

struct folder {
  std::string path;
  folder() {
    path = (std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") + std::string("/medmo-fuzz-XXXXXX");
    fuzz::require(::mkdtemp(path.data()) != nullptr, "a folder for two shards");
    for (std::string name : {"a", "b"}) {
      std::string header = "{\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
      std::string length(8, '\0');
      length[0] = static_cast<char>(header.size());
      write(name + ".safetensors", length + header + "x");
    }
  }
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  void write(std::string const& name, std::string_view content) const {
    std::ofstream(path + "/" + name, std::ios::binary)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
  }
};
folder const& shards() {
  static folder const f;
  return f;
}

MEDMO_FUZZ_TARGET(checkpoint_index) {
  shards().write("model.safetensors.index.json", fuzz::text_of(input));
  auto c = fuzz::accepted([] { return medmo::io::checkpoint::open(shards().path); });
  if (!c) return;
  fuzz::require(c->names().size() <= 2, "no tensor beyond those of the shards");
  for (auto const& name : c->names())
    fuzz::require((name == "a" || name == "b") && c->find(name), "every name is found");
}
}  // namespace fuzz_checkpoint_index
