// Text metrics by hand: what each is on texts small enough to count, on nothing, and on hostile bytes.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "medmo/core/random.hpp"
#include "medmo/metrics/bleu.hpp"
#include "medmo/metrics/cider.hpp"
#include "medmo/metrics/meteor.hpp"
#include "medmo/metrics/rouge.hpp"
#include "medmo/metrics/similarity_ratio.hpp"
#include "medmo/metrics/token_f1.hpp"

namespace {
using namespace medmo::metrics;
using doctest::Approx;
using numbers = std::vector<number>;

words of(std::string_view text) { return split_words(text); }

TEST_CASE("characters: any bytes are read, and come back") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(medmo::mix64(static_cast<std::uint64_t>(i)));
  text += "\xF4\x90\x80\x80\xED\xA0\x80\xC0\x80\xE2\x82";
  std::string back;
  for (std::size_t at = 0; at < text.size();) append_character(back, next_character(text, at));
  CHECK(back == text);
  CHECK(lowercase("\xFF\xC3\x84"
                  "B") ==
        "\xFF\xC3\xA4"
        "b");
  CHECK(strip(" \t\n\xC2\xA0x y\xE3\x80\x80 ") == "x y");
  CHECK(strip(" \n ").empty());
  CHECK(replace_all("aaa", "aa", "b") == "ba");
}

TEST_CASE("tokenizers: each as published") {
  CHECK(split_words("  a\tb\xC2\xA0"
                    "c ") == words{"a", "b", "c"});
  CHECK(split_at("a  b", ' ') == words{"a", "", "b"});
  CHECK(split_at("", ' ') == words{""});
  CHECK(tokenize_medevalkit("A lung.  ok") == words{"a", "lung", ".", "", "ok"});
  CHECK(tokenize_medevalkit("A lung.  ok", empty_words::drop) == words{"a", "lung", ".", "ok"});
  CHECK(tokenize_13a("No 2.3 cm, 5-10% (x).") ==
        words{"No", "2.3", "cm", ",", "5", "-", "10", "%", "(", "x", ")", "."});
  CHECK(tokenize_rouge("T2-weighted, 2.3 cm") == words{"t2", "weighted", "2", "3", "cm"});
  CHECK(tokenize_rouge("Opacities enlarged cats", stemming::porter) == words{"opac", "enlarg", "cat"});
  CHECK(tokenize_words("T2-weighted, 2.3 cm (right). Crohn's w/o -5") ==
        words{"t2-weighted", "2.3", "cm", "right", "crohn's", "w/o", "5"});
  CHECK(tokenize_words("...").empty());
}

TEST_CASE("BLEU: by hand") {
  auto const c = count_bleu(of("the the the the the the the"), of("the cat is on the mat"));
  CHECK(c.matched[0] == 2);
  CHECK(bleu_nltk(c, 1) == Approx(2.0 / 7));
  CHECK(bleu_nltk(c, 2) == 0);
  CHECK(bleu_nltk(c, 2, bleu_smoothing::epsilon) == Approx(std::sqrt(2.0 / 7 * 0.1 / 6)));
  std::vector<words> const two = {of("a b c d e"), of("a b c")};
  auto const closest = count_bleu(of("a b c d"), two);
  CHECK(closest.reference_length == 3);  // as near as 5, and shorter
  CHECK(bleu_nltk(closest) == Approx(1));
  auto const brief = count_bleu(of("a b"), of("a b c d"));
  CHECK(bleu_nltk(brief, 2) == Approx(std::exp(1 - 2.0)));
  CHECK(bleu_sacre(brief) == 0);  // no trigrams
  CHECK(bleu_sacre(brief, bleu_smoothing::exponential, bleu_length_order::effective) == Approx(std::exp(-1.0)));
  CHECK(bleu_nltk(count_bleu({}, of("a"))) == 0);
  CHECK_THROWS_AS(count_bleu(of("a"), std::span<words const>{}), medmo::error);
  CHECK_THROWS_AS(bleu_nltk(c, 5), medmo::error);
  CHECK_THROWS_AS(bleu_sacre(c, bleu_smoothing::by_length), medmo::error);
}

std::size_t table_length(numbers const& a, numbers const& b) {
  std::vector<std::vector<std::size_t>> t(a.size() + 1, std::vector<std::size_t>(b.size() + 1, 0));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j)
      t[i + 1][j + 1] = a[i] == b[j] ? t[i][j] + 1 : std::max(t[i][j + 1], t[i + 1][j]);
  return t[a.size()][b.size()];
}

TEST_CASE("common subsequence: equal to the plain table, across blocks of 64") {
  medmo::random_stream const draw(3, 5);
  std::uint64_t k = 0;
  for (int trial = 0; trial < 400; ++trial) {
    numbers a(draw.bits(k++) % 200), b(draw.bits(k++) % 200);
    auto const letters = static_cast<number>(1 + draw.bits(k++) % 20);
    for (auto* side : {&a, &b})
      for (auto& n : *side) n = static_cast<number>(draw.bits(k++) % letters);
    auto const length = table_length(a, b);
    CAPTURE(trial);
    CHECK(common_subsequence_length(a, b) == length);
    for (auto tie : {subsequence_tie::step_in_a, subsequence_tie::step_in_b}) {
      auto const places = common_subsequence(a, b, tie);
      CHECK(places.size() == length);
      CHECK(std::is_sorted(places.rbegin(), places.rend()));
    }
  }
  numbers const far(1 << 17, 1);
  CHECK_THROWS_AS(common_subsequence_length(far, far), medmo::error);
  CHECK_THROWS_AS(common_subsequence(far, far, subsequence_tie::step_in_a), medmo::error);
}

TEST_CASE("ROUGE: the two definitions differ") {
  auto const counted = rouge("no no effusion", "no effusion");
  CHECK(counted.rouge_1.precision == Approx(2.0 / 3));
  auto const sets = rouge_sets("no no effusion", "no effusion");
  CHECK(sets.rouge_1.precision == Approx(1));
  CHECK(rouge_sets("Effusion.", "effusion").rouge_1.f1 == 0);  // case counts
  CHECK(rouge("Effusion.", "effusion").rouge_1.f1 == Approx(1));
  CHECK(rouge("a b c d", "d c b a").rouge_l.f1 == Approx(0.25));
  CHECK(rouge("", "a").rouge_l.f1 == 0);
  CHECK(rouge_sets("...", "a").rouge_l.f1 == 0);
}

TEST_CASE("METEOR: stages, chunks, options") {
  CHECK(meteor(of("a b c"), of("a b c")) == Approx(1 - 0.5 * std::pow(1.0 / 3, 3)));
  CHECK(meteor(of("c b a"), of("a b c")) == Approx(0.5));  // three chunks of one
  CHECK(meteor(of("lungs"), of("lung")) == Approx(0.5));
  CHECK(meteor(of("lungs"), of("lung"), {.stages = meteor_stages::exact}) == 0);
  CHECK(meteor(of("Lung"), of("lung"), {.gamma = 0}) == Approx(1));
  CHECK(meteor(of("x"), of("y")) == 0);
  CHECK(meteor({}, of("y")) == 0);
  CHECK(meteor(of("y"), word_span{}) == 0);
}

TEST_CASE("CIDEr: rare n-grams count, a set of one gives nothing") {
  std::vector<std::vector<words>> const references = {{of("a small effusion is seen")}, {of("a nodule is seen here")}};
  cider const set(references);
  CHECK(set.score(0, of("a small effusion is seen")) == Approx(10));
  // The words of both items weigh nothing; bigram "is seen" neither.
  CHECK(set.score(0, of("is seen")) == Approx(0));
  CHECK(set.score(0, of("new words")) == 0);
  CHECK(set.score(1, {}) == 0);
  CHECK_THROWS_AS(set.score(2, of("a")), medmo::error);
  std::vector<std::vector<words>> const one = {{of("a b c d")}};
  CHECK(cider(one).score(0, of("a b c d")) == 0);
  std::vector<std::vector<words>> const without = {{}};
  CHECK_THROWS_AS(cider{without}, medmo::error);
  std::vector<words> const answers = {of("a")};
  CHECK_THROWS_AS(score_cider(answers, references), medmo::error);
}

TEST_CASE("token F1: sets and counts") {
  CHECK(token_f1(of("left lower lobe"), of("lower lobe")).f1 == Approx(0.8));
  CHECK(token_f1(of("no no no"), of("no")).f1 == Approx(1));
  CHECK(token_f1(of("no no no"), of("no"), token_counting::count).precision == Approx(1.0 / 3));
  CHECK(token_f1(of("no no"), of("no no a"), token_counting::count).recall == Approx(2.0 / 3));
  CHECK(token_f1({}, of("a")).f1 == 0);
  CHECK(token_f1({}, {}).f1 == 0);
}

TEST_CASE("similarity: difflib's junk rule from 200 characters on") {
  CHECK(similarity_ratio("", "") == 1);
  CHECK(similarity_ratio("pleural effusion", "effusion") == Approx(2 * 8 / 24.0));
  std::string const few(150, 'a'), many(250, 'a');
  CHECK(similarity_ratio(few, few) == 1);
  CHECK(similarity_ratio("xa", "y" + many) == 0);  // every a is junk
  CHECK(similarity_ratio(many, many) == 1);        // though at the beginning of both it matches
  CHECK(similarity_ratio("\xC3\xA4",
                         "\xC3\xA4"
                         "b") == Approx(2.0 / 3));  // characters, not bytes
}

TEST_CASE("text metrics: long texts of one word end soon") {
  std::string text;
  for (int i = 0; i < 8000; ++i) text += "no ";
  CHECK(rouge(text, text).rouge_l.f1 == Approx(1));
  CHECK(rouge_sets(text, text).rouge_l.f1 == Approx(1));
  CHECK(bleu_nltk(count_bleu(of(text), of(text))) == Approx(1));
  CHECK(meteor(of(text), of(text)) == Approx(1));
  CHECK(porter_stem(std::string(20000, 'y')).size() == 20000);
}
}  // namespace
