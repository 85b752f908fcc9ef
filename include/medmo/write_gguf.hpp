// A model as GGUF files that this library and llama.cpp read: the text model in one, the vision tower (mmproj) in another, in
// the types of a mix (io/gguf_mix.hpp). Matrices that have the wanted type already are copied, others are made of their f32
// values; norms and biases are f32. The changes of gguf_checkpoint.hpp are made here the other way round.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "generate/pretrained.hpp"
#include "io/gguf_mix.hpp"
#include "io/gguf_writer.hpp"
#include "kernels/embedding.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer_gguf.hpp"

namespace medmo::inline MEDMO_ABI {

struct write_gguf_options {
  io::gguf_mix mix = io::gguf_mix::q8_0;
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress{};  ///< numbers written
};

namespace detail {
template <class C>
constexpr std::string_view gguf_architecture =
    !C::text.qk_norm ? "llama" : C::text.rope == rope_kind::interleaved_mrope ? "qwen3vl" : "qwen3";

/// A tensor on its way into a file: rows of f32, read one by one.
struct gguf_row_source {
  std::string name;
  dtype type = dtype::f32;
  std::vector<index> shape{};
  index rows = 0, columns = 0;
  std::function<void(index row, float* out)> read{};
  kernels::stored_matrix const* as_stored = nullptr;  ///< copied as it is where it has the type
};

template <class C>
void describe_text(pretrained<C> const& p, io::gguf_writer& out, io::gguf_mix mix) {
  constexpr auto& t = C::text;
  std::string const a(gguf_architecture<C>);
  auto u32 = [](index v) { return static_cast<std::uint32_t>(v); };
  out.set("general.architecture", a);
  out.set("general.name", configuration_name<C>);
  out.set("general.file_type", io::entry_of(mix).file_type);
  out.set("general.quantization_version", std::uint32_t{2});
  out.set(a + ".vocab_size", u32(t.vocab));
  out.set(a + ".context_length", u32(t.max_positions));
  out.set(a + ".embedding_length", u32(t.hidden));
  out.set(a + ".block_count", u32(t.layers));
  out.set(a + ".feed_forward_length", u32(t.intermediate));
  out.set(a + ".attention.head_count", u32(t.heads));
  out.set(a + ".attention.head_count_kv", u32(t.kv_heads));
  out.set(a + ".attention.key_length", u32(t.head_dim));
  out.set(a + ".attention.value_length", u32(t.head_dim));
  out.set(a + ".attention.layer_norm_rms_epsilon", static_cast<float>(t.rms_norm_eps));
  out.set(a + ".rope.freq_base", static_cast<float>(t.rope_theta));
  if constexpr (t.rope == rope_kind::interleaved_mrope) {
    std::vector<std::int32_t> sections;
    for (index s : t.mrope_section) sections.push_back(static_cast<std::int32_t>(s));
    sections.push_back(0);
    out.set(a + ".rope.dimension_sections", sections);
  } else {
    out.set(a + ".rope.dimension_count", u32(t.head_dim));
  }
  if constexpr (vision_language_configuration<C>) out.set(a + ".n_deepstack_layers", u32(static_cast<index>(C::vision.deepstack.size())));
  text::write_tokenizer_gguf(p.tokenizer, out);
  out.set("tokenizer.ggml.eos_token_id", u32(tokens_of<C>.im_end));
  out.set("tokenizer.ggml.padding_token_id", u32(tokens_of<C>.endoftext));
  if constexpr (text::default_system_of<medmo::vocabulary_of<C>>.empty()) out.set("tokenizer.chat_template", text::chat_template);
}

template <vision_language_configuration C>
void describe_vision(pretrained<C> const& p, io::gguf_writer& out, io::gguf_mix mix) {
  constexpr auto& v = C::vision;
  auto u32 = [](index x) { return static_cast<std::uint32_t>(x); };
  out.set("general.architecture", "clip");
  out.set("general.name", configuration_name<C>);
  out.set("general.file_type", io::entry_of(mix).file_type);
  out.set("general.quantization_version", std::uint32_t{2});
  out.set("clip.has_vision_encoder", true);
  out.set("clip.projector_type", "qwen3vl_merger");
  out.set("clip.use_gelu", true);
  out.set("clip.vision.image_size", u32(v.table_side() * v.patch));
  out.set("clip.vision.patch_size", u32(v.patch));
  out.set("clip.vision.embedding_length", u32(v.hidden));
  out.set("clip.vision.feed_forward_length", u32(v.intermediate));
  out.set("clip.vision.projection_dim", u32(v.out_hidden));
  out.set("clip.vision.block_count", u32(v.depth));
  out.set("clip.vision.attention.head_count", u32(v.heads));
  out.set("clip.vision.attention.layer_norm_epsilon", static_cast<float>(v.norm_eps));
  out.set("clip.vision.spatial_merge_size", u32(v.merge));
  std::vector<bool> deepstack(static_cast<std::size_t>(v.depth));
  for (std::size_t i = 0; i < v.deepstack.size(); ++i) deepstack[static_cast<std::size_t>(v.deepstack[i])] = true;
  out.set("clip.vision.is_deepstack_layers", deepstack);
  out.set("clip.vision.image_mean", std::vector<float>(p.pictures.mean.begin(), p.pictures.mean.end()));
  out.set("clip.vision.image_std", std::vector<float>(p.pictures.deviation.begin(), p.pictures.deviation.end()));
  out.set("clip.vision.image_min_pixels", u32(p.pictures.min_pixels));
  out.set("clip.vision.image_max_pixels", u32(p.pictures.max_pixels));
}

/// The tensors of both files, those of the tower last. `weights` must outlive them.
template <class C>
std::vector<gguf_row_source> gguf_tensors(model_weights<C>& weights, io::gguf_mix mix) {
  io::gguf_naming naming{.text = vision_language_configuration<C> ? "model.language_model." : "model."};
  if constexpr (vision_language_configuration<C>)
    for (std::size_t i = 0; i < C::vision.deepstack.size(); ++i) naming.deepstack.push_back(C::vision.deepstack[i]);
  io::gguf_mix_model const model{C::text.layers, C::text.heads / C::text.kv_heads, C::text.tied_head};
  std::vector<gguf_row_source> list;
  for_each_tensor(weights, [&](std::string const& name, auto& tensor) {
    gguf_row_source s{.name = *io::gguf_name(name, naming)};
    bool const q = name.find(".q_proj.") != name.npos, k = name.find(".k_proj.") != name.npos;
    bool const permuted = gguf_architecture<C> == "llama" && (q || k);
    index const head = C::text.head_dim, half = head / 2;
    auto from = [=](index row) { return permuted ? row - row % head + row % 2 * half + row % head / 2 : row; };
    if constexpr (requires { tensor.stored; }) {
      auto const* m = &tensor.stored;
      s.rows = tensor.rows, s.columns = tensor.cols;
      s.shape = {s.rows, s.columns};
      s.type = io::type_in_mix(mix, s.name, s.columns, model);
      s.read = [=](index row, float* out) { kernels::read_row(*m, from(row), out); };
      if (!permuted) s.as_stored = m;
    } else {
      auto const* data = tensor.data;
      s.rows = tensor.size, s.columns = 1;
      s.shape = {s.rows};
      s.read = [=](index row, float* out) { *out = data[from(row)]; };
    }
    if constexpr (vision_language_configuration<C>)
      if (s.name == "v.patch_embd.weight") {  // [O, C, 2, P, P]: one kernel of f32 for each of the two frames
        constexpr auto& v = C::vision;
        constexpr index piece = v.patch * v.patch;
        auto const whole = s.read;
        for (index frame = 0; frame < 2; ++frame) {
          auto part = s;
          if (frame == 1) part.name += ".1";
          part.type = dtype::f32;
          part.as_stored = nullptr;
          part.shape = {v.hidden, v.channels, v.patch, v.patch};
          part.columns = v.channels * piece;
          part.read = [=](index row, float* out) {
            std::vector<float> both(static_cast<std::size_t>(v.patch_width()));
            whole(row, both.data());
            for (index c = 0; c < v.channels; ++c) std::copy_n(both.data() + (2 * c + frame) * piece, piece, out + c * piece);
          };
          list.push_back(std::move(part));
        }
        return;
      }
    list.push_back(std::move(s));
  });
  return list;
}

/// f32 numbers as bytes of a type.
inline void store_row(dtype type, float const* x, index n, std::byte* out) {
  if (type == dtype::f32)
    std::memcpy(out, x, static_cast<std::size_t>(n) * sizeof(float));
  else if (type == dtype::bf16)
    kernels::arch::round_to_bf16(x, reinterpret_cast<bf16*>(out), n);
  else
    kernels::quantize_row(type, x, n, out);
}

inline void append_rows(io::gguf_writer& out, gguf_row_source const& s, std::function<void(index)> const& wrote) {
  auto const row_bytes = bytes_for(s.type, static_cast<std::size_t>(s.columns));
  index const piece = std::max<index>(1, (index{1} << 22) / std::max<index>(1, s.columns));
  std::vector<std::byte> bytes;
  for (index at = 0; at < s.rows; at += piece) {
    index const n = std::min(piece, s.rows - at);
    bytes.resize(static_cast<std::size_t>(n) * row_bytes);
    if (s.as_stored && s.as_stored->type == s.type) {
      std::memcpy(bytes.data(), s.as_stored->row_bytes(at), bytes.size());
    } else {
      std::atomic<bool> finite{true};
      parallel_ranges(n, std::max<index>(1, (index{1} << 14) / s.columns), [&](index begin, index end) {
        std::vector<float> row(static_cast<std::size_t>(s.columns));
        for (index r = begin; r < end; ++r) {
          s.read(at + r, row.data());
          for (float x : row)
            if (!std::isfinite(x)) finite = false;
          store_row(s.type, row.data(), s.columns, bytes.data() + static_cast<std::size_t>(r) * row_bytes);
        }
      });
      if (!finite) MEDMO_THROW(errc::not_finite, "tensor " + s.name, "finite numbers", "others");
    }
    out.append(bytes);
    wrote(n * s.columns);
  }
}
}  // namespace detail

/// Writes the text model to `text_path` and, if it has one, its vision tower to `vision_path` (empty: not written). Each file
/// appears whole or not at all, the text model last. Errors: file_access; not_finite naming the tensor.
template <model_configuration C>
void write_gguf(pretrained<C> const& p, std::string const& text_path, std::string const& vision_path, write_gguf_options const& options = {}) {
  auto weights = p.model.weights();
  auto const tensors = detail::gguf_tensors<C>(weights, options.mix);
  auto of_tower = [](detail::gguf_row_source const& t) { return t.name.starts_with("v.") || t.name.starts_with("mm."); };
  auto wanted = [&](auto const& t) { return !of_tower(t) || !vision_path.empty(); };
  std::uint64_t total = 0, done = 0;
  for (auto const& t : tensors)
    if (wanted(t)) total += static_cast<std::uint64_t>(t.rows * t.columns);
  auto wrote = [&](index numbers) {
    done += static_cast<std::uint64_t>(numbers);
    if (options.on_progress) options.on_progress(done, total);
  };
  auto write = [&](io::gguf_writer& out, bool tower) {
    for (auto const& t : tensors)
      if (of_tower(t) == tower) out.declare(t.name, t.type, t.shape);
    for (auto const& t : tensors)
      if (of_tower(t) == tower) detail::append_rows(out, t, wrote);
    out.commit();
  };
  if constexpr (vision_language_configuration<C>)
    if (!vision_path.empty()) {
      io::gguf_writer out(vision_path);
      detail::describe_vision(p, out, options.mix);
      write(out, true);
    }
  io::gguf_writer out(text_path);
  detail::describe_text(p, out, options.mix);
  write(out, false);
}

}  // namespace medmo::inline MEDMO_ABI
