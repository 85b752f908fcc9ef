// The tokenizer in the metadata of a GGUF (io/gguf_metadata.hpp), as far as it is a byte-level BPE:
//   tokenizer.ggml.model   "gpt2"          .pre   names the splitting: "qwen2", "smollm"
//   tokenizer.ggml.tokens  spellings by id: base tokens in the byte-level alphabet, added ones as they are
//   tokenizer.ggml.token_type   1 normal, 3 control, 4 user-defined, 5 unused      .merges   "left right", best first
// The converter marks every added token that looks like a control token as one; the kinds of those that the configuration
// lists are the configuration's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../io/gguf_metadata.hpp"
#include "../io/gguf_writer.hpp"
#include "byte_alphabet.hpp"
#include "tokenizer.hpp"
#include "tokenizer_json.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// Name of a splitting scheme in GGUF files.
constexpr std::string_view gguf_name(pretokenizer_scheme scheme) {
  switch (scheme) {
    case pretokenizer_scheme::qwen2: return "qwen2";
    case pretokenizer_scheme::gpt2_single_digits: return "smollm";
  }
  return "";
}

/// Types of tokens, by their number in GGUF files.
enum class gguf_token : index { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// Throws errc::unsupported (another kind of tokenizer, a text that begins with a token of its own), errc::bad_format (lists
/// missing or of different lengths, spellings or merges that are none), and as the tokenizer's constructor does.
template <tokenizer_configuration T>
tokenizer<T> read_tokenizer_gguf(io::gguf_metadata const& m, std::string const& where) {
  auto one = [&](std::string_view key, std::string_view expected) {
    auto found = m.text(key);
    if (found != expected)
      MEDMO_THROW(errc::unsupported, where + ": " + std::string(key), "\"" + std::string(expected) + "\"",
                  found ? "\"" + std::string(found->substr(0, 60)) + "\"" : "none");
  };
  one("tokenizer.ggml.model", "gpt2");
  one("tokenizer.ggml.pre", gguf_name(T::scheme));
  if (m.boolean("tokenizer.ggml.add_bos_token") == true)
    MEDMO_THROW(errc::unsupported, where + ": tokenizer.ggml.add_bos_token", "false", "true");
  auto tokens = m.texts("tokenizer.ggml.tokens"), merges = m.texts("tokenizer.ggml.merges");
  auto types = m.integers("tokenizer.ggml.token_type");
  if (!tokens || !merges || !types || types->size() != tokens->size())
    MEDMO_THROW(errc::bad_format, where + ": tokenizer.ggml", "tokens, merges and as many token types as tokens",
                std::to_string(tokens ? tokens->size() : 0) + ", " + std::to_string(merges ? merges->size() : 0) + " and " +
                    std::to_string(types ? types->size() : 0));

  std::vector<added_token> added;
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    auto id = static_cast<index>(i);
    auto type = static_cast<gguf_token>((*types)[i]);
    auto listed = id - T::first_added;
    bool const known = listed >= 0 && listed < static_cast<index>(T::added.size()) &&
                       T::added[static_cast<std::size_t>(listed)].content == (*tokens)[i];
    if (known)
      added.push_back({std::string((*tokens)[i]), id, T::added[static_cast<std::size_t>(listed)].kind});
    else if (type == gguf_token::control || type == gguf_token::user_defined)
      added.push_back({std::string((*tokens)[i]), id, type == gguf_token::control ? token_kind::special : token_kind::markup});
    else if (id >= T::base && type != gguf_token::unused)
      MEDMO_THROW(errc::bad_config, where + ": tokenizer.ggml.tokens",
                  std::to_string(T::base) + " base tokens (" + std::string(T::name) + ")", "more");
  }
  tokens->resize(std::min(tokens->size(), static_cast<std::size_t>(T::base)));
  std::string const list = where + ": tokenizer.ggml";
  auto base = detail::assemble(
      *tokens, merges->size(),
      [&](std::size_t i) {
        auto parts = detail::two_words((*merges)[i]);
        if (!parts)
          MEDMO_THROW(errc::bad_format, list + ", merge " + std::to_string(i), "two tokens",
                      "'" + std::string((*merges)[i].substr(0, 80)) + "'");
        return *parts;
      },
      list);
  return {std::move(base), std::move(added), list};
}

/// The tokenizer as entries of a GGUF's metadata; rows of the embedding without a token become unused ones.
template <tokenizer_configuration T>
void write_tokenizer_gguf(tokenizer<T> const& t, io::gguf_writer& out) {
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types;
  for (index id = 0; id < T::rows; ++id) {
    auto kind = t.kind(id);
    auto type = !kind ? gguf_token::unused : *kind == token_kind::base ? gguf_token::normal
              : *kind == token_kind::special ? gguf_token::control : gguf_token::user_defined;
    tokens.push_back(!kind ? "[PAD" + std::to_string(id) + "]"
                           : *kind == token_kind::base ? spell_bytes(t.bytes(id)) : std::string(t.bytes(id)));
    types.push_back(static_cast<std::int32_t>(type));
  }
  for (index rank = 0; rank < t.base().merge_count(); ++rank) {
    auto m = t.base().merge_at(rank);
    merges.push_back(spell_bytes(t.base().bytes(m.left)) + " " + spell_bytes(t.base().bytes(m.right)));
  }
  out.set("tokenizer.ggml.model", "gpt2");
  out.set("tokenizer.ggml.pre", gguf_name(T::scheme));
  out.set("tokenizer.ggml.tokens", tokens);
  out.set("tokenizer.ggml.token_type", types);
  out.set("tokenizer.ggml.merges", merges);
  out.set("tokenizer.ggml.add_bos_token", false);
}

}  // namespace medmo::inline MEDMO_ABI::text
