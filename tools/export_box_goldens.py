#!/usr/bin/env python3
"""Writes tests/data/metrics/matching.json and detection.json: assignments by scipy, detection scores by pycocotools.

    tools/export_box_goldens.py [--out DIR]             numpy, scipy, pycocotools; versions are written into the files
    tools/export_box_goldens.py --matching N --seed S --out DIR   only N random cost matrices, for a long run:
        MEDMO_MATCHING_CASES=DIR/matching.json test_unit_metrics --test-case='match: equal to scipy'

Costs are multiples of 2^-10 and coordinates of 1/4, so that their decimal form, areas and IoUs are exact in both.
"""
import argparse
import contextlib
import io
import json
import os

import numpy
import scipy
from importlib.metadata import version
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.optimize import linear_sum_assignment


def matching_cases(count, rng):
    """Random sizes and kinds: generic costs (one optimum), small whole numbers (many), negative ones."""
    for i in range(count):
        rows, columns = (int(n) for n in rng.integers(1, 17 if i % 10 else 41, size=2))
        kind = ("generic", "few values", "negative")[i % 3]
        if kind == "few values":
            cost = rng.integers(0, 4, size=(rows, columns)).astype(float)
        else:
            cost = rng.integers(0, 1 << 30, size=(rows, columns)) / 1024.0
            cost -= (1 << 19) if kind == "negative" else 0
        r, c = linear_sum_assignment(cost)
        assigned = numpy.full(rows, -1)
        assigned[r] = c
        case = {"kind": kind, "cost": cost.tolist(), "total": float(cost[r, c].sum())}
        if kind != "few values":
            case["column_of_row"] = assigned.tolist()
        yield case


def random_box(rng, size, small):
    """x, y, w, h in quarters of a pixel; sizes over all of COCO's classes."""
    w, h = (rng.integers(8, (100 if small else size) * 4, size=2) + 1) / 4
    x, y = rng.integers(0, (size - w) * 4 + 1) / 4, rng.integers(0, (size - h) * 4 + 1) / 4
    return [float(v) for v in (x, y, w, h)]


def detection_case(rng, images, labels, boxes, special, ties):
    """Truth with crowds and mask areas; predictions near truth, far from it, and more than 100 in a picture."""
    size, truth, predicted = 512, [], []
    for image in range(images):
        count = int(rng.integers(0, boxes + 1))
        for _ in range(count):
            box = random_box(rng, size, rng.random() < 0.6)
            truth.append({"image": image, "label": int(rng.integers(labels)), "box": box,
                          "crowd": bool(special and rng.random() < 0.1),
                          "area": float(numpy.floor(box[2] * box[3] * rng.uniform(0.4, 1.0)))})
        ours = [t for t in truth if t["image"] == image]
        for _ in range(int(rng.integers(0, 2 * boxes + 1)) if boxes < 60 else 130):
            if ours and rng.random() < 0.7:
                near = ours[rng.integers(len(ours))]
                shift = numpy.round(rng.normal(0, 0.06, size=4) * max(near["box"][2:]) * 4) / 4
                box = [float(v) for v in numpy.maximum(numpy.array(near["box"]) + shift, [0, 0, 1, 1])]
                label = near["label"] if rng.random() < 0.9 else int(rng.integers(labels))
            else:
                box, label = random_box(rng, size, True), int(rng.integers(labels))
            confidence = int(rng.integers(8)) / 8 if ties else int(rng.integers(1 << 20)) / (1 << 20)
            predicted.append({"image": image, "label": label, "box": box, "confidence": confidence})
    return truth, predicted


def coco_scores(images, labels, truth, predicted):
    """The twelve numbers, and AP of each label, -1 where there is nothing to find."""
    coco = COCO()
    coco.dataset = {
        "info": {}, "images": [{"id": i} for i in range(images)], "categories": [{"id": i} for i in range(labels)],
        "annotations": [{"id": i + 1, "image_id": t["image"], "category_id": t["label"], "bbox": t["box"], "area": t["area"],
                         "iscrowd": int(t["crowd"])} for i, t in enumerate(truth)]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        results = coco.loadRes([{"image_id": p["image"], "category_id": p["label"], "bbox": p["box"], "score": p["confidence"]}
                                for p in predicted]) if predicted else COCO()
        if not predicted:
            results.dataset = {"images": coco.dataset["images"], "categories": coco.dataset["categories"], "annotations": []}
            results.createIndex()
        run = COCOeval(coco, results, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"]  # [threshold, recall, label, area, detections]
    each = [precision[:, :, k, 0, 2] for k in range(labels)]
    return [float(v) for v in run.stats], [float(p[p > -1].mean()) if (p > -1).any() else -1.0 for p in each]


def detection_cases(rng):
    shapes = [(1, 1, 1, False, False), (1, 1, 5, False, False), (4, 1, 6, False, False), (6, 3, 8, False, False),
              (6, 3, 8, True, False), (6, 3, 8, True, True), (10, 5, 4, True, False), (2, 2, 60, True, True),
              (3, 1, 0, False, False), (8, 2, 10, False, True)]
    for seed in range(20):
        images, labels, boxes, special, ties = shapes[seed % len(shapes)]
        truth, predicted = detection_case(rng, images, labels, boxes, special, ties)
        if seed == 13:
            predicted = []
        stats, each = coco_scores(images, labels, truth, predicted)
        flat = lambda rows, *keys: [[r["image"], r["label"], *r["box"], *(r[k] for k in keys)] for r in rows]
        yield {"images": images, "labels": labels, "truth": flat(truth, "area", "crowd"),
               "predicted": flat(predicted, "confidence"), "stats": stats, "ap_of_label": each}


def write(path, made_by, cases):
    with open(path, "w") as f:
        f.write('{"made_by": %s, "cases": [\n' % json.dumps(made_by))
        f.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
        f.write("\n]}\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", default=os.path.join(here, "../tests/data/metrics"))
    arguments.add_argument("--matching", type=int, metavar="N")
    arguments.add_argument("--seed", type=int, default=11)
    a = arguments.parse_args()
    numbers = f"numpy {numpy.__version__}"
    count = a.matching or 120
    write(os.path.join(a.out, "matching.json"), f"scipy {scipy.__version__}, {numbers}",
          matching_cases(count, numpy.random.default_rng(a.seed)))
    if not a.matching:
        write(os.path.join(a.out, "detection.json"), f"pycocotools {version('pycocotools')}, {numbers}",
              detection_cases(numpy.random.default_rng(13)))


if __name__ == "__main__":
    main()
