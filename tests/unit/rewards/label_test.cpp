// Label accuracy: forms, synonyms, sets of labels, labels of boxes, multiple choice.
#include <doctest/doctest.h>

#include <medmo/rewards/label.hpp>
#include <string>
#include <vector>

using namespace medmo::rewards;
using labels = std::vector<std::string>;

TEST_CASE("label_match and label_reward: named answers") {
  struct row {
    std::string name;
    std::string completion, truth;
    double exact, normalised;
  };
  for (auto const& r : std::vector<row>{
           row{"equal", "Pneumonia", "Pneumonia", 1, 1},
           row{"white space", " Pneumonia\n", "Pneumonia", 1, 1},
           row{"case and a full stop", "pneumonia.", "Pneumonia", 0, 1},
           row{"article", "The left lung", "left lung", 0, 1},
           row{"another", "Effusion", "Pneumonia", 0, 0},
           row{"more than it", "Pneumonia and effusion", "Pneumonia", 0, 0},
           row{"denied", "No pneumonia", "Pneumonia", 0, 0},
           row{"inside", "Pneumothorax", "Pneumo", 0, 0},
           row{"empty", "", "Pneumonia", 0, 0},
           row{"empty and empty", "", "", 0, 0},
           row{"only marks", "...", "-", 0, 0},
           row{"tagged", "<think>effusion?</think><answer>Pneumonia</answer>", "Pneumonia", 1, 1},
           row{"hallucinated after right reasoning", "<think>Pneumonia</think><answer>Effusion</answer>", "Pneumonia",
               0, 0},
           row{"number", "2.5 cm", "2.5 cm", 1, 1},
           row{"another number", "25 cm", "2.5 cm", 0, 0},
       }) {
    CAPTURE(r.name);
    CHECK(label_reward(r.completion, r.truth, {.form = label_form::exact}) == r.exact);
    CHECK(label_reward(r.completion, r.truth) == r.normalised);
  }
  CHECK(label_match("Pneumonia", "pneumonia") == 1);
}

TEST_CASE("synonyms: the caller's groups, in either form") {
  std::vector<labels> groups{{"Cardiomegaly", "enlarged heart", "Large heart"}, {"Effusion", "pleural effusion"}};
  label_options o{.synonyms = synonyms(groups)};
  CHECK(label_match("An enlarged heart.", "cardiomegaly", o) == 1);
  CHECK(label_match("large heart", "Enlarged Heart", o) == 1);
  CHECK(label_match("large heart", "effusion", o) == 0);
  CHECK(label_match("heart", "cardiomegaly", o) == 0);
  o.form = label_form::exact;
  CHECK(label_match("LARGE heart", "Cardiomegaly", o) == 1);
  CHECK(label_match("nodule", "Nodule", o) == 0);
  CHECK(label_match("Cardiomegaly", "large heart", o) == 1);

  std::vector<labels> twice{{"a1", "b1"}, {"b1", "c1"}}, none{{"..."}};
  CHECK_THROWS_AS(synonyms(std::span<labels const>(twice)), medmo::error);
  CHECK_THROWS_AS(synonyms(std::span<labels const>(none)), medmo::error);
}

TEST_CASE("label_f1: sets") {
  CHECK(label_f1(labels{}, labels{}) == 1);
  CHECK(label_f1(labels{"a1"}, labels{}) == 0);
  CHECK(label_f1(labels{}, labels{"a1"}) == 0);
  CHECK(label_f1(labels{"Nodule", "Mass"}, labels{"mass", "NODULE."}) == 1);
  CHECK(label_f1(labels{"nodule", "mass", "cyst"}, labels{"mass"}) == 0.5);
  CHECK(label_f1(labels{"nodule", "Nodule", "nodule."}, labels{"nodule", "mass"}) == doctest::Approx(2.0 / 3));
}

TEST_CASE("box_label_reward: labels of boxes, without those of broken ones") {
  std::string text =
      "Nodule <box>[[1, 2, 3, 4], [5, 6, 7, 8]]</box>\nMass: <box>[[1, 2, 3, 9]]</box>\nCyst <box>[[1]]</box>";
  CHECK(box_labels(text) == labels{"Nodule", "Mass"});
  CHECK(box_label_reward(text, labels{"nodule", "mass"}) == 1);
  CHECK(box_label_reward(text, labels{"cyst"}) == 0);
  CHECK(box_label_reward("Nothing is seen.", labels{}) == 1);
}

TEST_CASE("choice_reward: letter or text, and only then prose") {
  labels options{"Pneumonia", "Pleural effusion", "A mass", "None of these"};
  struct row {
    std::string name;
    std::string completion;
    double strict, in_prose;
  };
  for (auto const& r : std::vector<row>{
           row{"letter", "B", 1, 1},
           row{"small letter", "b", 1, 1},
           row{"letter and text", "B. Pleural effusion", 1, 1},
           row{"brackets", "(B)", 1, 1},
           row{"bold", "**B**", 1, 1},
           row{"text", "pleural effusion", 1, 1},
           row{"tagged", "<think>A or B?</think><answer>B</answer>", 1, 1},
           row{"boxed", "It must be \\boxed{B}", 1, 1},
           row{"answer is", "The answer is B.", 1, 1},
           row{"prose", "I see a pleural effusion on the left", 0, 1},
           row{"a letter in prose", "I would choose option B here", 0, 1},
           row{"another letter", "C", 0, 0},
           row{"another text", "Pneumonia", 0, 0},
           row{"a word that is a letter", "A pleural efusion", 0, 0},
           row{"alike", "pleural efusion", 0, 0},
           row{"both", "C or B", 0, 0},
           row{"beyond", "E", 0, 0},
           row{"empty", "", 0, 0},
       }) {
    CAPTURE(r.name);
    CHECK(choice_reward(r.completion, options, "B") == r.strict);
    CHECK(choice_reward(r.completion, options, "pleural effusion") == r.strict);
    CHECK(choice_reward(r.completion, options, "B", choice_reading::in_prose) == r.in_prose);
  }
  CHECK_THROWS_AS(choice_reward("B", options, "Z"), medmo::error);
  CHECK_THROWS_AS(choice_reward("B", labels{}, "A"), medmo::error);
}
