// How a public data set lies on a disk, and reading it: which files, in which folder, of which split, and what a row becomes.
// A reader (readers/) is a table of this kind and a function from a row to items.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "item.hpp"
#include "row.hpp"
#include "row_file.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

/// A file below the data set's folder; '*' in its last part stands for anything. `split`: of all its rows; empty: a row tells,
/// or nobody does.
struct file_pattern {
  std::string pattern, split{};
};

struct data_format {
  std::vector<std::string> folders;  ///< names it is known by, lower case: PATH is one, or one lies below PATH
  std::vector<file_pattern> files;
  std::function<void(row const&, std::vector<item>&)> read;  ///< adds items; throws `error` for a row it cannot use
  std::function<void(std::vector<item>&)> finish{};          ///< once, behind the last row
  std::vector<std::string> splits{"test", "val", "train"};   ///< the first of them with items is taken where none is asked for
  std::vector<std::string> columns{};                        ///< of a table without a line of names
};

namespace detail {
namespace fs = std::filesystem;

/// Does `name` match `pattern`, in which '*' stands for anything? Case is not told apart.
inline bool matches(std::string_view pattern, std::string_view name) {
  auto const star = pattern.find('*');
  if (star == pattern.npos) return lower(pattern) == lower(name);
  auto const tail = pattern.substr(star + 1);
  return name.size() + 1 >= pattern.size() && lower(name).starts_with(lower(pattern.substr(0, star))) &&
         lower(name).ends_with(lower(tail));
}

inline std::vector<fs::path> entries(fs::path const& folder, bool folders) {
  std::vector<fs::path> out;
  std::error_code fault;
  for (fs::directory_iterator it(folder, fault), end; !fault && it != end; it.increment(fault)) {
    std::error_code ignored;
    if (folders ? it->is_directory(ignored) : it->is_regular_file(ignored)) out.push_back(it->path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// `root`, then the folders below it that bear one of the names, shallow ones first; at most five levels down.
inline std::vector<fs::path> bases(fs::path const& root, std::vector<std::string> const& names) {
  std::vector<fs::path> out{root}, level{root};
  for (int depth = 0; depth < 5 && !level.empty(); ++depth) {
    std::vector<fs::path> below;
    for (auto const& folder : level)
      for (auto& one : entries(folder, true)) {
        if (std::find(names.begin(), names.end(), lower(one.filename().string())) != names.end()) out.push_back(one);
        below.push_back(std::move(one));
      }
    level = std::move(below);
  }
  return out;
}

/// Files that a pattern names below `base`, or in `base` where that is the pattern's last folder, in order.
inline std::vector<std::string> files_of(fs::path const& base, std::string const& pattern) {
  fs::path relative(pattern);
  if (relative.has_parent_path() && lower(relative.parent_path().filename().string()) == lower(base.filename().string()))
    relative = relative.filename();
  std::vector<std::string> out;
  for (auto const& file : entries(base / relative.parent_path(), false))
    if (matches(relative.filename().string(), file.filename().string()))
      out.push_back((relative.parent_path() / file.filename()).generic_string());
  return out;
}

struct found_file {
  std::string name, split;
};

/// The first pattern with files decides: the format's own ones, then SPLIT.jsonl, .json, .csv, .tsv, which is how exports of
/// parquet files are called.
inline std::vector<found_file> find_files(fs::path const& base, data_format const& format, std::string const& split) {
  auto patterns = format.files;
  for (auto const* name : {"test", "val", "validation", "dev", "train"})
    for (auto const* ending : {".jsonl", ".json", ".csv", ".tsv"}) patterns.push_back({name + std::string(ending), split_name(name)});
  for (auto const& one : patterns) {
    if (!split.empty() && !one.split.empty() && one.split != split) continue;
    std::vector<found_file> out;
    for (auto& name : files_of(base, one.pattern)) out.push_back({std::move(name), one.split});
    if (!out.empty()) return out;
  }
  return {};
}

/// The items of one split ("": of all) in the files of one folder.
inline data_set read_split(fs::path const& base, std::vector<found_file> const& files, data_format const& format, std::string const& split) {
  data_set out;
  out.folder = base.string();
  out.split = split;
  auto take = [&](row&& r) {
    auto const before = out.items.size();
#if MEDMO_EXCEPTIONS
    try {
      format.read(r, out.items);
    } catch (error const& e) {
      out.items.resize(before);
      out.malformed.push_back(e.what());
    }
#else
    format.read(r, out.items);
#endif
    auto const added = out.items.begin() + static_cast<std::ptrdiff_t>(before);
    auto elsewhere = [&](item const& i) { return !split.empty() && !i.split.empty() && i.split != split; };
    for (auto i = added; i != out.items.end(); ++i) i->split = split_name(i->split.empty() ? r.split : i->split);
    out.items.erase(std::remove_if(added, out.items.end(), elsewhere), out.items.end());
  };
  for (auto const& file : files) {
    out.files.push_back(file.name);
    row const like{{}, base.string(), file.name, file.split, 0, {}};
    read_rows((base / file.name).string(), like, {take, [&](std::string why) { out.malformed.push_back(std::move(why)); }}, format.columns);
  }
  if (format.finish) format.finish(out.items);
  return out;
}
}  // namespace detail

/// The data set in `path`: its folder, a folder above it, or one of its files. `split` "": the first of the format's splits that
/// has items. Errors: file_access (nothing of it is there); bad_format (no row of the split can be used); those of read_rows.
inline data_set read_data_set(std::string const& path, data_format const& format, std::string const& split = "") {
  namespace fs = std::filesystem;
  std::error_code fault;
  auto wanted = split.empty() ? format.splits : std::vector{split_name(split)};
  if (split.empty()) wanted.push_back("");
  std::string first_fault;
  bool any = false;
  auto attempt = [&](fs::path const& base, std::vector<detail::found_file> const& files, std::string const& one) {
    any = true;
    auto out = detail::read_split(base, files, format, one);
    if (out.items.empty() && first_fault.empty() && !out.malformed.empty()) first_fault = out.malformed.front();
    return out;
  };
  if (fs::is_regular_file(path, fault)) {
    fs::path const file(path);
    auto const base = file.has_parent_path() ? file.parent_path() : fs::path(".");
    std::string own;  // what the file's name says of its split, if the format knows it
    for (auto const& known : format.files)
      if (own.empty() && detail::matches(fs::path(known.pattern).filename().string(), file.filename().string())) own = known.split;
    for (auto const& one : wanted)
      if (auto out = attempt(base, {{file.filename().string(), own}}, one); !out.items.empty()) return out;
  } else if (fs::is_directory(path, fault)) {
    for (auto const& base : detail::bases(path, format.folders))
      for (auto const& one : wanted)
        if (auto const files = detail::find_files(base, format, one); !files.empty())
          if (auto out = attempt(base, files, one); !out.items.empty()) return out;
  } else {
    MEDMO_THROW(errc::file_access, path, "a folder or file of data", "none");
  }
  if (any)
    MEDMO_THROW(errc::bad_format, path, split.empty() ? "a row that can be used" : "a row of the split \"" + split + "\" that can be used",
                first_fault.empty() ? "none" : "none; the first that cannot: " + first_fault);
  std::string names;
  for (auto const& one : format.files) names += one.pattern + ", ";
  MEDMO_THROW(errc::file_access, path, "one of the files " + names + "or SPLIT.jsonl, .json, .csv, .tsv", split.empty() ? "none" : "none of the split \"" + split + "\"");
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
