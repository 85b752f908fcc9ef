// Videos in a conversation: ids, positions and bits of the whole prompt; turns behind them; errors.
#include "medmo/generate/session.hpp"

#include "byte_model.hpp"

namespace {

using medmo::index;
using tiny::seeing;
using medmo::vision::video;

std::vector<medmo::image> clip(index n, index width, index height, std::uint64_t seed = 1) {
  std::vector<medmo::image> frames;
  for (index i = 0; i < n; ++i) frames.push_back(tiny::random_picture(width, height, seed + static_cast<std::uint64_t>(i)));
  return frames;
}

/// The turn of a user in ids of the byte tokenizer: pad n stands for n place holders of a pair.
std::vector<index> ids_of(std::string_view words, index pad) {
  std::vector<index> ids;
  auto const& t = tiny::byte_tokens;
  for (char c : words) {
    if (c == '[') ids.push_back(t.vision_start);
    else if (c == ']') ids.push_back(t.vision_end);
    else if (c == '{') ids.push_back(t.im_start);
    else if (c == '}') ids.push_back(t.im_end);
    else if (c == '#') ids.insert(ids.end(), static_cast<std::size_t>(pad), t.video_pad);
    else ids.push_back(static_cast<unsigned char>(c));
  }
  return ids;
}

TEST_CASE("video: three clips through a session have the prompt, places and bits of one pass over whole grids") {
  auto model = tiny::byte_model<seeing>();
  struct row { char const* name; index frames, width, height; double fps; char const* stamps; };
  for (auto const& r : {row{"pairs", 40, 96, 64, 24.0, "[<0.3 seconds>[#]<1.4 seconds>[#]]"},
                        row{"odd number", 25, 40, 100, 10.0, "[<0.3 seconds>[#]<1.5 seconds>[#]<2.4 seconds>[#]]"},
                        row{"few", 7, 64, 64, medmo::vision::unknown_fps, "[<0.0 seconds>[#]<0.2 seconds>[#]]"}}) {
    CAPTURE(r.name);
    video const v{.frames = clip(r.frames, r.width, r.height), .fps = r.fps};
    auto const options = medmo::video_options(model);
    auto const plan = medmo::vision::plan_video(v, options);
    medmo::session chat(model);
    auto const answer = chat.ask({}, {v}, "What moves?", {.max_new_tokens = 0});
    auto const expected = ids_of(std::string("{user\n") + r.stamps + "What moves?}\n{assistant\n", plan.tokens_per_pair());
    auto const ids = chat.tokens().ids();
    CHECK(std::vector<index>(ids.begin(), ids.end()) == expected);
    CHECK(answer.prompt_tokens == static_cast<index>(expected.size()));

    // the reference's form: one grid of all pairs
    std::vector<medmo::image> looked_at;
    for (index i : plan.frames) looked_at.push_back(v.frames[static_cast<std::size_t>(i)]);
    auto const patches = medmo::vision::preprocess_video(looked_at, plan.frames, r.fps, options);
    medmo::arena memory;
    auto const whole = medmo::see_picture(model.model, tiny::view_of(patches.frames.rows), patches.frames.grid, memory);
    medmo::visual_features const* features[] = {&whole};
    medmo::sequence<seeing> once(model.model);
    once.append(expected, features);
    auto const places = chat.tokens().positions(), others = once.positions();
    CHECK(std::equal(places.begin(), places.end(), others.begin(), others.end()));
    auto const next = chat.ask({}, "And?", {.max_new_tokens = 0});
    CHECK(next.reused_tokens >= answer.prompt_tokens);
    auto const all = chat.tokens().ids();
    once.append(all.subspan(expected.size()));
    medmo::session again(model);  // other chunks, other cuts
    again.ask({}, {v}, "What moves?", {.max_new_tokens = 0, .prefill_chunk = 3});
    auto const one = again.ask({}, "And?", {.max_new_tokens = 1, .sampling = medmo::sampling_options{.greedy = true}});
    auto const logits = once.logits();
    auto const best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    if (!one.tokens.empty()) CHECK(one.tokens[0] == best);
  }
}

TEST_CASE("video: pictures, videos and turns follow each other") {
  auto model = tiny::byte_model<seeing>();
  auto const scan = tiny::random_picture(64, 32, 9);
  video const a{.frames = clip(4, 64, 64), .sampling = {}}, b{.frames = clip(3, 32, 64, 50), .seconds = {0, 1, 5}};
  medmo::session chat(model);
  chat.ask({scan}, {a, b}, "One.", {.max_new_tokens = 3});
  chat.ask({scan}, "Two.", {.max_new_tokens = 3});
  auto const talked = chat.ask({}, {b}, "Three.", {.max_new_tokens = 3});
  CHECK(talked.prompt_tokens > 0);
  auto const ids = chat.tokens().ids();
  std::size_t pads = 0;
  for (index id : ids) pads += id == tiny::byte_tokens.video_pad;
  auto const options = medmo::video_options(model);
  CHECK(static_cast<index>(pads) == medmo::vision::plan_video(a, options).patches.tokens + 2 * medmo::vision::plan_video(b, options).patches.tokens);

  medmo::session turned(model);  // another order of videos is another conversation
  auto const ab = chat.tokens().length();
  turned.ask({scan}, {b, a}, "One.", {.max_new_tokens = 3});
  CHECK(turned.tokens().length() != ab);
}

TEST_CASE("video: an error takes the turn back; models that only read refuse") {
  auto model = tiny::byte_model<seeing>();
  medmo::session chat(model), calm(model);
  video const good{.frames = clip(4, 32, 32)};
  chat.ask({}, {good}, "One.", {.max_new_tokens = 3});
  calm.ask({}, {good}, "One.", {.max_new_tokens = 3});
  auto mixed = good.frames;
  mixed.push_back(tiny::random_picture(64, 32, 3));
  for (auto const& bad : {video{.frames = {}}, video{.frames = mixed}, video{.frames = good.frames, .fps = -1},
                          video{.frames = good.frames, .seconds = {1.0}}, video{.frames = clip(1, 32, 32)}}) {
    auto const e = tiny::error_of([&] { chat.ask({}, {good, bad}, "Two."); });
    CHECK(e.has_value());
  }
  auto const e = tiny::error_of([&] { chat.ask({}, {good}, std::string(2000, 'a')); });
  REQUIRE(e);
  CHECK(e->code() == medmo::errc::too_large);
  CHECK(chat.ask({}, "Two.", {.max_new_tokens = 5}).tokens == calm.ask({}, "Two.", {.max_new_tokens = 5}).tokens);
  auto words = tiny::byte_model<tiny::reading>();
  medmo::session reader(words);
  auto const refused = tiny::error_of([&] { reader.ask({}, {good}, "Two."); });
  REQUIRE(refused);
  CHECK(refused->code() == medmo::errc::unsupported);
}

}  // namespace
