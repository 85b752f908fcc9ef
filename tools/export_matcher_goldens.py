#!/usr/bin/env python3
"""Writes tests/data/metrics/matcher.json: how MedEvalKit's answer rules judge many answers, from an independent implementation.

    tools/export_matcher_goldens.py [--out FILE]        Python's standard library only

The rules are written here a second time from their description (docs/metrics.md), on Python's own str, rfind and difflib, and
compared with include/medmo/metrics/answer.hpp, choice_answer.hpp and mmmu_answer.hpp under answer_rules::medevalkit. Draws of
MMMU are not compared: what is written is that there was one.
"""
import argparse
import difflib
import json
import pathlib
import random

HERE = pathlib.Path(__file__).parent.parent
MARKERS = ["**answer**:", "**answer**", "*answer*:", "**answer:**", "answer is", "answer:", "\u7b54\u6848:", "final answer",
           "final answer is"]
LETTERS = "ABCDEFGHIJ"


def boxed(text):
    at = text.rfind("\\boxed{")
    if at < 0:
        return "None"
    depth, begin = 1, at + len("\\boxed{")
    for i in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[begin:i].strip()
    return "None"


def tagged(text):
    parts = text.split("<answer>")[1:]
    inside, rest = [], text
    while "<answer>" in rest:
        rest = rest.split("<answer>", 1)[1]
        if "</answer>" not in rest:
            break
        content, rest = rest.split("</answer>", 1)
        inside.append(content.strip())
    return " ".join(inside) if inside and parts else text


def parse(response):
    text = response.lower()
    text = boxed(text) if "boxed" in text else tagged(text)
    for marker in MARKERS:
        if marker in text:
            text = text.split(marker)[-1]
    return text


def clean(response):
    return parse(response).strip().replace("\n", "").replace(".", "")


def judge_choice(response, options, key):
    letters = [c.lower() for c in LETTERS[: len(options)]]
    options, key, text = [o.lower() for o in options], key.strip().lower(), response.lower()
    paragraphs = text.split("\n\n")
    if paragraphs[0] in letters:
        text = paragraphs[0]
    elif paragraphs[-1].split(".")[0] in letters:
        text = paragraphs[-1].split(".")[0]
    text = parse(text).strip().lower().replace("\n", "")
    part = text.split(".")[0].split(":")[-1]
    if part == key:
        return True
    if part in letters:
        return options[letters.index(part)] == key
    if part in options:
        return key in letters and options[letters.index(key)] == part
    ratios = [difflib.SequenceMatcher(None, o, text).ratio() for o in options]
    best = ratios.index(max(ratios))
    return letters[best] == key or options[best] == key


def judge_yes_no(response, key):
    text = clean(response)
    return ("yes" in text) != ("no" in text) and key.lower() in text


def judge_closed(response, key):
    return clean(response) == key.strip().lower().replace("\n", "").replace(".", "")


def judge_mmmu(response, options):
    """The chosen letter, or None where one would be drawn."""
    for mark in [",", ".", "!", "?", ";", ":", "'"]:
        response = response.strip(mark)
    response = f" {response} "
    letters, texts = LETTERS[: len(options)], {}
    found = {c: response.rfind(f"({c})") for c in letters if f"({c})" in response}
    if not found:
        found = {c: response.rfind(f" {c} ") for c in letters if f" {c} " in response}
    if not found and len(response.split()) > 5:
        texts = {c: response.lower().rfind(o.lower()) for c, o in zip(letters, options)}
        found = {c: at for c, at in texts.items() if at >= 0}
    if not found:
        return None
    return max(found, key=lambda c: (found[c], -letters.index(c)))


def responses(options, draw):
    """Answers of all shapes to one question."""
    i = draw.randrange(len(options))
    j = draw.randrange(len(options))
    letter, text, other = LETTERS[i], options[i], options[j]
    shapes = [
        letter, letter.lower(), f"{letter}.", f"({letter})", f"{letter}. {text}", f"{letter}: {text}", f"**{letter}**", text, text.upper() + ".",
        f"The answer is {letter}.", f"Answer: {letter}", f"**Answer**: {letter}", f"The correct answer is: {letter}. {text}",
        f"final answer {letter}", f"\u7b54\u6848:{letter}", f"\\boxed{{{letter}}}", f"so \\boxed{{\\text{{{letter}}}}} it is",
        f"\\boxed{{{other}", "boxed but empty", f"<answer>{letter}</answer>", f"<think>{other}</think><answer> {text} </answer>",
        f"<answer>{letter}</answer> or <answer>{other}</answer>", f"{letter}\n\nBecause {other} does not fit.",
        f"It cannot be {other}.\n\n{letter}. {text}", f"We see {text}.\nSo: {letter}", f"I think it is {text} rather than {other}",
        f"Option {letter} fits best of all here", f"It is ({letter}), not ({LETTERS[j]}).", f"{other} or {text}", "", " ", "I do not know.",
        f"'{letter}'", f"  {letter}  ", f"{letter})", f"{text[: max(1, len(text) // 2)]}", " ".join([text] * 20),
        f"A long argument about {other} that ends, after many words of no use, with {text}" + " and more words" * draw.randrange(15),
    ]
    return shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "tests/data/metrics/matcher.json")
    o = parser.parse_args()
    draw = random.Random(22)
    questions = [
        ["Pneumothorax", "Pleural effusion", "Pneumonia", "Pulmonary edema"],
        ["Left lower lobe", "Right lower lobe", "Left upper lobe", "Right upper lobe", "Lingula"],
        ["yes", "no", "maybe"],
        ["MRI", "CT", "X-ray", "Ultrasound"],
        ["2.5 cm", "5 cm", "25 mm", "0.5 cm"],
        ["B", "A"],
        ["Viral pneumonia", "Bacterial pneumonia", "Pneumonia, unspecified", "None of the above"],
        ["Interstitial fibrosis of the lower lobes with traction bronchiectasis and honeycombing", "Normal"],
    ]
    choices, mmmu = [], []
    for options in questions:
        for _ in range(2):
            for response in responses(options, draw):
                key = draw.choice([LETTERS[draw.randrange(len(options))], options[draw.randrange(len(options))]])
                choices.append([response, options, key, judge_choice(response, options, key)])
                mmmu.append([response, options, judge_mmmu(response, options)])
    short = ["yes", "Yes.", "yes, there is", "No", "no.", "No evidence of that", "It is normal", "I know", "yes and no", "Yes, nothing abnormal",
             "The answer is yes", "**Answer**: No", "\\boxed{yes}", "<answer>no</answer>", "yes\n\nno", "", "Nope", "yesterday", "\\boxed{yes",
             "unknown", "Answer: none", "y e s", "YES!", "not seen", "The final answer is\nyes."]
    yes_no = [[r, k, judge_yes_no(r, k)] for r in short for k in ("yes", "no")]
    words = ["Left lung", "left lung.", "The left lung", "axial", "Axial\n", "answer: axial", "T2-weighted", "t2 weighted", "\\boxed{axial}", "None", "",
             "3.5 cm", "35 cm"]
    closed = [[r, k, judge_closed(r, k)] for r in words for k in ("left lung", "Axial", "T2-weighted", "3.5 cm", "none")]
    with open(o.out, "w", encoding="utf-8") as f:
        groups = {"choice": choices, "mmmu": mmmu, "yes_no": yes_no, "closed": closed}
        f.write('{"made_by": "tools/export_matcher_goldens.py"')
        for name, rows in groups.items():
            f.write(f',\n"{name}": [\n' + ",\n".join(json.dumps(r) for r in rows) + "\n]")
        f.write("}\n")
    print({name: len(rows) for name, rows in groups.items()}, "->", o.out)


if __name__ == "__main__":
    main()
