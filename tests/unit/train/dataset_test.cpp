// Rows of training data: what is read, what is refused, ids and learned tokens as the reference has them, and the order of
// rows.
#include "medmo/train/dataset.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "medmo/io/png.hpp"
#include "medmo/train/data_order.hpp"
#include "medmo/train/sample.hpp"
#include "unit/named_case.hpp"
#include "unit/text/tokenizers.hpp"

namespace {
using medmo::index;
namespace train = medmo::train;
namespace io = medmo::io;

io::json json(std::string const& text) { return io::parse_json(std::as_bytes(std::span(text)), "test"); }
train::conversation row(std::string const& text) { return train::read_conversation(json(text), "rows.jsonl:1"); }

struct folder {
  std::string path = (std::filesystem::temp_directory_path() / ("medmo-dataset-" + std::to_string(::getpid()))).string();
  folder() { std::filesystem::create_directories(path); }
  ~folder() { std::filesystem::remove_all(path); }
  void write(std::string const& name, std::string const& text) const { std::ofstream(path + "/" + name, std::ios::binary) << text; }
};

TEST_CASE("ids and learned tokens equal the reference's") {
  auto const goldens = io::read_json(MEDMO_TEST_DATA "/train/samples.json");
  REQUIRE(goldens.size() > 8);
  auto const& t = text_tests::qwen_tokenizer();
  for (std::size_t i = 1; i < goldens.size(); ++i) {
    auto const c = train::read_conversation(goldens[i]["row"], "golden " + std::to_string(i));
    INFO(c.where);
    std::vector<medmo::image> const pictures(c.images.size(), medmo::image(64, 64));
    for (auto const& [name, what] : {std::pair{"answers", train::learned_part::answers},
                              std::pair{"answers_and_newline", train::learned_part::answers_and_newline}}) {
      auto const s = train::make_sample(t, c, pictures, {.learned = what});
      CHECK(s.ids == goldens[i]["ids"].get<std::vector<index>>());
      std::vector<index> learned;
      for (std::size_t k = 0; k < s.learned.size(); ++k)
        if (s.learned[k]) learned.push_back(static_cast<index>(k));
      CHECK(learned == goldens[i][name].get<std::vector<index>>());
      CHECK(s.pictures.size() == pictures.size());
    }
    auto const all = train::make_sample(t, c, pictures, {.learned = train::learned_part::everything});
    CHECK(train::learned_tokens(all) == static_cast<index>(all.ids.size()) - 1);
  }
}

TEST_CASE("place holders of boxes become the model's form, in thousandths, half to even and clamped") {
  auto const c = row(R"({"messages": [{"role": "user", "content": "<image>Find all. Not {box 2}?"}, {"role": "assistant",
    "content": "{boxes}\nthat is {boxes cell}"}], "images": ["a.png"], "unit": "pixel", "boxes": [
    {"label": "cell", "box": [0.5, 1, 20.9, 200]}, {"label": "core", "box": [2, 2, 3, 3]}, {"label": "cell", "box": [1.5, 0, 100, 100]}]})");
  medmo::image const picture(1000, 200);
  auto const& t = text_tests::qwen_tokenizer();
  auto const s = train::make_sample(t, c, {&picture, 1}, {});
  auto const text = t.decode(s.ids);
  CHECK(text.find("Not <box>[[2, 0, 100, 500]]</box>?") != text.npos);
  CHECK(text.find("cell <box>[[0, 5, 21, 1000], [2, 0, 100, 500]]</box>\ncore <box>[[2, 10, 3, 15]]</box>\n"
                  "that is <box>[[0, 5, 21, 1000], [2, 0, 100, 500]]</box>") != text.npos);
  auto const none = row(R"({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "{boxes}"}], "images": ["a"],
    "boxes": [], "no_boxes": "Nothing found."})");
  CHECK(t.decode(train::make_sample(t, none, {&picture, 1}, {}).ids).find("Nothing found.") != std::string::npos);
}

TEST_CASE("rows that are not understood in full are refused") {
  std::string const said = R"("messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}])";
  std::string const boxed = R"("messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "{boxes}"}], "images": ["a"])";
  std::vector<std::pair<char const*, std::string>> const cases = {
      {"a list", "[]"},
      {"nothing", "{}"},
      {"both forms", "{" + said + R"(, "conversations": []})"},
      {"no turns", R"({"messages": []})"},
      {"turns that are no list", R"({"messages": 3})"},
      {"a turn that is text", R"({"messages": ["?"]})"},
      {"an unknown role", R"({"messages": [{"role": "doctor", "content": "!"}]})"},
      {"no content", R"({"messages": [{"role": "user"}]})"},
      {"an unknown part", R"({"messages": [{"role": "user", "content": [{"type": "sound"}]}]})"},
      {"nobody answers", R"({"messages": [{"role": "user", "content": "?"}]})"},
      {"an empty answer", R"({"messages": [{"role": "assistant", "content": ""}]})"},
      {"a late system message", R"({"messages": [{"role": "user", "content": "?"}, {"role": "system", "content": "!"}, {"role": "assistant", "content": "!"}]})"},
      {"a picture of the assistant", R"({"messages": [{"role": "assistant", "content": [{"type": "image"}]}], "images": ["a"]})"},
      {"more <image> than pictures", R"({"messages": [{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "!"}]})"},
      {"fewer <image> than pictures", R"({"messages": [{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "!"}], "images": ["a", "b"]})"},
      {"Qwen-VL without <image>", R"({"conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}], "image": "a"})"},
      {"an unknown speaker", R"({"conversations": [{"from": "me", "value": "?"}]})"},
      {"no value", R"({"conversations": [{"from": "gpt"}]})"},
      {"an absolute path", "{" + said + R"(, "images": ["/etc/passwd"]})"},
      {"a path upwards", "{" + said + R"(, "images": ["a/../../b"]})"},
      {"a path with a NUL", "{" + said + R"(, "images": ["a\u0000b"]})"},
      {"an empty path", "{" + said + R"(, "images": [""]})"},
      {"image and images", "{" + said + R"(, "images": ["a"], "image": "b"})"},
      {"images that are numbers", "{" + said + R"(, "images": [1]})"},
      {"a video", "{" + said + R"(, "video": "a.mp4"})"},
      {"boxes without unit", "{" + boxed + R"(, "boxes": [{"box": [1, 2, 3, 4]}]})"},
      {"an unknown unit", "{" + boxed + R"(, "unit": "mm", "boxes": [{"box": [1, 2, 3, 4]}]})"},
      {"boxes that are text", "{" + boxed + R"(, "boxes": "[1, 2, 3, 4]"})"},
      {"three corners", "{" + boxed + R"(, "unit": "pixel", "boxes": [{"box": [1, 2, 3]}]})"},
      {"an inverted box", "{" + boxed + R"(, "unit": "pixel", "boxes": [{"box": [3, 2, 1, 4]}]})"},
      {"a box without a picture", "{" + boxed + R"(, "unit": "pixel", "boxes": [{"box": [1, 2, 3, 4], "image": 1}]})"},
      {"a box before the first picture", "{" + boxed + R"(, "unit": "pixel", "boxes": [{"box": [1, 2, 3, 4], "image": -1}]})"},
      {"a label of two lines", "{" + boxed + R"(, "unit": "pixel", "boxes": [{"box": [1, 2, 3, 4], "label": "a\nb"}]})"},
      {"a label with a tag", "{" + boxed + R"(, "unit": "pixel", "boxes": [{"box": [1, 2, 3, 4], "label": "<box>"}]})"},
      {"boxes that nobody names", "{" + said + R"(, "images": ["a"], "unit": "pixel", "boxes": [{"box": [1, 2, 3, 4]}]})"},
      {"a box that is not there", R"({"messages": [{"role": "assistant", "content": "{box 1}"}], "boxes": []})"},
      {"a box of an endless number", R"({"messages": [{"role": "assistant", "content": "{box 99999999999999999999}"}], "boxes": []})"},
      {"a label that is not there", R"({"messages": [{"role": "assistant", "content": "{boxes x}"}], "boxes": []})"},
  };
  for (auto const& [name, text] : cases) {
    named_case(name);
    INFO(name);
    CHECK_THROWS_AS(row(text), medmo::error);
  }
  CHECK(row("{" + said + "}").turns.size() == 2);
  CHECK(row(R"({"messages": [{"role": "user", "content": "{box 1} and {boxes}"}, {"role": "assistant", "content": "!"}]})").turns.size() == 2);
}

TEST_CASE("samples that cannot be are refused before pictures are resized") {
  auto const& t = text_tests::qwen_tokenizer();
  auto const c = row(R"({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}], "images": ["a"]})");
  medmo::image const picture(64, 64), thin(1, 300);
  CHECK_THROWS_AS(train::make_sample(t, c, {}, {}), medmo::error);
  CHECK_THROWS_AS(train::make_sample(t, c, {&thin, 1}, {}), medmo::error);
  CHECK_THROWS_AS(train::make_sample(t, c, {&picture, 1}, {.max_tokens = 63}), medmo::error);
  CHECK_THROWS_AS(train::make_sample(t, c, {&picture, 1}, {.max_tokens = 70}), medmo::error);
  CHECK(train::make_sample(t, c, {&picture, 1}, {.max_tokens = 100}).ids.size() < 100);
}

TEST_CASE("files: good rows in order, bad ones told with file, line and reason") {
  folder const f;
  std::string const good = R"({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "N"}]})";
  auto numbered = [&](char n) { auto s = good; s[s.find('N')] = n; return s + "\n"; };
  f.write("a.jsonl", numbered('1') + "\n" + "{broken\n" + numbered('2') + "{}\n");
  f.write("b.jsonl", numbered('3') + std::string(1, '\0') + "\r\n" + numbered('4'));
  f.write("none.jsonl", "{}\n");
  std::vector<train::data_file> const files = {{f.path + "/a.jsonl"}, {f.path + "/b.jsonl"}};
  train::dataset const data(files);
  REQUIRE(data.size() == 4);
  for (index i = 0; i < 4; ++i) CHECK(std::get<std::string>(data.read(i).turns[1].content[0]) == std::to_string(i + 1));
  CHECK(data.read(2).where == f.path + "/b.jsonl:1");
  REQUIRE(data.bad_rows() == 3);
  CHECK(data.faults()[0].starts_with(f.path + "/a.jsonl:3: expected JSON"));
  CHECK(data.faults()[1].starts_with(f.path + "/a.jsonl:5: messages: expected"));
  CHECK(data.faults()[2].starts_with(f.path + "/b.jsonl:2: expected"));
  std::vector<train::data_file> const no_rows = {{f.path + "/none.jsonl"}}, no_file = {{f.path + "/absent.jsonl"}};
  CHECK_THROWS_AS(train::dataset{no_rows}, medmo::error);
  CHECK_THROWS_AS(train::dataset{no_file}, medmo::error);
  CHECK_THROWS_AS(train::dataset{std::span<train::data_file const>{}}, medmo::error);
  f.write("b.jsonl", "{}");
  CHECK_THROWS_AS(data.read(3), medmo::error);
}

TEST_CASE("an epoch has each row once, in an order of seed and epoch alone") {
  for (index n : {1, 2, 3, 17, 64, 1000}) {
    std::vector<std::uint32_t> lengths(static_cast<std::size_t>(n));
    for (index i = 0; i < n; ++i) lengths[static_cast<std::size_t>(i)] = static_cast<std::uint32_t>(i * 7919 % 101);
    for (auto how : {train::batch_lengths::mixed, train::batch_lengths::bucketed})
      for (index ranks : {1, 3})
        for (index batch : {1, 4, 7}) {
          std::multiset<index> seen;
          std::vector<std::vector<index>> first, again, other;
          for (index rank = 0; rank < ranks; ++rank) {
            train::data_order const order(lengths, {.seed = 5, .batch = batch, .lengths = how, .rank = rank, .ranks = ranks});
            train::data_order const seeded(lengths, {.seed = 6, .batch = batch, .lengths = how, .rank = rank, .ranks = ranks});
            train::data_cursor c;
            for (; c.epoch == 0; c = order.next(c)) {
              first.push_back(order.at(c));
              again.push_back(order.at(c));
              other.push_back(seeded.at(c));
              seen.insert(first.back().begin(), first.back().end());
            }
            CHECK(c == train::data_cursor{1, 0});
          }
          CHECK(seen.size() == static_cast<std::size_t>(n));
          CHECK(std::set<index>(seen.begin(), seen.end()).size() == static_cast<std::size_t>(n));
          CHECK(first == again);
          if (n == 1000) CHECK(first != other);
        }
  }
  std::vector<std::uint32_t> const none, one(1);
  CHECK_THROWS_AS((train::data_order{none, {}}), medmo::error);
  CHECK_THROWS_AS((train::data_order{one, {.batch = 0}}), medmo::error);
  CHECK_THROWS_AS((train::data_order{one, {.rank = 1}}), medmo::error);
  CHECK_THROWS_AS((train::data_order{one, {}}.at({0, 1})), medmo::error);
}

TEST_CASE("buckets hold rows of like length") {
  std::vector<std::uint32_t> lengths(4096);
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = static_cast<std::uint32_t>(medmo::mix64(i) % 1000);
  auto waste = [&](train::batch_lengths how) {
    train::data_order const order(lengths, {.batch = 8, .lengths = how});
    double longest = 0, total = 0;
    for (train::data_cursor c; c.epoch == 0; c = order.next(c)) {
      std::uint32_t most = 0;
      for (index r : order.at(c)) most = std::max(most, lengths[static_cast<std::size_t>(r)]), total += lengths[static_cast<std::size_t>(r)];
      longest += 8.0 * most;
    }
    return longest / total;
  };
  CHECK(waste(train::batch_lengths::mixed) > 1.5);
  CHECK(waste(train::batch_lengths::bucketed) < 1.1);
}

TEST_CASE("samples of a pass stay below its tokens") {
  std::vector<index> const tokens = {10, 20, 30, 5, 5, 5};
  CHECK(train::samples_per_pass(tokens, 1000) == 6);
  CHECK(train::samples_per_pass(tokens, 60) == 3);
  CHECK(train::samples_per_pass(tokens, 35) == 2);
  CHECK(train::samples_per_pass(tokens, 3) == 1);
  CHECK(train::samples_per_pass({}, 3) == 1);
}
}  // namespace
