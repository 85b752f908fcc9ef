// The overlap of a box in pixels with one in thousandths means nothing.
// expect: giou
#include "medmo/metrics/iou.hpp"

constexpr medmo::box<medmo::norm1000> predicted{10, 20, 30, 40};
constexpr medmo::box<medmo::pixel> truth{10, 20, 30, 40};

#ifdef SHOULD_COMPILE
double overlap = medmo::metrics::giou(medmo::to_pixel(predicted, 640, 480), truth);
#else
double overlap = medmo::metrics::giou(predicted, truth);
#endif
