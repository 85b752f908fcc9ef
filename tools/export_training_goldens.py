#!/usr/bin/env python3
"""Goldens for the training tests: gradients of every tensor and a loss curve, from PyTorch and transformers.

    python tools/export_training_goldens.py [--data tests/data]

needs torch (CPU), transformers, safetensors and peft; the versions used are written into the file. Reads the checkpoints and
cases of tests/data/parity (tools/export_parity.py), in float32, and writes tests/data/train/goldens.json:
  schedules     factors of get_{constant,linear,cosine}_schedule_with_warmup
  models        per configuration:
    cases       the samples of the batch, cases of tests/data/parity/<configuration>
    learned     per sample, the tokens judged: LEARNED(i) of those that are no image or video pad
    loss        mean of -ln p over all learned tokens of the batch
    gradients   per tensor, in the names of the checkpoint: norm, and two projections sum_i g_i cos(0.37 (j + 1) i + j), j = 0, 1
    adapter     (base) loss of the same batch with the adapter of tests/data/train/adapter, which PEFT wrote
    curve       losses and gradient norms (before clipping) of STEPS steps of AdamW with clipping, cosine and warm-up
"""
import argparse
import json
import os
import pathlib

os.environ.setdefault("OMP_NUM_THREADS", "1")
import peft
import torch
import transformers
from safetensors.torch import load_file
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

MODELS = {"base": ["several", "square", "text"], "odd_tails": ["square", "tiny"], "three_levels": ["several"]}
STEPS, RATE, DECAY, CLIP, WARM_UP = 20, 2e-3, 0.1, 1.0, 3
LEARNED = lambda i: (7 * i + 3) % 5 < 3


def load(folder):
    config = Qwen3VLConfig.from_pretrained(folder)
    model = Qwen3VLForConditionalGeneration(config).float().train()
    tensors = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all("lm_head" in m for m in missing), (missing, unexpected)
    model.tie_weights()
    model.set_attn_implementation("eager")
    return config, model


def sample(config, path):
    case = load_file(path)
    ids = case["tokens"].long()[None]
    kinds = (ids == config.image_token_id).long() + 2 * (ids == config.video_token_id).long()
    arguments = dict(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds)
    if "pixels" in case:
        arguments |= dict(pixel_values=case["pixels"], image_grid_thw=case["image_grid_thw"].long())
    learned = [i for i in range(1, ids.shape[1]) if LEARNED(i) and kinds[0, i] == 0]
    return arguments, learned


def batch_loss(model, samples):
    """Backward pass of the mean over all learned tokens; sample by sample, as accumulation would."""
    count = sum(len(learned) for _, learned in samples)
    total = 0.0
    for arguments, learned in samples:
        model.model.rope_deltas = None
        logits = model(**arguments, use_cache=False).logits[0].float()
        at = torch.tensor(learned)
        loss = torch.nn.functional.cross_entropy(logits[at - 1], arguments["input_ids"][0, at], reduction="sum") / count
        loss.backward()
        total += loss.item()
    return total


def gradients(model):
    out = {}
    for name, p in model.named_parameters():
        g = p.grad.double().reshape(-1)
        i = torch.arange(g.numel(), dtype=torch.float64)
        out[name] = [g.norm().item()] + [(g * torch.cos(0.37 * (j + 1) * i + j)).sum().item() for j in range(2)]
    return out


def curve(model, samples):
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    optimiser = torch.optim.AdamW([dict(params=matrices, weight_decay=DECAY), dict(params=vectors, weight_decay=0.0)], lr=RATE)
    schedule = transformers.get_cosine_schedule_with_warmup(optimiser, WARM_UP, STEPS)
    losses, norms = [], []
    for _ in range(STEPS):
        optimiser.zero_grad()
        losses.append(batch_loss(model, samples))
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimiser.step()
        schedule.step()
    return dict(losses=losses, norms=norms)


def adapter(model, samples, folder):
    """A LoRA adapter on linears of both towers, both factors random, saved by PEFT; the batch's loss with it."""
    targets = ["q_proj", "v_proj", "o_proj", "down_proj", "attn.qkv", "linear_fc2"]
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=3, lora_alpha=4, target_modules=targets))
    g = torch.Generator().manual_seed(21)
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn(p.shape, generator=g) * 0.3)
        adapted.base_model.model.zero_grad()
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    count = sum(len(learned) for _, learned in samples)
    loss = 0.0
    with torch.no_grad():
        for arguments, learned in samples:
            model.model.rope_deltas = None
            logits = model(**arguments, use_cache=False).logits[0].float()
            at = torch.tensor(learned)
            loss += torch.nn.functional.cross_entropy(logits[at - 1], arguments["input_ids"][0, at], reduction="sum").item() / count
    return loss


def schedules():
    parameter = torch.nn.Parameter(torch.zeros(1))
    out = {}
    for kind in ["constant", "linear", "cosine"]:
        for warm_up, total in [(0, 10), (3, 20), (7, 7)]:
            optimiser = torch.optim.SGD([parameter], lr=1.0)
            make = getattr(transformers, f"get_{kind}_schedule_with_warmup")
            s = make(optimiser, warm_up) if kind == "constant" else make(optimiser, warm_up, total)
            factors = []
            for _ in range(total + 2):
                factors.append(s.get_last_lr()[0])
                optimiser.step()
                s.step()
            out[f"{kind} {warm_up} {total}"] = factors
    return out


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--data", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "tests/data")
    data = arguments.parse_args().data
    torch.manual_seed(0)
    models = {}
    for name, cases in MODELS.items():
        folder = data / "parity" / name
        config, model = load(folder)
        samples = [sample(config, folder / f"case_{c}.safetensors") for c in cases]
        loss = batch_loss(model, samples)
        models[name] = dict(cases=cases, learned=[learned for _, learned in samples], loss=loss, gradients=gradients(model))
        model.zero_grad()
        if name == "base":
            (data / "train").mkdir(exist_ok=True)
            _, other = load(folder)
            models[name]["adapter"] = adapter(other, samples, data / "train/adapter")
        models[name]["curve"] = curve(model, samples)
        print(name, loss, models[name]["curve"]["losses"][-1])
    out = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__),
               options=dict(steps=STEPS, rate=RATE, decay=DECAY, clip=CLIP, warm_up=WARM_UP),
               schedules=schedules(), models=models)
    (data / "train").mkdir(exist_ok=True)
    (data / "train/goldens.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
