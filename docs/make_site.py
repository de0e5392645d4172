"""Puts together what Sphinx makes the site of: the pages, and the references made from the code. `make docs` runs it.

    python docs/make_site.py FOLDER

Pages are the Markdown files of the repository, their links changed to their places in the site; a link that leads nowhere is an
error. Commands come from the parser, HTTP from OpenAPI, Python from signatures and docstrings, models from their cards.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pellucid
from pellucid import cli, families, tasks
from pellucid.cards import read_card
from pellucid.cli import manual
from pellucid.metrics import carded

ROOT = Path(__file__).resolve().parent.parent

CHAPTERS = {
    "Tutorials": tuple(f"tutorials/{name}" for name in ("photographer", "microscopist", "archive", "engineer", "trainer")),
    "Use": (
        "use",
        "noise",
        "upscaling",
        "cutout",
        "colour",
        "raw",
        "clips",
        "film",
        "chains",
        "formats",
        "limits",
        "fails",
        "compare",
        "installing",
        "plugins",
    ),
    "Models and training": ("models", "training", "training-log", "evaluation", "speed", "wear", "digits", "onnx"),
    "Service": ("web", "cluster", "security"),
    "Development": ("architecture", "dependencies", "releasing", "package"),
}
"""The pages of ``docs`` in the order in which a reader meets them. Others come last."""

TITLES = {"package": "The text on an index"}
"""Pages that the tree calls otherwise than they call themselves."""

BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "benchmarks/RESULTS.md")
"""Pages beside the folder ``docs``."""

LIMITS = {
    "denoise": "noise.md#how-good-it-is",
    "upscale": "upscaling.md#not-possible",
    "cutout": "cutout.md#limits",
    "colorize": "colour.md#colour-that-is-not-there-is-a-guess",
    "film": "film.md#limits",
    "raw": "raw.md#files-that-are-developed-first",
    "video": "clips.md#noise-taken-out-over-time",
    "digits": "digits.md#how-well-they-do",
    "seed-digits": "digits.md#how-well-they-do",
}
"""Where the pages say what the files of a task, or one file, cannot do."""

LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")


def places() -> dict[Path, str]:
    """File of the repository -> its place in the site."""
    found = {ROOT / "README.md": "index.md"}
    found |= {path: path.relative_to(ROOT / "docs").as_posix() for path in sorted((ROOT / "docs").glob("**/*.md"))}
    return found | {ROOT / name: name for name in BESIDE}


def linked(path: Path, text: str, pages: dict[Path, str]) -> tuple[str, set[Path]]:
    """The page with its links changed to the site's places, and the files that it shows. `ValueError` for one that is not there."""
    shown: set[Path] = set()
    here = Path(pages[path]).parent

    def changed(found: re.Match[str]) -> str:
        target, _, anchor = found[2].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        file = (path.parent / target).resolve()
        if not file.exists():
            raise ValueError(f"{path.relative_to(ROOT)}: its link {found[2]} leads nowhere")
        if file not in pages:
            shown.add(file)
        place = pages.get(file, file.name if file.parent == ROOT / "docs" else file.relative_to(ROOT).as_posix())
        return f"{found[1]}{os.path.relpath(place, here)}{'#' + anchor if anchor else ''}{found[3]}"

    # A block of code is left as it is.
    parts = re.split(r"(?ms)(^```.*?^```$)", text)
    return "".join(part if part.startswith("```") else LINK.sub(changed, part) for part in parts), shown


# -- references -------------------------------------------------------------------------------------------------------


def python_page() -> str:
    """The functions, classes and errors of the package."""
    lines = ["# Python", "", "Everything here is a name of the module `pellucid`.", ""]
    functions = ["restore", *tasks.commands(), "run", "inspect", "load", "read", "write"]
    others = sorted(set(pellucid.__all__) - {*functions, "__version__"})
    for title, names in (("Functions", functions), ("Classes and errors", others)):
        lines += [f"## {title}", ""]
        for name in names:
            lines += _described(name, getattr(pellucid, name), 3)
    return "\n".join(lines)


def _described(name: str, thing: Any, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {name}", "")
    try:
        signature = str(inspect.signature(thing))
    except (TypeError, ValueError):
        signature = ""
    if signature and not (isinstance(thing, type) and issubclass(thing, BaseException)):
        yield from ("```text", _called(f"{name.rpartition('.')[2]}{signature}"), "```", "")
    yield from (_markdown(inspect.getdoc(thing) or ""), "")
    if isinstance(thing, type) and not issubclass(thing, BaseException):
        for inner, member in vars(thing).items():
            if (
                not inner.startswith("_")
                and (inspect.isfunction(member) or isinstance(member, property))
                and inspect.getdoc(member)
            ):
                function = member.fget if isinstance(member, property) else member
                yield from _described(f"{name}.{inner}", function, level + 1)


def _called(signature: str) -> str:
    """A signature with a line for each parameter where it is long, and its types without quotes."""
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)
    if len(signature) <= 80:
        return signature
    depth, lines = 0, [""]
    for at, letter in enumerate(signature):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == ")" and depth == 0:
            return "\n".join([lines[0], *(f"    {line.strip()}" for line in lines[1:]), signature[at:]])
        lines[-1] += letter
        if depth == 1 and letter in "(,":
            lines.append("")
    return signature


def _markdown(text: str) -> str:
    """A docstring as Markdown: examples and what is set in become blocks, lines about one parameter a list."""
    lines: list[str] = []
    inside = False
    for line in [*text.replace("``", "`").splitlines(), ""]:
        code = line.startswith(("    ", ">>> ", "... ")) or (
            inside and bool(line.strip()) and lines[-1].startswith((">>> ", "... "))
        )
        if code != inside and (code or not line.strip() or not inside):
            lines.append("```python" if code and line.startswith(">>>") else "```text" if code else "```")
            inside = code
        lines.append(line if inside else re.sub(r"^(`\w+`: )", r"- \1", _plain(line)))
    return "\n".join([*lines, "```"] if inside else lines)


def _plain(line: str) -> str:
    """A line of words: nothing outside backticks is markup."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[])", r"\\\1", part) for part in parts)


def http_page() -> str:
    """The paths of the service, from its own description."""
    from pellucid.web import catalogue, limits, openapi

    document = openapi.document(limits.Limits(), catalogue.Catalogue({name: name for name in families.FAMILIES}), token=False)
    lines = [
        "# HTTP",
        "",
        "`pellucid serve` describes itself at `/openapi.json`. [The service](../web.md) has how to start and to guard it.",
        "",
    ]
    for path, methods in document["paths"].items():
        for method, row in methods.items():
            lines += [f"## {method.upper()} {path}", "", _plain(row.get("summary", "")), ""]
            if row.get("description"):
                lines += [_plain(row["description"]), ""]
            if row.get("parameters"):
                lines += ["| parameter | in | meaning |", "|---|---|---|"]
                for parameter in row["parameters"]:
                    meaning = parameter.get("description") or parameter.get("schema", {}).get("description", "")
                    lines.append(f"| `{parameter['name']}` | {parameter['in']} | {_plain(meaning).replace('|', chr(92) + '|')} |")
                lines.append("")
            lines += ["| status | meaning |", "|---|---|"]
            lines += [f"| {status} | {_plain(answer.get('description', ''))} |" for status, answer in row["responses"].items()]
            lines.append("")
    return "\n".join(lines)


def card_page(name: str) -> str:
    """The card of a shipped file as a page."""
    card = read_card(families.shipped_path(name))
    serves = [
        f"`{family}` ({role})" for family, roles in families.FAMILIES.items() for role, file in roles.files.items() if file == name
    ]
    rows = {
        "serves in": ", ".join(serves),
        "task": f"`{card.task}`",
        "input": "gray" if card.channels == 1 else "colour",
        "beside the picture": ", ".join(f"`{each}`" for each in card.maps) or "nothing",
        "licence of the weights": card.licence,
    }
    lines = [f"# {name}", "", _plain(card.summary), "", "| | |", "|---|---|"]
    lines += [f"| {key} | {_plain(str(value))} |" for key, value in rows.items()]
    lines += ["", "## Scores", "", *(_scores(card.scores) or ["The card has none."]), "", "## Training images", ""]
    if card.training_images:
        lines += ["| images | source | licence |", "|---|---|---|"]
        lines += [f"| {each.count} | {_cell(each.source)} | {_cell(each.licence)} |" for each in card.training_images]
    else:
        lines.append("The card names none.")
    place = LIMITS.get(name, LIMITS.get(card.task, "fails.md"))
    return "\n".join([*lines, "", f"Limits: [where it fails](../fails.md), and [what it reaches](../{place}).", ""])


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _scores(scores: dict[str, float]) -> list[str]:
    return (
        [
            "| measured on | score |",
            "|---|---|",
            *(f"| {_cell(key)} | {value:g} {carded(key).unit} |" for key, value in scores.items()),
        ]
        if scores
        else []
    )


def contents(made: dict[str, list[str]]) -> str:
    """The tree of pages, at the end of the first one."""
    blocks = []
    for caption, names in made.items():
        entries = [f"{TITLES[name]} <{name}>" if name in TITLES else name for name in names]
        blocks += ["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""]
    return "\n".join(blocks)


def main(folder: Path) -> int:
    """Writes all pages into ``folder``."""
    pages = places()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "conf.py", folder)
    texts: dict[str, str] = {}
    for path, place in pages.items():
        texts[place], shown = linked(path, path.read_text("utf-8"), pages)
        for file in shown:
            target = folder / (file.name if file.parent == ROOT / "docs" else file.relative_to(ROOT))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    texts["reference/commands.md"] = manual.markdown(cli.parser())
    texts["reference/python.md"] = python_page()
    texts["reference/http.md"] = http_page()
    cards = {f"cards/{name}.md": card_page(name) for name in families.names()}
    texts |= cards
    chapters = {title: [name for name in names if f"{name}.md" in texts] for title, names in CHAPTERS.items()}
    placed = {f"{name}.md" for names in chapters.values() for name in names}
    chapters["Use"] += sorted(
        place.removesuffix(".md") for path, place in pages.items() if path.parent.name == "docs" and place not in placed
    )
    chapters["Reference"] = ["reference/commands", "reference/python", "reference/http"]
    chapters["Model cards"] = [name.removesuffix(".md") for name in cards]
    chapters["Project"] = [name.removesuffix(".md") for name in BESIDE]
    texts["index.md"] += "\n" + contents(chapters)
    for place, text in texts.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    print(f"{folder}: {len(texts)} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
