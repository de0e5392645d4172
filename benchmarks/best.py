"""How much nearer to the clean picture the mean of several answers is, and how much longer it takes.

    python benchmarks/best.py FOLDER [--model photo] [--sigma 15 25 50] [--limit N]

The noise is that of `pellucid evaluate`; the level is given. The mean of 1 answer, of 4 (`denoise --best`), and of 8 is scored.
Times are the processor's, as a ratio to one answer.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from pellucid import denoising, files, images, metrics, restorer
from pellucid.denoising import Turned
from pellucid.engines import Graph
from pellucid.maps import Curve
from pellucid.noise import Noise

TURNS = (1, 4, 8)


def main() -> None:
    """Measures, and prints a line for each level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="photo")
    parser.add_argument("--sigma", type=float, nargs="+", default=[15, 25, 50])
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    paths = files.list_images(options.folder)[: options.limit]
    models = restorer.load(options.model).models
    print(f"{len(paths)} images; PSNR in dB and time, by answers: {', '.join(map(str, TURNS))}")
    for sigma in options.sigma:
        scores: dict[int, list[float]] = {turns: [] for turns in TURNS}
        seconds = dict.fromkeys(TURNS, 0.0)
        for number, path in enumerate(paths):
            clean = files.read(path).pixels
            noise = np.random.default_rng(number).standard_normal(clean.shape) * (sigma / 255)
            role = "gray" if clean.shape[2] == 1 else "colour"
            graph = models.graph(role if role in models else next(iter(models)))
            for turns in TURNS:
                begun = time.process_time()
                output = restored(Turned(graph, turns), np.asarray(clean + noise, dtype=np.float32), sigma)
                seconds[turns] += time.process_time() - begun
                scores[turns].append(metrics.psnr(clean, np.clip(output, 0, 1), data_range=1.0))
        means = "  ".join(f"{np.mean(scores[turns]):.3f} ({seconds[turns] / seconds[1]:.2f} x)" for turns in TURNS)
        print(f"sigma {sigma:g}  {means}", flush=True)


def restored(graph: Graph, noisy: images.Pixels, sigma: float) -> images.Pixels:
    """The whole picture (h, w, c) in one piece."""
    height, width = noisy.shape[:2]
    step = graph.card.multiple_of
    padded = np.pad(noisy, ((0, -height % step), (0, -width % step), (0, 0)), mode="symmetric").transpose(2, 0, 1)
    output = denoising.answer(graph, Noise(sigma, Curve(sigma / 255)), np.ascontiguousarray(padded))
    return output[:, :height, :width].transpose(1, 2, 0)


if __name__ == "__main__":
    main()
