"""How soon the page shows what a moved knob does: from the request to the whole answer, at one megapixel.

    python benchmarks/preview.py [--runs 5] [--json]

A server on this machine is sent a noisy picture of 1024x1024 pixels and asked for the part that the page asks for: all that is
visible, or as much of it as the service says that it restores soon enough. Each knob of `denoise` that the page shows live is moved
in turn; the first request of each, which may load a model, is printed by itself. The page waits 0.15 s after the last movement
before it asks. After a hint of colour it asks at once, with a small copy of the picture.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from serve import SIGMA, served

from pellucid import files, images, samples

SIDE = 1024
KNOBS = ("strength=0.7", "strength=1.3", "colour_noise=0.5", "colour_noise=1.5", "keep_grain=0.3", "detail=1.5")


def picture() -> bytes:
    """The package's photograph, enlarged, with noise, as PNG."""
    clean = samples.photograph() / np.float32(255)
    times = -(-SIDE // min(clean.shape[:2]))
    large = np.repeat(np.repeat(clean, times, axis=0), times, axis=1)[:SIDE, :SIDE]
    noisy = large + np.random.default_rng(0).standard_normal(large.shape, dtype=np.float32) * np.float32(SIGMA / 255)
    with tempfile.TemporaryDirectory() as folder:
        files.write(Path(folder) / "noisy.png", images.from_array(np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)))
        return (Path(folder) / "noisy.png").read_bytes()


def small_gray() -> bytes:
    """The small copy of a gray picture that the page sends for the sketch after a hint, as PNG."""
    gray = samples.photograph()[:320, :480].mean(axis=2).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        files.write(Path(folder) / "gray.png", images.from_array(gray))
        return (Path(folder) / "gray.png").read_bytes()


def asked(server: http.client.HTTPConnection, path: str, body: bytes | None = None) -> tuple[bytes, float]:
    """The answer of a request, and the seconds it took."""
    begun = time.perf_counter()
    server.request("GET" if body is None else "POST", path, body, {} if body is None else {"Content-Type": "image/png"})
    answer = server.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
    return content, time.perf_counter() - begun


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    body = picture()
    found: dict[str, dict[str, float]] = {}
    with served((), dict(os.environ)) as (_, port, _):
        server = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        limits = json.loads(asked(server, "/v1/models")[0])["limits"]
        side = min(SIDE, int(math.sqrt(limits["preview"])))
        start = (SIDE - side) // 2
        part = f"part={start},{start},{start + side},{start + side}"
        for knob in KNOBS:
            took = [asked(server, f"/v1/restore?{knob}&{part}", body)[1] for _ in range(options.runs + 1)]
            found[knob] = {"first": took[0], "median": statistics.median(took[1:]), "most": max(took[1:])}
        gray = small_gray()
        hints = [f"hint={100 + 9 * number},{80 + 5 * number}%3D%23a03020" for number in range(options.runs + 1)]
        took = [asked(server, f"/v1/restore?task=colorize&{hint}", gray)[1] for hint in hints]
        found["a hint of colour"] = {"first": took[0], "median": statistics.median(took[1:]), "most": max(took[1:])}
        server.close()
    if options.json:
        print(json.dumps({"side": side, "seconds": found}))
        return 0
    print(f"a part of {side}x{side} pixels of {SIDE}x{SIDE}; seconds to the whole answer")
    for knob, seconds in found.items():
        print(f"{knob:20} {'  '.join(f'{name} {value:.2f}' for name, value in seconds.items())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
