// DICOM files made in memory, for tests: good as they stand, and bad in one part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

using bytes = std::vector<std::byte>;

/// Writes numbers and elements as a file holds them.
struct writer {
  bytes out;
  bool explicit_vr = true;
  void raw(std::string_view text) {
    for (char c : text) out.push_back(static_cast<std::byte>(c));
  }
  void number(std::uint64_t v, int count) {
    for (int i = 0; i < count; ++i) out.push_back(static_cast<std::byte>(v >> (8 * i) & 0xff));
  }
  void tag(std::uint32_t t) { number(t >> 16, 2), number(t & 0xffff, 2); }
  void element(std::uint32_t t, std::string_view vr, std::string value, std::uint64_t length = ~0ull) {
    if (value.size() % 2 != 0) value += vr == "UI" ? '\0' : ' ';
    tag(t);
    if (length == ~0ull) length = value.size();
    bool longer = vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN";
    if (explicit_vr) raw(vr);
    if (explicit_vr && longer) number(0, 2);
    number(length, explicit_vr && !longer ? 2 : 4);
    raw(value);
  }
  void word(std::uint32_t t, unsigned v, std::string_view vr = "US") {
    element(t, vr, {static_cast<char>(v & 0xff), static_cast<char>(v >> 8)});
  }
};

/// A file by its parts, good as it stands: 4 x 2 grey of 16 bits.
struct parts {
  std::string syntax = "1.2.840.10008.1.2.1", photometric = "MONOCHROME2", frames, slope, intercept, centre, width, function;
  unsigned rows = 2, columns = 4, samples = 1, allocated = 16, stored = 12, high = 11, representation = 0, planar = 0;
  std::string pixels = std::string("\x00\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\xff\x0f\x08\x00", 16);
  std::string modality = "CT";
  std::function<void(writer&)> before = {}, instead = {};  ///< elements before the pixel data, or in place of it

  bytes file() const {
    writer w;
    w.out.assign(128, std::byte{0});
    w.raw("DICM");
    w.element(0x00020010, "UI", syntax);
    w.explicit_vr = syntax != "1.2.840.10008.1.2";
    w.element(0x00080060, "CS", modality);
    w.word(0x00280002, samples);
    w.element(0x00280004, "CS", photometric);
    if (samples == 3) w.word(0x00280006, planar);
    if (!frames.empty()) w.element(0x00280008, "IS", frames);
    w.word(0x00280010, rows), w.word(0x00280011, columns);
    w.word(0x00280100, allocated), w.word(0x00280101, stored), w.word(0x00280102, high), w.word(0x00280103, representation);
    if (!centre.empty()) w.element(0x00281050, "DS", centre), w.element(0x00281051, "DS", width);
    if (!intercept.empty()) w.element(0x00281052, "DS", intercept), w.element(0x00281053, "DS", slope);
    if (!function.empty()) w.element(0x00281056, "CS", function);
    if (before) before(w);
    if (instead) instead(w);
    else w.element(0x7fe00010, "OW", pixels);
    return w.out;
  }
};
