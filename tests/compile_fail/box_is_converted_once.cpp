// A box that is in pixels already cannot be turned into pixels again.
// expect: to_pixel
#include "medmo/core/box.hpp"

constexpr medmo::box<medmo::norm1000> a{10, 20, 30, 40};

#ifdef SHOULD_COMPILE
auto once = medmo::to_pixel(a, 640, 480);
#else
auto twice = medmo::to_pixel(medmo::to_pixel(a, 640, 480), 640, 480);
#endif
