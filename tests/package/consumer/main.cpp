// Uses the library from two translation units, so that a function that is not inline fails to link.
#include <cstdio>

#include "unit.hpp"

int main() {
  medmo::box<medmo::norm1000> b{100, 200, 300, 400};
  bool same = scaled_elsewhere(b) == medmo::to_pixel(b, 640, 480);
#ifdef _OPENMP
  same = same && medmo::thread_count() == 3;  // one setting for the program, made in the other unit
#endif
#ifdef MEDMO_DICOM
  try {
    medmo::io::read_dicom(std::span<std::byte const>(), "nothing");
    same = false;
  } catch (medmo::error const& e) {
    same = same && e.code() == medmo::errc::bad_image;
  }
#endif
  try {
    MEDMO_THROW(medmo::errc::bad_argument, "argv[1]", "a box", "nothing");
  } catch (medmo::error const& e) {
    std::puts(e.what());
    return same ? 0 : 1;
  }
  return 1;
}
