// A file that appears whole or not at all: written beside its place, flushed to the disk, then renamed.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
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

/// write(...) any number of times, then commit(). Destroyed without commit, it leaves the old file as it was and nothing
/// beside it. Errors: file_access naming the path, also where `path` is there and no regular file: renaming over a device
/// or a folder would replace it.
class atomic_file {
 public:
  explicit atomic_file(std::string path) : path_(std::move(path)) {
    struct stat status {};
    if (::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
      MEDMO_THROW(errc::file_access, path_, "a regular file or none yet",
                  S_ISDIR(status.st_mode) ? "a folder" : "a device or pipe");
    // O_EXCL: never another writer's file, nor the target of a link that lies in wait; leftovers of a crash are stepped over.
    for (int n = 0; n < 1000 && descriptor_ < 0; ++n) {
      temporary_ = path_ + ".part" + std::to_string(::getpid()) + "." + std::to_string(n);
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ < 0 && errno != EEXIST) break;
    }
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
    if (descriptor_ < 0) MEDMO_THROW(errc::bad_argument, path_, "writing before the commit", "writing after it");
    for (std::size_t at = 0; at < bytes.size();) {
      auto n = ::write(descriptor_, bytes.data() + at, bytes.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) MEDMO_THROW(errc::file_access, path_, "room to write", std::strerror(errno));
      at += static_cast<std::size_t>(n);
    }
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

  void commit() {
    if (descriptor_ < 0) MEDMO_THROW(errc::bad_argument, path_, "one commit", "another");
    int fault = ::fsync(descriptor_) == 0 ? 0 : errno;
    if (::close(std::exchange(descriptor_, -1)) != 0 && fault == 0) fault = errno;
    if (fault == 0 && ::rename(temporary_.c_str(), path_.c_str()) != 0) fault = errno;
    if (fault != 0) {
      ::unlink(temporary_.c_str());
      MEDMO_THROW(errc::file_access, path_, "a file that can be completed", std::strerror(fault));
    }
    flush_folder();
  }

 private:
  /// The rename itself reaches the disk with its folder. The new file is in place already: a failure here undoes nothing.
  void flush_folder() const {
    auto slash = path_.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    int d = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d < 0) return;
    (void)::fsync(d);
    ::close(d);
  }

  std::string path_, temporary_;
  int descriptor_ = -1;
};

/// A small file in one go. Errors: file_access.
inline void write_file(std::string const& path, std::string_view text) {
  atomic_file f(path);
  f.write(text);
  f.commit();
}

}  // namespace medmo::inline MEDMO_ABI::io
