// A box in pixels is not a box in thousandths.
// expect: norm1000
// expect: pixel
#include "medmo/core/box.hpp"

medmo::box<medmo::pixel> given{10, 20, 30, 40};

#ifdef SHOULD_COMPILE
medmo::box<medmo::norm1000> b = medmo::to_norm1000(given, 640, 480);
#else
medmo::box<medmo::norm1000> b = given;
#endif
