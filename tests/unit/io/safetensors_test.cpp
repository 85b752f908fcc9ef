// Safetensors: what is written is read back; a table of files that must be refused; folders of shards.
#include "medmo/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "bad_input.hpp"
#include "medmo/io/checkpoint.hpp"
#include "medmo/io/safetensors_writer.hpp"

using medmo::dtype;
using medmo::errc;
namespace io = medmo::io;

namespace {

std::string with_length(std::uint64_t length, std::string const& rest) {
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return file + rest;
}
std::string file_of(std::string const& header, std::size_t data) {
  return with_length(header.size(), header + std::string(data, '\1'));
}
std::string entry(char const* name, char const* type, char const* shape, char const* offsets) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}
std::string one(char const* type, char const* shape, char const* offsets) {
  return "{" + entry("a", type, shape, offsets) + "}";
}
std::string two(char const* first, char const* second) {
  return "{" + entry("a", "U8", "[4]", first) + "," + entry("b", "U8", "[4]", second) + "}";
}

struct bad_file {
  char const* name;
  std::string content;
  errc code;
  char const* part;
};

std::vector<bad_file> bad_files() {
  auto good = file_of(one("F32", "[2]", "[0,8]"), 8);
  std::string deep = "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}";
  return {
      {"an empty file", "", errc::bad_format, "8 bytes of header length, found 0"},
      {"seven bytes", "1234567", errc::bad_format, "8 bytes of header length, found 7"},
      {"a header of no bytes", with_length(0, ""), errc::bad_format, "an empty header"},
      {"a header longer than the file", with_length(100, "{}"), errc::bad_format, "at most the 2 bytes there are, found 100"},
      {"a header one byte too long", with_length(3, "{}"), errc::bad_format, "found 3"},
      {"a header over the limit", with_length(100'000'001, "{}"), errc::bad_format, "at most 100000000 bytes"},
      {"a header length of 2^64 - 1", with_length(~0ull, "{}"), errc::bad_format, "18446744073709551615"},
      {"a header length that wraps", with_length(~0ull - 7, "{}"), errc::bad_format, "at most 100000000"},
      {"a header cut short", good.substr(0, 30), errc::bad_format, "bytes there are"},
      {"data cut short", good.substr(0, good.size() - 1), errc::bad_format, "end <= 7"},
      {"no data at all", good.substr(0, good.size() - 8), errc::bad_format, "end <= 0"},
      {"a byte after the data", good + "x", errc::bad_format, "last of 9 bytes, found an end at 8"},
      {"data and no tensor", file_of("{}", 4), errc::bad_format, "last of 4 bytes"},
      {"a header that begins with a space", file_of(" {}", 0), errc::bad_format, "'{' as its first byte, found byte 32"},
      {"a header that is a list", file_of("[]", 0), errc::bad_format, "'{' as its first byte"},
      {"broken JSON", file_of("{\"a\":", 0), errc::bad_json, "expected JSON"},
      {"text after the JSON", file_of("{}x", 0), errc::bad_json, "expected JSON"},
      {"a NUL after the JSON", file_of(std::string("{}\0", 3), 0), errc::bad_json, "a NUL at byte 3"},
      {"a name that is not UTF-8", file_of("{\"\xff\":1}", 0), errc::bad_json, "expected JSON"},
      {"JSON of 100 levels", file_of(deep, 0), errc::bad_json, "nesting of more than 64"},
      {"a tensor twice", file_of("{" + entry("a", "U8", "[4]", "[0,4]") + "," + entry("a", "U8", "[4]", "[4,8]") + "}", 8),
       errc::bad_json, "\"a\" twice"},
      {"the metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), errc::bad_json, "twice"},
      {"metadata that is a number", file_of("{\"__metadata__\":1}", 0), errc::bad_json, "__metadata__: expected an object"},
      {"metadata with a number in it", file_of("{\"__metadata__\":{\"k\":1}}", 0), errc::bad_json, "k: expected a string"},
      {"an entry that is a number", file_of("{\"a\":7}", 0), errc::bad_json, "tensor a: expected an object, found 7"},
      {"an entry without a dtype", file_of("{\"a\":{\"shape\":[],\"data_offsets\":[0,0]}}", 0), errc::bad_format,
       "the fields dtype"},
      {"an entry without a shape", file_of("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0), errc::bad_format,
       "the fields dtype"},
      {"an entry without offsets", file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 0), errc::bad_format, "the fields dtype"},
      {"a dtype that is a number", file_of("{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,0]}}", 0), errc::bad_json,
       "dtype: expected a string"},
      {"an unknown dtype", file_of(one("F33", "[2]", "[0,8]"), 8), errc::wrong_dtype, "found \"F33\""},
      {"a dtype in small letters", file_of(one("f32", "[2]", "[0,8]"), 8), errc::wrong_dtype, "found \"f32\""},
      {"an 8-bit float", file_of(one("F8_E4M3", "[8]", "[0,8]"), 8), errc::wrong_dtype, "F8_E4M3"},
      {"a negative size", file_of(one("F32", "[-2]", "[0,8]"), 8), errc::bad_format, "numbers >= 0"},
      {"a fraction in the shape", file_of(one("F32", "[2.0]", "[0,8]"), 8), errc::bad_json, "shape: expected a list of integers"},
      {"a shape that is a number", file_of(one("F32", "2", "[0,8]"), 8), errc::bad_json, "shape: expected a list"},
      {"a size of 2^64", file_of(one("F32", "[18446744073709551616]", "[0,8]"), 8), errc::bad_json, "shape: expected a list"},
      {"a size of 2^63", file_of(one("F32", "[9223372036854775808]", "[0,8]"), 8), errc::bad_json, "shape: expected a list"},
      {"a shape whose product wraps", file_of(one("F32", "[4294967296,4294967296]", "[0,8]"), 8), errc::bad_format, "2^64 bits"},
      {"a shape whose product wraps to the right size", file_of(one("F32", "[4611686018427387904,4]", "[0,0]"), 0),
       errc::bad_format, "2^64 bits"},
      {"a shape larger than the data", file_of(one("F32", "[3]", "[0,8]"), 8), errc::bad_format, "12 bytes for F32"},
      {"a shape smaller than the data", file_of(one("F32", "[1]", "[0,8]"), 8), errc::bad_format, "4 bytes for F32"},
      {"another dtype's size", file_of(one("F16", "[2]", "[0,8]"), 8), errc::bad_format, "4 bytes for F16"},
      {"offsets that end before they begin", file_of(one("F32", "[2]", "[8,0]"), 8), errc::bad_format, "found [8,0]"},
      {"offsets beyond the file", file_of(one("F32", "[2]", "[8,16]"), 8), errc::bad_format, "end <= 8, found [8,16]"},
      {"offsets of 2^62", file_of(one("U8", "[0]", "[4611686018427387904,4611686018427387904]"), 0), errc::bad_format, "end <= 0"},
      {"a negative offset", file_of(one("F32", "[2]", "[-8,0]"), 8), errc::bad_format, "found [-8,0]"},
      {"three offsets", file_of(one("F32", "[2]", "[0,8,8]"), 8), errc::bad_format, "found [0,8,8]"},
      {"one offset", file_of(one("F32", "[2]", "[0]"), 8), errc::bad_format, "found [0]"},
      {"offsets that are strings", file_of(one("F32", "[2]", "[\"0\",\"8\"]"), 8), errc::bad_json, "data_offsets: expected a list"},
      {"an overlap", file_of(two("[0,4]", "[3,7]"), 7), errc::bad_format, "data from byte 4, found 3 (an overlap)"},
      {"the same place twice", file_of(two("[0,4]", "[0,4]"), 4), errc::bad_format, "(an overlap)"},
      {"a hole", file_of(two("[0,4]", "[5,9]"), 9), errc::bad_format, "data from byte 4, found 5 (a hole)"},
      {"a hole at the beginning", file_of(two("[1,5]", "[5,9]"), 9), errc::bad_format, "from byte 0, found 1 (a hole)"},
  };
}

std::string small_file() {
  return file_of("{\"__metadata__\":{\"format\":\"pt\"}," + entry("x", "F32", "[2,3]", "[4,28]") + "," +
                     entry("y", "BF16", "[2]", "[0,4]") + "," + entry("empty", "F64", "[0,7]", "[28,28]") + "}",
                 28);
}

}  // namespace

TEST_CASE("safetensors: bad files are refused by name, from disk and from memory, mapped and copied") {
  bad_input::folder folder;
  for (auto const& bad : bad_files()) {
    auto path = folder.write("bad.safetensors", bad.content);
    bad_input::refused(bad.name, bad.code, bad.part, [&] { io::safetensors_file::open(path); });
    bad_input::refused(bad.name, bad.code, path, [&] { io::safetensors_file::open(path, io::file_mode::read); });
    bad_input::refused(bad.name, bad.code, bad.part,
                       [&] { io::safetensors_file::over(bad_input::bytes_of(bad.content), "memory"); });
  }
}

TEST_CASE("safetensors: files that are not there, or are no files") {
  bad_input::folder folder;
  bad_input::refused("no file", errc::file_access, "none.safetensors",
                     [&] { io::safetensors_file::open(folder.file("none.safetensors")); });
  bad_input::refused("a folder", errc::file_access, "a folder", [&] { io::safetensors_file::open(folder.path()); });
  bad_input::refused("a device", errc::file_access, "a regular file", [&] { io::safetensors_file::open("/dev/null"); });
}

TEST_CASE("safetensors: names in any order, empty tensors, metadata") {
  auto content = small_file();
  auto f = io::safetensors_file::over(bad_input::bytes_of(content), "memory");
  CHECK(f.names() == std::vector<std::string>{"empty", "x", "y"});
  CHECK(f.metadata().at("format") == "pt");
  CHECK(f.find("x")->shape == std::vector<medmo::index>{2, 3});
  CHECK(f.find("x")->bytes.size() == 24);
  CHECK(f.find("y")->type == dtype::bf16);
  CHECK(f.find("empty")->bytes.empty());
  CHECK(!f.find("z"));
  CHECK(f.data_bytes() == 28);
}

TEST_CASE("safetensors: what is written is read back") {
  bad_input::folder folder;
  std::array<float, 3> a{1.5f, -2.0f, 3.25f};
  std::array<std::uint8_t, 5> b{1, 2, 3, 4, 5};
  io::write_safetensors(folder.file("m.safetensors"),
                        {{"a", {dtype::f32, {3, 1}, std::as_bytes(std::span(a))}}, {"b", {dtype::u8, {5}, std::as_bytes(std::span(b))}}});
  auto f = io::safetensors_file::open(folder.file("m.safetensors"));
  auto moved = std::move(f);
  REQUIRE(moved.find("a"));
  CHECK(moved.find("a")->shape == std::vector<medmo::index>{3, 1});
  CHECK(std::memcmp(moved.find("a")->bytes.data(), a.data(), sizeof a) == 0);
  CHECK(std::memcmp(moved.find("b")->bytes.data(), b.data(), sizeof b) == 0);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("safetensors: a writer that is misused or given up leaves no file") {
  bad_input::folder folder;
  std::string path = folder.file("m.safetensors");
  std::array<std::byte, 8> data{};
  bad_input::refused("too few bytes", errc::bad_argument, "8 bytes", [&] {
    io::safetensors_writer w(path);
    w.declare("a", dtype::f32, {2});
    w.append(std::span(data).first(4));
    w.commit();
  });
  bad_input::refused("too many bytes", errc::bad_argument, "more", [&] {
    io::safetensors_writer w(path);
    w.declare("a", dtype::u8, {2});
    w.append(data);
  });
  bad_input::refused("a name twice", errc::bad_argument, "two", [&] {
    io::safetensors_writer w(path);
    w.declare("a", dtype::u8, {2});
    w.declare("a", dtype::u8, {2});
  });
  bad_input::refused("a negative size", errc::bad_argument, "[-1]", [&] { io::safetensors_writer(path).declare("a", dtype::u8, {-1}); });
  bad_input::refused("a size that wraps", errc::bad_argument, "2^60", [&] {
    io::safetensors_writer(path).declare("a", dtype::f32, {medmo::index{1} << 40, medmo::index{1} << 40});
  });
  bad_input::refused("no such folder", errc::file_access, "/none/", [&] { io::write_file(folder.file("none/x"), "x"); });
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("checkpoint: shards through the index") {
  bad_input::folder folder;
  auto shard = [&](char const* file, char const* name) {
    std::array<std::uint8_t, 4> b{1, 2, 3, 4};
    io::write_safetensors(folder.file(file), {{name, {dtype::u8, {4}, std::as_bytes(std::span(b))}}});
  };
  shard("1.safetensors", "a");
  shard("2.safetensors", "b");
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  auto c = io::checkpoint::open(folder.path());
  CHECK(c.names() == std::vector<std::string>{"a", "b"});
  CHECK(c.find("b")->bytes.size() == 4);
  CHECK(c.data_bytes() == 8);
  CHECK(c.declared_bytes() == 8);
}

TEST_CASE("checkpoint: bad indexes are refused by name") {
  struct {
    char const *name, *index;
    errc code;
    char const* part;
  } const cases[] = {
      {"broken JSON", "{", errc::bad_json, "expected JSON"},
      {"an empty index", "", errc::bad_json, "nothing"},
      {"a list", "[]", errc::bad_json, "an object"},
      {"no weight_map", "{}", errc::bad_json, "an object weight_map"},
      {"a weight_map that is a list", R"({"weight_map":[]})", errc::bad_json, "weight_map: expected an object"},
      {"a shard that is a number", R"({"weight_map":{"a":1}})", errc::bad_format, "a: expected the name of a file"},
      {"a shard without a name", R"({"weight_map":{"a":""}})", errc::bad_format, "the name of a file"},
      {"a shard in another folder", R"({"weight_map":{"a":"../x.safetensors"}})", errc::bad_format, "in the same folder"},
      {"a shard by absolute path", R"({"weight_map":{"a":"/etc/passwd"}})", errc::bad_format, "in the same folder"},
      {"a shard with a NUL in its name", R"({"weight_map":{"a":"1.safetensors\u0000"}})", errc::bad_format, "in the same folder"},
      {"a shard that is the folder above", R"({"weight_map":{"a":".."}})", errc::bad_format, "in the same folder"},
      {"a shard that is missing", R"({"weight_map":{"a":"9.safetensors"}})", errc::file_access, "9.safetensors"},
      {"a tensor its shard lacks", R"({"weight_map":{"a":"1.safetensors","c":"1.safetensors"}})", errc::bad_format,
       "c: expected that tensor in 1.safetensors"},
      {"a tensor the index lacks", R"({"weight_map":{"b":"2.safetensors"}})", errc::bad_format, "tensor d: expected its name"},
      {"a tensor twice in the index", R"({"weight_map":{"a":"1.safetensors","a":"1.safetensors"}})", errc::bad_json, "twice"},
      {"a tensor in two shards",
       R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors","d":"3.safetensors"}})", errc::bad_format, "another shard"},
  };
  bad_input::folder folder;
  auto shard = [&](char const* file, std::vector<char const*> names) {
    std::array<std::uint8_t, 4> b{1, 2, 3, 4};
    std::vector<io::named_tensor> tensors;
    for (auto const* n : names) tensors.push_back({n, {dtype::u8, {4}, std::as_bytes(std::span(b))}});
    io::write_safetensors(folder.file(file), tensors);
  };
  shard("1.safetensors", {"a"});
  shard("2.safetensors", {"b", "d"});
  shard("3.safetensors", {"d"});
  for (auto const& bad : cases) {
    folder.write("model.safetensors.index.json", bad.index);
    bad_input::refused(bad.name, bad.code, bad.part, [&] { io::checkpoint::open(folder.path()); });
  }
  bad_input::folder empty;
  bad_input::refused("an empty folder", errc::file_access, "neither", [&] { io::checkpoint::open(empty.path()); });
  bad_input::refused("no folder", errc::file_access, "neither", [&] { io::checkpoint::open(empty.file("none")); });
}

TEST_CASE("safetensors: thousands of damaged files end in an error or in tensors that lie inside the file") {
  auto good = small_file();
  int accepted = 0;
  unsigned sum = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    auto content = bad_input::damaged(good, i);
    try {
      auto f = io::safetensors_file::over(bad_input::bytes_of(content), "memory");
      for (auto const& name : f.names()) {
        auto t = f.find(name);
        medmo::index count = 1;
        for (auto d : t->shape) count *= d;
        CHECK(t->bytes.size() == static_cast<std::size_t>(count) * size_of(t->type));
        for (auto b : t->bytes) sum += static_cast<unsigned>(b);  // touches every byte
      }
      ++accepted;
    } catch (medmo::error const&) {
    }
  }
  CHECK(accepted > 100);  // damage in the data, which has no checksum
  CHECK(accepted < 3000);
  CHECK(sum > 0);
}
