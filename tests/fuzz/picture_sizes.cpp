// Pictures of every size under any options: planned or refused, and small ones prepared into exactly the planned patches.
#include "harness.hpp"

#include "medmo/vision/preprocess.hpp"
#include "medmo/vision/video.hpp"

namespace fuzz_picture_sizes {
using medmo::index;

MEDMO_FUZZ_TARGET(picture_sizes) {
  fuzz::choices in(input);
  auto side = [&] {
    return in.below(8) == 0 ? static_cast<index>(in.number()) : static_cast<index>(in.byte() << 4 | in.below(16));
  };
  index width = side(), height = side();
  medmo::vision::preprocess_options o;
  if (in.below(2)) o.min_pixels = side(), o.max_pixels = side();
  if (in.below(4) == 0) o.patch = side(), o.merge = side(), o.temporal = side();
  auto plan = fuzz::accepted([&] { return medmo::vision::plan_image(width, height, o); });
  fuzz::accepted(
      [&] { return medmo::vision::smart_resize_video(side(), height, width, 2, 32, o.min_pixels, o.max_pixels); });
  if (!plan) return;
  fuzz::require(plan->resized.width > 0 && plan->resized.height > 0 && plan->tokens > 0,
                "a planned picture has a size");
  fuzz::require(plan->resized.width % (o.patch * o.merge) == 0 && plan->resized.height % (o.patch * o.merge) == 0,
                "of whole blocks");
  fuzz::require(plan->grid.tokens(o.merge) == plan->tokens, "the grid has the tokens");
  if (width * height > 4096 || plan->bytes() > (1 << 18) || o.patch * o.merge > 512) return;
  medmo::image picture(width, height);
  std::fill(picture.pixels.begin(), picture.pixels.end(), std::uint8_t{200});
  auto patches = medmo::vision::preprocess(picture, o);
  fuzz::require(patches.rows.rows() == plan->grid.patches() && patches.rows.cols() == plan->patch_width,
                "patches are as planned");
  fuzz::require(patches.rows.minCoeff() == patches.rows.maxCoeff(), "one colour stays one colour");
}
}  // namespace fuzz_picture_sizes
