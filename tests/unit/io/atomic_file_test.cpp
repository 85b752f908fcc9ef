// Files that appear whole or not at all.
#include "medmo/io/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <string>

#include "bad_input.hpp"

using medmo::errc;
using medmo::io::atomic_file;

namespace {
auto files_in(bad_input::folder const& f) { return std::distance(std::filesystem::directory_iterator(f.path()), {}); }
}  // namespace

TEST_CASE("atomic_file: nothing is seen before commit, everything after, nothing is left beside") {
  bad_input::folder folder;
  auto path = folder.write("f", "old");
  {
    atomic_file f(path);
    f.write("new ");
    f.write("text");
    CHECK(bad_input::content_of(path) == "old");
    f.commit();
    CHECK(bad_input::content_of(path) == "new text");
    bad_input::refused("after the commit", errc::bad_argument, "writing after it", [&] { f.write("x"); });
    bad_input::refused("a second commit", errc::bad_argument, "another", [&] { f.commit(); });
  }
  CHECK(files_in(folder) == 1);
  {
    atomic_file given_up(path);
    given_up.write("half");
  }
  CHECK(bad_input::content_of(path) == "new text");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file: two writers of one path do not mix; the later commit stands") {
  bad_input::folder folder;
  auto path = folder.file("f");
  atomic_file a(path), b(path);
  a.write("aaaa");
  b.write("b");
  b.commit();
  a.commit();
  CHECK(bad_input::content_of(path) == "aaaa");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file: what is no file is not replaced") {
  bad_input::folder folder;
  bad_input::refused("a device", errc::file_access, "/dev/null: expected a regular file", [] { atomic_file("/dev/null"); });
  bad_input::refused("a folder", errc::file_access, "found a folder", [&] { atomic_file(folder.path()); });
  bad_input::refused("no such folder", errc::file_access, "a place that can be written", [&] { atomic_file(folder.file("none/f")); });
  CHECK(files_in(folder) == 0);
}

TEST_CASE("atomic_file: a link that lies where the temporary file would go is not followed") {
  bad_input::folder folder;
  auto path = folder.write("f", "old"), other = folder.write("other", "untouched");
  std::filesystem::create_symlink(other, path + ".part" + std::to_string(::getpid()) + ".0");
  medmo::io::write_file(path, "new");
  CHECK(bad_input::content_of(path) == "new");
  CHECK(bad_input::content_of(other) == "untouched");
}

TEST_CASE("atomic_file: a write that fails half way is an error and leaves the old file alone") {
  bad_input::folder folder;
  auto path = folder.write("f", "old");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);  // so that write() fails as it does on a full disk
  rlimit small{4096, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string const text(10000, 'x');
  bad_input::refused("no room", errc::file_access, "room to write", [&] { medmo::io::write_file(path, text); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(bad_input::content_of(path) == "old");
  CHECK(files_in(folder) == 1);
}
