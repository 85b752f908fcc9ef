// Answer rules: MedEvalKit's against an independent implementation (tools/export_matcher_goldens.py), ours by tables.
#include <doctest/doctest.h>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "medmo/metrics/answer.hpp"
#include "medmo/metrics/choice_answer.hpp"
#include "medmo/metrics/mmmu_answer.hpp"

namespace {
using namespace medmo::metrics;
using rule = answer_rule;
using json = nlohmann::json;
constexpr auto compatible = answer_rules::medevalkit;

json golden() {
  std::ifstream in(MEDMO_TEST_DATA "/metrics/matcher.json");
  REQUIRE(in.good());
  return json::parse(in);
}

TEST_CASE("answers: MedEvalKit's rules as a second implementation has them") {
  auto const rows = golden();
  std::size_t right = 0;
  for (auto const& row : rows.at("choice")) {
    CAPTURE(row.dump());
    auto const options = row[1].get<std::vector<std::string>>();
    auto const v = judge_choice(row[0].get<std::string>(), options, row[2].get<std::string>(), compatible);
    CHECK(v.correct == row[3].get<bool>());
    CHECK(v.rule != rule::none);
    right += v.correct;
  }
  CHECK(right > 100);
  for (auto const& row : rows.at("yes_no")) {
    CAPTURE(row.dump());
    CHECK(judge_yes_no(row[0].get<std::string>(), row[1].get<std::string>(), compatible).correct == row[2].get<bool>());
  }
  for (auto const& row : rows.at("closed")) {
    CAPTURE(row.dump());
    CHECK(judge_closed(row[0].get<std::string>(), row[1].get<std::string>(), compatible).correct == row[2].get<bool>());
  }
  std::size_t drawn = 0;
  for (auto const& row : rows.at("mmmu")) {
    CAPTURE(row.dump());
    auto const options = row[1].get<std::vector<std::string>>();
    auto const response = row[0].get<std::string>();
    auto const v = judge_mmmu_choice(response, options, "A", compatible, {.seed = 1, .item = 2});
    if (row[2].is_null()) {
      ++drawn;
      CHECK(v.rule == rule::drawn);
      CHECK(judge_mmmu_choice(response, options, "A", compatible, {.seed = 1, .item = 2}).choice == v.choice);
      if (split_words(response).size() <= 5) CHECK(judge_mmmu_choice(response, options, "A").rule == rule::none);
    } else {
      CHECK(v.choice == static_cast<std::size_t>(row[2].get<std::string>()[0] - 'A'));
    }
  }
  CHECK(drawn > 20);
}

TEST_CASE("answers: what a text's answer is") {
  struct example {
    char const *name, *text, *parsed;
  };
  for (example e : {example{"plain", "  Left Lung ", "left lung"},
                    {"boxed", "so \\boxed{B} then", "b"},
                    {"the last box", "\\boxed{A} no, \\boxed{B}", "b"},
                    {"braces inside", "\\boxed{\\text{left} lung}", "\\text{left} lung"},
                    {"a box that never closes", "\\boxed{A", "\\boxed{a"},
                    {"the word boxed alone", "the boxed region is the liver", "the boxed region is the liver"},
                    {"tag", "<think>no</think><answer> Yes </answer>", "yes"},
                    {"two tags", "<answer>left</answer> and <answer>right</answer>", "left right"},
                    {"a tag that never closes", "<answer>yes", "<answer>yes"},
                    {"an empty tag", "<answer></answer>", ""},
                    {"marker", "Reasoning. Answer: no", "no"},
                    {"the last marker", "Answer: yes. Final answer: no", "no"},
                    {"answer is", "The answer is the liver", "the liver"},
                    {"bold", "**Answer**: MRI", "mri"},
                    {"nothing behind the marker", "liver is my final answer", "liver is my final answer"},
                    {"nothing at all", "", ""}}) {
    CAPTURE(std::string(e.name));
    CHECK(parse_answer(e.text) == e.parsed);
  }
  CHECK(parse_answer("the boxed region is the liver", compatible) == "None");
  CHECK(parse_answer("liver is my final answer", compatible).empty());
  CHECK(!boxed_answer("no box").has_value());
  CHECK(boxed_answer("\\boxed{ 1 }") == "1");
  CHECK(boxed_answer("\\boxed{}") == "");
}

TEST_CASE("answers: normal form") {
  struct example {
    char const *text, *normal;
  };
  for (example e : {example{"The left lower lobe.", "left lower lobe"},
                    {"**Yes!**", "yes"},
                    {"(A)", "a"},
                    {"a", "a"},
                    {"the", "the"},
                    {"2.5 cm, 1,200 ml", "2.5 cm 1,200 ml"},
                    {"> 5 cm", "> 5 cm"},
                    {"T2-weighted / FLAIR", "t2-weighted flair"},
                    {"Crohn's disease", "crohn's disease"},
                    {"\xE6\x98\xAF\xE3\x80\x82", "\xE6\x98\xAF"},
                    {"...", ""}}) {
    CAPTURE(std::string(e.text));
    CHECK(normalize_answer(e.text) == e.normal);
  }
}

TEST_CASE("answers: yes and no") {
  struct example {
    char const* response;
    rule by;
    bool is_yes;
  };
  for (example e : {example{"yes", rule::first_word, true},
                    {"Yes.", rule::first_word, true},
                    {"Yes, the heart is normal and there is no effusion.", rule::first_word, true},
                    {"No, it is normal", rule::first_word, false},
                    {"no", rule::first_word, false},
                    {"There is no fracture.", rule::only_word, false},
                    {"I would say yes", rule::only_word, true},
                    {"<answer>No</answer> yes", rule::first_word, false},
                    {"Reasoning says no. Answer: yes", rule::first_word, true},
                    {"It is normal, I know", rule::none, false},
                    {"both yes and no", rule::none, false},
                    {"", rule::none, false}}) {
    CAPTURE(std::string(e.response));
    auto const yes = judge_yes_no(e.response, "yes"), no = judge_yes_no(e.response, "No.");
    CHECK(yes.rule == e.by);
    CHECK(no.rule == e.by);
    CHECK(yes.correct == (e.by != rule::none && e.is_yes));
    CHECK(no.correct == (e.by != rule::none && !e.is_yes));
  }
  CHECK(judge_yes_no("Yes, all is normal", "yes").correct);
  CHECK_FALSE(judge_yes_no("Yes, all is normal", "yes", compatible).correct);
  CHECK(judge_yes_no("It is normal", "no", compatible).correct);  // the no in normal
  CHECK_THROWS_AS(judge_yes_no("yes", "maybe"), medmo::error);
}

TEST_CASE("answers: closed questions") {
  CHECK(judge_closed("The left lung.", "left lung").correct);
  CHECK_FALSE(judge_closed("The left lung.", "left lung", compatible).correct);
  CHECK(judge_closed("Answer: **Axial**", "axial").rule == rule::equal);
  CHECK_FALSE(judge_closed("coronal", "axial").correct);
  CHECK(judge_closed("35 cm", "3.5 cm", compatible).correct);  // without full stops both are "35 cm"
  CHECK_FALSE(judge_closed("35 cm", "3.5 cm").correct);
  CHECK_FALSE(judge_closed("", "...").correct);
}

TEST_CASE("answers: multiple choice by our rules") {
  std::vector<std::string> const options = {"Pneumothorax", "Pleural effusion", "Viral pneumonia", "Pneumonia"};
  struct example {
    char const* response;
    rule by;
    int choice;
  };
  for (example e : {example{"B", rule::letter, 1},
                    {"b.", rule::letter, 1},
                    {"(B)", rule::letter, 1},
                    {"(B) Pleural effusion", rule::letter, 1},
                    {"**B**", rule::letter, 1},
                    {"**B. Pleural effusion**", rule::letter, 1},
                    {"B: effusion", rule::letter, 1},
                    {"B - effusion", rule::letter, 1},
                    {"B) effusion", rule::letter, 1},
                    {"option b", rule::letter, 1},
                    {"The answer is B.", rule::letter, 1},
                    {"Answer: (B)", rule::letter, 1},
                    {"\\boxed{B}", rule::letter, 1},
                    {"<answer>B</answer>", rule::letter, 1},
                    {"B\n\nBecause the angle is blunt.", rule::letter, 1},
                    {"Pleural effusion", rule::option_text, 1},
                    {"the PLEURAL EFFUSION.", rule::option_text, 1},
                    {"pneumonia", rule::option_text, 3},
                    {"I think the right one is (B).", rule::letter_in_text, 1},
                    {"Of these, option B fits.", rule::letter_in_text, 1},
                    {"It must be B, since the angle is blunt", rule::letter_in_text, 1},
                    {"A mass is not seen; this is B", rule::letter_in_text, 1},
                    {"A large pleural effusion is seen.", rule::text_in_text, 1},
                    {"This looks like viral pneumonia to me", rule::text_in_text, 2},
                    {"Pleural efusion", rule::similarity, 1},
                    {"B or C", rule::none, -1},
                    {"Either pneumothorax or pleural effusion", rule::none, -1},
                    {"e.g. something else", rule::none, -1},
                    {"B.C. is no letter", rule::none, -1},
                    {"I do not know", rule::none, -1},
                    {"E", rule::none, -1},
                    {"", rule::none, -1},
                    {"\xFF\xFE", rule::none, -1}}) {
    CAPTURE(std::string(e.response));
    auto const v = judge_choice(e.response, options, "B");
    CHECK(name_of(v.rule) == name_of(e.by));
    CHECK(v.choice == (e.choice < 0 ? std::nullopt : std::optional<std::size_t>(e.choice)));
    CHECK(v.correct == (e.choice == 1));
  }
  CHECK(judge_choice("B", options, "pleural effusion").correct);
  // MedEvalKit guesses where nothing was said.
  CHECK(judge_choice("", options, "A", compatible).correct);
  CHECK(judge_choice("", options, "A", compatible).rule == rule::similarity);

  std::vector<std::string> const none;
  std::vector<std::string> const many(27, "x");
  CHECK_THROWS_AS(judge_choice("A", none, "A"), medmo::error);
  CHECK_THROWS_AS(judge_choice("A", many, "A"), medmo::error);
  CHECK_THROWS_AS(judge_choice("A", options, "Q"), medmo::error);
}

TEST_CASE("answers: MMMU") {
  std::vector<std::string> const options = {"glioma", "a glioma of the brain stem", "x"};
  CHECK(judge_mmmu_choice("First (A), then (B)", options, "B").correct);
  CHECK(judge_mmmu_choice("It is B . Not A really", options, "A").correct);
  CHECK(judge_mmmu_choice("...C!", options, "C").rule == rule::letter_in_text);
  CHECK(judge_mmmu_choice("After all of this I say glioma", options, "A").rule == rule::text_in_text);
  // An x inside a word counts by MedEvalKit's rules alone.
  CHECK(judge_mmmu_choice("one would expect that of it", options, "C", compatible).rule == rule::text_in_text);
  CHECK(judge_mmmu_choice("one would expect that of it", options, "C").rule == rule::none);

  struct example {
    char const *response, *key;
    bool ours, theirs;
  };
  for (example e : {example{"about 3.14159 or so", "3.14", true, true},
                    {"1,200 ml", "1200", true, true},
                    {"-5", "5", false, false},
                    {"2e3", "2000", true, true},
                    {"it is the left ventricle", "Left ventricle", true, true},
                    {"it is an artery", "art", false, true},
                    {"right", "left", false, false},
                    {"", "left", false, false}}) {
    CAPTURE(std::string(e.response));
    std::vector<std::string> const keys = {e.key};
    CHECK(judge_mmmu_open(e.response, keys).correct == e.ours);
    CHECK(judge_mmmu_open(e.response, keys, compatible).correct == e.theirs);
  }
  std::vector<std::string> const several = {"liver", "hepatic"};
  CHECK(judge_mmmu_open("hepatic tissue", several).rule == rule::contained);
}

TEST_CASE("answers: open questions") {
  auto const s = judge_open("The left lower lobe.", "left lower lobe");
  CHECK(s.exact.correct);
  CHECK(s.tokens.recall == doctest::Approx(1));
  CHECK(s.tokens.precision == doctest::Approx(3.0 / 5));
  CHECK(s.bleu[0] == doctest::Approx(3.0 / 5));
  CHECK(s.rouge.rouge_1.recall == doctest::Approx(1));
  auto const rotated = judge_open("The left lower lobe.", "left lower lobe", compatible);
  CHECK(rotated.tokens.precision == doctest::Approx(s.tokens.f1));
  CHECK(rotated.tokens.recall == doctest::Approx(s.tokens.precision));
  CHECK(rotated.tokens.f1 == doctest::Approx(s.tokens.recall));
  auto const empty = judge_open("", "left");
  CHECK(empty.tokens.f1 == 0);
  CHECK(empty.bleu[3] == 0);
  CHECK(matcher_version() != matcher_version(compatible));
}
}  // namespace
