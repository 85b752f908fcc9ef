// Comma- and tab-separated tables (RFC 4180): fields in double quotes may hold separators, line ends and doubled quotes.
// A record that breaks the rules is handed out with its line and the reason; reading goes on behind it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct csv_record {
  std::size_t line = 0;  ///< where it begins, from 1
  std::vector<std::string> fields;
  std::string fault;  ///< empty: well-formed
};

/// Walks over `text`, which must outlive it. Blank lines are skipped. A tab-separated table knows no quotes.
class csv_reader {
 public:
  explicit csv_reader(std::string_view text, char separator = ',') : text_(text), separator_(separator) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
  }

  std::optional<csv_record> next() {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) skip_line_end();
    if (at_ >= text_.size()) return std::nullopt;
    csv_record out{line_, {}, {}};
    while (field(out)) {
    }
    return out;
  }

 private:
  bool quotes() const { return separator_ != '\t'; }

  void skip_line_end() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }

  /// One field; false where it was the record's last.
  bool field(csv_record& out) {
    std::string value;
    if (quotes() && at_ < text_.size() && text_[at_] == '"') quoted(value, out);
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' && text_[at_] != '\r') {
      if (quotes() && text_[at_] == '"' && out.fault.empty()) out.fault = "a quote inside a field without quotes";
      value += text_[at_++];
    }
    out.fields.push_back(std::move(value));
    if (at_ >= text_.size()) return false;
    if (text_[at_] == separator_) {
      ++at_;
      return true;
    }
    skip_line_end();
    return false;
  }

  /// From the opening quote to behind the closing one. One that never closes spoils its own line only.
  void quoted(std::string& value, csv_record& out) {
    auto const begin = at_;
    auto const line = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        value += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        value += text_[++at_];
      } else {
        ++at_;
        if (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' && text_[at_] != '\r' && out.fault.empty())
          out.fault = "text behind a closing quote";
        return;
      }
    }
    out.fault = "a quote that never closes";
    value.clear();
    line_ = line;
    at_ = begin;
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }

  std::string_view text_;
  char separator_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace medmo::inline MEDMO_ABI::evaluate
