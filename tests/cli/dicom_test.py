#!/usr/bin/env python3
"""DICOM through the program: boxes in the pixels of the matrix, videos of many frames, and nothing of the patient in
whatever the program writes: text, JSON, PNG, tensors, errors. Standard library only.

    tests/cli/dicom_test.py MEDMO DATA [unittest arguments]      DATA: examples/data
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

MEDMO, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
FILES = DATA.parent.parent / "tests/data/dicom"
SCRATCH = tempfile.TemporaryDirectory(prefix="medmo_dicom_")
ROOT = pathlib.Path(SCRATCH.name)
NANO = ROOT / "nano"
# What a file says of its patient; none of it may be seen again.
PATIENT = {(0x0010, 0x0010): ("PN", "Zyxwvut^Qponml"), (0x0010, 0x0020): ("LO", "QZX-90210-77"), (0x0010, 0x0030): ("DA", "19370514"),
           (0x0010, 0x1040): ("LO", "77 Kjihgfe Street"), (0x0010, 0x4000): ("LT", "Wvutsrq comment"),
           (0x0008, 0x0080): ("LO", "Hospital Xyzzyx"), (0x0008, 0x0090): ("PN", "Dr^Plughxyz"), (0x0008, 0x0050): ("SH", "ACC55331177"),
           (0x0009, 0x0010): ("LO", "PRIVATE Qwxzy"), (0x0020, 0x000D): ("UI", "1.2.826.99.88.77.66")}
SECRETS = [value.encode() for _, value in PATIENT.values()] + [b"Zyxwvut", b"Qponml", b"90210", b"Kjihgfe", b"Xyzzyx", b"Plughxyz", b"Qwxzy"]


def element(tag, vr, value):
    value = value.encode() if isinstance(value, str) else value
    value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH2s", *tag, vr.encode())
    return head + (struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW", "SQ") else struct.pack("<H", len(value))) + value


def dicom(rows, columns, pixels, frames=1, syntax="1.2.840.10008.1.2.1", modality="MR", **changed):
    """A grey file of 8 bits by its parts, with a patient in it."""
    us = lambda v: struct.pack("<H", v)
    parts = {(0x0008, 0x0060): ("CS", modality), (0x0028, 0x0002): ("US", us(1)), (0x0028, 0x0004): ("CS", "MONOCHROME2"),
             (0x0028, 0x0008): ("IS", str(frames)), (0x0028, 0x0010): ("US", us(rows)), (0x0028, 0x0011): ("US", us(columns)),
             (0x0028, 0x0100): ("US", us(8)), (0x0028, 0x0101): ("US", us(8)), (0x0028, 0x0102): ("US", us(7)),
             (0x0028, 0x0103): ("US", us(0)), (0x7FE0, 0x0010): ("OW", pixels)} | PATIENT
    parts |= {tuple(map(lambda h: int(h, 16), k.split("_")[1:])): v for k, v in changed.items()}
    return b"\0" * 128 + b"DICM" + element((2, 0x10), "UI", syntax) + b"".join(element(t, *parts[t]) for t in sorted(parts))


def run(*arguments, text=None):
    return subprocess.run([MEDMO, *map(str, arguments)], capture_output=True, input=text)


def ask(*more):
    done = run("ask", "--model", NANO, "--prompt", "Where?", "--max-new-tokens", 90, "--threads", 1, "--json", *more)
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    return json.loads(done.stdout)


def setUpModule():
    run("init", "--config", "medmo_nano", "--seed", 3, "--dtype", "f32", "--out", NANO).check_returncode()
    probe = run("ask", "--model", NANO, "--prompt", "?", "--max-new-tokens", 0, "--image", FILES / "CT_small.dcm")
    if b"without DCMTK" in probe.stderr:
        raise unittest.SkipTest("built without DCMTK")


def tearDownModule():
    SCRATCH.cleanup()


class Matrix(unittest.TestCase):
    def test_boxes_are_in_pixels_of_the_matrix(self):
        for rows, columns in ((120, 200), (260, 90), (64, 64)):
            with self.subTest(rows=rows, columns=columns):
                path = ROOT / "scan.dcm"
                path.write_bytes(dicom(rows, columns, bytes(i % 251 for i in range(rows * columns))))
                ends = json.loads((NANO / "generation_config.json").read_text())["eos_token_id"]
                boxes = ["--boxes-only", "--box-labels", "a", "--max-boxes", 2, "--seed", 1, "--temperature", 3, "--top-k", 0, "--top-p", 1]
                boxes += [x for i in ends for x in ("--logit-bias", f"{i}:-100")]   # only when nothing else is left
                found = ask("--image", path, *boxes)["detections"]
                self.assertGreater(len(found), 0)
                for d in found:
                    for i, (norm, px) in enumerate(zip(d["box_norm1000"], d["box_px"])):
                        self.assertAlmostEqual(px, norm / 1000 * (rows if i % 2 else columns), places=9)

    def test_frames_are_a_video(self):
        path, folder, pixels = ROOT / "cine.dcm", ROOT / "frames", [bytes((x * f) % 256 for x in range(64 * 32)) for f in range(1, 12)]
        path.write_bytes(dicom(32, 64, b"".join(pixels), frames=11, g_0028_1050=("DS", "128"), g_0028_1051=("DS", "256")))
        folder.mkdir()
        for i, p in enumerate(pixels):                                          # frame_2 stands before frame_10
            (folder / f"frame_{i + 1}.dcm").write_bytes(dicom(32, 64, p, g_0028_1050=("DS", "128"), g_0028_1051=("DS", "256")))
        one, many = ask("--video", path, "--fps", 4, "--greedy"), ask("--video", folder, "--fps", 4, "--greedy")
        self.assertEqual({k: one[k] for k in ("text", "tokens", "prompt_tokens")}, {k: many[k] for k in ("text", "tokens", "prompt_tokens")})
        listed = [x for i in range(11) for x in ("--video", folder / f"frame_{i + 1}.dcm")]
        self.assertEqual(ask(*listed, "--fps", 4, "--greedy")["tokens"], one["tokens"])
        everything = ask("--video", path, "--fps", 4, "--all-frames", "--greedy")
        self.assertGreater(everything["prompt_tokens"], one["prompt_tokens"])   # 11 frames, not 5
        self.assertLess(ask("--video", path, "--fps", 4, "--window", "40/80", "--greedy")["prompt_tokens"], everything["prompt_tokens"])
        (folder / "frame_5.dcm").write_bytes(dicom(32, 32, bytes(32 * 32)))
        bad = {"frames that differ": (["--video", folder, "--all-frames"], b"frames of 64 x 32"),
               "an empty folder": (["--video", ROOT / "empty"], b"no file in it"),
               "one frame": (["--video", FILES / "CT_small.dcm"], b"frames"),
               "a rate without a video": (["--fps", 3], b"--fps requires --video"),
               "no file": (["--video", ROOT / "none"], b"none"),
               "an overlay": (["--video", path, "--overlay", ROOT / "o.png"], b"--overlay")}
        (ROOT / "empty").mkdir()
        for name, (options, words) in bad.items():
            with self.subTest(name):
                done = run("ask", "--model", NANO, "--prompt", "?", "--max-new-tokens", 1, *options)
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertIn(words, done.stderr)
        shutil.rmtree(folder)


class Patient(unittest.TestCase):
    def silent(self, what, written):
        for secret in SECRETS:
            self.assertNotIn(secret, written, f"{what} tells of the patient")

    def test_no_output_tells_of_the_patient(self):
        path, drawn, traced = ROOT / "scan.dcm", ROOT / "drawn.png", ROOT / "trace.safetensors"
        path.write_bytes(dicom(48, 64, bytes(i % 200 for i in range(48 * 64))))
        self.assertTrue(all(s in path.read_bytes() for s in SECRETS))           # the test can fail
        model = ["--model", NANO, "--threads", 1]
        cases = {"ask": ["ask", *model, "--prompt", "Who is this?", "--max-new-tokens", 20, "--image", path, "--overlay", drawn],
                 "ask --json": ["ask", *model, "--prompt", "Who?", "--max-new-tokens", 20, "--image", path, "--json", "--boxes-only", "--overlay", drawn],
                 "score": ["score", *model, "--prompt", "Who?", "--answer", "A name", "--image", path, "--json"],
                 "embed": ["embed", *model, "--image", path, "--json"],
                 "trace": ["trace", *model, "--image", path, "--prompt", "Who?", "--out", traced]}
        for name, arguments in cases.items():
            with self.subTest(name):
                done = run(*arguments)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.silent(name, done.stdout + done.stderr)
        chat = run("chat", *model, "--max-new-tokens", 10, text=f"/image {path}\nWho?\n/overlay {drawn}\n/image {ROOT / 'none.dcm'}\n".encode())
        self.silent("chat", chat.stdout + chat.stderr)
        self.silent("the overlay", drawn.read_bytes())
        self.silent("the trace", traced.read_bytes())
        self.assertEqual(sorted({drawn.read_bytes()[i + 4:i + 8] for i in self.chunks(drawn.read_bytes())}), [b"IDAT", b"IEND", b"IHDR"])

    @staticmethod
    def chunks(png):
        at = 8
        while at < len(png):
            yield at
            at += 12 + struct.unpack(">I", png[at:at + 4])[0]

    def test_no_error_tells_of_the_patient(self):
        good, path = dicom(48, 64, bytes(48 * 64)), ROOT / "damaged.dcm"
        damaged = {f"cut at {n}": good[:n] for n in range(100, len(good) - 48 * 64, 7)}
        damaged |= {f"another byte at {n}": good[:n] + bytes([good[n] ^ 0xFF]) + good[n + 1:] for n in range(128, len(good) - 48 * 64, 5)}
        damaged |= {"a modality of the patient": dicom(48, 64, bytes(48 * 64), modality="Zyxwvut^Qponml"),
                    "colours of the patient": dicom(48, 64, bytes(48 * 64), g_0028_0004=("CS", "QZX-90210-77")),
                    "frames of the patient": dicom(48, 64, bytes(48 * 64), frames="Zyxwvut"),
                    "a window of the patient": dicom(48, 64, bytes(48 * 64), g_0028_1050=("DS", "Qponml"), g_0028_1051=("DS", "90210x"))}
        refused = 0
        # each process costs a start: chat reads all of them in one
        for i, content in enumerate(damaged.values()):
            (ROOT / f"damaged_{i}.dcm").write_bytes(content)
        lines = "".join(f"/image {ROOT / f'damaged_{i}.dcm'}\n" for i in range(len(damaged)))
        done = run("chat", "--model", NANO, "--json", text=lines.encode())
        self.silent("an error", done.stdout + done.stderr)
        refused = done.stderr.count(b"medmo: ")
        self.assertGreater(refused, 50)
        self.assertLessEqual(refused, len(damaged) + 1)
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
