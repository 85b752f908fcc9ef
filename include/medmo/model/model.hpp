// A model: weights that are checked against the configuration, and whatever keeps their bytes alive. Const once loaded, and
// shared by any number of sequences in any number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/tensor_source.hpp"
#include "check.hpp"
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

  void load(model_weights<C>& w, std::vector<std::unique_ptr<float[]>>& owned) {
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
             std::vector<std::unique_ptr<float[]>>& owned) {
    check_shape(name, t, {Out, In});
    bool aligned = reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(t.type) == 0;
    if ((t.type == dtype::f32 || t.type == dtype::bf16) && aligned)
      w.stored = {t.type, t.bytes.data(), Out, In};
    else
      w.stored = {dtype::f32, reinterpret_cast<std::byte const*>(widen(name, t, owned)), Out, In};
  }

  template <index N>
  void place(std::string const& name, tensor_ref const& t, vector_weight<N>& w,
             std::vector<std::unique_ptr<float[]>>& owned) {
    check_shape(name, t, {N});
    w.data = widen(name, t, owned);
  }

  /// Rows are the first dimension; the others may be folded (a convolution's kernel is one row of its product).
  void check_shape(std::string const& name, tensor_ref const& t, std::vector<index> const& expected) {
    std::vector<index> folded;
    for (std::size_t i = 0; i < t.shape.size(); ++i)
      if (i < expected.size()) folded.push_back(t.shape[i]);
      else if (expected.size() > 1) folded.back() *= t.shape[i];
    bool convolution = name.ends_with("patch_embed.proj.weight");
    if (folded != expected || (t.shape.size() != expected.size() && !convolution))
      MEDMO_THROW(errc::wrong_shape, where_ + ": tensor " + name, shape_text(expected), shape_text(t.shape));
  }

  float const* widen(std::string const& name, tensor_ref const& t, std::vector<std::unique_ptr<float[]>>& owned) {
    index n = 1;
    for (index d : t.shape) n *= d;
    auto out = std::make_unique<float[]>(static_cast<std::size_t>(n));
    auto each = [&]<class T>(T) {
      for (index i = 0; i < n; ++i) {
        T x;
        std::memcpy(static_cast<void*>(&x), t.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
        out[static_cast<std::size_t>(i)] = static_cast<float>(x);
      }
    };
    switch (t.type) {
      case dtype::f32: each(float{}); break;
      case dtype::bf16: each(bf16{}); break;
      case dtype::f16: each(f16{}); break;
      default:
        MEDMO_THROW(errc::wrong_dtype, where_ + ": tensor " + name, "F32, F16 or BF16", std::string(name_of(t.type)));
    }
    owned.push_back(std::move(out));
    return owned.back().get();
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

  /// Reads every tensor of the configuration from `source`, which is kept alive. Matrices of type F32 and BF16 are used in
  /// place; vectors, F16 and misaligned ones are widened to F32. `where` names the source in errors.
  /// Errors: missing_tensor, unused_tensor, wrong_shape, wrong_dtype, each naming the tensors.
  template <tensor_source Source>
  static model load(std::shared_ptr<Source const> source, std::string where) {
    model m;
    detail::weight_loader<C, Source>(*source, std::move(where)).load(m.parts_->weights, m.parts_->owned);
    m.parts_->source = std::move(source);
    m.compute_ = m.weights().text.layers.front().q_proj.weight.stored.type;
    return m;
  }

  model_weights<C> const& weights() const { return parts_->weights; }
  /// The type of the decoder's matrices: products, keys and values are computed in it.
  dtype compute() const { return compute_; }

 private:
  struct parts {
    model_weights<C> weights;
    std::vector<std::unique_ptr<float[]>> owned;
    std::shared_ptr<void const> source;
  };
  model() : parts_(std::make_unique<parts>()) {}

  std::unique_ptr<parts> parts_;
  dtype compute_ = dtype::f32;
};

}  // namespace medmo::inline MEDMO_ABI
