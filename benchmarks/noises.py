"""Measures `photo` with nothing given, under every kind of noise, beside what people use, and keeps the means in
``benchmarks/results``.

    pip install -e '.[bench]'
    python benchmarks/noises.py Set12=FOLDER CBSD68=FOLDER [--model photo] [--limit 20]

``pages.py`` makes the table of ``docs/noise.md`` from it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from quality import keep

from pellucid import degradations, evaluation, restorer
from pellucid.errors import PellucidError

NOISES = (
    "salt-pepper:0.1",
    "salt-pepper:0.3",
    "salt-pepper:0.5",
    "salt-pepper:0.7",
    "salt-pepper:0.9",
    "impulses:0.1",
    "impulses:0.3",
    "gaussian:25",
    "gaussian:25+salt-pepper:0.1",
    "gaussian:25+impulses:0.1",
    "gaussian:25:clip",
    "gaussian:50:clip",
    "gaussian:25:clip+impulses:0.1",
    "poisson:1:clip",
    "poisson:4:clip",
    "poisson:30:clip",
    "speckle:0.1:clip",
    "poisson:4",
    "poisson:30",
    "speckle:0.1",
    "jpeg:10",
    "jpeg:20",
    "jpeg:40",
    "grain:10:clip",
    "camera:0.0005",
    "camera:0.003",
)
BASELINES = ("none", "median", "adaptive-median", "nlm-opencv")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER", help="sets to measure; the name is the table's")
    parser.add_argument("--model", default="photo", help="the model's name or file (default: photo)")
    parser.add_argument(
        "--baselines", default=",".join(BASELINES), help=f"classical methods (default: {','.join(BASELINES)}; '': those kept)"
    )
    parser.add_argument("--noise", action="append", default=[], help="only these; may be repeated")
    parser.add_argument("--limit", type=int, help="only the first so many images of a set")
    options = parser.parse_args()
    failed: list[str] = []
    for text in options.sets:
        name, is_set, folder = text.partition("=")
        if not is_set:
            parser.error(f"{text!r}: say NAME=FOLDER")

        def show(done: int, total: int, name: str = name) -> None:
            print(f"\r{name} {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

        try:
            found = evaluation.evaluate(
                evaluation.load_images(Path(folder), limit=options.limit),
                models={options.model: restorer.load(options.model)},
                noises=[degradations.parse(noise) for noise in options.noise or NOISES],
                baselines=[name for name in options.baselines.split(",") if name],
                blind=True,
                runs=1,
                on_progress=show,
            )
            keep(f"noises-{name}", found.summary, found.protocol)
        except PellucidError as error:
            print(f"noises: {error}", file=sys.stderr)
            return 1
        failed += found.failed
    for line in failed:
        print(f"noises: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
