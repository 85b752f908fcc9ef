// A folder that appears whole or not at all: filled under another name beside its place, flushed to the disk with every file
// in it, then renamed. What a crash leaves behind has a name that begins with ".part-" and is swept away by the next writer.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"

namespace medmo::inline MEDMO_ABI::io {

namespace detail {
/// A file or folder to the disk itself.
inline void flush(std::string const& path) {
  int const d = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  int fault = d < 0 ? errno : ::fsync(d) == 0 ? 0 : errno;
  if (d >= 0) ::close(d);
  if (fault) MEDMO_THROW(errc::file_access, path, "a disk that takes it", std::strerror(fault));
}
}  // namespace detail

/// io::atomic_folder next(parent, "step-10"); write files into next.path(); next.commit();
/// One writer in `parent` at a time. Destroyed without commit, it leaves nothing. Errors: file_access; `parent`/`name` is then
/// as it was before.
class atomic_folder {
 public:
  atomic_folder(std::string parent, std::string const& name) : parent_(std::move(parent)), place_(parent_ + "/" + name), path_(parent_ + "/.part-" + name) {
    std::error_code fault;
    std::filesystem::create_directories(parent_, fault);
    if (fault) MEDMO_THROW(errc::file_access, parent_, "a folder that can be made", fault.message());
    if (std::filesystem::exists(std::filesystem::symlink_status(place_, fault)))
      MEDMO_THROW(errc::file_access, place_, "nothing there yet", "something");
    sweep(parent_);
    if (::mkdir(path_.c_str(), 0777) != 0) MEDMO_THROW(errc::file_access, path_, "a folder that can be made", std::strerror(errno));
    there_ = true;
  }
  atomic_folder(atomic_folder const&) = delete;
  ~atomic_folder() {
    if (there_) remove(path_);
  }

  std::string const& path() const { return path_; }  ///< where to write

  void commit() {
    std::error_code fault;
    for (std::filesystem::recursive_directory_iterator it(path_, fault), end; !fault && it != end; it.increment(fault))
      detail::flush(it->path().string());
    if (fault) MEDMO_THROW(errc::file_access, path_, "a folder that can be listed", fault.message());
    detail::flush(path_);
    if (::rename(path_.c_str(), place_.c_str()) != 0) MEDMO_THROW(errc::file_access, place_, "a folder that can be completed", std::strerror(errno));
    there_ = false;
    detail::flush(parent_);  // the new name; if this fails, the folder is whole but may be gone after a loss of power
  }

  /// Takes `parent`/`name` away: at once as far as readers can see, then its files. Errors: none; what stays is swept later.
  static void discard(std::string const& parent, std::string const& name) {
    std::string const aside = parent + "/.part-old-" + name;
    remove(aside);
    if (::rename((parent + "/" + name).c_str(), aside.c_str()) == 0) remove(aside);
  }

 private:
  static void remove(std::string const& path) {
    std::error_code fault;
    std::filesystem::remove_all(path, fault);
  }
  static void sweep(std::string const& parent) {
    std::error_code fault;
    std::filesystem::directory_iterator it(parent, fault), end;
    std::vector<std::string> left;
    for (; !fault && it != end; it.increment(fault))
      if (it->path().filename().string().starts_with(".part-")) left.push_back(it->path().string());
    for (auto const& path : left) remove(path);
  }

  std::string parent_, place_, path_;
  bool there_ = false;
};

}  // namespace medmo::inline MEDMO_ABI::io
