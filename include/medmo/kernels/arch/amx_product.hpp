// The bf16 matrix product on AMX tiles. Weights are the A operand (their rows are K-contiguous as stored), activations are
// packed once as the B operand: blocks of 16 rows, [K/32][16 pairs][16 rows][2]; two blocks lie together, step by step.
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

/// Blocks of 16 rows that lie together: one alone for up to 16 rows, else pairs.
constexpr index amx_together(index t) { return t > amx_side ? 2 : 1; }
/// bf16 numbers of the packed form of [t, k].
constexpr index amx_packed_size(index t, index k) {
  index rows = amx_side * amx_together(t);
  return (t + rows - 1) / rows * rows * amx_steps(k) * amx_step;
}
/// How a product of many rows is cut: `tokens` rows of activations over `depth` of K (about 1 MiB packed) stay in the
/// second-level cache while panels of 32 weights pass by, 256 columns of them at a time in the first-level cache. Sums are
/// carried from cut to cut in f32, which changes no bit.
struct amx_blocking {
  static constexpr index panel_steps = 8;
  index tokens = 0, depth = 0;
  static constexpr amx_blocking of(index t, index k) {
    index steps = amx_steps(k), pieces = (steps + 79) / 80;
    index depth = (steps + pieces - 1) / pieces * amx_step;
    index tokens = std::clamp<index>((512 * 1024) / depth / 32 * 32, 32, 512);
    index blocks = (t + tokens - 1) / tokens;
    return {((t + blocks - 1) / blocks + 31) / 32 * 32, depth};
  }
  /// f32 numbers of sums carried for `outputs` weights: of one panel where K is one piece, else of all of them.
  constexpr index carried_size(index k, index outputs) const {
    return (depth < k ? (outputs + 31) / 32 * 32 : 32) * tokens;
  }
};

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

/// Rounds rows [first, first + 16) of x (those beyond its end are zero) to bf16 and packs them as one B block, whose steps
/// are `stride` numbers apart.
inline void amx_pack_block(view<float> const& x, index first, bf16* out, index stride) {
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
    transpose16(pairs, reinterpret_cast<float*>(out + s * stride), 16);
  }
}

/// emit(t, line, outs): the tile [o][t] as lines of outputs, for the first `rows` rows.
template <class Emit>
void amx_emit(float const* tile, index outs, index rows, Emit&& emit) {
  alignas(64) float lines[16 * 16];
  transpose16(tile, lines, 16);
  for (index t = 0; t < rows; ++t) emit(t, lines + t * 16, outs);
}

/// The 32 x 32 block: 32 packed weights at `a` ([steps][2][16][32]) against a pair of B blocks, onto the sums in `tiles`.
/// Meanwhile fetches line s of `ahead_rows` rows of weights to come, in step s.
inline void amx_block(bf16 const* a, bf16 const* b, index steps, bool first, float* tiles,
                      bf16 const* ahead, index ahead_rows, index ahead_stride) {
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, tiles, 64);
    _tile_loadd(1, tiles + 256, 64);
    _tile_loadd(2, tiles + 512, 64);
    _tile_loadd(3, tiles + 768, 64);
  }
  for (index s = 0; s < steps; ++s, a += 1024, b += 1024) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(5, a + 512, 64);
    _tile_loadd(7, b + 512, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    for (index r = 0; r < ahead_rows; ++r)
      _mm_prefetch(reinterpret_cast<char const*>(ahead + r * ahead_stride + s * amx_step), _MM_HINT_T1);
  }
  _tile_stored(0, tiles, 64);
  _tile_stored(1, tiles + 256, 64);
  _tile_stored(2, tiles + 512, 64);
  _tile_stored(3, tiles + 768, 64);
}

/// Copies columns [at, at + steps * 32) of rows [first, first + 32) of w (zero beyond its ends) as [steps][2][16][32].
inline void amx_pack_panel(bf16 const* w, index rows, index k, index first, index at, index steps, bf16* out) {
  index whole = std::min(steps, (k - at) / amx_step);
  for (index half = 0; half < 2; ++half)
    for (index r = 0; r < 16; ++r) {
      index row = first + half * 16 + r;
      bf16* to = out + half * 512 + r * 32;
      bf16 const* from = w + row * k + at;
      index filled = row < rows ? whole : 0;
      for (index s = 0; s < filled; ++s)
        _mm512_store_si512(to + s * 1024, _mm512_loadu_si512(from + s * amx_step));
      for (index s = filled; s < steps; ++s) {
        std::memset(static_cast<void*>(to + s * 1024), 0, 64);
        index rest = k - at - s * amx_step;
        if (row < rows && rest > 0)
          std::memcpy(static_cast<void*>(to + s * 1024), from + s * amx_step, static_cast<std::size_t>(rest) * 2);
      }
    }
}

/// Outputs [first, last) of the product for any number of rows. `carried` has room for carried_size.
/// emit(t, o, line, n): outputs o .. o+n of row t. Call inside an amx_scope.
template <class Emit>
void amx_product(bf16 const* w, index w_rows, index k, index first, index last, bf16 const* packed, index t_rows,
                 amx_blocking const& cut, float* carried, Emit&& emit) {
  index all_steps = amx_steps(k), block = all_steps * 1024;
  alignas(64) bf16 panel[amx_blocking::panel_steps * 1024];
  auto finish = [&](float const* tiles, index t, index o) {
    for (index half = 0; half < 2; ++half)
      for (index side = 0; side < 2; ++side) {
        index outs = std::min<index>(16, last - o - half * 16), rows = std::min<index>(16, t_rows - t - side * 16);
        if (outs > 0 && rows > 0)
          amx_emit(tiles + half * 512 + side * 256, outs, rows, [&](index r, float const* line, index n) {
            emit(t + side * 16 + r, o + half * 16, line, n);
          });
      }
  };
  for (index t0 = 0; t0 < t_rows; t0 += cut.tokens) {
    index pairs = (std::min(cut.tokens, t_rows - t0) + 31) / 32;
    for (index piece = 0; piece < all_steps; piece += cut.depth / amx_step) {
      index piece_end = std::min(all_steps, piece + cut.depth / amx_step);
      for (index o = first; o < last; o += 32) {
        float* sums = carried + (cut.depth < k ? (o - first) * cut.tokens : 0);
        index ahead = std::clamp<index>(w_rows - o - 32, 0, 32);
        for (index s = piece; s < piece_end; s += amx_blocking::panel_steps) {
          index steps = std::min(amx_blocking::panel_steps, piece_end - s);
          amx_pack_panel(w, w_rows, k, o, s * amx_step, steps, panel);
          for (index j = 0; j < pairs; ++j) {
            index row = ahead * j / pairs;
            amx_block(panel, packed + (t0 / 32 + j) * block + s * 1024, steps, s == 0, sums + j * 1024,
                      w + (o + 32 + row) * k + s * amx_step, ahead * (j + 1) / pairs - row, k);
            if (s + steps == all_steps) finish(sums + j * 1024, t0 + 32 * j, o);
          }
        }
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
