// JSON lines: a JSON document a line, UTF-8, ends of line "\n" or "\r\n", blank lines skipped. jsonl_reader walks over a file
// in bounded memory and hands out malformed lines too, each with its file, line and reason: what to do about one is the
// caller's choice, to miss one is not. jsonl_journal appends lines that outlive the death of the process.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "json.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// A line of a file. `value` is there, or `fault` says in one sentence, which begins with `where`, why it is not.
struct jsonl_line {
  std::size_t number = 0;  ///< from 1, blank lines counted
  std::string where;       ///< "PATH:NUMBER"
  std::optional<json> value;
  std::string fault;
  std::size_t begin = 0, size = 0;  ///< its bytes in the file, without the "\n"
};

namespace detail {
/// A descriptor of a regular file that is closed at the end.
class line_file {
 public:
  line_file(std::string path, int flags) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666);
    struct stat status {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) fail("a file that can be opened");
    if (S_ISREG(status.st_mode)) return;
    close();
    MEDMO_THROW(errc::file_access, path_, "a regular file", S_ISDIR(status.st_mode) ? "a folder" : "something else");
  }
  line_file(line_file const&) = delete;
  ~line_file() { close(); }

  /// At most `room` bytes; 0 at the end.
  std::size_t read(char* to, std::size_t room) {
    for (;;) {
      auto n = ::read(descriptor_, to, room);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) fail("a file that can be read");
    }
  }
  [[noreturn]] void fail(char const* expected) {
    std::string const found = std::strerror(errno);
    close();  // a handler that does not return would leave it open
    MEDMO_THROW(errc::file_access, path_, expected, found);
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  int descriptor() const { return descriptor_; }
  std::string const& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
};
}  // namespace detail

inline constexpr std::size_t jsonl_line_limit = 16u << 20;  ///< bytes of a line; a longer one is malformed and not kept

/// for (io::jsonl_reader rows("answers.jsonl"); auto line = rows.next();) if (line->value) use(*line->value);
/// Holds one line and 64 KiB. Errors: file_access (missing, a folder, unreadable).
class jsonl_reader {
 public:
  explicit jsonl_reader(std::string path, std::size_t line_limit = jsonl_line_limit)
      : file_(std::move(path), O_RDONLY), limit_(line_limit), buffer_(std::size_t{64} << 10) {}

  /// The next line that is not blank, well-formed or not; nothing at the end.
  std::optional<jsonl_line> next() {
    while (take_line()) {
      if (!too_long_ && text_.find_first_not_of(" \t\r") == std::string::npos) continue;
      jsonl_line out{number_, file_.path() + ":" + std::to_string(number_), {}, {}, begin_, size_};
      std::string found;
      if (too_long_) found = "a longer one";
      else out.value = try_parse_json(std::as_bytes(std::span(text_)), found);
      if (!out.value) {
        ++malformed_;
        out.fault = out.where + ": expected " +
                    (too_long_ ? "a line of at most " + std::to_string(limit_) + " bytes" : std::string("JSON")) + ", found " + found;
      }
      return out;
    }
    return std::nullopt;
  }

  std::size_t malformed() const { return malformed_; }  ///< lines handed out without a value
  std::string const& path() const { return file_.path(); }

 private:
  /// The bytes up to the end of the line or of the file into text_; false where nothing is left.
  bool take_line() {
    text_.clear();
    too_long_ = false;
    begin_ += size_ + ended_;
    size_ = ended_ = 0;
    for (bool any = false;; any = true) {
      if (at_ == end_) {
        at_ = 0;
        end_ = file_.read(buffer_.data(), buffer_.size());
        if (end_ == 0) {
          number_ += any;
          return any;
        }
      }
      std::string_view const rest(buffer_.data() + at_, end_ - at_);
      auto const stop = rest.find('\n');
      auto const piece = rest.substr(0, stop);
      if (piece.size() > limit_ - text_.size()) too_long_ = true;
      else if (!too_long_) text_ += piece;
      at_ += piece.size() + (stop != rest.npos);
      size_ += piece.size();
      ended_ = stop != rest.npos;
      if (stop == rest.npos) continue;
      ++number_;
      return true;
    }
  }

  detail::line_file file_;
  std::size_t limit_;
  std::vector<char> buffer_;
  std::size_t at_ = 0, end_ = 0;  // of the buffer, what is not yet taken
  std::string text_;
  bool too_long_ = false;
  std::size_t number_ = 0, malformed_ = 0;
  std::size_t begin_ = 0, size_ = 0, ended_ = 0;  // of the line in text_; ended: 1 where a "\n" follows
};

/// A file of JSON lines that grows at its end. A line is handed to the system whole before append returns, so a process
/// killed at any moment leaves whole lines and at most one torn one at the end; opening the file again drops that one.
/// One writer at a time: the file is locked.
class jsonl_journal {
 public:
  /// Opens or creates `path`. Errors: file_access (no place to write; another process writes to it).
  explicit jsonl_journal(std::string path) : file_(std::move(path), O_RDWR | O_CREAT) {
    if (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) != 0) file_.fail("a file that no other process writes to");
    auto const size = ::lseek(file_.descriptor(), 0, SEEK_END);
    if (size < 0) file_.fail("a file that can be measured");
    length_ = whole_lines(size);
    torn_ = static_cast<std::size_t>(size - length_);
    if (torn_ > 0 && ::ftruncate(file_.descriptor(), length_) != 0) file_.fail("a file whose torn last line can be cut off");
    if (::lseek(file_.descriptor(), length_, SEEK_SET) < 0) file_.fail("a file that can be written at its end");
  }

  /// One line more; bytes that are not UTF-8 become U+FFFD. Errors: file_access; the file is then as it was.
  template <class Json>
  void append(Json const& row) {
    auto const line = row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    for (std::size_t at = 0; at < line.size();) {
      auto n = ::write(file_.descriptor(), line.data() + at, line.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        int const fault = errno;
        bool const undone = ::ftruncate(file_.descriptor(), length_) == 0 && ::lseek(file_.descriptor(), length_, SEEK_SET) >= 0;
        errno = fault;
        if (!undone) file_.fail("room to write");  // closes it: nothing may follow half a line
        MEDMO_THROW(errc::file_access, file_.path(), "room to write", std::strerror(fault));
      }
      at += static_cast<std::size_t>(n);
    }
    length_ += static_cast<off_t>(line.size());
  }

  /// To the disk itself, for a file that must outlive the machine's end too. Errors: file_access.
  void sync() {
    if (::fsync(file_.descriptor()) != 0) file_.fail("a disk that takes it");
  }

  bool empty() const { return length_ == 0; }
  std::size_t torn() const { return torn_; }  ///< bytes of the torn line that was dropped when it was opened
  std::string const& path() const { return file_.path(); }

 private:
  /// The length of the file up to its last end of line, found from behind.
  off_t whole_lines(off_t size) {
    std::vector<char> block(std::size_t{64} << 10);
    while (size > 0) {
      auto const count = static_cast<std::size_t>(std::min<off_t>(size, static_cast<off_t>(block.size())));
      off_t const begin = size - static_cast<off_t>(count);
      if (::lseek(file_.descriptor(), begin, SEEK_SET) < 0) file_.fail("a file that can be read");
      for (std::size_t got = 0; got < count;) {
        auto const n = file_.read(block.data() + got, count - got);
        if (n == 0) MEDMO_THROW(errc::file_access, file_.path(), "a file that nobody shortens", "a shorter one");
        got += n;
      }
      auto const at = std::string_view(block.data(), count).rfind('\n');
      if (at != std::string_view::npos) return begin + static_cast<off_t>(at) + 1;
      size = begin;
    }
    return 0;
  }

  detail::line_file file_;
  off_t length_ = 0;
  std::size_t torn_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI::io
