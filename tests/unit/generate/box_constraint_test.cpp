// Constrained boxes: what may follow byte by byte, token by token with the real vocabularies, and in whole answers.
#include "medmo/generate/box_constraint.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <set>

#include "../model/tiny_model.hpp"
#include "../text/tokenizers.hpp"
#include "medmo/generate/sampler.hpp"
#include "medmo/generate/session.hpp"
#include "../named_case.hpp"

namespace {

using medmo::box_automaton;
using medmo::box_constraint;
using medmo::box_mode;
using medmo::box_options;
using medmo::box_vocabulary;
using medmo::index;

constexpr index any = 1 << 20;

/// How many bytes of the text may follow one after the other.
std::size_t taken(box_automaton a, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!a.takes(text.substr(i, 1), any)) return i;
    a.accept(text.substr(i, 1));
  }
  return text.size();
}

std::string all_boxes_but(int x1, int y1, int x2, std::set<int> left) {
  std::string out = "a <box>[";
  for (int y2 = y1 + 1; y2 <= 1000; ++y2) {
    if (left.count(y2)) continue;
    out += out.back() == ']' ? ", [" : "[";
    for (int v : {x1, y1, x2, y2}) out.append(std::to_string(v)).append(", ");
    out.replace(out.size() - 2, 2, "]");
  }
  return out;
}

TEST_CASE("box automaton: what is taken, and the byte at which the rest is not") {
  struct example {
    std::string name, good, bad;  // `good` is taken; of `bad` after it not one byte
    box_options options;
  };
  box_options only{.mode = box_mode::only}, text{.mode = box_mode::in_text};
  auto with = [](box_options o, index boxes) { return o.max_boxes = boxes, o; };
  auto named = [](std::vector<std::string> labels) {
    return box_options{.mode = box_mode::only, .labels = std::move(labels)};
  };
  box_options brief{.mode = box_mode::only, .max_label_bytes = 4};
  std::vector<example> examples{
      {"two boxes", "Fractures <box>[[156, 516, 231, 607], [240, 529, 296, 581]]</box>", " ", only},
      {"two lines", "A <box>[[1, 2, 3, 4]]</box>\nB <box>[[1, 2, 3, 4]]</box>", "C", only},
      {"the whole picture", "A <box>[[0, 0, 1000, 1000]]</box>", "", only},
      {"prose around",
       "x <b <bo x> <bo<box>[[1, 2, 3, 4]]</box>, and <box>[[1, 2, 3, 4]]</box>.",
       "",
       {.mode = box_mode::in_text}},
      {"prose <box>", "see <box>", " ", text},
      {"one bracket", "A <box>[", "1", only},
      {"three brackets", "A <box>[[", "[", only},
      {"no box", "A <box>[", "]", only},
      {"no number", "A <box>[[", ",", only},
      {"negative", "A <box>[[", "-", only},
      {"leading zero", "A <box>[[0", "1", only},
      {"x1 above 999", "A <box>[[100", "0", only},
      {"y1 above 999", "A <box>[[5, 100", "0", only},
      {"x2 not above x1", "A <box>[[50, 2, 50", ",", only},
      {"x2 that cannot exceed x1", "A <box>[[999, 2, ", "9", only},
      {"x2 that can", "A <box>[[998, 2, 999", "0", only},
      {"x2 above 1000", "A <box>[[1, 2, 100", "1", only},
      {"y2 not above y1", "A <box>[[1, 20, 3, 20", "]", only},
      {"no zero after", "A <box>[[0, 0, ", "0", only},
      {"three numbers", "A <box>[[1, 2, 3", "]", only},
      {"five numbers", "A <box>[[1, 2, 3, 4", ",", only},
      {"no blank", "A <box>[[1,", "2", only},
      {"fraction", "A <box>[[1", ".", only},
      {"box again", "A <box>[[1, 2, 3, 4], [1, 2, 3, 4", "]", only},
      {"box again on another line", "A <box>[[1, 2, 3, 4]]</box>\nA <box>[[1, 2, 3, 4", "]", only},
      {"a colon makes no other label", "A <box>[[1, 2, 3, 4]]</box>\nA: <box>[[1, 2, 3, 4", "]", only},
      {"the last corner again", "A <box>[[999, 999, 1000, 1000], [999, 99", "9", only},
      {"the only y2 left", all_boxes_but(5, 900, 7, {950}) + ", [5, 900, 7, 9", "4", only},
      {"and then no x2", all_boxes_but(5, 900, 7, {}) + ", [5, 900, 7", ",", only},
      {"too many", "A <box>[[1, 2, 3, 4]", ",", with(only, 1)},
      {"too many, next line", "A <box>[[1, 2, 3, 4]]</box>", "\n", with(only, 1)},
      {"too many, next tag", "<box>[[1, 2, 3, 4]]</box> <box", ">", with(text, 1)},
      {"none at all", "", "A", with(only, 0)},
      {"none at all in text", "see <box", ">", with(text, 0)},
      {"no label", "", "<", only},
      {"blank label", "", " ", only},
      {"list mark", "", "-", only},
      {"no blank before the tag", "A", "<", only},
      {"line break in a label", "A", "\n", only},
      {"sentence in a label", "A. ", "B", only},
      {"full stop", "2.5 cm. <box>[[1", "a", only},
      {"half a character", "\xE5\xB7", " ", only},
      {"broken character", "\xE0", "\x80", only},
      {"surrogate", "\xED", "\xA0", only},
      {"beyond Unicode", "\xF4", "\x90", only},
      {"stray continuation", "", "\x80", only},
      {"a label of four bytes", "abcd ", " ", brief},
      {"a label of five", "abcd", "e", brief},
      {"no room for the character", "abc", "\xC3", brief},
      {"a label of the set", "mass <box>[[1", "a", named({"mass", "mass lesion", "cyst"})},
      {"a longer one", "mass lesion <box>[[1", "a", named({"mass", "mass lesion", "cyst"})},
      {"half a label", "mass les", " ", named({"mass", "mass lesion", "cyst"})},
      {"none of the set", "", "n", named({"mass", "mass lesion", "cyst"})},
      {"end of a label", "cyst", "s", named({"mass", "mass lesion", "cyst"})},
  };
  for (auto const& e : examples) {
    CAPTURE(e.name);
    auto options = e.options;
    if (e.good.size() > 1000) options.max_boxes = 1000;
    CHECK(taken(box_automaton(options), e.good) == e.good.size());
    CHECK(taken(box_automaton(options), e.good + e.bad) == e.good.size());
    // whatever the answer stops at, it can be ended in as many bytes as said, and is then read as written
    box_automaton a(options);
    std::string whole;
    for (std::size_t i = 0; i <= e.good.size(); ++i) {
      if (i % 97 && i != e.good.size() && e.good.size() > 1000) {
        a.accept(e.good.substr(i, 1)), whole += e.good[i];
        continue;
      }
      auto ending = a;
      std::string written = whole;
      while (!ending.may_end()) {
        auto const before = ending.needs();
        char next = 0;
        for (int b = 0; b < 256 && !next; ++b) {
          char const c = static_cast<char>(b);
          if (ending.takes({&c, 1}, before - 1)) next = c;
        }
        REQUIRE(next);
        ending.accept({&next, 1});
        written += next;
        REQUIRE(ending.needs() < before);
      }
      auto read = medmo::text::parse_grounding(written);
      CHECK(read.dropped.empty());
      CHECK(static_cast<index>(read.boxes.size()) == ending.boxes());
      if (i < e.good.size()) a.accept(e.good.substr(i, 1)), whole += e.good[i];
    }
  }
}

TEST_CASE("box automaton: options that mean nothing are errors") {
  struct bad {
    std::string name;
    box_options options;
  };
  auto named = [](std::vector<std::string> labels) {
    return box_options{.mode = box_mode::only, .labels = std::move(labels)};
  };
  std::vector<bad> cases{{"max_boxes below 0", {.mode = box_mode::only, .max_boxes = -1}},
                         {"max_boxes above 1000", {.mode = box_mode::only, .max_boxes = 1001}},
                         {"no label bytes", {.mode = box_mode::only, .max_label_bytes = 0}},
                         {"labels in free text", {.mode = box_mode::in_text, .labels = {"a"}}},
                         {"empty label", named({"a", ""})},
                         {"label twice", named({"a", "b", "a"})},
                         {"blank before", named({" a"})},
                         {"blank after", named({"a "})},
                         {"line break", named({"a\nb"})},
                         {"tag", named({"a<box>"})},
                         {"sentence", named({"a. b"})},
                         {"list mark", named({"- a"})},
                         {"colon", named({"a:"})},
                         {"control character", named({"a\tb"})},
                         {"not UTF-8", named({"a\xff"})}};
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    auto e = tiny::error_of([&] { box_automaton a(c.options); });
    REQUIRE(e);
    CHECK(e->code() == medmo::errc::bad_argument);
  }
}

/// What every constrained answer must be: all boxes valid, counted, different, under a label where there must be one.
void check_answer(std::string const& text, box_options const& options, index boxes) {
  CAPTURE(text);
  auto read = medmo::text::parse_grounding(text);
  REQUIRE(read.dropped.empty());
  REQUIRE(static_cast<index>(read.boxes.size()) == boxes);
  REQUIRE(boxes <= options.max_boxes);
  std::set<std::string> seen;
  for (auto const& b : read.boxes) {
    auto const& v = b.box_norm1000;
    REQUIRE(!b.clamped);
    REQUIRE((v.x1 >= 0 && v.x1 < v.x2 && v.x2 <= 1000 && v.y1 >= 0 && v.y1 < v.y2 && v.y2 <= 1000));
    auto list = text.substr(b.text_begin, b.text_end - b.text_begin);
    auto group = options.mode == box_mode::only ? b.label : std::to_string(b.tag);
    REQUIRE(seen.insert(group + list).second);
    if (options.mode != box_mode::only) continue;
    REQUIRE(!b.label.empty());
    if (!options.labels.empty())
      REQUIRE(std::find(options.labels.begin(), options.labels.end(), b.label) != options.labels.end());
  }
  if (options.mode != box_mode::only || read.boxes.empty()) return;
  auto rest = text.back() == '\n' ? text.substr(0, text.size() - 1) : text;
  auto printed = medmo::text::print_grounding(read);
  // the layout is the one that is printed; a label may carry a colon or more that reading leaves out
  REQUIRE(medmo::text::print_grounding(medmo::text::parse_grounding(printed)) == printed);
  REQUIRE(std::count(rest.begin(), rest.end(), '\n') == std::count(printed.begin(), printed.end(), '\n'));
}

struct generation {
  std::string text;
  index boxes = 0, tokens = 0;
  bool ended = false;
};

/// Draws from random logits: what may be part of a box is likely, so that boxes do come.
template <class T>
generation draw_answer(medmo::text::tokenizer<T> const& tokenizer, box_vocabulary const& words,
                       box_options const& options, std::vector<float> const& base, std::uint64_t seed,
                       float temperature, index length) {
  index const end = tokenizer.find("<|im_end|>").value();
  box_constraint constraint(words, options, {end});
  medmo::random_stream random(seed, medmo::stream_of("logits"));
  std::vector<float> logits(base.size());
  generation out;
  std::string raw;
  // top_k 40 keeps a draw from a large vocabulary cheap
  medmo::sampler draw(
      {.greedy = temperature == 0, .temperature = std::max(temperature, 0.01f), .top_k = 40, .top_p = 1, .seed = seed},
      words.size(), {});
  std::uint64_t at = 0;
  for (index left = length; left > 0; --left) {
    // another stretch of the same noise for every step
    auto const shift = random.bits(at++) % base.size();
    std::copy(base.begin() + static_cast<std::ptrdiff_t>(shift), base.end(), logits.begin());
    std::copy(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(shift),
              logits.end() - static_cast<std::ptrdiff_t>(shift));
    if (constraint.automaton().in_text() && random.bits(at++) % 8) {  // "<box>" comes now and then, in several cuts
      std::vector<std::string> const next[] = {
          {"<", "<b", " <", "<box"}, {"b", "bo", "box"}, {"o", "ox"}, {"x"}, {">"}};
      for (auto const& part : next[constraint.automaton().opened()])
        if (auto ids = tokenizer.encode(part); ids.size() == 1) logits[static_cast<std::size_t>(ids[0])] += 14;
    }
    constraint.mask(logits, left);
    auto id = draw.draw(logits);
    REQUIRE(id);
    if (*id == end) {
      REQUIRE(constraint.automaton().may_end());
      out.ended = true;
      break;
    }
    ++out.tokens;
    constraint.accept(*id);
    raw.append(tokenizer.bytes_for(*id, {}));
  }
  REQUIRE(constraint.automaton().may_end());
  medmo::text::append_lossy(out.text, raw);
  out.boxes = constraint.automaton().boxes();
  return out;
}

std::vector<float> noise(index size) {
  std::vector<float> out(static_cast<std::size_t>(size));
  medmo::random_stream random(9, medmo::stream_of("noise"));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 3 * random.normal(i);
  return out;
}

template <class T>
void many_answers(medmo::text::tokenizer<T> const& tokenizer, int count, index longest) {
  box_vocabulary words(tokenizer, T::rows);
  auto base = noise(T::rows);
  std::vector<box_options> kinds{{.mode = box_mode::only, .labels = {"mass", "mass lesion", "pleural effusion"}},
                                 {.mode = box_mode::in_text},
                                 {.mode = box_mode::in_text, .max_boxes = 1},
                                 {.mode = box_mode::only, .labels = {"x"}, .max_boxes = 3},
                                 {.mode = box_mode::only, .max_label_bytes = 12}};
  float const temperatures[] = {0.1f, 0.3f, 1.0f, 3.0f, 10.0f, 0.0f};
  std::map<std::size_t, index> boxes;
  index cut = 0;
  for (int i = 0; i < count; ++i) {
    auto const seed = static_cast<std::uint64_t>(i);
    auto const kind = seed % kinds.size();
    auto const length = static_cast<index>(1 + medmo::mix64(seed) % static_cast<std::uint64_t>(longest));
    CAPTURE(i);
    auto answer = draw_answer(tokenizer, words, kinds[kind], base, seed, temperatures[seed % 6], length);
    check_answer(answer.text, kinds[kind], answer.boxes);
    boxes[kind] += answer.boxes;
    cut += !answer.ended;
  }
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    CAPTURE(k);
    CHECK(boxes[k] > count / 200);
  }
  CHECK(cut > count / 20);
}

TEST_CASE("box constraint: random logits of nano's vocabulary at any temperature") {
  many_answers(text_tests::nano_tokenizer(), 9900, 90);
}
TEST_CASE("box constraint: random logits of Qwen's vocabulary at any temperature") {
  many_answers(text_tests::qwen_tokenizer(), 150, 80);
}

/// Every way to write `text` in tokens of a vocabulary.
void each_split(std::map<std::string_view, index> const& ids, std::string_view text, std::vector<index>& split,
                std::function<void(std::vector<index> const&)> const& use) {
  if (text.empty()) return use(split);
  for (std::size_t n = 1; n <= text.size(); ++n)
    if (auto it = ids.find(text.substr(0, n)); it != ids.end()) {
      split.push_back(it->second);
      each_split(ids, text.substr(n), split, use);
      split.pop_back();
    }
}

template <class T>
void every_split(medmo::text::tokenizer<T> const& tokenizer) {
  box_vocabulary words(tokenizer, T::rows);
  index const special = tokenizer.find("<|object_ref_start|>").value();
  std::map<std::string_view, index> ids;
  for (index id = 0; id < tokenizer.base().size(); ++id) ids.emplace(words.bytes(id), id);
  std::vector<index> none;
  std::vector<float> logits(static_cast<std::size_t>(T::rows));
  int splits = 0, merged = 0;
  for (std::string text :
       {"a <box>[[7", "a<box>[[7", "<box>[[7", "<<box>[[7", "<box<box>[[7", "1 <bo <box>[[7", "\n<box>[[7"})
    for (bool interrupted : {false, true})
      each_split(ids, text, none, [&](std::vector<index> const& split) {
        ++splits;
        box_constraint constraint(words, {.mode = box_mode::in_text}, {special});
        std::string written;
        for (index id : split) {
          std::fill(logits.begin(), logits.end(), 0.0f);
          constraint.mask(logits, 100);
          REQUIRE(std::isfinite(logits[static_cast<std::size_t>(id)]));  // this split may be written
          bool const inside = written.find("<box>") != written.npos;
          for (index other = 0; other < T::rows; ++other) {
            bool const open = std::isfinite(logits[static_cast<std::size_t>(other)]);
            auto after = written + std::string(words.bytes(other));
            auto tag = after.find("<box>");
            if (inside && words.bytes(other).empty()) REQUIRE(!open);
            if (tag == after.npos)
              REQUIRE(open);  // free text stays free
            else if (tag + 5 < after.size() && after[tag + 5] != '[') {
              merged += !inside;
              REQUIRE(!open);
            }
          }
          constraint.accept(id);
          written += words.bytes(id);
          if (interrupted && !constraint.automaton().in_text()) continue;
          if (interrupted) constraint.accept(special);  // decoding leaves it out: it must not hide the tag
        }
        REQUIRE(!constraint.automaton().in_text());
      });
  MESSAGE(splits, " splits, ", merged, " times a token of '>' and more was ruled out");
  CHECK(splits > 50);
  CHECK(merged > 0);
}

TEST_CASE("box constraint: <box> is seen however tokens cut it") { every_split(text_tests::nano_tokenizer()); }

TEST_CASE("box constraint: in free text not a bit of the logits changes, but of tokens that would end <box> wrongly") {
  auto const& tokenizer = text_tests::qwen_tokenizer();
  box_vocabulary words(tokenizer, medmo::text::qwen_tokens::rows);
  auto const before = noise(words.size());
  auto after = before;
  std::string const text =
      "There is <b>no</b> <bo><bo x>, a < b > c, <box, box>, < box>, </box>, <<bo\xE5\xB7\xA6 and <bo";
  box_constraint constraint(words, {.mode = box_mode::in_text}, {0});
  std::string written;
  for (index id : tokenizer.encode(text)) {
    constraint.mask(after, 100);
    index changed = 0;
    for (index i = 0; i < words.size(); ++i)
      if (auto n = static_cast<std::size_t>(i); after[n] != before[n]) {
        ++changed;
        REQUIRE((written + std::string(words.bytes(i))).find("<box>") != std::string::npos);
      }
    CHECK((changed == 0 || constraint.automaton().opened() > 0));
    after = before;
    constraint.accept(id);
    written += words.bytes(id);
  }
  CHECK(written == text);
  CHECK(constraint.automaton().boxes() == 0);
}

TEST_CASE("box constraint: too few tokens left for a box open none") {
  auto const& tokenizer = text_tests::nano_tokenizer();
  box_vocabulary words(tokenizer, medmo::text::nano_tokens::rows);
  std::vector<float> logits(static_cast<std::size_t>(words.size()));
  for (index left = 1; left <= 60; ++left) {
    box_constraint constraint(words, {.mode = box_mode::only, .labels = {"a"}}, {tokenizer.find("<|im_end|>").value()});
    std::fill(logits.begin(), logits.end(), 0.0f);
    constraint.mask(logits, left);
    bool begins = std::isfinite(logits[static_cast<std::size_t>(tokenizer.encode("a")[0])]);
    CHECK(begins == (left > 38));  // "a <box>[[1000, 1000, 1000, 1000]]</box>" byte by byte
  }
}

}  // namespace
