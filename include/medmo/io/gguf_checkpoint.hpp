// GGUF files as a checkpoint: the tensors of a text model and, if there is one, its vision projector (mmproj), under the names
// and in the shapes that Hugging Face folders have. Rows stay where they are in the file but for two things that conversion
// to GGUF had changed and that are undone in copies:
//   architecture llama   rows of q and k lie as rotary pairs (i, i + half) next to each other: row 2 i + s back to s half + i
//   patch embedding      one kernel for each of the two frames: joined, [O, 3, P, P] twice -> [O, 3, 2, P, P]
// Knows no model: what is missing, unknown or mis-shaped is found where the tensors are used.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf.hpp"
#include "gguf_names.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// A tensor_source. Move-only; what find() gave stays valid through a move.
class gguf_checkpoint {
 public:
  /// `text` is a GGUF of architecture llama, qwen3 or qwen3vl, `vision` one of architecture clip with the projector
  /// qwen3vl_merger. Errors: those of gguf_file; unsupported (another architecture); bad_format (tensors or values that
  /// cannot be put in order), naming file and place.
  static gguf_checkpoint open(gguf_file text, std::optional<gguf_file> vision = std::nullopt) {
    return gguf_checkpoint(std::move(text), std::move(vision));
  }

  gguf_file const& text() const { return text_; }
  std::optional<gguf_file> const& vision() const { return vision_; }
  std::string_view architecture() const { return architecture_; }
  gguf_naming const& naming() const { return naming_; }

  std::optional<tensor_ref> find(std::string_view name) const {
    auto it = tensors_.find(name);
    if (it == tensors_.end()) return std::nullopt;
    return it->second;
  }
  /// In alphabetic order; tensors of unknown names keep ggml's.
  std::vector<std::string> const& names() const { return names_; }

 private:
  gguf_checkpoint(gguf_file text, std::optional<gguf_file> vision) : text_(std::move(text)), vision_(std::move(vision)) {
    architecture_ = one_of(text_, "general.architecture", {"llama", "qwen3", "qwen3vl"});
    if (architecture_ == "qwen3vl") naming_.text = "model.language_model.";
    if (vision_) {
      one_of(*vision_, "general.architecture", {"clip"});
      auto const& m = vision_->metadata();
      one_of(*vision_, m.value("clip.projector_type") ? "clip.projector_type" : "clip.vision.projector_type", {"qwen3vl_merger"});
      if (auto layers = m.booleans("clip.vision.is_deepstack_layers"))
        for (std::size_t i = 0; i < layers->size(); ++i)
          if ((*layers)[i]) naming_.deepstack.push_back(static_cast<index>(i));
      add_all(*vision_);
      join_patches();
    }
    add_all(text_);
    if (architecture_ == "llama") undo_permutation();
    for (auto const& [name, t] : tensors_) names_.push_back(name);
  }

  static std::string one_of(gguf_file const& file, std::string const& key, std::initializer_list<std::string_view> known) {
    auto found = file.metadata().text(key);
    std::string expected;
    for (auto k : known) {
      if (found == k) return std::string(k);
      expected += (expected.empty() ? "" : " or ") + std::string(k);
    }
    MEDMO_THROW(errc::unsupported, file.where() + ": " + key, expected, found ? "\"" + std::string(found->substr(0, 60)) + "\"" : "none");
  }

  void add_all(gguf_file const& file) {
    for (auto const& name : file.names()) {
      auto known = checkpoint_name(name, naming_);
      auto [at, fresh] = tensors_.emplace(known.value_or(name), *file.find(name));
      if (!fresh) MEDMO_THROW(errc::bad_format, file.where() + ": tensor " + name, "tensors that are in one of the files", "it in both");
    }
  }

  std::byte* copy_of(std::size_t size) {
    owned_.push_back(std::make_unique<std::byte[]>(size));
    return owned_.back().get();
  }

  void join_patches() {
    constexpr std::string_view second_name = "v.patch_embd.weight.1";
    auto first = tensors_.find(naming_.vision + "patch_embed.proj.weight"), second = tensors_.find(second_name);
    if (first == tensors_.end() || second == tensors_.end()) return;  // whoever needs them says what is missing
    auto const &a = first->second, &b = second->second;
    std::string const where = vision_->where() + ": tensor " + std::string(second_name);
    if (is_quantized(a.type) || b.type != a.type)
      MEDMO_THROW(errc::unsupported, where, "two kernels of one type that is not quantised",
                  std::string(name_of(a.type)) + " and " + std::string(name_of(b.type)));
    if (a.shape.size() != 4 || b.shape != a.shape)
      MEDMO_THROW(errc::wrong_shape, where, "the shape of the first kernel, [O, C, P, P]", shape_text(b.shape));
    auto const piece = static_cast<std::size_t>(a.shape[2] * a.shape[3]) * size_of(a.type);
    auto* out = copy_of(2 * a.bytes.size());
    for (std::size_t at = 0; at < a.bytes.size() && piece > 0; at += piece) {
      std::memcpy(out + 2 * at, a.bytes.data() + at, piece);
      std::memcpy(out + 2 * at + piece, b.bytes.data() + at, piece);
    }
    tensor_ref joined{a.type, {a.shape[0], a.shape[1], 2, a.shape[2], a.shape[3]}, {out, 2 * a.bytes.size()}};
    tensors_.erase(second);
    first->second = std::move(joined);
  }

  void undo_permutation() {
    auto const heads = text_.metadata().integer("llama.attention.head_count");
    auto const kv_heads = text_.metadata().integer("llama.attention.head_count_kv");
    for (auto& [name, t] : tensors_) {
      bool q = name.find(".self_attn.q_proj.") != name.npos, k = name.find(".self_attn.k_proj.") != name.npos;
      if (!q && !k) continue;
      index const count = q ? heads.value_or(0) : kv_heads.value_or(heads.value_or(0));
      index const rows = t.shape.empty() ? 0 : t.shape[0];
      if (count <= 0 || rows <= 0 || rows % count != 0 || rows / count % 2 != 0)
        MEDMO_THROW(errc::bad_format, text_.where() + ": " + name, "rows of whole heads of even size (" + std::to_string(count) + " heads)",
                    shape_text(t.shape));
      auto const size = t.bytes.size() / static_cast<std::size_t>(rows);  // quantised rows are whole blocks
      index const head = rows / count, half = head / 2;
      auto* out = copy_of(t.bytes.size());
      for (index r = 0; r < rows; ++r) {
        index const in_head = r % head, from = r - in_head + 2 * (in_head % half) + in_head / half;
        std::memcpy(out + static_cast<std::size_t>(r) * size, t.bytes.data() + static_cast<std::size_t>(from) * size, size);
      }
      t.bytes = {out, t.bytes.size()};
    }
  }

  gguf_file text_;
  std::optional<gguf_file> vision_;
  std::string architecture_;
  gguf_naming naming_;
  std::map<std::string, tensor_ref, std::less<>> tensors_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<std::byte[]>> owned_;
};
static_assert(tensor_source<gguf_checkpoint>);

}  // namespace medmo::inline MEDMO_ABI::io
