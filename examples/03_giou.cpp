// The overlap of two boxes, and its gradient as a loss needs it. This header and Eigen, nothing else.
#include <cstdio>
#include <medmo/metrics/giou_gradient.hpp>

int main() {
  medmo::box<medmo::pixel> truth{100, 80, 220, 200}, p{120, 60, 260, 190};
  std::printf("IoU %.4f, GIoU %.4f\n", medmo::metrics::iou(p, truth), medmo::metrics::giou(p, truth));
  double rate = 400;  // pixels
  for (int step = 0; step <= 200; ++step, rate *= 0.97) {
    auto [value, d] = medmo::metrics::giou_gradient(p, truth);
    if (step % 50 == 0) std::printf("step %3d: GIoU %.4f, x1 %.2f\n", step, value, p.x1);
    p = {p.x1 + rate * d[0], p.y1 + rate * d[1], p.x2 + rate * d[2], p.y2 + rate * d[3]};
  }
}
