#!/usr/bin/env python3
"""medmo train from outside: a run in two stages, killed and resumed, interrupted by Ctrl-C and resumed, ends in the bytes of one
that was left alone; the model that it leaves answers; what cannot be is refused in one sentence.

usage: train_test.py MEDMO
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

MEDMO = pathlib.Path(sys.argv[1]).resolve()
PICTURE = pathlib.Path(__file__).resolve().parent.parent.parent / "examples/data/nuclei_fluorescence.png"
failures = []


def check(what, good, found=""):
    print(("ok      " if good else "FAILED  ") + what + ("" if good else f": {found}"), flush=True)
    if not good:
        failures.append(what)


def run(*arguments):
    return subprocess.run([MEDMO, *map(str, arguments)], capture_output=True, text=True, cwd=folder)


def bytes_of(out, stage):
    states = sorted((folder / out / f"stage{stage}").glob("step-*"))
    if not states:
        return None
    return {p.relative_to(states[-1]): p.read_bytes() for p in sorted(states[-1].rglob("*")) if p.is_file()}


with tempfile.TemporaryDirectory(prefix="medmo_train_") as name:
    folder = pathlib.Path(name)
    run("init", "--config", "medmo_nano", "--out", "nano")
    (folder / "a.png").write_bytes(PICTURE.read_bytes())
    rows = [{"messages": [{"role": "user", "content": f"Count to {i}"}, {"role": "assistant", "content": " ".join(map(str, range(i)))}]}
            for i in range(1, 12)]
    rows.append({"messages": [{"role": "user", "content": "Find one"}, {"role": "assistant", "content": "{boxes}"}], "images": ["a.png"],
                 "unit": "norm1000", "boxes": [{"label": "nucleus", "box": [10, 20, 30, 40]}]})
    rows.append({"messages": "a bad one"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe = {"model": "nano", "seed": 4, "stages": [
        {"data": "rows.jsonl", "resolution": 64, "batch": 2, "accumulation": 1, "epochs": 2, "save_every": 2, "learning_rate": 1e-3},
        {"data": "rows.jsonl", "resolution": 64, "batch": 4, "steps": 3, "train": [], "lora": {"rank": 4}, "learning_rate": 1e-3}]}
    (folder / "recipe.json").write_text(json.dumps(recipe))

    done = run("train", "--recipe", "recipe.json", "--out", "whole")
    check("two stages run", done.returncode == 0, done.stderr)
    check("a bad row is told with file and line", "rows.jsonl:13: messages" in done.stderr, done.stderr)
    log = [json.loads(line) for line in (folder / "whole/stage1/log.jsonl").read_text().splitlines()]
    check("a line a step", [r["step"] for r in log] == list(range(1, 13)), log)
    check("the loss falls", log[-1]["loss"] < log[0]["loss"], [r["loss"] for r in log])
    check("two states stay", len(list((folder / "whole/stage1").glob("step-*"))) == 2)
    check("adapters in PEFT's files", any("adapter_config.json" in str(p) for p in bytes_of("whole", 2)))
    model = sorted((folder / "whole/stage1").glob("step-*"))[-1] / "model"
    asked = run("ask", "--model", model, "--prompt", "Count to 3", "--max-new-tokens", 5)
    check("the model answers", asked.returncode == 0, asked.stderr)

    again = run("train", "--recipe", "recipe.json", "--out", "whole")
    check("a second run there is refused", again.returncode == 2 and "--resume" in again.stderr, again.stderr)
    for ending, sign in (("killed", signal.SIGKILL), ("interrupted", signal.SIGINT)):
        for attempt in range(4):
            p = subprocess.Popen([MEDMO, "train", "--recipe", "recipe.json", "--out", ending, "--resume", "--stage", "1"], cwd=folder,
                                 stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            time.sleep(0.3 + 0.35 * attempt)
            p.send_signal(sign)
            p.wait()
        last = run("train", "--recipe", "recipe.json", "--out", ending, "--resume", "--stage", "1")
        check(f"{ending}: goes on", last.returncode == 0, last.stderr)
        check(f"{ending}: ends in the same bytes", bytes_of(ending, 1) == bytes_of("whole", 1))
    broken = sorted((folder / "killed/stage1").glob("step-*"))[-1] / "training.safetensors"
    data = bytearray(broken.read_bytes())
    data[-1] ^= 1
    broken.write_bytes(data)
    last = run("train", "--recipe", "recipe.json", "--out", "killed", "--resume", "--stage", "1")
    check("a changed state is passed over", last.returncode == 0 and "not taken" in last.stderr, last.stderr)
    check("and the run ends in the same bytes", bytes_of("killed", 1) == bytes_of("whole", 1))

    for what, text, expected in (("no file", None, "bad.json"), ("an unknown field", {"model": "nano", "stages": [{"data": "rows.jsonl", "lr": 1}]}, "lr"),
                                 ("no rows", {"model": "nano", "stages": [{"data": "absent.jsonl"}]}, "absent.jsonl"),
                                 ("a stage of GRPO", {"model": "nano", "stages": [{"data": "rows.jsonl", "kind": "grpo"}]}, "grpo"),
                                 ("another recipe's state", dict(recipe, seed=5), "recipe")):
        (folder / "bad.json").unlink(missing_ok=True)
        if text is not None:
            (folder / "bad.json").write_text(json.dumps(text))
        out = "killed" if what.startswith("another") else "new"
        bad = run("train", "--recipe", "bad.json", "--out", out, "--resume", "--stage", "1")
        check(f"refused: {what}", bad.returncode == 2 and expected in bad.stderr.splitlines()[-1], bad.stderr)

sys.exit(len(failures) > 0)
