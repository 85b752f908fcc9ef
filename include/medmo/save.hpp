// A model with changed weights as a Hugging Face folder, which `load` and transformers read: weights, config.json, and the
// tokenizer and other small files of the folder that it came from.
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/embedding.hpp"
#include "random_checkpoint.hpp"
#include "write_config.hpp"

namespace medmo::inline MEDMO_ABI {

/// Writes `weights` into a new folder `to`. Matrices stay f32 or bf16, any other type becomes bf16; vectors are f32. Adapters are
/// not merged. `base`: a folder whose other files are copied; empty: none. Errors: file_access.
template <model_configuration C>
void save_model(model_weights<C> weights, std::string const& to, std::string const& base) {
  namespace fs = std::filesystem;
  std::error_code fault;
  if (!fs::create_directory(to, fault)) MEDMO_THROW(errc::file_access, to, "a folder that can be made", fault ? fault.message() : "one that is there");
  if (fs::is_directory(base, fault))
    for (char const* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json", "vocab.json", "merges.txt",
                             "added_tokens.json", "special_tokens_map.json", "generation_config.json", "preprocessor_config.json",
                             "video_preprocessor_config.json", "processor_config.json"})
      if (fs::exists(base + "/" + name, fault) && !fs::copy_file(base + "/" + name, to + "/" + name, fault))
        MEDMO_THROW(errc::file_access, to + "/" + name, "room for a copy", fault.message());
  auto const shapes = detail::random_tensors<C>();
  io::safetensors_writer out(to + "/model.safetensors");
  bool any_f32 = false;
  auto type_of = [&](auto const& t) {
    if constexpr (requires { t.stored; }) return t.stored.type == dtype::f32 ? dtype::f32 : dtype::bf16;
    else return dtype::f32;
  };
  std::size_t next = 0;
  for_each_tensor(weights, [&](std::string const& name, auto& t) {
    if constexpr (requires { t.stored; }) any_f32 = any_f32 || t.stored.type == dtype::f32;
    out.declare(name, type_of(t), shapes[next++].shape);
  });
  std::vector<float> row;
  std::vector<bf16> rounded;
  for_each_tensor(weights, [&](std::string const&, auto& t) {
    if constexpr (requires { t.stored; }) {
      row.resize(static_cast<std::size_t>(t.cols));
      rounded.resize(row.size());
      for (index r = 0; r < t.rows; ++r) {
        kernels::read_row(t.stored, r, row.data());
        if (t.stored.type == dtype::f32) {
          out.append(std::as_bytes(std::span(row)));
          continue;
        }
        for (std::size_t i = 0; i < row.size(); ++i) rounded[i] = bf16(row[i]);
        out.append(std::as_bytes(std::span(rounded)));
      }
    } else {
      out.append(std::as_bytes(std::span(t.data, static_cast<std::size_t>(t.size))));
    }
  });
  out.commit();
  write_config<C>(to, any_f32 ? dtype::f32 : dtype::bf16);  // last: a folder with a config.json is complete
}

}  // namespace medmo::inline MEDMO_ABI
