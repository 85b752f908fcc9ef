#!/usr/bin/env python3
"""medmo evaluate from outside: killed and resumed, in shards, with malformed data. Standard library only.

    tests/cli/evaluate_test.py MEDMO TESTS [unittest arguments]      TESTS: the folder tests

A medmo_nano folder of random weights is written once; the data sets are made here.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

MEDMO, TESTS = sys.argv[1], pathlib.Path(sys.argv[2])
SCRATCH = tempfile.TemporaryDirectory(prefix="medmo_evaluate_")
ROOT = pathlib.Path(SCRATCH.name)
NANO, DATA = ROOT / "nano", ROOT / "data"


def asked(benchmark, data, *more, tokens=3):
    return ("evaluate", "--model", NANO, "--benchmark", benchmark, "--data", data, "--max-new-tokens", tokens, "--max-pixels", 65536, *more)


def qa(*more, **named):
    return asked("jsonl", ROOT / "questions", *more, **named)


BOXES = asked("boxes", DATA, "--boxes-only", tokens=24)


def run(*arguments, **environment):
    return subprocess.run([MEDMO, *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment)


def call(*arguments, **environment):
    done = run(*arguments, **environment)
    if done.returncode:
        raise AssertionError(f"medmo {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def kept(folder):
    """What two runs of the same must have in common: everything but the times."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and not p.name.startswith("timings")}


def setUpModule():
    call("init", "--config", "medmo_nano", "--seed", 3, "--dtype", "f32", "--out", NANO)
    (DATA / "images").mkdir(parents=True)
    shutil.copy(TESTS / "data/images/microaneurysms.png", DATA / "images/a.png")
    rows = []
    for n in range(5):
        rows += [dict(id=f"c{n}", question=f"Which is number {n}?", options=["one", "two", "three"], answer="ABC"[n % 3], group="choice"),
                 dict(id=f"y{n}", question=f"Is {n} even?", answer="yes" if n % 2 == 0 else "no", image="images/a.png"),
                 dict(id=f"o{n}", question="What is it?", answer=f"a thing of size {n}", group="open")]
    lines = [json.dumps(r) for r in rows]
    lines.insert(5, '{"id": "cut')
    lines.insert(9, json.dumps(dict(id="no answer", question="?")))
    shutil.copytree(DATA / "images", ROOT / "questions/images")
    (ROOT / "questions/questions.jsonl").write_text("\n".join(lines) + "\n")
    pictures = [dict(image=f"images/a.png", split="test", objects=[dict(label="x", box=[10, 10, 60, 50]), dict(label="y", box=[n, 0, n + 9, 20])]) for n in range(4)]
    (DATA / "boxes.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pictures))


def tearDownModule():
    SCRATCH.cleanup()


class Results(unittest.TestCase):
    def test_json_table_and_files(self):
        out = ROOT / "plain"
        result = json.loads(call(*qa("--out", out, "--json")))
        self.assertEqual((result["benchmark"], result["n"], result["failed"], result["malformed"]), ("jsonl", 15, 0, 2))
        for m in result["metrics"].values():
            self.assertEqual(set(m), {"value", "low", "high"})
            self.assertTrue(m["low"] <= m["value"] <= m["high"], m)
        self.assertIn("accuracy_closed", result["metrics"])
        self.assertEqual(result, json.loads((out / "results.json").read_text()))
        self.assertIn("| accuracy |", (out / "results.md").read_text())
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["answers.jsonl", "results.json", "results.md", "timings.jsonl"])
        lines = [json.loads(l) for l in (out / "answers.jsonl").read_text().splitlines()]
        self.assertEqual(len(lines), 16)
        for line in lines[1:]:
            self.assertLessEqual({"index", "id", "prompt", "answer", "stop", "truth", "rule", "parsed", "scores"}, set(line))
        self.assertEqual(len((out / "timings.jsonl").read_text().splitlines()), 15)
        before = kept(out)
        self.assertIn("accuracy", call(*qa("--out", out)))                       # nothing is left to ask
        self.assertEqual(kept(out), before)

    def test_malformed_rows_are_named_with_file_and_line(self):
        done = run(*qa("--limit", 1))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("questions.jsonl:6: expected JSON", done.stderr)
        self.assertIn("questions.jsonl:10: answer", done.stderr)
        self.assertIn("2 malformed rows left out", done.stdout)

    def test_a_picture_that_is_missing_fails_its_item_alone(self):
        data = ROOT / "holes"
        data.mkdir()
        (data / "q.jsonl").write_text("".join(json.dumps(dict(id=str(n), question="Is it?", answer="yes", image=f"{n}.png")) + "\n" for n in range(2)))
        shutil.copy(DATA / "images/a.png", data / "1.png")
        result = json.loads(call("evaluate", "--model", NANO, "--data", data, "--benchmark", "jsonl", "--max-new-tokens", 4, "--json"))
        self.assertEqual((result["n"], result["failed"]), (2, 1))
        self.assertIn("0.png", result["failures"][0])

    def test_likelihood_scoring(self):
        out = ROOT / "likelihood"
        result = json.loads(call(*qa("--scoring", "likelihood", "--out", out, "--json")))
        lines = [json.loads(l) for l in (out / "answers.jsonl").read_text().splitlines()][1:]
        self.assertEqual([len(l.get("log_probabilities", [])) for l in lines[:3]], [3, 2, 0])
        self.assertTrue(all(max(l["log_probabilities"]) < 0 for l in lines if "log_probabilities" in l))
        self.assertEqual({l["rule"] for l in lines[::3]}, {"likelihood"})
        self.assertEqual(result["settings"]["scoring"], "likelihood")

    def test_boxes_and_page(self):
        out = ROOT / "boxes"
        result = json.loads(call(*BOXES, "--out", out, "--page", 2, "--json"))
        for name in ("mean_iou", "accuracy_50", "f1_50", "f1", "ap", "f1_50 (x)", "mean_iou (any label)"):
            self.assertIn(name, result["metrics"])
        html = (out / "page/index.html").read_text()
        for name in ("0-0-truth.png", "0-0-predicted.png", "1-0-truth.png"):
            self.assertIn(f'src="{name}"', html)
            self.assertTrue((out / "page" / name).is_file())

    def test_without_a_model(self):
        result = json.loads(call("evaluate", "--baseline", "--data", DATA, "--benchmark", "boxes", "--json"))
        self.assertEqual(result["metrics"]["recall_50 (x)"]["value"], 1)
        text = call("evaluate", "--baseline", "--data", ROOT / "questions", "--benchmark", "jsonl")
        self.assertIn("accuracy_closed", text)

    def test_lists_and_averages(self):
        names = {b["name"] for b in json.loads(call("evaluate", "--list", "--json"))}
        self.assertLessEqual({"vqa_rad", "medqa", "medmcqa", "pubmedqa", "blood_cells", "nuclei"}, names)
        folders = []
        for name in ("nih_chest", "deep_lesion", "bacteria", "medsg_multi_view", "medsg_tracking", "medsg_referring"):
            folder = ROOT / "averages" / name
            folder.mkdir(parents=True)
            value = dict(value=.5, low=.4, high=.6)
            (folder / "results.json").write_text(json.dumps(dict(benchmark=name, n=1, metrics=dict(mean_iou=value, first_iou=value))))
            folders.append(folder)
        averages = json.loads(call("evaluate", "--averages", *folders, "--json"))
        self.assertEqual(averages["grounding"]["value"], .5)
        self.assertIn("medqa", averages["text"]["missing"])


class Resuming(unittest.TestCase):
    def test_killed_at_random_moments_the_files_are_those_of_an_undisturbed_run(self):
        for name, arguments in (("qa", qa()), ("boxes", BOXES)):
            with self.subTest(name):
                whole, killed = ROOT / f"{name}_whole", ROOT / f"{name}_killed"
                start = time.monotonic()
                call(*arguments, "--out", whole)
                seconds = time.monotonic() - start
                draw, kills = random.Random(7), 0
                for _ in range(200):
                    process = subprocess.Popen([MEDMO, *map(str, arguments), "--out", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    try:
                        process.wait(timeout=draw.uniform(.02, max(.1, seconds)))
                        self.assertEqual(process.returncode, 0)
                        break
                    except subprocess.TimeoutExpired:
                        process.send_signal(signal.SIGKILL)
                        process.wait()
                        kills += 1
                    if kills >= 8:                                              # slow machine: let it end
                        call(*arguments, "--out", killed)
                        break
                self.assertGreaterEqual(kills, 1)
                self.assertEqual(kept(whole), kept(killed))

    def test_a_torn_line_is_answered_again(self):
        whole, torn = ROOT / "t_whole", ROOT / "t_torn"
        call(*qa("--limit", 6, "--out", whole))
        shutil.copytree(whole, torn)
        answers = torn / "answers.jsonl"
        content = answers.read_bytes()
        for cut in (len(content) // 3, len(content) - 1):
            answers.write_bytes(content[:cut])
            call(*qa("--limit", 6, "--out", torn))
            self.assertEqual(kept(whole), kept(torn))

    def test_batch_and_threads_change_no_byte(self):
        whole = ROOT / "b_whole"
        call(*qa("--out", whole))
        for more in (("--batch", 4), ("--batch", 16, "--threads", 1)):
            out = ROOT / ("b_" + "_".join(map(str, more)).strip("-"))
            call(*qa("--out", out, *more))
            self.assertEqual(kept(whole), kept(out))

    def test_shards_merge_to_one_run(self):
        whole, by_hand, by_rank, copied = (ROOT / f"s_{n}" for n in ("whole", "hand", "rank", "copied"))
        call(*qa("--out", whole))
        for n in (3, 1):
            self.assertEqual(call(*qa("--out", by_hand, "--shard", f"{n}/3")), "")
        self.assertIn("accuracy", call(*qa("--out", by_hand, "--shard", "2/3")))
        for rank in (1, 0):
            call(*qa("--out", by_rank), OMPI_COMM_WORLD_RANK=str(rank), OMPI_COMM_WORLD_SIZE="2")
        copied.mkdir()
        for p in by_hand.glob("answers.shard*"):
            shutil.copy(p, copied)
        call(*qa("--out", copied, "--shard", "1/3", "--merge"))
        for folder in (by_hand, by_rank, copied):
            self.assertEqual(kept(whole), {n: b for n, b in kept(folder).items() if "shard" not in n})
        (copied / "answers.shard-2-of-3.jsonl").unlink()
        self.assertIn("shard-2-of-3", run(*qa("--out", copied, "--shard", "1/3", "--merge")).stderr)


class BadInput(unittest.TestCase):
    def test_one_sentence_exit_code_2(self):
        other = ROOT / "other"
        call(*qa("--limit", 2, "--out", other))
        cases = {
            "no benchmark": (("evaluate", "--model", NANO, "--data", DATA), ["--benchmark"]),
            "an unknown benchmark": (("evaluate", "--model", NANO, "--data", DATA, "--benchmark", "x"), ["vqa_rad"]),
            "no data": (("evaluate", "--model", NANO, "--benchmark", "medqa"), ["--data"]),
            "no model": (("evaluate", "--data", DATA, "--benchmark", "boxes"), ["--model"]),
            "a folder without it": (("evaluate", "--model", NANO, "--data", DATA, "--benchmark", "slake"), ["test.json"]),
            "a split that is not there": ((*BOXES, "--split", "val"), ["val"]),
            "a folder of another run": (qa("--limit", 3, "--out", other), ["answers.jsonl:1", "items"]),
            "another length of answers": (qa("--limit", 2, "--out", other, tokens=9), ["settings"]),
            "a shard that is none": (qa("--shard", "4/3", "--out", ROOT / "n"), ["4/3"]),
            "shards without a folder": (qa("--shard", "1/3"), ["--out"]),
            "a folder that cannot be made": (qa("--out", NANO / "config.json" / "x"), ["config.json"]),
            "a model that is none": (("evaluate", "--model", DATA, "--data", DATA, "--benchmark", "boxes"), ["config.json"]),
            "merging nothing": (qa("--merge", "--out", ROOT / "nothing"), ["answers.jsonl"]),
        }
        for name, (arguments, named) in cases.items():
            with self.subTest(name):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.startswith("medmo: "), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                for part in named:
                    self.assertIn(part, done.stderr)
        call(*qa("--limit", 3, "--out", other, "--restart"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
