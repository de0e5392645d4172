"""Hostile uploads to a running service: each must be answered in one line and 4xx, or restored; nothing may stay behind.

    python tests/fuzz_web.py --count 2000 [--seed 0] [--schemathesis PROGRAM]

Whole files of every format are damaged as in ``fuzz.py``, and sent in turn as they are, under a wrong media type, in a form that is
whole, and in one that is damaged, too; among them are pictures that unpack to far more than they are, and settings that are none.
An answer of 5xx, none at all, one that names a path, or a file left in the server's folder is a finding. Then schemathesis sends
what the service's own description (OpenAPI) allows and forbids.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fuzz

MEDIA = (
    "application/octet-stream",
    "image/png",
    "image/jpeg",
    "image/tiff",
    "application/dicom",
    "text/html",
    "",
    "image/png; x=\xff",
)

QUERIES = (
    "",
    "?sigma=25",
    "?sigma=1e999",
    "?strength=-0",
    "?format=tiff&strip=true",
    "?range=0:0",
    "?range=-1e308:1e308",
    "?axes=YXYX",
    "?axes=%00%ff",
    "?model=..%2f..%2fetc%2fpasswd",
    "?model=digits",
    "?preview=true",
    "?gain=true&keep_grain=1",
    "?task=upscale&strength=0",
    "?task=upscale&scale=8",
    "?task=upscale&scale=1e999",
)


def bombs() -> list[bytes]:
    """Small files that claim, or are, much more."""

    def png(width: int, height: int, depth: int, kind: int, packed: bytes) -> bytes:
        def chunk(name: bytes, content: bytes) -> bytes:
            return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

        head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, kind, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")

    zeros = zlib.compress(bytes(3_000_000), 9)
    words = zlib.compress(bytes(50_000_000), 9)
    text = b"zTXtkey\0\0" + words
    with_text = png(1, 1, 8, 0, zlib.compress(b"\0\0"))
    place = with_text.index(b"IDAT") - 4
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    return [
        png(1_000_000, 1_000_000, 8, 2, zeros),
        png(2**31 - 1, 1, 16, 6, zeros),
        png(30_000, 30_000, 1, 0, zeros),
        with_text[:place] + chunk + with_text[place:],
        b"P6\n65535 65535\n255\n" + bytes(1000),
        b"P3\n9999999999 1\n255\n",
        b"BM" + bytes(12) + (40).to_bytes(4, "little") + (2**30).to_bytes(4, "little") * 2 + bytes(40),
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000), }" + b" " * 50 + b"\n",
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }" + b" " * 60 + b"\ncos\nsystem\n",
        b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0\x01\0\0\0\xff\xff\xff\xff\x08\0\0\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"\xff\xd8\xff\xe0" + bytes(100),
    ]


def form(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    name = chance.choice(("image",) * 9 + ("picture", "im\0age", "x" * 9000))
    file = chance.choice(("a.png", "a.png", "../../a.png", "a.nef", "a.dcm", "a\0.dcm", "\xff\xfe", "a" * 5000))
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
    whole = head.encode("latin-1") + content + b"\r\n--edge--\r\n"
    if chance.random() < 0.4:
        whole = fuzz.mutated(whole, content, chance)
    return whole, "multipart/form-data; boundary=" + chance.choice(("edge",) * 9 + ("other", "", "e" * 200))


class Service:
    """The process under attack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--no-browser"]
        limits = ["--workers", "2", "--max-megapixels", "2", "--max-megabytes", "5", "--timeout", "20"]
        environment = {**os.environ, "TMPDIR": str(folder)}
        self.process = subprocess.Popen([*command, *limits], stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        found = re.search(r"at (http://\S+:(\d+)/)", self.process.stdout.readline())
        assert found is not None
        self.address, self.port = found[1], int(found[2])

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def left(self) -> list[str]:
        return [path.name for root in self.folder.glob("pellucid-web-*") for path in root.iterdir()]

    def restarts(self) -> int:
        found = re.search(rb"^pellucid_worker_restarts_total (\d+)", self.ask("GET", "/metrics", None, {})[1], re.MULTILINE)
        return int(found[1]) if found else -1

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def attack(service: Service, count: int, seed: int) -> list[str]:
    """Sends ``count`` uploads; returns the findings, a line for each."""
    findings = []
    with tempfile.TemporaryDirectory() as place:
        wholes = [(path.suffix, path.read_bytes()) for path in fuzz.seeds(Path(place))]
    hostile = bombs()
    statuses: Counter[int] = Counter()
    begun = time.monotonic()
    for index in range(count):
        chance = random.Random(f"{seed}/{index}")
        content = hostile[index // 10 % len(hostile)] if index % 10 == 0 else fuzz.numbered(index, seed, wholes)[1]
        media, body = chance.choice(MEDIA) if chance.random() < 0.2 else MEDIA[0], content
        if index % 5 == 0:
            body, media = form(content, chance)
        # Most of them such that they come as far as a decoder.
        path = chance.choice(("/v1/restore", "/v1/inspect")) + (chance.choice(QUERIES) if chance.random() < 0.2 else "")
        accept = ("*/*", "application/json", "image/*", "multipart/form-data")
        headers = {"Accept": chance.choice(accept) if chance.random() < 0.2 else "*/*"}
        if media:
            headers["Content-Type"] = media
        try:
            status, answer = service.ask("POST", path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            findings.append(f"upload {index} ({path}): no answer: {error!r}")
            if service.process.poll() is not None:
                findings.append(f"the server ended with {service.process.returncode}")
                return findings
            continue
        statuses[status] += 1
        said = None
        if status != 200:
            message = json.loads(answer)["error"] if answer.startswith(b'{"error"') else ""
            if not 400 <= status < 500:
                said = f"status {status}: {message}"
            elif not message or "\n" in message or str(service.folder) in message or "/tmp" in message:
                said = f"not one plain line: {answer[:300]!r}"
        if said is not None:
            findings.append(f"upload {index} ({urllib.parse.unquote(path)!r}, {media[:40]!r}): {said}")
            print(findings[-1], flush=True)
        if (index + 1) % 500 == 0:
            print(f"{index + 1} of {count}, {len(findings)} findings, {time.monotonic() - begun:.0f} s", flush=True)
    time.sleep(0.5)
    if service.left():
        findings.append(f"left behind: {', '.join(service.left())}")
    print(f"statuses: {dict(sorted(statuses.items()))}; workers replaced after a decoder's crash or time: {service.restarts()}")
    return findings


def main() -> int:
    parser = argparse.ArgumentParser(description="Hostile uploads to a running service: only 4xx, or restored.")
    parser.add_argument("--count", type=int, default=2000, help="uploads (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: 0)")
    parser.add_argument("--schemathesis", type=Path, help="its program, to be run against the same server")
    parser.add_argument("--examples", type=int, default=50, help="of schemathesis, for each operation (default: 50)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        service = Service(Path(place))
        try:
            findings = attack(service, options.count, options.seed)
            print(f"{options.count} uploads, {len(findings)} findings", flush=True)
            status = 0
            if options.schemathesis is not None:
                # A description cannot say which bytes make a picture: that what it allows may be refused is no finding.
                excluded = "positive_data_acceptance"
                command = [options.schemathesis, "run", f"{service.address}openapi.json", "--checks", "all"]
                more = ["--exclude-checks", excluded, "--max-examples", str(options.examples), "--seed", str(options.seed)]
                status = subprocess.run([*command, *more], check=False).returncode
        finally:
            ended = service.end()
        left = list(Path(place).iterdir())
    if ended or left:
        findings.append(f"the server ended with {ended}, and left {left}")
        print(findings[-1])
    return 1 if findings or status else 0


if __name__ == "__main__":
    sys.exit(main())
