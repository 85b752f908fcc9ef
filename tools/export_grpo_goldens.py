#!/usr/bin/env python3
"""Goldens for GRPO: advantages, losses, their gradients and clip shares, by TRL's own code on small tensors.

    OMP_NUM_THREADS=1 python tools/export_grpo_goldens.py [--out tests/data/train/grpo.json]

needs trl 1.16.0 and torch (CPU). Everything runs in float64. The loss is GRPOTrainer._compute_loss, called on a stand-in for
the trainer that has the settings and hands out given log-probabilities; the advantages are the statements of
_generate_and_score_completions between the rewards and nan_to_num, executed as they stand there.
"""
import argparse
import inspect
import itertools
import json
import pathlib
import textwrap
from collections import defaultdict
from types import SimpleNamespace

import torch
import trl
import trl.trainer.grpo_trainer as module
from trl.trainer.utils import nanstd

assert trl.__version__ == "1.16.0", trl.__version__
torch.set_default_dtype(torch.float64)
Trainer = module.GRPOTrainer
ACCELERATOR = SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x,
                              pad_across_processes=lambda x, **_: x)


def numbers(seed):
    return torch.Generator().manual_seed(seed)


def advantages(rewards, weights, group, scale, order):
    source = inspect.getsource(Trainer._generate_and_score_completions)
    begin = source.index("        unscorable_mask = torch.isnan(rewards_per_func)")
    end = source.index("        advantages = torch.nan_to_num(advantages, nan=0.0)")
    stand_in = SimpleNamespace(multi_objective_aggregation=order, scale_rewards=scale, reward_weights=torch.tensor(weights),
                               reward_funcs=list(weights))
    space = {"torch": torch, "nanstd": nanstd, "self": stand_in, "rewards_per_func": torch.tensor(rewards),
             "num_generations": group, "device": "cpu"}
    exec(textwrap.dedent(source[begin:end]) + "advantages = torch.nan_to_num(advantages, nan=0.0)\n", space)
    return space["advantages"].tolist()


def advantage_cases():
    nan = float("nan")
    g = numbers(1)
    plain = torch.rand(12, 3, generator=g).tolist()
    holes = [row[:] for row in plain]
    holes[0][1] = holes[4][0] = holes[5][2] = nan
    holes[7] = [nan] * 3
    flat = [row[:] for row in plain]
    for i in range(4, 8):
        flat[i] = [0.1, 0.3, 0.7]
    lone = [row[:] for row in plain]
    for i in range(1, 4):
        lone[i] = [nan] * 3
    for (name, rewards), scale, order in itertools.product(
            {"plain": plain, "holes": holes, "flat": flat, "lone": lone}.items(), ["group", "batch", "none"],
            ["sum_then_normalize", "normalize_then_sum"]):
        if order == "normalize_then_sum" and scale != "group":
            continue
        weights = [1.0, 0.5, 2.0]
        yield {"name": f"{name}, {scale}, {order}", "rewards": [[None if x != x else x for x in row] for row in rewards],
               "weights": weights, "group": 4, "scale": scale, "order": order,
               "advantages": advantages(rewards, weights, 4, scale, order)}


def loss(tensors, options, parts):
    """Loss and gradients of a batch that goes through in `parts` parts; metrics of the first."""
    policy = tensors["policy"].clone().requires_grad_()
    mask = tensors["mask"]
    size = len(policy) // parts
    total, metrics = 0.0, None
    for p in range(parts):
        at = slice(p * size, (p + 1) * size)
        stand_in = SimpleNamespace(
            _get_per_token_logps_and_entropies=lambda *_, **__: (policy[at], torch.zeros_like(policy[at]), None),
            top_entropy_quantile=1.0, off_policy_mask_threshold=None, aux_loss_enabled=False, beta=options["beta"],
            importance_sampling_level=options["ratio"], loss_type=options["denominator"], epsilon_low=options["low"],
            epsilon_high=options["high"], use_vllm=False, _entropy_bonus_enabled=False, accelerator=ACCELERATOR,
            max_completion_length=options["longest"], current_gradient_accumulation_steps=parts, model=SimpleNamespace(training=True),
            args=SimpleNamespace(use_bias_correction_kl=options["corrected"], delta=options["delta"], steps_per_generation=parts),
            _metrics={"train": defaultdict(list)})
        ids = torch.zeros(size, 1, dtype=torch.long)
        inputs = {"prompt_ids": ids, "prompt_mask": ids, "completion_ids": torch.zeros_like(mask[at]), "completion_mask": mask[at],
                  "advantages": tensors["advantages"][at], "old_per_token_logps": tensors["old"][at],
                  "ref_per_token_logps": tensors["reference"][at], "num_items_in_batch": mask.sum()}
        value = Trainer._compute_loss(stand_in, None, inputs)
        value.backward()
        total += value.item()
        metrics = metrics or {k: v[0] for k, v in stand_in._metrics["train"].items() if k in
                              ("clip_ratio/low_mean", "clip_ratio/high_mean", "kl")}
    return total, policy.grad, metrics


def loss_cases():
    g = numbers(2)
    lengths = [5, 9, 1, 7, 3, 9, 6, 2]
    shape = (len(lengths), max(lengths))
    old = -2 * torch.rand(shape, generator=g)
    tensors = {"old": old, "policy": old + 0.4 * torch.randn(shape, generator=g),
               "reference": old + 0.3 * torch.randn(shape, generator=g), "advantages": torch.randn(len(lengths), generator=g)}
    tensors["advantages"][3] = 0
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    mask[6] = 0  # a truncated completion that is masked
    tensors["mask"] = mask
    rows = lambda x: [[round(v, 9) for v in r[:n].tolist()] for r, n in zip(x, lengths)]
    for k in ("old", "policy", "reference"):
        tensors[k] = torch.round(tensors[k], decimals=9)
    tensors["advantages"] = torch.round(tensors["advantages"], decimals=9)
    cases = []
    for denominator, ratio, (low, high, delta), (beta, corrected), parts in itertools.product(
            ["grpo", "bnpo", "dr_grpo", "dapo"], ["token", "sequence"], [(0.2, 0.28, None), (0.1, 0.1, 1.3)],
            [(0.0, True), (0.04, True), (0.04, False)], [1, 4]):
        options = dict(denominator=denominator, ratio=ratio, low=low, high=high, delta=delta, beta=beta, corrected=corrected, longest=10)
        value, gradient, metrics = loss(tensors, options, parts)
        cases.append({**options, "parts": parts, "loss": value, "metrics": metrics,
                      "slopes": [[float(f"{v:.12g}") for v in r[:n].tolist()] for r, n in zip(gradient, lengths)]})
    return {"old": rows(tensors["old"]), "policy": rows(tensors["policy"]), "reference": rows(tensors["reference"]),
            "masked": [6], "advantages": tensors["advantages"].tolist(), "cases": cases}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "tests/data/train/grpo.json")
    out = parser.parse_args().out
    goldens = {"versions": {"trl": trl.__version__, "torch": torch.__version__}, "advantages": list(advantage_cases()), "loss": loss_cases()}
    out.write_text(json.dumps(goldens, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")
