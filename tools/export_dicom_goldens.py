#!/usr/bin/env python3
"""Pictures of DICOM files by pydicom and numpy, as goldens of io/dicom: size, CRC-32 of the RGB bytes, some of the values.

The rendering is written out below in numpy, step by step as in include/medmo/io/dicom_pixels.hpp; decoding, tables, palettes
and colours are pydicom's. Lossy JPEG is decoded by GDCM, whose decoder is of the same family as DCMTK's.

usage: export_dicom_goldens.py OUT.json FILE_OR_FOLDER...      paths are written relative to OUT.json's folder
needs: pydicom, numpy; python-gdcm, pylibjpeg[all] for compressed files
"""
import json
import logging
import os
import pathlib
import sys
import warnings
import zlib

import numpy as np
import pydicom
import pydicom.pixels as px

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
PLUGINS = ["gdcm", "pylibjpeg", "pillow", "pydicom", ""]
CT_WINDOWS = [(0, 2048), (40, 350), (40, 80)]


def decoded(dataset, frame):
    """The frame as pydicom decodes it, unused bits cleared, colours converted to RGB; and the plugin that did."""
    problem = None
    for plugin in PLUGINS:
        try:
            array = px.pixel_array(dataset, index=frame, decoding_plugin=plugin) if plugin else px.pixel_array(dataset, index=frame)
            return array, plugin
        except Exception as e:  # noqa: BLE001  another plugin may do
            problem = e
    raise problem


def group(dataset, frame, name):
    for sequence, i in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = dataset.get(sequence)
        if items and i < len(items) and items[i].get(name):
            return items[i][name][0]
    return dataset


def first(value):
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, (pydicom.multival.MultiValue, list)) else value)


def to_byte(y):
    return np.clip(np.floor(y * 255.0 + 0.5), 0, 255).astype(np.uint8)


def windowed(x, centre, width, function="LINEAR"):
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(-4.0 * (x - centre) / width))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1.0
    inside = (x - centre) / width + 0.5 if width else np.zeros_like(x)
    return np.where(x <= centre - width / 2, 0.0, np.where(x > centre + width / 2, 1.0, inside))


def grey(dataset, values, frame, window, ct):
    if "ModalityLUTSequence" in dataset:
        x = px.apply_modality_lut(values, dataset).astype(np.float64)
    else:
        at = group(dataset, frame, "PixelValueTransformationSequence")
        slope, intercept = first(at.get("RescaleSlope")), first(at.get("RescaleIntercept"))
        x = values.astype(np.float64)
        if slope is not None and intercept is not None:
            x = x * slope + intercept
    if ct:
        return np.stack([to_byte(windowed(x, c, w)) for c, w in CT_WINDOWS], -1)
    at = group(dataset, frame, "FrameVOILUTSequence")
    centre, width = first(at.get("WindowCenter")), first(at.get("WindowWidth"))
    if window:
        y = windowed(x, *window)
    elif "VOILUTSequence" in dataset:
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        y = px.apply_voi(x.astype(np.int64), dataset).astype(np.float64) / (2**bits - 1)
    elif centre is not None and width is not None:
        y = windowed(x, centre, width, at.get("VOILUTFunction", "LINEAR"))
    else:
        low, high = x.min(), x.max()
        y = (x - low) / (high - low) if high > low else np.zeros_like(x)
    return np.repeat(to_byte(y)[..., None], 3, -1)


def rendered(dataset, frame, window=None, ct=False):
    """[rows, columns, 3] of uint8, and the plugin."""
    array, plugin = decoded(dataset, frame)
    kind = dataset.PhotometricInterpretation
    if kind.startswith("MONO"):
        out = grey(dataset, array, frame, window, ct)
        return (255 - out if kind == "MONOCHROME1" else out), plugin
    if kind == "PALETTE COLOR":
        bits = dataset.RedPaletteColorLookupTableDescriptor[2]
        return (px.apply_color_lut(array, dataset) >> (bits - 8)).astype(np.uint8), plugin
    return (array >> max(0, dataset.BitsStored - 8)).astype(np.uint8), plugin


def case(path, shown, dataset, frame, window=None, ct=False):
    entry = {"file": shown, "frame": frame}
    if window:
        entry["window"] = window
    if ct:
        entry["ct"] = True
    try:
        picture, plugin = rendered(dataset, frame, window, ct)
    except Exception as e:  # noqa: BLE001  the kind of refusal is part of the table
        return entry | {"refused": type(e).__name__}
    flat = picture.reshape(-1)
    at = [int(i) for i in np.linspace(0, flat.size - 1, 16)]
    if os.environ.get("DICOM_RAW"):  # whole pictures, to see how far apart two decoders are
        name = f"{zlib.crc32(str(path).encode()):08x}_{frame}.rgb"
        pathlib.Path(os.environ["DICOM_RAW"], name).write_bytes(flat.tobytes())
        entry["raw"] = str(pathlib.Path(os.environ["DICOM_RAW"], name).absolute())
    return entry | {"width": picture.shape[1], "height": picture.shape[0], "crc32": zlib.crc32(flat.tobytes()), "decoder": plugin,
                    "at": at, "values": [int(flat[i]) for i in at]}


def cases(path, shown):
    try:
        dataset = pydicom.dcmread(path, force=True)
        frames = int(dataset.get("NumberOfFrames") or 1)
        kind = dataset.get("PhotometricInterpretation", "")
    except Exception as e:  # noqa: BLE001
        return [{"file": shown, "frame": 0, "refused": type(e).__name__}]
    found = [case(path, shown, dataset, f) for f in sorted({0, frames // 2, frames - 1})]
    if kind.startswith("MONO") and "refused" not in found[0]:
        found.append(case(path, shown, dataset, 0, window=[50, 350]))
        if dataset.get("Modality") == "CT":
            found.append(case(path, shown, dataset, 0, ct=True))
    return found


def main(out, *sources):
    files = []
    for source in map(pathlib.Path, sources):
        files += sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    folder = pathlib.Path(out).absolute().parent
    entries = []
    for path in files:
        head = path.read_bytes()[:132]
        if path.suffix == ".dcm" or head[128:] == b"DICM":
            entries += cases(path, os.path.relpath(path.absolute(), folder))
    made_by = f"tools/export_dicom_goldens.py, pydicom {pydicom.__version__}, numpy {np.__version__}"
    text = ",\n".join(json.dumps(e) for e in entries)
    pathlib.Path(out).write_text(f'{{"made_by": "{made_by}",\n"cases": [\n{text}\n]}}\n')
    print(f"{len(files)} files looked at, {len(entries)} cases in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
