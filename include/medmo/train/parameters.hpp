// What is trained: copies of the chosen tensors of a model, adapters, their gradients and optimiser moments, and a model
// that computes with them. Frozen tensors stay where the model has them and get nothing. Each kind (values, gradients, moments)
// is one block of memory in the order of for_each_tensor, so that norms, files and all-reduce see plain arrays.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/arena.hpp"
#include "../core/parallel.hpp"
#include "../kernels/arch/bf16.hpp"
#include "../kernels/embedding.hpp"
#include "../model/model.hpp"
#include "lora.hpp"
#include "weight_gradients.hpp"

namespace medmo::inline MEDMO_ABI::train {

/// Parts of a model that are trained or frozen by themselves.
enum class model_part : std::uint8_t { vision_tower, merger, deepstack_mergers, decoder, embeddings };
inline constexpr std::size_t model_parts = 5;

/// The part that a tensor belongs to, by its canonical name. The head counts as an embedding.
constexpr model_part part_of(std::string_view name) {
  auto has = [&](std::string_view s) { return name.find(s) != std::string_view::npos; };
  if (has(".visual.merger.")) return model_part::merger;
  if (has(".visual.deepstack_merger_list.")) return model_part::deepstack_mergers;
  if (has(".visual.")) return model_part::vision_tower;
  if (has("embed_tokens") || name.starts_with("lm_head")) return model_part::embeddings;
  return model_part::decoder;
}

struct trained_parts {
  bool vision_tower = true, merger = true, deepstack_mergers = true, decoder = true, embeddings = true;
  constexpr bool has(model_part p) const {
    return std::array{vision_tower, merger, deepstack_mergers, decoder, embeddings}[static_cast<std::size_t>(p)];
  }
};

/// One trained tensor: pieces of the blocks, `size` numbers each.
struct parameter {
  std::string name;
  model_part part = model_part::decoder;
  bool is_matrix = false, is_narrow = false;  ///< narrow: the products read bf16
  index rows = 0, cols = 0, size = 0;
  index offset = 0;          ///< in each block
  float* value = nullptr;    ///< what the optimiser moves
  bf16* rounded = nullptr;   ///< value rounded, of a narrow one
  float *gradient = nullptr, *first = nullptr, *second = nullptr;
};

template <model_configuration C>
class parameters {
 public:
  /// Copies the tensors of the parts of `base`, which must outlive this, and adds adapters. f32 matrices stay f32; all
  /// others compute as bf16 and are held as f32 too; adapters are f32.
  /// Errors: bad_argument (options; nothing to train), too_large (no memory).
  parameters(model<C> const& base, trained_parts parts, lora_options const& lora = {})
      : model_(model<C>::over(take_over(base.weights(), parts, lora))), base_(model<C>::over(without_adapters(model_.weights()))) {}
  parameters(parameters const&) = delete;

  /// The model as it is now: every pass through it sees the last step.
  model<C> const& current() const { return model_; }
  /// The same without its adapters: the reference of a KL term, if nothing else is trained.
  model<C> const& without_adapters() const { return base_; }
  weight_gradients const& gradients() const { return gradients_; }
  std::span<parameter const> all() const { return all_; }

  /// Whole blocks, gaps between tensors (zeros) included.
  std::span<float> values() { return block(0); }
  std::span<float> gradient_values() { return block(1); }
  std::span<float> first_moments() { return block(2); }
  std::span<float> second_moments() { return block(3); }

  void clear_gradients() {
    parallel_ranges(size_, index{1} << 18, [&](index begin, index end) { std::fill(blocks_[1] + begin, blocks_[1] + end, 0.0f); });
  }
  /// Makes what the products read of p follow its value.
  static void round(parameter const& p) {
    if (p.rounded)
      parallel_ranges(p.size, index{1} << 16, [&](index begin, index end) {
        kernels::arch::round_to_bf16(p.value + begin, p.rounded + begin, end - begin);
      });
  }

 private:
  std::span<float> block(std::size_t i) { return {blocks_[i], static_cast<std::size_t>(size_)}; }

  /// `w` with the trained tensors replaced by copies in our blocks, and with adapters.
  model_weights<C> take_over(model_weights<C> w, trained_parts parts, lora_options const& lora) {
    check(lora);
    index narrow = 0;
    auto plan = [&](parameter p) {
      p.part = part_of(p.name);
      p.size = p.rows * p.cols;
      p.offset = size_;
      size_ += padded(p.size);
      if (p.is_narrow) narrow += padded(p.size);
      all_.push_back(std::move(p));
    };
    for_each_tensor(w, [&](std::string const& name, auto& t) {
      if (!parts.has(part_of(name))) return;
      if constexpr (requires { t.stored; })
        plan({.name = name, .is_matrix = true, .is_narrow = t.stored.type != dtype::f32, .rows = t.rows, .cols = t.cols});
      else
        plan({.name = name, .rows = 1, .cols = t.size});
    });
    std::size_t const adapted = all_.size();
    for_each_linear(w, [&](std::string const& name, auto& l) {
      if (!lora.wants(name)) return;
      plan({.name = name + ".lora_A.weight", .is_matrix = true, .rows = lora.rank, .cols = l.in});
      plan({.name = name + ".lora_B.weight", .is_matrix = true, .rows = l.out, .cols = lora.rank});
    });
    if (all_.empty()) MEDMO_THROW(errc::bad_argument, "training", "a part or an adapter to train", "none");
    place(narrow);

    auto next = all_.begin();
    for_each_tensor(w, [&](std::string const& name, auto& t) {
      if (!parts.has(part_of(name))) return;
      replace(t, *next);
      round(*next++);
    });
    adapters_.reserve((all_.size() - adapted) / 2);
    for_each_linear(w, [&](std::string const& name, auto& l) {
      if (!lora.wants(name)) return;
      auto const &a = *next++, &b = *next++;
      begin_adapter(a.value, a.rows, a.cols, a.name, lora.seed);
      auto stored = [](parameter const& p) {
        return kernels::stored_matrix{dtype::f32, reinterpret_cast<std::byte const*>(p.value), p.rows, p.cols};
      };
      l.adapter = &adapters_.emplace_back(kernels::low_rank{stored(a), stored(b), lora.scale()});
      gradients_.add(a.value, a.gradient);
      gradients_.add(b.value, b.gradient);
    });
    return w;
  }
  static model_weights<C> without_adapters(model_weights<C> w) {
    for_each_linear(w, [](std::string const&, auto& l) { l.adapter = nullptr; });
    return w;
  }
  /// Takes the memory, zeroed, and tells every parameter where it lies.
  void place(index narrow) {
    auto bytes = [](index count, std::size_t size) { return arena::padded(static_cast<std::size_t>(count) * size); };
    memory_.reserve(4 * bytes(size_, sizeof(float)) + bytes(narrow, sizeof(bf16)));
    for (auto& b : blocks_) {
      b = memory_.take<float>(size_);
      std::fill_n(b, size_, 0.0f);
    }
    bf16* next = memory_.take<bf16>(narrow);
    for (auto& p : all_) {
      p.value = blocks_[0] + p.offset;
      p.gradient = blocks_[1] + p.offset;
      p.first = blocks_[2] + p.offset;
      p.second = blocks_[3] + p.offset;
      if (p.is_narrow) p.rounded = std::exchange(next, next + padded(p.size));
    }
  }
  template <index Out, index In>
  void replace(weight<Out, In>& w, parameter const& p) {
    for (index r = 0; r < Out; ++r) kernels::read_row(w.stored, r, p.value + r * In);
    if (p.rounded)
      w.stored = {dtype::bf16, reinterpret_cast<std::byte const*>(p.rounded), Out, In};
    else
      w.stored = {dtype::f32, reinterpret_cast<std::byte const*>(p.value), Out, In};
    gradients_.add(w.stored.bytes, p.gradient);
  }
  template <index N>
  void replace(vector_weight<N>& w, parameter const& p) {
    std::copy_n(w.data, N, p.value);
    w.data = p.value;
    gradients_.add(w.data, p.gradient);
  }
  static constexpr index padded(index size) { return (size + 31) / 32 * 32; }

  arena memory_;
  std::array<float*, 4> blocks_{};
  index size_ = 0;
  std::vector<parameter> all_;
  weight_gradients gradients_;
  std::vector<kernels::low_rank> adapters_;
  model<C> model_, base_;  // last: made of the others
};

}  // namespace medmo::inline MEDMO_ABI::train
