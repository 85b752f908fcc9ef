#!/usr/bin/env python3
"""Goldens for tests/parity: tiny random checkpoints and every named stage, from the reference implementation.

    python tools/export_parity.py [--out tests/data/parity] [--only CONFIGURATION]

needs torch (CPU), torchvision, transformers and safetensors; the versions used are written into each errors.json.
The reference is Qwen3VLForConditionalGeneration with Qwen2VLImageProcessor and Qwen3VLVideoProcessor.

Layout: <out>/<configuration>/{config.json, model.safetensors, case_<input>.safetensors, errors.json}.

A checkpoint is stored once, as float32 or bfloat16 (CONFIGURATIONS[...]["stored"]). Its values are bfloat16 numbers even
when stored as float32, so that one float32 run of the reference judges both arithmetics; `rounded: False` marks the one
whose values need all of float32 (no bfloat16 test there). Base is stored both ways: <out>/base and <out>/base/bf16.

Tensors of a case (N patches, T tokens, float32 run, attention "sdpa"):
  tokens [T]            ids, image and video pads already repeated
  image_grid_thw [G,3]  patch grids in order of the prompt, of a video too; absent in text-only cases
  pixels [N,1536]       patch rows from the reference's processor
  positions [3,T]       get_rope_index (text only: 0..T-1 on all axes);  rope_delta [1]
  vision.patch_embed    output of patch_embed, before the position is added
  vision.pos_embed      interpolated position table, what is added next
  vision.block.J        output of block J
  vision.deepstack.K    output of deepstack_merger_list[K] (taken after block deepstack[K])
  vision.merger         output of merger
  text.embed            input of layer 0: embeddings with visual rows in place
  text.layer.I          input of layer I+1 (of the last norm, for the last layer): after the DeepStack addition
  text.layer.I.before_deepstack   output of layer I itself; only where an addition follows
  text.norm             output of the last norm
  logits
  rows.<stage>          row numbers kept, when a stage has more than LIMIT rows (first and last are among them)
  greedy [64]           greedy continuation by generate() with image_pad and video_pad suppressed, no stop token
  second.tokens, second.greedy    (some cases) a second turn appended to tokens + greedy, and 32 tokens after it
Visual stages of several pictures are joined in order of the prompt.

errors.json, per case and stage, over the rows kept, as ||x - f32|| / ||f32||:
  bf16        the reference itself in bfloat16, attention "sdpa" (its default)
  bf16_eager  the same with attention "eager"
  f32_eager   float32 with attention "eager": how much float32 rounding alone moves this stage
and for the greedy path its smallest margin between the two best logits.

Pictures are formulas (picture()): no file, no random numbers.
"""
import argparse
import copy
import json
import math
import os
import sys
import tempfile
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import PIL
import torch
import torchvision
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import GenerationConfig, Qwen2VLImageProcessor, Qwen3VLConfig
from transformers import Qwen3VLForConditionalGeneration, Qwen3VLVideoProcessor

LIMIT = 24          # rows kept of a stage
LOGIT_LIMIT = 8     # rows kept of the logits
NEW_TOKENS = 64

# text: layers, hidden, intermediate, heads, kv heads, head_dim, mrope_section, vocab, tied
# vision: depth, hidden, heads, intermediate, deepstack, position table
# tests/parity/configurations.hpp mirrors this table.
CONFIGURATIONS = {
    "base": dict(
        text=(2, 48, 72, 4, 2, 16, [4, 2, 2], 320, True), vision=(3, 24, 1, 52, [0, 1], 16), stored="f32", seed=11,
        cases=["square", "wide", "tiny", "several", "text", "video"]),
    "one_kv": dict(
        text=(3, 48, 60, 4, 1, 16, [2, 3, 3], 300, False), vision=(5, 24, 2, 44, [1, 3], 64), stored="bf16", seed=12,
        cases=["tall", "several"]),
    "full_kv": dict(
        text=(4, 48, 60, 3, 3, 16, [3, 3, 2], 360, True), vision=(2, 36, 1, 60, [], 64), stored="bf16", seed=13,
        cases=["wide", "tiny", "long"]),
    "wide_head": dict(
        text=(2, 48, 90, 2, 1, 32, [8, 5, 3], 400, True), vision=(3, 24, 1, 40, [2], 2304), stored="bf16", seed=14,
        cases=["panorama", "square"]),
    "three_levels": dict(
        text=(3, 48, 50, 6, 2, 16, [4, 2, 2], 310, False), vision=(4, 24, 1, 36, [0, 1, 2], 16), stored="bf16", seed=15,
        cases=["several", "video"]),
    "odd_tails": dict(
        text=(2, 90, 33, 2, 2, 16, [4, 2, 2], 301, True), vision=(2, 24, 3, 30, [1], 16), stored="f32", seed=16,
        rounded=False, attention_bias=True, cases=["square", "tiny", "text"]),
    "other_base": dict(
        text=(3, 72, 40, 2, 2, 32, [6, 5, 5], 330, False), vision=(3, 28, 1, 48, [0], 64), stored="bf16", seed=17,
        rope_theta=1e4, rms_norm_eps=1e-2, cases=["tall", "tiny"]),
}


def picture(width, height, kind):
    """RGB, 8 bit: waves, a bright disc and a ramp, all of integers and sines; `kind` turns and shifts them."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    u, v = (x + 0.5) / width, (y + 0.5) / height
    red = 127 + 120 * np.sin(0.37 * (x + kind * y))
    green = 255 * ((u - 0.4) ** 2 + (v - 0.6) ** 2 < 0.07 + 0.01 * kind) + 40 * np.cos(5.1 * u + kind)
    blue = 255 * (u * (kind + 1) + v) / (kind + 2) + 25 * ((x // 3 + y // 5) % 2)
    return Image.fromarray(np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8), "RGB")


# name -> list of pieces: int = that many text tokens, (width, height, kind) = a picture, ("video", ...) = a clip.
# A picture is smart-resized within AREA; its patch grid (rows x columns) stands in the comment.
AREA = {"shortest_edge": 32 * 32, "longest_edge": 128 * 160}
CASES = {
    "square": [5, (64, 64, 0), 7],                                # 4x4
    "wide": [3, (100, 66, 1), 9],                                 # 4x6
    "tall": [4, (30, 124, 2), 6],                                 # 8x2
    "tiny": [2, (1, 1, 0), 3, (20, 20, 1), 5],                    # 2x2, 2x2
    "several": [4, (64, 32, 3), 2, (40, 70, 4), 0, (33, 31, 5), 6],  # 2x4, 4x2, 2x2
    "panorama": [3, (160, 96, 6), 8],                             # 6x10
    "text": [21],
    "long": [150, (48, 64, 7), 40],                               # 4x4 (48 -> 64: half to even), more than two cache pages
    "video": [4, ("video", 64, 40, 4), 6],                        # 2 steps of 2x4
}
SECOND_TURN = {"square", "several", "text"}


def make_config(name):
    c = CONFIGURATIONS[name]
    layers, hidden, intermediate, heads, kv, head_dim, section, vocab, tied = c["text"]
    depth, v_hidden, v_heads, v_inter, deepstack, table = c["vision"]
    # the eight special ids are the last of the vocabulary, in Qwen's order
    first = vocab - 8
    return Qwen3VLConfig(
        text_config=dict(
            vocab_size=vocab, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=kv, head_dim=head_dim, max_position_embeddings=4096,
            rms_norm_eps=c.get("rms_norm_eps", 1e-6), attention_bias=c.get("attention_bias", False),
            tie_word_embeddings=tied, bos_token_id=first, eos_token_id=first + 2,
            rope_parameters=dict(rope_type="default", rope_theta=c.get("rope_theta", 5e6), mrope_section=section,
                                 mrope_interleaved=True)),
        vision_config=dict(
            depth=depth, hidden_size=v_hidden, num_heads=v_heads, intermediate_size=v_inter, out_hidden_size=hidden,
            deepstack_visual_indexes=deepstack, num_position_embeddings=table, patch_size=16, spatial_merge_size=2,
            temporal_patch_size=2, in_channels=3),
        tie_word_embeddings=tied, vision_start_token_id=first + 3, vision_end_token_id=first + 4,
        image_token_id=first + 6, video_token_id=first + 7)


def fill_weights(model, name):
    """Magnitudes at which attention, norms and the head matter: linear std ~ 1/sqrt(fan in), norms 1 +- 0.2, biases 0.1."""
    c = CONFIGURATIONS[name]
    tied = c["text"][-1]
    g = torch.Generator().manual_seed(c["seed"])
    with torch.no_grad():
        for key, p in sorted(model.named_parameters()):
            n = torch.randn(p.shape, generator=g)
            if key.endswith(("q_norm.weight", "k_norm.weight")):
                x = 1.4 + 0.3 * n                                   # scores of std ~ 2: attention looks somewhere
            elif "norm" in key and key.endswith("weight"):
                x = 1.0 + 0.2 * n
            elif key.endswith("bias"):
                x = 0.1 * n
            elif "pos_embed" in key:
                x = 0.5 * n
            elif "embed_tokens" in key:
                x = (0.15 if tied else 0.5) * n                     # small when tied, else every token repeats itself
            elif "lm_head" in key:
                x = n * 1.5 / math.sqrt(p.shape[1])
            elif "attn.qkv" in key:
                x = n * 1.5 / math.sqrt(p.shape[1])
            else:
                x = n * 1.2 / math.sqrt(p[0].numel())
            p.copy_(x.to(torch.bfloat16).float() if c.get("rounded", True) else x)
    model.tie_weights()


def build(name):
    model = Qwen3VLForConditionalGeneration(make_config(name)).float().eval()
    fill_weights(model, name)
    return model


def make_inputs(config, case, seed):
    """tokens and mm_token_type_ids, pixels and grids, for a case."""
    rng = np.random.default_rng(seed)
    text_ids = config.text_config.vocab_size - 8
    some_text = lambda n: rng.integers(0, text_ids, n).tolist()
    start, end = config.vision_start_token_id, config.vision_end_token_id
    kwargs = dict(patch_size=16, merge_size=2, temporal_patch_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    tokens, pixels, grids, is_video = [], [], [], False
    for piece in CASES[case]:
        if isinstance(piece, int):
            tokens += some_text(piece)
        elif piece[0] == "video":
            is_video = True
            _, width, height, count = piece
            frames = torch.stack([torch.from_numpy(np.array(picture(width, height, k))).permute(2, 0, 1) for k in range(count)])
            out = Qwen3VLVideoProcessor(size={"shortest_edge": 1024, "longest_edge": 32 * 64 * count}, do_sample_frames=False,
                                        cap_pixels_per_frame=False, **kwargs)(frames, return_tensors="pt")
            pixels.append(out["pixel_values_videos"])
            grids.append(out["video_grid_thw"])
            t, h, w = grids[-1][0].tolist()
            tokens += [start]                                        # the outer pair that transformers 5 leaves around
            for _ in range(t):
                tokens += some_text(4) + [start] + [config.video_token_id] * (h * w // 4) + [end]
            tokens += [end]
        else:
            out = Qwen2VLImageProcessor(size=AREA, **kwargs)(picture(*piece), return_tensors="pt")
            pixels.append(out["pixel_values"])
            grids.append(out["image_grid_thw"])
            _, h, w = grids[-1][0].tolist()
            tokens += [start] + [config.image_token_id] * (h * w // 4) + [end]
    return tokens, torch.cat(pixels) if pixels else None, torch.cat(grids) if grids else None, is_video


def model_arguments(config, tokens, pixels, grids, is_video):
    ids = torch.tensor([tokens])
    kinds = torch.zeros_like(ids)
    kinds[ids == config.image_token_id] = 1
    kinds[ids == config.video_token_id] = 2
    out = dict(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds)
    if grids is not None:
        out |= dict(pixel_values_videos=pixels, video_grid_thw=grids) if is_video else \
            dict(pixel_values=pixels, image_grid_thw=grids)
    return out


def run(model, arguments):
    """One forward pass; every named stage as [rows, width] float32."""
    from transformers.vision_utils import get_vision_interpolation_indices_and_weights

    visual, text = model.model.visual, model.model.language_model
    stages, hooks = {}, []
    first = lambda x: x[0] if isinstance(x, tuple) else x

    def put(name, x):
        assert name not in stages, name
        stages[name] = x.detach().float().reshape(-1, x.shape[-1]).clone()

    def after(module, name):
        hooks.append(module.register_forward_hook(lambda m, a, o: put(name, first(o))))

    def before(module, name):
        def hook(m, a, k):
            put(name, a[0] if a else k["hidden_states"])
        hooks.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    grids = arguments.get("image_grid_thw", arguments.get("video_grid_thw"))
    if grids is not None:
        after(visual.patch_embed, "vision.patch_embed")
        for j, block in enumerate(visual.blocks):
            after(block, f"vision.block.{j}")
        for k, merger in enumerate(visual.deepstack_merger_list):
            after(merger, f"vision.deepstack.{k}")
            after(text.layers[k], f"text.layer.{k}.before_deepstack")
        after(visual.merger, "vision.merger")
        with torch.no_grad():
            taps, shares = get_vision_interpolation_indices_and_weights(
                grids, num_grid_per_side=visual.num_grid_per_side, mode=visual.interpolation_mode,
                align_corners=visual.interpolation_align_corners, spatial_merge_size=2)
            added = (visual.pos_embed(taps) * shares[:, :, None]).sum(1)
            put("vision.pos_embed", added.to(visual.dtype))
    before(text.layers[0], "text.embed")
    for i in range(1, len(text.layers)):
        before(text.layers[i], f"text.layer.{i - 1}")
    before(text.norm, f"text.layer.{len(text.layers) - 1}")
    after(text.norm, "text.norm")
    after(model.lm_head, "logits")
    model.model.rope_deltas = None
    try:
        with torch.no_grad():
            model(**arguments, use_cache=False)
    finally:
        for h in hooks:
            h.remove()
    return stages


def with_attention(model, kind):
    model.set_attn_implementation(kind)
    return model


def greedy(model, config, arguments, count):
    """count greedy tokens and the smallest margin between the best and the second logit along the way."""
    settings = GenerationConfig(do_sample=False, max_new_tokens=count, eos_token_id=None, pad_token_id=0,
                                suppress_tokens=[config.image_token_id, config.video_token_id],
                                return_dict_in_generate=True, output_scores=True)
    model.model.rope_deltas = None
    own = model.generation_config
    model.generation_config = GenerationConfig(eos_token_id=None)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        out = model.generate(**arguments, generation_config=settings)
    model.generation_config = own
    made = out.sequences[0, arguments["input_ids"].shape[1]:].tolist()
    assert len(made) == count, len(made)
    best = torch.stack(out.scores)[:, 0].topk(2, -1).values
    return made, float((best[:, 0] - best[:, 1]).min())


def kept_rows(count, limit):
    return torch.arange(count) if count <= limit else torch.linspace(0, count - 1, limit, dtype=torch.float64).round().long()


def relative(a, b):
    return float((a - b).double().norm() / b.double().norm())


def export_case(name, case, model, narrow):
    config = model.config
    special = config.text_config.vocab_size - 8
    best = None
    for seed in range(200):                      # a path that float32 rounding cannot turn, and that says something
        inputs = make_inputs(config, case, 1000 * CONFIGURATIONS[name]["seed"] + seed)
        arguments = model_arguments(config, *inputs)
        made, margin = greedy(with_attention(model, "sdpa"), config, arguments, NEW_TOKENS)
        if max(made) < special and margin > 5e-3 and len(set(made)) >= 12:
            best = (seed, inputs, arguments, made, margin)
            break
    if best is None:
        sys.exit(f"{name}/{case}: no seed gives a clear greedy path")
    seed, (tokens, pixels, grids, is_video), arguments, made, margin = best
    facts = dict(seed=seed, min_margin=margin, distinct=len(set(made)))

    exact = run(with_attention(model, "sdpa"), arguments)
    eager = run(with_attention(model, "eager"), arguments)
    others = {"f32_eager": eager}
    if narrow is not None:
        others["bf16"] = run(with_attention(narrow, "sdpa"), arguments)
        others["bf16_eager"] = run(with_attention(narrow, "eager"), arguments)
    with_attention(model, "sdpa")

    out = {"tokens": torch.tensor(tokens), "greedy": torch.tensor(made)}
    if grids is None:
        positions, delta = torch.arange(len(tokens)).expand(3, -1), 0
    else:
        which = "video_grid_thw" if is_video else "image_grid_thw"
        positions, delta = model.model.get_rope_index(arguments["input_ids"], arguments["mm_token_type_ids"], **{which: grids})
        positions, delta = positions[:, 0], int(delta)
        out |= {"pixels": pixels.float(), "image_grid_thw": grids.long()}
    out |= {"positions": positions.clone(), "rope_delta": torch.tensor([delta])}
    errors = {}
    for stage, x in exact.items():
        rows = kept_rows(len(x), LOGIT_LIMIT if stage == "logits" else LIMIT)
        if len(rows) < len(x):
            out[f"rows.{stage}"] = rows
        out[stage] = x[rows]
        errors[stage] = {k: float(f"{relative(y[stage][rows], x[rows]):.4g}") for k, y in others.items()}

    if case in SECOND_TURN:                      # more text after the answer; its last token was never fed back
        for more in range(200):
            added = np.random.default_rng(7000 + more).integers(0, special, 9).tolist()
            both = tokens + made + added
            second, second_margin = greedy(model, config, model_arguments(config, both, pixels, grids, is_video), 32)
            if max(second) < special and second_margin > 5e-3:
                break
        else:
            sys.exit(f"{name}/{case}: no clear second turn")
        out |= {"second.tokens": torch.tensor(added), "second.greedy": torch.tensor(second)}
        facts["second_min_margin"] = second_margin
    return {k: v.contiguous() for k, v in out.items()}, dict(greedy=facts, stages=errors)


VERSIONS = dict(torch=torch.__version__, torchvision=torchvision.__version__, transformers=transformers.__version__,
                numpy=np.__version__, pillow=PIL.__version__, reference="Qwen3VLForConditionalGeneration, CPU")


def save_checkpoint(model, folder):
    model.generation_config = GenerationConfig()
    model.save_pretrained(folder)
    extra = os.path.join(folder, "generation_config.json")
    if os.path.exists(extra):
        os.remove(extra)
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)


def as_bfloat16(model):
    """As a user gets it, from a folder: .to(bfloat16) would also round the rotary frequencies, which the reference keeps."""
    with tempfile.TemporaryDirectory() as folder:
        copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
        narrow = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval()
    text, vision = narrow.model.language_model.rotary_emb, narrow.model.visual.rotary_pos_emb
    assert text.inv_freq.dtype == vision.inv_freq.dtype == torch.float32
    assert torch.equal(text.inv_freq, model.model.language_model.rotary_emb.inv_freq)
    return narrow


def export(name, out):
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    c = CONFIGURATIONS[name]
    model = build(name)
    narrow = as_bfloat16(model) if c.get("rounded", True) else None
    report = dict(versions=VERSIONS, stored=c["stored"], bf16_values=c.get("rounded", True), cases={})
    for case in c["cases"]:
        tensors, report["cases"][case] = export_case(name, case, model, narrow)
        path = os.path.join(folder, f"case_{case}.safetensors")
        save_file(tensors, path, metadata={   # one entry: their order in the file is not defined
            "source": f"{name}, {case}: transformers {transformers.__version__}, torch {torch.__version__}"})
        os.chmod(path, 0o644)
        g, last = report["cases"][case]["greedy"], report["cases"][case]["stages"]["logits"]
        print(f"{name:14} {case:9} T {len(tensors['tokens']):4} margin {g['min_margin']:.4f} distinct {g['distinct']:2} "
              f"seed {g['seed']:3} logits {last}", flush=True)
    save_checkpoint(narrow if c["stored"] == "bf16" else model, folder)   # equal numbers either way
    if name == "base":
        save_checkpoint(narrow, os.path.join(folder, "bf16"))
    with open(os.path.join(folder, "errors.json"), "w") as f:
        json.dump(report, f, indent=1)
        f.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "parity"))
    parser.add_argument("--only", choices=sorted(CONFIGURATIONS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in CONFIGURATIONS:
        if args.only in (None, name):
            export(name, args.out)


if __name__ == "__main__":
    main()
