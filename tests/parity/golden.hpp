// Reads the goldens of tests/data/parity: a safetensors reader of its own, so that the library's reader is not its own
// judge, and a tensor source that changes the stored type on the way (bf16 <-> f32; the values are numbers of both).
// For trusted files only: tests/unit/io holds the reader that trusts nothing.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "medmo/core/tensor_source.hpp"

namespace parity {

using medmo::index;

struct golden_tensor {
  medmo::dtype type = medmo::dtype::f32;
  bool integers = false;  ///< i64; `type` is then unused
  std::vector<index> shape;
  std::vector<std::byte> bytes;

  std::vector<index> as_indices() const {
    std::vector<std::int64_t> v(bytes.size() / 8);
    std::memcpy(v.data(), bytes.data(), bytes.size());
    return {v.begin(), v.end()};
  }
  medmo::matrix<float> as_matrix() const {
    medmo::matrix<float> m(shape.at(0), shape.at(1));
    std::memcpy(m.data(), bytes.data(), bytes.size());
    return m;
  }
};

class golden_file {
 public:
  explicit golden_file(std::string const& path) {
    std::ifstream in(path, std::ios::binary);
    std::uint64_t length = 0;
    in.read(reinterpret_cast<char*>(&length), 8);
    if (!in) throw std::runtime_error("golden missing: " + path);
    std::string header(length, ' ');
    in.read(header.data(), static_cast<std::streamsize>(length));
    auto const entries = nlohmann::json::parse(header);
    for (auto const& [name, entry] : entries.items()) {
      if (name == "__metadata__") continue;
      auto& t = tensors_[name];
      std::string type = entry.at("dtype");
      t.integers = type == "I64";
      t.type = type == "BF16" ? medmo::dtype::bf16 : medmo::dtype::f32;
      t.shape = entry.at("shape").get<std::vector<index>>();
      auto begin = entry.at("data_offsets")[0].get<std::streamoff>(),
           end = entry.at("data_offsets")[1].get<std::streamoff>();
      t.bytes.resize(static_cast<std::size_t>(end - begin));
      in.seekg(static_cast<std::streamoff>(8 + length) + begin);
      in.read(reinterpret_cast<char*>(t.bytes.data()), end - begin);
      names_.push_back(name);
    }
    if (!in) throw std::runtime_error("golden cut short: " + path);
  }
  bool has(std::string const& name) const { return tensors_.count(name) > 0; }
  golden_tensor const& operator[](std::string const& name) const { return tensors_.at(name); }
  std::vector<std::string> const& names() const { return names_; }

 private:
  std::map<std::string, golden_tensor> tensors_;
  std::vector<std::string> names_;
};

/// The tensors of a checkpoint, all as `type`.
class checkpoint_as {
 public:
  checkpoint_as(std::string const& path, medmo::dtype type) : file_(path) {
    for (auto const& name : file_.names()) converted_[name] = convert(file_[name], type);
  }
  std::optional<medmo::tensor_ref> find(std::string_view name) const {
    auto at = converted_.find(std::string(name));
    if (at == converted_.end()) return std::nullopt;
    auto const& t = at->second;
    return medmo::tensor_ref{t.type, t.shape, t.bytes};
  }
  std::vector<std::string> const& names() const { return file_.names(); }

 private:
  static golden_tensor convert(golden_tensor const& from, medmo::dtype type) {
    if (from.type == type) return from;
    golden_tensor to{type, false, from.shape, {}};
    bool widen = type == medmo::dtype::f32;
    std::size_t n = from.bytes.size() / (widen ? 2 : 4);
    to.bytes.resize(n * (widen ? 4 : 2));
    for (std::size_t i = 0; i < n; ++i) {
      std::uint32_t bits = 0;  // a bf16 number is the upper half of the same f32 number
      std::memcpy(reinterpret_cast<char*>(&bits) + (widen ? 2 : 0), from.bytes.data() + i * (widen ? 2 : 4),
                  widen ? 2 : 4);
      if (!widen && (bits & 0xffffu)) throw std::runtime_error("not a bf16 number");
      std::memcpy(to.bytes.data() + i * (widen ? 4 : 2), reinterpret_cast<char*>(&bits) + (widen ? 0 : 2),
                  widen ? 4 : 2);
    }
    return to;
  }
  golden_file file_;
  std::map<std::string, golden_tensor> converted_;
};

inline nlohmann::json read_json(std::string const& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("golden missing: " + path);
  return nlohmann::json::parse(in);
}

}  // namespace parity
