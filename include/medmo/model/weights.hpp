// The tensors of a model, named as in the checkpoint. The same struct serves values, gradients and optimiser moments; the
// one visitor `for_each_tensor` drives loading, saving, initialising, counting and hashing. Holds views, owns nothing.
#pragma once

#include <array>
#include <string>

#include "../kernels/low_rank.hpp"
#include "../kernels/tensor_view.hpp"
#include "config.hpp"

namespace medmo::inline MEDMO_ABI {

/// A matrix [Out, In] as stored: f32, bf16 or quantised, rows K-contiguous.
template <index Out, index In>
struct weight {
  static constexpr index rows = Out, cols = In;
  kernels::stored_matrix stored{dtype::f32, nullptr, Out, In};
};

/// A vector [N], always f32. N = 0 is a part that this configuration does not have.
template <index N>
struct vector_weight {
  static constexpr index size = N;
  float const* data = nullptr;
};

enum class with_bias { no, yes };

template <index Out, index In, with_bias Bias = with_bias::yes>
struct linear_weights {
  static constexpr index out = Out, in = In;
  medmo::weight<Out, In> weight;
  vector_weight<Bias == with_bias::yes ? Out : 0> bias;
  kernels::low_rank const* adapter = nullptr;  ///< what is added to weight, or none; no tensor of the checkpoint
};

template <index D>
struct layer_norm_weights {
  vector_weight<D> weight, bias;
};

template <class C>
struct decoder_layer_weights {
  static constexpr auto& c = C::text;
  static constexpr auto attention_bias = c.attention_bias ? with_bias::yes : with_bias::no;
  static constexpr index D = c.hidden, F = c.intermediate, Q = c.heads * c.head_dim, KV = c.kv_heads * c.head_dim;
  static constexpr index norm = c.qk_norm ? c.head_dim : 0;

  vector_weight<D> input_layernorm;
  linear_weights<Q, D, attention_bias> q_proj;
  linear_weights<KV, D, attention_bias> k_proj, v_proj;
  linear_weights<D, Q, attention_bias> o_proj;
  vector_weight<norm> q_norm, k_norm;
  vector_weight<D> post_attention_layernorm;
  linear_weights<F, D, with_bias::no> gate_proj, up_proj;
  linear_weights<D, F, with_bias::no> down_proj;
};

template <class C>
struct text_weights {
  static constexpr auto& c = C::text;
  weight<c.vocab, c.hidden> embed_tokens;
  std::array<decoder_layer_weights<C>, static_cast<std::size_t>(c.layers)> layers;
  vector_weight<c.hidden> norm;
  weight<c.tied_head ? 0 : c.vocab, c.hidden> lm_head;
};

template <class C>
struct vision_block_weights {
  static constexpr auto& c = C::vision;
  layer_norm_weights<c.hidden> norm1, norm2;
  linear_weights<3 * c.hidden, c.hidden> qkv;
  linear_weights<c.hidden, c.hidden> proj;
  linear_weights<c.intermediate, c.hidden> linear_fc1;
  linear_weights<c.hidden, c.intermediate> linear_fc2;
};

/// Norm: over the patch for the last merger, over the merged row for DeepStack's.
template <class C, index Norm>
struct merger_weights {
  static constexpr auto& c = C::vision;
  layer_norm_weights<Norm> norm;
  linear_weights<c.merged_width(), c.merged_width()> linear_fc1;
  linear_weights<c.out_hidden, c.merged_width()> linear_fc2;
};

template <class C>
struct vision_weights {
  static constexpr auto& c = C::vision;
  linear_weights<c.hidden, c.patch_width()> patch_embed;
  weight<c.position_table, c.hidden> pos_embed;
  std::array<vision_block_weights<C>, static_cast<std::size_t>(c.depth)> blocks;
  merger_weights<C, c.hidden> merger;
  std::array<merger_weights<C, c.merged_width()>, c.deepstack.size()> deepstack_merger_list;
};

struct no_vision_weights {};

namespace detail {
template <class C>
struct vision_part { using type = no_vision_weights; };
template <vision_language_configuration C>
struct vision_part<C> { using type = vision_weights<C>; };
}  // namespace detail

template <class C>
struct model_weights {
  text_weights<C> text;
  typename detail::vision_part<C>::type vision;
};

namespace detail {
template <class Name, index O, index I, class F>
void visit(Name const& name, weight<O, I>& w, F& f) {
  if constexpr (O > 0) f(name, w);
}
template <class Name, index N, class F>
void visit(Name const& name, vector_weight<N>& w, F& f) {
  if constexpr (N > 0) f(name, w);
}
template <class Name, index O, index I, with_bias B, class F>
void visit(Name const& name, linear_weights<O, I, B>& w, F& f) {
  visit(name + ".weight", w.weight, f);
  visit(name + ".bias", w.bias, f);
}
template <class Name, index D, class F>
void visit(Name const& name, layer_norm_weights<D>& w, F& f) {
  visit(name + ".weight", w.weight, f);
  visit(name + ".bias", w.bias, f);
}
template <class Name, class C, class F>
void visit(Name const& name, decoder_layer_weights<C>& w, F& f) {
  visit(name + ".input_layernorm.weight", w.input_layernorm, f);
  visit(name + ".self_attn.q_proj", w.q_proj, f);
  visit(name + ".self_attn.k_proj", w.k_proj, f);
  visit(name + ".self_attn.v_proj", w.v_proj, f);
  visit(name + ".self_attn.o_proj", w.o_proj, f);
  visit(name + ".self_attn.q_norm.weight", w.q_norm, f);
  visit(name + ".self_attn.k_norm.weight", w.k_norm, f);
  visit(name + ".post_attention_layernorm.weight", w.post_attention_layernorm, f);
  visit(name + ".mlp.gate_proj", w.gate_proj, f);
  visit(name + ".mlp.up_proj", w.up_proj, f);
  visit(name + ".mlp.down_proj", w.down_proj, f);
}
template <class Name, class C, class F>
void visit(Name const& name, vision_block_weights<C>& w, F& f) {
  visit(name + ".norm1", w.norm1, f);
  visit(name + ".norm2", w.norm2, f);
  visit(name + ".attn.qkv", w.qkv, f);
  visit(name + ".attn.proj", w.proj, f);
  visit(name + ".mlp.linear_fc1", w.linear_fc1, f);
  visit(name + ".mlp.linear_fc2", w.linear_fc2, f);
}
template <class Name, class C, index N, class F>
void visit(Name const& name, merger_weights<C, N>& w, F& f) {
  visit(name + ".norm", w.norm, f);
  visit(name + ".linear_fc1", w.linear_fc1, f);
  visit(name + ".linear_fc2", w.linear_fc2, f);
}
}  // namespace detail

namespace detail {
/// A visitor that takes whole linears and passes by all else.
template <class F>
struct each_linear {
  F& f;
  template <class Name, class Tensor>
  void operator()(Name const&, Tensor&) {}
};
template <class Name, index O, index I, with_bias B, class F>
void visit(Name const& name, linear_weights<O, I, B>& w, each_linear<F>& v) {
  v.f(name, w);
}

struct no_name {
  friend constexpr no_name operator+(no_name, char const*) { return {}; }
};
}  // namespace detail

/// f(tensor const&) for every tensor of one part, a layer or a block say; makes no names and allocates nothing.
template <class Part, class F>
void for_each_tensor_of(Part const& part, F&& f) {
  auto each = [&](detail::no_name, auto const& tensor) { f(tensor); };
  detail::visit(detail::no_name{}, const_cast<Part&>(part), each);  // visit is for those who change tensors, too
}

/// The same for every linear of the part.
template <class Part, class F>
void for_each_linear_of(Part const& part, F&& f) {
  auto each = [&](detail::no_name, auto const& linear) { f(linear); };
  detail::each_linear<decltype(each)> visitor{each};
  detail::visit(detail::no_name{}, const_cast<Part&>(part), visitor);
}

/// f(name, tensor&) for every tensor the configuration has, in a fixed order; tensor is a weight or a vector_weight.
/// Names are those of Qwen3-VL checkpoints saved by transformers 4.57 and later (text-only: model.*, as Qwen3 and llama).
template <class C, class F>
void for_each_tensor(model_weights<C>& w, F&& f) {
  using detail::visit;
  std::string const text = vision_language_configuration<C> ? "model.language_model" : "model";
  visit(text + ".embed_tokens.weight", w.text.embed_tokens, f);
  for (std::size_t i = 0; i < w.text.layers.size(); ++i)
    visit(text + ".layers." + std::to_string(i), w.text.layers[i], f);
  visit(text + ".norm.weight", w.text.norm, f);
  visit("lm_head.weight", w.text.lm_head, f);
  if constexpr (vision_language_configuration<C>) {
    std::string const vision = "model.visual";
    visit(vision + ".patch_embed.proj", w.vision.patch_embed, f);
    visit(vision + ".pos_embed.weight", w.vision.pos_embed, f);
    for (std::size_t j = 0; j < w.vision.blocks.size(); ++j)
      visit(vision + ".blocks." + std::to_string(j), w.vision.blocks[j], f);
    visit(vision + ".merger", w.vision.merger, f);
    for (std::size_t k = 0; k < w.vision.deepstack_merger_list.size(); ++k)
      visit(vision + ".deepstack_merger_list." + std::to_string(k), w.vision.deepstack_merger_list[k], f);
  }
}

/// f(name, linear_weights&) for every linear, by its name in the checkpoint without ".weight".
template <class C, class F>
void for_each_linear(model_weights<C>& w, F&& f) {
  detail::each_linear<F> visitor{f};
  for_each_tensor(w, visitor);
}

}  // namespace medmo::inline MEDMO_ABI
