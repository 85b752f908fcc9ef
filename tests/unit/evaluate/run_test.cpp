// A run with a made-up model: journal, going on, shards, scores and what is written. No model is instantiated.
#include "medmo/evaluate/run.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../io/bad_input.hpp"
#include "medmo/evaluate/averages.hpp"
#include "medmo/evaluate/baseline.hpp"
#include "medmo/evaluate/fingerprint.hpp"
#include "medmo/evaluate/page.hpp"

using medmo::errc;
namespace evaluate = medmo::evaluate;
namespace io = medmo::io;

namespace {

evaluate::item choice(std::string id, medmo::index right) {
  evaluate::item i;
  i.id = std::move(id);
  i.kind = evaluate::task::choice;
  i.question = "Which?";
  i.options = {"Liver", "Spleen", "Kidney"};
  i.right = right;
  i.answers = {i.options[static_cast<std::size_t>(right)]};
  return i;
}

evaluate::item words(std::string id, evaluate::task kind, std::string answer) {
  evaluate::item i;
  i.id = std::move(id);
  i.kind = kind;
  i.question = "Where?";
  i.answers = {std::move(answer)};
  return i;
}

/// Twenty questions of several kinds.
evaluate::data_set questions() {
  evaluate::data_set d;
  d.split = "test";
  for (medmo::index n = 0; n < 20; ++n) {
    auto const id = "q" + std::to_string(n);
    if (n % 4 == 0) d.items.push_back(words(id, evaluate::task::yes_no, n % 8 ? "Yes" : "no"));
    else if (n % 4 == 1) d.items.push_back(words(id, evaluate::task::open, "left lower lobe"));
    else d.items.push_back(choice(id, n % 3));
    d.items.back().group = n < 10 ? "first" : "second";
  }
  d.malformed = {"a.jsonl:3: expected JSON, found nothing"};
  return d;
}

/// Answers like a pure function of the request, handing replies over from last to first; counts what it was asked.
evaluate::answerer made_up(std::size_t& asked, std::size_t most = 1000) {
  return [&asked, most](std::span<evaluate::request const> requests, auto const& done) {
    for (std::size_t n = requests.size(); n-- > 0;) {
      if (asked == most) throw std::runtime_error("killed");
      ++asked;
      evaluate::reply r;
      auto const& id = requests[n].what->id;
      r.text = id.back() % 2 ? "B" : "no: the left lobe";
      if (id == "q6") r.text = "", r.failure = "picture.png: expected a picture, found none";
      r.stop = "end_of_turn";
      r.milliseconds = static_cast<double>(asked);
      done(n, r);
    }
  };
}

evaluate::benchmark const& vqa() { return evaluate::find_benchmark("vqa_rad"); }

std::string json_of(evaluate::run const& run, std::string const& folder) { return evaluate::to_json(run.results(run.replies(folder))).dump(); }

}  // namespace

TEST_CASE("run: stopped anywhere and resumed, the journal is that of an undisturbed run") {
  bad_input::folder here;
  std::size_t asked = 0;
  evaluate::run const run(vqa(), questions(), {});
  run.answer(here.file("whole"), made_up(asked), 1);
  CHECK(asked == 20);
  auto const whole = bad_input::content_of(here.file("whole/answers.jsonl"));
  for (std::size_t cut = 0; cut <= whole.size(); cut += cut < 700 ? 1 : 97) {  // torn at every byte of the first lines, then at some
    auto const folder = here.file("cut");
    std::filesystem::create_directories(folder);
    here.write("cut/answers.jsonl", whole.substr(0, cut));
    asked = 0;
    run.answer(folder, made_up(asked), 3);
    CHECK(bad_input::content_of(folder + "/answers.jsonl") == whole);
    CHECK(asked <= 20);
  }
  for (std::size_t most : {0u, 1u, 7u, 19u}) {
    auto const folder = here.file("thrown" + std::to_string(most));
    asked = 0;
    CHECK_THROWS_AS(run.answer(folder, made_up(asked, most), 1), std::runtime_error);
    CHECK_FALSE(run.complete(folder));
    bad_input::refused("not complete", errc::bad_format, "20 answers", [&] { run.replies(folder); });
    run.answer(folder, made_up(asked), 4);
    CHECK(asked == 20);
    CHECK(bad_input::content_of(folder + "/answers.jsonl") == whole);
    CHECK(json_of(run, folder) == json_of(run, here.file("whole")));
  }
}

TEST_CASE("run: shards join to the bytes of one run") {
  bad_input::folder here;
  std::size_t asked = 0;
  evaluate::run const whole(vqa(), questions(), {});
  whole.answer(here.file("whole"), made_up(asked), 1);
  for (medmo::index count : {2, 3, 7}) {
    auto const folder = here.file("of" + std::to_string(count));
    for (medmo::index s = count - 1; s >= 0; --s) {
      evaluate::run const part(vqa(), questions(), {.shard = {s, count}});
      CHECK_FALSE(part.complete(folder));
      asked = 0;
      part.answer(folder, made_up(asked), 2);
      CHECK(asked <= 20 / static_cast<std::size_t>(count) + 1);
      CHECK(part.complete(folder) == (s == 0));
    }
    evaluate::run const last(vqa(), questions(), {.shard = {0, count}});
    auto const replies = last.replies(folder);
    last.join(folder, replies);
    CHECK(bad_input::content_of(folder + "/answers.jsonl") == bad_input::content_of(here.file("whole/answers.jsonl")));
    CHECK(evaluate::to_json(last.results(replies)).dump() == json_of(whole, here.file("whole")));
  }
}

TEST_CASE("run: a journal of another run is refused, by name of what differs") {
  bad_input::folder here;
  std::size_t asked = 0;
  evaluate::run_options options;
  options.model = {{"files", "abc"}};
  evaluate::run const run(vqa(), questions(), options);
  auto const folder = here.file("a");
  run.answer(folder, made_up(asked), 1);
  auto refused = [&](char const* name, char const* part, evaluate::run const& other) {
    bad_input::refused(name, errc::bad_format, part, [&] { other.answer(folder, made_up(asked), 1); });
  };
  auto changed = options;
  changed.model = {{"files", "abd"}};
  refused("another model", "settings", {vqa(), questions(), changed});
  changed = options;
  changed.limit = 5;
  refused("fewer items", "items", {vqa(), questions(), changed});
  changed = options;
  changed.rules = evaluate::answer_rules::medevalkit;
  refused("other rules", "matcher", {vqa(), questions(), changed});
  refused("another benchmark", "run", {evaluate::find_benchmark("slake"), questions(), options});
  auto data = questions();
  data.items[3].question = "Whither?";
  refused("another question", "items", {vqa(), data, options});

  auto const whole = bad_input::content_of(folder + "/answers.jsonl");
  auto const second = whole.find('\n') + 1, third = whole.find('\n', second) + 1;
  struct {
    char const *name, *part;
    std::string text;
  } const cases[] = {{"a line that is no JSON", ":2: expected a line of a journal", whole.substr(0, second) + "x\n" + whole.substr(second)},
                     {"a line twice", ":3: index: expected 1, found 0", whole.substr(0, third) + whole.substr(second)},
                     {"a line missing", ":2: index: expected 0, found 1", whole.substr(0, second) + whole.substr(third)},
                     {"answers without a header", ":1: items", whole.substr(second)},
                     {"too many", "expected 20 answers", whole + whole.substr(second, third - second)},
                     {"a size that is none", "a width and a height", whole.substr(0, second) + "{\"index\":0,\"size\":[0,1]}\n"},
                     {"a box that is none", "four numbers", whole.substr(0, second) + "{\"index\":0,\"boxes\":[{\"box_norm1000\":[1]}]}\n"}};
  for (auto const& bad : cases) {
    here.write("a/answers.jsonl", bad.text);
    bad_input::refused(bad.name, errc::bad_format, bad.part, [&] {
      try {
        run.answer(folder, made_up(asked), 1);
      } catch (medmo::error const& e) {
        MEDMO_THROW(errc::bad_format, e.where(), e.expected(), e.found());  // bad_json of a reply counts as well
      }
    });
  }
  run.forget(folder);
  run.answer(folder, made_up(asked), 1);
  CHECK(bad_input::content_of(folder + "/answers.jsonl") == whole);
}

TEST_CASE("run: limit, seed, request") {
  auto ids = [](evaluate::run const& r) {
    std::string out;
    for (auto const* i : r.items()) out += i->id + " ";
    return out;
  };
  CHECK(ids({vqa(), questions(), {.limit = 3}}) == "q0 q1 q2 ");
  CHECK(ids({vqa(), questions(), {.limit = 100}}) == ids({vqa(), questions(), {}}));
  auto const five = ids({vqa(), questions(), {.limit = 5, .seed = 1}});
  CHECK(five == ids({vqa(), questions(), {.limit = 5, .seed = 1}}));
  CHECK(five != ids({vqa(), questions(), {.limit = 5, .seed = 2}}));
  auto data = questions();
  data.folder = "/data";
  data.items[0].images = {"images/a.png"};
  evaluate::run const run(vqa(), data, {.scoring = evaluate::scoring::likelihood});
  CHECK(run.request_of(0).pictures == std::vector<std::string>{"/data/images/a.png"});
  CHECK(run.request_of(0).candidates == std::vector<std::string>{"yes", "no"});
  CHECK(run.request_of(1).candidates.empty());
  CHECK(run.request_of(2).candidates == std::vector<std::string>{"A", "B", "C"});
  evaluate::answerer const lazy = [](auto, auto const&) {};
  bad_input::folder here;
  bad_input::refused("an answerer that leaves one out", errc::bad_argument, "replies", [&] { run.answer(here.file("x"), lazy, 2); });
}

TEST_CASE("prompts are MedEvalKit's, letter by letter") {
  auto const i = choice("a", 0);
  CHECK(evaluate::prompt_of(i) ==
        "\nQuestion: Which?\nOptions: \nA. Liver\nB. Spleen\nC. Kidney\nAnswer with the option's letter from the given choices directly.");
  CHECK(evaluate::prompt_of(i, {.marks = evaluate::option_marks::bracketed}) ==
        "\nWhich?\n\n(A) Liver\n(B) Spleen\n(C) Kidney\n\nAnswer with the option's letter from the given choices directly.");
  auto asked = i;
  asked.context = "Abstract.";
  CHECK(evaluate::prompt_of(asked, {evaluate::option_marks::letter_dot, evaluate::answer_style::reasoning}) ==
        "Context: Abstract.\n\nQuestion: Which?\nOptions: \nA.Liver\nB.Spleen\nC.Kidney\nAnswer with the option's letter from the given choices and put "
        "the letter in one \"\\boxed{}\".");
  CHECK(evaluate::prompt_of(words("a", evaluate::task::yes_no, "yes")) == "Where?\nPlease output 'yes' or 'no'(no extra output).");
  CHECK(evaluate::prompt_of(words("a", evaluate::task::closed, "left")) == "Where?\nAnswer the question using a single word or phrase.");
  CHECK(evaluate::prompt_of(words("a", evaluate::task::open, "left")) == "Where?\nPlease answer the question concisely.");
  auto chinese = words("a", evaluate::task::open, "x");
  chinese.language = "zh";
  CHECK(evaluate::prompt_of(chinese) == "Where?\n\xe8\xaf\xb7\xe7\xae\x80\xe8\xa6\x81\xe5\x9b\x9e\xe7\xad\x94\xe8\xaf\xa5\xe9\x97\xae\xe9\xa2\x98\xe3\x80\x82");
  CHECK(evaluate::prompt_of(words("a", evaluate::task::report, "x")) == "Where?");
}

TEST_CASE("scores: kinds of tasks, likelihood, failures") {
  auto of = [](evaluate::item const& i, evaluate::reply const& r, char const* benchmark = "vqa_rad") {
    return evaluate::judge(evaluate::find_benchmark(benchmark), i, r);
  };
  evaluate::reply r;
  r.text = "B. Spleen";
  CHECK(of(choice("a", 1), r).values[0].second == 1);
  CHECK(of(choice("a", 0), r).values[0].second == 0);
  CHECK(of(choice("a", 1), r).rule == "letter");
  CHECK(of(choice("a", 1), r, "mmmu_med").values[0].second == 0);  // MMMU looks for "(B)" or " B "
  r.text = "(B) Spleen";
  CHECK(of(choice("a", 1), r, "mmmu_med").values[0].second == 1);
  auto given = choice("a", 1);
  given.options = {" A:Liver", " B:Spleen"};
  r.text = "Spleen";
  CHECK(of(given, r, "pmc_vqa").values[0].second == 1);
  r = {};
  r.log_probabilities = {-3, -2, -9};
  CHECK(of(choice("a", 1), r).values[0].second == 1);
  CHECK(of(choice("a", 1), r).rule == "likelihood");
  r.log_probabilities = {-3, -2};
  CHECK(of(words("a", evaluate::task::yes_no, "No"), r).values[0].second == 1);
  r = {};
  r.text = "yes";
  r.failure = "no picture";
  CHECK(of(words("a", evaluate::task::yes_no, "yes"), r).values[0].second == 0);
  r = {};
  r.text = "Left lower lobe.";
  auto const open = of(words("a", evaluate::task::open, "left lower lobe"), r);
  CHECK(open.values[0].second == 1);
  CHECK(open.values.size() == 11);
  evaluate::item boxes;
  boxes.kind = evaluate::task::grounding;
  boxes.boxes = {{"WBC", medmo::box<medmo::norm1000>{0, 0, 500, 500}}, {"RBC", medmo::box<medmo::pixel>{100, 50, 200, 100}}};
  r = {};
  r.width = 200, r.height = 100;
  r.detections = {{"wbc ", {}, {0, 0, 100, 50}}, {"WBC", {}, {100, 50, 200, 100}}};
  CHECK(of(boxes, r, "blood_cells").values[0].second == 0.5);
  CHECK(of(boxes, r, "nuclei").values[0].second == 1);
}

TEST_CASE("results: values, intervals, groups, what is left out") {
  bad_input::folder here;
  std::size_t asked = 0;
  evaluate::run const run(vqa(), questions(), {});
  run.answer(here.file("a"), made_up(asked), 1);
  auto const r = run.results(run.replies(here.file("a")));
  CHECK(r.n == 20);
  CHECK(r.failed == 1);
  CHECK(r.failures[0] == "q6: picture.png: expected a picture, found none");
  CHECK(r.malformed.size() == 1);
  CHECK(r.metrics[0].name == "accuracy");
  CHECK(r.metrics[1].name == "accuracy_closed");
  CHECK(r.metrics[1].value.value == doctest::Approx(0.6));  // "no" to q0, q8, q16 of five
  CHECK(r.metrics[0].value.low <= r.metrics[0].value.value);
  CHECK(r.metrics[0].value.high >= r.metrics[0].value.value);
  CHECK(r.groups.size() == 2);
  CHECK(r.groups[0].n + r.groups[1].n == 20);
  auto const json = io::json::parse(evaluate::to_json(r).dump());
  CHECK(json["metrics"]["accuracy"]["value"] == r.metrics[0].value.value);
  CHECK(json["malformed_rows"][0] == r.malformed[0]);
  auto const again = evaluate::results_of({json, "results.json"});
  CHECK(again.metrics.size() == r.metrics.size());
  CHECK(evaluate::to_markdown(r).find("| accuracy |") != std::string::npos);
  CHECK(evaluate::to_text(r).find("1 malformed rows left out") != std::string::npos);
}

TEST_CASE("averages: all parts or none") {
  std::vector<evaluate::results> all;
  auto add = [&](char const* name, std::vector<evaluate::metric> metrics) { all.push_back({name, "", 1, 0, std::move(metrics), {}, {}, {}, {}}); };
  auto accuracy = [](double v) { return evaluate::metric{"accuracy", {v, v, v}}; };
  // MedMO-8B-Next's row of the paper's table 1: nine numbers, average 72.7
  add("mmmu_med", {accuracy(.693)});
  add("vqa_rad", {accuracy(.680), {"accuracy_closed", {.864, 0, 0}}});
  add("slake", {accuracy(.816), {"accuracy_closed", {.830, 0, 0}}});
  add("path_vqa", {accuracy(.563)});
  add("pmc_vqa", {accuracy(.741)});
  add("omnimedvqa", {accuracy(.933)});
  CHECK(evaluate::paper_averages(all)[0].missing == std::vector<std::string_view>{"medxpertqa_mm"});
  CHECK_FALSE(evaluate::paper_averages(all)[1].value);
  add("medxpertqa_mm", {accuracy(.429)});
  CHECK(*evaluate::paper_averages(all)[0].value == doctest::Approx(.7277).epsilon(.001));
  CHECK(*evaluate::paper_averages(all)[1].value == doctest::Approx(.6936).epsilon(.001));
  CHECK(evaluate::paper_averages(all)[2].missing.size() == 8);
}

TEST_CASE("baseline: the most frequent answer and the mean box") {
  auto data = questions();
  evaluate::item boxes;
  boxes.id = "b";
  boxes.kind = evaluate::task::grounding;
  boxes.images = {"images/microaneurysms.png"};  // 102 x 102
  boxes.boxes = {{"x", medmo::box<medmo::pixel>{0, 0, 51, 51}}, {"x", medmo::box<medmo::norm1000>{500, 500, 1000, 1000}}};
  data.items.push_back(boxes);
  data.folder = MEDMO_TEST_DATA;
  evaluate::run const run(vqa(), data, {});
  std::vector<evaluate::request> all;
  for (std::size_t n = 0; n < run.items().size(); ++n) all.push_back(run.request_of(n));
  std::vector<evaluate::reply> replies(all.size());
  evaluate::constant_answers answers(all);
  answers(all, [&](std::size_t n, evaluate::reply r) { replies[n] = std::move(r); });
  CHECK(replies[0].text == "no");
  CHECK(replies[1].text == "left lower lobe");
  REQUIRE(replies[20].detections.size() == 1);
  CHECK(replies[20].detections[0].box_norm1000.x1 == doctest::Approx(250));
  CHECK(replies[20].detections[0].box_norm1000.y2 == doctest::Approx(750));
  CHECK(replies[20].width == 102);
}

TEST_CASE("shards: as told, as MPI tells") {
  CHECK(evaluate::parse_shard("2/4").number == 1);
  CHECK(evaluate::suffix(evaluate::parse_shard("2/4")) == ".shard-2-of-4");
  for (auto const* bad : {"", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1/99999999999999999999"})
    bad_input::refused(bad, errc::bad_argument, "NUMBER/COUNT", [&] { evaluate::parse_shard(bad); });
  ::setenv("PMI_RANK", "2", 1);
  ::setenv("PMI_SIZE", "3", 1);
  CHECK(evaluate::shard_of_environment().number == 2);
  CHECK(evaluate::shard_of_environment().count == 3);
  ::setenv("PMI_RANK", "3", 1);
  CHECK(evaluate::shard_of_environment().count == 1);
  ::unsetenv("PMI_RANK");
  ::unsetenv("PMI_SIZE");
}

TEST_CASE("fingerprint: another byte, another model") {
  bad_input::folder here;
  here.write("config.json", "{}");
  here.write("model.safetensors", std::string(300000, 'x'));
  auto const first = evaluate::model_fingerprint(here.path());
  CHECK(first == evaluate::model_fingerprint(here.path()));
  here.write("notes.md", "not of the model");
  CHECK(first == evaluate::model_fingerprint(here.path()));
  here.write("model.safetensors", std::string(299999, 'x') + "y");
  CHECK(first != evaluate::model_fingerprint(here.path()));
}

TEST_CASE("page: pictures beside it, nothing of the data is markup") {
  auto const evil = std::string("<script>alert('\"&\")</script>\xff\x01");
  CHECK(evaluate::escape_html(evil) == "&lt;script&gt;alert(&#39;&quot;&amp;&quot;)&lt;/script&gt;\xef\xbf\xbd ");
  bad_input::folder here;
  evaluate::data_set data;
  data.folder = MEDMO_TEST_DATA;
  evaluate::item i;
  i.id = evil;
  i.kind = evaluate::task::grounding;
  i.question = evil;
  i.images = {"images/microaneurysms.png"};
  i.boxes = {{evil, medmo::box<medmo::pixel>{10, 10, 50, 50}}};
  data.items = {i, i};
  data.items[1].images = {"images/<none>.png"};
  evaluate::run const run(evaluate::find_benchmark("boxes"), data, {});
  std::vector<evaluate::reply> replies(2);
  replies[0].text = evil;
  replies[0].width = replies[0].height = 102;
  replies[0].detections = {{evil, {}, {20, 20, 60, 60}}};
  replies[1].failure = evil;
  evaluate::write_page(here.file("page"), run, run.results(replies), replies, evaluate::answer_rules::medmo);
  auto const html = bad_input::content_of(here.file("page/index.html"));
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("src=\"0-0-truth.png\"") != std::string::npos);
  CHECK(html.find("src=\"0-0-predicted.png\"") != std::string::npos);
  CHECK(html.find("&lt;none&gt;.png") != std::string::npos);
  CHECK(std::filesystem::file_size(here.file("page/0-0-predicted.png")) > 1000);
}
