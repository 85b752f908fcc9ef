// Resizing: equal to Pillow and to torch byte for byte (check sums), to the scalar reference, for every thread count.
#include "medmo/kernels/resample.hpp"

#include "unit/vision/goldens.hpp"
#include "unit/vision/read_png.hpp"

namespace {  // also keeps POSIX index() out

using medmo::image;
using medmo::index;
using medmo::kernels::resample_bicubic;
using medmo::kernels::resample_rule;

std::uint32_t crc(image const& a) { return goldens::crc32(a.pixels.data(), a.pixels.size()); }

TEST_CASE("resample: every byte equals Pillow's, and torch's under its rule") {
  for (auto const& row : goldens::of("resize")) {
    std::string kind = row.at("kind");
    index w = row.at("from")[0], h = row.at("from")[1], to_w = row.at("to")[0], to_h = row.at("to")[1];
    CAPTURE(kind);
    CAPTURE(w);
    CAPTURE(h);
    CAPTURE(to_w);
    CAPTURE(to_h);
    image in = goldens::picture(kind, row.at("seed"), w, h);
    image out = resample_bicubic(in, to_w, to_h);
    for (auto const& sample : row.at("samples")) CHECK(int{out.pixels[sample[0].get<std::size_t>()]} == sample[1]);
    CHECK(crc(out) == row.at("pillow").get<std::uint32_t>());
    CHECK(crc(resample_bicubic(in, to_w, to_h, resample_rule::torch)) == row.at("torch").get<std::uint32_t>());
  }
}

TEST_CASE("resample: real pictures equal Pillow's and torch's bytes") {
  for (auto const& row : goldens::of("pictures")) {
    std::string file = row.at("file");
    CAPTURE(file);
    image in = read_png(std::string(MEDMO_TEST_DATA "/images/") + file);
    index w = row.at("to")[0], h = row.at("to")[1];
    auto by_pillow = resample_bicubic(in, w, h), by_torch = resample_bicubic(in, w, h, resample_rule::torch);
    CHECK(crc(by_pillow) == row.at("pillow").get<std::uint32_t>());
    CHECK(crc(by_torch) == row.at("torch").get<std::uint32_t>());
    index equal = 0;
    for (std::size_t i = 0; i < by_pillow.pixels.size(); ++i) equal += by_pillow.pixels[i] == by_torch.pixels[i];
    double share = static_cast<double>(equal) / static_cast<double>(by_pillow.pixels.size());
    CHECK(share == doctest::Approx(row.at("torch_equals_pillow").get<double>()).epsilon(1e-6));
  }
}

TEST_CASE("resample: equal to the scalar reference at sizes with tails, for every rule and number of threads") {
  index sides[] = {1, 2, 3, 5, 15, 16, 17, 31, 33, 47, 64, 65};
  int different = 0, tried = 0;
  for (std::uint32_t n = 0; n < 60; ++n) {
    auto pick = [&](std::uint32_t k) { return sides[(n * 7 + k * k * 5 + n * n) % std::size(sides)]; };
    image in = goldens::picture(n % 2 ? "noise" : "edges", n, pick(1), pick(2));
    for (auto rule : {resample_rule::pillow, resample_rule::pillow_horizontal_first, resample_rule::torch}) {
      auto expected = medmo::kernels::reference::resample_bicubic(in, pick(3), pick(4), rule);
      for (int threads : {1, 2, 5}) {
        medmo::set_thread_count(threads);
        different += resample_bicubic(in, pick(3), pick(4), rule).pixels != expected.pixels;
        ++tried;
      }
    }
  }
  medmo::set_thread_count(0);
  CHECK(tried == 540);
  CHECK(different == 0);
}

TEST_CASE("resample: a flat picture stays flat, an equal size is a copy") {
  for (std::uint8_t grey : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{127}, std::uint8_t{255}}) {
    image in(37, 53);
    std::fill(in.pixels.begin(), in.pixels.end(), grey);
    for (auto rule : {resample_rule::pillow, resample_rule::torch}) {
      auto out = resample_bicubic(in, 96, 32, rule);
      CHECK(std::count(out.pixels.begin(), out.pixels.end(), grey) == 96 * 32 * 3);
    }
    CHECK(resample_bicubic(in, 37, 53).pixels == in.pixels);
  }
}

#if MEDMO_EXCEPTIONS
TEST_CASE("resample: sizes that make no sense are errors") {
  image good(4, 4), empty, torn(4, 4);
  torn.pixels.resize(47);
  struct row {
    char const* name;
    image const* in;
    index w, h;
  };
  for (row const& r :
       {row{"no input", &empty, 4, 4}, row{"pixels too few", &torn, 4, 4}, row{"width 0", &good, 0, 4},
        row{"negative height", &good, 4, -1}, row{"beyond the limit", &good, (index{1} << 24) + 1, 1}}) {
    CAPTURE(r.name);
    CHECK_THROWS_AS(resample_bicubic(*r.in, r.w, r.h), medmo::error);
  }
}
#endif

}  // namespace
