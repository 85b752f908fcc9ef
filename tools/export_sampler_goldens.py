#!/usr/bin/env python3
"""Writes tests/data/generate/sampler.json: what transformers' processors leave of random logits, for many options.

    tools/export_sampler_goldens.py [--out FILE]     torch and transformers; versions are written into the file

The processors are those that GenerationMixin itself builds from a GenerationConfig, in its order. The presence penalty,
which transformers lacks, is a processor of the caller's: l -= penalty for ids of the answer (as vLLM and OpenAI have it).
Logits are multiples of 2^-20, so that their decimal form is exact. Cases whose top-p threshold f32 rounding could cross
are refused.
"""
import argparse
import itertools
import json
import os
from types import SimpleNamespace

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList

VOCAB, ROWS, FORBIDDEN = 512, 3, [7, 500]


class Presence(LogitsProcessor):
    def __init__(self, penalty, begin):
        self.penalty, self.begin = penalty, begin

    def __call__(self, input_ids, scores):
        scores = scores.clone()
        made = input_ids[0, self.begin:].unique()
        scores[0, made] = scores[0, made] - self.penalty
        return scores


class Host(GenerationMixin):
    config = SimpleNamespace(is_encoder_decoder=False, vocab_size=VOCAB)


def processed(logits, o, prompt, made):
    own = LogitsProcessorList()
    if o["presence_penalty"]:
        own.append(Presence(o["presence_penalty"], len(prompt)))
    config = GenerationConfig(
        do_sample=not o["greedy"], temperature=o["temperature"], top_k=o["top_k"], top_p=o["top_p"],
        min_p=o["min_p"] or None, repetition_penalty=o["repetition_penalty"], suppress_tokens=FORBIDDEN,
        sequence_bias={(i,): b for i, b in o["bias"]} or None)
    processors = Host()._get_logits_processor(config, input_ids_seq_length=len(prompt), logits_processor=own, device="cpu")
    ids = torch.tensor([prompt + made])
    names = [type(p).__name__ for p in processors]
    scores = logits[None].clone()
    for p in processors:
        if type(p).__name__ == "TopPLogitsWarper":
            cumulative = scores.double().sort().values.softmax(-1).cumsum(-1)
            if (cumulative - (1 - o["top_p"])).abs().min() < 1e-6:
                return None, names
        scores = p(ids, scores)
    return scores[0], names


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "generate", "sampler.json"))
    out = parser.parse_args().out
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(5)
    rows = torch.round(torch.randn(ROWS, VOCAB, generator=g) * torch.tensor([1.0, 2.5, 4.0])[:, None] * 2**20) / 2**20
    grid = itertools.product([False, True], [0.3, 0.7, 1.0, 1.9], [0, 1, 20, 100], [1.0, 0.8, 0.3], [0.0, 0.02, 0.3],
                             [1.0, 1.05, 1.8, 0.7], [0.0, 1.5, -0.5], [[], [[3, 4.5], [100, -2.25], [9, 30.0]]])
    grid = list(grid)
    cases, refused, order = [], 0, []
    for number in range(144):
        at = int(torch.randint(len(grid), (1,), generator=g))
        greedy, temperature, top_k, top_p, min_p, repetition, presence, bias = grid[at]
        if greedy and number % 4:
            greedy = False                       # most of them draw
        o = dict(greedy=greedy, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
                 repetition_penalty=repetition, presence_penalty=presence, bias=bias)
        row = number % ROWS
        likely = rows[row].topk(40).indices[torch.randint(40, (12,), generator=g)].tolist()   # penalties of tokens that matter
        prompt = likely[:5] + torch.randint(VOCAB, (10,), generator=g).tolist()
        made = likely[5:] if number % 5 else []
        scores, names = processed(rows[row], o, prompt, made)
        if scores is None:
            refused += 1
            continue
        order = names if len(names) > len(order) else order
        raw = rows[row].double()
        raw[FORBIDDEN] = -torch.inf
        raw = raw.log_softmax(-1)
        if greedy:
            best = scores.topk(2).values
            assert best[0] > best[1]
            kept, probability = [int(scores.argmax())], []
        else:
            kept = torch.isfinite(scores).nonzero()[:, 0]
            share = scores.double().softmax(-1)
            if len(kept) > 40:                   # the number and a checksum; the first by id
                o["kept_count"], o["kept_sum"] = len(kept), int(kept.sum())
                kept = kept[:40]
            probability = [float(f"{float(share[i]):.9g}") for i in kept]
            kept = kept.tolist()
        top = raw.topk(5)
        cases.append(o | dict(row=row, prompt=prompt, made=made, kept=kept, probability=probability,
                              log_probability=[float(f"{float(raw[i]):.9g}") if torch.isfinite(raw[i]) else None for i in kept[:3]],
                              top=top.indices.tolist(), top_log_probability=[float(f"{x:.9g}") for x in top.values.tolist()]))
    with open(out, "w") as f:
        head = dict(versions=dict(transformers=transformers.__version__, torch=torch.__version__), order=order,
                    forbidden=FORBIDDEN, logits=rows.tolist())
        f.write(json.dumps(head)[:-1] + ', "cases": [\n')
        f.write(",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
    print(f"{len(cases)} cases, {refused} refused, longest order: {', '.join(order)}")


if __name__ == "__main__":
    main()
