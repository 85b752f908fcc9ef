#include "unit.hpp"

medmo::box<medmo::pixel> scaled_elsewhere(medmo::box<medmo::norm1000> b) {
  medmo::set_thread_count(3);
  return medmo::to_pixel(b, 640, 480);
}
