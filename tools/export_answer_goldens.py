#!/usr/bin/env python3
"""Writes tests/data/generate/answers.json: log-probabilities of answers, and pooled hidden states, by the reference.

    tools/export_answer_goldens.py [--out FILE]     torch and transformers; versions are written into the file

For prompts and checkpoints of tests/data/parity (tools/export_parity.py), in f32. An answer's numbers: log_softmax of the
logits before each of its tokens, and of im_end behind it. Pooled: the state after the last norm, of the last token of the
prompt and the mean over all of them, divided by its length.
"""
import argparse
import json
import os

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from transformers import Qwen3VLForConditionalGeneration

from export_parity import model_arguments

CASES = {"base": ["square", "text", "several"], "one_kv": ["tall"], "odd_tails": ["square"]}
LENGTHS = [1, 2, 7, 0, 40]


def numbers(x, digits=9):
    return [float(f"{v:.{digits}g}") for v in x.tolist()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tests = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data")
    parser.add_argument("--out", default=os.path.join(tests, "generate", "answers.json"))
    out = parser.parse_args().out
    torch.set_num_threads(1)
    found = []
    for name, cases in CASES.items():
        folder = os.path.join(tests, "parity", name)
        model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        vocab = model.config.text_config.vocab_size
        im_end = vocab - 8 + 2
        states = []
        model.model.language_model.norm.register_forward_hook(lambda m, a, o: states.append(o[0].double()))
        for case in cases:
            t = load_file(os.path.join(folder, f"case_{case}.safetensors"))
            prompt = t["tokens"].tolist()
            grids = t.get("image_grid_thw")
            rng = np.random.default_rng(len(prompt))
            answers = []
            for n in LENGTHS:
                ids = t["greedy"][:n].tolist() if n == 7 else rng.integers(0, vocab - 8, n).tolist()
                model.model.rope_deltas = None
                with torch.no_grad():
                    logits = model(**model_arguments(model.config, prompt + ids, t.get("pixels"), grids, False),
                                   use_cache=False).logits[0]
                share = logits[len(prompt) - 1:].double().log_softmax(-1)
                answers.append(dict(ids=ids, log_probabilities=numbers(torch.stack([share[i, j] for i, j in enumerate(ids)])
                                                                        if ids else torch.empty(0)),
                                    end=numbers(share[len(ids), im_end][None])[0]))
            hidden = states[-2][:len(prompt)]    # of the empty answer: the prompt alone
            assert len(states[-2]) == len(prompt)
            unit = lambda h: numbers(h / h.norm())
            found.append(dict(configuration=name, case=case, answers=answers, last=unit(hidden[-1]), mean=unit(hidden.mean(0))))
    with open(out, "w") as f:
        versions = dict(transformers=transformers.__version__, torch=torch.__version__)
        f.write(json.dumps(dict(versions=versions))[:-1] + ', "cases": [\n')
        f.write(",\n".join(json.dumps(c) for c in found) + "\n]}\n")
    print(f"{len(found)} prompts, {len(LENGTHS)} answers each")


if __name__ == "__main__":
    main()
