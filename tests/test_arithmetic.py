"""The tests marked ``arithmetic`` once more, in a process of their own for each instruction set that the processor can play beside
the one that it has: that one they run on as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
MARKED = sorted(path for path in TESTS.rglob("test_*.py") if re.search(r"pytest\.mark\.arithmetic\b", path.read_text()))

NEEDS = {
    "AVX2": {"avx2"},
    "AVX2_VNNI": {"avx_vnni"},
    "AVX512_CORE_VNNI": {"avx512bw", "avx512_vnni"},
    "AVX512_CORE_BF16": {"avx512_bf16"},
    "AVX512_CORE_AMX": {"amx_int8", "amx_bf16"},
}
"""A value of the environment variable ONEDNN_MAX_CPU_ISA, which keeps OpenVINO to an instruction set -> the processor's flags that
it needs."""


BEYOND = {"avx512_fp16", "amx_fp16"}
"""Flags of instruction sets above all of `NEEDS`: a processor with one of them plays the newest of those, too."""


def playable(cpuinfo: str | None = None) -> tuple[str, ...]:
    """The keys of `NEEDS` that this processor can play and that are not all it has, the oldest first; none where it does not say
    what it has.

    ``cpuinfo``: what Linux says of a processor, in the place of this one's.
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        cpuinfo = path.read_text() if path.exists() else ""
    line = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    found = tuple(name for name, needed in NEEDS.items() if needed <= flags)
    return found if flags & BEYOND else found[:-1]


def test_a_processor_plays_what_it_has_flags_for() -> None:
    assert playable("") == ()
    # The tests as they are run on the best that there is.
    assert playable("flags\t\t: fpu avx2 fma\n") == ()
    assert playable("flags\t\t: fpu avx2 fma avx_vnni\n") == ("AVX2",)
    server = "processor: 0\nflags : avx2 avx512bw avx512_vnni avx512_bf16"
    assert playable(f"{server}\n") == ("AVX2", "AVX512_CORE_VNNI")
    assert playable(f"{server} amx_int8 amx_bf16\n") == ("AVX2", "AVX512_CORE_VNNI", "AVX512_CORE_BF16")
    assert playable(f"{server} avx512_fp16\n") == ("AVX2", "AVX512_CORE_VNNI", "AVX512_CORE_BF16")
    assert playable(f"{server} avx512_fp16 amx_int8 amx_bf16 amx_fp16\n")[-1] == "AVX512_CORE_AMX"


@pytest.mark.parametrize(
    "name", playable() or [pytest.param("", marks=pytest.mark.skip(reason="the processor has no other instruction set to play"))]
)
def test_what_is_promised_holds_on(name: str, tmp_path: Path) -> None:
    files = [path for path in MARKED if path != Path(__file__)]
    assert files
    # Compiled graphs are for one instruction set.
    play = {**os.environ, "ONEDNN_MAX_CPU_ISA": name, "PELLUCID_CACHE": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "arithmetic",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *map(str, files),
    ]
    done = subprocess.run(command, cwd=TESTS.parent, env=play, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
