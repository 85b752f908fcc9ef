// Pictures: every kind of PNG and JPEG against the reference's pixels (tools/export_picture_goldens.py); files that must be
// refused, each by name; every prefix of a file; and an application that has a stb_image of its own.
#include <stb/stb_image.h>

#include "medmo/io/image.hpp"
#include "medmo/io/json.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "bad_input.hpp"

using medmo::errc;
namespace io = medmo::io;
using namespace std::string_literals;

namespace {

std::string const pictures = MEDMO_TEST_DATA "/io/pictures/";

std::uint32_t crc32(std::string_view s) {  // bit by bit, unlike the reader's
  std::uint32_t c = 0xffffffffu;
  for (char ch : s) {
    c ^= static_cast<unsigned char>(ch);
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
  }
  return ~c;
}
std::string big(std::uint32_t v, int bytes = 4) {
  std::string s;
  for (int i = bytes; i-- > 0;) s += static_cast<char>(v >> (8 * i) & 0xff);
  return s;
}
std::string const signature = "\x89PNG\r\n\x1a\n";
std::string chunk(std::string const& name, std::string const& data) {
  return big(static_cast<std::uint32_t>(data.size())) + name + data + big(crc32(name + data));
}
std::string header(std::uint32_t width, std::uint32_t height, char depth, char colour, char method = 0, char lace = 0) {
  return chunk("IHDR", big(width) + big(height) + std::string{depth, colour, method, 0, lace});
}
/// A zlib stream with one stored block.
std::string stored(std::string const& data) {
  auto n = static_cast<std::uint16_t>(data.size());
  std::string s = "\x78\x01\x01";
  for (std::uint16_t v : {n, static_cast<std::uint16_t>(~n)}) s += {static_cast<char>(v & 0xff), static_cast<char>(v >> 8)};
  std::uint32_t a = 1, b = 0;
  for (char c : data) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return s + data + big(b << 16 | a);
}
std::string const end = chunk("IEND", "");
std::string const rows(std::size_t n) { return std::string(n, '\0'); }
std::string const good_png = signature + header(2, 2, 8, 2) + chunk("IDAT", stored(rows(14))) + end;

std::string segment(unsigned marker, std::string const& data) {
  return std::string{'\xff', static_cast<char>(marker)} + big(static_cast<std::uint32_t>(data.size() + 2), 2) + data;
}
std::string frame(unsigned marker, unsigned height, unsigned width, std::string const& components, unsigned bits = 8) {
  return segment(marker, std::string{static_cast<char>(bits)} + big(height, 2) + big(width, 2) +
                             static_cast<char>(components.size() / 3) + components);
}
/// Tables 0 of both kinds, with one code each.
std::string const tables = segment(0xdb, std::string(65, '\0') + "") + segment(0xc4, "\0\1"s + std::string(16, '\0')) +
                           segment(0xc4, "\x10\1"s + std::string(16, '\0'));
std::string const soi = "\xff\xd8", eoi = "\xff\xd9";
std::string const grey{'\1', '\x11', '\0'};
std::string scan(std::string const& ids, char first = 0, char last = 63, char high_low = 0) {
  std::string s(1, static_cast<char>(ids.size()));
  for (char id : ids) s += {id, '\0'};
  return segment(0xda, s + first + last + high_low) + std::string(64, '\x55');
}
std::string replaced(std::string s, std::size_t at, std::string const& by) { return s.replace(at, by.size(), by); }

struct bad_picture {
  char const* name;
  std::string content;
  errc code;
  char const* part;
};

std::vector<bad_picture> bad_pictures() {
  auto jpeg = bad_input::content_of(pictures + "baseline_444.jpg");
  auto sof = jpeg.find("\xff\xc0");
  auto png = [](std::string const& chunks) { return signature + chunks; };
  std::string idat = chunk("IDAT", stored(rows(14)));
  std::string many = soi + tables + frame(0xc2, 8, 8, grey);
  for (int i = 0; i < 101; ++i) many += scan("\1");
  return {
      {"an empty file", "", errc::bad_image, "an empty file"},
      {"a text file", "hello, world", errc::bad_image, "a PNG or JPEG, found another format"},
      {"a GIF", "GIF89a\1\0\1\0\0\0\0;", errc::bad_image, "another format"},
      {"a BMP", "BM" + std::string(60, '\0'), errc::bad_image, "another format"},
      {"a PNG whose line ends were converted", replaced(good_png, 4, "\n"), errc::bad_image, "another format"},
      {"a PNG signature alone", signature, errc::bad_image, "truncated"},
      {"a PNG without IHDR", png(idat + end), errc::bad_image, "IHDR of 13 bytes as the first"},
      {"a PNG of another maker's chunk first", png(chunk("CgBI", "abcd") + header(2, 2, 8, 2) + idat + end), errc::bad_image,
       "IHDR of 13 bytes as the first"},
      {"an IHDR of 12 bytes", png(chunk("IHDR", std::string(12, '\1')) + idat + end), errc::bad_image, "IHDR of 13 bytes"},
      {"an IHDR twice", png(header(2, 2, 8, 2) + header(2, 2, 8, 2) + idat + end), errc::bad_image, "one IHDR"},
      {"a PNG of width 0", png(header(0, 2, 8, 2) + idat + end), errc::bad_image, "at least 1, found 0 x 2"},
      {"a PNG of height 0", png(header(2, 0, 8, 2) + idat + end), errc::bad_image, "at least 1, found 2 x 0"},
      {"a PNG bomb, square", png(header(60000, 60000, 8, 2) + idat + end), errc::too_large, "100000000 pixels, found 60000 x 60000"},
      {"a PNG bomb, a line", png(header(1, 4000000000u, 1, 0) + idat + end), errc::too_large, "found 1 x 4000000000"},
      {"a PNG bomb, sides of 2^32 - 1", png(header(~0u, ~0u, 8, 2) + idat + end), errc::too_large, "4294967295 x 4294967295"},
      {"a PNG larger than its data can unfold to", png(header(9000, 9000, 8, 2) + idat + end), errc::bad_image,
       "data for 9000 x 9000 pixels"},
      {"a PNG of depth 3", png(header(2, 2, 3, 0) + idat + end), errc::bad_image, "depth 3, colour type 0"},
      {"a PNG of depth 16 with a palette", png(header(2, 2, 16, 3) + idat + end), errc::bad_image, "depth 16, colour type 3"},
      {"a PNG of depth 4 with colours", png(header(2, 2, 4, 2) + idat + end), errc::bad_image, "depth 4, colour type 2"},
      {"a PNG of colour type 5", png(header(2, 2, 8, 5) + idat + end), errc::bad_image, "colour type 5"},
      {"a PNG of another compression", png(header(2, 2, 8, 2, 1) + idat + end), errc::bad_image, "decoder"},
      {"a PNG of another interlacing", png(header(2, 2, 8, 2, 0, 2) + idat + end), errc::bad_image, "decoder"},
      {"a PNG with a palette missing", png(header(2, 2, 8, 3) + idat + end), errc::bad_image, "a palette, found none"},
      {"a PNG with a palette of 4 bytes", png(header(2, 2, 8, 3) + chunk("PLTE", "abcd") + chunk("IDAT", stored(rows(6))) + end),
       errc::bad_image, "1 .. 256 colours, found 4 bytes"},
      {"a PNG with two palettes",
       png(header(2, 2, 8, 3) + chunk("PLTE", "abc") + chunk("PLTE", "abc") + chunk("IDAT", stored(rows(6))) + end),
       errc::bad_image, "one palette"},
      {"a PNG with a palette of 257 colours",
       png(header(2, 2, 8, 3) + chunk("PLTE", rows(771)) + chunk("IDAT", stored(rows(6))) + end), errc::bad_image, "771 bytes"},
      {"a PNG without data", png(header(2, 2, 8, 2) + end), errc::bad_image, "decoder"},
      {"a PNG with too little data", png(header(2, 2, 8, 2) + chunk("IDAT", stored(rows(13))) + end), errc::bad_image, "decoder"},
      {"a PNG with data that is no zlib", png(header(2, 2, 8, 2) + chunk("IDAT", "not zlib") + end), errc::bad_image, "decoder"},
      {"a PNG with filter 9", png(header(2, 2, 8, 2) + chunk("IDAT", stored("\x09" + rows(13))) + end), errc::bad_image, "decoder"},
      {"a PNG with an unknown critical chunk", png(header(2, 2, 8, 2) + chunk("XyZz", "") + idat + end), errc::bad_image, "decoder"},
      {"a PNG without IEND", good_png.substr(0, good_png.size() - 12), errc::bad_image, "truncated"},
      {"a PNG chunk of 2^32 - 1 bytes", replaced(good_png, 33, big(~0u)), errc::bad_image, "4294967295 bytes at"},
      {"a PNG with a flipped bit in its header", replaced(good_png, 19, "\3"), errc::bad_image, "CRC of the PNG chunk at byte 8"},
      {"a PNG with a flipped bit in its data", replaced(good_png, 50, "\1"), errc::bad_image, "CRC of the PNG chunk at byte 33"},
      {"a PNG with a wrong check sum at its end", replaced(good_png, good_png.size() - 1, "\0"s), errc::bad_image, "CRC"},
      {"a small PNG that unfolds to 8 MiB", bad_input::content_of(pictures + "unfolds.png"), errc::too_large, "unfolds to more"},
      {"a JPEG start alone", "\xff\xd8\xff", errc::bad_image, "EOI at the end"},
      {"a JPEG without its end", jpeg.substr(0, jpeg.size() - 2), errc::bad_image, "truncated"},
      {"a JPEG cut in the middle of its data", jpeg.substr(0, jpeg.size() - 200), errc::bad_image, "truncated"},
      {"a JPEG without a frame", soi + segment(0xfe, "x") + eoi, errc::bad_image, "a JPEG frame, found none"},
      {"a JPEG scan before the frame", soi + scan("\1") + eoi, errc::bad_image, "a JPEG frame before its first scan"},
      {"a JPEG without a scan", jpeg.substr(0, jpeg.find("\xff\xda")) + eoi, errc::bad_image, "a scan of every JPEG component"},
      {"a JPEG with a component never scanned", soi + tables + frame(0xc0, 8, 8, std::string("\1\x22\0\2\x11\0\3\x11\0", 9)) + scan("\1\2") + eoi, errc::bad_image,
       "none of component 2"},
      {"a JPEG scan of a component there is not", soi + frame(0xc0, 8, 8, grey) + scan("\7") + eoi, errc::bad_image, "number 7"},
      {"a JPEG scan of no component", soi + frame(0xc0, 8, 8, grey) + scan("") + eoi, errc::bad_image, "1 to 4 components"},
      {"a JPEG that refines before it begins", soi + tables + frame(0xc2, 8, 8, grey) + scan("\1", 0, 0, 0x10) + eoi, errc::bad_image,
       "one that refines"},
      {"a JPEG of 101 scans", many + eoi, errc::too_large, "100 JPEG scans"},
      {"a JPEG with two frames", soi + frame(0xc0, 8, 8, grey) + frame(0xc0, 9, 9, grey) + eoi, errc::bad_image, "one JPEG frame"},
      {"a JPEG of height 0", replaced(jpeg, sof + 5, big(0, 2)), errc::bad_image, "at least 1"},
      {"a JPEG of width 0", replaced(jpeg, sof + 7, big(0, 2)), errc::bad_image, "at least 1"},
      {"a JPEG bomb", replaced(jpeg, sof + 5, big(~0u)), errc::too_large, "65535 x 65535"},
      {"a JPEG larger than its data can hold", replaced(jpeg, sof + 5, big(9000, 2) + big(9000, 2)), errc::bad_image,
       "data for 9000 x 9000"},
      {"a JPEG of 12 bits", soi + frame(0xc1, 8, 8, grey, 12) + eoi, errc::unsupported, "found 12 bits"},
      {"a JPEG of 2 channels", soi + frame(0xc0, 8, 8, grey + grey) + eoi, errc::unsupported, "found 2 channels"},
      {"a CMYK JPEG", bad_input::content_of(pictures + "cmyk.jpg"), errc::unsupported, "4 channels (CMYK)"},
      {"a lossless JPEG", soi + frame(0xc3, 8, 8, grey) + eoi, errc::unsupported, "a lossless one"},
      {"a hierarchical JPEG", soi + frame(0xc5, 8, 8, grey) + eoi, errc::unsupported, "a hierarchical one"},
      {"an arithmetic-coded JPEG", soi + frame(0xc9, 8, 8, grey) + eoi, errc::unsupported, "an arithmetic-coded one"},
      {"a JPEG segment of 1 byte", soi + "\xff\xe0" + big(1, 2) + eoi, errc::bad_image, "at least 2 bytes, found 1"},
      {"a JPEG segment beyond the end", soi + "\xff\xe0" + big(600, 2) + eoi, errc::bad_image, "(598 bytes at 6)"},
      {"a JPEG frame cut short", soi + segment(0xc0, "\x8") + eoi, errc::bad_image, "a JPEG height"},
      {"a JPEG frame with fewer components than it says", soi + segment(0xc0, "\x8" + big(8, 2) + big(8, 2) + "\3" + grey) + eoi,
       errc::bad_image, "a JPEG component"},
      {"a JPEG with text between its segments", soi + "text" + jpeg.substr(2), errc::bad_image, "another format"},
      {"a JPEG with a restart marker outside a scan", soi + "\xff\xd0" + jpeg.substr(2), errc::bad_image, "marker 208"},
      {"a JPEG without Huffman tables", soi + frame(0xc0, 8, 8, grey) + scan("\1") + eoi, errc::bad_image,
       "Huffman tables before the scan"},
      {"a JPEG with sampling factors of 0", soi + frame(0xc0, 8, 8, std::string("\1\0\0", 3)) + scan("\1") + eoi, errc::bad_image,
       "sampling factors 1 .. 4"},
      {"a JPEG with sampling factors of 5", soi + frame(0xc0, 8, 8, "\1\x51"s + '\0') + scan("\1") + eoi, errc::bad_image, "5 x 1"},
      {"a JPEG with a Huffman table of 4080 codes", soi + segment(0xc4, "\0"s + std::string(16, '\xff') + rows(4080)) + jpeg.substr(2),
       errc::bad_image, "table 0 of 4080"},
      {"a JPEG with a Huffman table cut short", soi + segment(0xc4, "\0"s + std::string(16, '\2') + rows(31)) + jpeg.substr(2),
       errc::bad_image, "a JPEG Huffman table (32 bytes"},
      {"a JPEG without a quantisation table", soi + tables + frame(0xc0, 8, 8, "\1\x11\3") + scan("\1") + eoi, errc::bad_image,
       "quantisation tables before its scans"},
      {"a JPEG with a Huffman table of no code", soi + segment(0xc4, rows(17)) + jpeg.substr(2), errc::bad_image, "table 0 of 0"},
      {"a JPEG with Huffman table 4", soi + segment(0xc4, "\4" + rows(16)) + jpeg.substr(2), errc::bad_image, "table 4 of 0"},
      {"a JPEG with quantisation table 9", soi + segment(0xdb, "\x9" + rows(64)) + jpeg.substr(2), errc::bad_image,
       "quantisation table 0 .. 3, found 9"},
      {"a JPEG with a quantisation table cut short", soi + segment(0xdb, "\x10" + rows(64)) + jpeg.substr(2), errc::bad_image,
       "a JPEG quantisation table (128 bytes"},
      {"a JPEG with a restart interval of 3 bytes", soi + segment(0xdd, "abc") + jpeg.substr(2), errc::bad_image, "2 bytes, found 3"},
  };
}

std::vector<std::uint8_t> from_hex(std::string const& s) {
  auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i + 1 < s.size(); i += 2) out.push_back(static_cast<std::uint8_t>(digit(s[i]) << 4 | digit(s[i + 1])));
  return out;
}

}  // namespace

TEST_CASE("image: PNG pixels equal the reference's, JPEG pixels nearly") {
  auto goldens = io::read_json(pictures + "pictures.json");
  std::size_t values = 0, equal = 0, within_one = 0, files = 0;
  for (auto const& entry : goldens["files"].items()) {
    std::string const name = entry.key();  // clang captures no structured binding in a region of OpenMP
    auto const& golden = entry.value();
    INFO("file: ", name);
    auto picture = io::read_image(pictures + name);
    CHECK(picture.width == golden["width"].get<medmo::index>());
    CHECK(picture.height == golden["height"].get<medmo::index>());
    ++files;
    if (golden.contains("crc32")) {
      std::string_view pixels(reinterpret_cast<char const*>(picture.pixels.data()), picture.pixels.size());
      CHECK(crc32(pixels) == golden["crc32"].get<std::uint32_t>());
      continue;
    }
    auto expected = from_hex(golden["rgb"].get<std::string>());
    REQUIRE(expected.size() == picture.pixels.size());
    int worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      int difference = std::abs(picture.pixels[i] - expected[i]);
      worst = std::max(worst, difference);
      ++values;
      equal += difference == 0;
      within_one += difference <= 1;
    }
    CHECK(worst <= 8);
  }
  CHECK(files == 28);
  MESSAGE("JPEG values equal: ", equal, " within 1: ", within_one, " of ", values);
  CHECK(equal * 100 >= values * 93);
  CHECK(within_one * 100 >= values * 97);
}

TEST_CASE("image: bad pictures are refused by name, from memory and from disk") {
  bad_input::folder folder;
  for (auto const& bad : bad_pictures()) {
    bad_input::refused(bad.name, bad.code, bad.part, [&] { io::read_image(bad_input::bytes_of(bad.content), "memory"); });
    auto path = folder.write("bad", bad.content);
    bad_input::refused(bad.name, bad.code, path + ": expected ", [&] { io::read_image(path); });
  }
  bad_input::refused("no file", errc::file_access, "none.png", [&] { io::read_image(folder.file("none.png")); });
  bad_input::refused("a folder", errc::file_access, "a folder", [&] { io::read_image(folder.path()); });
}

TEST_CASE("image: a number beyond the palette is black, as in Pillow") {
  auto file = signature + header(4, 1, 8, 3) + chunk("PLTE", "abc") + chunk("IDAT", stored("\0\0\1\x80\xff"s)) + end;
  auto picture = io::read_image(bad_input::bytes_of(file), "memory");
  CHECK(picture.pixels == std::vector<std::uint8_t>{97, 98, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("image: limits hold before anything is decoded") {
  auto bytes = bad_input::bytes_of(good_png);
  CHECK(io::read_image(bytes, "memory", {.max_pixels = 4}).pixels.size() == 12);
  bad_input::refused("pixels", errc::too_large, "at most 3 pixels, found 2 x 2",
                     [&] { io::read_image(bytes, "memory", {.max_pixels = 3}); });
  bad_input::refused("bytes", errc::too_large, "at most 10 bytes", [&] { io::read_image(bytes, "memory", {.max_bytes = 10}); });
}

TEST_CASE("image: the header is read without decoding") {
  auto content = bad_input::content_of(pictures + "progressive_420.jpg");
  auto h = io::read_image_header(bad_input::bytes_of(content), "memory");
  CHECK(h.format == io::image_format::jpeg);
  CHECK(h.width == 45);
  CHECK(h.height == 37);
  CHECK(h.channels == 3);
}

TEST_CASE("image: no prefix of a file is a picture") {
  for (auto const* name : {"palette_alpha.png", "interlaced.png", "baseline_420.jpg", "progressive_444.jpg", "restart.jpg"}) {
    auto content = bad_input::content_of(pictures + name);
    for (std::size_t n = 0; n < content.size(); ++n) {
      bool refused = false;
      try {
        io::read_image(bad_input::bytes_of(content).first(n), "memory");
      } catch (medmo::error const& e) {
        refused = e.code() == errc::bad_image;
      }
      INFO(name, " cut after ", n);
      REQUIRE(refused);
    }
  }
}

TEST_CASE("image: what follows the end does not matter") {
  for (auto const* name : {"rgb.png", "baseline_420.jpg"}) {
    auto content = bad_input::content_of(pictures + name);
    auto longer = content + std::string(1000, '\xff');
    CHECK(io::read_image(bad_input::bytes_of(longer), "memory").pixels == io::read_image(pictures + name).pixels);
  }
}

TEST_CASE("image: thousands of damaged files end in an error or a whole picture") {
  int accepted = 0;
  for (auto const* name : {"rgba_16.png", "palette_alpha.png", "baseline_420.jpg", "progressive_422.jpg", "restart.jpg"}) {
    auto content = bad_input::content_of(pictures + name);
    for (std::uint64_t i = 0; i < 600; ++i) {
      auto damaged = bad_input::damaged(content, i);
      try {
        auto p = io::read_image(bad_input::bytes_of(damaged), "memory", {.max_pixels = 1'000'000});
        CHECK(p.pixels.size() == static_cast<std::size_t>(p.width * p.height * 3));
        ++accepted;
      } catch (medmo::error const&) {
      }
    }
  }
  CHECK(accepted > 100);  // JPEG has no check sums
}

TEST_CASE("image: PNG with right check sums and damaged data") {
  auto content = bad_input::content_of(pictures + "interlaced.png");
  auto at = content.find("IDAT");
  auto length = static_cast<std::size_t>(static_cast<unsigned char>(content[at - 2])) << 8 | static_cast<unsigned char>(content[at - 1]);
  auto data = content.substr(at + 4, length);
  for (std::uint64_t i = 0; i < 600; ++i) {
    auto file = content.substr(0, at - 4) + chunk("IDAT", bad_input::damaged(data, i)) + end;
    try {
      auto p = io::read_image(bad_input::bytes_of(file), "memory");
      CHECK(p.pixels.size() == 13 * 11 * 3);
    } catch (medmo::error const& e) {
      CHECK((e.code() == errc::bad_image || e.code() == errc::too_large));
    }
  }
}

TEST_CASE("image: an application's own stb_image is undisturbed") {
  CHECK(sizeof(stbi_uc) == 1);  // the global name, declared by the include above
#if defined(STB_IMAGE_IMPLEMENTATION) || defined(STBI_ONLY_PNG) || defined(STBI_MALLOC)
  FAIL("a macro of ours is left");
#endif
}
