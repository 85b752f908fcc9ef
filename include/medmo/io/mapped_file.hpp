// A whole file as bytes: mapped, or read into memory where a slow or shrinking file must not fault later.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// map: pages come from the file as they are touched, and a file cut short by others while mapped faults; read: a copy.
enum class file_mode { map, read };

/// Read-only bytes of a regular file, for the lifetime of the object. Move-only.
class mapped_file {
 public:
  /// The whole of `path`; an empty file gives empty bytes.
  /// Errors: file_access (missing, a folder, a pipe or device, no permission, cut short while being read); too_large (no
  /// memory for mode `read`).
  static mapped_file open(std::string const& path, file_mode mode = file_mode::map) {
    mapped_file f;
    f.path_ = path;
    // O_NONBLOCK: a named pipe without a writer must not hold us; it means nothing to a regular file.
    descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (fd.value < 0) MEDMO_THROW(errc::file_access, path, "a readable file", std::strerror(errno));
    struct stat status {};
    if (::fstat(fd.value, &status) != 0) MEDMO_THROW(errc::file_access, path, "a readable file", std::strerror(errno));
    if (!S_ISREG(status.st_mode))
      MEDMO_THROW(errc::file_access, path, "a regular file", S_ISDIR(status.st_mode) ? "a folder" : "something else");
    if (!std::in_range<std::size_t>(status.st_size))
      MEDMO_THROW(errc::too_large, path, "a file that fits the address space", std::to_string(status.st_size) + " bytes");
    f.size_ = static_cast<std::size_t>(status.st_size);
    if (f.size_ == 0) return f;
    if (mode == file_mode::map) {
      void* p = ::mmap(nullptr, f.size_, PROT_READ, MAP_PRIVATE, fd.value, 0);
      if (p == MAP_FAILED) MEDMO_THROW(errc::file_access, path, "a file that can be mapped", std::strerror(errno));
      f.data_ = static_cast<std::byte const*>(p);
      f.mapped_ = true;
    } else {
      f.copy_.reset(new (std::nothrow) std::byte[f.size_]);
      if (!f.copy_) MEDMO_THROW(errc::too_large, path, "memory for " + std::to_string(f.size_) + " bytes", "none left");
      for (std::size_t at = 0; at < f.size_;) {
        auto n = ::read(fd.value, f.copy_.get() + at, f.size_ - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
          MEDMO_THROW(errc::file_access, path, std::to_string(f.size_) + " bytes",
                      n < 0 ? std::string(std::strerror(errno)) : "its end after " + std::to_string(at));
        at += static_cast<std::size_t>(n);
      }
      f.data_ = f.copy_.get();
    }
    return f;
  }

  mapped_file(mapped_file&& o) noexcept { swap(o); }
  mapped_file& operator=(mapped_file&& o) noexcept {
    swap(o);
    return *this;
  }
  ~mapped_file() {
    if (mapped_) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  std::span<std::byte const> bytes() const { return {data_, size_}; }
  std::string const& path() const { return path_; }

 private:
  struct descriptor {
    int value;
    ~descriptor() {
      if (value >= 0) ::close(value);
    }
  };
  mapped_file() = default;
  void swap(mapped_file& o) noexcept {
    std::swap(path_, o.path_);
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    std::swap(mapped_, o.mapped_);
    std::swap(copy_, o.copy_);
  }

  std::string path_;
  std::byte const* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_ = false;
  std::unique_ptr<std::byte[]> copy_;
};

}  // namespace medmo::inline MEDMO_ABI::io
