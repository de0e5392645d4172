"""The pages that `make docs` makes a site of: every link leads somewhere, and the references have all that the code has."""

from __future__ import annotations

import posixpath
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid import cli, families
from pellucid.cli import manual

pytest.importorskip("starlette")

MADE = Path(__file__).parent.parent / "docs" / "make_site.py"


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    return runpy.run_path(str(MADE))


@pytest.fixture(scope="module")
def pages(site: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    assert site["main"](folder) == 0
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.md")}


def test_every_link_and_picture_is_there(site: dict[str, Any], pages: dict[str, str], tmp_path: Path) -> None:
    # `main` has followed them all; one that leads nowhere stops it.
    path = site["ROOT"] / "docs" / "use.md"
    with pytest.raises(ValueError, match=r"use\.md: its link nowhere\.md leads nowhere"):
        site["linked"](path, "see [this](nowhere.md)", {path: "use.md"})
    text, shown = site["linked"](path, "[a](../README.md#use) ![b](demo.webp) [c](https://a.b/c) ```x```", site["places"]())
    assert text.startswith("[a](index.md#use) ![b](demo.webp) [c](https://a.b/c)")
    assert [file.name for file in shown] == ["demo.webp"]


def test_every_picture_is_made_by_a_command_and_shown(site: dict[str, Any]) -> None:
    root, table = site["ROOT"], (site["ROOT"] / "docs" / "releasing.md").read_text("utf-8").partition("## Pictures")[2]
    listed = {
        name: line
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w-]+\.\w+)`", line.split("|")[1])
    }
    lying = {path.name for ending in ("png", "webp", "svg", "jpg", "gif") for path in (root / "docs").rglob(f"*.{ending}")}
    assert set(listed) == lying
    pages = "".join(path.read_text("utf-8") for path in [root / "README.md", *(root / "docs").glob("**/*.md")])
    assert sorted(name for name in lying if not re.search(rf"!\[[^\]]*\]\((?:docs/|\.\./)?{re.escape(name)}\)", pages)) == []
    for name, line in listed.items():
        scripts = re.findall(r"(?:docs|benchmarks|src)/[\w/]+\.py", line)
        assert scripts or "the same with" in line, f"{name}: by which program?"
        assert all((root / script).is_file() for script in scripts), line
        made = re.findall(r"docs/pictures\.py (\w+)", line)
        assert all(f'"{each}": {each}' in (root / "docs" / "pictures.py").read_text("utf-8") for each in made), line


def test_code_keeps_what_looks_like_a_link(site: dict[str, Any]) -> None:
    path = site["ROOT"] / "docs" / "use.md"
    block = "```\nvalues[0](nowhere.md)\n```\n"
    assert site["linked"](path, block, {path: "use.md"})[0] == block


def test_every_page_is_in_the_tree(pages: dict[str, str]) -> None:
    tree = set(re.findall(r"(?m)^(?:[\w ]+ <)?([\w/-]+)>?$", pages["index.md"].partition("```{toctree}")[2]))
    assert {place.removesuffix(".md") for place in pages} - tree == {"index"}


def test_anchors_are_headings(pages: dict[str, str]) -> None:
    for place, text in pages.items():
        for target, anchor in re.findall(r"\]\(([\w./-]*\.md)#([^)]+)\)", text):
            other = pages[posixpath.normpath(Path(place).parent / target)]
            heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"(?m)^#+ (.*)$", other)}
            assert anchor in heads, (place, target, anchor)


def test_the_commands_are_the_parser_s(pages: dict[str, str]) -> None:
    assert re.findall(r"(?m)^## (\S+)$", pages["reference/commands.md"]) == [row.name for row in manual.sections(cli.parser())]


def test_python_has_every_name(pages: dict[str, str]) -> None:
    page = pages["reference/python.md"]
    missing = [name for name in pellucid.__all__ if name != "__version__" and f"\n### {name}\n" not in page]
    assert missing == []
    assert page.count("```") % 2 == 0
    assert "```python\n>>>" in page


def test_http_has_every_path(pages: dict[str, str]) -> None:
    page = pages["reference/http.md"]
    for path in ("POST /v1/restore", "POST /v1/inspect", "GET /v1/models", "GET /healthz"):
        assert f"\n## {path}\n" in page


@pytest.mark.parametrize("name", families.names())
def test_each_model_has_its_card(pages: dict[str, str], name: str) -> None:
    page = pages[f"cards/{name}.md"]
    assert page.startswith(f"# {name}\n")
    assert "| licence of the weights | Apache-2.0 |" in page
    assert "| serves in | `" in page
    assert re.search(r"(?m)^Limits: .*\(\.\./fails\.md\).*\(\.\./\w+\.md#[\w-]+\)\.$", page)


def test_docstrings_become_markdown(site: dict[str, Any]) -> None:
    text = "Takes *one* of ``a`` [b].\n\n    set in\n\n>>> f(1)\n2\n\nAfter."
    assert site["_markdown"](text) == (
        "Takes \\*one\\* of `a` \\[b].\n\n```text\n    set in\n```\n\n```python\n>>> f(1)\n2\n```\n\nAfter.\n"
    )


def test_a_long_signature_has_a_line_for_each_parameter(site: dict[str, Any]) -> None:
    assert site["_called"]("f(a: 'int') -> 'str'") == "f(a: int) -> str"
    long = f"{'f' * 60}(a: 'tuple[int, str]' = (1, 2), *, b: str = 'c') -> 'dict[int, str]'"
    assert site["_called"](long) == f"{'f' * 60}(\n    a: tuple[int, str] = (1, 2),\n    *,\n    b: str = 'c'\n) -> dict[int, str]"


def test_lines_about_one_parameter_become_a_list(site: dict[str, Any]) -> None:
    assert site["_markdown"]("Takes:\n``a``: one\n``b``: another") == "Takes:\n- `a`: one\n- `b`: another\n"
