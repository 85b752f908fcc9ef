#!/usr/bin/env python3
"""Writes tests/data/io/pictures: small PNG and JPEG files of every kind that is read, and pictures.json with what the
reference makes of them: Pillow's pixels, transparency composited by transformers' convert_to_rgb.
PNG must be equal, so their pixels are kept as a CRC-32; JPEG may differ a little, so theirs are kept whole.

usage: export_picture_goldens.py      (needs Pillow, numpy, transformers 5.23)
"""
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
import transformers
from PIL import Image
from transformers.image_transforms import convert_to_rgb

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "io" / "pictures"


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, rows, extra=b"", interlace=0):
    """A PNG of raw rows (each led by its filter), for kinds that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def reference(path):
    im = Image.open(path)
    if im.mode.startswith("I"):  # 16-bit grey: the high byte, as Pillow itself does for 16-bit RGB
        return np.repeat((np.asarray(im).astype(np.uint32) >> 8).astype(np.uint8)[..., None], 3, 2)
    return convert_to_rgb(im, return_numpy=True)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    noise = random.integers(0, 256, (11, 13, 4), dtype=np.uint8)
    y, x = np.mgrid[0:37, 0:45]
    smooth = np.stack([128 + 100 * np.sin(x / 7 + y / 19), 3 * x + 2 * y, 250 - 4 * np.hypot(x - 20, y - 15)], -1)
    smooth = Image.fromarray(np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8))
    files = {}

    def save(name, im, **options):
        im.save(OUT / name, **options)
        files[name] = None

    def put(name, data):
        (OUT / name).write_bytes(data)
        files[name] = None

    save("rgb.png", Image.fromarray(noise[..., :3]))
    save("rgba.png", Image.fromarray(noise))
    save("grey.png", Image.fromarray(noise[..., 0].copy()))
    save("grey_alpha.png", Image.fromarray(noise[..., :2].copy()))
    save("one_bit.png", Image.fromarray(noise[..., 0].copy()).convert("1"))
    palette = Image.fromarray(noise[..., :3]).convert("P", palette=Image.Palette.ADAPTIVE, colors=13)
    save("palette.png", palette)
    save("palette_alpha.png", palette, transparency=bytes(range(0, 260, 20)))
    save("palette_one_clear.png", palette, transparency=3)
    save("colour_key.png", Image.fromarray(noise[..., :3]), transparency=tuple(int(v) for v in noise[2, 3, :3]))
    save("grey_16.png", Image.fromarray(random.integers(0, 65536, (9, 7)).astype(np.uint16)))
    save("one_pixel.png", Image.fromarray(noise[:1, :1, :3].copy()))
    save("column.png", Image.fromarray(noise[:, :1, :3].copy()))
    every = np.zeros((256, 256, 4), np.uint8)
    every[..., :3] = np.arange(256, dtype=np.uint8)[None, :, None]
    every[..., 3] = np.arange(256, dtype=np.uint8)[:, None]
    save("every_alpha.png", Image.fromarray(every))
    rows = lambda a: b"".join(b"\0" + r.tobytes() for r in a)
    put("rgb_16.png", png(7, 9, 16, 2, rows(random.integers(0, 65536, (9, 21)).astype(">u2"))))
    put("rgba_16.png", png(7, 9, 16, 6, rows(random.integers(0, 65536, (9, 28)).astype(">u2"))))
    put("grey_2.png", png(9, 5, 2, 0, rows(random.integers(0, 256, (5, 3), dtype=np.uint8))))
    put("grey_4.png", png(9, 5, 4, 0, rows(random.integers(0, 256, (5, 5), dtype=np.uint8))))
    a = noise[..., :3]
    passes = [a[0::8, 0::8], a[0::8, 4::8], a[4::8, 0::4], a[0::4, 2::4], a[2::4, 0::2], a[0::2, 1::2], a[1::2, 0::1]]
    put("interlaced.png", png(13, 11, 8, 2, b"".join(rows(p) for p in passes if p.size), interlace=1))
    put("unknown_chunk.png", png(13, 11, 8, 2, rows(a), extra=chunk(b"teSt", b"x") + chunk(b"gAMA", struct.pack(">I", 45455))))
    for s, name in ((0, "444"), (1, "422"), (2, "420")):
        save(f"baseline_{name}.jpg", smooth, quality=90, subsampling=s)
        save(f"progressive_{name}.jpg", smooth, quality=90, subsampling=s, progressive=True)
    save("grey.jpg", smooth.convert("L"), quality=85)
    save("restart.jpg", smooth, quality=85, restart_marker_blocks=2)
    save("rgb_coded.jpg", smooth, quality=90, keep_rgb=True)
    for name in files:
        pixels = reference(OUT / name)
        files[name] = {"width": pixels.shape[1], "height": pixels.shape[0]}
        files[name] |= {"rgb": pixels.tobytes().hex()} if name.endswith("jpg") else {"crc32": zlib.crc32(pixels.tobytes())}
    # Not for the table: what must be refused.
    smooth.convert("CMYK").save(OUT / "cmyk.jpg")
    (OUT / "unfolds.png").write_bytes(png(1, 1, 8, 2, bytes(8 << 20)))
    versions = {"pillow": PIL.__version__, "transformers": transformers.__version__}
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in files.items())
    (OUT / "pictures.json").write_text('{"versions": ' + json.dumps(versions) + ',\n"files": {\n' + lines + "\n}}\n")


if __name__ == "__main__":
    main()
