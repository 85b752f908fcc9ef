// Tables of a DICOM file: of grey values (modality, values of interest) and of colours (palettes), whole or in segments.
//   a descriptor of three 16-bit numbers (entries, first value mapped, bits), and the entries in an element of their own.
// Sources: DICOM PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2, C.11.1.1, C.11.2.1.1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dicom_elements.hpp"

namespace medmo::inline MEDMO_ABI::io::detail {

/// A table: entries from `first` on, values beyond either end take the nearest.
struct dicom_table {
  std::int64_t first = 0;
  int bits = 16;
  std::vector<std::uint16_t> entries;
  std::uint16_t operator()(double x) const {
    auto last = static_cast<double>(entries.size() - 1);
    return entries[static_cast<std::size_t>(std::clamp(std::trunc(x) - static_cast<double>(first), 0.0, last))];
  }
};

/// A table's descriptor: the number of entries, 0 for 2^16; the first; bits an entry. The entries are yet to be filled.
inline dicom_table describe_dicom_table(dicom_data const& data, dicom_tag descriptor, dicom_tag content, bool is_signed, std::string_view where) {
  auto count = data.word(descriptor), first = data.word(descriptor, count ? 1 : 0), bits = data.word(descriptor, count ? 2 : 0);
  auto const* e = data.find(content);
  if (!count || !e || e->undefined) bad_image(where, "a table " + dicom_data::name(content) + " and its description", "none");
  dicom_table table;
  std::size_t n = *count == 0 ? 65536 : *count;
  auto vr = data.find(descriptor)->vr;
  table.first = (vr.empty() ? is_signed : vr == "SS") ? std::int64_t{static_cast<std::int16_t>(*first)} : std::int64_t{*first};
  table.bits = *bits;
  if (table.bits < 8 || table.bits > 16) bad_image(where, "a table of 8 .. 16 bits", std::to_string(table.bits));
  table.entries.resize(n);
  return table;
}

/// A table of 16-bit words, or of bytes where there are just as many.
inline dicom_table read_dicom_table(dicom_data const& data, dicom_tag descriptor, dicom_tag content, bool is_signed, std::string_view where) {
  auto table = describe_dicom_table(data, descriptor, content, is_signed, where);
  auto const* e = data.find(content);
  auto n = table.entries.size();
  bool bytes = e->value.size() == n + n % 2 && table.bits == 8;
  if (!bytes && e->value.size() / 2 < n)
    bad_image(where, std::to_string(n) + " entries in " + dicom_data::name(content), std::to_string(e->value.size()) + " bytes");
  for (std::size_t i = 0; i < n; ++i)
    table.entries[i] = bytes ? static_cast<std::uint16_t>(e->value[e->coding.big_endian ? i ^ 1 : i])
                             : dicom_data::dicom_word(e->value, i, e->coding.big_endian);
  return table;
}

/// A table in segments of numbers (bytes if its entries have 8 bits, else words). Source: PS3.3 C.7.9.2.
///   0 n v1..vn: these values.   1 n v: n values in a line from the last one, excluded, to v.
///   2 n low high: the n segments at that offset in bytes once more, none of them of this kind.
inline dicom_table read_segmented_dicom_table(dicom_data const& data, dicom_tag descriptor, dicom_tag content, bool is_signed,
                                              std::string_view where) {
  auto table = describe_dicom_table(data, descriptor, content, is_signed, where);
  auto const& e = *data.find(content);
  std::size_t width = table.bits == 8 ? 1 : 2, count = e.value.size() / width, made = 0;
  auto number = [&](std::size_t i) -> unsigned {
    if (i >= count) bad_image(where, "whole segments in " + dicom_data::name(content), "the end (truncated)");
    return width == 2 ? dicom_data::dicom_word(e.value, i, e.coding.big_endian)
                      : static_cast<unsigned>(e.value[e.coding.big_endian && e.value.size() % 2 == 0 ? i ^ 1 : i]);
  };
  auto put = [&](double v) {
    if (made == table.entries.size()) bad_image(where, std::to_string(made) + " entries in the segments of " + dicom_data::name(content), "more");
    table.entries[made++] = static_cast<std::uint16_t>(v);
  };
  auto expand = [&](std::size_t& at) {  // one segment that is not a repetition
    unsigned kind = number(at), n = number(at + 1);
    at += 2;
    if (kind > 1 || n == 0 || (kind == 1 && made == 0)) bad_image(where, "a segment of values, or of a line from a value", "another");
    if (kind == 0) {
      for (unsigned k = 0; k < n; ++k) put(number(at++));
      return;
    }
    double from = table.entries[made - 1], to = number(at++), first = from + (to - from) / n;
    double step = n > 1 ? (to - first) / (n - 1) : 0;
    for (unsigned k = 0; k < n; ++k) put(k + 1 == n ? to : std::nearbyint(k * step + first));
  };
  for (std::size_t at = 0; made < table.entries.size();) {
    if (number(at) != 2) {
      expand(at);
      continue;
    }
    std::uint64_t low = number(at + 2), high = number(at + 3), offset = width == 2 ? low | high << 16 : low | high << 8;
    if (width == 1) offset |= std::uint64_t{number(at + 4)} << 16 | std::uint64_t{number(at + 5)} << 24;
    std::size_t there = static_cast<std::size_t>(offset) / width;
    if (number(at + 1) == 0) bad_image(where, "segments to repeat", "none");
    for (unsigned k = number(at + 1); k > 0; --k) expand(there);
    at += width == 2 ? 4 : 6;
  }
  return table;
}

}  // namespace medmo::inline MEDMO_ABI::io::detail
