// Files of rows: JSON lines, a JSON list of objects, a JSON object of objects, CSV and TSV with a line of names. Parquet is
// read from its export to one of these (docs/evaluation.md).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../io/jsonl.hpp"
#include "../io/mapped_file.hpp"
#include "csv.hpp"
#include "row.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

inline constexpr std::size_t row_file_limit = std::size_t{512} << 20;  ///< bytes of a JSON document or table

/// Called with each row, and with a sentence for each line that is none.
struct row_sink {
  std::function<void(row&&)> good;
  std::function<void(std::string)> malformed;
};

namespace detail {
inline void need_object(row&& r, row_sink const& sink) {
  if (r.value.is_object()) return sink.good(std::move(r));
  sink.malformed(r.where + ": expected an object, found " + io::excerpt(r.value));
}

inline io::mapped_file read_whole(std::string const& path) {
  auto const size = io::mapped_file::open(path).bytes().size();
  if (size > row_file_limit)
    MEDMO_THROW(errc::too_large, path, "at most " + std::to_string(row_file_limit) + " bytes", std::to_string(size));
  return io::mapped_file::open(path, io::file_mode::read);  // a copy: a file that shrinks must not fault
}

inline void read_json_lines(std::string const& path, row const& like, row_sink const& sink) {
  for (io::jsonl_reader lines(path); auto line = lines.next();) {
    if (!line->value) {
      sink.malformed(line->fault);
      continue;
    }
    row r = like;
    r.where = line->where;
    r.number = line->number;
    r.value = *std::move(line->value);
    need_object(std::move(r), sink);
  }
}

/// Does a text hold one JSON document, or one a line? Told by whether its first line is a document and more follows.
inline bool is_json_lines(std::string_view text) {
  auto const end = text.find('\n');
  if (end == text.npos || trimmed(text.substr(end)).empty()) return false;
  std::string ignored;
  return io::try_parse_json(std::as_bytes(std::span(text.substr(0, end))), ignored).has_value();
}

inline void read_json_document(std::string const& path, row const& like, row_sink const& sink) {
  auto const file = read_whole(path);
  std::string_view const text(reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size());
  if (is_json_lines(text)) return read_json_lines(path, like, sink);
  auto document = io::parse_json(file.bytes(), path);
  std::size_t number = 0;
  auto give = [&](io::json&& value, std::string const& place) {
    row r = like;
    r.where = path + ": " + place;
    r.number = ++number;
    r.value = std::move(value);
    need_object(std::move(r), sink);
  };
  if (document.is_array()) {
    for (auto& value : document) give(std::move(value), "item " + std::to_string(number + 1));
    return;
  }
  if (!document.is_object()) MEDMO_THROW(errc::bad_json, path, "a list or an object of rows", io::excerpt(document));
  for (auto& [key, value] : document.items()) {
    if (value.is_array()) {  // lists by split, as R2Gen writes them
      for (auto& one : value) {
        if (one.is_object() && !one.contains("split")) one["split"] = key;
        give(std::move(one), key + " " + std::to_string(number + 1));
      }
    } else {
      if (value.is_object()) value.emplace("key", key);
      give(std::move(value), io::excerpt(key));
    }
  }
}

inline void read_table(std::string const& path, row const& like, char separator, std::span<std::string const> names, row_sink const& sink) {
  auto const file = read_whole(path);
  csv_reader records({reinterpret_cast<char const*>(file.bytes().data()), file.bytes().size()}, separator);
  std::vector<std::string> columns(names.begin(), names.end());
  if (columns.empty()) {
    auto head = records.next();
    if (!head || !head->fault.empty()) MEDMO_THROW(errc::bad_format, path + ":1", "a line of column names", head ? head->fault : "nothing");
    columns = std::move(head->fields);
    while (!columns.empty() && columns.back().empty()) columns.pop_back();
  }
  while (auto record = records.next()) {
    row r = like;
    r.where = path + ":" + std::to_string(record->line);
    r.number = record->line;
    auto& fields = record->fields;
    while (fields.size() > columns.size() && fields.back().empty()) fields.pop_back();
    if (record->fault.empty() && fields.size() != columns.size())
      record->fault = std::to_string(fields.size()) + " fields";
    if (!record->fault.empty()) {
      sink.malformed(r.where + ": expected " + std::to_string(columns.size()) + " fields, found " + record->fault);
      continue;
    }
    r.value = io::json::object();
    bool sound = true;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      sound = sound && io::is_utf8(fields[i]);
      r.value[columns[i]] = std::move(fields[i]);
    }
    if (sound) sink.good(std::move(r));
    else sink.malformed(r.where + ": expected UTF-8, found other bytes");
  }
}
}  // namespace detail

/// Every row of a file, by the end of its name: .jsonl, .json, .csv, .tsv. `like` gives folder, file and split; `columns` names
/// those of a table that does not. Errors: file_access; too_large; bad_json for a document that is none; bad_format.
inline void read_rows(std::string const& path, row const& like, row_sink const& sink, std::span<std::string const> columns = {}) {
  auto const name = detail::lower(path);
  if (name.ends_with(".jsonl")) return detail::read_json_lines(path, like, sink);
  if (name.ends_with(".csv")) return detail::read_table(path, like, ',', columns, sink);
  if (name.ends_with(".tsv")) return detail::read_table(path, like, '\t', columns, sink);
  if (name.ends_with(".json")) return detail::read_json_document(path, like, sink);
  MEDMO_THROW(errc::unsupported, path, "a file ending in .jsonl, .json, .csv or .tsv", "another");
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
