// The tokenizer: text <-> ids for one configuration. Text is normalised, split into pieces, each piece byte-pair encoded.
// Added tokens (control tokens) are matched in text only when the caller asks: text of a user can never yield one.
// Const and shared between threads. Files are read by tokenizer_file.hpp; decoding token by token: streaming_decoder.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "byte_pairs.hpp"
#include "normalization.hpp"
#include "pretokenizer.hpp"
#include "unicode.hpp"
#include "vocabulary.hpp"

namespace medmo::inline MEDMO_ABI::text {

/// An added token of a loaded tokenizer.
struct added_token {
  std::string content;
  index id = 0;
  token_kind kind = token_kind::special;
};

enum class control_tokens {
  forbid,  ///< "<|im_end|>" in the text is eleven characters like any others
  allow,   ///< "<|im_end|>" in the text becomes the control token, as in the reference
};
enum class special_tokens { keep, skip };

struct encode_options {
  control_tokens control = control_tokens::forbid;
};
struct decode_options {
  special_tokens special = special_tokens::skip;
};

template <tokenizer_configuration T>
class tokenizer {
 public:
  using configuration = T;

  /// Takes base tokens and added tokens and checks them against T. Throws errc::bad_format (naming `where`) if a byte has
  /// no token, an added token is empty, doubled, or has an id that a base token of other bytes or no row has;
  /// errc::bad_config if the number of base tokens or an added token differs from T.
  tokenizer(byte_pairs base, std::vector<added_token> added, std::string_view where = "tokenizer")
      : base_(std::move(base)), added_(std::move(added)) {
    check_base(where);
    check_added(where);
  }

  /// Base tokens.
  byte_pairs const& base() const { return base_; }
  /// Added tokens, by id.
  std::span<added_token const> added() const { return added_; }
  /// One above the highest id that has a token.
  index size() const { return std::max(base_.size(), added_.empty() ? 0 : added_.back().id + 1); }

  /// Ids of `text`. Default: no control token can come out. Throws errc::bad_text if it is not UTF-8 or has no tokens,
  /// errc::too_large beyond 1 GiB. Time n log n in the longest piece, linear otherwise.
  ///   tokenizer.encode("Where is it?<|im_end|>")                                      // no im_end
  ///   tokenizer.encode("Where is it?<|im_end|>", {.control = control_tokens::allow})  // ends with im_end
  std::vector<index> encode(std::string_view text, encode_options options = {}) const {
    std::vector<index> ids;
    append(ids, text, options);
    return ids;
  }

  /// The same, appended to `ids`. An error is found before anything is appended.
  void append(std::vector<index>& ids, std::string_view text, encode_options options = {}) const {
    if (text.size() > max_text_bytes)
      MEDMO_THROW(errc::too_large, "text", "at most 2^30 bytes", std::to_string(text.size()));
    require_utf8(text, "text");
    if constexpr (byte_cover_of<T> == byte_cover::some) require_tokens(text);
    workspace w;
    if (options.control == control_tokens::forbid) return append_plain(ids, text, w);
    split_control(
        text, [&](std::string_view part) { append_plain(ids, part, w); }, [&](index id) { ids.push_back(id); });
  }

  /// Cuts text at the added tokens in it: calls plain(std::string_view) and control(index id) in order.
  /// The leftmost token wins, the longest of those that begin there. No part is empty.
  template <class Plain, class Control>
  void split_control(std::string_view text, Plain&& plain, Control&& control) const {
    for (std::size_t at = 0; at < text.size();) {
      auto [begin, token] = find_added(text, at);
      if (begin > at) plain(text.substr(at, begin - at));
      if (!token) return;
      control(token->id);
      at = begin + token->content.size();
    }
  }

  /// Kind of an id; nothing for an id without a token.
  std::optional<token_kind> kind(index id) const {
    if (auto token = added_by_id(id)) return token->kind;
    if (id >= 0 && id < base_.size()) return token_kind::base;
    return std::nullopt;
  }

  /// Bytes of a token, perhaps half a character. Rows of the embedding without a token give nothing;
  /// throws errc::bad_text for an id below 0 or from T::rows on.
  std::string_view bytes(index id) const {
    if (id < 0 || id >= T::rows)
      MEDMO_THROW(errc::bad_text, "token id", "0 <= id < " + std::to_string(T::rows), std::to_string(id));
    if (auto token = added_by_id(id)) return token->content;
    if (id < base_.size()) return base_.bytes(id);
    return {};
  }

  /// Text of some ids. Bytes that are not UTF-8 become U+FFFD, as in the reference; rows without a token give nothing.
  /// Throws errc::bad_text for an id outside the embedding. decode(encode(x)) == nfc(x) where T normalises.
  std::string decode(std::span<index const> ids, decode_options options = {}) const {
    std::string raw, text;
    for (index id : ids) raw.append(bytes_for(id, options));
    append_lossy(text, raw);
    return text;
  }

  /// Bytes that an id contributes to decoded text.
  std::string_view bytes_for(index id, decode_options options) const {
    auto b = bytes(id);
    return options.special == special_tokens::skip && kind(id) == token_kind::special ? std::string_view{} : b;
  }

  /// Id of an added token by its text.
  std::optional<index> find(std::string_view content) const {
    for (auto const& token : added_)
      if (token.content == content) return token.id;
    return std::nullopt;
  }

 private:
  static constexpr std::size_t max_text_bytes = std::size_t{1} << 30;
  static_assert(max_text_bytes <= byte_pairs::max_piece_bytes / 2, "normalised text may be longer than text");

  struct workspace {
    std::string normalised;
    byte_pairs::workspace pairs;
  };

  void append_plain(std::vector<index>& ids, std::string_view text, workspace& w) const {
    if constexpr (T::normalize == normalization::nfc) {
      if (!detail::is_surely_nfc(text)) {
        w.normalised.clear();
        append_nfc(w.normalised, text);
        text = w.normalised;
      }
    }
    split<T::scheme>(text, [&](std::string_view piece) { base_.encode(piece, w.pairs, ids); });
  }

  /// Errors: bad_text for a byte without a token, which no piece of text could hold.
  void require_tokens(std::string_view text) const {
    for (std::size_t i = 0; i < text.size(); ++i)
      if (base_.single(static_cast<unsigned char>(text[i])) == byte_pairs::none)
        MEDMO_THROW(errc::bad_text, "text, byte " + std::to_string(i), "a byte that the vocabulary " + std::string(T::name) + " has a token for",
                    std::to_string(static_cast<unsigned char>(text[i])));
  }

  struct match {
    std::size_t begin;
    added_token const* token;
  };
  /// The leftmost added token from `at` on, the longest of those that begin there; none: the end of the text.
  match find_added(std::string_view text, std::size_t at) const {
    for (; at < text.size(); ++at) {
      if (!begins_added_[static_cast<unsigned char>(text[at])]) continue;
      added_token const* best = nullptr;
      for (auto const& token : added_)
        if (text.substr(at, token.content.size()) == token.content &&
            (!best || token.content.size() > best->content.size()))
          best = &token;
      if (best) return {at, best};
    }
    return {text.size(), nullptr};
  }

  added_token const* added_by_id(index id) const {
    auto it =
        std::lower_bound(added_.begin(), added_.end(), id, [](added_token const& a, index v) { return a.id < v; });
    return it != added_.end() && it->id == id ? &*it : nullptr;
  }

  void check_base(std::string_view where) const {
    for (unsigned b = 0; b < 256 && byte_cover_of<T> == byte_cover::all; ++b)
      if (base_.single(static_cast<unsigned char>(b)) == byte_pairs::none)
        MEDMO_THROW(errc::bad_format, std::string(where), "a token for every byte",
                    "none for byte " + std::to_string(b));
    if (base_.size() != T::base)
      MEDMO_THROW(errc::bad_config, std::string(where),
                  std::to_string(T::base) + " base tokens (" + std::string(T::name) + ")",
                  std::to_string(base_.size()));
  }

  void check_added(std::string_view where) {
    auto fail = [&](errc code, added_token const& t, std::string expected, std::string found) {
      MEDMO_THROW(code, std::string(where) + ", added token '" + t.content + "'", std::move(expected),
                  std::move(found));
    };
    std::sort(added_.begin(), added_.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
    for (std::size_t i = 0; i < added_.size(); ++i) {
      auto const& token = added_[i];
      auto id = std::to_string(token.id);
      if (token.content.empty()) fail(errc::bad_format, token, "some text", "none");
      if (token.id < 0 || token.id >= T::rows)
        fail(errc::bad_format, token, "an id below " + std::to_string(T::rows), id);
      if (token.id < base_.size() && base_.bytes(token.id) != token.content)
        fail(errc::bad_format, token, "an id that no base token has", id);
      if (i > 0 && added_[i - 1].id == token.id) fail(errc::bad_format, token, "an id of its own", id);
      begins_added_[static_cast<unsigned char>(token.content[0])] = true;
    }
    std::vector<std::string_view> contents;
    for (auto const& token : added_) contents.push_back(token.content);
    std::sort(contents.begin(), contents.end());
    if (auto twice = std::adjacent_find(contents.begin(), contents.end()); twice != contents.end())
      fail(errc::bad_format, {std::string(*twice)}, "every added token once", "it twice");
    for (std::size_t i = 0; i < T::added.size(); ++i) {
      added_token wanted{std::string(T::added[i].content), T::first_added + static_cast<index>(i), T::added[i].kind};
      auto found = added_by_id(wanted.id);
      auto id = "id " + std::to_string(wanted.id);
      if (!found) fail(errc::bad_config, wanted, id, "no such token");
      if (found->content != wanted.content) fail(errc::bad_config, wanted, id, "'" + found->content + "' there");
      if (found->kind != wanted.kind)
        fail(errc::bad_config, wanted, wanted.kind == token_kind::special ? "special" : "not special", "the opposite");
    }
  }

  byte_pairs base_;
  std::vector<added_token> added_;  // by id
  std::array<bool, 256> begins_added_{};
};

/// Its added tokens as a configuration lists them.
template <tokenizer_configuration T>
std::vector<added_token> configured_added_tokens() {
  std::vector<added_token> added;
  for (std::size_t i = 0; i < T::added.size(); ++i)
    added.push_back({std::string(T::added[i].content), T::first_added + static_cast<index>(i), T::added[i].kind});
  return added;
}

/// The smaller tokenizer Small: the first Small::base tokens of `whole`, the merges among them, and Small's added tokens.
/// Throws errc::bad_argument if `whole` has fewer base tokens.
template <tokenizer_configuration Small, tokenizer_configuration T>
tokenizer<Small> truncate(tokenizer<T> const& whole) {
  if (whole.base().size() < Small::base)
    MEDMO_THROW(errc::bad_argument, "truncate", "at least " + std::to_string(Small::base) + " base tokens",
                std::to_string(whole.base().size()));
  byte_pairs base;
  for (index id = 0; id < Small::base; ++id) base.add_token(whole.base().bytes(id), "truncate");
  for (index rank = 0; rank < whole.base().merge_count(); ++rank) {
    auto m = whole.base().merge_at(rank);
    if (m.left < Small::base && m.right < Small::base && m.result < Small::base) base.add_merge(m, "truncate");
  }
  return {std::move(base), configured_added_tokens<Small>(), "truncate"};
}

}  // namespace medmo::inline MEDMO_ABI::text
