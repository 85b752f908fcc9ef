// The structure of a DICOM file, walked in place: nothing is copied, nothing is printed, every length is proven.
//   128 bytes, "DICM", the elements of group 0002 (explicit VR, little endian; one names the transfer syntax), the data set.
//   element, explicit VR: group u16, element u16, VR 2 letters, length u16; or VR, 2 bytes, length u32 for OB OW SQ UN UT ...
//   element, implicit VR: group u16, element u16, length u32.
//   length 0xffffffff: items (FFFE,E000) u32 length follow, up to (FFFE,E0DD); an item of that length ends at (FFFE,E00D).
// Only what a picture needs is kept; a patient's data is passed over unread. Sources: DICOM PS3.5 chapter 7, PS3.10 chapter 7.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "../core/matrix.hpp"
#include "image_header.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// Does the file begin as a DICOM file does: "DICM" after 128 bytes?
inline bool is_dicom(std::span<std::byte const> bytes) {
  return bytes.size() >= 132 && std::memcmp(bytes.data() + 128, "DICM", 4) == 0;
}

namespace detail {

using dicom_tag = std::uint32_t;  ///< group << 16 | element

/// How the elements of a data set are written.
struct dicom_coding {
  bool explicit_vr = true;
  bool big_endian = false;
};

struct dicom_element {
  std::string_view vr;  ///< empty with implicit VR
  std::span<std::byte const> value;
  bool undefined = false;  ///< a length of 0xffffffff: value holds the items, without the delimiter
  dicom_coding coding;     ///< of the value and of what is in it
};

constexpr dicom_tag dicom_item = 0xfffee000, dicom_item_end = 0xfffee00d, dicom_sequence_end = 0xfffee0dd;
constexpr int dicom_max_depth = 64;

/// Walks elements and items; never goes beyond its bytes, never deeper than 64 sequences.
class dicom_walk {
 public:
  dicom_walk(std::span<std::byte const> bytes, dicom_coding coding, std::string_view where, int depth = 0)
      : bytes_(bytes), coding_(coding), where_(where), depth_(depth) {
    if (depth > dicom_max_depth) bad_image(where, "at most 64 DICOM sequences in each other", "more");
  }

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }
  bool done() const { return left() == 0; }
  dicom_coding coding() const { return coding_; }

  dicom_tag peek_tag() {
    auto start = at_;
    auto tag = take_tag();
    at_ = start;
    return tag;
  }

  /// The next element; `tag` is set to its name.
  dicom_element next(dicom_tag& tag) {
    tag = take_tag();
    dicom_element e{.vr = {}, .value = {}, .undefined = false, .coding = coding_};
    std::uint32_t length = 0;
    if (tag >> 16 == 0xfffe) bad_image(where_, "a DICOM element at byte " + std::to_string(at_ - 4), "an item");
    if (!coding_.explicit_vr) {
      length = number(4);
    } else {
      auto letters = take(2);
      e.vr = {reinterpret_cast<char const*>(letters.data()), 2};
      if (e.vr[0] < 'A' || e.vr[0] > 'Z' || e.vr[1] < 'A' || e.vr[1] > 'Z')
        bad_image(where_, "two letters of a DICOM value representation at byte " + std::to_string(at_ - 2), "other bytes");
      constexpr std::string_view long_form = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
      if (long_form.find(e.vr) != long_form.npos) {
        take(2);
        length = number(4);
      } else {
        length = number(2);
      }
    }
    if (length != 0xffffffffu) {
      e.value = take(length);
      return e;
    }
    e.undefined = true;
    if (e.vr == "UN") e.coding.explicit_vr = false, e.coding.big_endian = false;  // PS3.5 6.2.2
    dicom_walk items(bytes_.subspan(at_), e.coding, where_, depth_ + 1);
    std::span<std::byte const> item;
    while (items.next_item(item)) {
    }
    e.value = bytes_.subspan(at_, items.at() - 8);
    at_ += items.at();
    return e;
  }

  /// The next item of a sequence (or fragment of pixels); false at its end, a delimiter or the end of the bytes.
  bool next_item(std::span<std::byte const>& item) {
    if (done() && depth_ == 0) return false;
    auto tag = take_tag();
    auto length = number(4);
    if (tag == dicom_sequence_end) return false;
    if (tag != dicom_item) bad_image(where_, "a DICOM item at byte " + std::to_string(at_ - 8) + " of a sequence", "another element");
    if (length != 0xffffffffu) {
      item = take(length);
      return true;
    }
    dicom_walk inside(bytes_.subspan(at_), coding_, where_, depth_ + 1);
    std::size_t end = 0;
    for (dicom_tag name = inside.peek_tag(); name != dicom_item_end; name = inside.peek_tag()) {
      inside.next(name);
      end = inside.at();
    }
    item = bytes_.subspan(at_, end);
    take(end + 8);
    return true;
  }

 private:
  std::span<std::byte const> take(std::size_t count) {
    if (count > left())
      bad_image(where_, std::to_string(count) + " bytes more of a DICOM element", std::to_string(left()) + " (truncated)");
    auto part = bytes_.subspan(at_, count);
    at_ += count;
    return part;
  }
  std::uint32_t number(std::size_t count) {
    auto part = take(count);
    std::uint32_t v = 0;
    for (std::size_t i = 0; i < count; ++i) v = v << 8 | static_cast<std::uint32_t>(part[coding_.big_endian ? i : count - 1 - i]);
    return v;
  }
  dicom_tag take_tag() {
    auto group = number(2);
    return group << 16 | number(2);
  }

  std::span<std::byte const> bytes_;
  dicom_coding coding_;
  std::string_view where_;
  int depth_;
  std::size_t at_ = 0;
};

/// The elements of one data set or item that say something about its picture: groups 0028 and 7FE0, and three others.
class dicom_data {
 public:
  dicom_data() = default;
  dicom_data(std::span<std::byte const> bytes, dicom_coding coding, std::string_view where) : where_(where) {
    for (dicom_walk walk(bytes, coding, where); !walk.done();) {
      dicom_tag tag = 0;
      auto element = walk.next(tag);
      bool wanted = tag == 0x00080060 || tag >> 16 == 0x0028 || tag == 0x52009229 || tag == 0x52009230 || tag >> 16 == 0x7fe0;
      if (!wanted) continue;
      if (!elements_.emplace(tag, element).second) bad_image(where, "one DICOM element " + name(tag), "a second");
      if (elements_.size() > 256) bad_image(where, "at most 256 DICOM elements about the picture", "more");
      if (tag == 0x7fe00010) break;  // what follows is padding
    }
  }

  static std::string name(dicom_tag tag) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string text = "(";
    for (int shift = 28; shift >= 0; shift -= 4) {
      text += digits[tag >> shift & 15];
      if (shift == 16) text += ',';
    }
    return text + ")";
  }

  dicom_element const* find(dicom_tag tag) const {
    auto found = elements_.find(tag);
    return found == elements_.end() || (found->second.value.empty() && !found->second.undefined) ? nullptr : &found->second;
  }

  /// The first words of an element of 16-bit numbers (US, SS or OW).
  std::optional<std::uint16_t> word(dicom_tag tag, std::size_t i = 0) const {
    auto const* e = find(tag);
    if (!e) return std::nullopt;
    if (e->undefined || e->value.size() / 2 <= i) bad_image(where_, "16-bit numbers in " + name(tag), std::to_string(e->value.size()) + " bytes");
    return dicom_word(e->value, i, e->coding.big_endian);
  }
  static std::uint16_t dicom_word(std::span<std::byte const> bytes, std::size_t i, bool big_endian) {
    auto low = static_cast<unsigned>(bytes[2 * i + (big_endian ? 1 : 0)]), high = static_cast<unsigned>(bytes[2 * i + (big_endian ? 0 : 1)]);
    return static_cast<std::uint16_t>(high << 8 | low);
  }

  /// Text without the padding at both ends; empty if there is none.
  std::string_view text(dicom_tag tag) const {
    auto const* e = find(tag);
    if (!e || e->undefined) return {};
    return trimmed({reinterpret_cast<char const*>(e->value.data()), e->value.size()});
  }

  /// Value `i` of decimal strings "a\b"; nothing if absent or empty.
  std::optional<double> decimal(dicom_tag tag, std::size_t i = 0) const {
    auto rest = text(tag);
    for (; i > 0; --i) {
      auto cut = rest.find('\\');
      if (cut == rest.npos) return std::nullopt;
      rest.remove_prefix(cut + 1);
    }
    auto part = trimmed(rest.substr(0, rest.find('\\')));
    if (part.starts_with('+')) part.remove_prefix(1);
    if (part.empty()) return std::nullopt;
    double value = 0;
    auto [end, problem] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (problem != std::errc{} || end != part.data() + part.size() || !std::isfinite(value) || std::abs(value) > 1e30)
      bad_image(where_, "a number in " + name(tag), "something else");
    return value;
  }

  /// Item `i` of a sequence as a data set of its own; nothing if there is no such sequence or item.
  std::optional<dicom_data> item(dicom_tag tag, index i = 0) const {
    auto const* e = find(tag);
    if (!e) return std::nullopt;
    std::span<std::byte const> bytes;
    dicom_walk walk(e->value, e->coding, where_);
    for (; i >= 0; --i)
      if (!walk.next_item(bytes)) return std::nullopt;
    return dicom_data(bytes, e->coding, where_);
  }

 private:
  static std::string_view trimmed(std::string_view text) {
    constexpr std::string_view padding(" \0", 2);
    auto begin = text.find_first_not_of(padding);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(padding) - begin + 1);
  }

  std::string_view where_;
  std::map<dicom_tag, dicom_element> elements_;
};

/// The transfer syntax of a file and where its data set begins.
struct dicom_meta {
  std::string transfer_syntax;  ///< digits and dots
  std::size_t data_at = 0;
};

/// Errors: bad_image (no DICM, no transfer syntax, truncated).
inline dicom_meta read_dicom_meta(std::span<std::byte const> bytes, std::string_view where) {
  if (!is_dicom(bytes)) bad_image(where, "DICM at byte 128", bytes.size() < 132 ? "the end of the file" : "other bytes");
  dicom_meta meta;
  dicom_walk walk(bytes.subspan(132), {}, where);
  while (walk.left() >= 4 && walk.peek_tag() >> 16 == 2) {
    dicom_tag tag = 0;
    auto e = walk.next(tag);
    if (tag != 0x00020010) continue;
    meta.transfer_syntax.assign(reinterpret_cast<char const*>(e.value.data()), e.value.size());
    while (meta.transfer_syntax.ends_with('\0') || meta.transfer_syntax.ends_with(' ')) meta.transfer_syntax.pop_back();
  }
  if (meta.transfer_syntax.empty() || meta.transfer_syntax.size() > 64 ||
      meta.transfer_syntax.find_first_not_of("0123456789.") != meta.transfer_syntax.npos)
    bad_image(where, "the identifier of a DICOM transfer syntax", meta.transfer_syntax.empty() ? "none" : "something else");
  meta.data_at = 132 + walk.at();
  return meta;
}

}  // namespace detail
}  // namespace medmo::inline MEDMO_ABI::io
