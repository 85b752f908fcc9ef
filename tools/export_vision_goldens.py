#!/usr/bin/env python3
"""Writes tests/data/vision/goldens.json: what the reference implementation does with sizes, pixels and videos.

Needs transformers 5.23, torch, torchvision, Pillow and numpy; their versions are written into the file. Pictures are made
by a formula that the tests repeat, so that the file holds check sums and samples only.

usage: tools/export_vision_goldens.py [--fixtures FOLDER]   (FOLDER: real pictures, for the shares printed at the end)
"""
import argparse
import json
import pathlib
import random
import zlib

import numpy as np
import PIL
import torch
import torchvision
import transformers
from PIL import Image
from transformers import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as smart_resize_video
from transformers.video_utils import VideoMetadata

FACTOR, MIN, MAX = 32, 65536, 16777216
VIDEO_MIN, VIDEO_MAX = 4096, 25165824
DATA = pathlib.Path(__file__).resolve().parent.parent / "tests/data"


def picture(kind, seed, width, height):
    """noise: white noise; smooth: gradients with a little noise; edges: a chequered pattern of full contrast."""
    i = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3)
    z = i * np.uint32(0x9E3779B1) + np.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF)
    z ^= z >> np.uint32(15)
    z *= np.uint32(0x2C1B3C6D)
    z ^= z >> np.uint32(12)
    z *= np.uint32(0x297A2D39)
    z ^= z >> np.uint32(15)
    noise = (z >> np.uint32(24)).astype(np.int64)
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    if kind == "noise":
        v = noise
    elif kind == "smooth":
        v = (x * 255 // width + y * 255 // height) // 2 + (noise >> 4) - 20 * c
    else:
        v = ((x // 5 ^ y // 3) & 1) * (255 - 40 * c)
    return np.clip(v, 0, 255).astype(np.uint8)


def crc(a):
    return zlib.crc32(np.ascontiguousarray(a).tobytes())


def with_pillow(a, width, height):
    return np.array(Image.fromarray(a).resize((width, height), Image.BICUBIC))


def with_torch(a, width, height):
    t = torch.from_numpy(a).permute(2, 0, 1).contiguous()[None]
    r = torch.nn.functional.interpolate(t, size=(height, width), mode="bicubic", antialias=True)
    return r[0].permute(1, 2, 0).contiguous().numpy()


def samples(a, count=24):
    flat = a.reshape(-1)
    at = [k * (flat.size - 1) // (count - 1) for k in range(count)]
    return [[int(k), flat[k].item()] for k in at]


def sizes():
    fixed = [(1, 1), (30, 305), (305, 30), (1, 200), (200, 1), (5000, 5000), (768, 768), (1280, 1280), (224, 224),
             (1365, 2048), (2048, 1365), (16, 16), (15, 17), (48, 48), (80, 80), (17, 3000), (15, 3000), (256, 256),
             (4096, 4096), (4096, 4097), (4112, 4112), (20000, 100), (65536, 400), (8, 1600), (1 << 20, 5243)]
    draw = random.Random(3)
    out = list(fixed)
    while len(out) < 1000:
        h = int(2 ** draw.uniform(0, 14))
        w = int(h * 2 ** draw.uniform(-7.6, 7.6))
        if w >= 1 and max(h, w) <= 200 * min(h, w):
            out.append((h, w))
    return out


def resize_cases():
    shapes = [(1, 1, 256, 256), (30, 305, 96, 832), (305, 30, 832, 96), (200, 1, 3648, 32), (3, 5, 7, 11),
              (64, 64, 64, 64), (64, 48, 64, 96), (64, 48, 32, 48), (90, 71, 96, 160), (90, 71, 160, 96),
              (71, 90, 96, 64), (71, 90, 64, 96), (71, 90, 64, 64), (100, 100, 90, 80), (100, 100, 90, 79),
              (100, 100, 110, 99), (100, 100, 80, 55), (101, 333, 32, 320), (333, 101, 320, 32),
              (723, 768, 736, 768), (512, 512, 768, 768), (640, 480, 640, 480), (683, 1024, 672, 1024),
              (1411, 1411, 768, 768), (17, 3000, 32, 2976), (768, 500, 32, 32), (1000, 40, 992, 32), (250, 251, 125, 502)]
    for n, (w, h, ww, hh) in enumerate(shapes):
        for kind in ("noise", "smooth", "edges"):
            a = picture(kind, n, w, h)
            p, t = with_pillow(a, ww, hh), with_torch(a, ww, hh)
            yield {"kind": kind, "seed": n, "from": [w, h], "to": [ww, hh], "pillow": crc(p), "torch": crc(t),
                   "samples": samples(p)}


def image_cases():
    plain = Qwen2VLImageProcessor(size={"shortest_edge": MIN, "longest_edge": MAX}, patch_size=16, merge_size=2,
                                  temporal_patch_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    clip = Qwen2VLImageProcessor(size={"shortest_edge": MIN, "longest_edge": 300000}, patch_size=16, merge_size=2,
                                 temporal_patch_size=2)
    for n, (w, h, which) in enumerate([(1, 1, "plain"), (305, 30, "plain"), (30, 305, "plain"), (200, 1, "plain"),
                                       (17, 300, "plain"), (224, 224, "plain"), (384, 256, "plain"), (500, 333, "plain"),
                                       (723, 768, "plain"), (900, 600, "clip")]):
        processor = plain if which == "plain" else clip
        kind = ("smooth", "noise")[n % 2]
        a = picture(kind, 100 + n, w, h)
        whole = processor(Image.fromarray(a), return_tensors="np")
        grid = whole["image_grid_thw"][0].tolist()
        by_pillow = processor(Image.fromarray(with_pillow(a, grid[2] * 16, grid[1] * 16)), do_resize=False,
                              return_tensors="np")
        rows = whole["pixel_values"].astype(np.float32)
        yield {"kind": kind, "seed": 100 + n, "from": [w, h], "max_pixels": processor.size["longest_edge"],
               "mean": processor.image_mean, "deviation": processor.image_std, "grid": grid,
               "torch": crc(rows), "pillow": crc(by_pillow["pixel_values"].astype(np.float32)),
               "samples": samples(by_pillow["pixel_values"])}


def picture_cases():
    """Real pictures in tests/data/images, at the size smart_resize gives and at two others."""
    for name in ("chest_cr.png", "cell.png", "microaneurysms.png"):
        a = np.array(Image.open(DATA / "images" / name).convert("RGB"))
        h, w = smart_resize(a.shape[0], a.shape[1], FACTOR, MIN, MAX)
        for ww, hh in ((w, h), (320, 224), (1280, 1280)):
            p, t = with_pillow(a, ww, hh), with_torch(a, ww, hh)
            yield {"file": name, "to": [ww, hh], "pillow": crc(p), "torch": crc(t),
                   "torch_equals_pillow": round(float((p == t).mean()), 6)}


def video_cases():
    for n, (frames, w, h, cap) in enumerate([(2, 40, 30, 0), (3, 64, 48, 0), (5, 20, 300, 0), (4, 640, 480, 0),
                                             (6, 320, 240, 64), (7, 33, 17, 0)]):
        processor = Qwen3VLVideoProcessor(size={"shortest_edge": VIDEO_MIN, "longest_edge": VIDEO_MAX},
                                          image_mean=[0.5] * 3, image_std=[0.5] * 3, max_video_tokens=max(cap, 1))
        video = np.stack([picture("smooth", 200 + 10 * n + i, w, h) for i in range(frames)])
        indices = [3 * i + n for i in range(frames)]
        out = processor(torch.from_numpy(video).permute(0, 3, 1, 2), do_sample_frames=False,
                        cap_pixels_per_frame=cap > 0, return_tensors="np")
        times = Qwen3VLProcessor._calculate_timestamps(None, list(indices), 12.5, 2)
        yield {"frames": frames, "size": [w, h], "seed": 200 + 10 * n, "cap": cap, "indices": indices, "fps": 12.5,
               "grid": out["video_grid_thw"][0].tolist(), "times": times,
               "torch": crc(out["pixel_values_videos"].astype(np.float32))}


def sampling_cases():
    processor = Qwen3VLVideoProcessor()
    for total, source, fps in [(1, 24, 2), (3, 24, 2), (4, 30, 2), (100, 24, 2), (101, 29.97, 2), (1000, 25, 2),
                               (1000, 25, 1.5), (20000, 30, 2), (20000, 12.5, 2), (7, 1, 2), (50, 10, 0.1)]:
        meta = VideoMetadata(total_num_frames=total, fps=source)
        yield {"total": total, "source_fps": source, "fps": fps,
               "frames": processor.sample_frames(meta, fps=fps).tolist()}


def video_sizes():
    draw = random.Random(5)
    out = []
    while len(out) < 200:
        t, h = draw.randint(2, 768), int(2 ** draw.uniform(0, 12))
        w = int(h * 2 ** draw.uniform(-7.6, 7.6))
        try:
            out.append([t, h, w, *smart_resize_video(t, h, w, 2, FACTOR, VIDEO_MIN, VIDEO_MAX)])
        except (ValueError, ZeroDivisionError):
            continue
    out.append([2, 31, 6200, *smart_resize_video(2, 31, 6200, 2, FACTOR, VIDEO_MIN, VIDEO_MAX)])
    return out


def print_shares(folder):
    """How far torch's integers are from Pillow's on real pictures, at the sizes smart_resize gives."""
    for path in sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in (".png", ".jpg")):
        a = np.array(Image.open(path).convert("RGB"))
        h, w = smart_resize(a.shape[0], a.shape[1], FACTOR, MIN, MAX)
        d = np.abs(with_pillow(a, w, h).astype(int) - with_torch(a, w, h))
        print(f"{path.name}: {a.shape[1]}x{a.shape[0]} -> {w}x{h}, torch equals Pillow in {100 * (d == 0).mean():.3f} %, "
              f"largest difference {d.max()}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--fixtures")
    folder = arguments.parse_args().fixtures
    golden = {
        "made_by": {m.__name__: m.__version__ for m in (transformers, torch, torchvision, PIL, np)},
        "smart_resize": [[h, w, *smart_resize(h, w, FACTOR, MIN, MAX)] for h, w in sizes()],
        "smart_resize_video": video_sizes(),
        "resize": list(resize_cases()),
        "pictures": list(picture_cases()),
        "images": list(image_cases()),
        "videos": list(video_cases()),
        "sampling": list(sampling_cases()),
    }
    out = DATA / "vision/goldens.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for key, value in golden.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(v, separators=(",", ":")) for v in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    if folder:
        print_shares(folder)


if __name__ == "__main__":
    main()
