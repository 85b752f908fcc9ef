// Measured by ./measure: the smallest program that answers a question about a picture with one model.
#include <medmo/medmo.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto model = medmo::load<medmo::medmo_4b>(argv[1]);
  medmo::session chat{model};
  std::puts(chat.ask({medmo::io::read_image(argv[2])}, argv[3]).text.c_str());
}
