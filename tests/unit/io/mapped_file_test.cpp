// Whole files as bytes, mapped and copied; files that cannot be had.
#include "medmo/io/mapped_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "bad_input.hpp"

using medmo::errc;
using medmo::io::file_mode;
using medmo::io::mapped_file;

namespace {
std::string text_of(mapped_file const& f) {
  return {reinterpret_cast<char const*>(f.bytes().data()), f.bytes().size()};
}
}  // namespace

TEST_CASE("mapped_file: the bytes of a file, in both modes, through moves") {
  bad_input::folder folder;
  std::string content(10000, 'a');
  content[9999] = 'z';
  auto path = folder.write("f", content), empty = folder.write("empty", "");
  for (auto mode : {file_mode::map, file_mode::read}) {
    auto f = mapped_file::open(path, mode);
    CHECK(text_of(f) == content);
    CHECK(f.path() == path);
    auto const* at = f.bytes().data();
    mapped_file g = std::move(f);
    CHECK(g.bytes().data() == at);  // views of it stay valid
    auto e = mapped_file::open(empty, mode);
    CHECK(e.bytes().empty());
    e = std::move(g);
    CHECK(text_of(e) == content);
  }
}

TEST_CASE("mapped_file: a copy does not see what happens to the file") {
  bad_input::folder folder;
  auto path = folder.write("f", "before");
  auto f = mapped_file::open(path, file_mode::read);
  folder.write("f", "");
  CHECK(text_of(f) == "before");
}

TEST_CASE("mapped_file: what cannot be opened is refused with its path") {
  bad_input::folder folder;
  auto pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (auto mode : {file_mode::map, file_mode::read}) {
    bad_input::refused("missing", errc::file_access, folder.file("none") + ": expected a readable file",
                       [&] { mapped_file::open(folder.file("none"), mode); });
    bad_input::refused("a folder", errc::file_access, "found a folder", [&] { mapped_file::open(folder.path(), mode); });
    bad_input::refused("a pipe nobody writes to", errc::file_access, "a regular file", [&] { mapped_file::open(pipe, mode); });
    bad_input::refused("a device", errc::file_access, "a regular file", [&] { mapped_file::open("/dev/zero", mode); });
    bad_input::refused("a file as folder", errc::file_access, "/x", [&] { mapped_file::open(folder.write("f", "1") + "/x", mode); });
  }
}
