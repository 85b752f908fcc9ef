// PNG pictures: as they are, and once more with right checksums, which no fuzzer finds. What our encoder writes of a picture
// is read as the same pixels.
#include "pictures.hpp"

#include "medmo/io/png.hpp"

namespace fuzz_png {

/// Each whole chunk with the checksum of its bytes.
std::vector<std::byte> with_checksums(fuzz::bytes input) {
  std::vector<std::byte> file(input.begin(), input.end());
  for (std::size_t at = 8; at + 12 <= file.size();) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | std::to_integer<std::size_t>(file[at + i]);
    if (length > file.size() - at - 12) break;
    auto sum = medmo::io::detail::crc32(std::span(file).subspan(at + 4, 4 + length));
    for (std::size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<std::byte>(sum >> (24 - 8 * i));
    at += 12 + length;
  }
  return file;
}

MEDMO_FUZZ_TARGET(png) {
  fuzz::check_picture(input);
  auto picture = fuzz::check_picture(with_checksums(input));
  if (!picture) return;
  auto coded = medmo::io::encode_png(*picture);
  auto again = medmo::io::read_image(std::as_bytes(std::span(coded)), "again");
  fuzz::require(again.pixels == picture->pixels && again.width == picture->width,
                "a picture written and read again is the same");
}
}  // namespace fuzz_png
