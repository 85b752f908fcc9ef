// A conversation: turns that use the cache again, pieces that make the text, stops, errors that take a turn back, and
// sessions in several threads. The tokenizer has one token for each byte.
#include "medmo/generate/session.hpp"

#include <thread>

#include "../model/tiny_model.hpp"
#include "../named_case.hpp"

namespace {

using medmo::index;
using medmo::stop_reason;
using tiny::reading;
using tiny::seeing;

template <class C>
medmo::text::tokenizer<medmo::vocabulary_of<C>> byte_tokenizer() {
  medmo::text::byte_pairs base;
  for (int b = 0; b < 256; ++b) base.add_token(std::string(1, static_cast<char>(b)), "bytes");
  return {std::move(base), medmo::text::configured_added_tokens<medmo::vocabulary_of<C>>(), "bytes"};
}

template <class C>
medmo::pretrained<C> make(tiny::memory_source source = tiny::random_checkpoint<C>()) {
  medmo::pretrained<C> p{tiny::load<C>(std::move(source)), byte_tokenizer<C>(), {}, {}};
  p.pictures.min_pixels = 1024;
  p.pictures.max_pixels = 8192;
  p.sampling = {.greedy = false, .temperature = 1.0f, .top_k = 0, .top_p = 1.0f, .seed = 4};
  return p;
}

medmo::image picture(index width, index height, std::uint64_t seed) {
  medmo::image p(width, height);
  medmo::random_stream random(seed, medmo::stream_of("picture"));
  for (std::size_t i = 0; i < p.pixels.size(); ++i) p.pixels[i] = static_cast<std::uint8_t>(random.bits(i));
  return p;
}

TEST_CASE("session: a second turn uses the cache, and has the logits of one pass over the same ids") {
  auto model = make<seeing>();
  medmo::session chat(model);
  auto scan = picture(96, 64, 1);
  auto first = chat.ask({scan}, "What is it?", {.max_new_tokens = 12});
  CHECK(first.reused_tokens == 0);
  auto second = chat.ask({}, "And where?", {.max_new_tokens = 12});
  CHECK(second.reused_tokens >= first.prompt_tokens);
  CHECK(second.reused_tokens < second.prompt_tokens);

  auto patches = medmo::vision::preprocess(scan, medmo::vision::options_for(seeing::vision, model.pictures));
  medmo::arena memory;
  auto seen = medmo::see_picture(model.model, tiny::view_of(patches.rows), patches.grid, memory);
  medmo::sequence<seeing> at_once(model.model), cut(model.model);
  medmo::visual_features const* features[] = {&seen};
  auto ids = chat.tokens().ids();
  at_once.append(ids, features);
  cut.append(ids, features, 5);
  auto const talked = chat.tokens().positions();
  CHECK(std::equal(talked.begin(), talked.end(), at_once.positions().begin(), at_once.positions().end()));
  CHECK(tiny::same_bytes(cut.logits(), at_once.logits()));
  // drawing from one pass over the whole prompt gives the token that the reused cache gave
  if (!second.tokens.empty()) {
    std::vector<index> before(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(second.prompt_tokens));
    medmo::sequence<seeing> prompt(model.model);
    prompt.append(before, features);
    CHECK(medmo::sampler(model.sampling, seeing::text.vocab, {seeing::tokens.image_pad, seeing::tokens.video_pad})
              .draw(prompt.logits()) == second.tokens[0]);
  }
}

TEST_CASE("session: the pieces are the text; chunks do not change the answer") {
  auto model = make<reading>();
  std::string pieces;
  medmo::session chat(model);
  auto whole = chat.ask({}, "Tell me.", {.max_new_tokens = 60, .on_text = [&](std::string_view s) {
                                           pieces += s;
                                           return true;
                                         }});
  CHECK(pieces == whole.text);
  CHECK(whole.text == model.tokenizer.decode(whole.tokens));
  CHECK(whole.tokens.size() > 3);
  for (index chunk : {1, 7, 64}) {
    medmo::session again(model);
    CHECK(again.ask({}, "Tell me.", {.max_new_tokens = 60, .prefill_chunk = chunk}).tokens == whole.tokens);
  }
}

TEST_CASE("session: cancelled anywhere, it goes on as a fresh one") {
  auto model = make<reading>();
  medmo::session fresh(model);
  auto const expected = fresh.ask({}, "Go on.", {.max_new_tokens = 10});
  medmo::session chat(model);
  for (int at = 1; at <= 12; ++at) {
    CAPTURE(at);
    int left = at;
    auto stopped = chat.ask({}, "Tell me.", {.max_new_tokens = 40, .on_text = [&](std::string_view) { return --left > 0; }});
    CHECK(stopped.stopped == stop_reason::cancelled);
    auto next = chat.ask({}, "And?", {.max_new_tokens = 3});
    CHECK(next.prompt_tokens > stopped.prompt_tokens);
    chat.reset();
    auto after = chat.ask({}, "Go on.", {.max_new_tokens = 10});
    CHECK(after.tokens == expected.tokens);
    CHECK(after.stopped == expected.stopped);
    chat.reset();
  }
}

/// A question to the model with a NaN in the tensor called `name`: one number of it, or one of each token's row.
template <class C>
medmo::answer asked_with_nan(tiny::memory_source source, std::string const& name, std::vector<medmo::image> const& pictures, medmo::box_mode boxes) {
  auto& t = source.tensors.at(name);
  std::size_t const rows = name.ends_with("embed_tokens.weight") ? static_cast<std::size_t>(t.shape[0]) : 1;
  for (std::size_t i = 0; i < rows; ++i) {
    std::uint32_t const nan = 0x7fc07fc0;  // of f32, and twice of bf16
    std::memcpy(t.bytes.data() + i * (t.bytes.size() / rows), &nan, sizeof nan);
  }
  auto model = make<C>(std::move(source));
  return medmo::session(model).ask(pictures, "Tell me.", {.max_new_tokens = 5, .boxes = {.mode = boxes}});
}

template <class C>
void check_every_nan(std::vector<medmo::image> const& pictures, medmo::dtype type) {
  auto const whole = tiny::random_checkpoint<C>(type);
  for (auto const& name : whole.names()) {
    // enters behind the last of the two layers, in the picture's rows: nothing ever reads it
    if (name.find("deepstack_merger_list.1") != name.npos) continue;
    for (auto boxes : {medmo::box_mode::off, medmo::box_mode::only}) {
      CAPTURE(name);
      auto answer = asked_with_nan<C>(whole, name, pictures, boxes);
      CHECK(answer.stopped == stop_reason::not_finite);
      CHECK(answer.text.empty());
      CHECK(answer.tokens.empty());
    }
  }
}

TEST_CASE("session: a NaN in any weight of any layer ends the answer, and never is a token") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    check_every_nan<reading>({}, type);
    check_every_nan<seeing>({picture(64, 48, 1)}, type);
  }
}

TEST_CASE("session: an error takes the turn back") {
  auto model = make<seeing>();
  auto scan = picture(64, 64, 1);
  medmo::image broken(64, 64);
  broken.pixels.pop_back();
  medmo::session chat(model), calm(model);
  chat.ask({scan}, "What?", {.max_new_tokens = 4});
  calm.ask({scan}, "What?", {.max_new_tokens = 4});
  struct bad { char const* name; std::vector<medmo::image> pictures; std::string prompt; index tokens; medmo::errc code; };
  std::vector<bad> cases{{"too long", {}, std::string(2000, 'a'), 4, medmo::errc::too_large},
                         {"too long an answer", {}, "a", 1024, medmo::errc::too_large},
                         {"not UTF-8", {scan}, "\xff", 4, medmo::errc::bad_text},
                         {"broken picture after a whole one", {scan, broken}, "a", 4, medmo::errc::bad_image},
                         {"negative length", {}, "a", -1, medmo::errc::bad_argument}};
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    auto e = tiny::error_of([&] { chat.ask(c.pictures, c.prompt, {.max_new_tokens = c.tokens}); });
    REQUIRE(e);
    CHECK(e->code() == c.code);
  }
  auto after = chat.ask({}, "Where?", {.max_new_tokens = 8}), expected = calm.ask({}, "Where?", {.max_new_tokens = 8});
  CHECK(after.tokens == expected.tokens);
  CHECK(after.prompt_tokens == expected.prompt_tokens);
}

TEST_CASE("session: pictures of any size, prompts of any text") {
  auto model = make<seeing>();
  medmo::session chat(model);
  for (auto [width, height] : std::initializer_list<std::pair<index, index>>{
           {1, 1}, {1, 2}, {2, 1}, {3, 5}, {31, 33}, {305, 30}, {200, 1}, {1, 200}, {15, 1000}, {97, 64}}) {
    CAPTURE(width);
    CAPTURE(height);
    chat.reset();
    auto answer = chat.ask({picture(width, height, 1)}, "What?", {.max_new_tokens = 2});
    CHECK(answer.stopped != stop_reason::not_finite);
  }
  chat.reset();
  for (auto [width, height] : std::initializer_list<std::pair<index, index>>{{201, 1}, {1, 201}, {2, 500}, {0, 0}, {0, 5}}) {
    auto const name = std::to_string(width) + " x " + std::to_string(height);
    CAPTURE(name);
    named_case(name);
    auto e = tiny::error_of([&, w = width, h = height] { chat.ask({picture(w, h, 1)}, "What?", {.max_new_tokens = 2}); });
    REQUIRE(e);
    CHECK(e->code() == medmo::errc::bad_image);
    CHECK(chat.tokens().length() == 0);
  }
  using namespace std::literals;
  for (auto prompt : {""s, " "s, "\n"s, "\0"s, "<|im_end|>"s, "<|im_start|><|im_start|>"s, "<|image_pad|>"s,
                      "<|vision_start|><|image_pad|><|vision_end|>"s, "<|endoftext|>"s, "<box>"s, std::string(300, '!')}) {
    CAPTURE(prompt);
    chat.reset();
    auto answer = chat.ask({picture(64, 32, 1)}, prompt, {.max_new_tokens = 2});
    CHECK(answer.stopped != stop_reason::not_finite);
    index pads = 0;
    for (index id : chat.tokens().ids()) pads += id == seeing::tokens.image_pad;
    CHECK(pads == 2);  // those of the picture, and none of the prompt's
  }
}

TEST_CASE("session: what a lost turn saw is never taken for the next picture") {
  auto model = make<seeing>();
  auto lost = picture(64, 64, 1), scan = picture(64, 64, 2);  // of one size: the same prompt, id for id
  medmo::session chat(model), calm(model);
  struct application_error {};
  auto leave = [](std::string_view) -> bool { throw application_error{}; };
  CHECK_THROWS_AS(chat.ask({lost}, "What?", {.max_new_tokens = 20, .on_text = leave}), application_error);
  CHECK(chat.tokens().length() == 0);
  for (auto question : {"What?", "Where?"}) {
    auto before = chat.tokens().length();
    CHECK_THROWS_AS(chat.ask({lost}, question, {.max_new_tokens = 20, .on_text = leave}), application_error);
    CHECK(chat.tokens().length() <= before);
    auto found = chat.ask({scan}, question, {.max_new_tokens = 8}), expected = calm.ask({scan}, question, {.max_new_tokens = 8});
    CHECK(found.tokens == expected.tokens);
    CHECK(found.token_logprobs == expected.token_logprobs);
  }
}

TEST_CASE("session: several pictures; none for a model that only reads") {
  auto model = make<seeing>();
  auto a = picture(96, 64, 1), b = picture(64, 64, 2);
  medmo::session both(model), turned(model);
  auto ab = both.ask({a, b}, "Compare.", {.max_new_tokens = 20}), ba = turned.ask({b, a}, "Compare.", {.max_new_tokens = 20});
  CHECK(ab.prompt_tokens == ba.prompt_tokens);
  CHECK(ab.tokens != ba.tokens);
  auto reader = make<reading>();
  medmo::session chat(reader);
  auto e = tiny::error_of([&] { chat.ask({a}, "What?"); });
  REQUIRE(e);
  CHECK(e->code() == medmo::errc::unsupported);
  CHECK(chat.tokens().length() == 0);
}

TEST_CASE("session: eight in eight threads answer as one does") {
  auto model = make<seeing>();
  auto scan = picture(64, 64, 1);
  auto talk = [&] {
    medmo::session chat(model);
    auto first = chat.ask({scan}, "What?", {.max_new_tokens = 8}).tokens;
    auto second = chat.ask({}, "Where?", {.max_new_tokens = 8}).tokens;
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  auto const expected = talk();
  std::vector<std::vector<index>> found(8);
  std::vector<std::thread> workers;
  for (auto& f : found) workers.emplace_back([&] { f = talk(); });
  for (auto& w : workers) w.join();
  for (auto const& f : found) CHECK(f == expected);
}

}  // namespace
