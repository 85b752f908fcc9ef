// PNG files: read back equal, written whole or not at all, bad pictures refused; an application's own stb is undisturbed.
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

#include "medmo/io/image.hpp"
#include "medmo/vision/png.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "bad_input.hpp"
#include "medmo/core/random.hpp"

namespace {

using medmo::errc;
using medmo::image;
using medmo::index;
namespace io = medmo::io;

image noise(index width, index height, std::uint64_t seed) {
  image p(width, height);
  medmo::random_stream random(seed, medmo::stream_of("noise"));
  for (std::size_t i = 0; i < p.pixels.size(); ++i) p.pixels[i] = static_cast<std::uint8_t>(random.bits(i));
  return p;
}

image slope(index width, index height) {
  image p(width, height);
  for (std::size_t i = 0; i < p.pixels.size(); ++i) p.pixels[i] = static_cast<std::uint8_t>(i / 50);
  return p;
}

image flat(index width, index height) {
  image p(width, height);
  std::fill(p.pixels.begin(), p.pixels.end(), std::uint8_t{100});
  return p;
}

image read_back(std::vector<std::uint8_t> const& png) { return io::read_image(std::as_bytes(std::span(png)), "memory"); }

TEST_CASE("png: the reader reads the same pixels") {
  for (auto const& [width, height] : {std::pair<index, index>{1, 1}, {1, 300}, {300, 1}, {2, 2}, {257, 129}, {640, 480}}) {
    index const w = width, h = height;
    CAPTURE(w);
    CAPTURE(h);
    for (auto const& p : {noise(w, h, 1), slope(w, h), flat(w, h)}) {
      auto back = read_back(io::encode_png(p));
      CHECK(back.width == w);
      CHECK(back.height == h);
      CHECK(back.pixels == p.pixels);
    }
  }
  CHECK(io::encode_png(flat(640, 480)).size() < 10000);  // of 921600
}

TEST_CASE("png: several threads write at once") {
  auto const expected = io::encode_png(noise(90, 70, 2));
  std::vector<std::vector<std::uint8_t>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& out : found) threads.emplace_back([&out] { out = io::encode_png(noise(90, 70, 2)); });
  }
  for (auto const& png : found) CHECK(png == expected);
}

TEST_CASE("png: a file is there whole, or as it was") {
  bad_input::folder folder;
  auto const path = folder.file("a.png");
  medmo::vision::write_png(path, slope(40, 30));
  CHECK(io::read_image(path).pixels == slope(40, 30).pixels);
  medmo::vision::write_png(path, flat(8, 8));
  CHECK(std::filesystem::file_size(path) == io::encode_png(flat(8, 8)).size());
  image torn(4, 4);
  torn.pixels.pop_back();
  bad_input::refused("torn", errc::bad_image, "4 x 4 x 3 bytes of pixels", [&] { io::write_png(path, torn); });
  std::filesystem::create_directory(folder.file("b.png"));
  bad_input::refused("a folder", errc::file_access, "b.png", [&] { io::write_png(folder.file("b.png"), flat(2, 2)); });
  bad_input::refused("no folder", errc::file_access, "none/c.png", [&] { io::write_png(folder.file("none/c.png"), flat(2, 2)); });
  CHECK(io::read_image(path).pixels == flat(8, 8).pixels);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);  // nothing is left beside them
}

TEST_CASE("png: sizes that lie are refused before memory is taken") {
  struct bad { char const* name; index width, height; errc code; };
  for (auto const& c : {bad{"nothing", 0, 0, errc::bad_image}, bad{"no width", 0, 5, errc::bad_image},
                        bad{"a negative side", -3, 5, errc::bad_image}, bad{"a product beyond 64 bits", index{1} << 62, 8, errc::bad_image},
                        bad{"a side above 2^24", (index{1} << 24) + 1, 1, errc::bad_image},
                        bad{"more values than stb counts", 1 << 24, 1 << 24, errc::too_large},
                        bad{"no pixels", 1000, 1000, errc::bad_image}}) {
    image p;
    p.width = c.width, p.height = c.height;
    bad_input::refused(c.name, c.code, "PNG", [&] { io::encode_png(p); });
  }
}

TEST_CASE("png: an application's own stb_image_write is undisturbed") {
  CHECK(static_cast<int>(sizeof(&stbi_write_png)) > 0);  // the global name, declared by the include above
}

}  // namespace
