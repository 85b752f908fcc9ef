// GGUF files: good ones are read in place, bad ones are refused by name.
#include "medmo/io/gguf.hpp"

#include <cstring>
#include <functional>

#include "bad_input.hpp"

namespace {

using medmo::dtype;
using medmo::errc;
using medmo::io::gguf_file;
using medmo::io::gguf_type;

/// Little-endian bytes, piece by piece.
struct bytes {
  std::string s;
  template <class T>
  bytes& put(T x) {
    s.append(reinterpret_cast<char const*>(&x), sizeof x);
    return *this;
  }
  bytes& u32(std::uint32_t x) { return put(x); }
  bytes& u64(std::uint64_t x) { return put(x); }
  bytes& text(std::string_view t) {
    u64(t.size());
    s.append(t);
    return *this;
  }
  bytes& key(std::string_view k, gguf_type t) { return text(k).u32(static_cast<std::uint32_t>(t)); }
};

struct tensor_entry {
  std::string name = "a.weight";
  std::vector<std::uint64_t> sizes{4, 2};  // innermost first
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::uint32_t dimensions = 2;
};

/// A small good file whose parts a test may change.
struct good {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count, entry_count;
  std::vector<std::string> entries;
  std::vector<tensor_entry> tensors{{}, {.name = "b.weight", .sizes = {32, 3}, .type = 8, .offset = 32}};
  std::size_t alignment = 32;
  std::string data = std::string(32 + 3 * 34, '\1');

  good() {
    entries.push_back(bytes().key("general.architecture", gguf_type::string).text("llama").s);
    entries.push_back(bytes().key("llama.block_count", gguf_type::u32).u32(7).s);
    entries.push_back(bytes().key("llama.big", gguf_type::u64).u64(~std::uint64_t{0}).s);
    entries.push_back(bytes().key("llama.eps", gguf_type::f32).put(0.5f).s);
    entries.push_back(bytes().key("llama.on", gguf_type::boolean).put('\1').s);
    entries.push_back(bytes().key("llama.list", gguf_type::array).u32(5).u64(3).put(-1).put(2).put(3).s);
    entries.push_back(bytes().key("llama.words", gguf_type::array).u32(8).u64(2).text("one").text("").s);
  }
  std::string content() const {
    bytes out;
    out.s = magic;
    out.u32(version).u64(tensor_count.value_or(tensors.size())).u64(entry_count.value_or(entries.size()));
    for (auto const& e : entries) out.s += e;
    for (auto const& t : tensors) {
      out.text(t.name).u32(t.dimensions);
      for (auto d : t.sizes) out.u64(d);
      out.u32(t.type).u64(t.offset);
    }
    out.s.resize((out.s.size() + alignment - 1) / alignment * alignment, '\0');
    return out.s + data;
  }
};

gguf_file over(std::string const& content) { return gguf_file::over(bad_input::bytes_of(content), "x.gguf"); }

TEST_CASE("gguf: a good file, its metadata and tensors in place") {
  for (std::uint32_t version : {2u, 3u}) {
    good g;
    g.version = version;
    auto const content = g.content();
    auto f = over(content);
    CHECK(f.version() == version);
    auto const& m = f.metadata();
    CHECK(m.keys().size() == 7);
    CHECK(m.text("general.architecture") == "llama");
    CHECK(m.integer("llama.block_count") == 7);
    CHECK(m.number("llama.eps") == 0.5);
    CHECK(m.number("llama.block_count") == 7.0);
    CHECK(m.boolean("llama.on") == true);
    CHECK(m.integers("llama.list") == std::vector<medmo::index>{-1, 2, 3});
    CHECK(m.texts("llama.words") == std::vector<std::string_view>{"one", ""});
    CHECK(!m.integer("llama.absent"));
    CHECK(f.names() == std::vector<std::string>{"a.weight", "b.weight"});
    auto a = f.find("a.weight"), b = f.find("b.weight");
    REQUIRE(a);
    REQUIRE(b);
    CHECK(a->type == dtype::f32);
    CHECK(a->shape == std::vector<medmo::index>{2, 4});
    CHECK(a->bytes.size() == 32);
    CHECK(b->type == dtype::q8_0);
    CHECK(b->shape == std::vector<medmo::index>{3, 32});
    CHECK(b->bytes.size() == 3 * 34);
    CHECK(b->bytes.data() == bad_input::bytes_of(content).data() + content.size() - 3 * 34);
    CHECK(!f.find("c"));
  }
}

TEST_CASE("gguf: another alignment; no tensors; every ggml type that is read") {
  good g;
  g.entries.push_back(bytes().key("general.alignment", gguf_type::u32).u32(64).s);
  g.alignment = 64;
  g.tensors[1].offset = 64;
  g.data = std::string(64 + 102, '\0');
  CHECK(over(g.content()).find("b.weight")->bytes.size() == 102);

  good none;
  none.tensors.clear();
  none.data.clear();
  none.alignment = 1;
  CHECK(over(none.content()).names().empty());

  for (int i = 0; i <= static_cast<int>(dtype::q6_k); ++i) {
    auto type = static_cast<dtype>(i);
    auto number = medmo::io::ggml_number(type);
    if (!number) continue;
    CAPTURE(std::string(medmo::name_of(type)));
    good one;
    one.tensors = {{.sizes = {512, 3}, .type = *number}};
    one.data = std::string(medmo::bytes_for(type, 512 * 3), '\0');
    CHECK(over(one.content()).find("a.weight")->type == type);
    one.data.pop_back();
    bad_input::refused("one byte short", errc::bad_format, "a.weight", [&] { over(one.content()); });
  }
}

TEST_CASE("gguf: bad files are refused by name") {
  struct bad {
    char const* name;
    std::function<void(good&)> change;
    errc code;
    char const* said;
  };
  auto entry = [](std::string e) { return [=](good& g) { g.entries.push_back(e); }; };
  auto tensor = [](auto change) { return [=](good& g) { change(g.tensors[1]); }; };
  auto key = [](gguf_type t) { return bytes().key("k", t); };
  std::uint64_t const huge = ~std::uint64_t{0};
  std::vector<bad> cases{
      {"another magic", [](good& g) { g.magic = "GGML"; }, errc::bad_format, "\"GGUF\""},
      {"version 0", [](good& g) { g.version = 0; }, errc::bad_format, "version 2 or 3"},
      {"version 1", [](good& g) { g.version = 1; }, errc::bad_format, "version 2 or 3"},
      {"version 4", [](good& g) { g.version = 4; }, errc::bad_format, "version 2 or 3"},
      {"big-endian", [](good& g) { g.version = 0x03000000; }, errc::bad_format, "little-endian"},
      {"more tensors than fit", [=](good& g) { g.tensor_count = huge; }, errc::bad_format, "that fit"},
      {"more entries than fit", [=](good& g) { g.entry_count = huge; }, errc::bad_format, "that fit"},
      {"a tensor too many", [](good& g) { g.tensor_count = 3; }, errc::bad_format, "x.gguf: byte"},
      {"an entry too many", [](good& g) { g.entry_count = 8; }, errc::too_large, "a name"},
      {"an entry too few", [](good& g) { g.entry_count = 6; }, errc::bad_format, "llama.words"},
      {"a key twice", entry(bytes().key("llama.eps", gguf_type::u8).put('\0').s), errc::bad_format, "llama.eps"},
      {"a type of value that is none", entry(bytes().text("k").u32(13).s), errc::bad_format, "from 0 to 12"},
      {"a type of elements that is none", entry(key(gguf_type::array).u32(99).u64(0).s), errc::bad_format, "from 0 to 12"},
      {"an array of arrays", entry(key(gguf_type::array).u32(9).u64(1).s), errc::unsupported, "an array of arrays"},
      {"an array of 2^64 - 1 bytes", entry(key(gguf_type::array).u32(0).u64(huge).s), errc::too_large, "67108864"},
      {"an array of one too many", entry(key(gguf_type::array).u32(0).u64((1u << 26) + 1).s), errc::too_large, "67108864"},
      {"an array beyond the file", entry(key(gguf_type::array).u32(12).u64(1 << 20).s), errc::bad_format, "8388608 bytes"},
      {"strings beyond the file", entry(key(gguf_type::array).u32(8).u64(1 << 20).s), errc::bad_format, "1048576 strings"},
      {"a string in an array beyond the file", entry(key(gguf_type::array).u32(8).u64(1).u64(100000).s), errc::bad_format, "100000 bytes"},
      {"a string of 2^64 - 1 bytes", entry(key(gguf_type::string).u64(huge).s), errc::too_large, "16777216"},
      {"a string of 16 MiB and one", entry(key(gguf_type::string).u64((1u << 24) + 1).s), errc::too_large, "16777216"},
      {"a string beyond the file", entry(key(gguf_type::string).u64(1 << 20).s), errc::bad_format, "1048576 bytes"},
      {"a key of 2^63 bytes", entry(bytes().u64(std::uint64_t{1} << 63).s), errc::too_large, "a key"},
      {"an alignment of 0", entry(bytes().key("general.alignment", gguf_type::u32).u32(0).s), errc::bad_format, "power of two"},
      {"an alignment of 24", entry(bytes().key("general.alignment", gguf_type::u32).u32(24).s), errc::bad_format, "power of two"},
      {"an alignment of 2^31", entry(bytes().key("general.alignment", gguf_type::u32).u32(1u << 31).s), errc::bad_format, "power of two"},
      {"an alignment that is text", entry(bytes().key("general.alignment", gguf_type::string).text("32").s), errc::bad_format, "general.alignment"},
      {"a negative alignment", entry(bytes().key("general.alignment", gguf_type::i32).put(-32).s), errc::bad_format, "power of two"},
      {"a tensor without a name", tensor([](auto& t) { t.name.clear(); }), errc::bad_format, "1 to 64 bytes"},
      {"a name of 65 bytes", tensor([](auto& t) { t.name = std::string(65, 'n'); }), errc::bad_format, "1 to 64 bytes"},
      {"a name twice", tensor([](auto& t) { t.name = "a.weight"; }), errc::bad_format, "a.weight"},
      {"five dimensions", tensor([](auto& t) { t.sizes = {32, 1, 1, 1, 3}, t.dimensions = 5; }), errc::bad_format, "at most 4"},
      {"2^32 - 1 dimensions", tensor([](auto& t) { t.dimensions = ~0u; }), errc::bad_format, "at most 4"},
      {"a dimension of 2^64 - 1", tensor([=](auto& t) { t.sizes = {32, huge}; }), errc::bad_format, "2^56"},
      {"a product that wraps", tensor([](auto& t) { t.sizes = {std::uint64_t{1} << 32, std::uint64_t{1} << 32}; }), errc::bad_format, "2^56"},
      {"a product that wraps after a zero", tensor([=](auto& t) { t.sizes = {0, huge}; }), errc::bad_format, "2^56"},
      {"half a block", tensor([](auto& t) { t.sizes = {16, 6}; }), errc::bad_format, "whole blocks of 32"},
      {"a quantised scalar", tensor([](auto& t) { t.sizes.clear(), t.dimensions = 0; }), errc::bad_format, "whole blocks of 32"},
      {"rows of 128 as Q4_K", tensor([](auto& t) { t.sizes = {128, 2}, t.type = 12; }), errc::bad_format, "whole blocks of 256"},
      {"a removed type", tensor([](auto& t) { t.type = 4; }), errc::wrong_dtype, "number 4"},
      {"a type that is not read", tensor([](auto& t) { t.type = 16; }), errc::wrong_dtype, "number 16"},
      {"a type of 2^32 - 1", tensor([](auto& t) { t.type = ~0u; }), errc::wrong_dtype, "number 4294967295"},
      {"an offset into another tensor", tensor([](auto& t) { t.offset = 0; }), errc::bad_format, "from byte 32"},
      {"an offset past a hole", tensor([](auto& t) { t.offset = 64; }), errc::bad_format, "from byte 32"},
      {"an offset that is not aligned", tensor([](auto& t) { t.offset = 33; }), errc::bad_format, "from byte 32"},
      {"an offset of 2^64 - 1", tensor([=](auto& t) { t.offset = huge; }), errc::bad_format, "from byte 32"},
      {"more rows than data", tensor([](auto& t) { t.sizes = {32, 4}; }), errc::bad_format, "136 bytes"},
      {"2^50 rows", tensor([](auto& t) { t.sizes = {32, std::uint64_t{1} << 50}; }), errc::bad_format, "the end after 134"},
      {"no data", [](good& g) { g.data.clear(); }, errc::bad_format, "a.weight"},
  };
  CHECK(cases.size() >= 35);
  for (auto const& c : cases) {
    good g;
    c.change(g);
    bad_input::refused(c.name, c.code, c.said, [&] { over(g.content()); });
  }
}

TEST_CASE("gguf: values of another type are refused by key") {
  auto const content = good().content();
  auto f = over(content);
  auto const& m = f.metadata();
  bad_input::refused("text as number", errc::bad_format, "general.architecture", [&] { m.integer("general.architecture"); });
  bad_input::refused("2^64 - 1 as index", errc::bad_format, "llama.big", [&] { m.integer("llama.big"); });
  bad_input::refused("a fraction as index", errc::bad_format, "llama.eps", [&] { m.integer("llama.eps"); });
  bad_input::refused("a number as text", errc::bad_format, "llama.eps", [&] { m.text("llama.eps"); });
  bad_input::refused("a list as number", errc::bad_format, "array of i32", [&] { m.number("llama.list"); });
  bad_input::refused("a number as list", errc::bad_format, "llama.eps", [&] { m.integers("llama.eps"); });
  bad_input::refused("words as numbers", errc::bad_format, "array of string", [&] { m.numbers("llama.words"); });
  bad_input::refused("numbers as words", errc::bad_format, "array of i32", [&] { m.texts("llama.list"); });
  bad_input::refused("numbers as truths", errc::bad_format, "array of i32", [&] { m.booleans("llama.list"); });
  bad_input::refused("a number as truth", errc::bad_format, "llama.eps", [&] { m.boolean("llama.eps"); });
}

TEST_CASE("gguf: every cut and thousands of damages end in an error or in tensors inside the file") {
  auto const whole = good().content();
  medmo::index accepted = 0;
  auto check = [&](std::string const& content) {
    try {
      auto f = over(content);
      auto bytes = bad_input::bytes_of(content);
      for (auto const& name : f.names()) {
        auto t = *f.find(name);
        CHECK(t.bytes.data() >= bytes.data());
        CHECK(t.bytes.data() + t.bytes.size() <= bytes.data() + bytes.size());
        volatile std::byte last = t.bytes.empty() ? std::byte{0} : t.bytes.back();
        (void)last;
      }
      for (auto const& k : f.metadata().keys()) (void)f.metadata().value(k);
      ++accepted;
    } catch (medmo::error const&) {
    }
  };
  for (std::size_t n = 0; n < whole.size(); ++n) {
    bad_input::refused("cut at " + std::to_string(n), errc::bad_format, "x.gguf", [&] { over(whole.substr(0, n)); });
  }
  for (std::uint64_t i = 0; i < 20000; ++i) check(bad_input::damaged(whole, i));
  CHECK(accepted > 100);
}

TEST_CASE("gguf: a missing file") {
  bad_input::folder dir;
  bad_input::refused("missing", errc::file_access, "none.gguf", [&] { gguf_file::open(dir.file("none.gguf")); });
  dir.write("empty.gguf", "");
  bad_input::refused("empty", errc::bad_format, "\"GGUF\"", [&] { gguf_file::open(dir.file("empty.gguf")); });
}

}  // namespace
