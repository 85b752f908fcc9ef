// Sessions that end at a stop string: the text is cut before it, in the pieces and in the whole, and the rest is unchanged.
#include <doctest/doctest.h>

#include "byte_model.hpp"
#include "medmo/generate/session.hpp"

namespace {

using medmo::stop_reason;
using tiny::reading;

TEST_CASE("session: stop strings cut the text wherever they come") {
  auto model = tiny::byte_model<reading>();
  model.sampling = {.greedy = false, .temperature = 1.0f, .top_k = 0, .top_p = 1.0f, .seed = 4};
  auto run = [&](std::vector<std::string> stop, std::string& pieces) {
    medmo::session chat(model);
    return chat.ask({}, "Tell me.", {.max_new_tokens = 60, .stop = std::move(stop), .on_text = [&](std::string_view s) {
                                       pieces += s;
                                       return true;
                                     }});
  };
  std::string pieces;
  auto const whole = run({}, pieces);
  REQUIRE(whole.text.size() > 20);
  // every string of three bytes of the text, cut at its first occurrence; bytes of U+FFFD are cut in the middle as well
  for (std::size_t at = 0; at + 3 <= whole.text.size(); ++at) {
    auto const stop = whole.text.substr(at, 3);
    CAPTURE(at);
    pieces.clear();
    auto const cut = run({"never in it \x01\x02", stop}, pieces);
    CHECK(cut.text == whole.text.substr(0, whole.text.find(stop)));
    CHECK(pieces == cut.text);
    CHECK(cut.stopped == stop_reason::stop_string);
    CHECK(cut.tokens.size() <= whole.tokens.size());
    CHECK(std::equal(cut.tokens.begin(), cut.tokens.end(), whole.tokens.begin()));
    CHECK(std::equal(cut.token_logprobs.begin(), cut.token_logprobs.end(), whole.token_logprobs.begin()));
  }
  pieces.clear();
  auto const held = run({whole.text + "!"}, pieces);  // all of it is held back to the end
  CHECK(held.text == whole.text);
  CHECK(pieces == whole.text);
  CHECK(held.stopped == whole.stopped);
}

TEST_CASE("session: an empty stop string is refused and takes the turn back") {
  auto const model = tiny::byte_model<reading>();
  medmo::session chat(model);
  CHECK_THROWS_AS(chat.ask({}, "a", {.max_new_tokens = 2, .stop = {""}}), medmo::error);
  CHECK(chat.ask({}, "a", {.max_new_tokens = 2}).prompt_tokens == medmo::session(model).ask({}, "a", {.max_new_tokens = 2}).prompt_tokens);
}

TEST_CASE("session: penalties know the prompt and the answer") {
  auto const model = tiny::byte_model<reading>();
  auto run = [&](medmo::sampling_options o) {
    medmo::session chat(model);
    return chat.ask({}, "Tell me.", {.max_new_tokens = 40, .sampling = o}).tokens;
  };
  auto distinct = [](std::vector<medmo::index> ids) {
    std::sort(ids.begin(), ids.end());
    return std::unique(ids.begin(), ids.end()) - ids.begin();
  };
  auto const plain = run({}), once = run({.presence_penalty = 1000.0f}), fresh = run({.repetition_penalty = 1e30f});
  CHECK(distinct(once) == static_cast<std::ptrdiff_t>(once.size()));  // no token twice
  CHECK(distinct(plain) < distinct(once));
  auto const prompt = model.tokenizer.encode("Tell me.");
  for (auto id : prompt) CHECK(std::count(fresh.begin(), fresh.end(), id) == 0);
}

}  // namespace
