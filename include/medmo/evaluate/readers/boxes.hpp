// What readers of boxes share: a box from the numbers of a row.
#pragma once

#include <string>

#include "../data_format.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

/// x1, y1, x2, y2. Error: bad_json for numbers that are no box with an area.
inline box<pixel> corner_box(row const& r, std::string const& name, io::json const& value) {
  auto const v = numbers_of(r, name, value, 4);
  if (v[0] >= v[2] || v[1] >= v[3]) detail::bad_field(r, name, "x1 < x2 and y1 < y2", io::excerpt(value));
  return {v[0], v[1], v[2], v[3]};
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers
