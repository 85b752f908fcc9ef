// How sure the model was: scores and coordinates against a plain enumeration, and whole conversations under a constraint.
#include "medmo/generate/box_confidence.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "../text/tokenizers.hpp"
#include "byte_model.hpp"
#include "medmo/generate/session.hpp"

namespace {

using medmo::box_evidence;
using medmo::box_mode;
using medmo::index;
using tiny::reading;
using tiny::seeing;

/// An answer as if drawn, token by token, from random logits; and the distributions it was drawn from.
struct drawn_answer {
  std::string text;
  std::vector<std::string> tokens;
  std::vector<std::vector<float>> logits;
  box_evidence evidence{text_tests::nano_tokenizer()};

  /// The pieces are tokens; a piece without a token of its own has that of "A".
  explicit drawn_answer(std::vector<std::string> const& pieces, std::uint64_t seed) {
    auto const& tokenizer = text_tests::nano_tokenizer();
    evidence.reserve(static_cast<index>(pieces.size()));
    for (auto const& piece : pieces) {
      medmo::random_stream random(seed, tokens.size());
      std::vector<float> row(4096);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = 2 * random.normal(i);
      bool const whole = medmo::text::find_invalid_utf8(piece) == piece.npos;
      auto ids = tokenizer.encode(whole ? piece : "A");
      auto id = ids.size() == 1 ? ids[0] : tokenizer.encode("A")[0];
      evidence.see(row);
      text += piece;
      evidence.drawn(id, row[static_cast<std::size_t>(id)], text.size());
      tokens.push_back(tokenizer.decode(std::vector{id}));
      logits.push_back(std::move(row));
    }
  }
  double log_probability(std::size_t token, std::string const& written) const {
    double total = 0;
    for (float l : logits[token]) total += std::exp(static_cast<double>(l));
    auto id = text_tests::nano_tokenizer().encode(written)[0];
    return static_cast<double>(logits[token][static_cast<std::size_t>(id)]) - std::log(total);
  }
  /// Of the digits alone, at a token.
  std::vector<double> digits(std::size_t token) const {
    std::vector<double> p;
    double total = 0;
    for (char c = '0'; c <= '9'; ++c)
      p.push_back(std::exp(log_probability(token, std::string(1, c)))), total += p.back();
    for (auto& q : p) q /= total;
    return p;
  }
};

std::vector<std::string> pieces_of(std::string const& text) {
  std::vector<std::string> out;
  for (index id : text_tests::nano_tokenizer().encode(text)) out.emplace_back(text_tests::nano_tokenizer().bytes(id));
  return out;
}

/// Mean and deviation by weighing each of the numbers of as many digits, one by one.
medmo::coordinate_estimate enumerated(drawn_answer const& a, std::size_t first_token, std::string const& number) {
  auto const places = std::min<std::size_t>(number.size(), 3);
  int const count = places == 1 ? 10 : places == 2 ? 100 : 1000;
  std::vector<std::vector<double>> chances;
  for (std::size_t place = 0; place < places; ++place) chances.push_back(a.digits(first_token + place));
  double mean = 0, square = 0, all = 0;
  for (int v = 0; v < count; ++v) {
    auto digits = std::to_string(count + v).substr(1);
    double weight = 1, value = v;
    std::size_t same = 0;
    for (; same < places; ++same) {
      weight *= chances[same][static_cast<std::size_t>(digits[same] - '0')];
      if (digits[same] != number[same]) break;
    }
    if (same == places) value = std::stoi(number);
    for (auto open = same + 1; open < places; ++open) weight /= 10;  // nothing is known of the digits after another one
    if (places > 1 && digits[0] == '0') value = 0;
    all += weight;
    mean += weight * value;
    square += weight * value * value;
  }
  CHECK(all == doctest::Approx(1));
  return {mean, std::sqrt(square - mean * mean)};
}

TEST_CASE("box confidence: scores and coordinates are what the formulas say") {
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    drawn_answer a(
        pieces_of("Two \xE5\xB7\xA6 <box>[[7, 0, 56, 600], [156, 5, 1000, 999]]</box>, A <box>[[1, 2, 3, 4]]</box>"),
        seed);
    auto read = medmo::text::parse_grounding(a.text);
    REQUIRE(read.boxes.size() == 3);
    std::vector<std::vector<std::string>> numbers{
        {"7", "0", "56", "600"}, {"156", "5", "1000", "999"}, {"1", "2", "3", "4"}};
    std::size_t token = 0;
    for (std::size_t b = 0; b < 3; ++b) {
      double sum = 0;
      int n = 0;
      auto coordinates = a.evidence.coordinates(a.text, read.boxes[b]);
      REQUIRE(coordinates);
      for (std::size_t c = 0; c < 4; ++c) {
        while (a.tokens.at(token) != numbers[b][c].substr(0, 1)) ++token;
        auto expected = enumerated(a, token, numbers[b][c]);
        CHECK((*coordinates)[c].mean == doctest::Approx(expected.mean).epsilon(1e-5));
        CHECK((*coordinates)[c].spread == doctest::Approx(expected.spread).epsilon(1e-5));
        for (char digit : numbers[b][c]) sum += a.log_probability(token++, std::string(1, digit)), ++n;
      }
      CHECK(a.evidence.score(a.text, read.boxes[b]).value() == doctest::Approx(std::exp(sum / n)).epsilon(1e-5));
    }
  }
}

TEST_CASE("box confidence: a sure model is sure") {
  auto const& tokenizer = text_tests::nano_tokenizer();
  box_evidence evidence(tokenizer);
  std::string text;
  for (index id : tokenizer.encode("A <box>[[12, 345, 678, 1000]]</box>")) {
    std::vector<float> row(4096, 0.0f);
    row[static_cast<std::size_t>(id)] = 60;
    evidence.see(row);
    text += tokenizer.bytes(id);
    evidence.drawn(id, 60, text.size());
  }
  auto box = medmo::text::parse_grounding(text).boxes.at(0);
  CHECK(evidence.score(text, box).value() == doctest::Approx(1));
  auto c = evidence.coordinates(text, box).value();
  double const expected[] = {12, 345, 678, 1000};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(c[i].mean == doctest::Approx(expected[i]));
    CHECK(c[i].spread < 1e-6);
  }
}

TEST_CASE("box confidence: lists that are read but were not written in plain digits have a score, and no coordinates") {
  for (std::vector<std::string> pieces :
       {std::vector<std::string>{"A", " <box>[[", "1", ".", "0", ", ", "2", ", ", "3", ", ", "4", "]]</box>"},
        {"A", " <box>[[", "1", ", ", "2", ", ", "3", ", ", "45", "]]</box>"},
        {"A", " <box>[[", "1", ", ", "2", ", ", "3", ", ", "4]]</box>"},
        {"A", " <box>[[", "0", "1", ", ", "2", ", ", "3", ", ", "4", "]]</box>"},
        {"A", " <box>[[", "+", "1", ", ", "2", ", ", "3", ", ", "4", "]]</box>"},
        {"A", " <box>[[", "1", ", ", "2", ", ", "3", ", ", "4", "0", "0", "0", "]]</box>"},
        {"A <box>[[1, 2, 3, 4]]</box>"}}) {
    drawn_answer a(pieces, 3);
    CAPTURE(a.text);
    auto read = medmo::text::parse_grounding(a.text);
    REQUIRE(read.boxes.size() == 1);
    auto score = a.evidence.score(a.text, read.boxes[0]);
    REQUIRE(score);
    CHECK((*score > 0 && *score < 1));
    CHECK_FALSE(a.evidence.coordinates(a.text, read.boxes[0]));
  }
}

// ---- conversations
TEST_CASE("session: log-probabilities are those of the model, with and without a constraint") {
  auto model = tiny::byte_model<seeing>();
  auto scan = tiny::random_picture(64, 64, 1);
  for (auto mode : {box_mode::off, box_mode::only})
    for (bool greedy : {true, false}) {
      medmo::session chat(model);
      auto answer = chat.ask(
          {scan}, "Where?",
          {.max_new_tokens = 70,
           .sampling = medmo::sampling_options{.greedy = greedy, .temperature = 3, .top_k = 0, .top_p = 1, .seed = 2},
           .boxes = {.mode = mode,
                     .labels = mode == box_mode::only ? std::vector<std::string>{"a"} : std::vector<std::string>{}}});
      REQUIRE(answer.token_logprobs.size() == answer.tokens.size());
      auto patches = medmo::vision::preprocess(scan, medmo::vision::options_for(seeing::vision, model.pictures));
      medmo::arena memory;
      auto seen = medmo::see_picture(model.model, tiny::view_of(patches.rows), patches.grid, memory);
      medmo::visual_features const* features[] = {&seen};
      medmo::sequence<seeing> again(model.model);
      auto ids = chat.tokens().ids();
      again.append(ids.first(static_cast<std::size_t>(answer.prompt_tokens)), features);
      for (std::size_t i = 0; i < answer.tokens.size(); ++i) {
        double total = 0;
        for (float l : again.logits()) total += std::exp(static_cast<double>(l));
        auto p = static_cast<double>(again.logits()[static_cast<std::size_t>(answer.tokens[i])]) - std::log(total);
        REQUIRE(answer.token_logprobs[i] == doctest::Approx(p).epsilon(1e-6));
        again.append_token(answer.tokens[i]);
      }
    }
}

TEST_CASE("session: boxes only, at any length and temperature, turn after turn") {
  auto model = tiny::byte_model<seeing>();
  auto scan = tiny::random_picture(96, 64, 1);
  index found = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    medmo::session chat(model);
    medmo::sampling_options drawing{
        .greedy = seed % 5 == 0, .temperature = seed % 2 ? 0.3f : 5.0f, .top_k = 0, .top_p = 1, .seed = seed};
    medmo::ask_options options{.max_new_tokens = static_cast<index>(seed * 5),
                               .sampling = drawing,
                               .boxes = {.mode = box_mode::only, .max_boxes = 5}};
    if (seed % 3) options.boxes.labels = {"mass", "cyst"};
    for (auto answer : {chat.ask({scan}, "Where?", options), chat.ask({}, "And where else?", options)}) {
      CAPTURE(answer.text);
      CHECK(answer.dropped.empty());
      CHECK(answer.detections.size() <= 5);
      CHECK((answer.detections.empty() == answer.text.empty()));
      found += static_cast<index>(answer.detections.size());
      for (auto const& d : answer.detections) {
        REQUIRE(d.confidence);
        CHECK((*d.confidence > 0 && *d.confidence <= 1));
        REQUIRE(d.coordinates);
        for (auto const& c : *d.coordinates) CHECK((c.mean >= 0 && c.mean <= 1000 && c.spread >= 0 && c.spread <= 500));
        if (seed % 3) CHECK((d.label == "mass" || d.label == "cyst"));
      }
    }
  }
  CHECK(found > 20);
}

TEST_CASE("session: in free text without a box, the constraint changes nothing") {
  auto model = tiny::byte_model<reading>();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    medmo::session free(model), bound(model);
    medmo::sampling_options drawing{.greedy = seed == 0, .temperature = 2, .top_k = 0, .top_p = 1, .seed = seed};
    auto without = free.ask({}, "Tell me.", {.max_new_tokens = 100, .sampling = drawing});
    auto with =
        bound.ask({}, "Tell me.", {.max_new_tokens = 100, .sampling = drawing, .boxes = {.mode = box_mode::in_text}});
    REQUIRE(without.text.find("<box>") == std::string::npos);
    CHECK(with.tokens == without.tokens);
    CHECK(with.text == without.text);
    CHECK(with.token_logprobs == without.token_logprobs);
    CHECK(with.stopped == without.stopped);
  }
}

TEST_CASE("session: what a constraint cannot be is an error before anything is done; NaN is seen under it") {
  auto model = tiny::byte_model<reading>();
  medmo::session chat(model);
  auto e = tiny::error_of([&] { chat.ask({}, "?", {.boxes = {.mode = box_mode::only, .labels = {"a\nb"}}}); });
  REQUIRE(e);
  CHECK(e->code() == medmo::errc::bad_argument);
  CHECK(chat.tokens().length() == 0);

  auto source = tiny::random_checkpoint<reading>();
  float nan = std::numeric_limits<float>::quiet_NaN();
  // of one token only, which boxes only would rule out
  std::memcpy(source.tensors.at("lm_head.weight").bytes.data() + sizeof nan * 40 * '<', &nan, sizeof nan);
  auto broken = tiny::byte_model<reading>(std::move(source));
  medmo::session numb(broken);
  for (auto mode : {box_mode::only, box_mode::in_text}) {
    auto answer = numb.ask({}, "?", {.max_new_tokens = 5, .boxes = {.mode = mode}});
    CHECK(answer.stopped == medmo::stop_reason::not_finite);
    CHECK(answer.tokens.empty());
  }
}

}  // namespace
