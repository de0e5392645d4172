"""The package as an index, a citation and a release show it: one version, one text, no link that leads nowhere."""

from __future__ import annotations

import datetime
import re
import runpy
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import pellucid

ROOT = Path(__file__).parent.parent
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def releases(text: str) -> list[tuple[str, str, str]]:
    """Number, date and text of each released version of a changelog, the newest first."""
    parts = re.split(r"(?m)^## \[(\d+\.\d+\.\d+)\] - (\S+)\n", text)[1:]
    return list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))


def test_the_newest_version_is_that_of_the_package_and_the_citation() -> None:
    number, date, _ = releases((ROOT / "CHANGELOG.md").read_text("utf-8"))[0]
    assert number == pellucid.__version__
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {number}\n" in citation
    assert f'\ndate-released: "{date}"\n' in citation


def test_the_changelog_keeps_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heads = re.findall(r"(?m)^## (.*)$", text)
    assert heads[0] == "[Unreleased]"
    found = releases(text)
    assert len(found) == len(heads) - 1
    dates = [datetime.date.fromisoformat(date) for _, date, _ in found]
    assert dates == sorted(dates, reverse=True)
    for _, _, body in found:
        kinds = re.findall(r"(?m)^### (.*)$", body)
        assert kinds
        assert set(kinds) <= KINDS
        assert len(kinds) == len(set(kinds))


def test_the_text_on_an_index_has_no_relative_links_or_pictures(project: dict[str, Any]) -> None:
    text = (ROOT / project["readme"]).read_text("utf-8")
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    assert [target for target in targets if not target.startswith("https://")] == []
    assert re.findall(r"!\[", text) == []


def test_the_text_on_an_index_names_every_task(project: dict[str, Any]) -> None:
    text = (ROOT / project["readme"]).read_text("utf-8")
    assert [name for name in pellucid.tasks.commands() if f"`pellucid {name} " not in text] == []


def test_the_pythons_are_those_that_it_asks_for(project: dict[str, Any]) -> None:
    prefix = "Programming Language :: Python :: "
    named = tuple(line.removeprefix(prefix) for line in project["classifiers"] if re.fullmatch(rf"{prefix}3\.\d+", line))
    assert named == PYTHONS
    assert project["requires-python"] == f">={named[0]}"


def test_addresses_lead_to_the_public(project: dict[str, Any]) -> None:
    # None is better than an invented one: see docs/releasing.md.
    for name, address in project.get("urls", {}).items():
        assert address.startswith("https://"), name
        assert not re.search(r"example|localhost|noreply|\.local\b|\d+\.\d+\.\d+\.\d+", address), name


def test_what_an_index_must_know_is_there(project: dict[str, Any]) -> None:
    assert project["authors"]
    assert project["license"] == "Apache-2.0"
    assert all(list(ROOT.glob(pattern)) for pattern in project["license-files"])
    for name in ("CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", "README.md", "LICENSE"):
        assert (ROOT / name).stat().st_size > 500, name
    assert (Path(pellucid.__file__).parent / "py.typed").exists()


def test_a_source_distribution_has_what_pages_lead_to_and_rules_work_on() -> None:
    lines = [line.split() for line in (ROOT / "MANIFEST.in").read_text("utf-8").splitlines()]
    files = {"LICENSE", "pyproject.toml", *(name for command, *names in lines if command == "include" for name in names)}
    folders = {"src": ["*"], **{folder: patterns for command, folder, *patterns in lines if command == "recursive-include"}}
    checked = re.search(r"ruff check (.*)", (ROOT / "Makefile").read_text("utf-8"))
    assert checked is not None
    assert {*checked[1].split(), ".github"} <= folders.keys()
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    targets = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s:]+)[)#]", page.read_text("utf-8"))]
    for path in [*pages, *((page.parent / link).resolve() for page, link in targets)]:
        top, *rest = path.relative_to(ROOT).parts
        assert any(path.match(pattern) for pattern in folders.get(top, ())) if rest else top in files, path


def test_every_dependency_is_explained(project: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8").lower()
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in lines}  # type: ignore[index]
    assert sorted(name for name in names if name not in page) == []
    assert sorted(name for name in project["optional-dependencies"] if f"`{name}`" not in page) == []


def test_an_installed_package_says_the_same() -> None:
    try:
        installed = metadata.metadata("pellucid")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed here")
    if installed["Version"] != pellucid.__version__:
        pytest.skip("another version is installed here")
    assert installed["License-Expression"] == "Apache-2.0"


def test_the_bill_of_materials_names_no_place_of_this_computer() -> None:
    cleaned = runpy.run_path(str(ROOT / "deploy" / "sbom.py"))["cleaned"]
    given = {
        "components": [{"name": "a", "externalReferences": [{"url": "file:///home/me"}, {"url": "https://pypi.org/project/a"}]}]
    }
    assert cleaned(given) == {"components": [{"name": "a", "externalReferences": [{"url": "https://pypi.org/project/a"}]}]}
