// JSON lines by their number in any order, for files larger than memory: where each line lies is found once, a line is read
// when it is asked for. The file may not change meanwhile; a line that no longer is one is handed out as malformed.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "jsonl.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// io::jsonl_index rows("train.jsonl"); for (std::size_t i = 0; i < rows.size(); ++i) use(rows.read(i));
/// Holds 16 bytes a line. read() may be called by several threads at once. Errors: file_access.
class jsonl_index {
 public:
  /// Looks at every line; keep(line) is asked for each, malformed ones too. Those refused and those malformed are left out.
  template <class Keep>
  jsonl_index(std::string const& path, Keep&& keep) : file_(path, O_RDONLY) {
    for (jsonl_reader lines(path); auto line = lines.next();)
      if (keep(*line) && line->value) places_.push_back({line->begin, static_cast<std::uint32_t>(line->size), static_cast<std::uint32_t>(line->number)});
  }

  std::size_t size() const { return places_.size(); }
  std::string const& path() const { return file_.path(); }
  std::size_t bytes(std::size_t i) const { return places_[i].size; }

  /// Line i of those kept, from 0.
  jsonl_line read(std::size_t i) const {
    auto const& where = places_[i];
    std::string text(where.size, ' ');
    for (std::size_t at = 0; at < text.size();) {
      auto const n = ::pread(file_.descriptor(), text.data() + at, text.size() - at, static_cast<off_t>(where.begin + at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0)
        MEDMO_THROW(errc::file_access, path(), "a file that nobody shortens", n < 0 ? std::strerror(errno) : "a shorter one");
      at += static_cast<std::size_t>(n);
    }
    jsonl_line line{where.number, path() + ":" + std::to_string(where.number), {}, {}, where.begin, where.size};
    std::string found;
    line.value = try_parse_json(std::as_bytes(std::span(text)), found);
    if (!line.value) line.fault = line.where + ": expected JSON, found " + found;
    return line;
  }

 private:
  struct place {
    std::uint64_t begin;
    std::uint32_t size, number;  // a line has at most jsonl_line_limit bytes
  };
  detail::line_file file_;
  std::vector<place> places_;
};

}  // namespace medmo::inline MEDMO_ABI::io
