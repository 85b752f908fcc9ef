// Many answers at once have the bytes that each has alone, however many run together, whatever they share, however the work
// is cut; prefixes and pictures are paid once; requests end and are taken back each by itself.
#include "medmo/generate/batch.hpp"

#include <set>

#include "byte_model.hpp"
#include "medmo/generate/session.hpp"
#include "medmo/io/image.hpp"

namespace {

using medmo::index;
using medmo::stop_reason;
using tiny::seeing;

/// Parts of real pictures, so small that a hundred go in a second.
std::vector<medmo::image> pictures() {
  std::vector<medmo::image> out;
  for (char const* name : {"cell.png", "chest_cr.png", "microaneurysms.png"}) {
    auto const whole = medmo::io::read_image(std::string(MEDMO_TEST_DATA "/images/") + name);
    for (index size : {32, 64}) {
      medmo::image part(size + 32, size);
      for (index y = 0; y < part.height; ++y) std::copy_n(whole.at(whole.width / 3, whole.height / 3 + y), part.width * 3, part.at(0, y));
      out.push_back(std::move(part));
    }
  }
  return out;
}

struct question {
  std::vector<medmo::image> pictures;
  std::string prompt;
  medmo::ask_options options;
};

/// A hundred: one picture and many questions, others of their own, pairs, text alone, the same text under other seeds.
std::vector<question> questions() {
  auto const images = pictures();
  std::vector<question> out;
  for (std::size_t i = 0; i < 100; ++i) {
    question q;
    auto const one = images[i / 10 % images.size()], other = images[i % images.size()];
    switch (i % 10) {
      case 0: case 1: case 2: case 3: case 4: q.pictures = {one}; break;
      case 5: q.pictures = {one, other}; break;
      case 6: q.pictures = {other, one}; break;
      case 7: q.pictures = {other}; break;
      default: break;
    }
    q.prompt = i % 10 == 9 ? "Tell me." : "Question " + std::to_string(i % 7) + ": what is in " + std::string(i % 40, 'x') + "?";
    q.options = {.max_new_tokens = static_cast<index>(i % 23), .prefill_chunk = 1024};
    q.options.sampling = medmo::sampling_options{.greedy = i % 4 == 0, .temperature = 1.0f, .top_k = 0, .top_p = 1.0f, .seed = i};
    if (i % 8 == 3) q.options.sampling->repetition_penalty = 1.3f;
    if (i % 8 == 5) q.options.boxes.mode = medmo::box_mode::only;
    if (i % 8 == 6) q.options.boxes.mode = medmo::box_mode::in_text;
    if (i % 8 == 7) q.options.stop = {"e", "q"};
    if (i % 5 == 2) q.options.system = "Be brief.";
    if (i % 3 == 1) q.options.min_pixels = 4096;
    out.push_back(std::move(q));
  }
  return out;
}

void check_same(medmo::answer const& a, medmo::answer const& b) {
  CHECK(a.text == b.text);
  CHECK(a.tokens == b.tokens);
  CHECK(a.token_logprobs == b.token_logprobs);
  CHECK(a.stopped == b.stopped);
  CHECK(a.prompt_tokens == b.prompt_tokens);
  REQUIRE(a.detections.size() == b.detections.size());
  for (std::size_t i = 0; i < a.detections.size(); ++i) {
    CHECK(a.detections[i].box_px == b.detections[i].box_px);
    CHECK(a.detections[i].confidence == b.detections[i].confidence);
  }
}

TEST_CASE("batch: a hundred questions have the answers that sessions of their own give") {
  auto const asked = questions();
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    CAPTURE(std::string(medmo::name_of(type)));
    auto const model = tiny::byte_model<seeing>(tiny::random_checkpoint<seeing>(type));
    std::vector<medmo::answer> expected;
    std::set<stop_reason> ends;
    {
      tiny::threads one(1);
      for (auto const& q : asked) {
        medmo::session chat(model);
        expected.push_back(chat.ask(q.pictures, q.prompt, q.options));
        ends.insert(expected.back().stopped);
      }
    }
    CHECK(ends.size() >= 2);
    struct way { index slots; std::size_t prefix_bytes; bool cached; index chunk; int threads; index lookup; };
    for (auto const& w : {way{1, 0, false, 1024, 1, 0}, way{2, 1 << 30, true, 1024, 2, 0}, way{3, 1 << 30, false, 7, 1, 0},
                          way{5, 100000, true, 64, 2, 3}, way{8, 1 << 30, false, 1024, 2, 0}, way{8, 0, true, 17, 1, 8}}) {
      CAPTURE(w.slots);
      CAPTURE(w.prefix_bytes);
      CAPTURE(w.chunk);
      CAPTURE(w.threads);
      CAPTURE(w.lookup);
      tiny::threads several(w.threads);
      medmo::feature_cache features(1 << 20);
      medmo::batch batch(model, {.slots = w.slots, .prefix_bytes = w.prefix_bytes, .features = w.cached ? &features : nullptr});
      for (std::size_t i = 0; i < asked.size(); ++i) {
        auto options = asked[i].options;
        options.prefill_chunk = w.chunk;
        options.lookup = w.lookup;
        CHECK(batch.add(asked[i].pictures, asked[i].prompt, options) == static_cast<index>(i));
      }
      auto const found = batch.run();
      REQUIRE(found.size() == expected.size());
      index reused = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        check_same(found[i], expected[i]);
        reused += found[i].reused_tokens;
      }
      CHECK((reused > 0) == (w.prefix_bytes > 0));
      CHECK((features.hits() > 0) == w.cached);
    }
  }
}

TEST_CASE("batch: eight answers take the passes of the longest") {
  auto const model = tiny::byte_model<seeing>();
  medmo::batch batch(model, {.slots = 8});
  std::size_t most = 0, all = 0;
  for (std::uint64_t i = 0; i < 8; ++i)
    batch.add({}, "Go on.", {.max_new_tokens = 20, .sampling = medmo::sampling_options{.greedy = false, .top_k = 0, .top_p = 1, .seed = i}});
  for (auto const& a : batch.run()) {
    auto const draws = a.tokens.size() + (a.stopped == stop_reason::end_of_turn);
    most = std::max(most, draws);
    all += draws;
  }
  CHECK(batch.passes() == static_cast<index>(most) - 1);  // the first draw of each is of its prefill
  CHECK(all > 2 * most);
}

TEST_CASE("batch: twenty questions about one picture see it once and read it once") {
  auto const model = tiny::byte_model<seeing>();
  auto const scan = tiny::random_picture(96, 80, 1);
  medmo::feature_cache features(1 << 20);
  medmo::batch batch(model, {.features = &features});
  for (int i = 0; i < 20; ++i) batch.add({scan}, std::to_string(i) + " Where?", {.max_new_tokens = 3});
  auto const found = batch.run();
  CHECK(found.size() == 20);
  CHECK(features.misses() == 1);
  CHECK(features.hits() == 0);
  index const before = found[0].prompt_tokens - static_cast<index>(std::string("0 Where?<|im_end|>").size());
  for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i].reused_tokens > before / 2);
}

TEST_CASE("batch: another picture of the same size is not taken for the first") {
  auto const model = tiny::byte_model<seeing>();
  auto const a = tiny::random_picture(96, 64, 1), b = tiny::random_picture(96, 64, 2);
  medmo::batch batch(model);
  for (auto const& p : {a, b, a}) batch.add({p}, "What?", {.max_new_tokens = 12});
  auto const found = batch.run();
  medmo::session chat(model);
  auto const alone = chat.ask({b}, "What?", {.max_new_tokens = 12});
  check_same(found[1], alone);
  CHECK(found[1].reused_tokens < 20);
  CHECK(found[2].reused_tokens == found[2].prompt_tokens - 1);
}

TEST_CASE("batch: what is wrong with a question is said when it is added, and is no matter to the others") {
  auto const model = tiny::byte_model<seeing>();
  auto const scan = tiny::random_picture(64, 64, 1);
  medmo::image broken(64, 64), narrow(1, 400);
  broken.pixels.pop_back();
  struct bad { char const* name; std::vector<medmo::image> pictures; std::string prompt; medmo::ask_options options; medmo::errc code; };
  std::vector<bad> const cases{
      {"too long", {}, std::string(2000, 'a'), {.max_new_tokens = 4}, medmo::errc::too_large},
      {"too long an answer", {}, "a", {.max_new_tokens = 1024}, medmo::errc::too_large},
      {"not UTF-8", {}, "\xff", {}, medmo::errc::bad_text},
      {"system not UTF-8", {}, "a", {.system = "\xff"}, medmo::errc::bad_text},
      {"broken picture after a whole one", {scan, broken}, "a", {}, medmo::errc::bad_image},
      {"a line of a picture", {narrow}, "a", {}, medmo::errc::bad_image},
      {"negative length", {}, "a", {.max_new_tokens = -1}, medmo::errc::bad_argument},
      {"no chunk", {}, "a", {.prefill_chunk = 0}, medmo::errc::bad_argument},
      {"negative guesses", {}, "a", {.lookup = -1}, medmo::errc::bad_argument},
      {"too many guesses", {}, "a", {.lookup = 65}, medmo::errc::bad_argument},
      {"no temperature", {}, "a", {.sampling = medmo::sampling_options{.greedy = false, .temperature = 0}}, medmo::errc::bad_argument},
      {"a bias beyond the vocabulary", {}, "a", {.sampling = medmo::sampling_options{.bias = {{288, 1}}}}, medmo::errc::bad_argument},
      {"an empty stop string", {}, "a", {.stop = {""}}, medmo::errc::bad_argument},
      {"a negative number of boxes", {}, "a", {.boxes = {.mode = medmo::box_mode::only, .max_boxes = -1}}, medmo::errc::bad_argument},
  };
  medmo::batch batch(model, {.slots = 2});
  CHECK(batch.add({scan}, "What?", {.max_new_tokens = 5}) == 0);
  for (auto const& c : cases) {
    CAPTURE(c.name);
    auto e = tiny::error_of([&] { batch.add(c.pictures, c.prompt, c.options); });
    REQUIRE(e);
    CHECK(e->code() == c.code);
  }
  CHECK(batch.add({}, "Where?", {.max_new_tokens = 5}) == 1);
  auto const found = batch.run();
  REQUIRE(found.size() == 2);
  medmo::session chat(model);
  check_same(found[0], chat.ask({scan}, "What?", {.max_new_tokens = 5}));
  for (index slots : {index{0}, index{-1}, index{1025}}) {
    auto e = tiny::error_of([&] { medmo::batch<seeing>(model, {.slots = slots}); });
    REQUIRE(e);
    CHECK(e->code() == medmo::errc::bad_argument);
  }
}

TEST_CASE("batch: one is taken back, waiting or under way; the others go on as they would") {
  auto const model = tiny::byte_model<seeing>();
  auto options = [](std::uint64_t seed) {
    return medmo::ask_options{.max_new_tokens = 15, .sampling = medmo::sampling_options{.greedy = false, .top_k = 0, .top_p = 1, .seed = seed}};
  };
  std::vector<medmo::answer> expected;
  for (std::uint64_t i = 0; i < 5; ++i) {
    medmo::session chat(model);
    expected.push_back(chat.ask({}, "Go on.", options(i)));
  }
  for (int at = 0; at < 16; ++at) {  // passes before it is taken back
    CAPTURE(at);
    medmo::batch batch(model, {.slots = 2});
    for (std::uint64_t i = 0; i < 5; ++i) batch.add({}, "Go on.", options(i));
    std::vector<std::optional<medmo::answer>> found(5);
    auto keep = [&](index number, medmo::answer a) { found[static_cast<std::size_t>(number)] = std::move(a); };
    for (int i = 0; i < at; ++i) batch.step(keep);
    batch.cancel(1);
    batch.cancel(4);
    batch.cancel(77);
    batch.run(keep);
    for (std::size_t i = 0; i < 5; ++i) {
      CAPTURE(i);
      REQUIRE(found[i]);
      if (found[i]->stopped == stop_reason::cancelled) {
        CHECK((i == 1 || i == 4));
        auto const& whole = expected[i].tokens;
        REQUIRE(found[i]->tokens.size() <= whole.size());
        CHECK(std::equal(found[i]->tokens.begin(), found[i]->tokens.end(), whole.begin()));
      } else {
        check_same(*found[i], expected[i]);
      }
    }
    if (at == 0) CHECK(found[1]->stopped == stop_reason::cancelled);
  }
}

TEST_CASE("batch: listeners hear each its own answer, may end it, and may ask more") {
  auto const model = tiny::byte_model<seeing>();
  medmo::batch batch(model, {.slots = 3});
  std::map<index, std::string> heard;
  auto ask = [&](int pieces) {
    auto const number = batch.waiting() + batch.running() + static_cast<index>(heard.size());
    return batch.add({}, "Go on " + std::to_string(number), {.max_new_tokens = 12, .on_text = [&, pieces, own = std::make_shared<std::string>()](std::string_view s) mutable {
                       *own += s;
                       return --pieces > 0;
                     }});
  };
  std::map<index, medmo::answer> found;
  for (int pieces : {100, 2, 100, 1, 100}) ask(pieces);
  int more = 2;
  batch.run([&](index number, medmo::answer a) {
    found.emplace(number, std::move(a));
    if (more-- > 0) ask(100);
  });
  REQUIRE(found.size() == 7);
  CHECK(found[1].stopped == stop_reason::cancelled);
  CHECK(found[3].stopped == stop_reason::cancelled);
  for (index i : {0, 2, 4, 5, 6}) CHECK(found[i].stopped != stop_reason::cancelled);
}

TEST_CASE("batch: numbers that are none end an answer alone") {
  auto source = tiny::random_checkpoint<tiny::reading>();
  auto& embedding = source.tensors.at("model.embed_tokens.weight");  // the head is another table
  float const nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(embedding.bytes.data() + std::size_t{'Z'} * tiny::reading::text.hidden * sizeof nan, &nan, sizeof nan);
  auto const model = tiny::byte_model<tiny::reading>(source);
  medmo::batch batch(model, {.slots = 3});
  medmo::sampling_options spared{.bias = {{'Z', -std::numeric_limits<float>::infinity()}}};
  for (char const* prompt : {"One", "Z", "Two", "Three"}) batch.add({}, prompt, {.max_new_tokens = 6, .sampling = spared});
  auto const found = batch.run();
  REQUIRE(found.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK((found[i].stopped == stop_reason::not_finite) == (i == 1));
  }
}

TEST_CASE("look-up: guesses change the number of passes and nothing else") {
  auto const model = tiny::byte_model<seeing>();
  // a bias towards few letters makes an answer that repeats itself
  medmo::sampling_options narrow{.greedy = false, .temperature = 0.5f, .top_k = 3, .top_p = 1, .seed = 5};
  for (index letter : {index{'a'}, index{'b'}}) narrow.bias.push_back({letter, 30.0f});
  for (bool greedy : {true, false}) {
    narrow.greedy = greedy;
    std::optional<medmo::answer> plain;
    index passes = 0;
    for (index lookup : {0, 1, 4, 10}) {
      CAPTURE(greedy);
      CAPTURE(lookup);
      medmo::batch batch(model);
      batch.add({}, "abababababab", {.max_new_tokens = 60, .sampling = narrow, .lookup = lookup});
      auto const found = batch.run();
      if (!plain) plain = found[0], passes = batch.passes();
      check_same(found[0], *plain);
      CHECK(plain->tokens.size() > 40);
      if (lookup >= 4) CHECK(batch.passes() < passes);
    }
  }
}

}  // namespace
