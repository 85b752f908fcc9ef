// A model: weights that are checked against the configuration, and whatever keeps their bytes alive. Const once loaded, and
// shared by any number of sequences in any number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/tensor_source.hpp"
#include "../kernels/quantize/rows.hpp"
#include "check.hpp"
#include "vision_digest.hpp"
#include "weights.hpp"

namespace medmo::inline MEDMO_ABI {

template <model_configuration C>
class model;

namespace detail {

/// Dialects of tensor names: the canonical prefix, and what conversions write in its place.
struct name_dialect {
  std::string text, vision, head;
};

template <class C>
std::vector<name_dialect> known_dialects() {
  if constexpr (vision_language_configuration<C>)
    return {{"model.language_model.", "model.visual.", "lm_head."},
            {"language_model.model.", "visual.", "language_model.lm_head."},
            {"model.", "visual.", "lm_head."},
            {"language_model.", "visual.", "lm_head."}};
  else
    return {{"model.", "", "lm_head."}, {"", "", "lm_head."}, {"model.language_model.", "", "lm_head."}};
}

/// `name` as for_each_tensor gives it, in another dialect.
inline std::string translate(std::string const& name, name_dialect const& canonical, name_dialect const& to) {
  auto swap = [&](std::string const& from, std::string const& with) { return with + name.substr(from.size()); };
  if (!canonical.vision.empty() && name.starts_with(canonical.vision)) return swap(canonical.vision, to.vision);
  if (name.starts_with(canonical.head)) return swap(canonical.head, to.head);
  return swap(canonical.text, to.text);
}

/// Names in a list, the first few of them.
inline std::string listed(std::vector<std::string> const& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 5; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > 5) text += " and " + std::to_string(names.size() - 5) + " more";
  return text;
}

/// Fills the weights of one model from a source; everything is checked before anything is kept.
template <class C, tensor_source Source>
class weight_loader {
 public:
  weight_loader(Source const& source, std::string where) : source_(source), where_(std::move(where)) {}

  void load(model_weights<C>& w, std::vector<std::unique_ptr<std::byte[]>>& owned) {
    auto dialects = known_dialects<C>();
    name_dialect dialect = dialects.front();
    for (auto const& d : dialects)
      if (source_.find(d.text + "embed_tokens.weight")) {
        dialect = d;
        break;
      }
    std::vector<std::string> missing, used;
    for_each_tensor(w, [&](std::string const& name, auto& tensor) {
      std::string stored = translate(name, dialects.front(), dialect);
      auto found = source_.find(stored);
      if (!found) {
        missing.push_back(stored);
        return;
      }
      used.push_back(stored);
      place(stored, *found, tensor, owned);
    });
    if (!missing.empty())
      MEDMO_THROW(errc::missing_tensor, where_, "tensors " + listed(missing), "none of that name");
    refuse_unused(used, dialect);
  }

 private:
  template <index Out, index In>
  void place(std::string const& name, tensor_ref const& t, weight<Out, In>& w,
             std::vector<std::unique_ptr<std::byte[]>>& owned) {
    check_shape(name, t, {Out, In});
    auto aligned = [&] { return reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(t.type) == 0; };
    if (kernels::block_types::contains(t.type) && In % static_cast<index>(block_of(t.type).numbers) == 0)
      w.stored = {t.type, t.bytes.data(), Out, In};
    else if ((t.type == dtype::f32 || t.type == dtype::bf16) && aligned())
      w.stored = {t.type, t.bytes.data(), Out, In};
    else if (t.type == dtype::f16 && is_bf16(t.bytes))
      w.stored = {dtype::bf16, reinterpret_cast<std::byte const*>(convert<bf16>(name, t, owned)), Out, In};
    else
      w.stored = {dtype::f32, reinterpret_cast<std::byte const*>(convert<float>(name, t, owned)), Out, In};
  }

  template <index N>
  void place(std::string const& name, tensor_ref const& t, vector_weight<N>& w,
             std::vector<std::unique_ptr<std::byte[]>>& owned) {
    check_shape(name, t, {N});
    w.data = convert<float>(name, t, owned);
  }

  /// Rows are the first dimension; the others may be folded (a convolution's kernel is one row of its product).
  void check_shape(std::string const& name, tensor_ref const& t, std::vector<index> const& expected) {
    bool const convolution = name.ends_with("patch_embed.proj.weight");
    index const cap = expected.back() + 1;  // [0, 2^62, 2^62] is a shape, too
    std::vector<index> folded;
    for (std::size_t i = 0; i < t.shape.size(); ++i)
      if (i < expected.size()) folded.push_back(t.shape[i]);
      else if (convolution) folded.back() = std::min(folded.back(), cap) * std::clamp<index>(t.shape[i], 0, cap);
    if (folded != expected || (t.shape.size() != expected.size() && !convolution))
      MEDMO_THROW(errc::wrong_shape, where_ + ": tensor " + name, shape_text(expected), shape_text(t.shape));
  }

  /// Is every f16 number a bf16 one? So it is in a file that was made from bf16 weights.
  static bool is_bf16(std::span<std::byte const> bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
      f16 x;
      std::memcpy(static_cast<void*>(&x), bytes.data() + i, 2);
      auto wide = static_cast<float>(x);
      if (static_cast<float>(bf16(wide)) != wide) return false;
    }
    return true;
  }

  /// A copy of the tensor as numbers of type To, which its own all are.
  template <class To>
  To const* convert(std::string const& name, tensor_ref const& t, std::vector<std::unique_ptr<std::byte[]>>& owned) {
    index n = 1;
    for (index d : t.shape) n *= d;
    auto memory = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(n) * sizeof(To));
    auto* out = reinterpret_cast<To*>(memory.get());
    auto each = [&]<class T>(T) {
      for (index i = 0; i < n; ++i) {
        T x;
        std::memcpy(static_cast<void*>(&x), t.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
        out[i] = To(static_cast<float>(x));
      }
    };
    switch (t.type) {
      case dtype::f32: each(float{}); break;
      case dtype::bf16: each(bf16{}); break;
      case dtype::f16: each(f16{}); break;
      default:
        MEDMO_THROW(errc::wrong_dtype, where_ + ": tensor " + name, "F32, F16, BF16 or, of a matrix, quantised rows of whole blocks",
                    std::string(name_of(t.type)));
    }
    owned.push_back(std::move(memory));
    return out;
  }

  /// Whatever the model does not know is an error, but for a stored copy of a tied head and derived buffers.
  void refuse_unused(std::vector<std::string>& used, name_dialect const& dialect) {
    std::sort(used.begin(), used.end());
    std::vector<std::string> unused;
    for (std::string const& name : source_.names()) {
      bool tied_copy = C::text.tied_head && name == dialect.head + "weight";
      if (!std::binary_search(used.begin(), used.end(), name) && !tied_copy && !name.ends_with("rotary_emb.inv_freq"))
        unused.push_back(name);
    }
    if (!unused.empty())
      MEDMO_THROW(errc::unused_tensor, where_, "no tensors beyond those of " + std::string(configuration_name<C>), listed(unused));
  }

  Source const& source_;
  std::string where_;
};

}  // namespace detail

template <model_configuration C>
class model {
  static_assert(checked_configuration<C>());

 public:
  using configuration = C;

  /// Reads every tensor of the configuration from `source`, which is kept alive. Matrices of type F32, BF16 and quantised
  /// ones are used in place; vectors and misaligned matrices are widened to F32, and so are F16 ones, unless all their
  /// numbers are BF16's. `where` names the source in errors.
  /// Errors: missing_tensor, unused_tensor, wrong_shape, wrong_dtype, each naming the tensors.
  template <tensor_source Source>
  static model load(std::shared_ptr<Source const> source, std::string where) {
    model m;
    detail::weight_loader<C, Source>(*source, std::move(where)).load(m.parts_->weights, m.parts_->owned);
    m.parts_->source = std::move(source);
    m.note_types();
    return m;
  }

  /// A model over tensors that somebody else owns and may change between passes; they outlive it.
  static model over(model_weights<C> const& weights) {
    model m;
    m.parts_->weights = weights;
    m.note_types();
    return m;
  }

  model_weights<C> const& weights() const { return parts_->weights; }
  /// What counting and planning must allow for: a quantised type if any matrix has one, else bf16 if any has, else f32.
  dtype stored() const { return stored_; }
  /// f32, or bf16 as soon as one matrix is not f32: the type of keys and values.
  dtype compute() const { return kernels::compute_type(stored_); }

  /// What tells its vision tower from others (vision_digest.hpp); computed when first asked for, in any thread. Of tensors
  /// that may change: each time.
  digest vision_digest() const
    requires vision_language_configuration<C>
  {
    if (!parts_->source) return digest_of_vision<C>(parts_->weights, compute());
    std::call_once(parts_->hashed, [&] { parts_->vision = digest_of_vision<C>(parts_->weights, compute()); });
    return parts_->vision;
  }

 private:
  struct parts {
    model_weights<C> weights;
    std::once_flag hashed;
    digest vision{};
    std::vector<std::unique_ptr<std::byte[]>> owned;
    std::shared_ptr<void const> source;
  };
  model() : parts_(std::make_unique<parts>()) {}

  void note_types() {
    for_each_tensor(parts_->weights, [&](std::string const&, auto& t) {
      if constexpr (requires { t.stored; })
        if (t.stored.type != dtype::f32 && !is_quantized(stored_)) stored_ = t.stored.type;
    });
  }

  std::unique_ptr<parts> parts_;
  dtype stored_ = dtype::f32;
};

}  // namespace medmo::inline MEDMO_ABI
