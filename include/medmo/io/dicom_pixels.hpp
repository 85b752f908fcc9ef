// From the decoded values of a DICOM frame to an 8-bit RGB picture: sizes, rescale, window, palette, colour. No decoder here.
//   grey:    stored bits, sign -> modality (slope and intercept, or a table) -> window or table -> 0..255, MONOCHROME1 inverted
//   colour:  RGB, PALETTE COLOR, YBR_FULL, YBR_FULL_422 -> the highest 8 of the stored bits
// Values of an enhanced object are those of its frame, then of all frames, then of the file. Overlays, padding values and
// presentation states are not applied. Sources: DICOM PS3.3 C.7.6.3, C.11.1, C.11.2. Oracle: pydicom and numpy.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/image.hpp"
#include "dicom_table.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// How values within a window become grey. Source: PS3.3 C.11.2.1.2 and C.11.2.1.3.
enum class voi_function { linear, linear_exact, sigmoid };

/// Grey y in 0..1 of a value x, with centre c and width w in units of the rescaled value (HU in CT):
///   linear:        0 if x <= c - 0.5 - (w-1)/2, 1 if x > c - 0.5 + (w-1)/2, else (x - (c - 0.5)) / (w-1) + 0.5;  w >= 1
///   linear_exact:  0 if x <= c - w/2, 1 if x > c + w/2, else (x - c) / w + 0.5;  w > 0
///   sigmoid:       1 / (1 + exp(-4 (x - c) / w));  w > 0
struct dicom_window {
  double centre = 0, width = 0;
  voi_function function = voi_function::linear;
};

/// What the three channels of a monochrome picture show.
enum class dicom_colour {
  grey,        ///< three times the same window
  ct_windows,  ///< one window a channel, of CT only
};

struct dicom_options {
  index frame = 0;                            ///< from 0
  std::optional<dicom_window> window = {};    ///< of monochrome pictures; default: the file's first, else min..max of the frame
  dicom_colour colour = dicom_colour::grey;
  /// Red, green and blue of dicom_colour::ct_windows, in HU: everything from air to bone, soft tissue, brain.
  std::array<dicom_window, 3> ct_windows = {{{0, 2048}, {40, 350}, {40, 80}}};
  image_limits limits = {};
};

/// A frame as a picture of its matrix's own size: x counts columns, y rows, so that a box<pixel> of the picture is one of the
/// matrix, without a conversion.
struct dicom_image {
  medmo::image picture;
  index rows = 0, columns = 0;                                 ///< of the matrix: the picture's height and width
  index frame = 0, frames = 1;
  std::optional<std::pair<double, double>> pixel_spacing_mm;   ///< between the centres of rows, of columns
  std::string photometric_interpretation;
  std::string transfer_syntax;                                 ///< its name
  int bits_stored = 8;
  std::optional<dicom_window> window;                          ///< the one applied, unless a table or three were
};

namespace detail {

/// What describes the values of a frame, proven consistent.
struct dicom_matrix {
  index rows = 0, columns = 0, frames = 1;
  int samples = 1, bits_allocated = 8, bits_stored = 8, high_bit = 7;
  bool is_signed = false, planar = false;
  std::string photometric;

  std::uint64_t pixels() const { return static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns); }
  /// Bits of one decoded frame; uncompressed YBR_FULL_422 has two values a pixel.
  std::uint64_t frame_bits(bool halved_colour) const {
    return pixels() * static_cast<std::uint64_t>((halved_colour ? 2 : samples) * bits_allocated);
  }
};

inline dicom_matrix read_dicom_matrix(dicom_data const& data, std::string_view where, image_limits const& limits) {
  auto needed = [&](dicom_tag tag, char const* what) {
    auto value = data.word(tag);
    if (!value) bad_image(where, std::string(what) + " " + dicom_data::name(tag), "none");
    return int{*value};
  };
  auto check = [&](bool good, char const* expected, int found) {
    if (!good) bad_image(where, expected, std::to_string(found));
  };
  dicom_matrix m;
  m.rows = needed(0x00280010, "rows");
  m.columns = needed(0x00280011, "columns");
  check_size(where, m.columns, m.rows, limits);
  m.samples = data.word(0x00280002).value_or(1);
  m.bits_allocated = needed(0x00280100, "bits allocated");
  m.bits_stored = data.word(0x00280101).value_or(static_cast<std::uint16_t>(m.bits_allocated));
  check(m.bits_stored >= 1 && m.bits_stored <= m.bits_allocated, "bits stored of 1 .. bits allocated", m.bits_stored);
  m.high_bit = data.word(0x00280102).value_or(static_cast<std::uint16_t>(m.bits_stored - 1));
  check(m.high_bit >= m.bits_stored - 1 && m.high_bit < m.bits_allocated, "a high bit that leaves room for the bits stored", m.high_bit);
  int representation = data.word(0x00280103).value_or(0), planar = data.word(0x00280006).value_or(0);
  check(representation <= 1, "a pixel representation of 0 or 1", representation);
  m.is_signed = representation == 1;
  auto frames = data.decimal(0x00280008).value_or(1);
  if (!(frames >= 1 && frames <= 2147483647 && frames == std::floor(frames))) bad_image(where, "1 or more frames", "another number");
  m.frames = static_cast<index>(frames);

  constexpr std::array<std::pair<std::string_view, int>, 6> known = {
      {{"MONOCHROME1", 1}, {"MONOCHROME2", 1}, {"PALETTE COLOR", 1}, {"RGB", 3}, {"YBR_FULL", 3}, {"YBR_FULL_422", 3}}};
  constexpr std::array<std::string_view, 9> foreign = {"YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_FULL_420",
                                                       "HSV",     "ARGB",    "CMYK",            "XYB"};
  auto text = data.text(0x00280004);
  auto const* found = std::find_if(known.begin(), known.end(), [&](auto const& k) { return k.first == text; });
  if (found == known.end()) {
    auto const* named = std::find(foreign.begin(), foreign.end(), text);
    if (text.empty()) bad_image(where, "a photometric interpretation", "none");
    MEDMO_THROW(errc::unsupported, std::string(where), "MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL or YBR_FULL_422",
                named == foreign.end() ? "another photometric interpretation" : std::string(*named));
  }
  m.photometric = text;
  check(m.samples == found->second, "as many samples a pixel as the photometric interpretation has", m.samples);
  check(m.samples == 1 || planar <= 1, "a planar configuration of 0 or 1", planar);
  m.planar = m.samples == 3 && planar == 1;
  bool grey = m.photometric.starts_with("MONO"), ybr = m.photometric.starts_with("YBR");
  int bits = m.bits_allocated;
  if (!(bits == 8 || (!ybr && (bits == 16 || bits == 32)) || (grey && bits == 1)))
    MEDMO_THROW(errc::unsupported, std::string(where), "8, 16 or 32 bits a value (or 1 of grey; only 8 of YBR)", std::to_string(bits));
  if (m.samples == 3 && m.is_signed) MEDMO_THROW(errc::unsupported, std::string(where), "unsigned colours", "signed ones");
  if (m.samples == 3 && m.bits_stored < 8)
    MEDMO_THROW(errc::unsupported, std::string(where), "8 bits of colour or more", std::to_string(m.bits_stored));
  return m;
}

/// Where a frame's values lie in the pixel data. Values of 8 bits may lie swapped in big-endian words.
struct dicom_frame {
  std::span<std::byte const> bytes;
  std::uint64_t first_bit = 0;
  bool big_endian = false, swapped = false, planar = false, halved_colour = false;
};

/// Value i of a frame without what is not stored: shifted down, sign extended.
class dicom_values {
 public:
  dicom_values(dicom_matrix const& m, dicom_frame const& f) : m_(m), f_(f) {}

  std::int64_t operator()(std::uint64_t i) const {
    if (m_.bits_allocated == 1) {
      auto bit = f_.first_bit + i;
      return static_cast<unsigned>(f_.bytes[at(static_cast<std::size_t>(bit / 8))]) >> (bit % 8) & 1u;
    }
    auto count = static_cast<std::size_t>(m_.bits_allocated / 8), start = static_cast<std::size_t>(f_.first_bit / 8 + i * count);
    std::uint64_t v = 0;
    for (std::size_t k = 0; k < count; ++k)
      v = v << 8 | static_cast<std::uint64_t>(f_.bytes[count == 1 ? at(start) : start + (f_.big_endian ? k : count - 1 - k)]);
    v = v >> (m_.high_bit + 1 - m_.bits_stored) & ((std::uint64_t{1} << m_.bits_stored) - 1);
    auto value = static_cast<std::int64_t>(v);
    bool negative = m_.is_signed && (v >> (m_.bits_stored - 1) & 1) != 0;
    return negative ? value - (std::int64_t{1} << m_.bits_stored) : value;
  }
  /// Channel c of pixel i.
  std::int64_t colour(std::uint64_t i, int c) const {
    if (f_.halved_colour) return (*this)(i / 2 * 4 + static_cast<std::uint64_t>(c == 0 ? static_cast<int>(i % 2) : c + 1));
    auto channel = static_cast<std::uint64_t>(c);
    return (*this)(f_.planar ? channel * m_.pixels() + i : i * 3 + channel);
  }

 private:
  std::size_t at(std::size_t i) const { return f_.swapped ? i ^ 1 : i; }
  dicom_matrix const& m_;
  dicom_frame const& f_;
};

/// 0..1 to 0..255, halves up.
inline std::uint8_t to_byte(double y) { return static_cast<std::uint8_t>(std::clamp(std::floor(y * 255.0 + 0.5), 0.0, 255.0)); }

inline double apply_window(double x, dicom_window const& w) {
  if (w.function == voi_function::sigmoid) return 1.0 / (1.0 + std::exp(-4.0 * (x - w.centre) / w.width));
  bool exact = w.function == voi_function::linear_exact;
  double centre = exact ? w.centre : w.centre - 0.5, width = exact ? w.width : w.width - 1.0;
  if (x <= centre - width / 2) return 0;
  if (x > centre + width / 2) return 1;
  return (x - centre) / width + 0.5;
}

inline bool good_window(dicom_window const& w) {
  return std::isfinite(w.centre) && std::isfinite(w.width) && std::abs(w.centre) < 1e30 && w.width < 1e30 &&
         (w.function == voi_function::linear ? w.width >= 1 : w.width > 0);
}

/// Everything of a file that turns its values into grey.
struct dicom_grey {
  double slope = 1, intercept = 0;
  std::optional<dicom_table> modality, voi;
  std::optional<dicom_window> window;
  double rescale(std::int64_t v) const {
    auto x = static_cast<double>(v);
    return modality ? static_cast<double>((*modality)(x)) : x * slope + intercept;
  }
};

/// `group` of the frame's functional groups, or of those shared by all frames, or the data set itself.
inline dicom_data dicom_group(dicom_data const& data, index frame, dicom_tag group) {
  for (bool own : {true, false})
    if (auto all = data.item(own ? 0x52009230 : 0x52009229, own ? frame : 0))
      if (auto found = all->item(group)) return *found;
  return data;
}

inline dicom_grey read_dicom_grey(dicom_data const& data, dicom_matrix const& m, dicom_options const& options, std::string_view where) {
  dicom_grey grey;
  if (auto item = data.item(0x00283000)) {
    grey.modality = read_dicom_table(*item, 0x00283002, 0x00283006, m.is_signed, where);
  } else {
    auto group = dicom_group(data, options.frame, 0x00289145);
    auto slope = group.decimal(0x00281053), intercept = group.decimal(0x00281052);
    if (slope && intercept) grey.slope = *slope, grey.intercept = *intercept;
  }
  if (options.window || options.colour == dicom_colour::ct_windows) {
    grey.window = options.window;
    return grey;
  }
  if (auto item = data.item(0x00283010)) {
    grey.voi = read_dicom_table(*item, 0x00283002, 0x00283006, m.is_signed && !grey.modality, where);
    return grey;
  }
  auto group = dicom_group(data, options.frame, 0x00289132);
  auto centre = group.decimal(0x00281050), width = group.decimal(0x00281051);
  if (!centre || !width) return grey;
  dicom_window w{*centre, *width};
  auto function = group.text(0x00281056);
  if (function == "LINEAR_EXACT") w.function = voi_function::linear_exact;
  else if (function == "SIGMOID") w.function = voi_function::sigmoid;
  else if (!function.empty() && function != "LINEAR") bad_image(where, "a window function LINEAR, LINEAR_EXACT or SIGMOID", "another");
  if (!good_window(w)) bad_image(where, "a window of a width of at least 1 (above 0 unless LINEAR)", "another");
  grey.window = w;
  return grey;
}

/// x -> min..max over the frame as 0..255; a frame of one value is black.
inline void paint_grey(dicom_matrix const& m, dicom_values const& values, dicom_grey const& grey, dicom_options const& options, image& out) {
  auto n = m.pixels();
  double low = std::numeric_limits<double>::infinity(), high = -low;
  bool stretch = !grey.window && !grey.voi && options.colour == dicom_colour::grey;
  for (std::uint64_t i = 0; stretch && i < n; ++i) {
    double x = grey.rescale(values(i));
    low = std::min(low, x);
    high = std::max(high, x);
  }
  auto* to = out.pixels.data();
  for (std::uint64_t i = 0; i < n; ++i, to += 3) {
    double x = grey.rescale(values(i));
    if (options.colour == dicom_colour::ct_windows) {
      for (std::size_t c = 0; c < 3; ++c) to[c] = to_byte(apply_window(x, options.ct_windows[c]));
    } else {
      double y = grey.voi ? static_cast<double>((*grey.voi)(x)) / ((1 << grey.voi->bits) - 1)
               : grey.window ? apply_window(x, *grey.window)
               : high > low ? (x - low) / (high - low) : 0;
      to[0] = to[1] = to[2] = to_byte(y);
    }
    if (m.photometric == "MONOCHROME1")
      for (int c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(255 - to[c]);
  }
}

inline void paint_palette(dicom_data const& data, dicom_matrix const& m, dicom_values const& values, std::string_view where, image& out) {
  bool segmented = !data.find(0x00281201) && data.find(0x00281221);
  std::array<dicom_table, 3> tables;
  for (unsigned c = 0; c < 3; ++c)
    tables[c] = segmented ? read_segmented_dicom_table(data, 0x00281101 + c, 0x00281221 + c, m.is_signed, where)
                          : read_dicom_table(data, 0x00281101 + c, 0x00281201 + c, m.is_signed, where);
  auto* to = out.pixels.data();
  for (std::uint64_t i = 0, n = m.pixels(); i < n; ++i, to += 3)
    for (std::size_t c = 0; c < 3; ++c)
      to[c] = static_cast<std::uint8_t>(tables[c](static_cast<double>(values(i))) >> (tables[c].bits - 8));
}

/// R = Y + 1.402 (Cr - 128), G = Y - 0.344136 (Cb - 128) - 0.714136 (Cr - 128), B = Y + 1.772 (Cb - 128), halves up.
inline void paint_colour(dicom_matrix const& m, dicom_values const& values, image& out) {
  bool ybr = m.photometric.starts_with("YBR");
  auto round = [](double v) { return static_cast<std::uint8_t>(std::clamp(std::floor(v + 0.5), 0.0, 255.0)); };
  auto* to = out.pixels.data();
  for (std::uint64_t i = 0, n = m.pixels(); i < n; ++i, to += 3) {
    std::array<std::int64_t, 3> v{};
    for (int c = 0; c < 3; ++c) v[static_cast<std::size_t>(c)] = values.colour(i, c) >> (m.bits_stored - 8);
    if (!ybr) {
      for (std::size_t c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(v[c]);
      continue;
    }
    auto y = static_cast<double>(v[0]), cb = static_cast<double>(v[1] - 128), cr = static_cast<double>(v[2] - 128);
    to[0] = round(y + 1.402 * cr);
    to[1] = round(y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr);
    to[2] = round(y + 1.772 * cb);
  }
}

/// The whole way from a frame's values to a picture. Errors: bad_image, bad_argument (a window where there is none to set).
inline dicom_image paint_dicom(dicom_data const& data, dicom_matrix const& m, dicom_frame const& frame, dicom_options const& options,
                               std::string_view where) {
  bool monochrome = m.photometric.starts_with("MONO");
  bool three = options.colour == dicom_colour::ct_windows;
  auto refuse = [&](char const* expected, char const* found) { MEDMO_THROW(errc::bad_argument, std::string(where), expected, found); };
  if ((options.window || three) && !monochrome) refuse("a monochrome picture for a window", "a coloured one");
  if (options.window && !good_window(*options.window)) refuse("a window of a width of at least 1 (above 0 unless linear)", "another");
  if (three && options.window) refuse("a window or three for CT", "both");
  if (three && data.text(0x00080060) != "CT") refuse("CT for three windows", "another modality");
  for (auto const& w : options.ct_windows)
    if (three && !good_window(w)) refuse("windows of a width of at least 1 (above 0 unless linear)", "another");

  dicom_image result;
  result.rows = m.rows, result.columns = m.columns, result.frames = m.frames, result.frame = options.frame;
  result.photometric_interpretation = m.photometric;
  result.bits_stored = m.bits_stored;
  auto spacing = dicom_group(data, options.frame, 0x00289110);
  auto row = spacing.decimal(0x00280030, 0), column = spacing.decimal(0x00280030, 1);
  if (row && column && *row > 0 && *column > 0) result.pixel_spacing_mm = {*row, *column};
  dicom_grey grey;
  if (monochrome) grey = read_dicom_grey(data, m, options, where);
  result.picture = image(m.columns, m.rows);
  dicom_values values(m, frame);
  if (monochrome) paint_grey(m, values, grey, options, result.picture);
  else if (m.samples == 1) paint_palette(data, m, values, where, result.picture);
  else paint_colour(m, values, result.picture);
  result.window = grey.window;
  return result;
}

}  // namespace detail
}  // namespace medmo::inline MEDMO_ABI::io
