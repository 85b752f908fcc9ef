// A file that appears whole or not at all: written beside its place, flushed to the disk, then renamed.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// write(...) any number of times, then commit(). Destroyed without commit, it leaves the old file as it was.
/// Errors: file_access naming the path.
class atomic_file {
 public:
  explicit atomic_file(std::string path) : path_(std::move(path)), temporary_(path_ + ".part" + std::to_string(::getpid())) {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0) MEDMO_THROW(errc::file_access, path_, "a place that can be written", std::strerror(errno));
  }
  atomic_file(atomic_file const&) = delete;
  ~atomic_file() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
      ::unlink(temporary_.c_str());
    }
  }

  void write(std::span<std::byte const> bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      auto n = ::write(descriptor_, bytes.data() + at, bytes.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) MEDMO_THROW(errc::file_access, path_, "room to write", std::strerror(errno));
      at += static_cast<std::size_t>(n);
    }
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

  void commit() {
    bool flushed = ::fsync(descriptor_) == 0;
    bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
    if (!flushed || !closed || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
      std::string reason = std::strerror(errno);
      ::unlink(temporary_.c_str());
      MEDMO_THROW(errc::file_access, path_, "a file that can be completed", reason);
    }
  }

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
};

inline void write_file(std::string const& path, std::string_view text) {
  atomic_file f(path);
  f.write(text);
  f.commit();
}

}  // namespace medmo::inline MEDMO_ABI::io
