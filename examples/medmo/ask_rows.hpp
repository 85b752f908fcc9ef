// medmo ask --batch: every row of a file asked, several at once.
#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "answer_rows.hpp"
#include "command.hpp"
#include "medmo/evaluate/fingerprint.hpp"
#include "medmo/generate/batch.hpp"
#include "medmo/load.hpp"
#include "report.hpp"

namespace command {

/// Everything but the row itself that an answer depends on.
inline std::string settings_of(ask_arguments const& a) {
  ordered_json out{{"model", medmo::evaluate::model_fingerprint(a.model)}, {"system", a.system}, {"max_new_tokens", a.max_new_tokens},
                   {"min_pixels", a.min_pixels}, {"max_pixels", a.max_pixels}, {"boxes_only", a.boxes_only},
                   {"constrain_boxes", a.constrain_boxes}, {"box_labels", a.box_labels}, {"max_boxes", a.max_boxes},
                   {"window", a.picture.window}, {"frame", a.picture.frame}, {"ct_windows", a.picture.ct_windows}};
  auto given = [&](char const* name, auto const& value) {
    if (value) out[name] = *value;
  };
  auto const& s = a.sampling;
  out["greedy"] = s.greedy, out["biases"] = s.biases, out["stop"] = s.stop;
  given("seed", s.seed), given("temperature", s.temperature), given("top_p", s.top_p), given("top_k", s.top_k);
  given("min_p", s.min_p), given("repetition_penalty", s.repetition_penalty), given("presence_penalty", s.presence_penalty);
  given("top_logprobs", a.top_logprobs);
  return out.dump(-1, ' ', true, json::error_handler_t::replace);
}

template <class C>
class row_run {
 public:
  explicit row_run(ask_arguments const& args)
      : args_(args), requests_(read_requests(args)), model_(medmo::load<C>(args.model)), file_(args.out, requests_),
        order_(file_, file_.kept()), batch_(model_, {.slots = args.slots}) {}

  /// Answers what is not answered yet. Gives the number of rows that cannot be.
  std::size_t run() {
    medmo::io::jsonl_reader rows(args_.rows);
    for (std::size_t i = 0; i < file_.kept(); ++i) rows.next();
    progress line("answering");
    bool more = true;
    do {
      while (more && batch_.waiting() < args_.slots) more = ask_next(rows);
      batch_.step([&](index number, medmo::answer a) { answered(number, std::move(a)); });
      line.update(static_cast<double>(order_.written() - file_.kept()), static_cast<double>(requests_.size() - file_.kept()), 1, "rows");
    } while (more || batch_.waiting() + batch_.running() > 0);
    return failed_ + file_.failed();
  }

  ordered_json summary() const {
    double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return {{"rows", requests_.size()}, {"answered_before", file_.kept()}, {"errors", failed_ + file_.failed()}, {"tokens", tokens_},
            {"reused_tokens", reused_}, {"seconds", seconds}, {"tokens_per_s", static_cast<double>(tokens_) / seconds},
            {"peak_memory_bytes", peak_memory_bytes()}};
  }

 private:
  using index = medmo::index;
  struct asked_row {
    std::size_t place;
    ordered_json head;
  };

  static std::vector<std::string> read_requests(ask_arguments const& args) {
    auto const settings = settings_of(args);
    std::vector<std::string> out;
    for (medmo::io::jsonl_reader rows(args.rows); auto line = rows.next();) out.push_back(request_of(*line, settings));
    return out;
  }

  /// Takes a row into the batch, or says what is wrong with it. False at the end of the file.
  bool ask_next(medmo::io::jsonl_reader& rows) {
    auto const line = rows.next();
    auto const place = file_.kept() + taken_;
    if (!line || place == requests_.size()) return false;
    ++taken_;
    ordered_json head{{"row", line->number}, {"request", requests_[place]}};
    if (line->value && line->value->is_object() && line->value->contains("id")) head["id"] = (*line->value)["id"];
    try {
      if (!line->value) MEDMO_THROW(medmo::errc::bad_json, line->where, "JSON", line->fault.substr(std::min(line->fault.size(), line->where.size() + 2)));
      auto q = question_of(*line, args_.rows, options_of(args_, model_.sampling));
      std::vector<medmo::image> pictures;
      for (auto const& path : q.images) pictures.push_back(read_picture(path, args_.picture));
      index const number = batch_.add(std::move(pictures), q.prompt, std::move(q.options));
      under_way_.emplace(number, asked_row{place, std::move(head)});
    } catch (medmo::error const& e) {
      ++failed_;
      head["error"] = {{"line", line->where}, {"where", e.where()}, {"expected", e.expected()}, {"found", e.found()}};
      order_.put(place, std::move(head));
    }
    return true;
  }

  void answered(index number, medmo::answer a) {
    auto row = under_way_.extract(number);
    auto& out = row.mapped().head;
    out["text"] = a.text;
    out["stop_reason"] = medmo::name_of(a.stopped);
    out["prompt_tokens"] = a.prompt_tokens;
    out["tokens"] = a.tokens;
    out["detections"] = detections_of(a);
    out["dropped"] = a.dropped;
    if (args_.top_logprobs) out["token_logprobs"] = a.token_logprobs, out["alternatives"] = alternatives(a, model_.tokenizer);
    tokens_ += static_cast<index>(a.tokens.size());
    reused_ += a.reused_tokens;
    order_.put(row.mapped().place, std::move(out));
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  ask_arguments const& args_;
  std::vector<std::string> requests_;
  medmo::pretrained<C> model_;
  answer_file file_;
  row_order order_;
  medmo::batch<C> batch_;
  std::map<index, asked_row> under_way_;
  std::size_t taken_ = 0, failed_ = 0;
  index tokens_ = 0, reused_ = 0;
};

template <class C>
void ask_rows(ask_arguments const& args) {
  if (args.json && args.out.empty())
    MEDMO_THROW(medmo::errc::bad_argument, "--json", "a file for the answers (--out) beside the summary", "none");
  row_run<C> run(args);
  auto const failed = run.run();
  auto const s = run.summary();
  if (args.json) std::puts(s.dump(2).c_str());
  else
    std::fprintf(stderr, "%zu rows, %zu of them answered before, %zu that cannot be answered; %lld tokens in %.1f s (%.1f a second)\n",
                 s["rows"].template get<std::size_t>(), s["answered_before"].template get<std::size_t>(), failed,
                 s["tokens"].template get<long long>(), s["seconds"].template get<double>(), s["tokens_per_s"].template get<double>());
  if (failed)
    MEDMO_THROW(medmo::errc::bad_argument, args.rows, "rows that can be answered", std::to_string(failed) + " that cannot, named in the answers");
}

}  // namespace command
