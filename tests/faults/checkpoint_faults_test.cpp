// Every call that changes the disk fails once while a state is written: the n-th of mkdir, open, write, fsync, close and rename,
// for all n, as a full disk and as a broken one do. The state before is then still there and good, or the new one is; and the
// next attempt writes it. The linker leads the calls of the library here (--wrap).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

#include "medmo/train/checkpoint.hpp"

namespace disk {
int until_fault = 0;  ///< the call that fails, counted down; 0: none
int reason = ENOSPC;
bool failed = false, broken = false;  ///< broken: all behind the first fail too

bool refuses() {
  if (!(broken && failed)) {
    if (until_fault == 0 || --until_fault > 0) return false;
    failed = true;
  }
  errno = reason;
  return true;
}
}  // namespace disk

extern "C" {
int __real_open(char const* path, int flags, ...);
ssize_t __real_write(int d, void const* from, size_t n);
int __real_fsync(int d);
int __real_close(int d);
int __real_rename(char const* from, char const* to);
int __real_mkdir(char const* path, mode_t mode);

int __wrap_open(char const* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t const mode = flags & O_CREAT ? static_cast<mode_t>(va_arg(rest, int)) : 0;
  va_end(rest);
  return disk::refuses() ? -1 : __real_open(path, flags, mode);
}
ssize_t __wrap_write(int d, void const* from, size_t n) {
  if (!disk::refuses()) return __real_write(d, from, n);
  if (disk::reason == ENOSPC && n > 1) (void)!__real_write(d, from, n / 2);  // what still fits lies there
  errno = disk::reason;
  return -1;
}
int __wrap_fsync(int d) { return disk::refuses() ? -1 : __real_fsync(d); }
int __wrap_close(int d) {
  int const done = __real_close(d);  // a failed close closes, too
  return disk::refuses() ? -1 : done;
}
int __wrap_rename(char const* from, char const* to) { return disk::refuses() ? -1 : __real_rename(from, to); }
int __wrap_mkdir(char const* path, mode_t mode) { return disk::refuses() ? -1 : __real_mkdir(path, mode); }
}

namespace {
namespace train = medmo::train;
namespace fs = std::filesystem;

TEST_CASE("a fault of the disk at any call leaves the last good state") {
  std::string const out = (fs::temp_directory_path() / ("medmo-faults-" + std::to_string(::getpid()))).string();
  std::vector<float> memory(300);
  train::parameter p;
  p.name = "w", p.rows = 10, p.cols = 10, p.size = 100;
  p.value = memory.data(), p.first = memory.data() + 100, p.second = memory.data() + 200;
  train::checkpoint_folder const states(out);
  auto save = [&](medmo::index step) {
    train::run_state state;
    state.steps = step;
    states.save(state, {&p, 1}, [](std::string const& at) { medmo::io::write_file(at + "/model.txt", "a model"); });
  };
  for (int reason : {ENOSPC, EIO})
    for (bool broken : {false, true}) {
      fs::remove_all(out);
      disk::until_fault = 0;
      memory.assign(300, 1.0f);
      save(1);
      int calls = 0;
      for (int n = 1;; ++n) {
        disk::reason = reason, disk::broken = broken, disk::failed = false, disk::until_fault = n;
        memory.assign(300, 2.0f);
        bool refused = false;
        try {
          save(2);
        } catch (medmo::error const& e) {
          refused = true;
          CHECK(e.code() == medmo::errc::file_access);
        }
        bool const met = disk::failed;
        disk::until_fault = 0, disk::broken = false, disk::failed = false;
        auto const found = states.newest();
        INFO("call " << n << ", " << std::strerror(reason) << (broken ? ", and all behind it" : ""));
        REQUIRE(!found.folder.empty());
        CHECK(found.skipped.empty());
        float const expected = found.folder.ends_with("2") ? 2.0f : 1.0f;
        CHECK((refused || expected == 2.0f));
        memory.assign(300, 0.0f);
        CHECK(train::restore(found.folder, {&p, 1}).steps == static_cast<medmo::index>(expected));
        CHECK(memory == std::vector<float>(300, expected));
        memory.assign(300, 2.0f);
        save(2);  // the next attempt
        CHECK(states.newest().folder.ends_with("2"));
        fs::remove_all(out + "/step-00000002");
        if (states.list().empty()) memory.assign(300, 1.0f), save(1);
        if (!met) break;
        calls = n;
      }
      CHECK(calls > 30);
    }
  fs::remove_all(out);
}
}  // namespace
