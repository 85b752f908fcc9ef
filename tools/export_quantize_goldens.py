#!/usr/bin/env python3
"""Writes tests/data/quantize/goldens.safetensors: blocks of every quantised type as the gguf package reads and writes them.

Tensors: "<TYPE>.blocks" bytes, "<TYPE>.values" what gguf's dequantiser makes of them (f32); for the types that gguf
quantises, "<TYPE>.rounded" the bytes it makes of "numbers". Random bytes reach every code; scales are kept finite.

usage: export_quantize_goldens.py        (needs gguf 0.19, numpy, safetensors)
"""
import importlib.metadata
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from safetensors.numpy import save_file

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
ROUNDED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def random_blocks(rng, name, count):
    kind = GGMLQuantizationType[name]
    blocks = rng.integers(0, 256, (count, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    for at in SCALES[name]:
        scale = (rng.standard_normal(count) * np.exp2(rng.integers(-20, 6, count))).astype(np.float16)
        scale[0] = 0
        scale[1] = np.float16(6e-8)  # subnormal
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(count, 2)
    return blocks


def numbers(rng):
    """Rows of 32: normal, of every size, ties, zeros, one large among small, all equal."""
    rows = [rng.standard_normal((12, 32)) * np.exp2(rng.integers(-12, 8, (12, 1)))]
    rows.append(rng.integers(-127, 128, (6, 32)) / 2)  # halves: ties of the rounding
    rows.append(np.zeros((1, 32)))
    rows.append(np.where(np.arange(32) == 7, -40.0, 1e-3 * rng.standard_normal((1, 32))))
    rows.append(np.full((1, 32), 0.37))
    rows.append(np.full((1, 32), -2.5))
    rows.append(np.where(np.arange(32) % 2, 3.0, -3.0)[None])  # two of the same size
    return np.concatenate(rows).astype(np.float32)


def main():
    rng = np.random.default_rng(5)
    out = {"numbers": numbers(rng)}
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        blocks = random_blocks(rng, name, 24 if name in ROUNDED else 6)
        out[name + ".blocks"] = blocks
        out[name + ".values"] = quants.dequantize(blocks, kind).astype(np.float32)
        if name in ROUNDED:
            out[name + ".rounded"] = quants.quantize(out["numbers"], kind)
    path = pathlib.Path(__file__).parent.parent / "tests/data/quantize/goldens.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file(out, path, metadata={"gguf": importlib.metadata.version("gguf"), "by": "tools/export_quantize_goldens.py"})
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
