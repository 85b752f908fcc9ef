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
  bool palette = false;
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
      palette = true;
    } else if (type == "IDAT") {
      data += length;
    } else if (type == "IEND") {
      last = true;
    }
  }
  if (colour == 3 && !palette) bad_image(where, "a palette", "none");
  // Deflate cannot shrink below 1/1032: a picture that its data cannot hold is refused before memory is taken for it.
  auto row_bits = static_cast<std::uint64_t>(header.width) * static_cast<std::uint64_t>(header.channels * header.bit_depth);
  auto raw = ((row_bits + 7) / 8) * static_cast<std::uint64_t>(header.height);
  if (raw / 1032 > data)
    bad_image(where, "data for " + size_text(header.width, header.height) + " pixels", std::to_string(data) + " bytes in IDAT");
  return header;
}

/// Which scans a JPEG must have: the first of each component, before any that refines it.
struct jpeg_components {
  std::array<std::uint32_t, 4> id{};
  std::array<bool, 4> begun{};
  int count = 0;
};

inline void read_jpeg_frame(byte_reader& h, std::uint32_t marker, std::string_view where, image_limits const& limits,
                            image_header& header, jpeg_components& components) {
  auto refuse = [&](std::string found) {
    MEDMO_THROW(errc::unsupported, std::string(where), "a baseline or progressive JPEG of 1 or 3 channels of 8 bits",
                std::move(found));
  };
  if (marker > 0xc2)
    refuse(marker == 0xc3 || marker == 0xc7    ? "a lossless one"
           : marker >= 0xc9 && marker != 0xcc ? "an arithmetic-coded one"
                                               : "a hierarchical one");
  if (components.count != 0) bad_image(where, "one JPEG frame", "a second");
  header.bit_depth = static_cast<int>(h.number(1, "a JPEG precision"));
  header.height = h.number(2, "a JPEG height");
  header.width = h.number(2, "a JPEG width");
  header.channels = static_cast<int>(h.number(1, "a JPEG channel count"));
  check_size(where, header.width, header.height, limits);
  if (header.bit_depth != 8) refuse(std::to_string(header.bit_depth) + " bits");
  if (header.channels == 4) refuse("4 channels (CMYK)");
  if (header.channels != 1 && header.channels != 3) refuse(std::to_string(header.channels) + " channels");
  components.count = header.channels;
  for (int c = 0; c < header.channels; ++c) {
    components.id[static_cast<std::size_t>(c)] = h.number(1, "a JPEG component");
    h.number(2, "a JPEG component");
  }
}

inline image_header read_jpeg_header(std::span<std::byte const> bytes, std::string_view where, image_limits const& limits) {
  byte_reader in(bytes, where);
  in.take(2, "SOI");
  image_header header{.format = image_format::jpeg};
  jpeg_components components;
  std::size_t scans = 0, coded = 0;
  std::uint32_t frame = 0;
  for (;;) {
    if (in.number(1, "a JPEG marker, and EOI at the end") != 0xff)
      bad_image(where, "a JPEG marker at byte " + std::to_string(in.at() - 1), "other data");
    std::uint32_t marker = 0xff;
    while (marker == 0xff) marker = in.number(1, "a JPEG marker, and EOI at the end");
    if (marker == 0xd9) break;
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8))
      bad_image(where, "a JPEG segment at byte " + std::to_string(in.at() - 1), "marker " + std::to_string(marker));
    auto length = in.number(2, "a JPEG segment's length");
    if (length < 2) bad_image(where, "a JPEG segment of at least 2 bytes", std::to_string(length));
    auto body = in.take(length - 2, "a JPEG segment");
    byte_reader h(body, where);
    bool sof = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (sof) {
      frame = marker;
      read_jpeg_frame(h, marker, where, limits, header, components);
    }
    if (marker != 0xda) continue;
    if (components.count == 0) bad_image(where, "a JPEG frame before its first scan", "none");
    if (++scans > 100) MEDMO_THROW(errc::too_large, std::string(where), "at most 100 JPEG scans", "more");
    auto in_scan = h.number(1, "a JPEG scan");
    std::array<std::size_t, 4> chosen{};
    if (in_scan < 1 || in_scan > 4) bad_image(where, "1 to 4 components in a JPEG scan", std::to_string(in_scan));
    for (std::size_t i = 0; i < in_scan; ++i) {
      auto id = h.number(1, "a JPEG scan");
      h.number(1, "a JPEG scan");
      chosen[i] = 4;
      for (std::size_t c = 0; c < static_cast<std::size_t>(components.count); ++c)
        if (components.id[c] == id) chosen[i] = c;
      if (chosen[i] == 4) bad_image(where, "a component of the JPEG frame in its scan", "number " + std::to_string(id));
    }
    auto spectral = h.number(1, "a JPEG scan");
    h.number(1, "a JPEG scan");
    bool first_scan = frame != 0xc2 || (spectral == 0 && h.number(1, "a JPEG scan") >> 4 == 0);
    for (std::size_t i = 0; i < in_scan; ++i) {
      auto& begun = components.begun[chosen[i]];
      if (!first_scan && !begun) bad_image(where, "a JPEG component's first scan first", "one that refines");
      begun = true;
    }
    // Entropy-coded bytes up to the next marker that is neither a stuffed 0 nor a restart.
    for (auto start = in.at();;) {
      auto rest = bytes.subspan(in.at());
      auto const* found = rest.empty() ? nullptr : std::memchr(rest.data(), 0xff, rest.size());
      if (!found) bad_image(where, "EOI at the end of a JPEG", "the end of the file (truncated)");
      auto skip = static_cast<std::size_t>(static_cast<std::byte const*>(found) - rest.data());
      if (skip + 1 >= rest.size()) bad_image(where, "EOI at the end of a JPEG", "the end of the file (truncated)");
      auto next = static_cast<unsigned>(rest[skip + 1]);
      if (next == 0 || (next >= 0xd0 && next <= 0xd7)) {
        in.take(skip + 2, "coded data");
      } else {
        in.take(skip, "coded data");
        coded += in.at() - start;
        break;
      }
    }
  }
  for (std::size_t c = 0; c < static_cast<std::size_t>(components.count); ++c)
    if (!components.begun[c]) bad_image(where, "a scan of every JPEG component", "none of component " + std::to_string(c));
  if (components.count == 0) bad_image(where, "a JPEG frame", "none");
  // Every block of 8x8 takes at least one bit, and at least a sixteenth of the blocks of a full component exist.
  if (static_cast<std::size_t>(header.width * header.height / 8192) > coded)
    bad_image(where, "data for " + size_text(header.width, header.height) + " pixels", std::to_string(coded) + " coded bytes");
  return header;
}

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
  if (begins("\xff\xd8\xff")) return detail::read_jpeg_header(bytes, where, limits);
  detail::bad_image(where, "a PNG or JPEG", bytes.empty() ? "an empty file" : "another format");
}

}  // namespace medmo::inline MEDMO_ABI::io
