// Questions from a file of JSON lines, answers into another. A row of questions:
//   {"image": "scan.png", "prompt": "Where?", "id": "a1", "options": {"seed": 3, "max_new_tokens": 64}}
// "images" lists several; places are relative to the file's folder; fields of other names are the caller's own. An answer is
// a line that begins with "row", in the questions' order, without times: the file of a run that was killed and gone on with
// is the file of one that was not.
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ask_arguments.hpp"
#include "medmo/core/blake2s.hpp"
#include "medmo/io/jsonl.hpp"

namespace command {

using medmo::io::json;
using medmo::io::ordered_json;

struct row_question {
  std::vector<std::string> images;
  std::string prompt;
  medmo::ask_options options;
};

/// A row's question; what its "options" do not name is as in `options`. Errors: bad_json naming file, line and field.
inline row_question question_of(medmo::io::jsonl_line const& line, std::string const& file, medmo::ask_options options) {
  medmo::io::json_fields const row(*line.value, line.where);
  row_question out;
  if (row.has("image") && row.has("images"))
    MEDMO_THROW(medmo::errc::bad_json, row.where("images"), "nothing beside \"image\"", "both");
  if (auto one = row.text("image")) out.images.push_back(*one);
  if (auto several = row.texts("images")) out.images = *several;
  for (auto& path : out.images) path = (std::filesystem::path(file).parent_path() / path).string();
  auto prompt = row.text("prompt");
  if (!prompt) MEDMO_THROW(medmo::errc::bad_json, row.where("prompt"), "a question", "none");
  out.prompt = *prompt;

  if (auto const own = row.nested("options")) {
    std::vector<std::string> known;
    auto take = [&]<class T>(std::string name, std::optional<T> value, auto&& to) {
      if (value) to = static_cast<std::remove_cvref_t<decltype(to)>>(*std::move(value));
      known.push_back(std::move(name));
    };
    auto& s = *options.sampling;
    take("system", own->text("system"), options.system);
    take("max_new_tokens", own->integer("max_new_tokens"), options.max_new_tokens);
    take("min_pixels", own->integer("min_pixels"), options.min_pixels);
    take("max_pixels", own->integer("max_pixels"), options.max_pixels);
    take("stop", own->texts("stop"), options.stop);
    take("box_labels", own->texts("box_labels"), options.boxes.labels);
    take("max_boxes", own->integer("max_boxes"), options.boxes.max_boxes);
    take("greedy", own->boolean("greedy"), s.greedy);
    take("seed", own->integer("seed"), s.seed);
    take("temperature", own->number("temperature"), s.temperature);
    take("top_k", own->integer("top_k"), s.top_k);
    take("top_p", own->number("top_p"), s.top_p);
    take("min_p", own->number("min_p"), s.min_p);
    for (auto const& [name, value] : own->object().items())
      if (std::find(known.begin(), known.end(), name) == known.end())
        MEDMO_THROW(medmo::errc::bad_json, own->where(name), "an option of a row", medmo::io::excerpt(value));
  }
  out.options = std::move(options);
  return out;
}

/// What was asked in a line, as 32 hexadecimal digits: the line and everything that bears upon its answer.
inline std::string request_of(medmo::io::jsonl_line const& line, std::string const& settings) {
  auto const text = line.value ? line.value->dump(-1, ' ', true, json::error_handler_t::replace) : "malformed";
  auto const digest = medmo::blake2s().add_text(settings).add_text(text).add(std::uint64_t{line.number}).finish();
  return medmo::hex(std::span(digest).first(16));
}

/// The answers' file, or standard output.
class answer_file {
 public:
  /// `requests`: of every question, in order. What the file holds already must be the answers to the first of them.
  /// Errors: file_access; bad_argument for a file of other questions, options or model, which is then left as it is.
  answer_file(std::string const& path, std::vector<std::string> const& requests) {
    if (path.empty()) return;
    refuse_stranger(path);
    journal_.emplace(path);
    medmo::io::jsonl_reader written(path);
    while (auto line = written.next()) {
      auto const* request = line->value && line->value->is_object() && line->value->contains("request") ? &(*line->value)["request"] : nullptr;
      if (kept_ >= requests.size() || !request || *request != requests[kept_])
        MEDMO_THROW(medmo::errc::bad_argument, line->where, "an answer to row " + std::to_string(kept_ + 1) + " of the same questions, options and model",
                    "another");
      failed_ += line->value->contains("error");
      ++kept_;
    }
  }

  std::size_t kept() const { return kept_; }      ///< rows answered before
  std::size_t failed() const { return failed_; }  ///< of those, the ones with an error

  void append(ordered_json const& row) {
    if (journal_) return journal_->append(row);
    std::puts(row.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    std::fflush(stdout);
  }

 private:
  /// Opening the journal cuts off a torn last line: not of a file that nobody here has written.
  static void refuse_stranger(std::string const& path) {
    constexpr std::string_view begin = "{\"row\":";
    std::ifstream file(path, std::ios::binary);
    std::string found(begin.size(), 0);
    file.read(found.data(), static_cast<std::streamsize>(found.size()));
    found.resize(static_cast<std::size_t>(file.gcount()));
    if (!begin.starts_with(found)) MEDMO_THROW(medmo::errc::bad_argument, path, "answers of an earlier run, or nothing", "another file");
  }

  std::optional<medmo::io::jsonl_journal> journal_;
  std::size_t kept_ = 0, failed_ = 0;
};

/// Rows that come in any order go out in theirs.
class row_order {
 public:
  row_order(answer_file& file, std::size_t next) : file_(file), next_(next) {}
  void put(std::size_t place, ordered_json row) {
    ready_.emplace(place, std::move(row));
    for (auto at = ready_.begin(); at != ready_.end() && at->first == next_; at = ready_.erase(at), ++next_) file_.append(at->second);
  }
  std::size_t written() const { return next_; }

 private:
  answer_file& file_;
  std::size_t next_;
  std::map<std::size_t, ordered_json> ready_;
};

}  // namespace command
