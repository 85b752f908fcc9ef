// Safetensors. Accepted bytes lie in the file without hole or overlap, sizes are shapes times types, and what is written of
// them reads back as the same tensors and is then written as the same bytes.
#include "harness.hpp"

#include <unistd.h>

#include "medmo/io/safetensors_writer.hpp"

namespace fuzz_safetensors {
using medmo::io::safetensors_file;

/// The tensors in order of their bytes; empty ones first.
std::vector<medmo::io::named_tensor> tensors_of(safetensors_file const& f) {
  std::vector<medmo::io::named_tensor> out;
  for (auto const& name : f.names()) out.push_back({name, *f.find(name)});
  std::sort(out.begin(), out.end(), [](auto const& a, auto const& b) {
    return std::pair(a.tensor.bytes.data(), a.tensor.bytes.size()) <
           std::pair(b.tensor.bytes.data(), b.tensor.bytes.size());
  });
  return out;
}

std::string written(safetensors_file const& f) {
  static std::string const path = [] {
    char const* shared = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    return std::string(shared) + "/medmo-fuzz-" + std::to_string(::getpid()) + ".safetensors";
  }();
  medmo::io::write_safetensors(path, tensors_of(f), {f.metadata().begin(), f.metadata().end()});
  auto file = medmo::io::mapped_file::open(path, medmo::io::file_mode::read);
  std::string out(fuzz::text_of(file.bytes()));
  ::unlink(path.c_str());
  return out;
}

safetensors_file over(std::string const& s) { return safetensors_file::over(std::as_bytes(std::span(s)), "again"); }

bool same(safetensors_file const& a, safetensors_file const& b) {
  if (a.names() != b.names() || a.metadata() != b.metadata() || a.data_bytes() != b.data_bytes()) return false;
  for (auto const& name : a.names()) {
    auto x = *a.find(name), y = *b.find(name);
    if (x.type != y.type || x.shape != y.shape || fuzz::text_of(x.bytes) != fuzz::text_of(y.bytes)) return false;
  }
  return true;
}

MEDMO_FUZZ_TARGET(safetensors) {
  auto file = fuzz::accepted([&] { return safetensors_file::over(input, "input"); });
  if (!file) return;
  std::uint64_t total = 0;
  auto const* next = input.data() + (input.size() - file->data_bytes());
  for (auto const& [name, t] : tensors_of(*file)) {
    std::uint64_t size = medmo::size_of(t.type);
    for (auto d : t.shape) size *= static_cast<std::uint64_t>(d);
    fuzz::require(size == t.bytes.size(), "a tensor has the bytes of its shape");
    fuzz::require(t.bytes.data() == next, "a tensor begins where another ends");
    next += t.bytes.size();
    total += size;
  }
  fuzz::require(total == file->data_bytes() && next == input.data() + input.size(), "the tensors fill the file");
  auto shapes_fit = fuzz::accepted([&] { return written(*file); });
  if (!shapes_fit) return;  // [0, 2^62] is a shape to read and not to write
  auto again = over(*shapes_fit);
  fuzz::require(same(*file, again), "what is written reads as the same tensors");
  fuzz::require(written(again) == *shapes_fit, "writing is stable");
}
}  // namespace fuzz_safetensors
