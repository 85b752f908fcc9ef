#!/usr/bin/env python3
"""Writes include/medmo/text/unicode_tables.hpp and the golden file its test is held against.

The reference is Hugging Face `tokenizers`, since a model's ids come from it, and it mixes two versions of Unicode:
  - \\p{L}, \\p{N}, \\s of its regular expressions: Unicode 16.0 (Oniguruma 6.9.10);
  - NFC: Unicode 9.0. Normalisation is stable, so this is 16.0 without the characters that came later (YOUNGER below).
The tables come from the Unicode data; the golden file comes from `tokenizers`. They must agree on every code point.

usage: generate_unicode_tables.py              writes the header         (needs unicodedata2==16.0.0)
       generate_unicode_tables.py --golden     writes the golden file    (needs tokenizers; made with 0.23.3)
"""
import pathlib
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = ROOT / "include/medmo/text/unicode_tables.hpp"
GOLDEN = ROOT / "tests/data/text/unicode.txt"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

# Unicode's property White_Space.
WHITE_SPACE = [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]

# What has a combining class or a decomposition in 16.0 and was not yet assigned in 9.0.
YOUNGER = [
    (0x7FD, 0x7FD), (0x897, 0x89F), (0x8CA, 0x8D3), (0x9FE, 0x9FE), (0xC3C, 0xC3C), (0xD3B, 0xD3C), (0xEBA, 0xEBA),
    (0x1715, 0x1715), (0x1ABF, 0x1ACE), (0x1DF6, 0x1DFA), (0xA82C, 0xA82C), (0x105C9, 0x105C9), (0x105E4, 0x105E4),
    (0x10D24, 0x10D27), (0x10D69, 0x10D6D), (0x10EAB, 0x10EAC), (0x10EFD, 0x10EFF), (0x10F46, 0x10F50),
    (0x10F82, 0x10F85), (0x11070, 0x11070), (0x1133B, 0x1133B), (0x11383, 0x11383), (0x11385, 0x11385),
    (0x1138E, 0x1138E), (0x11391, 0x11391), (0x113C5, 0x113C5), (0x113C7, 0x113C8), (0x113CE, 0x113D0),
    (0x1145E, 0x1145E), (0x11839, 0x1183A), (0x11938, 0x11938), (0x1193D, 0x1193E), (0x11943, 0x11943),
    (0x119E0, 0x119E0), (0x11A34, 0x11A34), (0x11A47, 0x11A47), (0x11A99, 0x11A99), (0x11D42, 0x11D42),
    (0x11D44, 0x11D45), (0x11D97, 0x11D97), (0x11F41, 0x11F42), (0x16121, 0x16128), (0x1612F, 0x1612F),
    (0x16D68, 0x16D6A), (0x16FF0, 0x16FF1), (0x1E08F, 0x1E08F), (0x1E130, 0x1E136), (0x1E2AE, 0x1E2AE),
    (0x1E2EC, 0x1E2EF), (0x1E4EC, 0x1E4EF), (0x1E5EE, 0x1E5EF)]
HANGUL = range(0xAC00, 0xD7A4)
JAMO_THAT_COMPOSE = [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]

OTHER, LETTER, NUMBER, SPACE = range(4)


def tables():
    import unicodedata2 as data
    assert data.unidata_version == "16.0.0", "unicodedata2==16.0.0 is needed"
    younger = {c for first, last in YOUNGER for c in range(first, last + 1)}
    decompositions, composites = {}, {}
    for c in CODE_POINTS:
        text = data.decomposition(chr(c))
        if text and text[0] != "<" and c not in younger:
            parts = [int(p, 16) for p in text.split()]
            decompositions[c] = parts
            if len(parts) == 2 and data.normalize("NFC", chr(c)) == chr(c):
                composites[tuple(parts)] = c
    second = {b for _, b in composites} | set(JAMO_THAT_COMPOSE)

    def record(c):
        kind = {"L": LETTER, "N": NUMBER}.get(data.category(chr(c))[0], OTHER)
        if c in WHITE_SPACE:
            kind = SPACE
        combining = 0 if c in younger else data.combining(chr(c))
        changes = c in second or (c in decompositions and tuple(decompositions[c]) not in composites)
        return combining << 3 | changes << 2 | kind

    records, runs = [0], []
    for c in range(0x110000):
        r = record(c) if not 0xD800 <= c < 0xE000 else 0
        if r not in records:
            records.append(r)
        number = records.index(r)
        if c % 256 == 0 or runs[-1][1] != number:
            runs.append((c, number))
    return records, runs, decompositions, composites


def rows(values, form):
    line, out = "   ", []
    for v in values:
        item = " " + form(v) + ","
        if len(line) + len(item) > 120:
            out.append(line)
            line = "   "
        line += item
    return "\n".join(out + [line])


def header():
    records, runs, decompositions, composites = tables()
    end = max(c for c, number in runs if number) // 256 * 256 + 256  # above: nothing but `other`
    runs = [r for r in runs if r[0] < end]
    blocks = [next(i for i, r in enumerate(runs) if r[0] == b) for b in range(0, end, 256)] + [len(runs)]
    # A block that is one run like the block before it is dropped: a look-up then finds the run that reaches into it.
    kept, index = [], []
    for i, run in enumerate(runs):
        if run[0] % 256 == 0:
            index.append(len(kept) if not kept or kept[-1][1] != run[1] else len(kept) - 1)
            if kept and kept[-1][1] == run[1]:
                continue
        kept.append(run)
    index.append(len(kept))
    kept.append((end, 0))
    singles = sorted((c, p[0], p[1] if len(p) == 2 else 0) for c, p in decompositions.items())
    position = {c: i for i, (c, _, _) in enumerate(singles)}
    order = [position[composites[pair]] for pair in sorted(composites)]
    assert len(records) < 256 and len(kept) < 65536 and len(blocks) == len(index)
    return f"""// Unicode tables: character classes of Unicode 16.0, combining classes and canonical (de)compositions of Unicode 9.0,
// as Hugging Face `tokenizers` has them (tools/generate_unicode_tables.py says why two versions).
// Generated by tools/generate_unicode_tables.py; do not edit. Hangul syllables are computed, not listed.
#pragma once

#include <cstdint>

#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::text::detail {{
// clang-format off

/// Combining class << 3 | changes under NFC << 2 | class (0 other, 1 letter, 2 number, 3 white space).
inline constexpr std::uint16_t unicode_records[] = {{
{rows(records, str)}
}};

/// First code point << 8 | number of its record, for every run of equal records.
inline constexpr std::uint32_t unicode_runs[] = {{
{rows([c << 8 | number for c, number in kept], hex)}
}};

inline constexpr std::uint32_t unicode_runs_end = {hex(end)};  ///< code points from here on have record 0

/// For every block of 256 code points, the run that covers its first; one more for the end.
inline constexpr std::uint16_t unicode_blocks[] = {{
{rows(index, str)}
}};

struct unicode_decomposition {{
  std::uint32_t whole, first, second;  ///< second == 0: a single character
}};
/// One step of canonical decomposition, sorted by `whole`.
inline constexpr unicode_decomposition unicode_decompositions[] = {{
{rows(singles, lambda s: "{%s,%s,%s}" % tuple(hex(v) if v else "0" for v in s))}
}};

/// The primary composites: numbers of rows of unicode_decompositions, sorted by (first, second).
inline constexpr std::uint16_t unicode_compositions[] = {{
{rows(order, str)}
}};

// clang-format on
}}  // namespace medmo::inline MEDMO_ABI::text::detail
"""


def normalisation_texts(c):
    """Every code point alone, after a mark that must move behind it, between a letter and a mark, and doubled."""
    one = chr(c)
    return [one] + ["a" + mark + one for mark in "\u0334\u0315\u0345\u0316\u0301\u3099"] + \
           ["a" + one + "\u0301", one + "\u0301\u0327", one + "\u3099", "\u1100" + one + "\u11a8", one + one]


def golden():
    import tokenizers
    from tokenizers import Regex, normalizers, pre_tokenizers

    def members(pattern):
        split, found = pre_tokenizers.Split(Regex(pattern), "removed"), set()
        for i in range(0, len(CODE_POINTS), 4096):
            chunk = "".join(map(chr, CODE_POINTS[i:i + 4096]))
            found |= set(chunk) - set("".join(piece for piece, _ in split.pre_tokenize_str(chunk)))
        return found

    letters, numbers, spaces = members(r"\p{L}"), members(r"\p{N}"), members(r"\s")
    lines = [f"# what tokenizers {tokenizers.__version__} does, for every code point; tools/generate_unicode_tables.py",
             "# class <first code point> <0 other, 1 letter, 2 number, 3 white space>, one line a run"]
    last = None
    for c in CODE_POINTS:
        kind = LETTER * (chr(c) in letters) + NUMBER * (chr(c) in numbers) + SPACE * (chr(c) in spaces)
        if kind != last:
            lines.append(f"class {c:x} {kind}")
        last = kind
    lines.append("# nfc <first code point of 1024> <CRC-32 of the NFC of twelve texts with each of them, each text + NUL>")
    nfc = normalizers.NFC()
    for first in range(0, 0x110000, 1024):
        crc = 0
        for c in range(first, first + 1024):
            if 0xD800 <= c < 0xE000:
                continue
            text = "".join(nfc.normalize_str(t) + "\0" for t in normalisation_texts(c))
            crc = zlib.crc32(text.encode(), crc)
        lines.append(f"nfc {first:x} {crc:08x}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--golden"]:
        GOLDEN.write_text(golden())
    elif not sys.argv[1:]:
        HEADER.write_text(header())
    else:
        sys.exit(__doc__)
