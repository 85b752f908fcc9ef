// A run of a benchmark: which items are asked and how, a journal of every answer, and going on where it stopped. The journal is
// JSON lines in the items' order, its first line the run itself; another run's journal is refused. Times are written beside it,
// so that a run killed at any moment and resumed leaves the bytes of one that was not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../io/atomic_file.hpp"
#include "../io/jsonl.hpp"
#include "benchmarks.hpp"
#include "reply.hpp"
#include "results.hpp"
#include "shard.hpp"
#include "summarize.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

enum class scoring {
  generation,  ///< the answer is generated and judged by the rules
  likelihood,  ///< of the options' letters (yes and no) the most probable; free answers are generated all the same
};

constexpr std::string_view name_of(scoring s) { return s == scoring::generation ? "generation" : "likelihood"; }

struct run_options {
  std::optional<index> limit{};         ///< most items
  std::optional<std::uint64_t> seed{};  ///< none: the first ones, in order; else a random choice, in order
  evaluate::shard shard{};
  evaluate::scoring scoring = scoring::generation;
  answer_style style = answer_style::direct;
  answer_rules rules = answer_rules::medmo;
  std::string question{};               ///< of grounding items, in place of the benchmark's
  io::ordered_json model = io::ordered_json::object();  ///< what tells this model and its settings from others
  metrics::bootstrap_options bootstrap{};
};

/// One benchmark on one data set with one model. Folder layout: answers.jsonl (answers.shard-2-of-4.jsonl), timings.jsonl.
class run {
 public:
  run(benchmark const& b, data_set data, run_options options)
      : benchmark_(b), data_(std::move(data)), options_(std::move(options)) {
    choose();
  }
  run(run const&) = delete;  // chosen_ points into data_

  std::span<item const* const> items() const { return chosen_; }
  data_set const& data() const { return data_; }
  benchmark const& of() const { return benchmark_; }
  index shards() const { return options_.shard.count; }

  /// Removes the journal of this shard: the run begins anew.
  void forget(std::string const& folder) const {
    std::error_code ignored;
    std::filesystem::remove(journal_path(folder, options_.shard), ignored);
    std::filesystem::remove(times_path(folder, options_.shard), ignored);
  }

  /// The question of a chosen item, ready for an answerer.
  request request_of(std::size_t place) const {
    auto const& i = *chosen_[place];
    request r{&i, prompt(i), {}, {}};
    for (auto const& one : i.images) r.pictures.push_back((std::filesystem::path(data_.folder) / one).string());
    if (options_.scoring == scoring::likelihood) r.candidates = candidates_of(i);
    return r;
  }

  /// Asks what the journal in `folder` does not hold yet, `at_once` requests at a time; progress(done before, done, all) is called
  /// after each answer. Errors: file_access; bad_format for a journal of another run, naming what differs; those of `ask`.
  void answer(std::string const& folder, answerer const& ask, std::size_t at_once,
              std::function<void(std::size_t, std::size_t, std::size_t)> const& progress = {}) const {
    std::error_code fault;
    std::filesystem::create_directories(folder, fault);
    if (fault) MEDMO_THROW(errc::file_access, folder, "a folder that can be made", fault.message());
    io::jsonl_journal journal(journal_path(folder, options_.shard));
    io::jsonl_journal times(times_path(folder, options_.shard));
    auto const mine = places(options_.shard);
    std::size_t const before = read_journal(journal.path(), options_.shard, reading::begun).size();
    if (journal.empty()) journal.append(header(options_.shard));
    std::map<std::size_t, reply> early;  // came before their turn
    std::size_t done = before;
    auto write = [&](reply const& r) {
      auto const place = mine[done];
      times.append(io::ordered_json{{"index", place}, {"id", chosen_[place]->id}, {"ms", r.milliseconds}});
      journal.append(line_of(place, r));
      ++done;
      if (progress) progress(before, done, mine.size());
    };
    while (done < mine.size()) {
      std::vector<request> batch;
      auto const begin = done;
      for (auto n = begin; n < std::min(begin + std::max<std::size_t>(at_once, 1), mine.size()); ++n) batch.push_back(request_of(mine[n]));
      ask(batch, [&](std::size_t n, reply r) {
        early.insert_or_assign(begin + n, std::move(r));
        for (auto next = early.begin(); next != early.end() && next->first == done; next = early.erase(next)) write(next->second);
      });
      if (done != begin + batch.size())
        MEDMO_THROW(errc::bad_argument, "answerer", std::to_string(batch.size()) + " replies", std::to_string(done - begin));
    }
  }

  /// Have all shards of this run been answered?
  bool complete(std::string const& folder) const {
    for (index s = 0; s < options_.shard.count; ++s) {
      shard const one{s, options_.shard.count};
      std::error_code fault;
      if (!std::filesystem::is_regular_file(journal_path(folder, one), fault)) return false;
      if (read_journal(journal_path(folder, one), one, reading::begun).size() < places(one).size()) return false;
    }
    return true;
  }

  /// The replies of all shards, one an item. Errors: file_access for a shard that is missing; bad_format for one that is not
  /// complete or of another run.
  std::vector<reply> replies(std::string const& folder) const {
    std::vector<reply> out(chosen_.size());
    for (index s = 0; s < options_.shard.count; ++s) {
      shard const one{s, options_.shard.count};
      auto part = read_journal(journal_path(folder, one), one, reading::whole);
      auto const mine = places(one);
      for (std::size_t n = 0; n < mine.size(); ++n) out[mine[n]] = std::move(part[n]);
    }
    return out;
  }

  /// Joins the shards into answers.jsonl, whose bytes are those of a run in one piece.
  void join(std::string const& folder, std::span<reply const> all) const {
    io::atomic_file joined(journal_path(folder, {}));
    joined.write(text_of(header({})));
    for (std::size_t n = 0; n < all.size(); ++n) joined.write(text_of(line_of(n, all[n])));
    joined.commit();
  }

  /// What all replies say.
  evaluate::results results(std::span<reply const> all) const {
    auto out = summarize(benchmark_, chosen_, all, options_.rules, options_.bootstrap);
    out.split = data_.split;
    out.malformed = data_.malformed;
    out.settings = settings();
    return out;
  }

 private:
  enum class reading { begun, whole };

  void choose() {
    std::vector<std::size_t> order(data_.items.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    auto const most = options_.limit ? std::min(order.size(), static_cast<std::size_t>(std::max<index>(*options_.limit, 0))) : order.size();
    if (options_.seed && most < order.size()) {
      random_stream const draws(*options_.seed, stream_of("evaluate: items"));
      std::sort(order.begin(), order.end(), [&](auto a, auto b) { return std::pair(draws.bits(a), a) < std::pair(draws.bits(b), b); });
      order.resize(most);
      std::sort(order.begin(), order.end());
    }
    order.resize(most);
    for (auto n : order) chosen_.push_back(&data_.items[n]);
  }

  std::string prompt(item const& i) const {
    if (i.kind == task::grounding && !options_.question.empty()) return options_.question;
    return prompt_of(i, {benchmark_.marks, options_.style});
  }

  /// Items of a shard: each count-th, so that shards take about as long.
  std::vector<std::size_t> places(shard const& s) const {
    std::vector<std::size_t> out;
    for (auto n = static_cast<std::size_t>(s.number); n < chosen_.size(); n += static_cast<std::size_t>(s.count)) out.push_back(n);
    return out;
  }

  /// A hash of all that is asked: another data set, split, limit or prompt is another run.
  std::string fingerprint() const {
    std::uint64_t h = 0;
    auto add = [&](std::string_view text) { h = mix64(h ^ stream_of(text) ^ text.size()); };
    for (auto const* i : chosen_) {
      add(i->id), add(prompt(*i));
      for (auto const& one : i->images) add(one);
      for (auto const& one : i->answers) add(one);
      for (auto const& b : i->boxes) {
        add(b.label);
        std::visit([&](auto const& v) { for (double x : {v.x1, v.y1, v.x2, v.y2}) add(std::to_string(x)); }, b.where);
      }
    }
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
    return text;
  }

  io::ordered_json settings() const {
    return {{"model", options_.model}, {"scoring", name_of(options_.scoring)}, {"reasoning", options_.style == answer_style::reasoning},
            {"limit", options_.limit ? io::ordered_json(*options_.limit) : io::ordered_json()},
            {"seed", options_.seed ? io::ordered_json(*options_.seed) : io::ordered_json()}};
  }

  io::ordered_json header(shard const& s) const {
    return {{"run", benchmark_.name}, {"version", 1}, {"split", data_.split}, {"n", chosen_.size()}, {"items", fingerprint()},
            {"shard", {s.number + 1, s.count}}, {"matcher", metrics::matcher_version(options_.rules)}, {"settings", settings()}};
  }

  static std::string text_of(io::ordered_json const& line) {
    return line.dump(-1, ' ', false, io::ordered_json::error_handler_t::replace) + "\n";
  }

  io::ordered_json line_of(std::size_t place, reply const& r) const {
    auto const& i = *chosen_[place];
    io::ordered_json line{{"index", place}, {"id", i.id}, {"prompt", prompt(i)}};
    line.update(to_json(r));
    if (i.kind != task::grounding) line["truth"] = right_answer(i);
    auto const j = judge(benchmark_, i, r, options_.rules);
    if (!j.rule.empty()) line["rule"] = j.rule, line["parsed"] = j.parsed;
    auto& values = line["scores"] = io::ordered_json::object();
    for (auto const& [name, value] : j.values) values[name] = value;
    return line;
  }

  /// The replies of a shard's journal, in order. `begun`: as many as there are, none of an empty file.
  std::vector<reply> read_journal(std::string const& path, shard const& s, reading how) const {
    io::jsonl_reader lines(path);
    auto const mine = places(s);
    std::vector<reply> out;
    auto next = [&](bool torn_is_end) -> std::optional<io::jsonl_line> {
      auto line = lines.next();
      if (line && !line->value && torn_is_end && !lines.next()) return std::nullopt;  // another process writes it just now
      if (line && !line->value) MEDMO_THROW(errc::bad_format, line->where, "a line of a journal", line->fault);
      return line;
    };
    if (auto const first = next(how == reading::begun)) check_header(first->where, io::json(header(s)), *first->value);
    else if (how == reading::begun) return out;
    else MEDMO_THROW(errc::bad_format, path, "a journal of answers", "an empty file");
    while (auto const line = next(how == reading::begun)) {
      io::json_fields const f(*line->value, line->where);
      if (out.size() >= mine.size()) MEDMO_THROW(errc::bad_format, line->where, std::to_string(mine.size()) + " answers", "more");
      auto const place = mine[out.size()];
      if (f.integer("index") != static_cast<index>(place))
        MEDMO_THROW(errc::bad_format, f.where("index"), std::to_string(place), f.has("index") ? io::excerpt(*f.find("index")) : "none");
      out.push_back(reply_of(f));
    }
    if (how == reading::whole && out.size() < mine.size())
      MEDMO_THROW(errc::bad_format, path, std::to_string(mine.size()) + " answers", std::to_string(out.size()));
    return out;
  }

  static void check_header(std::string const& where, io::json const& mine, io::json const& theirs) {
    if (mine == theirs) return;
    if (theirs.is_object())
      for (auto const& [name, value] : mine.items()) {
        auto it = theirs.find(name);
        if (it == theirs.end() || *it != value)
          MEDMO_THROW(errc::bad_format, where + ": " + name, io::excerpt(value, 200) + ", or a folder of another name",
                      it == theirs.end() ? "none" : io::excerpt(*it, 200));
      }
    MEDMO_THROW(errc::bad_format, where, "the first line of this run's journal", io::excerpt(theirs, 200));
  }

  static std::string journal_path(std::string const& folder, shard const& s) { return (std::filesystem::path(folder) / ("answers" + suffix(s) + ".jsonl")).string(); }
  static std::string times_path(std::string const& folder, shard const& s) { return (std::filesystem::path(folder) / ("timings" + suffix(s) + ".jsonl")).string(); }

  benchmark const& benchmark_;
  data_set data_;
  run_options options_;
  std::vector<item const*> chosen_;  // of data_
};

}  // namespace medmo::inline MEDMO_ABI::evaluate
