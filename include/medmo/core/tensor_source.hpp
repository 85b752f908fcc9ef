// Named tensors from anywhere: a safetensors folder, a GGUF, or arrays linked into a program. The one door through which
// the model room meets files.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dtype.hpp"
#include "matrix.hpp"

namespace medmo::inline MEDMO_ABI {

/// A stored tensor, row-major. bytes.size() is the product of the shape times the size of the type (the source's duty);
/// the bytes live as long as the source.
struct tensor_ref {
  dtype type = dtype::f32;
  std::vector<index> shape;
  std::span<std::byte const> bytes;
};

/// find(name) gives the tensor or nothing; names() every name there is.
template <class S>
concept tensor_source = requires(S const& s, std::string_view name) {
  { s.find(name) } -> std::same_as<std::optional<tensor_ref>>;
  { *std::begin(s.names()) } -> std::convertible_to<std::string>;
};

/// "[2560, 9728]", for messages.
inline std::string shape_text(std::span<index const> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace medmo::inline MEDMO_ABI
