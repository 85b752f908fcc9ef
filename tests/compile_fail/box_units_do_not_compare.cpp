// Equality asks for one unit.
// expect: operator==
#include "medmo/core/box.hpp"

constexpr medmo::box<medmo::norm1000> a{10, 20, 30, 40};
constexpr medmo::box<medmo::pixel> b{10, 20, 30, 40};

#ifdef SHOULD_COMPILE
bool same = medmo::to_pixel(a, 640, 480) == b;
#else
bool same = a == b;
#endif
