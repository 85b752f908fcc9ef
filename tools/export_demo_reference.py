#!/usr/bin/env python3
"""What the reference answers in the demo: writes examples/data/demo_reference.json.

    build/release/examples/medmo init --config medmo_nano --seed 8 --dtype f32 --out DIR
    python tools/export_demo_reference.py DIR

The folder's own tokenizer, chat template and picture settings are read by transformers, the picture is resized by its
Pillow back end, and Qwen3VLForConditionalGeneration answers greedily in float32 with the two placeholder tokens
suppressed. Nothing of medmo takes part but the random weights. Written: the prompt's ids, the answer's ids with the
margin of each over the second best, and the five best tokens after the prompt with their logits. The smallest margin is
printed: it must stay above 1e-3, so that rounding cannot turn a token.

Needs torch (CPU), transformers, pillow; their versions are written into the file.
"""
import json
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
import PIL
import torch
import transformers
from PIL import Image
from transformers import AutoTokenizer, GenerationConfig, Qwen2VLImageProcessorPil, Qwen3VLForConditionalGeneration

DATA = pathlib.Path(__file__).resolve().parent.parent / "examples/data"
PICTURE, QUESTION, TOKENS, LEAST_MARGIN = "nuclei_fluorescence.png", "Detect and localize all nuclei.", 16, 1e-3


def main():
    folder = sys.argv[1]
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    seen = Qwen2VLImageProcessorPil.from_pretrained(folder)(Image.open(DATA / PICTURE).convert("RGB"), return_tensors="pt")
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    config = model.config

    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    at = ids.index(config.image_token_id)
    count = int(seen["image_grid_thw"].prod()) // config.vision_config.spatial_merge_size ** 2
    ids[at : at + 1] = [config.image_token_id] * count
    ids_in = torch.tensor([ids])
    arguments = dict(input_ids=ids_in, attention_mask=torch.ones_like(ids_in), pixel_values=seen["pixel_values"].float(),
                     image_grid_thw=seen["image_grid_thw"], mm_token_type_ids=(ids_in == config.image_token_id).int())
    stops = model.generation_config.eos_token_id
    model.generation_config = GenerationConfig(eos_token_id=None)
    settings = GenerationConfig(do_sample=False, max_new_tokens=TOKENS, eos_token_id=stops, pad_token_id=0,
                                suppress_tokens=[config.image_token_id, config.video_token_id],
                                return_dict_in_generate=True, output_scores=True, output_logits=True)
    with torch.no_grad():
        out = model.generate(**arguments, generation_config=settings)
    answer = out.sequences[0, len(ids):].tolist()
    margins = [float(b[0] - b[1]) for b in (s[0].topk(2).values for s in out.scores)]
    first = out.logits[0][0].topk(5)
    print(f"prompt {len(ids)} tokens, answer {answer}\n{tokenizer.decode(answer)!r}\nsmallest margin {min(margins):.3g}")
    if min(margins) <= LEAST_MARGIN:
        sys.exit(f"margin not above {LEAST_MARGIN}: choose another question")
    report = dict(
        picture=PICTURE, question=QUESTION, seed=8, versions=dict(torch=torch.__version__, transformers=transformers.__version__, pillow=PIL.__version__),
        prompt=ids, tokens=answer, margins=[round(m, 4) for m in margins],
        best=[dict(token=int(t), logit=float(v)) for v, t in zip(*first)])
    (DATA / "demo_reference.json").write_text("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in report.items()) + "\n}\n")


if __name__ == "__main__":
    main()
