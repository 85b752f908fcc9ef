#!/usr/bin/env python3
"""`medmo chat` in a terminal, as a person has it: a pty, echo, Ctrl-C, Ctrl-D. Standard library only.

    tests/cli/terminal_test.py MEDMO DATA [unittest arguments]      DATA: examples/data
"""
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

MEDMO, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
TEST_DATA = DATA.parent.parent / "tests/data"
SCRATCH = tempfile.TemporaryDirectory(prefix="medmo_terminal_")
ROOT = pathlib.Path(SCRATCH.name)
NANO = ROOT / "nano"
PATIENCE = 60  # seconds; only a failure waits that long
INTERRUPT, END = "\x03", "\x04"


def setUpModule():
    subprocess.run([MEDMO, "init", "--config", "medmo_nano", "--seed", "3", "--dtype", "f32", "--out", NANO], check=True,
                   capture_output=True)


def tearDownModule():
    SCRATCH.cleanup()


class Terminal:
    """A chat with its own terminal; everything it shows, stdout and stderr, in `seen`."""

    def __init__(self, *more):
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(MEDMO, [MEDMO, "chat", "--model", str(NANO), *map(str, more)])
        self.seen = ""
        self.until("> ")

    def until(self, words):
        """What is shown from now on up to these words."""
        shown, deadline = b"", time.monotonic() + PATIENCE
        while words.encode() not in shown:
            if time.monotonic() > deadline:
                raise AssertionError(f"{words!r} never shown, only {shown!r} after {self.seen[-300:]!r}")
            if not select.select([self.end], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self.end, 65536)
            except OSError:
                piece = b""
            if not piece:
                raise AssertionError(f"ended before {words!r}: {shown!r}")
            shown += piece
        self.seen += shown.decode(errors="replace")
        return shown.decode(errors="replace")

    def say(self, text, until="\r\n> "):
        os.write(self.end, text.encode())
        return self.until(until).removesuffix("> ").replace("\r\n", "\n")

    def ask(self, line):
        """The answer to a line: what follows its echo and the dots of waiting."""
        shown = self.say(line + "\n")
        return re.sub(r"^\.\.\.\r\x1b\[K", "", shown.split("\n", 1)[1])

    def ended(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                os.close(self.end)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.end], [], [], 0.05)[0]:
                try:
                    os.read(self.end, 65536)
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("does not end")


class Chat(unittest.TestCase):
    def test_a_first_conversation(self):
        t = Terminal("--greedy", "--max-new-tokens", 6)
        self.assertIn("/image FILE", t.seen)
        self.assertIn("/overlay FILE", t.ask("/help"))
        self.assertIn('found "/help me"', t.ask("/help me"))
        self.assertIn("/no/such.png: expected a readable file", t.ask("/image /no/such.png"))
        self.assertIn("/image: expected a file, found none", t.ask("/image"))
        self.assertEqual(t.ask(""), "")
        self.assertEqual(t.ask("   "), "")
        first = t.ask("What is it?")
        self.assertIn("(length)", first)
        self.assertIn("(length)", t.ask("Où est la lésion ? 肺"))
        self.assertEqual(t.ask("/reset"), "a new conversation\n")
        self.assertEqual(t.ask("What is it?"), first)
        os.write(t.end, END.encode())
        self.assertEqual(t.ended(), 0)

    def test_pictures(self):
        t = Terminal("--seed", 1, "--temperature", 3, "--max-new-tokens", 6)
        self.assertIn("expected a question about a picture before it", t.ask(f"/overlay {ROOT / 'none.png'}"))
        self.assertEqual(t.ask(f"/image {TEST_DATA / 'images/cell.png'}"), "550 x 660, for the next question\n")
        spaced = ROOT / "a picture.png"
        spaced.write_bytes((TEST_DATA / "images/microaneurysms.png").read_bytes())
        self.assertEqual(t.ask(f"/image '{spaced}' "), "102 x 102, for the next question\n")   # dragged into the window
        both = t.ask("Compare.")
        self.assertIn("(length)", both)
        self.assertNotEqual(both, t.ask("Compare."))                                            # they were for one question
        drawn = ROOT / "drawn.png"
        self.assertEqual(t.ask(f"/overlay {drawn}"), "0 boxes\n")
        self.assertEqual(drawn.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        dicom = t.ask(f"/image {TEST_DATA / 'dicom/CT_small.dcm'}")
        self.assertTrue("128 x 128" in dicom or "without DCMTK" in dicom, dicom)
        self.assertNotIn("CompressedSamples", t.seen)
        os.write(t.end, b"/quit\n")
        self.assertEqual(t.ended(), 0)

    def test_interrupts(self):
        ends = json.loads((NANO / "generation_config.json").read_text())["eos_token_id"]
        endless = [x for i in ends for x in ("--logit-bias", f"{i}:-inf")]
        t = Terminal("--seed", 1, "--temperature", 3, "--max-new-tokens", 6000, *endless)
        self.assertIn("(Ctrl-C again, Ctrl-D or /quit ends)", t.say("half a line" + INTERRUPT))
        for question in ("Go on and on.", "And now?"):                                          # the conversation lives on
            t.say(question + "\n", until="\x1b[K")                                              # the first letters come
            t.say(INTERRUPT, until="(cancelled)\r\n> ")
        t.say(INTERRUPT)                                                                        # a hint, then the end
        os.write(t.end, INTERRUPT.encode())
        self.assertEqual(t.ended(), 0)

    def test_a_line_that_the_terminal_cuts(self):
        t = Terminal("--greedy", "--max-new-tokens", 2)
        self.assertIn("expected fewer than 4095 bytes", t.say("word " * 1200 + "\n", until="found 4095\r\n> "))
        self.assertIn("(length)", t.ask("word " * 700))
        os.write(t.end, END.encode())
        self.assertEqual(t.ended(), 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
