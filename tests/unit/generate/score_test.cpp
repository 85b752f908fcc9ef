// Scores and embeddings of whole questions: what they add up to, that detours and cuts change no bit, and what is refused.
#include "medmo/generate/score.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "byte_model.hpp"
#include "medmo/generate/embed.hpp"
#include "../named_case.hpp"

namespace {

using medmo::index;
using tiny::reading;
using tiny::seeing;

TEST_CASE("score: the same bits as one token after the other, whatever else is scored and however the prompt is cut") {
  auto const model = tiny::byte_model<seeing>();
  auto const scan = tiny::random_picture(96, 64, 1);
  std::vector<std::string> const answers{"Yes", "No", "", "A longer answer, in more than one piece of rows", "Yes"};
  auto const scores = medmo::score(model, {scan}, "Is it?", answers);
  REQUIRE(scores.size() == answers.size());

  medmo::sequence<seeing> tokens(model.model);
  auto const turn = medmo::see_turn(model, std::span(&scan, 1), "Is it?", tokens.memory());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    CAPTURE(answers[i]);
    auto const& s = scores[i];
    CHECK(s.text == answers[i]);
    CHECK(s.tokens == model.tokenizer.encode(answers[i]));
    tokens.truncate(0);
    tokens.append(turn.prompt.ids, turn.features());
    double sum = 0;
    for (std::size_t t = 0; t < s.tokens.size(); ++t) {
      CHECK(s.log_probabilities[t] == medmo::log_probability(tokens.logits(), s.tokens[t]));
      sum += s.log_probabilities[t];
      tokens.append_token(s.tokens[t]);
    }
    CHECK(s.log_probability == sum);
    CHECK(s.end_log_probability == medmo::log_probability(tokens.logits(), seeing::tokens.im_end));
    CHECK(s.log_probability <= 0);
    auto const alone = medmo::score(model, {scan}, "Is it?", {answers[i]}, {.prefill_chunk = 3});
    CHECK(alone[0].log_probabilities == s.log_probabilities);
    CHECK(alone[0].end_log_probability == s.end_log_probability);
  }
  CHECK(medmo::score(model, {scan}, "Is it?", {}).empty());
  // the picture and the question matter
  CHECK(medmo::score(model, {}, "Is it?", {"Yes"})[0].log_probability != scores[0].log_probability);
  CHECK(medmo::score(model, {scan}, "Was it?", {"Yes"})[0].log_probability != scores[0].log_probability);
  CHECK(medmo::score(model, {scan}, "Is it?", {"Yes"}, {.turn = {.system = "Be brief."}})[0].log_probability !=
        scores[0].log_probability);
}

TEST_CASE("score: all single tokens together are certain") {
  auto const model = tiny::byte_model<reading>();
  medmo::sequence<reading> tokens(model.model);
  tokens.append(tiny::random_ids(9));
  std::vector<float> const behind(tokens.logits().begin(), tokens.logits().end());
  double total = 0;
  for (index id = 0; id < reading::text.vocab; ++id)
    total += std::exp(id == reading::tokens.image_pad || id == reading::tokens.video_pad  // no token of an answer
                          ? medmo::log_probability(behind, id)
                          : medmo::score_tokens(tokens, behind, std::vector<index>{id}).log_probability);
  CHECK(total == doctest::Approx(1.0).epsilon(1e-6));
  CHECK(tokens.length() == 9);
}

TEST_CASE("embed: of length one, the same for every cut; picture, text and both differ") {
  auto const model = tiny::byte_model<seeing>();
  auto const scan = tiny::random_picture(96, 64, 1);
  std::vector<std::vector<float>> all;
  for (auto how : {medmo::pooling::last_token, medmo::pooling::mean})
    for (int what : {0, 1, 2}) {
      auto of = [&](index chunk) {
        return medmo::embed(model, what == 0 ? std::vector<medmo::image>{} : std::vector{scan}, what == 1 ? "" : "A lung",
                            {.pooling = how, .prefill_chunk = chunk});
      };
      auto const e = of(1024);
      CHECK(e.values.size() == static_cast<std::size_t>(seeing::text.hidden));
      CHECK(of(5).values == e.values);
      CHECK(of(5).tokens == e.tokens);
      double square = 0;
      for (float x : e.values) square += static_cast<double>(x) * static_cast<double>(x);
      CHECK(square == doctest::Approx(1.0).epsilon(1e-6));
      for (auto const& other : all) CHECK(other != e.values);
      all.push_back(e.values);
    }
}

TEST_CASE("score and embed: what cannot be done is refused") {
  auto const model = tiny::byte_model<seeing>();
  auto const reader = tiny::byte_model<reading>();
  auto const scan = tiny::random_picture(64, 64, 1);
  using medmo::errc;
  struct bad { char const* name; errc code; std::function<void()> f; };
  medmo::sequence<seeing> tokens(model.model);
  tokens.append(tiny::random_ids(4));
  std::vector<float> const behind(tokens.logits().begin(), tokens.logits().end());
  auto ids = [&](std::vector<index> v) { return [&, v] { medmo::score_tokens(tokens, behind, std::span<index const>(v)); }; };
  std::vector<bad> cases{
      {"a picture to a reader, score", errc::unsupported, [&] { medmo::score(reader, {scan}, "?", {"a"}); }},
      {"a picture to a reader, embed", errc::unsupported, [&] { medmo::embed(reader, {scan}, "?"); }},
      {"an answer that is not UTF-8", errc::bad_text, [&] { medmo::score(model, {}, "?", {"a", "\xff"}); }},
      {"a prompt that is not UTF-8", errc::bad_text, [&] { medmo::score(model, {}, "\xff", {"a"}); }},
      {"an answer too long", errc::too_large, [&] { medmo::score(model, {}, "?", {"a", std::string(1024, 'x')}); }},
      {"a prompt too long", errc::too_large, [&] { medmo::embed(model, {}, std::string(2000, 'x')); }},
      {"score in steps of nothing", errc::bad_argument, [&] { medmo::score(model, {}, "?", {"a"}, {.prefill_chunk = 0}); }},
      {"embed in steps of nothing", errc::bad_argument, [&] { medmo::embed(model, {}, "?", {.prefill_chunk = -1}); }},
      {"nothing to embed", errc::bad_argument, [&] { medmo::embed(model, {}, ""); }},
      {"a first token below 0", errc::bad_argument, ids({-1})},
      {"a first token beyond the vocabulary", errc::bad_argument, ids({288})},
      {"a later token beyond the vocabulary", errc::bad_argument, ids({1, 288})}};
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    auto const e = tiny::error_of(c.f);
    REQUIRE(e);
    CHECK(e->code() == c.code);
  }
  CHECK(tokens.length() == 4);
}

}  // namespace
