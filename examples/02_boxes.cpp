// Boxes without a model: reads the boxes of an answer's text, converts their unit, draws them onto the picture.
//
//   example_02_boxes nuclei_fluorescence.png nuclei_fluorescence.txt overlay.png
//
// A box carries its unit in its type, thousandths of the picture or pixels; mixing the two does not compile.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <medmo/io/image.hpp>
#include <medmo/text/grounding.hpp>
#include <medmo/vision/overlay.hpp>
#include <medmo/vision/png.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s PICTURE TEXT_FILE OVERLAY.png\n", argv[0]);
    return 2;
  }
  auto picture = medmo::io::read_image(argv[1]);
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s: cannot be read\n", argv[2]);
    return 2;
  }
  std::string text{std::istreambuf_iterator<char>(file), {}};

  auto parsed = medmo::text::parse_grounding(text);
  std::vector<medmo::detection> found;
  std::map<std::string, int> count;
  for (auto const& b : parsed.boxes) {
    auto px = medmo::to_pixel(b.box_norm1000, picture.width, picture.height);
    found.push_back({b.label, b.box_norm1000, px, 0, std::nullopt});
    if (++count[b.label] <= 3)
      std::printf("%s: [%.1f, %.1f, %.1f, %.1f] px\n", b.label.c_str(), px.x1, px.y1, px.x2, px.y2);
  }
  for (auto const& [label, n] : count) std::printf("%s: %d boxes\n", label.c_str(), n);
  for (auto const& d : parsed.dropped)
    std::printf("no box at byte %zu: %s\n", d.offset, std::string(medmo::text::name_of(d.reason)).c_str());
  medmo::vision::write_png(argv[3], medmo::vision::overlay(picture, found));
  return 0;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
