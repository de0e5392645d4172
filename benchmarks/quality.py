"""Measures the photograph models beside the classical methods on test images, and keeps the means in ``benchmarks/results``.

    pip install -e '.[bench]'
    python benchmarks/quality.py BSD68=FOLDER CBSD68=FOLDER Set12=FOLDER --baselines none,nlm-opencv,bm3d

A set's file is the summary of ``pellucid evaluate``, its protocol beside it. Rows that are not measured now stay as they
were, so that a new model is measured in a minute: classical methods are measured again only with ``--baselines``. ``pages.py``
makes the pages from it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid import degradations, evaluation, files, restorer
from pellucid.errors import OptionError, PellucidError

RESULTS = Path(__file__).resolve().parent / "results"
LEVELS = (15, 25, 50)
ESTIMATED = ", level estimated"
"""Added to a model's name where it was not given the level."""


def measure(name: str, folder: Path, models: list[str], baselines: list[str], workers: int, runs_an_image: int) -> list[str]:
    """Measures a set and keeps what is not measured now as it was; what failed, a line each."""
    images = evaluation.load_images(folder)
    noises = [degradations.parse(f"gaussian:{level}") for level in LEVELS]
    loaded = {model: restorer.load(model) for model in models}

    def show(done: int, total: int) -> None:
        print(f"\r{name} {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    if not loaded and not baselines:
        raise OptionError("quality: nothing to measure; name --baselines")
    runs: list[evaluation.Evaluation] = []
    for blind in (False, True):
        classical = [] if blind else baselines
        if loaded or classical:
            runs.append(
                evaluation.evaluate(
                    images,
                    models=loaded,
                    noises=noises,
                    baselines=classical,
                    blind=blind,
                    workers=workers,
                    runs=runs_an_image,
                    memory=not blind,
                    on_progress=show,
                )
            )
    rows = [
        {**row, "method": row["method"] + (ESTIMATED if run.protocol["blind"] else ""), "at_a_time": workers}
        for run in runs
        for row in run.summary
    ]
    protocol = {key: value for key, value in runs[0].protocol.items() if key not in ("models", "baselines", "level", "blind")}
    keep(name, rows, protocol)
    return [line for run in runs for line in run.failed]


def keep(name: str, rows: Sequence[dict[str, Any]], protocol: dict[str, Any]) -> None:
    """Writes what was measured of a set; what was measured before of other methods or noises stays."""
    kept = RESULTS / f"{name}.json"
    before: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.exists() else {"protocol": {}, "summary": []}
    if before["protocol"].get("pixels", protocol["pixels"]) != protocol["pixels"]:
        raise OptionError(f"{kept} is of other images; another name, or delete it")
    measured = {(row["method"], row["noise"]) for row in rows}
    rows = [row for row in before["summary"] if (row["method"], row["noise"]) not in measured] + list(rows)
    # Methods and noises that were measured before stay named, methods with the versions that they were measured with.
    earlier = before["protocol"]
    for key, now in protocol.items():
        if key in earlier and isinstance(now, dict):
            protocol = protocol | {key: earlier[key] | now}
        elif key == "noise" and key in earlier:
            protocol = protocol | {key: list(dict.fromkeys([*earlier[key], *now]))}
    RESULTS.mkdir(exist_ok=True)
    with files.replacing(kept, overwrite=True) as temporary:
        temporary.write_text(json.dumps({"protocol": protocol, "summary": rows}, indent=1) + "\n", "utf-8")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER", help="sets to measure; the name is the table's")
    parser.add_argument(
        "--model",
        action="append",
        help="a model's name or file; may be repeated; none: only baselines (default: photo, photo-fast)",
    )
    parser.add_argument(
        "--baselines", default="", help="classical methods to measure, such as none,nlm-opencv,bm3d (default: those kept)"
    )
    parser.add_argument("--workers", type=int, default=1, help="images at a time; times suffer (default: 1)")
    parser.add_argument("--runs", type=int, default=3, help="timed calls an image (default: 3)")
    options = parser.parse_args()
    failed: list[str] = []
    try:
        for text in options.sets:
            name, is_set, folder = text.partition("=")
            if not is_set:
                parser.error(f"{text!r}: say NAME=FOLDER")
            baselines = [entry for entry in options.baselines.split(",") if entry]
            models = [model for model in options.model or ["photo", "photo-fast"] if model != "none"]
            failed += measure(name, Path(folder), models, baselines, options.workers, options.runs)
    except PellucidError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 1
    for line in failed:
        print(f"quality: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
