// What an engine is: a value type for activations, and the operations that the architecture is written in.
//   runner   executes, with an arena and a cache             (model/runner.hpp)
//   tracer   executes and keeps every named stage            (model/tracer.hpp)
//   counter  moves no data: FLOPs, bytes, peak of the arena  (model/counter.hpp)
//   tape     executes and records the way back               (train/tape.hpp)
// An engine may fuse inside an operation; the architecture never changes for it. Operations that say "consumed" may
// work in place: the result takes the place of the argument, which must not be used again.
//
//   scope()                        temporaries made while it lives end with it
//   block(w, x, f)                 f(w, x), a part whose inner values an engine may drop and make again   x consumed
//                                  f holds what it needs by value (but for the engine) and may be called later
//   rows<D>                        [T, D] f32 with T at run time
//   embed<D>(table, ids)           rows of a stored table
//   constant<D>(T, f)              rows filled by f(t, row)
//   reserve_rows<D>(T)             room for a result that outlives the scopes opened after it
//   keep(place, x)                 x copied to reserved room
//   linear(x, w...)                x W^T + b for one or several weights that share x
//   linear_onto(x, a, w)           x + a W^T + b                              x consumed
//   project(x, table)              x W^T for a bare weight (the head)
//   rms_norm, layer_norm           new rows
//   head_norm(x, w)                rms norm of every head                     x consumed
//   rotate<K>(x, cos, sin)         rotary embedding of every head             x consumed
//   attend<C>(layer, q, k, v)      causal, each of the engine's segments behind what its cache holds (segment.hpp)
//   attend_within<H>(q, k, v, n)   full attention inside every n rows
//   silu_multiply(gate, up)        silu(gate) * up                            gate consumed
//   gelu_tanh, gelu_exact                                                     consumed
//   columns<First, N>(x)           a column block, not copied
//   join_rows<M>(x)                [T, D] as [T/M, M D]
//   place_rows, add_rows(x, rows, runs)   set or add visual rows              x consumed
//   add_mixed_rows(x, table, mix)  x[t] += sum_i share_i table[row_i]         x consumed
//   stage(name, [layer,] x)        a named point of the computation
#pragma once

#include <concepts>

#include "decoder.hpp"
#include "vision_tower.hpp"

namespace medmo::inline MEDMO_ABI {

template <class E>
concept engine = requires(E& e, typename E::template rows<8> x, weight<16, 8> const& w, vector_weight<8> const& v,
                          std::span<index const> ids) {
  e.scope();
  { e.template embed<8>(w, ids) };
  { e.project(x, w) } -> std::same_as<typename E::template rows<16>>;
  { e.rms_norm(x, v, 1e-6f) } -> std::same_as<typename E::template rows<8>>;
  { e.head_norm(x, v, 1e-6f) } -> std::same_as<typename E::template rows<8>>;
  { e.template join_rows<2>(x) } -> std::same_as<typename E::template rows<16>>;
  e.stage("name", x);
  e.stage("name", index{0}, x);
};

}  // namespace medmo::inline MEDMO_ABI
