// Pictures from PNG and JPEG files, through stb_image: header first, limits, then decoding. What comes out is 8-bit RGB.
//   16 bits: the high byte, as Pillow does for RGB. Grey of 1, 2, 4 bits: scaled to 0..255. Palettes: their colours.
//   Transparency, of every kind: composited on white, as transformers' convert_to_rgb does, with its rounding.
//   Colour profiles, gamma and EXIF orientation are not applied.
// PNG pixels equal Pillow's. JPEG pixels differ a little from Pillow's (libjpeg-turbo), mostly where colour is upsampled: of
// a 1411 x 1411 photograph's values 97.4 % are equal, 99.3 % within 1, none off by more than 3; of the small pictures of
// tests/data/io 94.3 % are equal, the worst is off by 7. A truncated file is refused, and so is a PNG with a wrong checksum;
// JPEG has no checksum, so that damage inside its coded bytes may pass as other pixels (image_header.hpp).
// stb is compiled inside our namespace, so that an application may have its own in any form.
#pragma once

// Among these is all that stb_image includes, so that nothing of the system falls into the namespace it is put in.
#include <cassert>
#include <climits>
#include <cmath>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/image.hpp"
#include "image_header.hpp"
#include "mapped_file.hpp"

namespace medmo::inline MEDMO_ABI::io::detail {
/// The most that the decoder may take at once on this thread, so that a small file cannot unfold into all memory.
inline std::size_t& decoder_allowance() {
  thread_local std::size_t bytes = 0;
  return bytes;
}
inline void* decoder_allocate(std::size_t bytes) { return bytes > decoder_allowance() ? nullptr : std::calloc(1, bytes); }
inline void* decoder_reallocate(void* old, std::size_t bytes) {
  return bytes > decoder_allowance() ? nullptr : std::realloc(old, bytes);
}
}  // namespace medmo::inline MEDMO_ABI::io::detail

// stb's names stay ours: an application that includes stb_image itself, before or after, is not disturbed.
#pragma push_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma push_macro("STB_IMAGE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_STATIC")
#pragma push_macro("STBIDEF")
#pragma push_macro("STBI_ONLY_PNG")
#pragma push_macro("STBI_ONLY_JPEG")
#pragma push_macro("STBI_NO_STDIO")
#pragma push_macro("STBI_NO_LINEAR")
#pragma push_macro("STBI_NO_HDR")
#pragma push_macro("STBI_NO_SIMD")
#pragma push_macro("STBI_NO_BMP")
#pragma push_macro("STBI_NO_PSD")
#pragma push_macro("STBI_NO_TGA")
#pragma push_macro("STBI_NO_GIF")
#pragma push_macro("STBI_NO_PIC")
#pragma push_macro("STBI_NO_PNM")
#pragma push_macro("STBI_MAX_DIMENSIONS")
#pragma push_macro("STBI_ASSERT")
#pragma push_macro("STBI_MALLOC")
#pragma push_macro("STBI_REALLOC")
#pragma push_macro("STBI_REALLOC_SIZED")
#pragma push_macro("STBI_FREE")
#pragma push_macro("stbi_zlib_decode_malloc_guesssize_headerflag")
#pragma push_macro("stbi_failure_reason")
#pragma push_macro("stbi_load_from_memory")
#pragma push_macro("stbi__errpuc")
#pragma push_macro("stbi__errpf")
#pragma push_macro("stbi__err")
#undef STBI_INCLUDE_STB_IMAGE_H
#undef stbi_zlib_decode_malloc_guesssize_headerflag
#undef stbi_failure_reason
#undef stbi_load_from_memory
#undef stbi__errpuc
#undef stbi__errpf
#undef stbi__err
#undef STBIDEF
#undef STBI_MAX_DIMENSIONS
#undef STBI_ASSERT
#undef STBI_MALLOC
#undef STBI_REALLOC
#undef STBI_REALLOC_SIZED
#undef STBI_FREE
#undef STB_IMAGE_IMPLEMENTATION
#undef STB_IMAGE_STATIC
#undef STBI_ONLY_PNG
#undef STBI_ONLY_JPEG
#undef STBI_NO_STDIO
#undef STBI_NO_LINEAR
#undef STBI_NO_HDR
#undef STBI_NO_SIMD
#define STB_IMAGE_IMPLEMENTATION
#define STBIDEF static inline
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_NO_SIMD  // would include intrinsics; the same bits
#define STBI_MAX_DIMENSIONS (1 << 24)
#define STBI_ASSERT(x) ((void)0)
#define STBI_MALLOC(size) ::medmo::io::detail::decoder_allocate(size)
#define STBI_REALLOC(p, size) ::medmo::io::detail::decoder_reallocate(p, size)
#define STBI_FREE(p) ::free(p)
#define stbi_load_from_memory medmo_stbi_load_from_memory
#define stbi_failure_reason medmo_stbi_failure_reason
#define stbi_zlib_decode_malloc_guesssize_headerflag medmo_stbi_zlib_decode_malloc_guesssize_headerflag
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
// A damaged JPEG can hold sums beyond an int, which stb 2.27 does not check: they wrap around, and are cut to 8 bits.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("signed-integer-overflow"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC optimize("wrapv")
#endif
namespace medmo::inline MEDMO_ABI::io::detail::stb {
#include <stb/stb_image.h>
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#pragma GCC diagnostic pop
#pragma pop_macro("stbi_zlib_decode_malloc_guesssize_headerflag")
#pragma pop_macro("stbi_failure_reason")
#pragma pop_macro("stbi_load_from_memory")
#pragma pop_macro("stbi__errpuc")
#pragma pop_macro("stbi__errpf")
#pragma pop_macro("stbi__err")
#pragma pop_macro("STBI_FREE")
#pragma pop_macro("STBI_REALLOC_SIZED")
#pragma pop_macro("STBI_REALLOC")
#pragma pop_macro("STBI_MALLOC")
#pragma pop_macro("STBI_ASSERT")
#pragma pop_macro("STBI_MAX_DIMENSIONS")
#pragma pop_macro("STBI_NO_PNM")
#pragma pop_macro("STBI_NO_PIC")
#pragma pop_macro("STBI_NO_GIF")
#pragma pop_macro("STBI_NO_TGA")
#pragma pop_macro("STBI_NO_PSD")
#pragma pop_macro("STBI_NO_BMP")
#pragma pop_macro("STBI_NO_SIMD")
#pragma pop_macro("STBI_NO_HDR")
#pragma pop_macro("STBI_NO_LINEAR")
#pragma pop_macro("STBI_NO_STDIO")
#pragma pop_macro("STBI_ONLY_JPEG")
#pragma pop_macro("STBI_ONLY_PNG")
#pragma pop_macro("STBIDEF")
#pragma pop_macro("STB_IMAGE_STATIC")
#pragma pop_macro("STB_IMAGE_IMPLEMENTATION")
#pragma pop_macro("STBI_INCLUDE_STB_IMAGE_H")

namespace medmo::inline MEDMO_ABI::io {
namespace detail {

/// out = round((a * v + (255 - a) * 255) / 255), as Pillow's alpha_composite and paste round it over an opaque background.
constexpr std::uint8_t over_white(unsigned v, unsigned a) {
  unsigned t = v * a + 255u * (255u - a) + 128u;
  return static_cast<std::uint8_t>(((t >> 8) + t) >> 8);
}

/// The file with its palette filled up to 256 colours with black, as Pillow sees it: a pixel's number may lie beyond the
/// palette, and the decoder would read past it. The checksum of the palette is no longer right; stb looks at none.
inline std::vector<std::byte> with_whole_palette(std::span<std::byte const> bytes, image_header const& header) {
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  auto at = file.begin() + static_cast<std::ptrdiff_t>(header.palette_at);
  at[-5] = std::byte{0};  // the chunk's length, big-endian: 768
  at[-6] = std::byte{3};
  file.insert(at + static_cast<std::ptrdiff_t>(header.palette_bytes), 768 - header.palette_bytes, std::byte{0});
  return file;
}

/// Grey, grey with alpha, RGB or RGBA rows into RGB.
inline void to_rgb(std::uint8_t const* from, int channels, image& out) {
  std::uint8_t* to = out.pixels.data();
  for (std::size_t n = out.pixels.size() / 3; n > 0; --n, from += channels, to += 3) {
    bool grey = channels < 3;
    for (int c = 0; c < 3; ++c) to[c] = from[grey ? 0 : c];
    if (channels == 2 || channels == 4)
      for (int c = 0; c < 3; ++c) to[c] = over_white(to[c], from[channels - 1]);
  }
}
}  // namespace detail

/// The PNG or JPEG in `bytes` as 8-bit RGB; `where` names it in messages.
/// Errors: bad_image (another format, truncated, damaged, a size of 0); too_large (beyond `limits`, or no memory);
/// unsupported (JPEG with 4 channels, 12 bits, lossless or arithmetic coding).
inline image read_image(std::span<std::byte const> bytes, std::string_view where, image_limits const& limits = {}) {
  auto header = read_image_header(bytes, where, limits);
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    MEDMO_THROW(errc::too_large, std::string(where), "at most 2^31 - 1 bytes", std::to_string(bytes.size()));
  std::vector<std::byte> whole;
  if (header.palette_at != 0 && header.palette_bytes < 768) bytes = whole = detail::with_whole_palette(bytes, header);
  // The largest block stb needs: two bytes of each of up to four values a pixel, sides padded to a JPEG's units; or the
  // compressed bytes, gathered into a buffer that doubles.
  auto padded = [](index side) { return static_cast<std::size_t>(side) + 64; };
  detail::decoder_allowance() = padded(header.width) * padded(header.height) * 16 + bytes.size() * 2 + 65536;
  int width = 0, height = 0, channels = 0;
  struct release {
    void operator()(std::uint8_t* p) const { ::free(p); }
  };
  std::unique_ptr<std::uint8_t, release> decoded(
      detail::stb::medmo_stbi_load_from_memory(reinterpret_cast<std::uint8_t const*>(bytes.data()), static_cast<int>(bytes.size()),
                                         &width, &height, &channels, 0));
  if (!decoded) {
    std::string reason = detail::stb::medmo_stbi_failure_reason() ? detail::stb::medmo_stbi_failure_reason() : "damage";
    if (reason == "outofmem" || reason == "unknown image type")  // the type is known: its test of a JPEG had no memory
      MEDMO_THROW(errc::too_large, std::string(where), "memory for " + detail::size_text(header.width, header.height) + " pixels",
                  "none left, or data that unfolds to more than the picture");
    detail::bad_image(where, "an undamaged picture", "\"" + reason + "\" from the decoder");
  }
  if (width != header.width || height != header.height || channels < 1 || channels > 4)
    detail::bad_image(where, detail::size_text(header.width, header.height) + " pixels",
                      detail::size_text(width, height) + " from the decoder");
  image picture(header.width, header.height);
  detail::to_rgb(decoded.get(), channels, picture);
  return picture;
}

/// The same from a file. Errors also: file_access.
inline image read_image(std::string const& path, image_limits const& limits = {}) {
  auto file = mapped_file::open(path, file_mode::map);
  return read_image(file.bytes(), path, limits);
}

}  // namespace medmo::inline MEDMO_ABI::io
