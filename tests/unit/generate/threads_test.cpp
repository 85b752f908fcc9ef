// One const model, eight threads: every conversation gives the bytes it gives alone, whatever the others do, and one that is
// cancelled at any token goes on as if its answer had ended there. Run under the thread sanitizer in `./dev test --full`.
#include <array>
#include <thread>

#include "byte_model.hpp"
#include "medmo/generate/session.hpp"

namespace {

using medmo::index;
using medmo::stop_reason;
using tiny::seeing;

/// What must not change, bit for bit.
struct said {
  std::string text;
  std::vector<index> tokens;
  std::vector<double> token_logprobs;
  std::vector<double> coordinates;
  stop_reason stopped = stop_reason::length;
  friend bool operator==(said const&, said const&) = default;
};

said keep(medmo::answer const& a) {
  said s{a.text, a.tokens, a.token_logprobs, {}, a.stopped};
  for (auto const& d : a.detections)
    s.coordinates.insert(s.coordinates.end(),
                         {d.box_px.x1, d.box_px.y1, d.box_px.x2, d.box_px.y2, d.confidence.value_or(-1)});
  return s;
}

medmo::sampling_options drawn(int seed) {
  return {.greedy = false,
          .temperature = 1.2f,
          .top_k = 0,
          .top_p = 1.0f,
          .seed = static_cast<std::uint64_t>(seed),
          .log_probabilities = 3};
}

/// Conversation number i: with and without pictures, boxes, chunks, errors.
std::vector<said> talk(medmo::pretrained<seeing> const& model, int i) {
  medmo::session chat(model);
  std::vector<medmo::image> scans;
  if (i % 4 != 3) scans.push_back(tiny::random_picture(40 + 8 * i, 48, static_cast<std::uint64_t>(i)));
  if (i % 4 == 2) scans.push_back(tiny::random_picture(64, 32, 99));
  medmo::ask_options options{.max_new_tokens = 10, .sampling = drawn(i), .prefill_chunk = 1 + 9 * i};
  if (i % 2) options.boxes = {.mode = medmo::box_mode::only, .max_boxes = 2};
  if (i % 2) options.max_new_tokens = 60;
  std::vector<said> out{keep(chat.ask(scans, "What is it?", options))};
  CHECK(tiny::error_of([&] { chat.ask({}, "\xff", options); }));
  out.push_back(keep(chat.ask({}, "Where, " + std::to_string(i) + "?", options)));
  chat.reset();
  out.push_back(keep(chat.ask(scans, "Again?", options)));
  return out;
}

/// Cancelled after `at` pieces of text, then asked on.
std::vector<said> interrupted(medmo::pretrained<seeing> const& model, int at) {
  medmo::session chat(model);
  medmo::ask_options options{.max_new_tokens = 24, .sampling = drawn(5)};
  int left = at;
  options.on_text = [&](std::string_view) { return --left > 0; };
  auto scan = tiny::random_picture(64, 48, 1);
  std::vector<said> out{keep(chat.ask({scan}, "What is it?", options))};
  CHECK(out[0].stopped == stop_reason::cancelled);
  options.on_text = nullptr;
  out.push_back(keep(chat.ask({}, "And?", options)));
  return out;
}

/// f(0) .. f(n - 1), eight at a time, each in a thread of its own.
template <class F>
auto in_threads(int n, F f) {
  std::vector<decltype(f(0))> found(static_cast<std::size_t>(n));
  for (int first = 0; first < n; first += 8) {
    std::vector<std::thread> workers;
    for (int i = first; i < std::min(n, first + 8); ++i)
      workers.emplace_back([&, i] { found[static_cast<std::size_t>(i)] = f(i); });
    for (auto& w : workers) w.join();
  }
  return found;
}

TEST_CASE("threads: eight sessions on one model say what each says alone") {
  auto const model = tiny::byte_model<seeing>();
  std::array<std::vector<said>, 8> alone;
  for (int i = 0; i < 8; ++i) alone[static_cast<std::size_t>(i)] = talk(model, i);
  for (int round = 0; round < 2; ++round) {
    auto const found = in_threads(8, [&](int i) { return talk(model, i); });
    for (std::size_t i = 0; i < 8; ++i) {
      CAPTURE(i);
      CHECK(found[i] == alone[i]);
    }
  }
  CHECK(alone[0] != alone[4]);  // they are different conversations
  CHECK_FALSE(alone[1][0].text.empty());
}

TEST_CASE("threads: cancelled at every token, a session gives the right next answer") {
  auto const model = tiny::byte_model<seeing>();
  constexpr int pieces = 16;
  auto const found = in_threads(pieces, [&](int i) { return interrupted(model, i + 1); });
  auto scan = tiny::random_picture(64, 48, 1);
  auto patches = medmo::vision::preprocess(scan, medmo::vision::options_for(seeing::vision, model.pictures));
  medmo::arena memory;
  auto const seen = medmo::see_picture(model.model, tiny::view_of(patches.rows), patches.grid, memory);
  medmo::visual_features const* features[] = {&seen};
  for (int i = 0; i < pieces; ++i) {
    CAPTURE(i);
    auto const& [first, second] =
        std::pair(found[static_cast<std::size_t>(i)][0], found[static_cast<std::size_t>(i)][1]);
    CHECK(found[static_cast<std::size_t>(i)] == interrupted(model, i + 1));  // alone
    // the same conversation written down and read in one piece continues with the same tokens
    namespace text = medmo::text;
    auto const prompt = text::render_chat(
        model.tokenizer,
        {{text::chat_role::user, {text::image_part{patches.tokens}, text::text_part{"What is it?"}}, {}},
         {text::chat_role::assistant, {text::ids_part{first.tokens}}, {}},
         {text::chat_role::user, {text::text_part{"And?"}}, {}}});
    medmo::sequence<seeing> whole(model.model);
    whole.append(prompt.ids, features);
    medmo::sampler draw(drawn(5), seeing::text.vocab, {seeing::tokens.image_pad, seeing::tokens.video_pad});
    draw.see(whole.ids());
    std::vector<index> tokens;
    while (tokens.size() < second.tokens.size()) {
      tokens.push_back(draw.draw(whole.logits()).value_or(-1));
      whole.append_token(tokens.back());
    }
    CHECK(tokens == second.tokens);
  }
}

}  // namespace
