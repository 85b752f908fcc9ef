// What a PNG or JPEG says about itself, read before anything is decoded, and proof that the file is whole.
//   PNG:  8 bytes of signature, then chunks (length, type, data, CRC-32): IHDR first, IDAT, IEND last.
//   JPEG: SOI, then segments (0xFF, marker, length, data): SOFn with the size, DHT, DQT, SOS followed by entropy-coded
//         bytes in which 0xFF is followed by 0 or a restart marker; EOI last.
// PNG carries checksums, which are checked; JPEG has none, so that damage inside its entropy-coded bytes may pass, as it
// does in every decoder. Sources: W3C PNG (Third Edition); ITU-T T.81 annex B.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::io {

/// A picture beyond these is refused before it is decoded.
struct image_limits {
  index max_pixels = 100'000'000;
  std::size_t max_bytes = std::size_t{512} << 20;  ///< of the file
};

enum class image_format { png, jpeg };

struct image_header {
  image_format format = image_format::png;
  index width = 0, height = 0;
  int channels = 0;  ///< as stored; 1 for a palette
  int bit_depth = 8;
  std::size_t palette_at = 0, palette_bytes = 0;  ///< the data of PLTE in a PNG of colour type 3
};

namespace detail {

[[noreturn]] inline void bad_image(std::string_view where, std::string expected, std::string found) {
  MEDMO_THROW(errc::bad_image, std::string(where), std::move(expected), std::move(found));
}

/// Big-endian numbers in bounds that are proven by subtraction.
class byte_reader {
 public:
  byte_reader(std::span<std::byte const> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }
  std::uint32_t number(std::size_t count, char const* what) {
    auto part = take(count, what);
    std::uint32_t v = 0;
    for (auto b : part) v = v << 8 | static_cast<std::uint32_t>(b);
    return v;
  }
  std::span<std::byte const> take(std::size_t count, char const* what) {
    if (count > left())
      bad_image(where_, std::string(what) + " (" + std::to_string(count) + " bytes at " + std::to_string(at_) + ")",
                "the end of the file after " + std::to_string(left()) + " (truncated)");
    auto part = bytes_.subspan(at_, count);
    at_ += count;
    return part;
  }

 private:
  std::span<std::byte const> bytes_;
  std::string_view where_;
  std::size_t at_ = 0;
};

inline constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t n = 0; n < 256; ++n) {
    std::uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}();

inline std::uint32_t crc32(std::span<std::byte const> bytes) {
  std::uint32_t c = 0xffffffffu;
  for (auto b : bytes) c = crc_table[(c ^ static_cast<std::uint32_t>(b)) & 0xff] ^ (c >> 8);
  return c ^ 0xffffffffu;
}

inline std::string size_text(index width, index height) { return std::to_string(width) + " x " + std::to_string(height); }

inline void check_size(std::string_view where, index width, index height, image_limits const& limits) {
  if (width < 1 || height < 1) bad_image(where, "a width and height of at least 1", size_text(width, height));
  if (width > limits.max_pixels / height)
    MEDMO_THROW(errc::too_large, std::string(where), "at most " + std::to_string(limits.max_pixels) + " pixels",
                size_text(width, height));
}

inline image_header read_png_header(std::span<std::byte const> bytes, std::string_view where, image_limits const& limits) {
  byte_reader in(bytes, where);
  in.take(8, "a signature");
  image_header header{.format = image_format::png};
  std::uint64_t data = 0;
  std::uint32_t colour = 0;
  for (bool first = true, last = false; !last; first = false) {
    auto length = in.number(4, "a PNG chunk's length");
    auto start = in.at();
    auto type_bytes = in.take(4, "a PNG chunk's type");
    std::string type(reinterpret_cast<char const*>(type_bytes.data()), 4);
    if (first && (type != "IHDR" || length != 13)) bad_image(where, "IHDR of 13 bytes as the first PNG chunk", "another chunk");
    auto body = in.take(length, "a PNG chunk's data");
    auto sum = in.number(4, "a PNG chunk's CRC");
    if ((type_bytes[0] & std::byte{0x20}) == std::byte{0} || type == "tRNS")  // critical, or changes pixels
      if (crc32(bytes.subspan(start, 4 + std::size_t{length})) != sum)
        bad_image(where, "the CRC of the PNG chunk at byte " + std::to_string(start - 4), "another (damaged)");
    if (type == "IHDR") {
      if (!first) bad_image(where, "one IHDR", "a second");
      byte_reader h(body, where);
      header.width = h.number(4, "a width");
      header.height = h.number(4, "a height");
      header.bit_depth = static_cast<int>(h.number(1, "a bit depth"));
      colour = h.number(1, "a colour type");
      check_size(where, header.width, header.height, limits);
      int const depth = header.bit_depth;
      bool power = depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
      bool fits = colour == 0 || (colour == 3 && depth <= 8) || ((colour == 2 || colour == 4 || colour == 6) && depth >= 8);
      if (!power || !fits)
        bad_image(where, "a PNG bit depth and colour type that go together",
                  "depth " + std::to_string(depth) + ", colour type " + std::to_string(colour));
      header.channels = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
    } else if (type == "PLTE") {
      if (header.palette_at != 0) bad_image(where, "one palette", "a second");
      if (length == 0 || length > 768 || length % 3 != 0) bad_image(where, "a palette of 1 .. 256 colours", std::to_string(length) + " bytes");
      header.palette_at = start + 4;
      header.palette_bytes = length;
    } else if (type == "IDAT") {
      data += length;
    } else if (type == "IEND") {
      last = true;
    }
  }
  if (colour == 3 && header.palette_at == 0) bad_image(where, "a palette", "none");
  if (colour != 3) header.palette_at = header.palette_bytes = 0;
  // Deflate cannot shrink below 1/1032: a picture that its data cannot hold is refused before memory is taken for it.
  auto row_bits = static_cast<std::uint64_t>(header.width) * static_cast<std::uint64_t>(header.channels * header.bit_depth);
  auto raw = ((row_bits + 7) / 8) * static_cast<std::uint64_t>(header.height);
  if (raw / 1032 > data)
    bad_image(where, "data for " + size_text(header.width, header.height) + " pixels", std::to_string(data) + " bytes in IDAT");
  return header;
}

/// A walk over the segments of a JPEG. It also proves what decoders have trusted to their harm: tables that fit, that are
/// there before they are used, and a first scan of every component.
class jpeg_walk {
 public:
  jpeg_walk(std::span<std::byte const> bytes, std::string_view where, image_limits const& limits)
      : bytes_(bytes), where_(where), limits_(limits), in_(bytes, where) {}

  image_header read() {
    in_.take(2, "SOI");
    for (auto marker = next_marker(); marker != 0xd9; marker = next_marker()) {
      auto length = in_.number(2, "a JPEG segment's length");
      if (length < 2) bad_image(where_, "a JPEG segment of at least 2 bytes", std::to_string(length));
      byte_reader segment(in_.take(length - 2, "a JPEG segment"), where_);
      if (marker == 0xc4) huffman_tables(segment);
      else if (marker == 0xdb) quantisation_tables(segment);
      else if (marker == 0xdd && segment.left() != 2)
        bad_image(where_, "a JPEG restart interval of 2 bytes", std::to_string(segment.left()));
      else if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc8 && marker != 0xcc) frame(segment, marker);
      else if (marker == 0xda) scan(segment);
    }
    if (count() == 0) bad_image(where_, "a JPEG frame", "none");
    for (std::size_t c = 0; c < count(); ++c)
      if (!components_[c].begun) bad_image(where_, "a scan of every JPEG component", "none of component " + std::to_string(c));
    // Every block of 8 x 8 takes at least one bit, and at least an eighth of the blocks of a full component exist.
    if (static_cast<std::size_t>(header_.width * header_.height / 4096) > coded_)
      bad_image(where_, "data for " + size_text(header_.width, header_.height) + " pixels", std::to_string(coded_) + " coded bytes");
    return header_;
  }

 private:
  struct component {
    std::uint32_t id = 0, quantisation = 0;
    bool begun = false;
  };
  std::size_t count() const { return static_cast<std::size_t>(header_.channels); }

  std::uint32_t next_marker() {
    if (in_.number(1, "a JPEG marker, and EOI at the end") != 0xff)
      bad_image(where_, "a JPEG marker at byte " + std::to_string(in_.at() - 1), "other data");
    std::uint32_t marker = 0xff;
    while (marker == 0xff) marker = in_.number(1, "a JPEG marker, and EOI at the end");
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8))
      bad_image(where_, "a JPEG segment at byte " + std::to_string(in_.at() - 1), "marker " + std::to_string(marker));
    return marker;
  }

  void huffman_tables(byte_reader& s) {
    while (s.left() > 0) {
      auto kind = s.number(1, "a JPEG Huffman table");
      std::uint32_t codes = 0;
      for (int length = 1; length <= 16; ++length) codes += s.number(1, "a JPEG Huffman table");
      if (kind >> 4 > 1 || (kind & 15) > 3 || codes < 1 || codes > 256)
        bad_image(where_, "JPEG Huffman table 0 .. 3 of 1 .. 256 codes",
                  "table " + std::to_string(kind) + " of " + std::to_string(codes));
      s.take(codes, "a JPEG Huffman table");
      huffman_[kind >> 4][kind & 3] = true;
    }
  }
  void quantisation_tables(byte_reader& s) {
    while (s.left() > 0) {
      auto kind = s.number(1, "a JPEG quantisation table");
      if (kind >> 4 > 1 || (kind & 15) > 3) bad_image(where_, "JPEG quantisation table 0 .. 3", std::to_string(kind));
      s.take(kind >> 4 ? 128 : 64, "a JPEG quantisation table");
      quantisation_[kind & 3] = true;
    }
  }

  void frame(byte_reader& s, std::uint32_t marker) {
    auto refuse = [&](std::string found) {
      MEDMO_THROW(errc::unsupported, std::string(where_), "a baseline or progressive JPEG of 1 or 3 channels of 8 bits",
                  std::move(found));
    };
    if (marker > 0xc2)
      refuse(marker == 0xc3 || marker == 0xc7 ? "a lossless one" : marker >= 0xc9 ? "an arithmetic-coded one" : "a hierarchical one");
    if (count() != 0) bad_image(where_, "one JPEG frame", "a second");
    progressive_ = marker == 0xc2;
    header_.bit_depth = static_cast<int>(s.number(1, "a JPEG precision"));
    header_.height = s.number(2, "a JPEG height");
    header_.width = s.number(2, "a JPEG width");
    auto channels = s.number(1, "a JPEG channel count");
    check_size(where_, header_.width, header_.height, limits_);
    if (header_.bit_depth != 8) refuse(std::to_string(header_.bit_depth) + " bits");
    if (channels == 4) refuse("4 channels (CMYK)");
    if (channels != 1 && channels != 3) refuse(std::to_string(channels) + " channels");
    header_.channels = static_cast<int>(channels);
    for (std::size_t c = 0; c < count(); ++c) {
      components_[c].id = s.number(1, "a JPEG component");
      auto sampling = s.number(1, "a JPEG component");
      auto table = components_[c].quantisation = s.number(1, "a JPEG component");
      auto good = [](std::uint32_t factor) { return factor >= 1 && factor <= 4; };
      if (!good(sampling >> 4) || !good(sampling & 15) || table > 3)
        bad_image(where_, "JPEG sampling factors 1 .. 4 and a quantisation table 0 .. 3",
                  std::to_string(sampling >> 4) + " x " + std::to_string(sampling & 15) + ", table " + std::to_string(table));
    }
  }

  void scan(byte_reader& s) {
    if (count() == 0) bad_image(where_, "a JPEG frame before its first scan", "none");
    if (++scans_ > 100) MEDMO_THROW(errc::too_large, std::string(where_), "at most 100 JPEG scans", "more");
    auto chosen = s.number(1, "a JPEG scan");
    if (chosen < 1 || chosen > 4) bad_image(where_, "1 to 4 components in a JPEG scan", std::to_string(chosen));
    std::array<std::size_t, 4> which{};
    std::array<std::uint32_t, 4> tables{};
    for (std::size_t i = 0; i < chosen; ++i) {
      auto id = s.number(1, "a JPEG scan");
      tables[i] = s.number(1, "a JPEG scan");
      while (which[i] < count() && components_[which[i]].id != id) ++which[i];
      if (which[i] == count()) bad_image(where_, "a component of the JPEG frame in its scan", "number " + std::to_string(id));
    }
    auto first_frequency = s.number(1, "a JPEG scan");
    s.number(1, "a JPEG scan");
    bool refines = s.number(1, "a JPEG scan") >> 4 != 0;
    for (std::size_t i = 0; i < chosen; ++i) {
      auto& c = components_[which[i]];
      bool constant = !progressive_ || (first_frequency == 0 && !refines);
      bool frequencies = !progressive_ || first_frequency != 0;
      if ((constant && !known(0, tables[i] >> 4)) || (frequencies && !known(1, tables[i] & 15)))
        bad_image(where_, "a JPEG's Huffman tables before the scan that uses them", "table " + std::to_string(tables[i]) + " not yet");
      if (!quantisation_[c.quantisation])
        bad_image(where_, "a JPEG's quantisation tables before its scans", "table " + std::to_string(c.quantisation) + " not yet");
      if (!constant && !c.begun) bad_image(where_, "a JPEG component's first scan first", "one that refines");
      c.begun = true;
    }
    coded_bytes();
  }
  bool known(std::size_t kind, std::uint32_t table) const { return table < 4 && huffman_[kind][table]; }

  /// Passes the bytes of a scan, up to a marker that is neither a stuffed 0 nor a restart.
  void coded_bytes() {
    for (auto start = in_.at();;) {
      auto rest = bytes_.subspan(in_.at());
      auto const* found = rest.empty() ? nullptr : std::memchr(rest.data(), 0xff, rest.size());
      auto skip = found ? static_cast<std::size_t>(static_cast<std::byte const*>(found) - rest.data()) : rest.size();
      if (skip + 1 >= rest.size()) bad_image(where_, "EOI at the end of a JPEG", "the end of the file (truncated)");
      auto next = static_cast<unsigned>(rest[skip + 1]);
      bool inside = next == 0 || (next >= 0xd0 && next <= 0xd7);
      in_.take(skip + (inside ? 2 : 0), "coded data");
      if (inside) continue;
      coded_ += in_.at() - start;
      return;
    }
  }

  std::span<std::byte const> bytes_;
  std::string_view where_;
  image_limits limits_;
  byte_reader in_;
  image_header header_{.format = image_format::jpeg};
  std::array<component, 4> components_{};
  std::array<std::array<bool, 4>, 2> huffman_{};  ///< [constant or frequencies][table]
  std::array<bool, 4> quantisation_{};
  bool progressive_ = false;
  std::size_t scans_ = 0, coded_ = 0;
};

}  // namespace detail

/// Format and size of the PNG or JPEG in `bytes`, after a walk over all its parts; nothing is decoded or allocated.
/// Errors: bad_image (another format, truncated, a wrong checksum, a size of 0), too_large (limits, scans), unsupported
/// (CMYK, 12-bit, lossless, arithmetic JPEG).
inline image_header read_image_header(std::span<std::byte const> bytes, std::string_view where, image_limits const& limits = {}) {
  if (bytes.size() > limits.max_bytes)
    MEDMO_THROW(errc::too_large, std::string(where), "at most " + std::to_string(limits.max_bytes) + " bytes",
                std::to_string(bytes.size()));
  auto begins = [&](std::string_view magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  if (begins("\x89PNG\r\n\x1a\n")) return detail::read_png_header(bytes, where, limits);
  if (begins("\xff\xd8\xff")) return detail::jpeg_walk(bytes, where, limits).read();
  detail::bad_image(where, "a PNG or JPEG", bytes.empty() ? "an empty file" : "another format");
}

}  // namespace medmo::inline MEDMO_ABI::io
