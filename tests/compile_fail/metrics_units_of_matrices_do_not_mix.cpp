// Nor do those of two matrices of boxes.
// expect: iou_matrix
#include "medmo/metrics/iou_matrix.hpp"

medmo::metrics::box_rows<medmo::norm1000> predicted;
medmo::metrics::box_rows<medmo::pixel> truth;

#ifdef SHOULD_COMPILE
auto overlaps = medmo::metrics::iou_matrix(truth, truth);
#else
auto overlaps = medmo::metrics::iou_matrix(predicted, truth);
#endif
