// Pictures as PNG files, under the name by which overlays are written. The work is the io room's; this is the one header
// of io that vision may include (tools/check_rooms).
#pragma once

#include "../io/png.hpp"

namespace medmo::inline MEDMO_ABI::vision {

using io::encode_png;
using io::write_png;

}  // namespace medmo::inline MEDMO_ABI::vision
