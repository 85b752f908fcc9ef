// Drawing: any size, hostile boxes and labels, colours, tags apart.
#include "medmo/vision/overlay.hpp"

#include <limits>

#include "medmo/core/random.hpp"
#include "unit/vision/goldens.hpp"

namespace {  // also keeps POSIX index() out

using medmo::detection;
using medmo::image;
using medmo::index;
using medmo::vision::overlay;
using colour = std::array<int, 3>;

colour at(image const& a, index x, index y) { return {a.at(x, y)[0], a.at(x, y)[1], a.at(x, y)[2]}; }

detection found(std::string label, double x1, double y1, double x2, double y2, std::optional<double> confidence = {}) {
  return {std::move(label), {}, {x1, y1, x2, y2}, 0, confidence};
}

image grey(index w, index h) {
  image a(w, h);
  std::fill(a.pixels.begin(), a.pixels.end(), std::uint8_t{100});
  return a;
}

colour const plain{100, 100, 100};

TEST_CASE("overlay: nothing found leaves the picture as it is") {
  auto a = goldens::picture("noise", 1, 600, 512);
  CHECK(overlay(a, {}).pixels == a.pixels);
  CHECK(overlay(goldens::picture("noise", 1, 60, 51), {}, {.least_side = 0}).pixels.size() == 60 * 51 * 3);
}

TEST_CASE("overlay: the line lies on the box's edge, dark on both sides, and the inside is untouched") {
  std::vector<detection> one{found("", 100, 200, 300, 400)};
  auto a = overlay(grey(800, 800), one, {.line_width = 2});
  colour paint = at(a, 100, 300);
  CHECK(paint != plain);
  for (auto [x, y] : {std::pair<index, index>{99, 300}, {299, 300}, {300, 300}, {200, 199}, {200, 200}, {200, 399}})
    CHECK(at(a, x, y) == paint);
  CHECK(at(a, 98, 300)[0] < 60);
  CHECK(at(a, 101, 300)[0] < 60);
  CHECK(at(a, 97, 300) == plain);
  CHECK(at(a, 102, 300) == plain);
  CHECK(at(a, 200, 300) == plain);
}

TEST_CASE("overlay: a label has one colour, whichever picture is drawn") {
  std::vector<detection> all{found("a", 100, 100, 300, 300), found("b", 400, 100, 600, 300),
                             found("a", 100, 400, 300, 600), found("c", 400, 400, 600, 600)};
  all[3].image = 1;
  auto first = overlay(grey(800, 800), all, {.picture = 0}), second = overlay(grey(800, 800), all, {.picture = 1}),
       both = overlay(grey(800, 800), all);
  CHECK(at(first, 100, 200) == at(first, 100, 500));
  CHECK(at(first, 100, 200) != at(first, 400, 200));
  CHECK(at(first, 400, 500) == plain);
  CHECK(at(second, 100, 200) == plain);
  CHECK(at(second, 400, 500) == at(both, 400, 500));
  CHECK(at(both, 400, 500) != at(both, 400, 200));
}

TEST_CASE("overlay: tags keep off each other and inside") {
  using namespace medmo::vision::detail;
  rectangle picture{0, 0, 700, 500};
  std::vector<tag> tags;
  std::vector<rectangle> boxes;
  for (std::uint64_t i = 0; i < 24; ++i) {
    medmo::random_stream r(5, i);
    index x = static_cast<index>(r.uniform(0) * 650), y = static_cast<index>(r.uniform(1) * 450);
    boxes.push_back({x, y, x + 50, y + 50});
  }
  for (auto const& b : boxes) tags.push_back({"x", {}, best_place(b, 110, 12, picture, tags, boxes)});
  index covered = 0, outside = 0;
  for (std::size_t i = 0; i < tags.size(); ++i) {
    outside += overlap(tags[i].place, picture).area() != tags[i].place.area();
    for (std::size_t j = 0; j < i; ++j) covered += overlap(tags[i].place, tags[j].place).area();
  }
  CHECK(outside == 0);
  CHECK(covered == 0);
}

TEST_CASE("overlay: many boxes get one tag a label") {
  std::vector<detection> many;
  for (int i = 0; i < 30; ++i) many.push_back(found(i % 2 ? "odd" : "even", 20.0 * i, 300, 20.0 * i + 10, 310));
  auto a = overlay(grey(640, 640), many), b = overlay(grey(640, 640), many, {.most_tags = 0});
  CHECK(at(a, 4, 4) != plain);
  CHECK(at(b, 4, 4) == plain);
  CHECK(at(a, 200, 200) == plain);
}

TEST_CASE("overlay: any size of picture, any box, any label") {
  double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<detection> odd{found("whole", 0, 0, 1e9, 1e9, 1.0),
                             found("inverted", 30, 30, 10, 10, 0.5),
                             found("far out", -1e300, -1e300, -1e299, 1e300, 2.0),
                             found("point", 5, 5, 5, 5, -1.0),
                             found("not a number", nan, 0, 1, 1, 0.5),
                             found("infinite", 0, 0, inf, 1, nan),
                             found("d\xc3\xa9viation \xff\x80\x01\n\t", 1, 1, 9, 9, nan),
                             found(std::string(100000, 'w'), 3, 3, 20, 20, 0.123),
                             found(std::string("zero\0byte", 9), 3, 3, 20, 20),
                             found("", 0, 0, 1, 1)};
  for (auto size : {std::pair<index, index>{1, 1}, {1, 200}, {200, 1}, {2, 3}, {7, 700}, {700, 7}, {64, 64}, {513, 20}})
    for (index least : {index{0}, index{512}})
      for (index scale : {index{0}, index{1}, index{40}}) {
        index const w = size.first, h = size.second;
        CAPTURE(w);
        CAPTURE(h);
        auto a = overlay(grey(w, h), odd, {.least_side = least, .line_width = scale, .text_scale = scale});
        CHECK(a.width % w == 0);
        CHECK(a.width / w == a.height / h);
        if (least > 0) CHECK(std::max(a.width, a.height) >= least);
      }
  std::vector<detection> many;
  for (int i = 0; i < 300; ++i) many.push_back(found("label " + std::to_string(i), i, i, i + 9, i + 9));
  CHECK(overlay(grey(40, 40), many).width == 520);
}

TEST_CASE("overlay: text that is drawn") {
  using namespace medmo::vision::detail;
  CHECK(drawable("d\xc3\xa9j\xc3\xa0 vu", 99) == "d?j? vu");
  CHECK(drawable("\xe6\xbc\xa2\xe5\xad\x97", 99) == "??");
  CHECK(drawable("a\tb\x7f", 99) == "a?b?");
  CHECK(drawable("abcdef", 6) == "abcdef");
  CHECK(drawable("abcdefg", 6) == "abcd..");
  CHECK(drawable("abc", 1) == ".");
  CHECK(confidence_text(0.5) == " 0.50");
  CHECK(confidence_text(0.999) == " 1.00");
  CHECK(confidence_text(0.07) == " 0.07");
  CHECK(confidence_text(-3.0) == " 0.00");
  CHECK(confidence_text(std::nullopt).empty());
  CHECK(confidence_text(std::numeric_limits<double>::quiet_NaN()).empty());
}

TEST_CASE("font: every printable character has its own shape") {
  std::vector<std::string> shapes;
  for (int c = 32; c < 127; ++c) {
    std::string s;
    for (index y = 0; y < medmo::vision::glyph_height; ++y)
      for (index x = 0; x < medmo::vision::glyph_width; ++x)
        s += medmo::vision::glyph_dot(static_cast<char>(c), x, y) ? '#' : '.';
    shapes.push_back(s);
  }
  std::sort(shapes.begin(), shapes.end());
  CHECK(std::unique(shapes.begin(), shapes.end()) == shapes.end());
}

#if MEDMO_EXCEPTIONS
TEST_CASE("overlay: bad input is an error") {
  image empty, torn(4, 4);
  torn.pixels.pop_back();
  CHECK_THROWS_AS(overlay(empty, {}), medmo::error);
  CHECK_THROWS_AS(overlay(torn, {}), medmo::error);
  CHECK_THROWS_AS(overlay(grey(4, 4), {}, {.least_side = 4097}), medmo::error);
}
#endif

}  // namespace
