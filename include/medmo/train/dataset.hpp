// Rows of training data in files of JSON lines, of either form of conversation.hpp. Every line is looked at once when it is
// opened: bad ones are counted and told with file, line and reason; good ones are read again when they are asked for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../io/image.hpp"
#include "../io/jsonl_index.hpp"
#include "conversation.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// A file and the folder that its pictures lie below.
struct data_file {
  std::string path;
  std::string folder{};  ///< empty: the file's own
};

class dataset {
 public:
  static constexpr std::size_t faults_kept = 1000;

  /// Errors: file_access; bad_argument where no row is good, with the first fault.
  explicit dataset(std::span<data_file const> files) {
    for (auto const& file : files) {
      auto const slash = file.path.rfind('/');
      folders_.push_back(!file.folder.empty() ? file.folder : slash == file.path.npos ? "." : file.path.substr(0, slash + 1));
      indices_.push_back(std::make_unique<io::jsonl_index>(file.path, [&](io::jsonl_line const& line) { return look_at(line); }));
      first_.push_back(lengths_.size());
    }
    if (lengths_.empty())
      MEDMO_THROW(errc::bad_argument, files.empty() ? "training data" : files.front().path, "at least one good row",
                  faults_.empty() ? "none" : faults_.front());
  }

  index size() const { return static_cast<index>(lengths_.size()); }
  /// A rough length of each row, to put like beside like: characters of text, 1024 a picture.
  std::span<std::uint32_t const> lengths() const { return lengths_; }
  std::size_t bad_rows() const { return bad_; }
  std::span<std::string const> faults() const { return faults_; }  ///< one sentence each, the first 1000

  /// Row i, from 0. Errors: file_access, bad_json (the file has changed).
  conversation read(index i) const {
    auto const at = static_cast<std::size_t>(i);
    auto const f = file_of(at);
    auto const line = indices_[f]->read(at - (f > 0 ? first_[f - 1] : 0));
    if (!line.value) MEDMO_THROW(errc::bad_json, line.where, "the row it was", line.fault);
    return read_conversation(*line.value, line.where);
  }
  /// Its pictures, decoded. Errors: file_access, bad_image, too_large, unsupported.
  std::vector<image> pictures(index i, conversation const& row) const {
    std::vector<image> out;
    for (auto const& path : row.images) out.push_back(io::read_image(folders_[file_of(static_cast<std::size_t>(i))] + "/" + path));
    return out;
  }

 private:
  std::size_t file_of(std::size_t row) const {
    return static_cast<std::size_t>(std::upper_bound(first_.begin(), first_.end(), row) - first_.begin());
  }
  bool look_at(io::jsonl_line const& line) {
    std::string fault = line.fault;
    if (line.value) {
      try {
        lengths_.push_back(length_of(read_conversation(*line.value, line.where)));
        return true;
      } catch (error const& e) {
        fault = e.what();
      }
    }
    ++bad_;
    if (faults_.size() < faults_kept) faults_.push_back(std::move(fault));
    return false;
  }
  static std::uint32_t length_of(conversation const& row) {
    std::size_t n = 1024 * row.images.size();
    for (auto const& turn : row.turns)
      for (auto const& piece : turn.content)
        if (auto const* words = std::get_if<std::string>(&piece)) n += words->size();
    return static_cast<std::uint32_t>(n);  // of a line of at most 16 MiB
  }

  std::vector<std::unique_ptr<io::jsonl_index>> indices_;
  std::vector<std::string> folders_;
  std::vector<std::size_t> first_;  // rows up to the end of each file
  std::vector<std::uint32_t> lengths_;
  std::vector<std::string> faults_;
  std::size_t bad_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI::train
