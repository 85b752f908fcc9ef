// Writes 8-bit RGB pictures as PNG, through stb_image_write: encoded in memory, then a file that appears whole or not at
// all. Reading is image.hpp's. stb is compiled inside our namespace, so that an application may have its own in any form;
// its memory comes from the standard allocator, so that none left is std::bad_alloc and nothing leaks.
#pragma once

// Among these is all that stb_image_write includes, so that nothing of the system falls into the namespace it is put in.
#include <cmath>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/image.hpp"
#include "atomic_file.hpp"

namespace medmo::inline MEDMO_ABI::io::detail {
/// Where the encoder running on this thread takes its memory.
inline std::pmr::memory_resource*& encoder_memory() {
  thread_local std::pmr::memory_resource* memory = nullptr;
  return memory;
}
inline void* encoder_grow(void const* old, std::size_t from, std::size_t to) {
  void* grown = encoder_memory()->allocate(to);
  return old ? std::memcpy(grown, old, from) : grown;
}
}  // namespace medmo::inline MEDMO_ABI::io::detail

// stb's names stay ours: an application that includes stb_image_write itself, before or after, is not disturbed.
#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("STBIWDEF")
#pragma push_macro("STBI_WRITE_NO_STDIO")
#pragma push_macro("STBIW_ZLIB_COMPRESS")
#pragma push_macro("STBIW_CRC32")
#pragma push_macro("STBIW_WINDOWS_UTF8")
#pragma push_macro("STBIW_ASSERT")
#pragma push_macro("STBIW_MALLOC")
#pragma push_macro("STBIW_REALLOC")
#pragma push_macro("STBIW_REALLOC_SIZED")
#pragma push_macro("STBIW_FREE")
#pragma push_macro("STBIW_MEMMOVE")
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STBIWDEF
#undef STBIW_ZLIB_COMPRESS
#undef STBIW_CRC32
#undef STBIW_WINDOWS_UTF8
#undef STBIW_ASSERT
#undef STBIW_MALLOC
#undef STBIW_REALLOC
#undef STBIW_REALLOC_SIZED
#undef STBIW_FREE
#undef STBIW_MEMMOVE
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#undef STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBIWDEF static inline
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(x) ((void)0)
#define STBIW_MALLOC(size) ::medmo::io::detail::encoder_memory()->allocate(static_cast<std::size_t>(size))
#define STBIW_REALLOC_SIZED(p, from, to) \
  ::medmo::io::detail::encoder_grow(p, static_cast<std::size_t>(from), static_cast<std::size_t>(to))
#define STBIW_FREE(p) ((void)(p))  // all of it at the end
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-value"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
namespace medmo::inline MEDMO_ABI::io::detail::stb {
#include <stb/stb_image_write.h>
}
#pragma GCC diagnostic pop
#pragma pop_macro("STBIW_MEMMOVE")
#pragma pop_macro("STBIW_FREE")
#pragma pop_macro("STBIW_REALLOC_SIZED")
#pragma pop_macro("STBIW_REALLOC")
#pragma pop_macro("STBIW_MALLOC")
#pragma pop_macro("STBIW_ASSERT")
#pragma pop_macro("STBIW_WINDOWS_UTF8")
#pragma pop_macro("STBIW_CRC32")
#pragma pop_macro("STBIW_ZLIB_COMPRESS")
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STBIWDEF")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")

namespace medmo::inline MEDMO_ABI::io {
namespace detail {
// stb's default of 8 leaves radiographs 15 % larger, and is hardly faster.
[[maybe_unused]] static int const png_effort = std::exchange(stb::stbi_write_png_compression_level, 32);

/// Memory that is given back as a whole, for as long as it lives.
class encoder_scope {
 public:
  encoder_scope() : before_(std::exchange(encoder_memory(), &memory_)) {}
  encoder_scope(encoder_scope const&) = delete;
  ~encoder_scope() { encoder_memory() = before_; }

 private:
  std::pmr::monotonic_buffer_resource memory_{std::pmr::new_delete_resource()};
  std::pmr::memory_resource* before_;
};
}  // namespace detail

/// The bytes of a PNG file. Errors: bad_image if the picture has no size, a side above 2^24 or pixels that do not fill it;
/// too_large above 2^29 values, for stb counts in int.
inline std::vector<std::uint8_t> encode_png(image const& picture) {
  constexpr index side = index{1} << 24;
  auto size = std::to_string(picture.width) + " x " + std::to_string(picture.height);
  if (picture.width < 1 || picture.height < 1 || picture.width > side || picture.height > side)
    MEDMO_THROW(errc::bad_image, "PNG", "sides of 1 .. 2^24 pixels", size);
  if (picture.width * picture.height > (index{1} << 29) / 3)
    MEDMO_THROW(errc::too_large, "PNG", "at most 2^29 values", size);
  if (picture.pixels.size() != static_cast<std::size_t>(picture.width * picture.height * 3))
    MEDMO_THROW(errc::bad_image, "PNG", size + " x 3 bytes of pixels", std::to_string(picture.pixels.size()));
  detail::encoder_scope scope;
  auto width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
  int bytes = 0;
  auto const* png = detail::stb::stbi_write_png_to_mem(picture.pixels.data(), width * 3, width, height, 3, &bytes);
  if (!png) MEDMO_THROW(errc::bad_image, "PNG", "a picture that can be encoded", size);
  return {png, png + bytes};
}

/// Writes a PNG file, whole or not at all.
/// Errors: as encode_png; file_access if it cannot be written, then a file that was there before is as it was.
inline void write_png(std::string const& path, image const& picture) {
  auto const data = encode_png(picture);
  atomic_file file(path);
  file.write(std::as_bytes(std::span(data)));
  file.commit();
}

}  // namespace medmo::inline MEDMO_ABI::io
