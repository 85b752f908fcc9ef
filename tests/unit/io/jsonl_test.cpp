// JSON lines: what is a line, which are malformed and how that is said; a journal cut at every byte.
#include "medmo/io/jsonl.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bad_input.hpp"

using medmo::errc;
namespace io = medmo::io;

namespace {

std::vector<io::jsonl_line> lines_of(std::string const& path, std::size_t limit = io::jsonl_line_limit) {
  std::vector<io::jsonl_line> out;
  io::jsonl_reader reader(path, limit);
  while (auto line = reader.next()) out.push_back(*std::move(line));
  std::size_t bad = 0;
  for (auto const& l : out) bad += !l.value;
  CHECK(reader.malformed() == bad);
  CHECK_FALSE(reader.next());
  return out;
}

}  // namespace

TEST_CASE("jsonl: lines, blank ones and every end of line") {
  bad_input::folder here;
  auto const path = here.write("a.jsonl", "\xef\xbb\xbf{\"a\": 1}\r\n\n  \t\r\n[2]\n{\"a\": \"\\n\"}");
  auto const lines = lines_of(path);
  REQUIRE(lines.size() == 3);
  CHECK((*lines[0].value)["a"] == 1);
  CHECK(lines[1].number == 4);
  CHECK(lines[1].where == path + ":4");
  CHECK((*lines[2].value)["a"] == "\n");
  CHECK(lines_of(here.write("empty.jsonl", "")).empty());
  CHECK(lines_of(here.write("blank.jsonl", "\n\n")).empty());
}

TEST_CASE("jsonl: a malformed line is handed out, and the next is whole") {
  bad_input::folder here;
  struct {
    char const* name;
    std::string line;
    char const* part;
  } const cases[] = {
      {"cut short", R"({"a": 1)", "expected JSON, found a fault at byte 8"},
      {"bad UTF-8", "{\"a\": \"\xff\"}", "found a fault at byte 8"},
      {"two documents", "{} {}", "found a fault at byte 4"},
      {"a NUL", std::string("{}\0", 3), "found a NUL at byte 3"},
      {"a field twice", R"({"a": 1, "a": 2})", "the field \"a\" twice"},
      {"a million levels", std::string(30, '[') + std::string(40, '['), "nesting of more than 64"},
      {"too long", "\"" + std::string(200, 'x') + "\"", "expected a line of at most 100 bytes, found a longer one"},
  };
  for (auto const& bad : cases) {
    INFO("case: ", bad.name);
    auto const path = here.write("b.jsonl", "1\n" + bad.line + "\n3\n");
    auto const lines = lines_of(path, 100);
    REQUIRE(lines.size() == 3);
    CHECK_FALSE(lines[1].value);
    CHECK(lines[1].fault.starts_with(path + ":2: "));
    CHECK(lines[1].fault.find(bad.part) != std::string::npos);
    CHECK(*lines[2].value == 3);
    CHECK(lines[2].number == 3);
  }
}

TEST_CASE("jsonl: lines longer than the buffer, and at its edges") {
  bad_input::folder here;
  for (std::size_t size : {65532u, 65533u, 65534u, 65535u, 65536u, 65537u, 200000u}) {
    auto const lines = lines_of(here.write("c.jsonl", "\"" + std::string(size, 'x') + "\"\n7"));
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].value->get_ref<std::string const&>().size() == size);
    CHECK(*lines[1].value == 7);
  }
}

TEST_CASE("jsonl: no file, a folder") {
  bad_input::folder here;
  bad_input::refused("missing", errc::file_access, "none.jsonl", [&] { io::jsonl_reader r(here.file("none.jsonl")); });
  bad_input::refused("a folder", errc::file_access, "a folder", [&] { io::jsonl_reader r(here.path()); });
  bad_input::refused("a journal nowhere", errc::file_access, "no/j", [&] { io::jsonl_journal j(here.file("no/j.jsonl")); });
}

TEST_CASE("jsonl: damaged files end in lines or faults") {
  bad_input::folder here;
  for (std::uint64_t i = 0; i < 2000; ++i)
    lines_of(here.write("d.jsonl", bad_input::damaged("{\"a\": [1, 2.5, \"x\"]}\n{\"b\": null}\r\n\n\"\\u00e9\"\n", i)), 64);
}

TEST_CASE("jsonl journal: cut at every byte, it keeps the whole lines and goes on") {
  bad_input::folder here;
  auto const path = here.file("j.jsonl");
  std::string whole;
  {
    io::jsonl_journal j(path);
    for (int i = 0; i < 5; ++i) j.append(io::ordered_json{{"n", i}, {"a", "x\n\xff"}});
    j.sync();
    whole = bad_input::content_of(path);
  }
  CHECK(std::count(whole.begin(), whole.end(), '\n') == 5);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    here.write("j.jsonl", whole.substr(0, cut));
    io::jsonl_journal j(path);
    auto lines = lines_of(path);
    CHECK(j.torn() == cut - (whole.substr(0, cut).rfind('\n') + 1));
    for (auto n = static_cast<int>(lines.size()); n < 5; ++n) j.append(io::ordered_json{{"n", n}, {"a", "x\n\xff"}});
    CHECK(bad_input::content_of(path) == whole);
  }
  here.write("j.jsonl", std::string(200000, 'x'));  // a torn line longer than a block
  CHECK(io::jsonl_journal(path).torn() == 200000);
  CHECK(bad_input::content_of(path).empty());
}

TEST_CASE("jsonl journal: one writer at a time") {
  bad_input::folder here;
  io::jsonl_journal first(here.file("j.jsonl"));
  bad_input::refused("a second", errc::file_access, "no other process", [&] { io::jsonl_journal second(here.file("j.jsonl")); });
}

TEST_CASE("jsonl journal: a line that does not fit leaves the file as it was") {
  bad_input::folder here;
  auto const path = here.file("j.jsonl");
  pid_t const child = ::fork();
  if (child == 0) {  // the limit of a file's size holds for the whole process
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit const limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    io::jsonl_journal j(path);
    j.append(io::json(std::string(3000, 'a')));
    try {
      j.append(io::json(std::string(3000, 'b')));
    } catch (medmo::error const& e) {
      j.append(io::json("c"));
      ::_exit(e.code() == errc::file_access ? 0 : 1);
    }
    ::_exit(2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  auto const lines = lines_of(path);
  REQUIRE(lines.size() == 2);
  CHECK(*lines[1].value == "c");
}
