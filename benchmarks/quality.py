"""Measures the photograph models beside the classical methods, keeps the scores, and writes the README's table from them.

    pip install -e '.[bench]'
    python benchmarks/quality.py BSD68=FOLDER CBSD68=FOLDER

A set's scores are kept in ``benchmarks/results/``, so that a new model is measured in a minute: classical methods are measured
again only with ``--baselines``. Without a folder the table is written from what is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pellucid import degradations, evaluation, files, restorer
from pellucid.errors import PellucidError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "README.md"
BEGIN, END = "<!-- table by benchmarks/quality.py -->", "<!-- end of the table -->"
LEVELS = (15, 25, 50)
LABELS = {"none": "noisy", "nlm-opencv": "OpenCV non-local means", "nlm-skimage": "scikit-image non-local means", "bm3d": "BM3D"}

Scores = dict[str, dict[str, float]]
"""PSNR in dB by method and noise."""


def scores_of(result: evaluation.Evaluation, suffix: str = "") -> Scores:
    """The means of an evaluation; ``suffix`` is added to the methods' names."""
    found: Scores = {}
    for row in result.summary:
        found.setdefault(row["method"] + suffix, {})[row["noise"]] = row["psnr"]
    return found


def measure(name: str, folder: Path, models: list[str], baselines: list[str]) -> None:
    """Measures a set and keeps what is not measured now as it was."""
    kept = RESULTS / f"{name}.json"
    before: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.exists() else {"scores": {}, "protocol": {}}
    images = evaluation.load_images(folder)
    noises = [degradations.parse(f"gaussian:{level}") for level in LEVELS]
    loaded = {model: restorer.load(model) for model in models}

    def show(done: int, total: int) -> None:
        print(f"\r{name} {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    told = evaluation.evaluate(images, models=loaded, noises=noises, baselines=baselines, on_progress=show)
    scores = before["scores"] | scores_of(told)
    if loaded:
        blind = evaluation.evaluate(images, models=loaded, noises=noises, baselines=(), blind=True, on_progress=show)
        scores |= scores_of(blind, ", level estimated")
    protocol = {key: value for key, value in told.protocol.items() if key not in ("models", "level", "blind")}
    RESULTS.mkdir(exist_ok=True)
    with files.replacing(kept, overwrite=True) as temporary:
        temporary.write_text(json.dumps({"protocol": protocol, "scores": scores}, indent=1) + "\n", "utf-8")


def table() -> str:
    """The sets that are kept as one Markdown table: a row a method, a column a set and level."""
    sets = {path.stem: json.loads(path.read_text("utf-8"))["scores"] for path in sorted(RESULTS.glob("*.json"))}
    methods: list[str] = []
    for scores in sets.values():
        methods += [method for method in scores if method not in methods]
    classical = [method for method in LABELS if method in methods]
    methods = classical + sorted(method for method in methods if method not in classical)
    head = ["", *(f"{name} {level}" if level == LEVELS[0] else str(level) for name in sets for level in LEVELS)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for method in methods:
        label = LABELS.get(method, "`" + method.replace(", ", "`, ", 1) if ", " in method else f"`{method}`")
        cells = [scores.get(method, {}).get(f"gaussian:{level}") for scores in sets.values() for level in LEVELS]
        lines.append("| " + " | ".join([label, *("" if cell is None else f"{cell:.2f}" for cell in cells)]) + " |")
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="NAME=FOLDER", help="sets to measure; the name is the table's")
    parser.add_argument("--model", action="append", help="a model's name or file; may be repeated (default: photo)")
    parser.add_argument(
        "--baselines", default="", help="classical methods to measure, such as none,nlm-opencv,bm3d (default: those kept)"
    )
    options = parser.parse_args()
    try:
        for text in options.sets:
            name, is_set, folder = text.partition("=")
            if not is_set:
                parser.error(f"{text!r}: say NAME=FOLDER")
            measure(name, Path(folder), options.model or ["photo"], [b for b in options.baselines.split(",") if b])
    except PellucidError as error:
        print(f"quality: {error}", file=sys.stderr)
        return 1
    page = PAGE.read_text("utf-8")
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        print(f"quality: {PAGE} has no place for the table ({BEGIN} ... {END})", file=sys.stderr)
        return 1
    with files.replacing(PAGE, overwrite=True) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
