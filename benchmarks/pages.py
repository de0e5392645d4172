"""Writes ``benchmarks/RESULTS.md``, the tables of the README and of pages in ``docs``, and the chart, from what was measured.

    make benchmarks SETS="BSD68=FOLDER CBSD68=FOLDER Set12=FOLDER" CLEAN=FOLDER MNIST=FOLDER      # measures, then writes
    python benchmarks/pages.py                                                                    # only writes

All of it lies in ``benchmarks/results``. ``NAME.json`` of a set of photographs is by ``quality.py``, ``digits.json`` by ``pellucid
evaluate``, ``noises-NAME.json`` by ``noises.py``, ``cameras.json`` by ``cameras.py``, ``inspecting.json`` by
``inspecting.py``, ``gain.json`` by ``gain.py``,
``speed.json`` by ``speed.py --json``, ``feeding.json`` by ``feeding.py``, ``harm.json`` by ``harm.py --json`` and ``limits.json``
and ``limits-f32.json`` by ``limits.py``, which tells them apart by the engine's precision.
"""

from __future__ import annotations

import json
import statistics
import sys
import textwrap
from pathlib import Path
from typing import Any

from quality import ESTIMATED, LEVELS, RESULTS

from pellucid import files

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DIGITS = ROOT / "docs" / "digits.md"
SPEED = ROOT / "docs" / "speed.md"
PAGE = ROOT / "benchmarks" / "RESULTS.md"
LIMITS = ROOT / "docs" / "limits.md"
NOISE = ROOT / "docs" / "noise.md"
CHART = ROOT / "docs" / "quality.svg"

WIDTH = 150
"""The longest line of a note, in characters."""

LABELS = {
    "none": "noisy",
    "gaussian": "Gaussian blur",
    "median": "median",
    "adaptive-median": "adaptive median",
    "bilateral": "bilateral filter, OpenCV",
    "tv": "total variation, scikit-image",
    "wavelet": "wavelets, scikit-image",
    "nlm-opencv": "non-local means, OpenCV",
    "nlm-skimage": "non-local means, scikit-image",
    "bm3d": "BM3D",
}

PRECISIONS = {"bf16": "bfloat16", "f32": "float32 (the processor has no bfloat16)"}

PUBLISHED = {
    "Set12": {"BM3D": (32.37, 29.97, 26.72)},
    "BSD68": {
        "BM3D": (31.08, 28.57, 25.60),
        "DnCNN": (31.73, 29.23, 26.23),
        "FFDNet": (31.63, 29.19, 26.29),
        "DRUNet": (31.91, 29.48, 26.59),
    },
    "CBSD68": {
        "BM3D": (33.52, 30.71, 27.38),
        "DnCNN": (33.90, 31.24, 27.95),
        "FFDNet": (33.87, 31.21, 27.96),
        "DRUNet": (34.30, 31.69, 28.51),
    },
}
"""PSNR in dB at the three levels, as Zhang et al. 2017 (DnCNN), 2018 (FFDNet) and 2021 (DRUNet) print them."""

SETS = ("BSD68", "CBSD68", "Set12")
NOISY_SETS = ("Set12", "CBSD68")

Rows = list[list[str]]


def kept(name: str) -> dict[str, Any] | None:
    """The results that a benchmark wrote; None where it has not been run."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text("utf-8")) if path.exists() else None
    return found


def markdown(rows: Rows) -> str:
    """A table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def label(method: str) -> str:
    """A method's name for a reader; models as they are called."""
    if method in LABELS:
        return LABELS[method]
    name, comma, rest = method.partition(", ")
    return f"`{name}`{comma}{rest}"


def ordered(methods: list[str]) -> list[str]:
    """Classical methods first, in the order of `LABELS`, then models."""
    return [name for name in LABELS if name in methods] + sorted(name for name in methods if name not in LABELS)


def cells(summary: list[dict[str, Any]], key: str, form: str) -> dict[str, list[str]]:
    """A metric by method, a cell a level."""
    found: dict[str, list[str]] = {}
    for method in dict.fromkeys(row["method"] for row in summary):
        by_noise = {row["noise"]: row.get(key) for row in summary if row["method"] == method}
        values = [by_noise.get(f"gaussian:{level}") for level in LEVELS]
        found[method] = ["" if value is None else format(value, form) for value in values]
    return found


def photographs(names: tuple[str, ...], wanted: tuple[str, ...] | None = None) -> str:
    """The sets side by side: a row a method, a column a set and level, PSNR in dB."""
    tables = {name: cells(found["summary"], "psnr", ".2f") for name in names if (found := kept(name)) is not None}
    methods = ordered(list(dict.fromkeys(method for table in tables.values() for method in table)))
    head = ["PSNR in dB", *(f"{name} {level}" if level == LEVELS[0] else str(level) for name in tables for level in LEVELS)]
    rows = [head]
    for method in methods:
        if wanted is None or method in wanted:
            rows.append([label(method), *(cell for table in tables.values() for cell in table.get(method, [""] * len(LEVELS)))])
    return markdown(rows)


def digits() -> str:
    """The test digits: PSNR, and how many are read right, by noise."""
    found = kept("digits")
    if found is None:
        return ""
    summary = found["summary"]
    noises = list(dict.fromkeys(row["noise"] for row in summary))
    by = {(row["method"], row["noise"]): row for row in summary}
    names = {"none": "noisy", "seed-digits": "`seed-digits`", "digits": "`digits`"}
    rows = [["PSNR in dB", *(_digit_noise(noise) for noise in noises)]]
    for method, name in names.items():
        rows.append([name, *(f"{by[method, noise]['psnr']:.2f}" for noise in noises)])
    text = markdown(rows)
    if all("accuracy" in row for row in summary):
        rows = [["read right", *(_digit_noise(noise) for noise in noises)]]
        for method, name in names.items():
            rows.append([name, *(f"{by[method, noise]['accuracy']:.1%}" for noise in noises)])
        clean = f"{summary[0]['accuracy_clean']:.1%}"
        text += f"\n\nA classifier that learnt from clean digits alone reads {clean} of the clean test digits right. "
        text += "With noise, and restored, it reads:\n\n"
        text += markdown(rows)
    return text


def _digit_noise(noise: str) -> str:
    kind, level = noise.split(":")[:2]
    return f"{float(level) / 255:g}" if kind == "gaussian" else f"impulses {float(level):.0%}"


def speed() -> str:
    """Seconds a picture, beside the classical methods, from one run."""
    found = kept("speed")
    if found is None:
        return ""
    rows = [["", "network alone, s", "whole call, s", "level estimated, s", "share of the peak", "to OpenCV's non-local means"]]
    for row in found["rows"]:
        values = [
            (row.get("network"), ".3f"),
            (row["call"], ".3f"),
            (row.get("estimating"), ".3f"),
            (row.get("share_of_peak"), ".0%"),
        ]
        ratio = row["to_nlm_opencv"]
        shown = ["" if value is None else format(value, form) for value, form in values]
        rows.append([f"{row['image']}: {label(row['method'])}", *shown, "" if ratio is None else f"{ratio:.2f}"])
    size, precision, peak = found["size"], found["precision"], found["peak"] / 1e9
    text = f"{size}x{size} pixels, {found['cores']} cores; a {precision} matrix product reaches {peak:.0f} GFLOP/s."
    text += f"\n\n{markdown(rows)}"
    if "file" in found:
        of = found["file"]
        text += (
            f"\n\nA colour JPEG of {of['megapixels']:.1f} megapixels, from file to file: {of['seconds']:.1f} s,"
            f" {of['rate']:.0%} of the megapixels a second of the call above."
        )
    if "process" in found:
        of = found["process"]
        text += f"\n\nA new process on a 512x512 PNG: {of['first']:.2f} s the first time,"
        text += f" {of['next']:.2f} s with the graph in the cache."
    return text


def harm() -> str:
    """Clean photographs and faint noise."""
    found = kept("harm")
    if found is None:
        return ""
    parts = [f"{found['images']} photographs that no model learnt from, their middle 512x512 pixels. 99 dB: not one pixel differs."]
    for kind in ("gray", "colour"):
        rows = [[kind, "mean", "least", "most"]]
        rows += [[name, *(f"{row[key]:.2f}" for key in ("mean", "least", "most"))] for name, row in found[kind].items()]
        parts.append(markdown(rows))
    return "\n\n".join(parts)


def noises() -> str:
    """Every kind of noise with nothing given: the mean PSNR, set by set."""
    parts = []
    for name in NOISY_SETS:
        found = kept(f"noises-{name}")
        if found is None:
            continue
        methods = ordered(list(dict.fromkeys(row["method"] for row in found["summary"])))
        rows = [[f"{name}, PSNR in dB", *(label(method) for method in methods), "gain"]]
        for noise in dict.fromkeys(row["noise"] for row in found["summary"]):
            by_method = {row["method"]: row["psnr"] for row in found["summary"] if row["noise"] == noise}
            gain = f"{by_method['photo'] - by_method['none']:+.2f}" if {"photo", "none"} <= by_method.keys() else ""
            rows.append([f"`{noise}`", *(f"{by_method[method]:.2f}" if method in by_method else "" for method in methods), gain])
        parts.append(f"{found['protocol']['count']} images:\n\n{markdown(rows)}")
    return "\n\n".join(parts)


def cameras() -> str:
    """Camera noise that LibRaw developed."""
    found = kept("cameras")
    if found is None:
        return ""
    gentle = found["strengths"].index(4)
    rows = [["gain of the shot noise", "pictures", "noisy, dB", "`photo`", "at least", "non-local means, h = 4", "at its best"]]
    for level in dict.fromkeys(row["level"] for row in found["rows"]):
        chosen = [row for row in found["rows"] if row["level"] == level]
        gains = [row["restored"] - row["noisy"] for row in chosen]
        others = [[score - row["noisy"] for score in row["non_local_means"]] for row in chosen]
        # The best strength for all pictures, as one would set it.
        best = max(statistics.mean(each) for each in zip(*others, strict=True))
        cells = (statistics.mean(gains), min(gains), statistics.mean(each[gentle] for each in others), best)
        noisy = statistics.mean(row["noisy"] for row in chosen)
        rows.append([f"{level:g}", str(len(chosen)), f"{noisy:.2f}", *(f"{value:+.2f}" for value in cells)])
    return markdown(rows)


def inspecting() -> str:
    """How well the noise is seen."""
    found = kept("inspecting")
    if found is None:
        return ""
    rows = [["done to the picture", "called", "level off", "density off", "JPEG quality off"]]
    for row in found["rows"]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in row["kinds"].items())
        errors = [
            ""
            if key not in row
            else f"{row[key]['median']:.{digits}%} ({row[key]['p90']:.{digits}%})"
            if key != "quality"
            else f"{row[key]['median']:.0f} ({row[key]['p90']:.0f})"
            for key, digits in (("level", 1), ("density", 1), ("quality", 0))
        ]
        rows.append([f"`{row['noise']}`", kinds, *errors])
    images = found["rows"][0]["images"]
    times = [f"{entry['megapixels']:.2f} megapixels {entry['inspect'] / entry['restore']:.0%}" for entry in found["times"]]
    note = f"Looking takes, as a share of the restoration's time in {PRECISIONS[found['precision']]}: {', '.join(times)}."
    head = f"{images} clean pictures that no model learnt from; errors are medians, in brackets the 90th percentile:"
    return f"{head}\n\n{markdown(rows)}\n\n{textwrap.fill(note, WIDTH)}"


def gains() -> str:
    """Predicted and true gain."""
    found = kept("gain")
    if found is None:
        return ""
    rows = [["sigma", "pairs", "true gain, dB", "prediction off (median)", "at most"]]
    for sigma in dict.fromkeys(row["sigma"] for row in found["pairs"]):
        chosen = [row for row in found["pairs"] if row["sigma"] == sigma]
        off = [abs(row["predicted"] - row["true"]) for row in chosen]
        mean = statistics.mean(row["true"] for row in chosen)
        rows.append([f"{sigma:g}", str(len(chosen)), f"{mean:.2f}", f"{statistics.median(off):.2f}", f"{max(off):.2f}"])
    return markdown(rows)


def limits() -> str:
    """Peak memory and seconds by the picture's size, a process each: a table for each precision of the engine."""
    parts = []
    for name in ("limits", "limits-f32"):
        found = kept(name)
        if found is None:
            continue
        rows = [["picture", "megapixels", "file, MB", "peak memory, MiB", "seconds", "megapixels a second"]]
        for row in found["rows"]:
            pixels = row["width"] * row["height"] / 1e6
            measured = (
                f"{row['bytes'] / 1e6:.0f}",
                f"{row['peak_mib']:.0f}",
                f"{row['seconds']:.1f}",
                f"{pixels / row['seconds']:.2f}",
            )
            rows.append([f"{row['format']}, {row['width']}x{row['height']}", f"{pixels:.0f}", *measured])
        busy = max(row["load"] for row in found["rows"])
        note = f"{found['cores']} cores, in {PRECISIONS[found['precision']]}."
        note += f" Gaussian noise of sigma {found['sigma']:g}, measured from the picture."
        # The runs themselves leave a load of about as many as there are cores.
        if busy > found["cores"] + 1:
            note += f" The machine was busy with other work besides (a load of up to {busy:.1f} before a run)"
            note += ": the seconds are too many."
        parts.append(f"{markdown(rows)}\n\n{textwrap.fill(note, WIDTH)}")
    return "\n\n".join(parts)


def feeding() -> str:
    """The training loop beside itself fed from memory."""
    found = kept("feeding")
    if found is None:
        return ""
    names = {"1": "gray", "3": "colour"}
    rows = [["recipe", "images/s", "from memory, images/s", "share", "of the processor, for batches", "of the time, waiting"]]
    for row in found["rows"]:
        recipe, _, channels = row["recipe"].partition(":")
        title = f"`{recipe}`{', ' + names[channels] if channels else ''}"
        # Beside other work the same steps take twice as long or half: that is no speed.
        calm = row["load"] <= found["cores"]
        speeds = [f"{row['fed']:.1f}", f"{row['memory']:.1f}", f"{row['ratio']:.0%}"] if calm else ["", "", ""]
        rows.append([title, *speeds, f"{row['making']:.1%}", f"{row['waiting']:.1%}"])
    note = f"{found['cores']} cores; batches of the training loop and batches that lay ready, by turns in one run; the quickest"
    note += (
        " turn of each kind counts. Where all cores are busy, what batches take of the processor is what the loop loses by them."
    )
    busiest = max(row["load"] for row in found["rows"])
    if busiest > found["cores"]:
        note += f" Speeds are left out where the machine was busy with other work (a load of up to {busiest:.0f} before a run)."
    return f"{markdown(rows)}\n\n{note}"


def results() -> str:
    """The whole page."""
    parts = [
        "# Results",
        "Every figure here is measured by a command, and this page is written from what it left:",
        '```\nmake benchmarks SETS="BSD68=FOLDER CBSD68=FOLDER Set12=FOLDER" CLEAN=FOLDER MNIST=FOLDER\n```',
        "Methods are given the level of the noise unless the row says that it is estimated.",
    ]
    for name in SETS:
        found = kept(name)
        if found is None:
            continue
        protocol, summary = found["protocol"], found["summary"]
        rows = [
            [
                "",
                *(f"{key} {level}" for key in ("PSNR", "SSIM", "MS-SSIM") for level in LEVELS),
                "worst at 25",
                "s/megapixel",
                "peak MiB",
            ]
        ]
        scores = [cells(summary, key, form) for key, form in (("psnr", ".2f"), ("ssim", ".4f"), ("ms_ssim", ".4f"))]
        middle = {row["method"]: row for row in summary if row["noise"] == "gaussian:25"}
        for method in ordered(list(scores[0])):
            row = middle[method]
            worst = f"{row['worst_psnr']:.2f} ({row['worst']})" if row.get("worst_psnr") is not None else ""
            time, peak = row.get("seconds_per_megapixel"), row.get("peak_memory_mib")
            rows.append(
                [
                    label(method),
                    *(cell for table in scores for cell in table[method]),
                    worst,
                    "" if time is None else f"{time:.2f}" + (f" ({row['at_a_time']} at a time)" if row["at_a_time"] > 1 else ""),
                    "" if peak is None else f"{peak:.0f}",
                ]
            )
        parts += [f"## {name}", f"{protocol['count']} images, Gaussian noise.", markdown(rows)]
        compared = [["published", *map(str, LEVELS), "measured here, less published"]]
        for method, values in PUBLISHED.get(name, {}).items():
            own = scores[0].get(method.lower()) if method == "BM3D" else None
            less = (
                " / ".join(f"{float(cell) - value:+.2f}" for cell, value in zip(own, values, strict=True))
                if own and all(own)
                else ""
            )
            compared.append([method, *(f"{value:.2f}" for value in values), less])
        parts += [markdown(compared), f"Protocol: {_protocol(protocol)}"]
    for title, text in (
        ("Digits", digits()),
        ("Time", speed()),
        ("Feeding of training", feeding()),
        ("Clean photographs and faint noise", harm()),
    ):
        if text:
            parts += [f"## {title}", text]
    return "\n\n".join(parts) + "\n"


def _protocol(protocol: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in protocol["versions"].items())
    fixed = "; ".join(f"{key} {protocol[key]}" for key in ("seed", "clipping", "rounding", "crop", "psnr", "times", "memory"))
    return f"{fixed}; {versions}, Python {protocol['python']}; {protocol['cpu']}, {protocol['cores']} cores."


def chart(name: str, noise: str = "gaussian:25") -> None:
    """Draws quality against time, every method a dot, as SVG; the same bytes from the same figures."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot, rcParams

    found = kept(name)
    if found is None:
        return
    rcParams.update({"svg.hashsalt": "pellucid", "font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.8))
    drawn = [
        row for row in found["summary"] if row["noise"] == noise and row["method"] != "none" and ESTIMATED not in row["method"]
    ]
    for row in drawn:
        ours = row["method"] not in LABELS
        place = (row["seconds_per_megapixel"], row["psnr"])
        axes.scatter(*place, s=60 if ours else 32, color="#c2410c" if ours else "#475569", zorder=3)
        text = row["method"] if ours else LABELS[row["method"]]
        axes.annotate(text, place, xytext=(7, -3), textcoords="offset points", fontweight="bold" if ours else "normal")
    axes.set_xscale("log")
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * 4)  # room for the words of the slowest
    axes.set_xlabel("seconds a megapixel (log)")
    axes.set_ylabel("PSNR in dB")
    axes.set_title(
        f"{name}, Gaussian noise of level {noise.split(':')[1]}, {found['protocol']['cores']} cores", loc="left", fontsize=10
    )
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.patch.set_facecolor("white")
    with files.replacing(CHART, overwrite=True) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def fill(page: str, name: str, text: str) -> str:
    """The page with ``text`` between the marks of that name; as it is where it has none."""
    begin, end = f"<!-- {name}: by benchmarks/pages.py -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}" if found and closed and text else page


def main() -> int:
    """Writes all of it."""
    with files.replacing(PAGE, overwrite=True) as temporary:
        temporary.write_text(results(), "utf-8")
    page = README.read_text("utf-8")
    rows = ("none", "nlm-opencv", "bm3d", "photo", f"photo{ESTIMATED}", "photo-fast")
    page = fill(page, "photographs", photographs(SETS[:2], rows))
    with files.replacing(README, overwrite=True) as temporary:
        temporary.write_text(page, "utf-8")
    for place, name, text in ((DIGITS, "digits", digits()), (SPEED, "speed", speed())):
        page = fill(place.read_text("utf-8"), name, text)
        with files.replacing(place, overwrite=True) as temporary:
            temporary.write_text(page, "utf-8")
    with files.replacing(LIMITS, overwrite=True) as temporary:
        temporary.write_text(fill(LIMITS.read_text("utf-8"), "limits", limits()), "utf-8")
    page = NOISE.read_text("utf-8")
    for name, text in (("noises", noises()), ("cameras", cameras()), ("inspecting", inspecting()), ("gains", gains())):
        page = fill(page, name, text)
    with files.replacing(NOISE, overwrite=True) as temporary:
        temporary.write_text(page, "utf-8")
    chart("BSD68")
    for path in (PAGE, README, DIGITS, SPEED, LIMITS, NOISE, CHART):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
