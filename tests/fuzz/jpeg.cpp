// JPEG pictures.
#include "pictures.hpp"

namespace fuzz_jpeg {
MEDMO_FUZZ_TARGET(jpeg) { fuzz::check_picture(input); }
}  // namespace fuzz_jpeg
