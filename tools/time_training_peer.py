#!/usr/bin/env python3
"""Times PyTorch on the model and batch of benchmarks/training/step.cpp: forward, backward and AdamW, 1,024 tokens.

    python tools/time_training_peer.py [f32|bf16] [STEPS]

needs torch (CPU) and transformers. Random weights N(0, 0.02) as there; loss on the 878 text tokens; gradients clipped to
norm 1. Prints the median and the best time of a step, tokens/s, and the peak of the process's memory. Run it and the
benchmark in turns: OMP_NUM_THREADS=2 for both.
"""
import resource
import statistics
import sys
import time

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

kind = sys.argv[1] if len(sys.argv) > 1 else "f32"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 10
torch.manual_seed(0)
config = Qwen3VLConfig(
    text_config=dict(vocab_size=8192, hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8,
                     num_key_value_heads=2, head_dim=64, max_position_embeddings=8192, tie_word_embeddings=True,
                     bos_token_id=8166, eos_token_id=8168,
                     rope_parameters=dict(rope_type="default", rope_theta=5e6, mrope_section=[12, 10, 10], mrope_interleaved=True)),
    vision_config=dict(depth=6, hidden_size=384, num_heads=6, intermediate_size=1536, out_hidden_size=512,
                       deepstack_visual_indexes=[1, 3, 5], num_position_embeddings=2304, patch_size=16, spatial_merge_size=2,
                       temporal_patch_size=2, in_channels=3),
    tie_word_embeddings=True, vision_start_token_id=8175, vision_end_token_id=8176, image_token_id=8178, video_token_id=8179)
model = Qwen3VLForConditionalGeneration(config)
model = model.to(torch.bfloat16) if kind == "bf16" else model.float()
model.train()
ids = [8175] + [8178] * 144 + [8176]
ids += [i * 7919 % 8000 for i in range(len(ids), 1024)]
ids = torch.tensor([ids])
labels = ids.clone()
labels[:, :146] = -100
pixels = (torch.arange(576 * 1536) * 7919 % 255).reshape(576, 1536).float() / 127.5 - 1
batch = dict(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == 8178).long(), labels=labels,
             pixel_values=pixels.to(model.dtype), image_grid_thw=torch.tensor([[1, 24, 24]]))
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)


def step():
    model.model.rope_deltas = None
    optimiser.zero_grad()
    loss = model(**batch, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


first = step()
times, busy = [], time.process_time()
for _ in range(steps):
    start = time.perf_counter()
    last = step()
    times.append(time.perf_counter() - start)
busy = (time.process_time() - busy) / steps
median = statistics.median(times)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
print(f"torch {torch.__version__}, {kind}, {torch.get_num_threads()} threads: a step {median:.3f} s (best {min(times):.3f}, processors {busy:.3f}), "
      f"{1024 / median:.0f} tokens/s, peak memory {peak:.2f} GiB, loss {first:.3f} -> {last:.3f}")
