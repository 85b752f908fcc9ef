#!/usr/bin/env python3
"""The page that medmo evaluate writes, opened in a real browser: its pictures load and are seen. Standard library only.

    tests/browser/page_test.py MEDMO TESTS [SCREENSHOT]      TESTS: the folder tests

The page is served to a headless Chromium; what it fetches is counted, and the colours of the drawn boxes are looked for in a
screenshot, which is kept if a place for it is named.
"""
import functools
import http.server
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

MEDMO, TESTS = sys.argv[1], pathlib.Path(sys.argv[2])
LABEL_COLOURS = ((255, 214, 10), (0, 208, 255))          # of the overlay's first two labels
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pixels(path):
    """Rows of an 8-bit RGB or RGBA PNG as (channels, [bytes])."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
        elif kind == b"IDAT":
            packed += chunk
        at += size + 12
    assert depth == 8 and colour in (2, 6), (depth, colour)
    channels = 3 if colour == 2 else 4
    raw, pitch, above, rows = zlib.decompress(packed), width * channels, bytes(width * channels), []
    for y in range(height):
        kind, row = raw[y * (pitch + 1)], bytearray(raw[y * (pitch + 1) + 1:(y + 1) * (pitch + 1)])
        for i in range(pitch):
            a, b, c = row[i - channels] if i >= channels else 0, above[i], above[i - channels] if i >= channels else 0
            if kind == 1:
                row[i] = (row[i] + a) & 255
            elif kind == 2:
                row[i] = (row[i] + b) & 255
            elif kind == 3:
                row[i] = (row[i] + (a + b) // 2) & 255
            elif kind == 4:
                p = a + b - c
                row[i] = (row[i] + min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]) & 255
        rows.append(bytes(row))
        above = row
    return channels, rows


def seen(rows, channels, colour):
    return sum(1 for row in rows for i in range(0, len(row), channels)
               if all(abs(row[i + k] - colour[k]) < 24 for k in range(3)))


def main():
    browser = next((b for b in map(shutil.which, BROWSERS) if b), None)
    if not browser:
        sys.exit("no browser: install chromium")
    with tempfile.TemporaryDirectory(prefix="medmo_page_") as scratch:
        root = pathlib.Path(scratch)
        (root / "data/images").mkdir(parents=True)
        shutil.copy(TESTS / "data/images/cell.png", root / "data/images/cell.png")
        objects = [dict(label="<b>cell</b>", box=[30, 30, 90, 110]), dict(label="debris & dust", box=[100, 20, 140, 60])]
        rows = [dict(image="images/cell.png", objects=objects), dict(image="images/cell.png", objects=objects[:1])]
        (root / "data/boxes.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        subprocess.run([MEDMO, "evaluate", "--baseline", "--benchmark", "boxes", "--data", root / "data", "--out", root / "out", "--page", "5"],
                       check=True, stdout=subprocess.DEVNULL)
        page = root / "out/page"
        html = (page / "index.html").read_text()
        wanted = set(re.findall(r'<img src="([^"]+)"', html))
        assert len(wanted) == 4, wanted
        assert "<b>" not in html and "<script" not in html

        fetched = {}

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_request(self, code="-", size="-"):
                fetched[self.path.lstrip("/")] = int(code)

            def log_error(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=page))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shot = root / "shot.png"
        subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                        f"--user-data-dir={root / 'profile'}", "--window-size=1200,1600", f"--screenshot={shot}",
                        f"http://127.0.0.1:{server.server_port}/index.html"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
        server.shutdown()
        assert {n: fetched.get(n) for n in wanted} == dict.fromkeys(wanted, 200), fetched
        channels, rows = pixels(shot)
        assert len(rows) == 1600
        for colour in LABEL_COLOURS:
            count = seen(rows, channels, colour)
            print(f"{count} pixels of colour {colour}")
            assert count > 500, "the drawn boxes are not seen"
        if len(sys.argv) > 3:
            shutil.copy(shot, sys.argv[3])
        print(f"{len(wanted)} pictures loaded by {browser}")


if __name__ == "__main__":
    main()
