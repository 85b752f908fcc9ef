#!/usr/bin/env python3
"""Writes tests/data/rewards/completions.jsonl: completions with what a reader finds in them, and the rewards that follow.

    tools/export_reward_table.py [--out FILE]     needs nothing but Python

Each line has `text`, `truth`, `boxes` (what the text says, by reading, in thousandths), `unusable` (how many things are written
as a box and are none) and the expected rewards under several options. The rewards are computed
here from `boxes`, by the formulas and by trying every assignment; the text is never parsed here.
"""
import argparse
import itertools
import json
import math
import os

ONE = [[156, 516, 231, 607]]
TWO = [[156, 516, 231, 607], [240, 529, 296, 581]]
FIVE = [[10, 10, 110, 90], [200, 40, 260, 140], [400, 400, 600, 520], [700, 100, 760, 180], [50, 800, 300, 950]]
WHOLE = [0, 0, 1000, 1000]


def listed(boxes, comma=", "):
    return "[" + comma.join("[" + comma.join(map(str, b)) + "]" for b in boxes) + "]"


LAYOUTS = {  # name: boxes -> text; every one is read as exactly these boxes
    "plain": lambda b: f"Fractures <box>{listed(b)}</box>",
    "tight": lambda b: f"Fractures<box>{listed(b, ',')}</box>",
    "lines": lambda b: "Fractures:\n<box>\n[\n" + ",\n".join(f"  [{x}, {y},\n   {z}, {w}]" for x, y, z, w in b) + "\n]\n</box>\n",
    "tag a box": lambda b: "\n".join(f"{i}. Fracture <box>[[{x}, {y}, {z}, {w}]]</box>" for i, (x, y, z, w) in enumerate(b, 1)),
    "one list less": lambda b: "Fractures <box>" + listed(b)[1:-1] + "</box>",
    "prose": lambda b: f"The wrist shows two lines. Fracture of the radius <box>{listed(b)}</box>, seen best distally.",
    "thought first": lambda b: f"<think>\nIs it at 1, 2, 3, 4?\n</think>\n<answer>\nFractures <box>{listed(b)}</box>\n</answer>",
    "no end": lambda b: f"Fractures <box>{listed(b)}",
    "whole decimals": lambda b: "Fractures <box>[" + ", ".join(f"[{x}.0, {y}.00, {z}., {w}]" for x, y, z, w in b) + "]</box>",
    "windows": lambda b: f"Fractures\r\n\t<box>{listed(b)}</box>\r\n",
}


def predictions(truth):
    """Named answers to a truth: right, partial, too many, twice, bait."""
    moved = [[x + 12, y - 7, z + 20, w + 3] for x, y, z, w in truth]
    far = [[600, 20, 650, 60]]
    return {
        "right": truth, "other order": truth[::-1], "moved": moved, "first only": truth[:1], "moved, last only": moved[-1:],
        "one too many": truth + far, "twice": truth + truth, "elsewhere": far, "whole picture": [WHOLE],
        "whole picture and right": [WHOLE] + truth,
    }


def by_hand():
    """(name, text, truth, boxes, unusable)"""
    big, a, b = "7" * 400, [1, 2, 30, 40], [5, 6, 70, 80]
    yield "nothing", "", ONE, [], 0
    yield "nothing, and nothing to find", "", [], [], 0
    yield "denied", "No fracture is seen.", ONE, [], 0
    yield "denied, rightly", "No abnormality.", [], [], 0
    yield "false alarm", "Nodule <box>[[1, 2, 30, 40]]</box>", [], [a], 0
    yield "false alarm, malformed", "Nodule <box>[[1, 2, 30]]</box>", [], [], 1
    yield "empty tag", "Fracture <box></box>", ONE, [], 0
    yield "empty tag, rightly", "<box></box>", [], [], 0
    yield "empty list", "Fracture <box>[]</box>", ONE, [], 0
    yield "list of an empty list", "Fracture <box>[[]]</box>", ONE, [], 0
    yield "empty list and a box", "A <box>[[], [1, 2, 30, 40]]</box>", [a], [a], 0
    yield "only blanks", " \n\t ", ONE, [], 0
    for name, text in {"three numbers": "[1, 2, 30]", "two numbers": "[1, 2]", "one number": "[1]", "five numbers": "[1, 2, 30, 40, 50]",
                       "eight numbers": "[1, 2, 30, 40, 5, 6, 70, 80]", "inverted in x": "[30, 2, 1, 40]",
                       "inverted in y": "[1, 40, 30, 2]", "inverted twice": "[30, 40, 1, 2]", "no width": "[1, 2, 1, 40]",
                       "no height": "[1, 2, 30, 2]", "a point": "[1, 2, 1, 2]", "negative": "[-1, 2, 30, 40]",
                       "negative zero point": "[-0, 2, 30, 40]", "fractions": "[0.1, 0.2, 0.3, 0.4]", "one half": "[1.5, 2, 30, 40]",
                       "exponent": "[1e2, 2, 300, 400]", "words": "[one, two, 30, 40]", "hexadecimal": "[0x1, 2, 30, 40]",
                       "nan": "[nan, 2, 30, 40]", "infinity": "[1, 2, inf, 40]", "null": "[null, 2, 30, 40]",
                       "400 digits": f"[{big}, 2, 30, 40]", "400 digits last": f"[1, 2, 30, {big}]",
                       "400 digits everywhere": f"[{big}, {big}, {big}, {big}]", "400 digits after the point": f"[1.{big}, 2, 30, 40]",
                       "seven digits": "[1, 2, 30, 4000000]", "quoted": '["1", "2", "30", "40"]', "percent": "[1%, 2%, 30%, 40%]",
                       "semicolons": "[1; 2; 30; 40]", "slashes": "[1/2/30/40]", "beyond in x": "[1500, 2, 1600, 40]",
                       "beyond in y": "[1, 1200, 30, 1300]", "two signs": "[--1, 2, 30, 40]", "minus alone": "[-, 2, 30, 40]",
                       "glued": "[1-2, 2, 30, 40]"}.items():
        yield name, f"A <box>[{text}]</box>", [a], [], 1
        yield name + ", beside a box", f"A <box>[{text}, [5, 6, 70, 80]]</box>", [a, b], [b], 1
        yield name + ", in a tag of its own", f"A <box>[[5, 6, 70, 80]]</box>\nB <box>[{text}]</box>", [a, b], [b], 1
    yield "three broken ones", "A <box>[[1], [2, 3], [4, 5, 6]]</box>", [a], [], 3
    yield "three broken ones and one box", "A <box>[[1], [2, 3], [4, 5, 6], [1, 2, 30, 40]]</box>", [a], [a], 3
    yield "above 1000", "A <box>[[990, 2, 1003, 40]]</box>", [[990, 2, 1000, 40]], [[990, 2, 1000, 40]], 0
    yield "far above 1000", "A <box>[[900, 900, 999999, 4000]]</box>", [[900, 900, 1000, 1000]], [[900, 900, 1000, 1000]], 0
    yield "leading zeros", "A <box>[[001, 0000000002, 030, 40]]</box>", [a], [a], 0
    yield "plus signs", "A <box>[[+1, +2, +30, +40]]</box>", [a], [a], 0
    yield "blanks for commas", "A <box>[[1 2 30 40]]</box>", [a], [a], 0
    yield "end bracket missing", "A <box>[[1, 2, 30, 40]</box>", [a], [a], 0
    yield "words in the tag", "A <box>none</box>", ONE, [], 1
    yield "pairs of points", "A <box>(1, 2), (30, 40)</box>", [a], [], 1
    yield "an object", 'A <box>{"x1": 1, "y1": 2, "x2": 30, "y2": 40}</box>', [a], [], 1
    yield "words in one tag, a box in another", "A <box>none</box> B <box>[[1, 2, 30, 40]]</box>", [a], [a], 1
    yield "cut in the second box", "A <box>[[1, 2, 30, 40], [5, 6", [a, b], [a], 0
    yield "cut in a number", "A <box>[[1, 2, 30, 4", [a], [], 1
    yield "cut after the tag", "A <box>", [a], [], 1
    yield "cut inside the tag", "A <bo", [a], [], 0
    yield "cut after a box", "A <box>[[1, 2, 30, 40]", [a], [a], 0
    yield "tag in a tag", "A <box>[[1, 2, 30, 40]] <box>[[5, 6, 70, 80]]</box>", [a, b], [a, b], 0
    yield "no tag at all", "A [[1, 2, 30, 40]]", [a], [], 0
    yield "special tokens instead", "A <|box_start|>(1,2),(30,40)<|box_end|>", [a], [], 0
    yield "capital tag", "A <BOX>[[1, 2, 30, 40]]</BOX>", [a], [], 0
    yield "JSON of another model", '[{"bbox_2d": [1, 2, 30, 40], "label": "A"}]', [a], [], 0
    yield "fenced", "```json\nA <box>[[1, 2, 30, 40]]</box>\n```", [a], [a], 0
    yield "other script", "\u5de6\u80ba <box>[[1, 2, 30, 40]]</box>", [a], [a], 0
    yield "two labels on a line", "A <box>[[1, 2, 30, 40]]</box>, B <box>[[5, 6, 70, 80]]</box>.", [a, b], [a, b], 0
    yield "two labels on two lines", "A <box>[[1, 2, 30, 40]]</box>\nB <box>[[5, 6, 70, 80]]</box>", [a, b], [a, b], 0
    yield "a hundred of one", "A <box>" + listed([a] * 30) + "</box>", [a, b], [a] * 30, 0
    yield "a grid as bait", "A <box>" + listed([[x, y, x + 250, y + 250] for x in range(0, 1000, 250) for y in range(0, 1000, 250)]) \
        + "</box>", ONE, [[x, y, x + 250, y + 250] for x in range(0, 1000, 250) for y in range(0, 1000, 250)], 0
    yield "the whole picture for five", f"A <box>{listed([WHOLE])}</box>", FIVE, [WHOLE], 0
    yield "the whole picture five times", f"A <box>{listed([WHOLE] * 5)}</box>", FIVE, [WHOLE] * 5, 0
    yield "a whole picture that is right", f"A <box>{listed([WHOLE])}</box>", [WHOLE], [WHOLE], 0
    yield "opposite corners", "A <box>[[0, 0, 1, 1]]</box>", [[999, 999, 1000, 1000]], [[0, 0, 1, 1]], 0
    yield "the same truth twice", "A <box>[[1, 2, 30, 40]]</box>", [a, a], [a], 0
    yield "nested", "A <box>[[10, 10, 90, 90]]</box>", [[0, 0, 100, 100]], [[10, 10, 90, 90]], 0
    yield "side by side", "A <box>[[0, 0, 50, 100]]</box>", [[50, 0, 100, 100]], [[0, 0, 50, 100]], 0
    yield "crossed", "A <box>[[0, 400, 1000, 600]]</box>", [[400, 0, 600, 1000]], [[0, 400, 1000, 600]], 0


def giou(a, b):
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    both = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = area(a) + area(b) - both
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return both / union - (hull - union) / hull


def reward(predicted, truth, unusable, lfn=0.0, lfp=0.0, rule="dropped", picture=(1000, 1000), w1=5.0, w2=2.0):
    """Equations (7) to (12), and a rule for what is written as a box and is none."""
    if unusable and (not predicted or rule == "zero"):
        return 0.0
    if not truth:
        return 1.0 if not predicted else 0.0
    if not predicted:
        return 0.0
    sx, sy = picture[0] / 1000, picture[1] / 1000
    l1 = lambda a, b: (sx * (abs(a[0] - b[0]) + abs(a[2] - b[2])) + sy * (abs(a[1] - b[1]) + abs(a[3] - b[3]))) / \
        (2 * math.hypot(*picture))
    cost = lambda a, b: w1 * l1(a, b) + w2 * (1 - giou(a, b))
    quality = lambda a, b: (w1 * (1 - min(1, l1(a, b))) + w2 * (giou(a, b) + 1) / 2) / (w1 + w2)
    few, many = sorted((predicted, truth), key=len)
    costs = [[cost(f, m) for m in many] for f in few]
    ways = sorted((sum(costs[i][j] for i, j in enumerate(way)), sum(quality(few[i], many[j]) for i, j in enumerate(way)))
                  for way in itertools.permutations(range(len(many)), len(few)))
    best = [q for c, q in ways if c < ways[0][0] + 1e-9]
    assert max(best) - min(best) < 1e-9, "several best assignments of different reward: choose other boxes"
    g, p, m = len(truth), len(predicted) + (unusable if rule == "counted" else 0), len(few)
    return min(1.0, max(0.0, (ways[0][1] - lfn * (g - m) - lfp * (p - m)) / g))


def rows():
    for layout, write_as in LAYOUTS.items():
        for count, truth in (("one", ONE), ("two", TWO)):
            for name, boxes in predictions(truth).items():
                if count == "one" and name in ("other order", "first only", "moved, last only"):
                    continue
                yield f"{layout}: {count}, {name}", write_as(boxes), truth, boxes, 0
    for name, boxes in predictions(FIVE).items():
        if name != "twice":
            yield f"five, {name}", LAYOUTS["plain"](boxes), FIVE, boxes, 0
    yield from by_hand()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", default=os.path.join(here, "../tests/data/rewards/completions.jsonl"))
    out = arguments.parse_args().out
    with open(out, "w") as f:
        for name, text, truth, boxes, unusable in rows():
            under = lambda **o: round(reward(boxes, truth, unusable, **o), 12)
            f.write(json.dumps({
                "name": name, "text": text, "truth": truth, "boxes": boxes, "unusable": unusable,
                "reward": under(), "penalties": under(lfn=0.5, lfp=0.125), "counted": under(lfp=0.25, rule="counted"),
                "zero": under(rule="zero"), "pixels": under(picture=(640, 480)), "giou_only": under(w1=0.0, w2=1.0)}) + "\n")


if __name__ == "__main__":
    main()
