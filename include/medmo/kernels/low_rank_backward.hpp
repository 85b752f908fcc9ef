// The vector-Jacobian product of low_rank_add (low_rank.hpp).
#pragma once

#include "low_rank.hpp"
#include "matmul_backward.hpp"

namespace medmo::inline MEDMO_ABI::kernels {

/// Bytes of scratch for low_rank_add_vjp of x [t, k], y [t, o] and rank r.
constexpr index low_rank_add_vjp_scratch(index t, index k, index o, index r, index threads) {
  return 2 * detail::pad(t * r * 4) +
         std::max(matmul_vjp_scratch(dtype::f32, t, k, r, threads), matmul_vjp_scratch(dtype::f32, t, r, o, threads));
}

/// With u = scale x A^T, made again:  d_B += d_y^T u,   d_u = d_y B,   d_A += scale d_u^T x,   d_x = or += scale d_u A.
/// x, d_x [T, K], d_x null if nobody needs it; d_y [T, O]; d_a and d_b as A and B, or null. `scratch`:
/// low_rank_add_vjp_scratch bytes, 64-byte aligned. Allocates nothing. Parallel over outputs.
inline void low_rank_add_vjp(view<float> const& x, low_rank const& w, view<float> const& d_y, float* d_a, float* d_b,
                             mutable_view<float> d_x, store how, std::byte* scratch) {
  index const t = x.rows(), r = w.rank();
  auto inner = mutable_view_of(reinterpret_cast<float*>(scratch), t, r);
  auto d_inner = mutable_view_of(reinterpret_cast<float*>(scratch + detail::pad(t * r * 4)), t, r);
  std::byte* const rest = scratch + 2 * detail::pad(t * r * 4);
  product const down{w.a, inner};
  matmul(x, {&down, 1}, rest);
  inner *= w.scale;
  product_vjp const up{w.b, d_y, d_b};
  matmul_vjp(read_only(inner), {&up, 1}, d_inner, store::assign, rest);
  d_inner *= w.scale;
  product_vjp const back{w.a, read_only(d_inner), d_a};
  matmul_vjp(x, {&back, 1}, d_x, how, rest);
}

}  // namespace medmo::inline MEDMO_ABI::kernels
