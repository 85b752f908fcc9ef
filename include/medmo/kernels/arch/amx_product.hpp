// The bf16 matrix product on AMX tiles. Weights are the A operand (their rows are K-contiguous as stored), activations are
// packed once as the B operand: blocks of 16 rows, [K/32][16 pairs][16 rows][2].
//   packed: c[o, t] = sum_k w[o, k] x[t, k], summed pair by pair in rising k; no other order exists here, so the bits of one
//   output do not depend on the number of rows, the panel, or the thread.
#pragma once

#include <algorithm>
#include <cstring>

#include "amx.hpp"
#include "bf16.hpp"

namespace medmo::inline MEDMO_ABI::kernels::arch {

inline constexpr index amx_step = 32, amx_side = 16;

constexpr index amx_steps(index k) { return (k + amx_step - 1) / amx_step; }

/// bf16 numbers of the packed form of [t, k].
constexpr index amx_packed_size(index t, index k) {
  return (t + amx_side - 1) / amx_side * amx_steps(k) * amx_step * amx_side;
}
/// Rows of weights that one thread keeps in its second-level cache while all activations pass by; a multiple of 32.
constexpr index amx_panel_rows(index k) {
  return std::clamp<index>((448 * 1024) / (amx_steps(k) * amx_step * 2) / 32 * 32, 32, 128);
}

#if MEDMO_AMX

/// out[j * stride + i] = in[i * 16 + j]: a 16 x 16 block of 32-bit numbers turned about its diagonal.
inline void transpose16(float const* in, float* out, index stride) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(in + i * 16);
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  auto lo = [](__m512 x, __m512 y) { return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y))); };
  auto hi = [](__m512 x, __m512 y) { return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y))); };
  for (int i = 0; i < 16; i += 4) {
    a[i] = lo(b[i], b[i + 2]);
    a[i + 1] = hi(b[i], b[i + 2]);
    a[i + 2] = lo(b[i + 1], b[i + 3]);
    a[i + 3] = hi(b[i + 1], b[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
    b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
    b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
    b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    _mm512_storeu_ps(out + i * stride, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
    _mm512_storeu_ps(out + (i + 4) * stride, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88));
    _mm512_storeu_ps(out + (i + 8) * stride, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
    _mm512_storeu_ps(out + (i + 12) * stride, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd));
  }
}

/// Rounds rows [first, first + 16) of x (those below `rows`; the others are zero) to bf16 and packs them as one B block.
inline void amx_pack_block(view<float> const& x, index first, bf16* out) {
  index k = x.cols(), steps = amx_steps(k);
  alignas(64) float pairs[16 * 16];  // two bf16 numbers in each
  for (index s = 0; s < steps; ++s) {
    index at = s * amx_step, n = std::min(amx_step, k - at);
    for (index r = 0; r < amx_side; ++r) {
      auto* row = reinterpret_cast<bf16*>(pairs + r * 16);
      if (first + r >= x.rows()) {
        std::memset(static_cast<void*>(row), 0, 64);
      } else {
        round_to_bf16(x.data() + (first + r) * x.outerStride() + at, row, n);
        if (n < amx_step) std::memset(static_cast<void*>(row + n), 0, static_cast<std::size_t>(amx_step - n) * 2);
      }
    }
    transpose16(pairs, reinterpret_cast<float*>(out + s * amx_step * amx_side), 16);
  }
}

/// emit(t, line, outs): the tile [o][t] as lines of outputs, for the first `rows` rows.
template <class Emit>
void amx_emit(float const* tile, index outs, index rows, Emit&& emit) {
  alignas(64) float lines[16 * 16];
  transpose16(tile, lines, 16);
  for (index t = 0; t < rows; ++t) emit(t, lines + t * 16, outs);
}

/// The 32 x 32 block: two panels of 16 weights at `a` (packed: [steps][2][16][32]) against two B blocks.
inline void amx_block(bf16 const* a, bf16 const* b0, bf16 const* b1, index steps, float* tiles) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (index s = 0; s < steps; ++s, a += 1024, b0 += 512, b1 += 512) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b0, 64);
    _tile_loadd(5, a + 512, 64);
    _tile_loadd(7, b1, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, tiles, 64);
  _tile_stored(1, tiles + 256, 64);
  _tile_stored(2, tiles + 512, 64);
  _tile_stored(3, tiles + 768, 64);
}

/// Copies rows [first, first + 32) of w (zero beyond its end) as [steps][2][16][32].
inline void amx_pack_panel(bf16 const* w, index rows, index k, index first, bf16* out) {
  index steps = amx_steps(k), whole = k / amx_step;
  for (index half = 0; half < 2; ++half)
    for (index r = 0; r < 16; ++r) {
      index row = first + half * 16 + r;
      bf16* to = out + half * 512 + r * 32;
      if (row >= rows) {
        for (index s = 0; s < steps; ++s) std::memset(static_cast<void*>(to + s * 1024), 0, 64);
        continue;
      }
      bf16 const* from = w + row * k;
      for (index s = 0; s < whole; ++s)
        _mm512_store_si512(to + s * 1024, _mm512_loadu_si512(from + s * amx_step));
      if (whole < steps) {
        std::memset(static_cast<void*>(to + whole * 1024), 0, 64);
        std::memcpy(static_cast<void*>(to + whole * 1024), from + whole * amx_step,
                    static_cast<std::size_t>(k - whole * amx_step) * 2);
      }
    }
}

/// Outputs [first, last) of the product for any number of rows. `panel` holds amx_panel_rows(k) packed rows.
/// emit(t, o, line, n): outputs o .. o+n of row t. Call inside an amx_scope.
template <class Emit>
void amx_product(bf16 const* w, index w_rows, index k, index first, index last, bf16 const* packed, index t_rows,
                 bf16* panel, Emit&& emit) {
  index steps = amx_steps(k), block = steps * 512;
  alignas(64) float tiles[1024];
  for (index o = first; o < last; o += 32) amx_pack_panel(w, w_rows, k, o, panel + (o - first) * steps * amx_step);
  for (index t = 0; t < t_rows; t += 32) {
    bf16 const* b0 = packed + t / 16 * block;
    bool pair = t + 16 < t_rows;
    for (index o = first; o < last; o += 32) {
      amx_block(panel + (o - first) * steps * amx_step, b0, pair ? b0 + block : b0, steps, tiles);
      for (index half = 0; half < 2; ++half)
        for (index side = 0; side < (pair ? 2 : 1); ++side) {
          index outs = std::min<index>(16, last - o - half * 16), rows = std::min<index>(16, t_rows - t - side * 16);
          if (outs > 0)
            amx_emit(tiles + half * 512 + side * 256, outs, rows, [&](index r, float const* line, index n) {
              emit(t + side * 16 + r, o + half * 16, line, n);
            });
        }
    }
  }
}

/// The same outputs for at most 16 rows: weights are read once, in place, at the speed of memory. Sixteen rows at a time
/// are as many streams as the prefetcher of one core follows.
template <class Emit>
void amx_product_skinny(bf16 const* w, index w_rows, index k, index first, index last, bf16 const* packed, index t_rows,
                        Emit&& emit) {
  index steps = amx_steps(k), whole = k / amx_step;
  alignas(64) float tile[256];
  alignas(64) bf16 edge[512];
  for (index o = first; o < last; o += 16) {
    bf16 const* rows = w + o * k;
    index inside = std::min<index>(16, w_rows - o), in_place = inside == 16 ? whole : 0;
    _tile_zero(0);
    for (index s = 0; s < in_place; ++s) {
      _tile_loadd(4, rows + s * amx_step, k * 2);
      _tile_loadd(6, packed + s * 512, 64);
      _tile_dpbf16ps(0, 4, 6);
    }
    for (index s = in_place; s < steps; ++s) {
      std::memset(static_cast<void*>(edge), 0, sizeof edge);
      for (index r = 0; r < inside; ++r)
        std::memcpy(static_cast<void*>(edge + r * 32), rows + r * k + s * amx_step,
                    static_cast<std::size_t>(std::min(amx_step, k - s * amx_step)) * 2);
      _tile_loadd(4, edge, 64);
      _tile_loadd(6, packed + s * 512, 64);
      _tile_dpbf16ps(0, 4, 6);
    }
    _tile_stored(0, tile, 64);
    amx_emit(tile, std::min<index>(16, last - o), t_rows,
             [&](index r, float const* line, index n) { emit(r, o, line, n); });
  }
}

#endif

}  // namespace medmo::inline MEDMO_ABI::kernels::arch
