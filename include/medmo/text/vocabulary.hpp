// Tokenizer configurations: types of constexpr values that say how text is split and which added tokens exist under which
// ids. The base tokens have ids 0..base-1; the model's embedding has `rows` >= base + added rows, some of them unused.
// A file's tokenizer is checked against its configuration at load. Values: the tokenizer.json of Qwen3 and SmolLM2.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>

#include "../core/matrix.hpp"
#include "pretokenizer.hpp"

namespace medmo::inline MEDMO_ABI::text {

enum class token_kind {
  base,     ///< a byte string that text may become
  markup,   ///< an added token that decoding keeps, like <tool_call>
  special,  ///< an added token that decoding drops, like <|im_end|>
};
enum class normalization { none, nfc };

/// An added token of a configuration.
struct added_token_name {
  std::string_view content;
  token_kind kind = token_kind::special;
};

template <class T>
concept tokenizer_configuration = requires {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::scheme } -> std::convertible_to<pretokenizer_scheme>;
  { T::normalize } -> std::convertible_to<normalization>;
  { T::base } -> std::convertible_to<index>;
  { T::rows } -> std::convertible_to<index>;
  { T::added.size() } -> std::convertible_to<std::size_t>;  // an array of added_token_name, ids from T::first_added
  { T::first_added } -> std::convertible_to<index>;
};

namespace detail {
inline void this_tokenizer_configuration_has_no_added_token_of_that_name() {}
}

/// Id of an added token; a name the configuration does not have fails to compile.
template <tokenizer_configuration T>
consteval index id_of(std::string_view content) {
  for (std::size_t i = 0; i < T::added.size(); ++i)
    if (T::added[i].content == content) return T::first_added + static_cast<index>(i);
  detail::this_tokenizer_configuration_has_no_added_token_of_that_name();
  return -1;
}

/// Has the configuration an added token of that name?
template <tokenizer_configuration T>
constexpr bool has_token(std::string_view content) {
  for (auto const& token : T::added)
    if (token.content == content) return true;
  return false;
}

/// Has every byte a token? T::bytes may say some; then text that needs another cannot be encoded.
enum class byte_cover { all, some };
template <tokenizer_configuration T>
inline constexpr byte_cover byte_cover_of = [] {
  if constexpr (requires { T::bytes; })
    return byte_cover(T::bytes);
  else
    return byte_cover::all;
}();

/// The system text of conversations that begin without one: T::default_system, or none.
template <tokenizer_configuration T>
inline constexpr std::string_view default_system_of = [] {
  if constexpr (requires { T::default_system; })
    return std::string_view(T::default_system);
  else
    return std::string_view{};
}();

/// Qwen's vocabulary, whole or cut after its first `Base` tokens; the 26 added tokens follow.
template <index Base, index Rows>
struct qwen_vocabulary {
  static constexpr std::string_view name = "qwen";
  static constexpr pretokenizer_scheme scheme = pretokenizer_scheme::qwen2;
  static constexpr normalization normalize = normalization::nfc;
  static constexpr index base = Base, first_added = Base, rows = Rows;
  static constexpr std::array<added_token_name, 26> added{{
      {"<|endoftext|>"},
      {"<|im_start|>"},
      {"<|im_end|>"},
      {"<|object_ref_start|>"},
      {"<|object_ref_end|>"},
      {"<|box_start|>"},
      {"<|box_end|>"},
      {"<|quad_start|>"},
      {"<|quad_end|>"},
      {"<|vision_start|>"},
      {"<|vision_end|>"},
      {"<|vision_pad|>"},
      {"<|image_pad|>"},
      {"<|video_pad|>"},
      {"<tool_call>", token_kind::markup},
      {"</tool_call>", token_kind::markup},
      {"<|fim_prefix|>", token_kind::markup},
      {"<|fim_middle|>", token_kind::markup},
      {"<|fim_suffix|>", token_kind::markup},
      {"<|fim_pad|>", token_kind::markup},
      {"<|repo_name|>", token_kind::markup},
      {"<|file_sep|>", token_kind::markup},
      {"<tool_response>", token_kind::markup},
      {"</tool_response>", token_kind::markup},
      {"<think>", token_kind::markup},
      {"</think>", token_kind::markup},
  }};
  static_assert(Base >= 256, "every byte needs a token of its own: at least 256 base tokens");
  static_assert(Rows >= Base + 26, "the embedding needs a row for every base token and the 26 added ones");
};

/// Qwen2, Qwen3, Qwen3-VL, MedMO.
using qwen_tokens = qwen_vocabulary<151643, 151936>;
/// medmo_nano: 4,070 base tokens (256 bytes and 3,814 merges) and the 26 added ones.
using nano_tokens = qwen_vocabulary<4070, 4096>;

/// SmolLM2. Its 17 added tokens are the first base tokens, whatever the file names them. 21 bytes have no token: a few control
/// characters, and the first bytes of characters from U+40000 on.
struct smollm2_tokens {
  static constexpr std::string_view name = "smollm2";
  static constexpr std::string_view default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  static constexpr pretokenizer_scheme scheme = pretokenizer_scheme::gpt2_single_digits;
  static constexpr normalization normalize = normalization::none;
  static constexpr byte_cover bytes = byte_cover::some;
  static constexpr index base = 49152, first_added = 0, rows = 49152;
  static constexpr std::array<added_token_name, 3> added{{{"<|endoftext|>"}, {"<|im_start|>"}, {"<|im_end|>"}}};
};

}  // namespace medmo::inline MEDMO_ABI::text
