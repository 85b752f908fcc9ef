// DICOM files against pydicom and numpy (tests/data/dicom/goldens.json, by tools/export_dicom_goldens.py), and every refusal
// by its name. With MEDMO_DICOM_GOLDENS set to another such file, its cases are checked too and listed as a table.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "medmo/core/box.hpp"
#include "medmo/io/dicom.hpp"

#include "dicom_parts.hpp"
#include "../named_case.hpp"

using namespace medmo;

namespace {

std::string const folder = MEDMO_TEST_DATA "/dicom/";

bytes load(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  auto const* begin = reinterpret_cast<std::byte const*>(text.data());
  return {begin, begin + text.size()};
}

std::uint32_t crc(std::vector<std::uint8_t> const& pixels) { return io::detail::crc32(std::as_bytes(std::span(pixels))); }

io::dicom_options options_of(nlohmann::json const& c) {
  io::dicom_options o{.frame = c["frame"].get<medmo::index>()};
  if (c.contains("window")) o.window = io::dicom_window{c["window"][0].get<double>(), c["window"][1].get<double>()};
  if (c.contains("ct")) o.colour = io::dicom_colour::ct_windows;
  return o;
}

/// The greys of the picture, in words so that a failure shows them.
std::string greys(parts const& p, io::dicom_options const& o = {}) {
  auto picture = io::read_dicom(p.file(), "memory", o).picture;
  std::string grey;
  for (std::size_t i = 0; i < picture.pixels.size(); i += 3) {
    if (i > 0) grey += ' ';
    grey += std::to_string(picture.pixels[i]);
  }
  return grey;
}

void fragments(writer& w, std::vector<std::string> const& items) {
  w.element(0x7fe00010, "OB", "", 0xffffffff);
  w.tag(0xfffee000), w.number(0, 4);
  for (auto const& item : items) w.tag(0xfffee000), w.number(item.size(), 4), w.raw(item);
  w.tag(0xfffee0dd), w.number(0, 4);
}

/// The start of a JPEG: SOI, a frame header, a scan header.
std::string jpeg_head(unsigned rows, unsigned columns, unsigned channels, unsigned precision = 8, char kind = '\xc0') {
  std::string s("\xff\xd8\xff", 3);
  s += kind;
  auto two = [&](unsigned v) { s += static_cast<char>(v >> 8), s += static_cast<char>(v & 0xff); };
  two(8 + 3 * channels), s += static_cast<char>(precision), two(rows), two(columns), s += static_cast<char>(channels);
  for (unsigned c = 0; c < channels; ++c) s += static_cast<char>(c + 1), s += '\x11', s += '\0';
  s += std::string("\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00", 10);
  return s;
}

}  // namespace

TEST_CASE("pictures of DICOM files equal pydicom's and numpy's") {
  std::vector<std::string> lists{folder + "goldens.json"};
  char const* more = std::getenv("MEDMO_DICOM_GOLDENS");
  if (more) lists.emplace_back(more);
  for (auto const& list : lists) {
    auto goldens = nlohmann::json::parse(std::ifstream(list));
    auto base = list.substr(0, list.rfind('/') + 1);
    REQUIRE(goldens["cases"].size() > 10);
    for (auto const& c : goldens["cases"]) {
      auto file = c["file"].get<std::string>();
      bool table = list != lists[0];
      std::string verdict, syntax = "-";
      CAPTURE(c.dump());
      try {
        auto read = io::read_dicom(base + file, options_of(c));
        syntax = read.transfer_syntax;
        auto const& p = read.picture;
        if (!table) REQUIRE(!c.contains("refused"));
        if (c.contains("refused")) {
          verdict = "read; the reference refuses (" + c["refused"].get<std::string>() + ")";
        } else if (p.width != c["width"].get<medmo::index>() || p.height != c["height"].get<medmo::index>()) {
          verdict = "DIFFERENT size";
        } else if (crc(p.pixels) == c["crc32"].get<std::uint32_t>()) {
          verdict = "equal";
        } else {
          verdict = "DIFFERENT";
          if (c.contains("raw")) {
            auto raw = load(c["raw"].get<std::string>());
            std::size_t differ = 0;
            int worst = 0;
            for (std::size_t i = 0; i < raw.size(); ++i) {
              int d = std::abs(int{p.pixels[i]} - static_cast<int>(raw[i]));
              differ += d != 0;
              worst = std::max(worst, d);
            }
            verdict += " in " + std::to_string(differ) + " of " + std::to_string(raw.size()) + ", by at most " + std::to_string(worst);
          }
        }
        if (!table) {
          for (std::size_t i = 0; i < c["at"].size(); ++i)
            CHECK(int{p.pixels[c["at"][i].get<std::size_t>()]} == c["values"][i].get<int>());
          CHECK(verdict == "equal");
          CHECK(read.rows == p.height);
          CHECK(read.columns == p.width);
        }
      } catch (error const& e) {
        if (!table) FAIL(e.what());
        verdict = "error: expected " + e.expected() + ", found " + e.found();
        if (c.contains("refused")) verdict += " (so does the reference: " + c["refused"].get<std::string>() + ")";
      }
      if (table)
        std::printf("| %s | %lld%s | %s | %s | %s |\n", file.c_str(), c["frame"].get<long long>(),
                    c.contains("window") ? " window" : c.contains("ct") ? " ct" : "", syntax.c_str(),
                    c.value("decoder", std::string("-")).c_str(), verdict.c_str());
    }
  }
}

TEST_CASE("geometry, window and names of a file") {
  auto ct = io::read_dicom(folder + "CT_small.dcm");
  CHECK(ct.rows == 128);
  CHECK(ct.columns == 128);
  CHECK(ct.frames == 1);
  CHECK(ct.photometric_interpretation == "MONOCHROME2");
  CHECK(ct.transfer_syntax == "Little Endian Explicit");
  REQUIRE(ct.pixel_spacing_mm.has_value());
  CHECK(ct.pixel_spacing_mm->first == doctest::Approx(0.661468));
  CHECK(!ct.window);
  auto mr = io::read_dicom(folder + "MR_small.dcm");
  REQUIRE(mr.window.has_value());
  CHECK(mr.window->centre == 600);
  CHECK(mr.window->width == 1600);
  CHECK(io::read_dicom(folder + "emri_small.dcm", {.frame = 9}).frames == 10);
  CHECK(io::read_dicom(folder + "liver.dcm", {.frame = 2}).bits_stored == 1);
}

TEST_CASE("a box of the picture is a box of the matrix: a mask's extent is numpy's") {
  box<pixel> const expected[] = {{79, 145, 351, 367}, {80, 146, 350, 366}, {81, 147, 349, 365}};  // of liver.dcm's pixel_array
  for (medmo::index frame = 0; frame < 3; ++frame) {
    auto mask = io::read_dicom(folder + "liver.dcm", {.frame = frame}).picture;
    box<pixel> found{1e9, 1e9, 0, 0};
    for (medmo::index y = 0; y < mask.height; ++y)
      for (medmo::index x = 0; x < mask.width; ++x)
        if (mask.at(x, y)[0] != 0)
          found = {std::min(found.x1, double(x)), std::min(found.y1, double(y)), std::max(found.x2, double(x + 1)), std::max(found.y2, double(y + 1))};
    CHECK(found == expected[frame]);
  }
}

TEST_CASE("windows follow the formulas of PS3.3 C.11.2") {
  parts p;  // values 0 1 2 3 4 5 4095 8
  p.centre = "4 ", p.width = "5\\9";
  // linear: (x - 3.5) / 4 + 0.5 within 1.5 < x <= 5.5
  CHECK(greys(p) == "0 0 32 96 159 223 255 255");
  p.function = "LINEAR_EXACT", p.width = "7";  // (x - 4) / 7 + 0.5 within 0.5 < x <= 7.5
  CHECK(greys(p) == "0 18 55 91 128 164 255 255");
  p.function = "SIGMOID", p.width = "5";  // 1 / (1 + exp(-4 (x - 4) / 5))
  CHECK(greys(p) == "10 21 43 79 128 176 255 245");
  p.width = "0.5";
  p.function = "LINEAR_EXACT";
  CHECK(greys(p) == "0 0 0 0 128 255 255 255");
  p.function = "";
  p.width = "1";  // a threshold at 3.5
  CHECK(greys(p) == "0 0 0 0 255 255 255 255");
  CHECK(greys(p, {.window = io::dicom_window{4, 5}}) == "0 0 32 96 159 223 255 255");
  p.photometric = "MONOCHROME1";
  CHECK(greys(p) == "255 255 255 255 0 0 0 0");
}

TEST_CASE("what is not stored is not shown; signs, rescale, and the range of a frame without a window") {
  parts p;
  p.pixels[13] = '\x7f';  // 0x7fff: overlay bits above the 12 stored
  p.centre = "4", p.width = "5";
  CHECK(greys(p) == "0 0 32 96 159 223 255 255");
  p.representation = 1;  // 0xfff is -1
  CHECK(greys(p) == "0 0 32 96 159 223 0 255");
  p.slope = "-1", p.intercept = "+5";
  CHECK(greys(p) == "223 159 96 32 0 0 255 0");
  p.centre = "";
  CHECK(greys(p) == "227 198 170 142 113 85 255 0");  // -3 .. 6
  p.pixels.assign(16, '\x05');
  CHECK(greys(p) == "0 0 0 0 0 0 0 0");
  parts high;  // 4 bits stored from bit 7 down
  high.stored = 4, high.high = 7;
  high.pixels = std::string("\x0f\x00\x1f\x00\xf0\x00\x00\x01\x10\x00\x20\x00\x30\x00\x40\x00", 16);
  CHECK(greys(high) == "0 17 255 0 17 34 51 68");
}

TEST_CASE("three windows of CT in three channels; other modalities and colours are refused") {
  parts p;
  p.slope = "1", p.intercept = "-1";
  auto picture = io::read_dicom(p.file(), "memory", {.colour = io::dicom_colour::ct_windows}).picture;
  CHECK(int{picture.at(2, 1)[0]} == 255);  // 4094 HU
  CHECK(int{picture.at(1, 0)[0]} == 128);  // 0 HU
  CHECK(int{picture.at(1, 0)[1]} == 99);
  CHECK(int{picture.at(1, 0)[2]} == 0);
  CHECK(int{picture.at(2, 0)[2]} == 3);  // 1 HU: (1 - 39.5) / 79 + 0.5
}

TEST_CASE("frames of enhanced objects have their own rescale and window") {
  parts p;
  p.frames = "2";
  p.pixels += p.pixels;
  p.before = [](writer& w) {
    auto item = [](writer& to, auto inside) {
      writer in;
      inside(in);
      to.tag(0xfffee000), to.number(in.out.size(), 4);
      to.raw({reinterpret_cast<char const*>(in.out.data()), in.out.size()});
    };
    auto sequence = [&](writer& to, std::uint32_t tag, std::vector<std::function<void(writer&)>> items) {
      writer in;
      for (auto const& one : items) item(in, one);
      to.element(tag, "SQ", {reinterpret_cast<char const*>(in.out.data()), in.out.size()});
    };
    auto rescale = [=](std::string intercept) {
      return [=](writer& to) {
        sequence(to, 0x00289145, {[=](writer& in) { in.element(0x00281052, "DS", intercept), in.element(0x00281053, "DS", "1"); }});
      };
    };
    sequence(w, 0x52009229, {[=](writer& to) {
      sequence(to, 0x00289132, {[](writer& in) { in.element(0x00281050, "DS", "4"), in.element(0x00281051, "DS", "5"); }});
    }});
    sequence(w, 0x52009230, {rescale("0"), rescale("1")});
  };
  CHECK(greys(p) == "0 0 32 96 159 223 255 255");
  CHECK(greys(p, {.frame = 1}) == "0 32 96 159 223 255 255 255");
}

TEST_CASE("colours: by pixel and by plane, half colour, palettes of words") {
  parts p;
  p.photometric = "RGB", p.samples = 3, p.allocated = p.stored = 8, p.high = 7, p.rows = 1, p.columns = 2;
  p.pixels = "abcdef";
  auto pixels = [&] { return io::read_dicom(p.file(), "memory").picture.pixels; };
  CHECK(pixels() == std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
  p.planar = 1;
  CHECK(pixels() == std::vector<std::uint8_t>{'a', 'c', 'e', 'b', 'd', 'f'});
  p.planar = 0;
  p.photometric = "YBR_FULL";
  p.pixels = std::string("\x64\x80\x80\x64\x80\xff", 6);
  CHECK(pixels() == std::vector<std::uint8_t>{100, 100, 100, 255, 9, 100});
  p.photometric = "YBR_FULL_422";
  p.pixels = std::string("\x64\x32\x80\xff", 4);
  CHECK(pixels() == std::vector<std::uint8_t>{255, 9, 100, 228, 0, 50});
}

TEST_CASE("palettes in segments: values, lines, and repetitions") {
  parts p;
  p.photometric = "PALETTE COLOR", p.allocated = p.stored = 8, p.high = 7, p.rows = 1, p.columns = 8;
  p.pixels = std::string("\x00\x01\x02\x03\x04\x05\x06\x07", 8);
  p.before = [](writer& w) {
    for (unsigned c = 0; c < 3; ++c) w.element(0x00281101 + c, "US", std::string("\x08\x00\x00\x00\x10\x00", 6));
    for (unsigned c = 0; c < 3; ++c) {
      writer words;  // 1, 3 in words' high bytes; a line over 3 to 9; the first segment again, which is at byte 0; a value
      for (unsigned v : {0u, 2u, 0x100u, 0x300u, 1u, 3u, 0x900u, 2u, 1u, 0u, 0u, 0u, 1u, 0xff00u}) words.number(v, 2);
      w.element(0x00281221 + c, "OW", {reinterpret_cast<char const*>(words.out.data()), words.out.size()});
    }
  };
  CHECK(greys(p) == "1 3 5 7 9 1 3 255");
}

TEST_CASE("sequences in each other are walked, to a depth of 64 and no further") {
  auto nested = [](int depth) {
    parts p;
    p.before = [depth](writer& w) {
      for (int i = 0; i < depth; ++i) w.element(0x00400260, "SQ", "", 0xffffffff), w.tag(0xfffee000), w.number(0xffffffff, 4);
      for (int i = 0; i < depth; ++i) w.tag(0xfffee00d), w.number(0, 4), w.tag(0xfffee0dd), w.number(0, 4);
    };
    return p.file();
  };
  CHECK(io::read_dicom(nested(20), "memory").columns == 4);
  for (int depth : {40, 1000, 200000}) {
    try {
      io::read_dicom(nested(depth), "memory");
      FAIL("not refused");
    } catch (error const& e) {
      CHECK(e.code() == errc::bad_image);
      CHECK(e.expected() == "at most 64 DICOM sequences in each other");
    }
  }
}

TEST_CASE("bad files are refused, each by its name") {
  struct bad {
    char const* name;
    std::function<void(parts&)> damage;
    errc code;
    char const* words;  ///< of the message
    io::dicom_options options = {};
  };
  std::string const root = "1.2.840.10008.1.2";
  auto rle_of = [](std::string body) {
    return [body](writer& w) { fragments(w, {body}); };
  };
  std::vector<bad> const cases = {
      {"no rows", [](parts& p) { p.rows = 0; }, errc::bad_image, "4 x 0"},
      {"more rows than data", [](parts& p) { p.rows = 3; }, errc::bad_image, "1 frames of 192 bits"},
      {"the largest size", [](parts& p) { p.rows = p.columns = 65535; }, errc::too_large, "65535 x 65535"},
      {"a size beyond the caller's limit", [](parts&) {}, errc::too_large, "at most 7 pixels", {.limits = {.max_pixels = 7}}},
      {"a file beyond the caller's limit", [](parts&) {}, errc::too_large, "at most 99 bytes", {.limits = {.max_bytes = 99}}},
      {"more frames than data", [](parts& p) { p.frames = "2"; }, errc::bad_image, "2 frames"},
      {"frames beyond all numbers", [](parts& p) { p.frames = "999999999999"; }, errc::bad_image, "1 or more frames"},
      {"no frame", [](parts& p) { p.frames = "0"; }, errc::bad_image, "1 or more frames"},
      {"half a frame", [](parts& p) { p.frames = "1.5"; }, errc::bad_image, "1 or more frames"},
      {"frames in words", [](parts& p) { p.frames = "two"; }, errc::bad_image, "a number in (0028,0008)"},
      {"a frame that is not there", [](parts&) {}, errc::bad_argument, "a frame of 0 .. 0", {.frame = 1}},
      {"a frame before the first", [](parts&) {}, errc::bad_argument, "a frame of 0 .. 0", {.frame = -1}},
      {"no bits stored", [](parts& p) { p.stored = 0; }, errc::bad_image, "bits stored"},
      {"more bits stored than allocated", [](parts& p) { p.stored = 17; }, errc::bad_image, "bits stored"},
      {"a high bit below the stored ones", [](parts& p) { p.high = 10; }, errc::bad_image, "a high bit"},
      {"a high bit above the allocated ones", [](parts& p) { p.high = 16; }, errc::bad_image, "a high bit"},
      {"12 bits allocated", [](parts& p) { p.allocated = 12; }, errc::unsupported, "found 12"},
      {"64 bits allocated", [](parts& p) { p.allocated = 64; }, errc::unsupported, "found 64"},
      {"a third sign", [](parts& p) { p.representation = 2; }, errc::bad_image, "a pixel representation"},
      {"three samples of grey", [](parts& p) { p.samples = 3; }, errc::bad_image, "as many samples"},
      {"one sample of colour", [](parts& p) { p.photometric = "RGB"; }, errc::bad_image, "as many samples"},
      {"a third planar configuration", [](parts& p) { p.photometric = "RGB", p.samples = 3, p.planar = 2; }, errc::bad_image, "planar"},
      {"signed colours", [](parts& p) { p.photometric = "RGB", p.samples = 3, p.representation = 1; }, errc::unsupported, "unsigned colours"},
      {"no photometric interpretation", [](parts& p) { p.photometric = ""; }, errc::bad_image, "a photometric interpretation"},
      {"CMYK", [](parts& p) { p.photometric = "CMYK"; }, errc::unsupported, "found CMYK"},
      {"an unknown photometric interpretation", [](parts& p) { p.photometric = "JOHN DOE"; }, errc::unsupported, "found another"},
      {"half colour of an odd width",
       [](parts& p) { p.photometric = "YBR_FULL_422", p.samples = 3, p.allocated = p.stored = 8, p.high = 7, p.columns = 3; },
       errc::bad_image, "an even number of columns"},
      {"a palette without colours", [](parts& p) { p.photometric = "PALETTE COLOR"; }, errc::bad_image, "a table (0028,1201)"},
      {"a palette shorter than it says",
       [](parts& p) {
         p.photometric = "PALETTE COLOR";
         p.before = [](writer& w) {
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281101 + c, "US", std::string("\x00\x00\x00\x00\x10\x00", 6));
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281201 + c, "OW", "abcd");
         };
       },
       errc::bad_image, "65536 entries"},
      {"a segmented palette without a first value",
       [](parts& p) {
         p.photometric = "PALETTE COLOR";
         p.before = [](writer& w) {
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281101 + c, "US", std::string("\x04\x00\x00\x00\x10\x00", 6));
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281221 + c, "OW", std::string("\x01\x00\x04\x00\xff\xff", 6));
         };
       },
       errc::bad_image, "a segment of values"},
      {"a segmented palette that repeats itself without end",
       [](parts& p) {
         p.photometric = "PALETTE COLOR";
         p.before = [](writer& w) {
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281101 + c, "US", std::string("\x04\x00\x00\x00\x10\x00", 6));
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281221 + c, "OW", std::string("\x02\x00\x01\x00\x00\x00\x00\x00", 8));
         };
       },
       errc::bad_image, "a segment of values"},
      {"a segmented palette of segments of nothing",
       [](parts& p) {
         p.photometric = "PALETTE COLOR";
         p.before = [](writer& w) {
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281101 + c, "US", std::string("\x04\x00\x00\x00\x10\x00", 6));
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281221 + c, "OW", std::string(64, '\0'));
         };
       },
       errc::bad_image, "a segment of values"},
      {"a segmented palette shorter than it says",
       [](parts& p) {
         p.photometric = "PALETTE COLOR";
         p.before = [](writer& w) {
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281101 + c, "US", std::string("\x04\x00\x00\x00\x10\x00", 6));
           for (unsigned c = 0; c < 3; ++c) w.element(0x00281221 + c, "OW", std::string("\x00\x00\x01\x00\x01\x00", 6));
         };
       },
       errc::bad_image, "whole segments"},
      {"a window of no width", [](parts& p) { p.centre = "1", p.width = "0"; }, errc::bad_image, "a window of a width"},
      {"a window that is not a number", [](parts& p) { p.centre = "nan", p.width = "5"; }, errc::bad_image, "(0028,1050)"},
      {"an unknown window function", [](parts& p) { p.centre = "1", p.width = "5", p.function = "MAGIC"; }, errc::bad_image, "a window function"},
      {"a slope in words", [](parts& p) { p.slope = "steep", p.intercept = "0"; }, errc::bad_image, "(0028,1053)"},
      {"a slope beyond all numbers", [](parts& p) { p.slope = "1e999", p.intercept = "0"; }, errc::bad_image, "(0028,1053)"},
      {"the caller's window of no width", [](parts&) {}, errc::bad_argument, "a window of a width", {.window = io::dicom_window{1, 0}}},
      {"the caller's window that is not a number", [](parts&) {}, errc::bad_argument, "a window of a width",
       {.window = io::dicom_window{std::nan(""), 5}}},
      {"three windows of MR", [](parts& p) { p.modality = "MR"; }, errc::bad_argument, "CT for three windows",
       {.colour = io::dicom_colour::ct_windows}},
      {"a window and three windows", [](parts&) {}, errc::bad_argument, "found both",
       {.window = io::dicom_window{1, 5}, .colour = io::dicom_colour::ct_windows}},
      {"an element twice", [](parts& p) { p.before = [](writer& w) { w.word(0x00280010, 2); }; }, errc::bad_image, "one DICOM element (0028,0010)"},
      {"a value representation that is none", [](parts& p) { p.before = [](writer& w) { w.element(0x00290000, "u1", "ab"); }; },
       errc::bad_image, "two letters"},
      {"an element longer than the file", [](parts& p) { p.before = [](writer& w) { w.element(0x00400000, "OB", "ab", 0xfffffffe); }; },
       errc::bad_image, "4294967294 bytes more"},
      {"a sequence without an end", [](parts& p) { p.before = [](writer& w) { w.element(0x00400260, "SQ", "", 0xffffffff); }; },
       errc::bad_image, "a DICOM item"},
      {"an item outside a sequence", [](parts& p) { p.before = [](writer& w) { w.tag(0xfffee000), w.number(0, 4); }; }, errc::bad_image,
       "found an item"},
      {"no pixel data", [](parts& p) { p.instead = [](writer&) {}; }, errc::bad_image, "pixel data, found none"},
      {"floating point", [](parts& p) { p.instead = [](writer& w) { w.element(0x7fe00008, "OW", "abcd"); }; }, errc::unsupported,
       "floating point"},
      {"fragments in an uncompressed file", [=](parts& p) { p.instead = rle_of("ab"); }, errc::bad_image, "a definite length"},
      {"no transfer syntax", [](parts& p) { p.syntax = ""; }, errc::bad_image, "found none"},
      {"a transfer syntax of letters", [](parts& p) { p.syntax = "JOHN^DOE"; }, errc::bad_image, "found something else"},
      {"an unknown transfer syntax", [](parts& p) { p.syntax = "1.2.3"; }, errc::unsupported, "transfer syntax 1.2.3"},
      {"JPEG 2000", [=](parts& p) { p.syntax = root + ".4.90"; }, errc::unsupported, "JPEG 2000"},
      {"MPEG2", [=](parts& p) { p.syntax = root + ".4.100"; }, errc::unsupported, "MPEG2"},
      {"implicit elements in an explicit file", [](parts& p) { p.before = [](writer& w) { w.explicit_vr = false, w.word(0x00290000, 1); }; },
       errc::bad_image, "two letters"},
      {"deflate of nothing deflated", [=](parts& p) { p.syntax = root + ".1.99"; }, errc::bad_image, "a deflated data set"},
      {"RLE: a definite length", [=](parts& p) { p.syntax = root + ".5"; }, errc::bad_image, "fragments of compressed"},
      {"RLE: an empty frame", [=](parts& p) { p.syntax = root + ".5", p.instead = rle_of(""); }, errc::bad_image, "compressed bytes"},
      {"RLE: no header", [=](parts& p) { p.syntax = root + ".5", p.instead = rle_of("ab"); }, errc::bad_image, "an RLE header"},
      {"RLE: offsets beyond the frame", [=](parts& p) { p.syntax = root + ".5", p.instead = rle_of("\x02" + std::string(3, '\0') + std::string(76, '\xff')); },
       errc::bad_image, "RLE segments one after another"},
      {"RLE: other segments than bytes", [=](parts& p) { p.syntax = root + ".5", p.instead = rle_of("\x03" + std::string(76, '\0')); },
       errc::bad_image, "2 RLE segments"},
      {"RLE: a run beyond its segment",
       [=](parts& p) {
         std::string two = "\x02" + std::string(3, '\0') + "\x40" + std::string(3, '\0') + "\x42" + std::string(3, '\0');
         p.syntax = root + ".5", p.instead = rle_of(two + std::string(52, '\0') + "\xf9" + std::string(1, '\0') + "\x05z");
       },
       errc::bad_image, "the bytes of an RLE run"},
      {"RLE: a segment too short",
       [=](parts& p) {
         std::string two = "\x02" + std::string(3, '\0') + "\x40" + std::string(3, '\0') + "\x42" + std::string(3, '\0');
         p.syntax = root + ".5", p.instead = rle_of(two + std::string(52, '\0') + "\xfa" + std::string(3, '\0'));
       },
       errc::bad_image, "8 values in an RLE segment"},
      {"RLE: fewer frames than promised", [=](parts& p) { p.syntax = root + ".5", p.frames = "3", p.instead = rle_of(std::string(80, '\0')); },
       errc::bad_image, "3 frames"},
      {"RLE: a bomb", [=](parts& p) { p.syntax = root + ".5", p.rows = p.columns = 9000, p.instead = rle_of(std::string(80, '\0')); },
       errc::bad_image, "compressed bytes for the frame"},
      {"JPEG: other bytes", [=](parts& p) { p.syntax = root + ".4.70", p.instead = rle_of("not a JPEG"); }, errc::bad_image, "a JPEG frame"},
      {"JPEG: another size inside", [=](parts& p) { p.syntax = root + ".4.50", p.instead = rle_of(jpeg_head(65500, 65500, 1)); },
       errc::bad_image, "65500 x 65500"},
      {"JPEG: other channels inside", [=](parts& p) { p.syntax = root + ".4.50", p.instead = rle_of(jpeg_head(2, 4, 3)); }, errc::bad_image,
       "of 3"},
      {"JPEG: a scan of nothing", [=](parts& p) { p.syntax = root + ".4.50", p.instead = rle_of(jpeg_head(2, 4, 1)); }, errc::bad_image,
       "from DCMTK"},
      {"JPEG: no frame header", [=](parts& p) { p.syntax = root + ".4.50", p.instead = rle_of(std::string("\xff\xd8\xff\xda\x00\x02", 6)); },
       errc::bad_image, "a JPEG frame header"},
      {"JPEG: cut in its header", [=](parts& p) { p.syntax = root + ".4.50", p.instead = rle_of(jpeg_head(2, 4, 1).substr(0, 9)); },
       errc::bad_image, "truncated"},
      {"JPEG-LS: a scan of nothing", [=](parts& p) { p.syntax = root + ".4.80", p.instead = rle_of(jpeg_head(2, 4, 1, 12, '\xf7')); },
       errc::bad_image, "from DCMTK"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.name);
    named_case(c.name);
    parts p;
    c.damage(p);
    try {
      io::read_dicom(p.file(), "memory", c.options);
      FAIL_CHECK("not refused");
    } catch (error const& e) {
      std::string what = e.what();
      CAPTURE(what);
      CHECK(e.code() == c.code);
      CHECK(what.find(c.words) != what.npos);
      CHECK(what.find("DOE") == what.npos);
    }
  }
}

TEST_CASE("a file cut anywhere is refused or reads the same, and no damaged byte does harm") {
  for (auto const* name : {"MR_small.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "image_dfl.dcm"}) {
    auto whole = load(folder + name);
    auto expected = crc(io::read_dicom(whole, "memory").picture.pixels);
    for (std::size_t cut = 0; cut < whole.size(); cut += 1 + whole.size() / 400) {
      try {
        auto found = crc(io::read_dicom(std::span(whole).first(cut), "memory").picture.pixels);
        INFO("cut at " << cut);
        CHECK(found == expected);  // only the padding is gone
        CHECK(cut > whole.size() * 9 / 10);
      } catch (error const&) {
      }
    }
    std::uint64_t seed = 1;
    for (int round = 0; round < 600; ++round) {
      auto damaged = whole;
      for (int k = 0; k < 3; ++k) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        auto range = round % 2 == 0 ? std::min<std::size_t>(damaged.size(), 2000) : damaged.size();
        damaged[132 + (seed >> 33) % (range - 132)] = static_cast<std::byte>(seed >> 25);
      }
      try {
        io::read_dicom(damaged, "memory");
      } catch (error const&) {
      }
    }
  }
}

TEST_CASE("threads read at once, and get the same") {
  auto expected = crc(io::read_dicom(folder + "emri_small.dcm", {.frame = 3}).picture.pixels);
  std::vector<std::uint32_t> found(4);
  std::vector<std::thread> threads;
  for (auto& f : found)
    threads.emplace_back([&f] {
      for (int i = 0; i < 5; ++i) f = crc(io::read_dicom(folder + "emri_small.dcm", {.frame = 3}).picture.pixels);
    });
  for (auto& t : threads) t.join();
  for (auto f : found) CHECK(f == expected);
}
