// JSON lines: every line that is not blank is handed out once, with its number and a value or a fault; a journal opened over
// the same bytes drops at most a torn last line, and what is appended to it is read back.
#include "harness.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "medmo/io/jsonl.hpp"

namespace fuzz_jsonl {
using namespace medmo::io;

std::size_t lines_with_content(std::string_view text) {
  std::size_t count = 0;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    count += line.find_first_not_of(" \t\r") != line.npos;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return count;
}

MEDMO_FUZZ_TARGET(jsonl) {
  static std::string const path = std::string(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + "/medmo-fuzz-" +
                                  std::to_string(::getpid()) + ".jsonl";
  auto text = fuzz::text_of(input);
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  std::size_t lines = 0, faults = 0, last = 0;
  {
    jsonl_reader rows(path);
    while (auto line = rows.next()) {
      ++lines;
      faults += !line->value;
      fuzz::require(line->number > last && line->where == path + ":" + std::to_string(line->number),
                    "lines have their numbers, in order");
      fuzz::require(line->value.has_value() == line->fault.empty() && line->fault.size() <= 4000,
                    "a value or a sentence");
      last = line->number;
    }
    fuzz::require(rows.malformed() == faults, "malformed lines are counted");
  }
  fuzz::require(lines == lines_with_content(text), "every line is handed out");
  {
    jsonl_journal journal(path);
    fuzz::require(journal.torn() == text.size() - (text.rfind('\n') + 1),
                  "what is torn is what follows the last end of line");
    journal.append(json{{"appended", 1}});
  }
  jsonl_reader rows(path);
  std::optional<jsonl_line> end;
  while (auto line = rows.next()) end = std::move(line);
  fuzz::require(end && end->value && *end->value == json{{"appended", 1}}, "what is appended is the last line");
  ::unlink(path.c_str());
}
}  // namespace fuzz_jsonl
