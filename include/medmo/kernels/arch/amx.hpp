// AMX tiles: 16 x 16 products of bf16 pairs with f32 accumulation, on processors and kernels that offer them.
//   C[i, j] += sum_p A[i, 2p] B[p, 2j] + A[i, 2p+1] B[p, 2j+1], pairs p in rising order
// The order of summation is sequential over K in one accumulator, so splitting K and spilling C changes no bit.
// Compiled in with -mamx-bf16; `amx_ready` asks the operating system once, since Linux grants the tile state on request.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../../core/version.hpp"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#define MEDMO_AMX 1
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define MEDMO_AMX 0
#endif

namespace medmo::inline MEDMO_ABI::kernels::arch {

#if MEDMO_AMX
inline bool amx_ready() {
  static bool const ready = [] {
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  }();
  return ready;
}

/// Tiles 0..3 hold C (16 x `columns` f32), 4 and 5 hold A (16 x 32 bf16), 6 and 7 hold B (16 pairs x `columns`).
struct amx_scope {
  explicit amx_scope(int columns = 16) {
    struct alignas(64) {
      std::uint8_t palette = 1, start = 0, reserved[14] = {};
      std::uint16_t bytes_per_row[16] = {};
      std::uint8_t rows[16] = {};
    } config;
    for (int t = 0; t < 8; ++t) {
      config.rows[t] = 16;
      config.bytes_per_row[t] = static_cast<std::uint16_t>((t == 4 || t == 5) ? 64 : 4 * columns);
    }
    asm volatile("" : : "r"(&config) : "memory");  // g++ 12 believes that only 8 bytes of it are read
    _tile_loadconfig(&config);
  }
  amx_scope(amx_scope const&) = delete;
  ~amx_scope() { _tile_release(); }
};
#else
inline bool amx_ready() { return false; }
#endif

}  // namespace medmo::inline MEDMO_ABI::kernels::arch
