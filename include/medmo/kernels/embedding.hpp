// Rows out of a stored table, as f32.
#pragma once

#include <cstring>
#include <span>
#include <string>

#include "../core/error.hpp"
#include "../core/parallel.hpp"
#include "quantize/rows.hpp"
#include "tensor_view.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// out[0..cols) = row r of the table, exactly widened to f32. f32, f16, bf16 and quantised tables. Errors: unsupported.
inline void read_row(stored_matrix const& table, index r, float* out) {
  switch (table.type) {
    case dtype::f32:
      std::memcpy(out, table.row<float>(r), static_cast<std::size_t>(table.cols) * sizeof(float));
      return;
    case dtype::bf16:
      for (index i = 0; i < table.cols; ++i) out[i] = static_cast<float>(table.row<bf16>(r)[i]);
      return;
    case dtype::f16:
      for (index i = 0; i < table.cols; ++i) out[i] = static_cast<float>(table.row<f16>(r)[i]);
      return;
    default:
      if (is_quantized(table.type)) return dequantize_row(table.type, table.row_bytes(r), table.cols, out);
      MEDMO_THROW(errc::unsupported, "embedding", "a table of type F32, F16, BF16 or quantised",
                  std::string(name_of(table.type)));
  }
}

/// out[t] = table[ids[t]]. out [T, D]; every id must lie in the table (checked: errc::bad_argument).
inline void embed(stored_matrix const& table, std::span<index const> ids, mutable_view<float> out) {
  for (std::size_t t = 0; t < ids.size(); ++t)
    if (ids[t] < 0 || ids[t] >= table.rows)
      MEDMO_THROW(errc::bad_argument, "token " + std::to_string(t), "an id below " + std::to_string(table.rows),
                  std::to_string(ids[t]));
  for (std::size_t t = 0; t < ids.size(); ++t)
    read_row(table, ids[t], out.data() + static_cast<index>(t) * out.outerStride());
}

}  // namespace medmo::inline MEDMO_ABI::kernels
