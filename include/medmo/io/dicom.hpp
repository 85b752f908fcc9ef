// A frame of a DICOM file as an 8-bit RGB picture. Optional: needs DCMTK (CMake: link medmo::dicom), and is not in medmo.hpp.
//   structure:  dicom_elements.hpp, our own walk with proven lengths; the patient's data is never read
//   codecs:     DCMTK's JPEG and JPEG-LS decoders, one frame at a time, called directly: nothing is registered globally.
//               RLE is our own: DCMTK 3.6.7 reads beyond the bytes of a damaged RLE frame.
//   pixels:     dicom_pixels.hpp
// Read are: implicit and explicit little endian, explicit big endian, deflated, RLE, JPEG (processes 1, 2 & 4, 6 & 8, 10 & 12,
// 14), JPEG-LS. The others (JPEG 2000, video, ...) are refused by name. No message holds a value of the file other than
// sizes, tag numbers and names of the standard. DCMTK's loggers of its data, JPEG and JPEG-LS modules are set to silence.
#pragma once

#include <dcmtk/config/osconfig.h>  // before all other headers of DCMTK

#include <dcmtk/dcmdata/dcdatset.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcxfer.h>
#include <dcmtk/dcmjpeg/djcparam.h>
#include <dcmtk/dcmjpeg/djdecbas.h>
#include <dcmtk/dcmjpeg/djdecext.h>
#include <dcmtk/dcmjpeg/djdeclol.h>
#include <dcmtk/dcmjpeg/djdecpro.h>
#include <dcmtk/dcmjpeg/djdecsps.h>
#include <dcmtk/dcmjpeg/djdecsv1.h>
#include <dcmtk/dcmjpeg/djutils.h>
#include <dcmtk/dcmjpls/djcodecd.h>
#include <dcmtk/dcmjpls/djcparam.h>
#include <dcmtk/dcmjpls/djlsutil.h>

#include <bit>
#include <new>
#include <memory>

#include "dicom_pixels.hpp"
#include "image.hpp"

namespace medmo::inline MEDMO_ABI::io {
namespace detail {

enum class dicom_codec { none, deflate, rle, jpeg, jpeg_lossless, jpeg_ls };

struct dicom_syntax {
  dicom_coding coding;
  dicom_codec codec = dicom_codec::none;
  std::unique_ptr<DcmCodec> decoder = nullptr;
};

/// What to do with a transfer syntax. Error: unsupported, with its name.
inline dicom_syntax find_dicom_syntax(std::string const& uid, std::string_view where) {
  std::string_view tail = uid;
  constexpr std::string_view root = "1.2.840.10008.1.2";
  if (tail == root) return {.coding = {.explicit_vr = false, .big_endian = false}};
  if (tail.starts_with(root)) {
    tail.remove_prefix(root.size());
    if (tail == ".1") return {};
    if (tail == ".2") return {.coding = {.explicit_vr = true, .big_endian = true}};
    if (tail == ".1.99") return {.coding = {}, .codec = dicom_codec::deflate};
    if (tail == ".5") return {.coding = {}, .codec = dicom_codec::rle};
    if (tail == ".4.50") return {{}, dicom_codec::jpeg, std::make_unique<DJDecoderBaseline>()};
    if (tail == ".4.51") return {{}, dicom_codec::jpeg, std::make_unique<DJDecoderExtended>()};
    if (tail == ".4.53") return {{}, dicom_codec::jpeg, std::make_unique<DJDecoderSpectralSelection>()};
    if (tail == ".4.55") return {{}, dicom_codec::jpeg, std::make_unique<DJDecoderProgressive>()};
    if (tail == ".4.57") return {{}, dicom_codec::jpeg_lossless, std::make_unique<DJDecoderLossless>()};
    if (tail == ".4.70") return {{}, dicom_codec::jpeg_lossless, std::make_unique<DJDecoderP14SV1>()};
    if (tail == ".4.80") return {{}, dicom_codec::jpeg_ls, std::make_unique<DJLSLosslessDecoder>()};
    if (tail == ".4.81") return {{}, dicom_codec::jpeg_ls, std::make_unique<DJLSNearLosslessDecoder>()};
  }
  DcmXfer known(uid.c_str());
  MEDMO_THROW(errc::unsupported, std::string(where), "a DICOM transfer syntax that DCMTK decodes here",
              known.getXfer() == EXS_Unknown ? "transfer syntax " + uid : std::string(known.getXferName()));
}

/// The compressed bytes of one frame, joined: by a fragment a frame, the table of offsets, or JPEG's start markers.
inline std::vector<std::uint8_t> dicom_frame_bytes(dicom_data const& data, dicom_element const& pixels, dicom_matrix const& m, index frame,
                                                   std::string_view where) {
  std::vector<std::span<std::byte const>> fragments;
  std::vector<std::uint64_t> starts;  // of each fragment's item, from the first one's
  std::span<std::byte const> table, fragment;
  dicom_walk walk(pixels.value, pixels.coding, where);
  if (!walk.next_item(table)) bad_image(where, "a table of offsets in the compressed pixel data", "none");
  auto const base = walk.at();
  for (auto at = base; walk.next_item(fragment); at = walk.at()) {
    starts.push_back(at - base);
    fragments.push_back(fragment);
  }
  auto frames = static_cast<std::size_t>(m.frames), wanted = static_cast<std::size_t>(frame);
  if (fragments.size() < frames)
    bad_image(where, std::to_string(frames) + " frames of compressed pixel data", std::to_string(fragments.size()) + " fragments");
  std::vector<std::size_t> firsts;  // the fragment a frame begins with
  auto const* extended = data.find(0x7fe00001);
  std::size_t width = extended ? 8 : 4;
  if (extended) table = extended->value;
  if (frames == 1) {
    firsts = {0};
  } else if (fragments.size() == frames) {
    for (std::size_t i = 0; i < frames; ++i) firsts.push_back(i);
  } else if (!table.empty()) {
    if (table.size() / width < frames) bad_image(where, std::to_string(frames) + " offsets of frames", std::to_string(table.size() / width));
    for (std::size_t i = 0; i < frames; ++i) {
      std::uint64_t offset = 0;
      for (std::size_t k = width; k > 0; --k) offset = offset << 8 | static_cast<std::uint64_t>(table[i * width + k - 1]);
      auto found = std::lower_bound(starts.begin(), starts.end(), offset);
      if (found == starts.end() || *found != offset) bad_image(where, "the offset of a fragment for each frame", "another");
      firsts.push_back(static_cast<std::size_t>(found - starts.begin()));
    }
  } else {
    for (std::size_t i = 0; i < fragments.size(); ++i)
      if (fragments[i].size() >= 3 && std::memcmp(fragments[i].data(), "\xff\xd8\xff", 3) == 0) firsts.push_back(i);
    if (firsts.size() != frames)
      bad_image(where, std::to_string(frames) + " frames that begin with a JPEG marker", std::to_string(firsts.size()));
  }
  auto end = wanted + 1 < frames ? firsts[wanted + 1] : fragments.size();
  std::vector<std::uint8_t> joined;
  for (auto i = firsts[wanted]; i < end; ++i) {
    auto const* bytes = reinterpret_cast<std::uint8_t const*>(fragments[i].data());
    joined.insert(joined.end(), bytes, bytes + fragments[i].size());
  }
  if (joined.empty()) bad_image(where, "compressed bytes of the frame", "none");
  return joined;
}

/// RLE (PS3.5 annex G): u32 count of segments, 15 u32 offsets, then a segment for each byte of each sample, highest first.
/// n < 128: n + 1 bytes follow; n > 128: the next byte 257 - n times. Values come out little endian, colour by pixel.
inline std::vector<std::uint8_t> unpack_dicom_rle(std::span<std::uint8_t const> packed, dicom_matrix const& m, std::string_view where) {
  auto number = [&](std::size_t i) {
    return packed[4 * i] | std::uint32_t{packed[4 * i + 1]} << 8 | std::uint32_t{packed[4 * i + 2]} << 16 | std::uint32_t{packed[4 * i + 3]} << 24;
  };
  auto width = static_cast<std::size_t>(m.bits_allocated / 8), samples = static_cast<std::size_t>(m.samples), segments = width * samples;
  if (packed.size() < 64) bad_image(where, "an RLE header of 64 bytes", std::to_string(packed.size()));
  if (number(0) != segments) bad_image(where, std::to_string(segments) + " RLE segments", std::to_string(number(0)));
  auto pixels = static_cast<std::size_t>(m.pixels());
  std::vector<std::uint8_t> values(pixels * segments);
  for (std::size_t s = 0; s < segments; ++s) {
    std::size_t from = number(s + 1), end = s + 1 < segments ? number(s + 2) : packed.size();
    if (from < 64 || end > packed.size() || from > end) bad_image(where, "RLE segments one after another", "other offsets");
    auto* to = values.data() + s / width * width + (width - 1 - s % width);
    for (std::size_t left = pixels; left > 0;) {
      if (from == end) bad_image(where, std::to_string(pixels) + " values in an RLE segment", std::to_string(pixels - left));
      std::size_t n = packed[from++];
      if (n == 128) continue;
      bool run = n > 128;
      auto count = std::min(run ? 257 - n : n + 1, left);
      if (end - from < (run ? 1 : count)) bad_image(where, "the bytes of an RLE run", "the end of its segment");
      for (std::size_t k = 0; k < count; ++k, to += segments) *to = packed[run ? from : from + k];
      from += run ? 1 : count;
      left -= count;
    }
  }
  return values;
}

/// What a JPEG or JPEG-LS frame says of itself, up to its first scan.
struct dicom_jpeg {
  int precision = 0;
  bool jfif = false;  ///< then its colours are Y Cb Cr
  bool rgb = false;   ///< its components are called R, G, B
};

/// Errors: bad_image (not JPEG, or a size other than the file's: a decoder would take memory for it).
inline dicom_jpeg check_dicom_jpeg(std::span<std::uint8_t const> bytes, dicom_matrix const& m, std::string_view where) {
  byte_reader in(std::as_bytes(bytes), where);
  if (in.number(2, "a JPEG's start") != 0xffd8) bad_image(where, "a JPEG frame", "other bytes");
  for (dicom_jpeg jpeg;;) {
    if (in.number(1, "a JPEG marker") != 0xff) bad_image(where, "a JPEG marker", "other bytes");
    std::uint32_t marker = 0xff;
    while (marker == 0xff) marker = in.number(1, "a JPEG marker");
    auto length = in.number(2, "a JPEG segment's length");
    if (length < 2) bad_image(where, "a JPEG segment of at least 2 bytes", std::to_string(length));
    auto body = in.take(length - 2, "a JPEG segment");
    if (marker == 0xe0 && body.size() >= 4 && std::memcmp(body.data(), "JFIF", 4) == 0) jpeg.jfif = true;
    if (marker == 0xda) {
      if (jpeg.precision == 0) bad_image(where, "a JPEG frame header before its scan", "none");
      return jpeg;
    }
    bool frame = marker == 0xf7 || (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc);
    if (!frame) continue;
    if (jpeg.precision != 0) bad_image(where, "one JPEG frame header", "a second");
    byte_reader header(body, where);
    jpeg.precision = static_cast<int>(header.number(1, "a JPEG precision"));
    index height = header.number(2, "a JPEG height"), width = header.number(2, "a JPEG width");
    auto channels = static_cast<int>(header.number(1, "a JPEG channel count"));
    if (height != m.rows || width != m.columns || channels != m.samples)
      bad_image(where, size_text(m.columns, m.rows) + " JPEG pixels of " + std::to_string(m.samples) + " channels",
                size_text(width, height) + " of " + std::to_string(channels));
    std::string ids;
    for (int c = 0; c < channels; ++c) ids += static_cast<char>(header.take(3, "a JPEG component")[0]);
    jpeg.rgb = ids == "RGB" || ids == "rgb";
    if (jpeg.precision < 2 || jpeg.precision > 16) bad_image(where, "a JPEG precision of 2 .. 16 bits", std::to_string(jpeg.precision));
  }
}

/// A frame cannot come out of fewer bytes than this: memory is taken only for what can be there.
inline void check_dicom_ratio(dicom_codec codec, std::uint64_t values, std::uint64_t bytes, std::size_t packed, std::string_view where) {
  std::uint64_t least = codec == dicom_codec::rle            ? bytes / 64       // 2 bytes for 128
                        : codec == dicom_codec::jpeg_lossless ? values / 8      // a bit a value
                        : codec == dicom_codec::jpeg          ? values / 4096   // an eighth of the blocks, a bit each
                                                              : values / 262144;  // a bit for a run of 2^15
  if (packed < least) bad_image(where, "at least " + std::to_string(least) + " compressed bytes for the frame", std::to_string(packed));
}

inline void silence_dcmtk() {
  static bool const done = [] {
    for (auto* logger : {&DCM_dcmdataLogger, &DCM_dcmjpegLogger, &DCM_dcmjplsLogger}) logger->setLogLevel(OFLogger::OFF_LOG_LEVEL);
    return true;
  }();
  static_cast<void>(done);
}

/// One frame decoded, colour by pixel; RLE little endian, others in this machine's order. `m` is set to what came out.
inline std::vector<std::uint8_t> decode_dicom_frame(dicom_syntax const& syntax, std::vector<std::uint8_t> const& packed, dicom_matrix& m,
                                                    std::string_view where) {
  if (m.bits_allocated == 1) MEDMO_THROW(errc::unsupported, std::string(where), "8 bits a value or more when compressed", "1");
  if (syntax.codec != dicom_codec::rle) {
    auto jpeg = check_dicom_jpeg(packed, m, where);
    m.bits_allocated = jpeg.precision <= 8 ? 8 : 16;
    if (m.bits_stored > m.bits_allocated) m.bits_stored = m.bits_allocated;
    m.high_bit = m.bits_stored - 1;
    if (m.samples == 3 && jpeg.rgb) m.photometric = "RGB";  // the stream knows better than the file
    else if (m.samples == 3 && jpeg.jfif) m.photometric = "YBR_FULL";
    if (m.samples == 3 && m.bits_stored < 8) bad_image(where, "8 bits of colour or more", std::to_string(m.bits_stored));
  }
  auto bytes = m.frame_bits(false) / 8;
  if (packed.size() >= 0xfffffff0u || bytes >= 0xfffffff0u) MEDMO_THROW(errc::too_large, std::string(where), "a frame below 4 GiB", "more");
  check_dicom_ratio(syntax.codec, m.pixels() * static_cast<std::uint64_t>(m.samples), bytes, packed.size(), where);
  if (syntax.codec == dicom_codec::rle) return unpack_dicom_rle(packed, m, where);
  silence_dcmtk();
  std::vector<std::uint8_t> values(static_cast<std::size_t>(bytes + bytes % 2));
  auto fail = [&](std::string reason) { bad_image(where, "a frame that decodes", "\"" + reason + "\" from DCMTK"); };
  try {
    DcmItem item;
    auto number = [&](DcmTagKey const& key, int value) {
      if (item.putAndInsertUint16(DcmTag(key, EVR_US), static_cast<Uint16>(value)).bad()) fail("no room");
    };
    number(DCM_Rows, static_cast<int>(m.rows));
    number(DCM_Columns, static_cast<int>(m.columns));
    number(DCM_SamplesPerPixel, m.samples);
    number(DCM_BitsAllocated, m.bits_allocated);
    number(DCM_BitsStored, m.bits_stored);
    number(DCM_HighBit, m.high_bit);
    number(DCM_PixelRepresentation, m.is_signed ? 1 : 0);
    if (m.samples > 1) number(DCM_PlanarConfiguration, 0);
    item.putAndInsertString(DcmTag(DCM_NumberOfFrames, EVR_IS), "1");
    item.putAndInsertString(DcmTag(DCM_PhotometricInterpretation, EVR_CS), m.photometric.c_str());
    DcmPixelSequence sequence(DcmTag(DCM_PixelData, EVR_OB));
    sequence.insert(new DcmPixelItem(DcmTag(DCM_PixelItemTag, EVR_OB)));  // an empty table of offsets; the sequence owns it
    auto fragment = std::make_unique<DcmPixelItem>(DcmTag(DCM_PixelItemTag, EVR_OB));
    if (fragment->putUint8Array(packed.data(), static_cast<unsigned long>(packed.size())).bad()) fail("no room");
    sequence.insert(fragment.release());
    DJCodecParameter jpeg(ECC_lossyYCbCr, EDC_never, EUC_never, EPC_colorByPixel);
    DJLSCodecParameter jpeg_ls(EJLSUC_never, EJLSPC_colorByPixel, OFTrue);
    DcmCodecParameter const* parameter = &jpeg;
    if (syntax.codec == dicom_codec::jpeg_ls) parameter = &jpeg_ls;
    Uint32 first = 1;
    OFString model;
    auto result = syntax.decoder->decodeFrame(nullptr, &sequence, parameter, &item, 0, first, values.data(), static_cast<Uint32>(values.size()), model);
    if (result.bad()) fail(result.text());
  } catch (std::bad_alloc const&) {
    MEDMO_THROW(errc::too_large, std::string(where), "memory for the frame", "none left");
  }
  return values;
}

/// The frame of uncompressed pixel data: `bytes` stays the whole value, first_bit says where. The length is proven.
inline dicom_frame native_dicom_frame(dicom_element const& pixels, dicom_matrix const& m, index frame, std::string_view where) {
  if (pixels.undefined) bad_image(where, "pixel data of a definite length in an uncompressed file", "fragments");
  dicom_frame f{.bytes = pixels.value, .big_endian = pixels.coding.big_endian, .planar = m.planar};
  f.halved_colour = m.photometric == "YBR_FULL_422";
  if (f.halved_colour && m.columns % 2 != 0) bad_image(where, "an even number of columns for YBR_FULL_422", std::to_string(m.columns));
  auto one = m.frame_bits(f.halved_colour), there = static_cast<std::uint64_t>(pixels.value.size()) * 8;
  if (static_cast<std::uint64_t>(m.frames) > there / one)
    bad_image(where, std::to_string(m.frames) + " frames of " + std::to_string(one) + " bits", std::to_string(pixels.value.size()) + " bytes");
  f.swapped = f.big_endian && pixels.vr == "OW" && m.bits_allocated <= 8;
  if (f.swapped && pixels.value.size() % 2 != 0) bad_image(where, "16-bit words of pixel data", "an odd number of bytes");
  f.first_bit = one * static_cast<std::uint64_t>(frame);
  return f;
}

/// The deflated data set, whole. Errors: bad_image, too_large.
inline std::vector<std::byte> inflate_dicom(std::span<std::byte const> packed, std::string_view where, image_limits const& limits) {
  if (packed.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    MEDMO_THROW(errc::too_large, std::string(where), "at most 2^31 - 1 bytes", std::to_string(packed.size()));
  decoder_allowance() = std::min(limits.max_bytes, packed.size() * 1032 + 65536);
  int size = 0;
  struct release {
    void operator()(char* p) const { ::free(p); }
  };
  std::unique_ptr<char, release> out(
      stb::stbi_zlib_decode_noheader_malloc(reinterpret_cast<char const*>(packed.data()), static_cast<int>(packed.size()), &size));
  if (!out || size < 0) bad_image(where, "a deflated data set within the limits", "damage, or more");
  auto const* begin = reinterpret_cast<std::byte const*>(out.get());
  return {begin, begin + size};
}

}  // namespace detail

/// Frame `options.frame` of the DICOM file in `bytes`; `where` names it in messages. Any number of threads may read at once.
/// Errors: bad_image (not DICOM, truncated, damaged, numbers that contradict each other or the length of the pixel data);
/// unsupported (a transfer syntax, photometric interpretation or depth, by name); too_large (beyond the limits);
/// bad_argument (no such frame; a window where none fits).
inline dicom_image read_dicom(std::span<std::byte const> bytes, std::string_view where, dicom_options const& options = {}) {
  using namespace detail;
  if (bytes.size() > options.limits.max_bytes)
    MEDMO_THROW(errc::too_large, std::string(where), "at most " + std::to_string(options.limits.max_bytes) + " bytes", std::to_string(bytes.size()));
  auto meta = read_dicom_meta(bytes, where);
  auto syntax = find_dicom_syntax(meta.transfer_syntax, where);
  auto content = bytes.subspan(meta.data_at);
  std::vector<std::byte> inflated;
  if (syntax.codec == dicom_codec::deflate) content = inflated = inflate_dicom(content, where, options.limits);
  if (content.size() >= 6 && !syntax.coding.big_endian) {  // some writers say explicit and mean implicit
    auto letter = [&](std::size_t i) { return content[i] >= std::byte{'A'} && content[i] <= std::byte{'Z'}; };
    if (!letter(4) || !letter(5)) syntax.coding.explicit_vr = false;
  }
  dicom_data data(content, syntax.coding, where);
  auto const* pixels = data.find(0x7fe00010);
  if (!pixels) {
    if (data.find(0x7fe00008) || data.find(0x7fe00009))
      MEDMO_THROW(errc::unsupported, std::string(where), "pixel data of integers", "of floating point");
    bad_image(where, "pixel data", "none (a report, directory or structure is no picture)");
  }
  auto matrix = read_dicom_matrix(data, where, options.limits);
  if (options.frame < 0 || options.frame >= matrix.frames)
    MEDMO_THROW(errc::bad_argument, std::string(where), "a frame of 0 .. " + std::to_string(matrix.frames - 1), std::to_string(options.frame));
  std::vector<std::uint8_t> decoded;
  dicom_frame frame;
  auto photometric = matrix.photometric;
  if (syntax.codec == dicom_codec::none || syntax.codec == dicom_codec::deflate) {
    frame = native_dicom_frame(*pixels, matrix, options.frame, where);
  } else {
    if (!pixels->undefined) bad_image(where, "fragments of compressed pixel data", "a definite length");
    decoded = decode_dicom_frame(syntax, dicom_frame_bytes(data, *pixels, matrix, options.frame, where), matrix, where);
    frame = {.bytes = std::as_bytes(std::span(decoded)), .big_endian = std::endian::native == std::endian::big && syntax.codec != dicom_codec::rle};
  }
  auto result = paint_dicom(data, matrix, frame, options, where);
  result.transfer_syntax = DcmXfer(meta.transfer_syntax.c_str()).getXferName();
  result.photometric_interpretation = photometric;
  return result;
}

/// The same from a file. Errors also: file_access.
inline dicom_image read_dicom(std::string const& path, dicom_options const& options = {}) {
  auto file = mapped_file::open(path, file_mode::map);
  return read_dicom(file.bytes(), path, options);
}

}  // namespace medmo::inline MEDMO_ABI::io
