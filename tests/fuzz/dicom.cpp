// DICOM files, with the file's own window, one of the caller's, and another frame.
#include "harness.hpp"

#include "medmo/io/dicom.hpp"

namespace fuzz_dicom {
MEDMO_FUZZ_TARGET(dicom) {
  medmo::io::dicom_options options;
  options.limits = {.max_pixels = 16384};
  auto read = [&] {
    auto d = fuzz::accepted([&] { return medmo::io::read_dicom(input, "input", options); });
    if (!d) return false;
    fuzz::require(d->picture.width == d->columns && d->picture.height == d->rows,
                  "a picture has the size of its matrix");
    fuzz::require(d->rows * d->columns <= options.limits.max_pixels, "no picture is beyond the limit");
    fuzz::require(d->picture.pixels.size() == static_cast<std::size_t>(d->rows * d->columns * 3),
                  "pixels fill the picture");
    fuzz::require(d->frame == options.frame && d->frame < d->frames, "it is the frame that was asked for");
    return true;
  };
  if (!read()) return;
  options.window = medmo::io::dicom_window{40, 350};
  read();
  options.window.reset();
  options.frame = 1;
  read();
}
}  // namespace fuzz_dicom
