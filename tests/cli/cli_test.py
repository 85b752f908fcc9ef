#!/usr/bin/env python3
"""The program medmo from outside: what others script against. Standard library only.

    tests/cli/cli_test.py MEDMO DATA [unittest arguments]      DATA: examples/data

A medmo_nano folder of random weights is written once; everything runs on it.
"""
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

MEDMO, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
IMAGES = DATA.parent.parent / "tests/data/images"
PICTURE, QUESTION = IMAGES / "microaneurysms.png", "Where is it?"
SCRATCH = tempfile.TemporaryDirectory(prefix="medmo_cli_")
ROOT = pathlib.Path(SCRATCH.name)
NANO = ROOT / "nano"


def run(*arguments):
    return subprocess.run([MEDMO, *map(str, arguments)], capture_output=True, text=True)


def call(*arguments):
    done = run(*arguments)
    if done.returncode:
        raise AssertionError(f"medmo {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def ask(*more, model=NANO):
    return json.loads(call("ask", "--model", model, "--prompt", QUESTION, "--greedy", "--max-new-tokens", 6, "--json", *more))


def header(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        return json.loads(f.read(size)), 8 + size


def setUpModule():
    call("init", "--config", "medmo_nano", "--seed", 3, "--dtype", "f32", "--out", NANO)


def tearDownModule():
    SCRATCH.cleanup()


class Init(unittest.TestCase):
    def test_one_seed_gives_the_same_bytes(self):
        for kind in ("f32", "bf16"):
            with self.subTest(kind):
                a, b, other = ROOT / f"a_{kind}", ROOT / f"b_{kind}", ROOT / f"c_{kind}"
                for out, seed in ((a, 9), (b, 9), (other, 10)):
                    call("init", "--config", "medmo_nano", "--seed", seed, "--dtype", kind, "--out", out)
                names = sorted(p.name for p in a.iterdir())
                self.assertEqual(names, sorted(p.name for p in b.iterdir()))
                for name in ("config.json", "model.safetensors", "tokenizer.json", "generation_config.json", "preprocessor_config.json"):
                    self.assertIn(name, names)
                for name in names:
                    self.assertEqual((a / name).read_bytes(), (b / name).read_bytes(), name)
                self.assertNotEqual((a / "model.safetensors").read_bytes(), (other / "model.safetensors").read_bytes())
                wanted = {"f32": "F32", "bf16": "BF16"}[kind]
                tensors, _ = header(a / "model.safetensors")
                self.assertEqual({t["dtype"] for n, t in tensors.items() if n != "__metadata__"}, {wanted})
                for out in (a, b, other):
                    shutil.rmtree(out)


class Ask(unittest.TestCase):
    FIELDS = dict(text=str, prompt_tokens=int, tokens=list, detections=list, dropped=list, stop_reason=str, timings_ms=dict,
                  peak_memory_bytes=int)

    def test_json_has_the_fields_of_the_contract(self):
        answer = ask("--image", PICTURE)
        self.assertEqual(set(answer), set(self.FIELDS))
        for name, kind in self.FIELDS.items():
            self.assertIs(type(answer[name]), kind, name)
        self.assertEqual(set(answer["timings_ms"]), {"load", "vision", "prefill", "decode"})
        self.assertTrue(all(isinstance(v, (int, float)) and v >= 0 for v in answer["timings_ms"].values()))
        self.assertTrue(all(type(t) is int and 0 <= t < 4096 for t in answer["tokens"]))
        self.assertIn(answer["stop_reason"], ("length", "end_of_turn"))
        self.assertLessEqual(len(answer["tokens"]), 6)
        self.assertGreater(answer["prompt_tokens"], 64)                       # the picture alone is 64
        self.assertGreater(answer["peak_memory_bytes"], 1 << 20)

    @staticmethod
    def sampled(*more, model=NANO, seed=1):
        """Drawn, hot: greedy answers of random weights repeat one token, these change with the last bits."""
        return json.loads(call("ask", "--model", model, "--prompt", QUESTION, "--seed", seed, "--temperature", 3, "--top-k", 0,
                               "--top-p", 1, "--max-new-tokens", 24, "--json", *more))["tokens"]

    def test_tokens_do_not_depend_on_how_the_work_is_cut(self):
        narrow = ROOT / "nano_bf16"
        call("init", "--config", "medmo_nano", "--seed", 3, "--dtype", "bf16", "--out", narrow)
        pictures = ("--image", PICTURE, "--image", PICTURE)
        for model in (NANO, narrow):
            whole = self.sampled(*pictures, model=model)
            self.assertGreater(len(set(whole)), 12)
            for cut in (("--threads", 1), ("--threads", 2), ("--prefill-chunk", 1), ("--prefill-chunk", 7), ("--prefill-chunk", 512)):
                with self.subTest(model=model.name, cut=cut):
                    self.assertEqual(self.sampled(*pictures, *cut, model=model), whole)
                    self.assertEqual(ask(*pictures, *cut, model=model)["tokens"], ask(*pictures, model=model)["tokens"])
        shutil.rmtree(narrow)

    def test_a_seed_draws_the_same_tokens(self):
        self.assertEqual(self.sampled(), self.sampled())
        self.assertNotEqual(self.sampled(), self.sampled(seed=2))

    def test_sampling_options_are_heard(self):
        plain = ask()
        once = ask("--presence-penalty", 100)["tokens"]
        self.assertEqual(len(once), len(set(once)))
        self.assertNotIn(plain["tokens"][0], ask("--logit-bias", f"{plain['tokens'][0]}:-inf")["tokens"])
        self.assertEqual(set(ask("--logit-bias", "264:1e4")["tokens"]), {264})
        self.assertEqual(self.sampled("--min-p", 1)[:6], plain["tokens"])      # only the most probable is left
        self.assertNotEqual(self.sampled("--repetition-penalty", 1.5), self.sampled())
        for end in range(1, len(plain["text"])):
            stop = plain["text"][end - 1:end + 1]
            cut = ask("--stop", stop, "--stop", "never there")
            self.assertEqual(cut["text"], plain["text"][:plain["text"].index(stop)])
            self.assertEqual(cut["stop_reason"], "stop_string")

    def test_the_penalty_of_a_folder_is_its_default(self):
        own = json.loads((NANO / "generation_config.json").read_text()) | {"repetition_penalty": 1.5}
        folder = broken_folder("penalised", **{"generation_config.json": json.dumps(own)})
        self.assertEqual(self.sampled(model=folder), self.sampled("--repetition-penalty", 1.5))
        self.assertEqual(self.sampled("--repetition-penalty", 1, model=folder), self.sampled())
        shutil.rmtree(folder)

    def test_log_probabilities(self):
        answer = ask("--top-logprobs", 3)
        self.assertEqual(len(answer["alternatives"]), len(answer["tokens"]))
        self.assertEqual({k: v for k, v in answer.items() if k in ("text", "tokens")}, {k: ask()[k] for k in ("text", "tokens")})
        for token, own, places in zip(answer["tokens"], answer["token_logprobs"], answer["alternatives"]):
            self.assertEqual(len(places), 3)
            self.assertEqual(places[0]["id"], token)                          # greedy
            self.assertLess(abs(places[0]["log_probability"] - own), 0.1)      # image tokens are ruled out in one of them
            self.assertGreaterEqual(places[0]["log_probability"], places[1]["log_probability"])

    def test_boxes_only(self):
        hot = ("--image", PICTURE, "--boxes-only", "--temperature", 3, "--top-k", 0, "--top-p", 1, "--max-new-tokens", 150, "--json")
        for seed in range(3):
            answer = json.loads(call("ask", "--model", NANO, "--prompt", QUESTION, "--seed", seed, "--box-labels", "Mass,Pleural effusion",
                                     "--max-boxes", 4, *hot))
            self.assertEqual(answer["dropped"], [])
            self.assertLessEqual(len(answer["detections"]), 4)
            for d in answer["detections"]:
                self.assertIn(d["label"], ("Mass", "Pleural effusion"))
                x1, y1, x2, y2 = d["box_norm1000"]
                self.assertTrue(0 <= x1 < x2 <= 1000 and 0 <= y1 < y2 <= 1000, d)
                self.assertTrue(0 < d["confidence"] <= 1)
                self.assertEqual([set(c) for c in d["coordinates"]], [{"mean", "spread"}] * 4)
            written = "".join(l + "\n" for l in answer["text"].split("\n") if l)
            self.assertRegex(written, r"^((Mass|Pleural effusion) <box>\[\[\d+(, \d+){3}\](, \[\d+(, \d+){3}\])*\]</box>\n)*$")

    def test_a_constraint_changes_nothing_without_a_box(self):
        self.assertEqual(self.sampled("--image", PICTURE), self.sampled("--image", PICTURE, "--constrain-boxes"))

    def test_overlay_is_a_png(self):
        out = ROOT / "overlay.png"
        ask("--image", PICTURE, "--overlay", out)
        self.assertEqual(out.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_memory_planned_and_measured(self):
        plan = json.loads(call("inspect", "--model", NANO, "--json", "--width", 102, "--height", 102, "--prompt-tokens", 20,
                               "--max-new-tokens", 6))["plan"]
        measured = ask("--image", PICTURE)["peak_memory_bytes"]
        print(f"medmo_nano, 64 picture tokens: planned {plan['total_bytes'] / 1e6:.1f} MB, measured {measured / 1e6:.1f} MB "
              "(with the program, its libraries and the tokenizer)", file=sys.stderr)


class Quantize(unittest.TestCase):
    def test_few_bits(self):
        out = ROOT / "small.gguf"
        call("quantize", "--model", NANO, "--type", "q4_k_m", "--out", out)
        report = json.loads(call("inspect", "--model", out, "--json"))
        self.assertEqual(report["configuration"], "medmo_nano")
        self.assertEqual(report["compute"], "BF16")
        self.assertGreaterEqual(set(report["stored"]), {"Q4_K", "Q6_K", "Q8_0", "F32"})
        whole = json.loads(call("inspect", "--model", NANO, "--json"))
        self.assertEqual(report["parameters"], whole["parameters"])
        self.assertLess(report["plan"]["weights_bytes"], 0.3 * whole["plan"]["weights_bytes"])
        again = ROOT / "again.gguf"  # a GGUF is a model like any other
        call("quantize", "--model", out, "--type", "q8_0", "--out", again)
        self.assertIn("Q8_0", json.loads(call("inspect", "--model", again, "--json"))["stored"])

    def test_refused(self):
        out = ROOT / "there.gguf"
        out.write_bytes(b"something")
        (ROOT / "alone.gguf").write_bytes(b"GGUF")
        for name, arguments, said in (
                ("a file that is there", ["quantize", "--model", NANO, "--out", out], "no file there yet"),
                ("another ending", ["quantize", "--model", NANO, "--out", ROOT / "x.bin"], ".gguf"),
                ("an unknown type", ["quantize", "--model", NANO, "--type", "q9_0", "--out", ROOT / "x.gguf"], "q9_0"),
                ("a cut file", ["inspect", "--model", ROOT / "alone.gguf"], "alone.gguf"),
                ("no file", ["inspect", "--model", ROOT / "none.gguf"], "none.gguf")):
            with self.subTest(name):
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(said, done.stderr)
        self.assertEqual(out.read_bytes(), b"something")


class Batch(unittest.TestCase):
    """ask --batch: answers in order, the same as one by one, through a kill, for bad rows too."""

    LINES = [json.dumps(dict(id=f"row {i}", image=os.path.relpath(IMAGES / name, ROOT), prompt=f"Question {i}?", note="the caller's own",
                             options=dict(seed=i, temperature=3, top_k=0, top_p=1, max_new_tokens=5 + 7 * i % 20)))
             for i, name in enumerate(["microaneurysms.png", "microaneurysms.png", "cell.png"] * 4)]
    BAD = {"not JSON": '{"prompt": ', "not an object": "[1]", "no question": "{}", "a number for a question": '{"prompt": 1}',
           "no such picture": '{"prompt": "a", "image": "nowhere.png"}', "one and several": '{"prompt": "a", "image": "a", "images": []}',
           "no such option": '{"prompt": "a", "options": {"heat": 1}}', "options in a list": '{"prompt": "a", "options": []}',
           "below no temperature": '{"prompt": "a", "options": {"temperature": 0, "greedy": false}}',
           "too long": json.dumps(dict(prompt="x y " * 9000)), "not UTF-8": b'{"prompt": "\xff"}'}

    @staticmethod
    def rows(name, lines):
        path = ROOT / name
        path.write_bytes(b"\n".join(l if isinstance(l, bytes) else l.encode() for l in lines) + b"\n")
        return path

    @staticmethod
    def command(rows, out, *more):
        return ["ask", "--model", NANO, "--batch", rows, "--out", out, *(more if "--threads" in more else ("--threads", 1, *more))]

    def test_rows_are_answered_as_one_by_one_in_any_company(self):
        rows = self.rows("rows.jsonl", self.LINES)
        files = []
        for size in (1, 3, 8):
            out = ROOT / f"answers{size}.jsonl"
            summary = json.loads(call(*self.command(rows, out, "--batch-size", size, "--threads", 1 + (size == 3), "--json")))
            self.assertEqual((summary["rows"], summary["answered_before"], summary["errors"]), (len(self.LINES), 0, 0))
            files.append(out.read_bytes())
        self.assertEqual(files[0], files[1])
        self.assertEqual(files[0], files[2])
        answers = [json.loads(line) for line in files[0].splitlines()]
        self.assertEqual([a["id"] for a in answers], [f"row {i}" for i in range(len(self.LINES))])
        self.assertGreater(summary["reused_tokens"], 4 * 64)
        for a, line in list(zip(answers, self.LINES))[:4]:
            q = json.loads(line)
            alone = json.loads(call("ask", "--model", NANO, "--image", ROOT / q["image"], "--prompt", q["prompt"], "--json", "--lookup", 4, "--threads", 1,
                                    *(x for k, v in q["options"].items() for x in ("--" + k.replace("_", "-"), v))))
            self.assertEqual(alone["tokens"], a["tokens"])
            self.assertEqual(alone["text"], a["text"])
        self.assertEqual(call("ask", "--model", NANO, "--batch", rows, "--threads", 1).encode(), files[0])               # to stdout

    def test_a_killed_run_goes_on_to_the_same_file(self):
        rows = self.rows("killed.jsonl", [json.dumps(json.loads(l) | dict(options=dict(seed=1, temperature=3, max_new_tokens=60))) for l in self.LINES]
                         + [self.BAD["not JSON"], self.LINES[0]])
        whole, out = ROOT / "whole.jsonl", ROOT / "killed_out.jsonl"
        self.assertEqual(run(*self.command(rows, whole, "--batch-size", 2)).returncode, 2)               # one row is no JSON
        at = subprocess.Popen([MEDMO, *map(str, self.command(rows, out, "--batch-size", 2))], stderr=subprocess.DEVNULL)
        while at.poll() is None and not (out.exists() and out.read_bytes().count(b"\n") >= 2):
            time.sleep(0.002)
        at.kill()
        at.wait()
        expected = whole.read_bytes()
        left = out.read_bytes()
        self.assertTrue(expected.startswith(left[:left.rfind(b"\n") + 1]))
        self.assertGreaterEqual(left.count(b"\n"), 2)
        cuts = [len(left), *(len(expected) * i // 5 for i in range(6))]
        for cut in cuts:                                                                                # and as if it had been at other moments
            with self.subTest(cut=cut):
                out.write_bytes(expected[:cut])
                done = run(*self.command(rows, out, "--json"))
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(json.loads(done.stdout)["answered_before"], expected[:cut].count(b"\n"))
                self.assertEqual(json.loads(done.stdout)["errors"], 1)
                self.assertEqual(out.read_bytes(), expected)

    def test_bad_rows_are_told_and_passed_over(self):
        good = self.LINES[0]
        lines = [x for bad in self.BAD.values() for x in (bad, good)]
        rows, out = self.rows("bad.jsonl", lines), ROOT / "bad_out.jsonl"
        done = run(*self.command(rows, out, "--json"))
        self.assertEqual(done.returncode, 2)
        self.assertEqual(json.loads(done.stdout)["errors"], len(self.BAD))
        answers = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual(len(answers), len(lines))
        for n, (name, a) in enumerate(zip((x for bad in self.BAD for x in (bad, None)), answers), 1):
            with self.subTest(name or "good"):
                self.assertEqual(a["row"], n)
                self.assertEqual("error" in a, name is not None)
                if name:
                    self.assertEqual(a["error"]["line"], f"{rows}:{n}")
        self.assertEqual(len({tuple(a["tokens"]) for a in answers if "tokens" in a}), 1)

    def test_a_file_of_another_run_is_refused_and_left(self):
        rows, out = self.rows("first.jsonl", self.LINES[:3]), ROOT / "first_out.jsonl"
        call(*self.command(rows, out))
        kept = out.read_bytes()
        longer = self.rows("longer.jsonl", self.LINES[:4])
        call(*self.command(longer, ROOT / "longer_out.jsonl"))
        cases = {"other rows": self.command(self.rows("second.jsonl", self.LINES[1:4]), out),
                 "fewer rows": self.command(self.rows("fewer.jsonl", self.LINES[:2]), out),
                 "another option": self.command(rows, out, "--system", "Be brief."),
                 "a constraint": self.command(rows, out, "--boxes-only"),
                 "not answers": self.command(rows, rows),
                 "a picture": self.command(rows, IMAGES / "cell.png"),
                 "a folder": self.command(rows, ROOT)}
        for name, arguments in cases.items():
            with self.subTest(name):
                before = rows.read_bytes(), (IMAGES / "cell.png").read_bytes()
                done = run(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertEqual(out.read_bytes(), kept)
                self.assertEqual((rows.read_bytes(), (IMAGES / "cell.png").read_bytes()), before)
        call(*self.command(longer, out))                                                                # more rows of the same are gone on with
        self.assertEqual(out.read_bytes(), (ROOT / "longer_out.jsonl").read_bytes())


class Trace(unittest.TestCase):
    def test_every_stage_with_its_shape(self):
        out = ROOT / "trace.safetensors"
        call("trace", "--model", NANO, "--image", PICTURE, "--prompt", QUESTION, "--out", out)
        found, data = header(out)
        found.pop("__metadata__", None)
        patches, merged = 256, 64                                             # 102 x 102 becomes 256 x 256
        tokens = found["tokens"]["shape"][0]
        self.assertEqual(tokens, ask("--image", PICTURE)["prompt_tokens"])
        wanted = {"tokens": ["I64", [tokens]], "positions": ["I64", [3, tokens]], "image_grid_thw": ["I64", [1, 3]],
                  "pixels": ["F32", [patches, 1536]], "vision.patch_embed": ["F32", [patches, 192]],
                  "vision.merger": ["F32", [merged, 256]], "text.embed": ["F32", [tokens, 256]],
                  "text.norm": ["F32", [tokens, 256]], "logits": ["F32", [tokens, 4096]]}
        wanted |= {f"vision.block.{i}": ["F32", [patches, 192]] for i in range(6)}
        wanted |= {f"vision.deepstack.{i}": ["F32", [merged, 256]] for i in range(3)}
        wanted |= {f"text.layer.{i}": ["F32", [tokens, 256]] for i in range(6)}
        self.assertEqual({n: [t["dtype"], t["shape"]] for n, t in found.items()}, wanted)
        self.assertEqual(out.stat().st_size, data + max(t["data_offsets"][1] for t in found.values()))


class Score(unittest.TestCase):
    @staticmethod
    def score(*more):
        return json.loads(call("score", "--model", NANO, "--prompt", QUESTION, "--json", *more))["answers"]

    def test_sums_of_the_tokens(self):
        given = ["Yes", "", "A longer answer.", "Yes"]
        scores = self.score("--image", PICTURE, *(x for a in given for x in ("--answer", a)))
        self.assertEqual([s["answer"] for s in scores], given)
        for s in scores:
            self.assertAlmostEqual(s["log_probability"], sum(t["log_probability"] for t in s["tokens"]))
            self.assertEqual("".join(t["text"] for t in s["tokens"]), s["answer"])
            self.assertLess(s["end_log_probability"], 0)
            self.assertTrue(all(t["log_probability"] < 0 for t in s["tokens"]))
        self.assertEqual(scores[0], scores[3])                                # an answer leaves nothing behind
        self.assertEqual(scores[2], self.score("--image", PICTURE, "--answer", given[2], "--prefill-chunk", 5, "--threads", 1)[0])
        self.assertNotEqual(scores[2], self.score("--answer", given[2])[0])    # without the picture

    def test_for_people(self):
        lines = call("score", "--model", NANO, "--prompt", QUESTION, "--answer", "Yes", "--answer", "No").splitlines()
        self.assertEqual([line.split()[-1] for line in lines], ["Yes", "No"])
        self.assertTrue(all(float(x) < 0 for line in lines for x in line.split()[:2]))


class Embed(unittest.TestCase):
    @staticmethod
    def embed(*more):
        return json.loads(call("embed", "--model", NANO, "--json", *more))

    def test_vectors_of_length_one(self):
        inputs = {"text": ("--text", "A lung"), "picture": ("--image", PICTURE), "both": ("--image", PICTURE, "--text", "A lung")}
        seen = []
        for how in ("last", "mean"):
            for name, given in inputs.items():
                with self.subTest(how=how, given=name):
                    e = self.embed("--pooling", how, *given)
                    self.assertEqual((e["pooling"], e["dimension"], len(e["embedding"])), (how, 256, 256))
                    self.assertAlmostEqual(math.fsum(x * x for x in e["embedding"]), 1, places=5)
                    self.assertEqual(e["embedding"], self.embed("--pooling", how, *given, "--prefill-chunk", 7, "--threads", 1)["embedding"])
                    self.assertNotIn(e["embedding"], seen)
                    seen.append(e["embedding"])
        self.assertEqual(self.embed(*inputs["both"])["embedding"], seen[2])    # last is the default
        self.assertGreater(self.embed(*inputs["picture"])["tokens"], 64)
        plain = call("embed", "--model", NANO, *inputs["text"]).split()
        self.assertEqual(len(plain), 256)
        for a, b in zip(map(float, plain), seen[0]):
            self.assertAlmostEqual(a, b, places=6)


class Chat(unittest.TestCase):
    """Through a pipe: an answer for each line, errors told and passed over."""

    @staticmethod
    def chat(text, *more):
        return subprocess.run([MEDMO, "chat", "--model", NANO, "--greedy", "--max-new-tokens", "6", *map(str, more)], input=text,
                              capture_output=True, text=True)

    def test_an_answer_for_each_line(self):
        done = self.chat(f"/image {PICTURE}\n{QUESTION}\n\nAnd now?\r\n/reset\n{QUESTION}\n/quit\nnever\n", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([set(a) for a in answers], [{"text", "stop_reason", "detections"}] * 3)
        self.assertEqual(answers[0]["text"], ask("--image", PICTURE)["text"])
        self.assertEqual(answers[2]["text"], ask()["text"])                    # nothing is left of what was before /reset
        plain = self.chat(f"{QUESTION}\n")
        self.assertEqual((plain.stdout, plain.stderr), (ask()["text"] + "\n", ""))
        self.assertEqual(self.chat("").stdout, "")

    def test_a_picture_of_the_command_line_is_for_the_first_question(self):
        given = self.chat(f"{QUESTION}\nAnd now?\n", "--image", PICTURE, "--json").stdout
        self.assertEqual(given, self.chat(f"/image {PICTURE}\n{QUESTION}\nAnd now?\n", "--json").stdout)

    def test_errors_are_told_and_passed_over(self):
        lines = ["/nonsense", "/image", f"/image {ROOT / 'none.png'}", "x y " * 30000, QUESTION]
        done = self.chat("\n".join(lines) + "\n", "--json")
        self.assertEqual(done.returncode, 2)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(["error" in a for a in answers], [True] * 4 + [False])
        self.assertIn("none.png", answers[2]["error"])
        self.assertEqual(answers[4]["text"], ask()["text"])
        self.assertEqual(done.stderr.count("\n"), 5)                           # each error, and that there were some
        for line in done.stderr.splitlines():
            self.assertTrue(line.startswith("medmo: "), line)


class Dicom(unittest.TestCase):
    FILES = IMAGES.parent / "dicom"

    def test_told_by_content(self):
        hidden = ROOT / "scan.png"
        shutil.copy(self.FILES / "CT_small.dcm", hidden)
        done = run("ask", "--model", NANO, "--prompt", QUESTION, "--max-new-tokens", 1, "--image", hidden, "--json")
        if "without DCMTK" in done.stderr:
            self.assertEqual(done.returncode, 2)
            self.skipTest("built without DCMTK")
        self.assertEqual(json.loads(done.stdout)["prompt_tokens"], ask("--image", self.FILES / "CT_small.dcm")["prompt_tokens"])
        shown = {}
        for name, options in {"own": [], "narrow": ["--window", "40/80"], "lung": ["--window", "-600/1500"], "three": ["--ct-windows"]}.items():
            ask("--image", hidden, "--overlay", ROOT / "shown.png", *options)
            shown[name] = (ROOT / "shown.png").read_bytes()
        self.assertEqual(len(set(shown.values())), 4)
        cases = {
            "a frame that is not there": (["CT_small.dcm", "--frame", 1], "expected a frame of 0 .. 0, found 1"),
            "half a window": (["CT_small.dcm", "--window", "40"], "expected centre/width"),
            "a window of no width": (["CT_small.dcm", "--window", "40/0"], "a window of a width"),
            "a window in words": (["CT_small.dcm", "--window", "wide"], "expected centre/width"),
            "three windows of MR": (["MR_small.dcm", "--ct-windows"], "expected CT for three windows"),
            "an option without a DICOM file": (["../images/microaneurysms.png", "--frame", 1], "--frame: expected a DICOM file"),
        }
        for name, ((file, *options), words) in cases.items():
            with self.subTest(name):
                done = run("ask", "--model", NANO, "--prompt", QUESTION, "--image", self.FILES / file, *options)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(words, done.stderr)
        hidden.unlink(), (ROOT / "shown.png").unlink()


class Inspect(unittest.TestCase):
    def test_numbers(self):
        report = json.loads(call("inspect", "--model", NANO, "--json", "--hashes", "--width", 512, "--height", 256))
        tensors, _ = header(NANO / "model.safetensors")
        tensors.pop("__metadata__", None)
        count = sum(math.prod(t["shape"]) for t in tensors.values())
        self.assertEqual(report["configuration"], "medmo_nano")
        self.assertEqual(report["compute"], "F32")
        self.assertEqual(report["tensors"], len(tensors))
        self.assertEqual(report["parameters"], count)
        self.assertEqual(report["stored"], {"F32": {"tensors": len(tensors), "bytes": 4 * count}})
        plan = report["plan"]
        self.assertEqual(plan["image_tokens"], 128)
        self.assertEqual(plan["prompt_tokens"], 64 + 128)
        self.assertEqual(plan["weights_bytes"], 4 * count)
        self.assertEqual(plan["total_bytes"], sum(plan[p + "_bytes"] for p in ("weights", "cache", "arena", "pictures")))
        self.assertGreater(plan["vision_flops"], 0)
        self.assertGreater(plan["prefill_flops"], 0)
        self.assertEqual({t["name"] for t in report["tensor_list"]}, set(tensors))
        self.assertTrue(all(len(t["hash"]) == 16 for t in report["tensor_list"]))


# ---------------------------------------------------------------------------------------------------- bad input
def broken_folder(name, **files):
    """A copy of the folder (links to what stays) in which the given files are others, or missing if None."""
    folder = ROOT / name
    folder.mkdir()
    for file in NANO.iterdir():
        if file.name not in files:
            os.link(file, folder / file.name)
    for file, content in files.items():
        if content is not None:
            (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def broken_weights(name, change):
    """A folder whose safetensors header is another one and whose numbers are zeros."""
    tensors, _ = header(NANO / "model.safetensors")
    tensors.pop("__metadata__", None)
    tensors = change(dict(sorted(tensors.items(), key=lambda t: t[1]["data_offsets"]))) or tensors
    folder = broken_folder(name, **{"model.safetensors": None})
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + max(t["data_offsets"][1] for t in tensors.values()))
    return folder


def without_last(tensors):
    tensors.popitem()
    return tensors


def with_one_more(tensors):
    end = max(t["data_offsets"][1] for t in tensors.values())
    return tensors | {"model.stranger": {"dtype": "F32", "shape": [4], "data_offsets": [end, end + 16]}}


def with_shape_turned(tensors):
    t = next(t for t in tensors.values() if len(t["shape"]) == 2 and t["shape"][0] != t["shape"][1])
    t["shape"] = t["shape"][::-1]
    return tensors


def with_integers(tensors):
    next(iter(tensors.values()))["dtype"] = "I32"
    return tensors


def png(width, height, rows=b"\0\0\0\0"):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def changed_json(file, **fields):
    return json.dumps(json.loads((NANO / file).read_text()) | fields)


def bad_cases():
    """name -> (arguments, what the sentence must name)"""
    weights = (NANO / "model.safetensors").read_bytes()
    picture = PICTURE.read_bytes()

    def with_file(name, content):
        path = ROOT / name
        path.write_bytes(content)
        return path

    def folder(path, *named):
        return ["ask", "--model", path, "--prompt", QUESTION, "--json"], [str(path), *named]

    def image(path, *named):
        return ["ask", "--model", NANO, "--image", path, "--prompt", QUESTION, "--json"], [str(path), *named]

    config = json.loads((NANO / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 7
    return {
        "missing folder": folder(ROOT / "nowhere", "config.json"),
        "empty config.json": folder(broken_folder("c0", **{"config.json": ""}), "config.json"),
        "broken config.json": folder(broken_folder("c1", **{"config.json": '{"text_config": '}), "config.json"),
        "config.json is a list": folder(broken_folder("c2", **{"config.json": "[]"}), "config.json"),
        "another configuration": folder(broken_folder("c3", **{"config.json": json.dumps(config)}), "config.json", "medmo_nano"),
        "another kind of model": folder(broken_folder("c4", **{"config.json": changed_json("config.json", model_type="llama")}), "config.json"),
        "no weights": folder(broken_folder("w0", **{"model.safetensors": None})),
        "weights without end": folder(broken_folder("w1", **{"model.safetensors": weights[:-1]}), "model.safetensors"),
        "weights of four bytes": folder(broken_folder("w2", **{"model.safetensors": b"abcd"}), "model.safetensors"),
        "header longer than the file": folder(broken_folder("w3", **{"model.safetensors": struct.pack("<Q", 1 << 62) + b"{}"}), "model.safetensors"),
        "missing tensor": folder(broken_weights("w4", without_last)),
        "extra tensor": folder(broken_weights("w5", with_one_more), "model.stranger"),
        "wrong shape": folder(broken_weights("w6", with_shape_turned)),
        "weights of integers": folder(broken_weights("w7", with_integers)),
        "broken tokenizer.json": folder(broken_folder("t0", **{"tokenizer.json": '{"model": {'}), "tokenizer.json"),
        "tokenizer.json of another kind": folder(broken_folder("t1", **{"tokenizer.json": '{"model": {"type": "Unigram"}}'}), "tokenizer.json"),
        "no tokenizer": folder(broken_folder("t2", **{"tokenizer.json": None})),
        "end token outside the vocabulary": folder(
            broken_folder("g0", **{"generation_config.json": changed_json("generation_config.json", eos_token_id=99999)}), "generation_config.json"),
        "patches of another size": folder(
            broken_folder("p0", **{"preprocessor_config.json": changed_json("preprocessor_config.json", patch_size=14)}), "patch_size"),
        "no image": image(ROOT / "nothing.png"),
        "not an image": image(with_file("text.png", b"this is a text, not a picture\n")),
        "empty image": image(with_file("empty.png", b"")),
        "truncated PNG": image(with_file("cut.png", picture[: len(picture) // 2])),
        "image bomb": image(with_file("bomb.png", png(1_000_000, 1_000_000))),
        "image of width 0": image(with_file("flat.png", png(0, 5))),
        "image too narrow": (image(with_file("narrow.png", png(1, 300, b"\0\1\2\3" * 300)))[0], ["200"]),
        "unknown option": (["ask", "--model", NANO, "--prompt", QUESTION, "--frobnicate"], ["--frobnicate"]),
        "no prompt": (["ask", "--model", NANO], ["--prompt"]),
        "a question and a file of them": (["ask", "--model", NANO, "--prompt", QUESTION, "--batch", "a.jsonl"], ["--batch"]),
        "a missing file of questions": (["ask", "--model", NANO, "--batch", ROOT / "none.jsonl", "--out", ROOT / "not_made.jsonl"], ["none.jsonl"]),
        "answers without a file of questions": (["ask", "--model", NANO, "--prompt", QUESTION, "--out", "a.jsonl"], ["--batch"]),
        "a summary without a file of answers": (["ask", "--model", NANO, "--batch", "a.jsonl", "--json"], ["--out"]),
        "too many guesses": (["ask", "--model", NANO, "--prompt", QUESTION, "--lookup", 65], ["--lookup"]),
        "no subcommand": ([], ["subcommand"]),
        "bad --dtype": (["init", "--config", "medmo_nano", "--dtype", "f64", "--out", ROOT / "not_made"], ["--dtype"]),
        "unknown configuration": (["init", "--config", "medmo_70b", "--out", ROOT / "not_made"], ["--config", "medmo_70b"]),
        "init over a model": (["init", "--config", "medmo_nano", "--out", NANO], [str(NANO)]),
        "negative number of tokens": (["ask", "--model", NANO, "--prompt", QUESTION, "--max-new-tokens", -1], ["--max-new-tokens"]),
        "more tokens than positions": (["ask", "--model", NANO, "--prompt", QUESTION, "--max-new-tokens", 9000], ["8192"]),
        "labels of free text": (["ask", "--model", NANO, "--prompt", QUESTION, "--constrain-boxes", "--box-labels", "a"], ["--box-labels"]),
        "two kinds of constraint": (["ask", "--model", NANO, "--prompt", QUESTION, "--constrain-boxes", "--boxes-only"], ["--boxes-only"]),
        "a label that is none": (["ask", "--model", NANO, "--prompt", QUESTION, "--boxes-only", "--box-labels", "a<box>"], ["a<box>"]),
        "a label twice": (["ask", "--model", NANO, "--prompt", QUESTION, "--boxes-only", "--box-labels", "a,b,a"], ["'a' twice"]),
        "too many boxes": (["ask", "--model", NANO, "--prompt", QUESTION, "--boxes-only", "--max-boxes", 1001], ["--max-boxes"]),
        "--overlay without a picture": (["ask", "--model", NANO, "--prompt", QUESTION, "--overlay", ROOT / "not_made.png"], ["--overlay"]),
        "--overlay of a bad picture": (["ask", "--model", NANO, "--prompt", QUESTION, "--image", ROOT / "cut.png", "--overlay",
                                        ROOT / "not_made.png"], ["cut.png"]),
        "a bias without a number": (["ask", "--model", NANO, "--prompt", QUESTION, "--logit-bias", "264"], ["--logit-bias"]),
        "a bias of a token that is none": (["ask", "--model", NANO, "--prompt", QUESTION, "--logit-bias", "4096:1"], ["bias", "4096"]),
        "an infinite bias": (["ask", "--model", NANO, "--prompt", QUESTION, "--logit-bias", "4:inf"], ["bias"]),
        "an empty stop string": (["ask", "--model", NANO, "--prompt", QUESTION, "--stop", ""], ["stop"]),
        "a min-p above 1": (["ask", "--model", NANO, "--prompt", QUESTION, "--min-p", 1.5], ["min-p"]),
        "a repetition penalty of 0": (["ask", "--model", NANO, "--prompt", QUESTION, "--repetition-penalty", 0], ["repetition-penalty"]),
        "score without answers": (["score", "--model", NANO, "--prompt", QUESTION], ["--answer"]),
        "score of an answer that is too long": (["score", "--model", NANO, "--prompt", QUESTION, "--answer", "x y " * 30000], ["tokens"]),
        "score in steps of nothing": (["score", "--model", NANO, "--prompt", QUESTION, "--answer", "a", "--prefill-chunk", 0],
                                      ["prefill-chunk"]),
        "embed of nothing": (["embed", "--model", NANO], ["a picture, a text or both"]),
        "embed with another pooling": (["embed", "--model", NANO, "--text", "a", "--pooling", "max"], ["pooling"]),
        "embed of a missing picture": (["embed", "--model", NANO, "--image", ROOT / "none.png"], ["none.png"]),
        "trace into a missing folder": (["trace", "--model", NANO, "--image", PICTURE, "--prompt", QUESTION, "--out",
                                         ROOT / "nowhere/t.safetensors"], ["nowhere/t.safetensors"]),
    }


class BadInput(unittest.TestCase):
    def test_one_sentence_exit_code_2_nothing_else(self):
        cases = bad_cases()
        self.assertGreaterEqual(len(cases), 30)
        before = sorted(p.relative_to(ROOT) for p in ROOT.rglob("*"))
        for name, (arguments, named) in cases.items():
            with self.subTest(name):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.startswith("medmo: ") and done.stderr.endswith("\n"), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertLess(len(done.stderr), 600)
                for part in named:
                    self.assertIn(part, done.stderr)
        self.assertEqual(sorted(p.relative_to(ROOT) for p in ROOT.rglob("*")), before)   # nothing half-made is left


class Examples(unittest.TestCase):
    """Those that print what is the same everywhere; examples/output holds it."""
    SOURCE = DATA.parent

    def compare(self, name, *arguments):
        program = pathlib.Path(MEDMO).with_name(f"example_{name}")
        if not program.exists():
            self.skipTest(f"{program.name} is not built")
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, (self.SOURCE / f"output/{name}.txt").read_text())

    def test_01_ask(self):
        model, out = ROOT / "nano_of_the_demo", ROOT / "01.png"
        seed = json.loads((DATA / "demo_reference.json").read_text())["seed"]
        call("init", "--config", "medmo_nano", "--seed", seed, "--dtype", "f32", "--out", model)
        self.compare("01_ask", model, DATA / "nuclei_fluorescence.png", "Detect and localize all nuclei.", out)
        shutil.rmtree(model)

    def test_02_boxes(self):
        out = ROOT / "02.png"
        self.compare("02_boxes", DATA / "nuclei_fluorescence.png", DATA / "nuclei_fluorescence.txt", out)
        self.assertEqual(struct.unpack(">II", out.read_bytes()[16:24]), (512, 512))

    def test_03_giou(self):
        self.compare("03_giou")

    def test_04_box_reward(self):
        self.compare("04_box_reward")

    def test_05_lora(self):
        """Training takes a machine's rounding along: how many answers get right may differ by a few."""
        program = pathlib.Path(MEDMO).with_name("example_05_lora")
        if not program.exists():
            self.skipTest(f"{program.name} is not built")
        done = subprocess.run([program], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "right after: (4|50)")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
