// Every text metric against its Python package, pair by pair (tools/export_text_metric_goldens.py): made-up sentences, and the
// file of real ones that MEDMO_TEXT_GOLDENS names. Prints the largest difference of each metric.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "medmo/metrics/bleu.hpp"
#include "medmo/metrics/cider.hpp"
#include "medmo/metrics/meteor.hpp"
#include "medmo/metrics/rouge.hpp"
#include "medmo/metrics/similarity_ratio.hpp"
#include "medmo/metrics/token_f1.hpp"

namespace {
using namespace medmo::metrics;
using json = nlohmann::json;

constexpr double tolerance = 1e-6;
constexpr bleu_smoothing smoothings[] = {bleu_smoothing::none, bleu_smoothing::epsilon, bleu_smoothing::add_one,
                                         bleu_smoothing::exponential, bleu_smoothing::by_length};

/// The largest difference of each metric, and where it was.
struct differences {
  struct worst {
    double difference = 0;
    std::size_t values = 0, item = 0;
  };
  std::map<std::string, worst> of;
  std::size_t item = 0;

  void compare(std::string const& metric, double ours, json const& theirs) {
    auto& w = of[metric];
    ++w.values;
    double const d = std::abs(ours - theirs.get<double>());
    if (!(d <= w.difference)) w.difference = d, w.item = item;
  }
  void compare(std::string const& metric, overlap_score const& ours, json const& theirs) {
    compare(metric, ours.precision, theirs.at(0));
    compare(metric, ours.recall, theirs.at(1));
    compare(metric, ours.f1, theirs.at(2));
  }
  void compare(std::string const& metric, rouge_scores const& ours, json const& theirs) {
    compare(metric, ours.rouge_1, theirs.at(0));
    compare(metric, ours.rouge_2, theirs.at(1));
    compare(metric, ours.rouge_l, theirs.at(2));
  }
};

std::vector<words> split_all(std::vector<std::string> const& texts, words (*split)(std::string_view)) {
  std::vector<words> out;
  for (auto const& text : texts) out.push_back(split(text));
  return out;
}
words medevalkit_words(std::string_view text) { return tokenize_medevalkit(text); }

std::string joined(words const& all) {
  std::string out;
  for (auto const& word : all) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// The first 400 characters, as Python slices them.
std::string_view head(std::string_view text) {
  std::size_t at = 0;
  for (int i = 0; i < 400 && at < text.size(); ++i) next_character(text, at);
  return text.substr(0, at);
}

void check_file(std::string const& path) {
  std::ifstream in(path);
  REQUIRE(in.good());
  auto const golden = json::parse(in);
  differences d;
  std::vector<words> answers;
  std::vector<std::vector<words>> references;
  bleu_counts corpus_nltk, corpus_sacre;

  for (auto const& item : golden.at("items")) {
    auto const answer = item.at("answer").get<std::string>();
    auto const texts = item.at("references").get<std::vector<std::string>>();
    CAPTURE(answer);
    CHECK(lowercase(answer) == item.at("lower").get<std::string>());
    CHECK(joined(tokenize_13a(answer)) == item.at("words_13a").get<std::string>());

    auto const nltk = count_bleu(medevalkit_words(answer), split_all(texts, medevalkit_words));
    corpus_nltk += nltk;
    for (int n = 1, k = 0; n <= 4; ++n)
      for (auto smoothing : smoothings)
        d.compare("BLEU nltk", bleu_nltk(nltk, n, smoothing), item.at("bleu_nltk").at(static_cast<std::size_t>(k++)));
    auto const sacre = count_bleu(tokenize_13a(answer), split_all(texts, tokenize_13a));
    corpus_sacre += count_bleu(tokenize_13a(answer), tokenize_13a(texts[0]));
    auto const effective = bleu_length_order::effective;
    d.compare("BLEU sacrebleu", bleu_sacre(sacre), item.at("bleu_sacre").at(0));
    d.compare("BLEU sacrebleu", bleu_sacre(sacre, bleu_smoothing::exponential, effective), item.at("bleu_sacre").at(1));
    d.compare("BLEU sacrebleu", bleu_sacre(sacre, bleu_smoothing::epsilon, effective), item.at("bleu_sacre").at(2));
    d.compare("BLEU sacrebleu", bleu_sacre(sacre, bleu_smoothing::add_one, effective), item.at("bleu_sacre").at(3));
    d.compare("BLEU sacrebleu", bleu_sacre(sacre, bleu_smoothing::none, effective), item.at("bleu_sacre").at(4));

    d.compare("ROUGE rouge-score", rouge(answer, texts[0]), item.at("rouge"));
    d.compare("ROUGE rouge-score, stemmed", rouge(answer, texts[0], stemming::porter), item.at("rouge_stemmed"));
    d.compare("ROUGE rouge", rouge_sets(answer, texts[0]), item.at("rouge_sets"));
    auto const plain = split_words(answer);
    auto const plain_references = split_all(texts, split_words);
    d.compare("METEOR exact and stem", meteor(plain, plain_references), item.at("meteor").at(0));
    d.compare("METEOR exact", meteor(plain, plain_references, {.stages = meteor_stages::exact}),
              item.at("meteor").at(1));
    d.compare("token F1", token_f1(medevalkit_words(answer), medevalkit_words(texts[0])), item.at("tokens"));
    d.compare("difflib", similarity_ratio(head(answer), head(texts[0])), item.at("similarity"));
    answers.push_back(plain);
    references.push_back(plain_references);
    ++d.item;
  }

  auto const cider_values = score_cider(answers, references);
  for (d.item = 0; d.item < answers.size(); ++d.item)
    d.compare("CIDEr", cider_values.each[d.item], golden.at("items")[d.item].at("cider"));
  d.compare("CIDEr", cider_values.mean, golden.at("cider"));
  for (int n = 1, k = 0; n <= 4; ++n)
    for (auto smoothing : smoothings)
      d.compare("BLEU nltk, corpus", bleu_nltk(corpus_nltk, n, smoothing),
                golden.at("corpus_bleu_nltk").at(static_cast<std::size_t>(k++)));
  d.compare("BLEU sacrebleu, corpus", bleu_sacre(corpus_sacre), golden.at("corpus_bleu_sacre"));

  std::size_t wrong_stems = 0;
  for (auto const& [word, stem] : golden.at("stems").items())
    if (porter_stem(word) != stem.get<std::string>()) {
      ++wrong_stems;
      MESSAGE("stem of " << word << ": " << porter_stem(word) << ", not " << stem.get<std::string>());
    }
  CHECK(wrong_stems == 0);
  for (auto const& [metric, w] : d.of) {
    MESSAGE(metric << ": " << w.values << " values, largest difference " << w.difference << " at item " << w.item);
    CHECK_MESSAGE(w.difference <= tolerance, metric << " item " << w.item);
  }
}
}  // namespace

TEST_CASE("text goldens: made-up sentences") { check_file(MEDMO_TEST_DATA "/metrics/text.json"); }

TEST_CASE("text goldens: real sentences") {
  if (char const* path = std::getenv("MEDMO_TEXT_GOLDENS")) check_file(path);
}
