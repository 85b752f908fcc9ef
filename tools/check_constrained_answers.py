#!/usr/bin/env python3
"""Asks random checkpoints for boxes under a constraint, many times, and checks every answer with a parser of its own.

Each checkpoint is `medmo init --config medmo_nano` with another seed; each question has its own labels, number of boxes, length,
temperature (0 to 10) and seed. An answer must be `label <box>[[x1, y1, x2, y2], ...]</box>` any number of times with whole numbers
0..1000, x1 < x2, y1 < y2, no box twice under a label, labels of the set, at most N boxes.

usage: check_constrained_answers.py --program build/release/examples/medmo [--checkpoints 10] [--questions 1000] [--work DIR]
"""
import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

PART = re.compile(r"([^<>\[\]]+?) ?<box>\[(\[\d+, \d+, \d+, \d+\](?:, \[\d+, \d+, \d+, \d+\])*)\]</box>[ ,.;\n]*")
LABELS = [["mass"], ["mass", "mass lesion", "pleural effusion"], ["nodule", "fracture", "opacity", "effusion"]]


def fault(text, labels, most):
    """What is wrong with an answer, or None."""
    at, boxes, seen = 0, 0, set()
    while at < len(text):
        part = PART.match(text, at)
        if not part:
            return f"no box list at byte {at}"
        label = part[1].strip()
        if label not in labels:
            return f"label {label!r}"
        for numbers in re.findall(r"\[(\d+), (\d+), (\d+), (\d+)\]", part[2]):
            if any(len(n) > 1 and n[0] == "0" for n in numbers):
                return f"a leading zero in {numbers}"
            x1, y1, x2, y2 = map(int, numbers)
            if not (0 <= x1 < x2 <= 1000 and 0 <= y1 < y2 <= 1000):
                return f"box {numbers}"
            if (label, numbers) in seen:
                return f"box {numbers} twice"
            seen.add((label, numbers))
            boxes += 1
        at = part.end()
    return f"{boxes} boxes of {most}" if boxes > most else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--checkpoints", type=int, default=10)
    parser.add_argument("--questions", type=int, default=1000, help="of each checkpoint")
    parser.add_argument("--work", type=pathlib.Path)
    arguments = parser.parse_args()
    work = arguments.work or pathlib.Path(tempfile.mkdtemp())
    answers = boxes = 0
    for seed in range(1, arguments.checkpoints + 1):
        model, rows, out = (work / f"{name}{seed}" for name in ("model", "rows", "out"))
        subprocess.run([arguments.program, "init", "--config", "medmo_nano", "--seed", str(seed), "--dtype", "bf16", "--out", model],
                       check=True, stdout=subprocess.DEVNULL)
        draw = random.Random(seed)
        asked = [{"prompt": f"Where? {i}", "options": {
            "box_labels": draw.choice(LABELS), "max_boxes": draw.randint(1, 6), "max_new_tokens": draw.choice([24, 40, 64, 96]),
            "temperature": draw.choice([0.1, 0.5, 1, 1, 3, 10, 10]), "seed": i}} for i in range(arguments.questions)]
        for i in range(0, len(asked), 10):
            del asked[i]["options"]["temperature"], asked[i]["options"]["seed"]
            asked[i]["options"]["greedy"] = True
        rows.write_text("".join(json.dumps(a) + "\n" for a in asked))
        subprocess.run([arguments.program, "ask", "--model", model, "--boxes-only", "--batch", rows, "--out", out, "--batch-size", "8"],
                       check=True, stdout=subprocess.DEVNULL)
        for question, line in zip(asked, out.read_text().splitlines(), strict=True):
            answer = json.loads(line)
            wrong = fault(answer["text"], question["options"]["box_labels"], question["options"]["max_boxes"])
            if wrong or answer["dropped"]:
                sys.exit(f"checkpoint {seed}: {wrong or answer['dropped']}: {answer['text']!r} for {question}")
            answers += 1
            boxes += len(re.findall(r"\[\d", answer["text"]))
        print(f"{answers} answers, {boxes} boxes, no fault", flush=True)


if __name__ == "__main__":
    main()
