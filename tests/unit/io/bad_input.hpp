// Tables of named bad inputs: each must end in its error, with a part of its sentence. And folders that vanish.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "medmo/core/error.hpp"
#include "../named_case.hpp"

namespace bad_input {

/// Runs `f`; it must throw `code`, and what() must hold `part`.
template <class F>
void refused(std::string const& name, medmo::errc code, std::string const& part, F&& f) {
  INFO("case: ", name);
  named_case(name);
  std::optional<medmo::error> caught;
  try {
    f();
  } catch (medmo::error const& e) {
    caught = e;
  }
  REQUIRE_MESSAGE(caught.has_value(), "accepted");
  std::string what = caught->what();
  INFO("what: ", what);
  CHECK(static_cast<int>(caught->code()) == static_cast<int>(code));
  CHECK(what.find(part) != std::string::npos);
}

/// A folder of this test alone.
class folder {
 public:
  folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "medmo-io-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  folder(folder const&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_; }
  std::string file(std::string const& name) const { return path_ + "/" + name; }
  std::string write(std::string const& name, std::string_view content) const {
    std::ofstream out(file(name), std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    REQUIRE(out.good());
    return file(name);
  }

 private:
  std::string path_;
};

inline std::string content_of(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::span<std::byte const> bytes_of(std::string const& s) { return std::as_bytes(std::span(s.data(), s.size())); }

/// Number i of a sequence that damages `content`: cuts it, flips bits, sets bytes, doubles or removes a piece.
inline std::string damaged(std::string content, std::uint64_t i) {
  auto mix = [](std::uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  };
  std::uint64_t state = mix(i);
  auto below = [&](std::size_t n) { return static_cast<std::size_t>((state = mix(state)) % (n > 0 ? n : 1)); };
  auto kind = below(6);
  if (content.empty()) return content;
  if (kind == 0) return content.substr(0, below(content.size()));
  for (std::size_t n = 1 + below(3); n > 0 && !content.empty(); --n) {
    auto at = below(content.size());
    auto piece = content.substr(at, 1 + below(16));
    if (kind == 1) content.insert(at, piece);
    if (kind == 2) content.erase(at, piece.size());
    if (kind == 3) content[at] = static_cast<char>(below(256));
    if (kind >= 4) content[at] = static_cast<char>(content[at] ^ (1 << below(8)));
  }
  return content;
}

}  // namespace bad_input
