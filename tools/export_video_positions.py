#!/usr/bin/env python3
"""Goldens for videos in prompts: frames looked at, times, placeholders and positions of three clips.

    python tools/export_video_positions.py --tokenizer DIR [--out tests/data/parity/video_positions.json]

DIR holds Qwen3's tokenizer.json and tokenizer_config.json. Runs under transformers 5 and 4.57 and writes the part of the
version that it runs under, for the two expand a video placeholder differently: 4.57 replaces vision_start, video_pad,
vision_end as one, 5 replaces video_pad alone, so that an outer pair stays around the frames.
Each clip: total_frames, fps (null: unknown), width, height, frame_indices, grid_thw, prompt (as given), text (expanded),
tokens, positions [3][T], rope_delta.
"""
import argparse
import json
import os
import types

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLModel
from transformers.video_utils import VideoMetadata

from export_parity import picture

VIDEO, IMAGE = "<|vision_start|><|video_pad|><|vision_end|>", "<|vision_start|><|image_pad|><|vision_end|>"
# name -> total frames, fps, width, height, pictures (width, height), prompt
CLIPS = {
    "pairs": (40, 24.0, 96, 64, [], f"<|im_start|>user\n{VIDEO}What moves?<|im_end|>\n<|im_start|>assistant\n"),
    "odd_number": (25, 10.0, 40, 100, [], f"<|im_start|>user\nLook. {VIDEO} Count.<|im_end|>\n<|im_start|>assistant\n"),
    "after_a_picture": (7, None, 64, 64, [(64, 32)],
                        f"<|im_start|>user\n{IMAGE}and{VIDEO}differ?<|im_end|>\n<|im_start|>assistant\n"),
}


def ask_positions(ids, image_grids, video_grids):
    """get_rope_index needs of a model only its configuration."""
    tokens = dict(image_token_id=151655, video_token_id=151656, vision_start_token_id=151652, vision_end_token_id=151653)
    config = types.SimpleNamespace(vision_config=types.SimpleNamespace(spatial_merge_size=2), **tokens)
    model = types.SimpleNamespace(config=config)
    kwargs = dict(image_grid_thw=image_grids, video_grid_thw=video_grids)
    if hasattr(Qwen3VLModel, "get_vision_position_ids"):
        model.get_vision_position_ids = types.MethodType(Qwen3VLModel.get_vision_position_ids, model)
        kinds = torch.zeros_like(ids)
        kinds[ids == 151655] = 1
        kinds[ids == 151656] = 2
        kwargs["mm_token_type_ids"] = kinds
    positions, delta = Qwen3VLModel.get_rope_index(model, ids, **kwargs)
    return positions[:, 0].tolist(), int(delta)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "parity", "video_positions.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    common = dict(patch_size=16, merge_size=2, temporal_patch_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    image_size = {"shortest_edge": 1024, "longest_edge": 1 << 24}
    images = Qwen2VLImageProcessor(size=image_size, **common) if transformers.__version__[0] == "5" else \
        transformers.Qwen2VLImageProcessorFast(size=image_size, **common)
    videos = Qwen3VLVideoProcessor(size={"shortest_edge": 4096, "longest_edge": 25165824}, fps=2, min_frames=4, max_frames=768,
                                   **common)
    processor = Qwen3VLProcessor(images, AutoTokenizer.from_pretrained(args.tokenizer), videos)
    clips = {}
    for name, (total, fps, width, height, pictures, prompt) in CLIPS.items():
        frames = torch.stack([torch.from_numpy(np.array(picture(width, height, k % 9))).permute(2, 0, 1)
                              for k in range(total)])
        metadata = dict(total_num_frames=total, fps=fps, width=width, height=height,
                        duration=None if fps is None else total / fps, frames_indices=None)
        out = processor(text=[prompt], videos=[frames], video_metadata=[metadata], return_tensors="pt",
                        **(dict(images=[picture(w, h, 1) for w, h in pictures]) if pictures else {}))
        positions, delta = ask_positions(out["input_ids"], out.get("image_grid_thw"), out["video_grid_thw"])
        looked_at = videos.sample_frames(VideoMetadata(**metadata), fps=2)
        clips[name] = dict(
            total_frames=total, fps=fps, width=width, height=height, frame_indices=[int(i) for i in looked_at],
            image_grid_thw=out["image_grid_thw"].tolist() if pictures else [], grid_thw=out["video_grid_thw"][0].tolist(),
            prompt=prompt, text=processor.tokenizer.decode(out["input_ids"][0]), tokens=out["input_ids"][0].tolist(),
            positions=positions, rope_delta=delta)
        print(name, clips[name]["frame_indices"], clips[name]["grid_thw"], clips[name]["text"])
    known = {}
    if os.path.exists(args.out):
        with open(args.out) as f:
            known = json.load(f)
    known["transformers " + transformers.__version__] = clips
    with open(args.out, "w") as f:
        parts = [json.dumps(v) + ": {\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(c)}" for k, c in known[v].items()) + "}"
                 for v in sorted(known)]
        f.write("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    main()
