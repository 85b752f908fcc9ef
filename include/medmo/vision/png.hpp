// Writes 8-bit RGB pictures as PNG. The whole format used here: signature; chunks IHDR, IDAT, IEND, each length, name,
// data, CRC-32, big-endian; IDAT is a zlib stream of rows, each led by its filter number. Deflate (RFC 1951) as one block
// with the fixed codes: small code, moderate size. Reading pictures is the io room's. Sources: RFC 2083, 1950, 1951.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/image.hpp"

namespace medmo::inline MEDMO_ABI::vision {
namespace detail {

using bytes = std::vector<std::uint8_t>;

/// Each row led by the filter (0 none, 1 left, 2 up, 4 Paeth) whose residues have the least absolute sum.
inline bytes filtered_rows(image const& picture) {
  auto pitch = static_cast<std::size_t>(picture.width * 3);
  bytes out;
  out.reserve((pitch + 1) * static_cast<std::size_t>(picture.height));
  bytes above(pitch, 0), best(pitch), trial(pitch);
  for (index y = 0; y < picture.height; ++y) {
    std::uint8_t const* row = picture.at(0, y);
    std::uint8_t chosen = 0;
    std::uint64_t least = UINT64_MAX;
    for (std::uint8_t filter : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}}) {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < pitch; ++i) {
        int a = i >= 3 ? row[i - 3] : 0, b = above[i], c = i >= 3 ? above[i - 3] : 0, guess = 0;
        if (filter == 1) guess = a;
        if (filter == 2) guess = b;
        if (filter == 4) {
          int pa = std::abs(b - c), pb = std::abs(a - c), pc = std::abs(a + b - 2 * c);
          guess = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
        }
        trial[i] = static_cast<std::uint8_t>(row[i] - guess);
        sum += static_cast<std::uint64_t>(trial[i] < 128 ? trial[i] : 256 - trial[i]);
      }
      if (sum < least) {
        least = sum;
        chosen = filter;
        best.swap(trial);
      }
    }
    out.push_back(chosen);
    out.insert(out.end(), best.begin(), best.end());
    above.assign(row, row + pitch);
  }
  return out;
}

/// A deflate block under the fixed codes, written bit by bit.
class deflate_block {
 public:
  explicit deflate_block(bytes& out) : out_(out) {
    put(1, 1);  // the last block
    put(1, 2);  // fixed codes
  }
  void literal(unsigned symbol) {  // also 256 (end) and the length symbols 257..285
    if (symbol < 144)
      code(0x30 + symbol, 8);
    else if (symbol < 256)
      code(0x190 + symbol - 144, 9);
    else if (symbol < 280)
      code(symbol - 256, 7);
    else
      code(0xc0 + symbol - 280, 8);
  }
  void copy(unsigned length, unsigned distance) {  // 3..258, 1..32768
    if (length == 258) {
      literal(285);
    } else {
      auto [symbol, extra, rest] = split(length - 3, 2);
      literal(257 + symbol);
      put(rest, extra);
    }
    auto [symbol, extra, rest] = split(distance - 1, 1);
    code(symbol, 5);
    put(rest, extra);
  }
  void end() {
    literal(256);
    if (count_ > 0) put(0, 8 - count_);
  }

 private:
  struct parts {
    unsigned symbol, extra, rest;
  };
  /// Values in groups of 2^fine symbols, each group with one extra bit more.
  static parts split(unsigned value, unsigned fine) {
    unsigned extra = 0;
    while ((value >> extra) >= (2u << fine)) ++extra;
    return {(extra << fine) + (value >> extra), extra, value & ((1u << extra) - 1)};
  }
  void put(unsigned value, unsigned bits) {
    for (unsigned i = 0; i < bits; ++i) {
      now_ |= ((value >> i) & 1u) << count_;
      if (++count_ == 8) {
        out_.push_back(static_cast<std::uint8_t>(now_));
        now_ = count_ = 0;
      }
    }
  }
  void code(unsigned value, unsigned bits) {  // codes go out from their highest bit
    for (unsigned i = bits; i-- > 0;) put(value >> i, 1);
  }
  bytes& out_;
  unsigned now_ = 0, count_ = 0;
};

/// Greedy matching over the last 32 KiB, up to 32 candidates a place.
inline void deflate(std::span<std::uint8_t const> data, bytes& out) {
  deflate_block block(out);
  constexpr std::size_t window = 32768;
  std::vector<std::size_t> newest(1u << 15, SIZE_MAX), before(window, SIZE_MAX);
  auto slot = [&](std::size_t i) {
    std::uint32_t three = data[i] | std::uint32_t{data[i + 1]} << 8 | std::uint32_t{data[i + 2]} << 16;
    return (three * 2654435761u) >> 17;
  };
  std::size_t i = 0;
  while (i < data.size()) {
    std::size_t best = 0, at = 0, most = std::min<std::size_t>(258, data.size() - i);
    if (most >= 3) {
      std::size_t candidate = newest[slot(i)];
      for (int tries = 0; tries < 32 && candidate != SIZE_MAX && i - candidate < window; ++tries) {
        std::size_t n = 0;
        while (n < most && data[candidate + n] == data[i + n]) ++n;
        if (n > best) best = n, at = candidate;
        if (best == most) break;
        std::size_t next = before[candidate % window];
        candidate = next < candidate ? next : SIZE_MAX;
      }
    }
    std::size_t step = best >= 3 ? best : 1;
    if (best >= 3)
      block.copy(static_cast<unsigned>(best), static_cast<unsigned>(i - at));
    else
      block.literal(data[i]);
    for (std::size_t end = i + step; i < end; ++i)
      if (i + 3 <= data.size()) {
        before[i % window] = newest[slot(i)];
        newest[slot(i)] = i;
      }
  }
  block.end();
}

inline void put_u32(bytes& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(v >> shift));
}

inline void put_chunk(bytes& out, std::string_view name, bytes const& data) {
  put_u32(out, static_cast<std::uint32_t>(data.size()));
  std::size_t from = out.size();
  out.insert(out.end(), name.begin(), name.end());
  out.insert(out.end(), data.begin(), data.end());
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t n = 0; n < 256; ++n) {
      t[n] = n;
      for (int k = 0; k < 8; ++k) t[n] = (t[n] >> 1) ^ ((t[n] & 1u) ? 0xedb88320u : 0u);
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = from; i < out.size(); ++i) crc = table[(crc ^ out[i]) & 255u] ^ (crc >> 8);
  put_u32(out, ~crc);
}
}  // namespace detail

/// The bytes of a PNG file. Errors: bad_image if the picture has no size, a side above 2^24 or pixels that do not fill it;
/// too_large above 2^30 values.
inline std::vector<std::uint8_t> encode_png(image const& picture) {
  constexpr index side = index{1} << 24;
  auto size = std::to_string(picture.width) + " x " + std::to_string(picture.height);
  if (picture.width < 1 || picture.height < 1 || picture.width > side || picture.height > side)
    MEDMO_THROW(errc::bad_image, "PNG", "sides of 1 .. 2^24 pixels", size);
  if (picture.width * picture.height > (index{1} << 30) / 3)
    MEDMO_THROW(errc::too_large, "PNG", "at most 2^30 values", size);
  if (picture.pixels.size() != static_cast<std::size_t>(picture.width * picture.height * 3))
    MEDMO_THROW(errc::bad_image, "PNG", size + " x 3 bytes of pixels", std::to_string(picture.pixels.size()));

  detail::bytes header, data{0x78, 0x01}, out{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  detail::put_u32(header, static_cast<std::uint32_t>(picture.width));
  detail::put_u32(header, static_cast<std::uint32_t>(picture.height));
  header.insert(header.end(), {8, 2, 0, 0, 0});  // 8 bits, RGB, deflate, filters, not interlaced
  auto rows = detail::filtered_rows(picture);
  detail::deflate(rows, data);
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (auto v : rows) {
    a = (a + v) % 65521;
    b = (b + a) % 65521;
  }
  detail::put_u32(data, b << 16 | a);
  detail::put_chunk(out, "IHDR", header);
  detail::put_chunk(out, "IDAT", data);
  detail::put_chunk(out, "IEND", {});
  return out;
}

/// Writes a PNG file: first as path + ".part", renamed when it is whole.
/// Errors: as encode_png; file_access if it cannot be written, then a file that was there before is as it was.
inline void write_png(std::string const& path, image const& picture) {
  auto data = encode_png(picture);
  struct closer {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::string part = path + ".part";
  std::unique_ptr<std::FILE, closer> file(std::fopen(part.c_str(), "wb"));
  if (!file) MEDMO_THROW(errc::file_access, part, "a place for a PNG file", std::strerror(errno));
  bool written = std::fwrite(data.data(), 1, data.size(), file.get()) == data.size();
  written = std::fclose(file.release()) == 0 && written;
  if (!written || std::rename(part.c_str(), path.c_str()) != 0) {
    std::string why = std::strerror(errno);
    std::remove(part.c_str());
    MEDMO_THROW(errc::file_access, path, "a PNG file of " + std::to_string(data.size()) + " bytes written", why);
  }
}

}  // namespace medmo::inline MEDMO_ABI::vision
