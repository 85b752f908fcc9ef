// Tokenizer files: every format gives the same tokenizer, what is written is read again, and broken files are named.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <medmo/text/tokenizer_file.hpp>
#include <random>
#include <string>
#include <vector>

#include "tokenizers.hpp"
#include "../named_case.hpp"

using namespace medmo::text;
using medmo::errc;
using medmo::io::json;
using text_tests::nano_tokenizer;
using text_tests::qwen_tokenizer;

namespace {
/// 256 bytes and three merges: he, ll, hell.
using tiny_tokens = qwen_vocabulary<259, 300>;

std::span<std::byte const> bytes_of(std::string const& s) { return std::as_bytes(std::span(s.data(), s.size())); }

std::string base64(std::string_view bytes) {
  std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned v = 0;
    for (std::size_t k = 0; k < 3; ++k)
      v = v << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : digits[v >> (18 - 6 * k) & 63];
  }
  return out;
}

std::string tiny_tiktoken() {
  std::string out;
  for (int b = 0; b < 256; ++b) out += base64(std::string(1, static_cast<char>(b))) + " " + std::to_string(b) + "\n";
  return out + base64("he") + " 256\n" + base64("ll") + " 257\n" + base64("hell") + " 258\n";
}
std::string tiny_json() { return write_tokenizer_json(read_tiktoken<tiny_tokens>(tiny_tiktoken(), "tiny")); }

struct scratch_folder {
  std::filesystem::path path;
  scratch_folder() {
    static int number = 0;
    path = std::filesystem::temp_directory_path() /
           ("medmo_text_" + std::to_string(std::random_device{}()) + "_" + std::to_string(number++));
    std::filesystem::create_directories(path);
  }
  ~scratch_folder() { std::filesystem::remove_all(path); }
};

template <class A, class B>
bool equal(A const& a, B const& b) {
  if (a.base().size() != b.base().size() || a.base().merge_count() != b.base().merge_count()) return false;
  for (medmo::index i = 0; i < a.base().size(); ++i)
    if (a.base().bytes(i) != b.base().bytes(i)) return false;
  for (medmo::index i = 0; i < a.base().merge_count(); ++i) {
    auto x = a.base().merge_at(i), y = b.base().merge_at(i);
    if (x.left != y.left || x.right != y.right || x.result != y.result) return false;
  }
  for (std::size_t i = 0; i < a.added().size(); ++i) {
    auto const &x = a.added()[i], &y = b.added()[i];
    if (x.id != y.id || x.content != y.content || x.kind != y.kind) return false;
  }
  return a.added().size() == b.added().size();
}

/// Runs `load`; the error's code must be `code` and its sentence must name `named`.
void expect_error(char const* name, errc code, std::string const& named, std::function<void()> const& load) {
  CAPTURE(name);
  named_case(name);
  try {
    load();
    FAIL_CHECK("accepted");
  } catch (medmo::error const& e) {
    INFO(e.what());
    CHECK(static_cast<int>(e.code()) == static_cast<int>(code));
    CHECK(std::string(e.what()).find(named) != std::string::npos);
  }
}
}  // namespace

TEST_CASE("what is written is read again, in every format") {
  auto const& t = nano_tokenizer();
  auto text = write_tokenizer_json(t);
  CHECK(equal(t, read_tokenizer_json<nano_tokens>(bytes_of(text), "again")));
  CHECK(write_tokenizer_json(read_tokenizer_json<nano_tokens>(bytes_of(text), "again")) == text);
  CHECK(text == text_tests::file_text(MEDMO_EXAMPLE_DATA "/medmo-nano/tokenizer.json"));
  CHECK(equal(t, truncate<nano_tokens>(qwen_tokenizer())));

  scratch_folder folder;
  save_tokenizer(t, folder.path, 8192);
  CHECK(equal(t, load_tokenizer<nano_tokens>(folder.path)));
  for (auto name : {"tokenizer_config.json", "chat_template.jinja"})
    CHECK(text_tests::file_text((folder.path / name).string()) ==
          text_tests::file_text(std::string(MEDMO_EXAMPLE_DATA "/medmo-nano/") + name));

  // The older form: vocab.json and merges.txt, with and without tokenizer_config.json.
  std::filesystem::remove(folder.path / "tokenizer.json");
  auto model = json::parse(text)["model"];
  std::ofstream(folder.path / "vocab.json") << model["vocab"].dump();
  {
    std::ofstream merges(folder.path / "merges.txt");
    merges << "#version: 0.2\n";
    for (auto const& m : model["merges"]) merges << m[0].get<std::string>() << ' ' << m[1].get<std::string>() << "\r\n";
  }
  CHECK(equal(t, load_tokenizer<nano_tokens>(folder.path)));
  std::filesystem::remove(folder.path / "tokenizer_config.json");
  CHECK(equal(t, load_tokenizer<nano_tokens>(folder.path)));

  // Merges as one string each.
  auto old_style = json::parse(text);
  for (auto& m : old_style["model"]["merges"]) m = m[0].get<std::string>() + " " + m[1].get<std::string>();
  CHECK(equal(t, read_tokenizer_json<nano_tokens>(bytes_of(old_style.dump()), "old style")));
}

TEST_CASE("the whole vocabulary survives tokenizer.json") {
  auto text = write_tokenizer_json(qwen_tokenizer());
  CHECK(equal(qwen_tokenizer(), read_tokenizer_json<qwen_tokens>(bytes_of(text), "whole")));
}

TEST_CASE("broken tokenizer.json files are named") {
  auto good = tiny_json();
  CHECK(read_tokenizer_json<tiny_tokens>(bytes_of(good), "tiny").encode("hello") ==
        std::vector<medmo::index>{258, 'o'});
  struct {
    char const* name;
    errc code;
    std::string named;
    std::function<void(json&)> damage;
  } const cases[] = {
      {"an array", errc::bad_json, "an object", [](json& j) { j = json::array(); }},
      {"no model", errc::bad_json, "model", [](json& j) { j.erase("model"); }},
      {"model is a string", errc::bad_json, "model", [](json& j) { j["model"] = "BPE"; }},
      {"another model", errc::unsupported, "Unigram", [](json& j) { j["model"]["type"] = "Unigram"; }},
      {"dropout", errc::unsupported, "dropout", [](json& j) { j["model"]["dropout"] = 0.1; }},
      {"unknown token", errc::unsupported, "unk_token", [](json& j) { j["model"]["unk_token"] = "<unk>"; }},
      {"word prefix", errc::unsupported, "continuing_subword_prefix",
       [](json& j) { j["model"]["continuing_subword_prefix"] = "##"; }},
      {"byte fallback", errc::unsupported, "byte_fallback", [](json& j) { j["model"]["byte_fallback"] = true; }},
      {"ignored merges", errc::unsupported, "ignore_merges", [](json& j) { j["model"]["ignore_merges"] = true; }},
      {"no normalizer", errc::unsupported, "normalizer", [](json& j) { j["normalizer"] = nullptr; }},
      {"another normalizer", errc::unsupported, "NFKC", [](json& j) { j["normalizer"]["type"] = "NFKC"; }},
      {"no pre-tokenizer", errc::unsupported, "pre_tokenizer", [](json& j) { j.erase("pre_tokenizer"); }},
      {"another expression", errc::unsupported, "{1,3}",
       [](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\p{N}{1,3}"; }},
      {"prefix space", errc::unsupported, "pre_tokenizer",
       [](json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; }},
      {"another decoder", errc::unsupported, "Metaspace", [](json& j) { j["decoder"]["type"] = "Metaspace"; }},
      {"a template post-processor", errc::unsupported, "post_processor",
       [](json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"}};
       }},
      {"no vocabulary", errc::bad_json, "vocab", [](json& j) { j["model"].erase("vocab"); }},
      {"vocabulary is an array", errc::bad_json, "vocab", [](json& j) { j["model"]["vocab"] = json::array({1}); }},
      {"id out of range", errc::bad_format, "'hell'", [](json& j) { j["model"]["vocab"]["hell"] = 5000; }},
      {"negative id", errc::bad_format, "-1", [](json& j) { j["model"]["vocab"]["hell"] = -1; }},
      {"huge id", errc::bad_format, "'hell'", [](json& j) { j["model"]["vocab"]["hell"] = 18446744073709551615u; }},
      {"id is a fraction", errc::bad_format, "1.5", [](json& j) { j["model"]["vocab"]["hell"] = 1.5; }},
      {"id is a string", errc::bad_format, "'hell'", [](json& j) { j["model"]["vocab"]["hell"] = "258"; }},
      {"id twice", errc::bad_format, "an id of its own", [](json& j) { j["model"]["vocab"]["hell"] = 257; }},
      {"gap in the ids", errc::bad_format, "gaps", [](json& j) { j["model"]["vocab"].erase("a"); }},
      {"token outside the alphabet", errc::bad_format, "alphabet",
       [](json& j) { j["model"]["vocab"].erase("hell"), j["model"]["vocab"]["\xE6\xBC\xA2"] = 258; }},
      {"empty token", errc::bad_format, "at least one byte",
       [](json& j) { j["model"]["vocab"].erase("hell"), j["model"]["vocab"][""] = 258; }},
      {"token too few", errc::bad_config, "259 base tokens",
       [](json& j) { j["model"]["vocab"].erase("hell"), j["model"]["merges"].erase(2); }},
      {"byte without a token", errc::bad_format, "a token for every byte",
       [](json& j) { j["model"]["vocab"].erase("a"), j["model"]["vocab"]["hello"] = 'a'; }},
      {"no merges", errc::bad_json, "merges", [](json& j) { j["model"].erase("merges"); }},
      {"merge of an absent token", errc::bad_format, "'zz'",
       [](json& j) {
         j["model"]["merges"][1] = {"zz", "l"};
       }},
      {"merge to an absent token", errc::bad_format, "'eh'",
       [](json& j) {
         j["model"]["merges"][1] = {"e", "h"};
       }},
      {"merge twice", errc::bad_format, "every pair once",
       [](json& j) {
         j["model"]["merges"].push_back({"h", "e"});
       }},
      {"merge of three", errc::bad_format, "two tokens",
       [](json& j) {
         j["model"]["merges"][1] = {"h", "e", "l"};
       }},
      {"merge is a number", errc::bad_format, "two tokens", [](json& j) { j["model"]["merges"][1] = 7; }},
      {"merge without a space", errc::bad_format, "two tokens", [](json& j) { j["model"]["merges"][1] = "ll"; }},
      {"merge with an empty part", errc::bad_format, "merge 1",
       [](json& j) {
         j["model"]["merges"][1] = {"", "ll"};
       }},
      {"added tokens are an object", errc::bad_json, "added_tokens",
       [](json& j) { j["added_tokens"] = json::object(); }},
      {"no added tokens", errc::bad_config, "<|endoftext|>", [](json& j) { j["added_tokens"] = nullptr; }},
      {"added token missing", errc::bad_config, "<|im_end|>", [](json& j) { j["added_tokens"].erase(2); }},
      {"added token with another id", errc::bad_config, "<|im_end|>",
       [](json& j) { j["added_tokens"][2]["id"] = 290; }},
      {"added token renamed", errc::bad_config, "<|im_end|>",
       [](json& j) { j["added_tokens"][2]["content"] = "<end>"; }},
      {"added token not special", errc::bad_config, "special",
       [](json& j) { j["added_tokens"][2]["special"] = false; }},
      {"added id beyond the embedding", errc::bad_format, "below 300",
       [](json& j) { j["added_tokens"][2]["id"] = 300; }},
      {"added id of a base token", errc::bad_format, "no base token", [](json& j) { j["added_tokens"][2]["id"] = 7; }},
      {"added id twice", errc::bad_format, "an id of its own", [](json& j) { j["added_tokens"][2]["id"] = 259; }},
      {"added token twice", errc::bad_format, "every added token once",
       [](json& j) { j["added_tokens"].push_back(j["added_tokens"][2]), j["added_tokens"].back()["id"] = 299; }},
      {"added token without text", errc::bad_format, "some text",
       [](json& j) { j["added_tokens"][2]["content"] = ""; }},
      {"added token strips", errc::unsupported, "lstrip", [](json& j) { j["added_tokens"][2]["lstrip"] = true; }},
      {"added token is a number", errc::bad_json, "content", [](json& j) { j["added_tokens"][2] = 3; }},
  };
  for (auto const& c : cases) {
    auto damaged = json::parse(good);
    c.damage(damaged);
    auto text = damaged.dump();
    expect_error(c.name, c.code, c.named, [&] { read_tokenizer_json<tiny_tokens>(bytes_of(text), "bad.json"); });
    expect_error(c.name, c.code, "bad.json", [&] { read_tokenizer_json<tiny_tokens>(bytes_of(text), "bad.json"); });
  }
}

TEST_CASE("a file may add tokens; the leftmost is found, and the longest of those") {
  auto file = json::parse(tiny_json());
  for (auto content : {"<think>ing", "think", "<thin"}) {
    auto token = file["added_tokens"][25];
    token["content"] = content;
    token["id"] = 285 + static_cast<int>(file["added_tokens"].size()) - 26;
    file["added_tokens"].push_back(token);
  }
  auto text = file.dump();
  auto t = read_tokenizer_json<tiny_tokens>(bytes_of(text), "more");
  auto think = id_of<tiny_tokens>("<think>");
  auto ids = [&](std::string_view s) { return t.encode(s, {.control = control_tokens::allow}); };
  using list = std::vector<medmo::index>;
  CHECK(ids("<think>ing") == list{285});
  CHECK(ids("<think>in") == list{think, 'i', 'n'});
  CHECK(ids("<think") == list{287, 'k'});
  CHECK(ids("thinking") == list{286, 'i', 'n', 'g'});
  CHECK(ids("<<thi") == list{'<', '<', 't', 'h', 'i'});
  CHECK(t.encode("think") == list{'t', 'h', 'i', 'n', 'k'});
}

TEST_CASE("tokenizer.json cut short anywhere is an error") {
  auto good = tiny_json();
  for (std::size_t size = 0; size + 2 < good.size(); size += 61) {
    auto cut = good.substr(0, size);
    CHECK_THROWS_AS(read_tokenizer_json<tiny_tokens>(bytes_of(cut), "cut"), medmo::error);
  }
  auto twice = good;
  twice.replace(twice.find("\"he\": 256"), 9, "\"he\": 256, \"he\": 256");
  expect_error("a token twice", errc::bad_json, "twice",
               [&] { read_tokenizer_json<tiny_tokens>(bytes_of(twice), "x"); });
  std::string deep(100000, '[');
  CHECK_THROWS_AS(read_tokenizer_json<tiny_tokens>(bytes_of(deep), "deep"), medmo::error);
}

TEST_CASE("broken rank files are named") {
  auto good = tiny_tiktoken();
  CHECK(read_tiktoken<tiny_tokens>(good, "tiny").encode("hell") == std::vector<medmo::index>{258});
  auto with = [&](std::string_view from, std::string_view to) {
    auto text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  struct {
    char const* name;
    errc code;
    std::string named, text;
  } const cases[] = {
      {"empty", errc::bad_format, "every byte", ""},
      {"cut after the bytes", errc::bad_config, "259 base tokens", good.substr(0, good.find(base64("he") + " 256"))},
      {"base64 of a wrong length", errc::bad_format, "line 257: expected base64", with("aGU= 256", "aGU 256")},
      {"base64 with a strange digit", errc::bad_format, "base64", with("aGU= 256", "a*U= 256")},
      {"base64 with stray bits", errc::bad_format, "base64", with("aGU= 256", "aGV= 256")},
      {"no token", errc::bad_format, "base64", with("aGU= 256", " 256")},
      {"no rank", errc::bad_format, "no space", with("aGU= 256", "aGU=")},
      {"rank is a word", errc::bad_format, "rank 256", with("aGU= 256", "aGU= many")},
      {"gap in the ranks", errc::bad_format, "rank 256", with("aGU= 256", "aGU= 257")},
      {"negative rank", errc::bad_format, "rank 256", with("aGU= 256", "aGU= -256")},
      {"rank beyond 64 bits", errc::bad_format, "rank 256", with("aGU= 256", "aGU= 99999999999999999999")},
      {"something after the rank", errc::bad_format, "rank 256", with("aGU= 256", "aGU= 256 7")},
      {"a token twice", errc::bad_format, "every token once", with(base64("ll") + " 257", "aGU= 257")},
      {"a token of three parts", errc::bad_format, "two earlier ones", with("aGU= 256", base64("hex") + " 256")},
      {"a longer token before its bytes", errc::bad_format, "single bytes first", "aGU= 0\n"},
  };
  for (auto const& c : cases) {
    expect_error(c.name, c.code, c.named, [&] { read_tiktoken<tiny_tokens>(c.text, "bad.tiktoken"); });
  }
}

TEST_CASE("broken vocab.json, merges.txt and tokenizer_config.json are named") {
  auto model = json::parse(tiny_json())["model"];
  std::string vocab = model["vocab"].dump(), merges = "h e\nl l\nhe ll\n", config;
  auto read = [&](std::string const& v, std::string const& m, std::string const& c) {
    return read_vocabulary_files<tiny_tokens>({bytes_of(v), bytes_of(m), bytes_of(c)}, "folder");
  };
  CHECK(read(vocab, merges, config).encode("hell") == std::vector<medmo::index>{258});
  expect_error("vocab cut", errc::bad_json, "folder, vocab", [&] { read(vocab.substr(0, 500), merges, config); });
  expect_error("merge of one", errc::bad_format, "line 2", [&] { read(vocab, "h e\nll\n", config); });
  expect_error("merge of three", errc::bad_format, "line 1", [&] { read(vocab, "h e l\n", config); });
  expect_error("merge of absent tokens", errc::bad_format, "merge 1", [&] { read(vocab, "h e\nq q\n", config); });
  expect_error("config without tokens", errc::bad_json, "added_tokens_decoder", [&] { read(vocab, merges, "{}"); });
  expect_error("config with a word for an id", errc::bad_format, "'x1'",
               [&] { read(vocab, merges, R"({"added_tokens_decoder": {"x1": {"content": "a"}}})"); });
  expect_error("config with an id beyond 64 bits", errc::bad_format, "an id",
               [&] { read(vocab, merges, R"({"added_tokens_decoder": {"99999999999999999999": {"content": "a"}}})"); });
}

TEST_CASE("folders without a tokenizer are named") {
  scratch_folder folder;
  expect_error("empty folder", errc::file_access, folder.path.string(),
               [&] { load_tokenizer<nano_tokens>(folder.path); });
  expect_error("no folder", errc::file_access, "absent", [&] { load_tokenizer<nano_tokens>(folder.path / "absent"); });
  std::ofstream(folder.path / "tokenizer.json");
  expect_error("empty file", errc::bad_json, "tokenizer.json", [&] { load_tokenizer<nano_tokens>(folder.path); });
  expect_error("the wrong configuration", errc::bad_config, "base tokens",
               [&] { load_tokenizer<qwen_tokens>(MEDMO_EXAMPLE_DATA "/medmo-nano"); });
  expect_error("a folder that is not there", errc::file_access, "absent",
               [&] { save_tokenizer(nano_tokenizer(), folder.path / "absent", 10); });
}
