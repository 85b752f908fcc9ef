// Readers of the benchmarks' formats on hand-made rows: how many can be used, which are named as malformed and why.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../io/bad_input.hpp"
#include "medmo/evaluate/benchmarks.hpp"

using medmo::errc;
namespace evaluate = medmo::evaluate;

namespace {

std::string const fixtures = std::string(MEDMO_TEST_DATA) + "/evaluate";

evaluate::data_set read(std::string const& benchmark, std::string const& path, std::string const& split = "") {
  return evaluate::read_data_set(fixtures + "/" + path, evaluate::find_benchmark(benchmark).format(), split);
}

}  // namespace

TEST_CASE("readers: good rows are counted, malformed ones named with file and line") {
  struct {
    char const *benchmark, *path, *split;
    std::size_t items;
    std::vector<std::string> malformed;  // a part of each sentence, in order
  } const cases[] = {
      {"vqa_rad", "vqa_rad", "test", 3, {"test.json: item 4: question: expected text, found no such field", "inside the data's folder"}},
      {"slake", "slake", "test", 3, {"item 4: answer_type: expected OPEN or CLOSED, found HALF"}},
      {"path_vqa", "path_vqa", "test", 2, {"test.jsonl:3: answer", "test.jsonl:4: expected JSON"}},
      {"pmc_vqa", "pmc_vqa", "test", 2, {"test_2.csv:4: Answer: expected one of 4 options, found \"E\"", "test_2.csv:5: expected 10 fields, found 4 fields", "test_2.csv:6: expected 10 fields, found a quote that never closes"}},
      {"omnimedvqa", "omnimedvqa", "", 2, {"Two.json: item 1: gt_answer: expected one of 2 options, found \"Spleen\""}},
      {"mmmu_med", "mmmu_med", "val", 3, {"val.jsonl:5: options"}},
      {"medxpertqa_mm", "medxpertqa", "test", 1, {"test.jsonl:2: label: expected one of 2 options"}},
      {"medxpertqa_text", "medxpertqa", "test", 1, {"test.jsonl:2: options: expected 2 to 26 options, found 0"}},
      {"medqa", "medqa", "test", 2, {"test.jsonl:3: answer", "test.jsonl:4: question: expected text, found none", "test.jsonl:5: expected an object", "test.jsonl:6: options"}},
      {"medmcqa", "medmcqa", "val", 2, {"dev.json:3: cop: expected 0 to 4, found 7"}},
      {"pubmedqa", "pubmedqa", "test", 1, {"103"}},
      {"mmlu_med", "mmlu_med", "test", 2, {"anatomy_test.csv:2: answer: expected one of 4 options, found \"Z\""}},
      {"medbullets_op4", "medbullets", "test", 1, {"medbullets_op4.csv:3: answer_idx"}},
      {"medbullets_op5", "medbullets", "test", 1, {}},
      {"supergpqa", "supergpqa", "", 1, {"SuperGPQA-all.jsonl:3: options: expected texts"}},
      {"iu_xray", "iu_xray", "test", 1, {"item 3: image: expected a picture", "item 4: findings"}},
      {"mimic_cxr", "mimic_cxr", "test", 1, {}},
      {"chexpert_plus", "chexpert_plus", "val", 1, {}},
      {"nih_chest", "nih_chest", "", 2, {"BBox_List_2017.csv:5: Bbox: expected w > 0 and h > 0", "BBox_List_2017.csv:6: Bbox: expected 4 numbers"}},
      {"deep_lesion", "deep_lesion", "test", 2, {"DL_info.csv:4: Bounding_boxes: expected 4 numbers", "DL_info.csv:5: Bounding_boxes: expected x1 < x2", "DL_info.csv:6: Train_Val_Test: expected 1, 2 or 3, found 9"}},
      {"bacteria", "bacteria", "test", 2, {"boxes.jsonl:3: box: expected 4 numbers", "boxes.jsonl:4: box: expected x1 < x2"}},
      {"medsg", "medsg", "", 2, {"item 3: answer: expected x1 < x2", "item 4: images: expected pictures"}},
      {"medsg_referring", "medsg", "", 1, {"item 4: images"}},
      {"jsonl", "own", "", 5, {"mine.jsonl:4: unit: expected pixel or norm1000, found none", "mine.jsonl:5: image: expected a picture of the row", "mine.jsonl:7: kind", "mine.jsonl:9: expected JSON", "mine.jsonl:10: expected JSON"}},
  };
  for (auto const& c : cases) {
    INFO("benchmark: ", c.benchmark);
    auto const data = read(c.benchmark, c.path, c.split);
    CHECK(data.items.size() == c.items);
    for (auto const& m : data.malformed) INFO(m);
    CAPTURE(data.malformed.size());
    REQUIRE(data.malformed.size() == c.malformed.size());
    for (std::size_t n = 0; n < c.malformed.size(); ++n) {
      INFO("found: ", data.malformed[n]);
      CHECK(data.malformed[n].find(c.malformed[n]) != std::string::npos);
      CHECK(data.malformed[n].find(fixtures) == 0);
    }
    for (auto const& i : data.items) {
      CHECK_FALSE(i.id.empty());
      if (i.kind == evaluate::task::choice) CHECK((i.right && *i.right < static_cast<medmo::index>(i.options.size())));
    }
  }
}

TEST_CASE("readers: what a row becomes") {
  auto const rad = read("vqa_rad", "vqa_rad").items;
  CHECK(rad[0].kind == evaluate::task::yes_no);
  CHECK(rad[1].kind == evaluate::task::open);
  CHECK(rad[2].answers == std::vector<std::string>{"2"});
  CHECK(rad[0].images == std::vector<std::string>{"images/a.png"});
  CHECK(rad[0].group == "CHEST");
  auto const slake = read("slake", "slake").items;
  CHECK(slake[1].kind == evaluate::task::closed);
  CHECK(slake[2].language == "zh");
  auto const pmc = read("pmc_vqa", "pmc_vqa").items;
  CHECK(pmc[0].options[1] == " B:A stone");
  CHECK(*pmc[0].right == 1);
  CHECK(pmc[1].id == "4");
  auto const mmmu = read("mmmu_med", "mmmu_med").items;
  CHECK(mmmu[0].options[1] == "Murphy's");
  CHECK(mmmu[1].answers == std::vector<std::string>{"25", "25 mg"});
  CHECK(mmmu[1].kind == evaluate::task::closed);
  CHECK(mmmu[2].images.empty());
  CHECK(read("medxpertqa_mm", "medxpertqa").items[0].images.size() == 2);
  auto const medqa = read("medqa", "medqa").items;
  CHECK(medqa[1].options.back() == "Azygos vein");
  CHECK(*medqa[1].right == 2);
  auto const mcqa = read("medmcqa", "medmcqa").items;  // 1..4, since there is a 4
  CHECK(*mcqa[0].right == 3);
  CHECK(*mcqa[1].right == 0);
  CHECK(mcqa[1].answers[0] == "Plasma cell");
  auto const pubmed = read("pubmedqa", "pubmedqa").items;
  CHECK(pubmed[0].context == "One part.\nAnother.");
  CHECK(*pubmed[0].right == 2);
  CHECK(read("pubmedqa", "pubmedqa", "train").items[0].id == "102");
  CHECK(read("mmlu_med", "mmlu_med").items[1].group == "virology");
  CHECK(read("iu_xray", "iu_xray").items[0].answers[0] == "Findings: Clear lungs. Impression: Normal.");
  CHECK(read("mimic_cxr", "mimic_cxr").items[0].answers[0] == "Findings: New lines. Impression: None.");
  CHECK(read("chexpert_plus", "chexpert_plus", "train").items[0].id == "train/p2/view1.jpg");
  auto const nih = read("nih_chest", "nih_chest").items;
  CHECK(std::get<medmo::box<medmo::pixel>>(nih[0].boxes[0].where) == medmo::box<medmo::pixel>{225.5, 547, 312, 626.25});
  CHECK(nih[1].boxes.size() == 2);
  auto const lesions = read("deep_lesion", "deep_lesion").items;
  CHECK(lesions[1].boxes.size() == 2);
  CHECK(lesions[0].images[0] == "images/000001_01_01/109.png");
  CHECK(read("deep_lesion", "deep_lesion", "train").items[0].id == "000006_01_01_014.png");
  CHECK(read("bacteria", "bacteria").items[1].boxes.empty());
  auto const medsg = read("medsg", "medsg").items;
  CHECK(std::get<medmo::box<medmo::norm1000>>(medsg[0].boxes[0].where) == medmo::box<medmo::norm1000>{250, 500, 500, 750});
  CHECK(std::get<medmo::box<medmo::norm1000>>(medsg[1].boxes[0].where) == medmo::box<medmo::norm1000>{50, 200, 550, 700});
  auto const own = read("jsonl", "own").items;
  CHECK(evaluate::in_pixels(own[2].boxes[0], 200, 100) == medmo::box<medmo::pixel>{20, 10, 100, 90});
  CHECK(own[3].kind == evaluate::task::yes_no);
  CHECK(own[4].answers.size() == 2);
}

TEST_CASE("readers: the folder may be above, the file may be named, a split must be there") {
  CHECK(read("medqa", "").items.size() == 2);
  CHECK(read("medqa", "medqa/test.jsonl").items.size() == 2);
  CHECK(read("nih_chest", "").items.size() == 2);
  CHECK(read("bacteria", "bacteria/boxes.jsonl", "train").items.size() == 1);
  CHECK(read("bacteria", "bacteria").split == "test");
  CHECK(read("chexpert_plus", "chexpert_plus", "validation").items.size() == 1);
  bad_input::refused("no such path", errc::file_access, "none", [] { read("medqa", "nowhere"); });
  bad_input::refused("no such file in it", errc::file_access, "SPLIT.jsonl", [] { read("medqa", "nih_chest"); });
  bad_input::refused("no such split", errc::bad_format, "the split \"val\"", [] { read("bacteria", "bacteria", "val"); });
  bad_input::refused("no such benchmark", errc::bad_argument, "vqa_rad", [] { read("medqb", "medqa"); });
  bad_input::folder here;
  here.write("test.jsonl", "{\"question\": \"?\"}\n");
  bad_input::refused("nothing usable", errc::bad_format, "test.jsonl:1", [&] { evaluate::read_data_set(here.path(), evaluate::find_benchmark("medqa").format()); });
  here.write("test.json", "[1, 2");
  here.write("test.jsonl", "");
  bad_input::refused("a document that is none", errc::bad_json, "test.json", [&] {
    evaluate::read_data_set(here.file("test.json"), evaluate::find_benchmark("vqa_rad").format());
  });
}

TEST_CASE("readers: damaged files end in rows, faults or one error") {
  bad_input::folder here;
  struct {
    char const *benchmark, *from, *name;
  } const cases[] = {{"medqa", "medqa/test.jsonl", "test.jsonl"}, {"pmc_vqa", "pmc_vqa/test_2.csv", "test_2.csv"}, {"mmmu_med", "mmmu_med/val.jsonl", "val.jsonl"},
                     {"nih_chest", "nih_chest/BBox_List_2017.csv", "BBox_List_2017.csv"}, {"jsonl", "own/mine.jsonl", "mine.jsonl"}, {"medmcqa", "medmcqa/dev.json", "dev.json"}};
  for (auto const& c : cases) {
    auto const format = evaluate::find_benchmark(c.benchmark).format;
    auto const whole = bad_input::content_of(fixtures + "/" + c.from);
    for (std::uint64_t i = 0; i < 300; ++i) {
      auto const path = here.write(c.name, bad_input::damaged(whole, i));
      try {
        evaluate::read_data_set(path, format());
      } catch (medmo::error const&) {
      }
    }
  }
}

TEST_CASE("csv: quotes, line ends and what is malformed") {
  evaluate::csv_reader records("\xef\xbb\xbf"
                               "a,b\r\n\"x, \"\"y\"\"\nz\",\n\n1,2\"3\n\"q\"r,s\nlast,");
  std::vector<evaluate::csv_record> all;
  while (auto r = records.next()) all.push_back(*r);
  REQUIRE(all.size() == 5);
  CHECK(all[0].fields == std::vector<std::string>{"a", "b"});
  CHECK(all[1].fields == std::vector<std::string>{"x, \"y\"\nz", ""});
  CHECK(all[2].line == 5);
  CHECK(all[2].fault == "a quote inside a field without quotes");
  CHECK(all[3].fault == "text behind a closing quote");
  CHECK(all[4].fields == std::vector<std::string>{"last", ""});
  evaluate::csv_reader tabs("a\t\"b\nc\td", '\t');
  CHECK(tabs.next()->fields[1] == "\"b");
  CHECK(tabs.next()->fields[1] == "d");
}
