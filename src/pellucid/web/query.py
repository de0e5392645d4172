"""Reads a request's query, names and values, and which answers the client accepts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import unquote, unquote_plus

from starlette.requests import Request

from pellucid.errors import OptionError
from pellucid.tasks.settings import Declared, Setting
from pellucid.web.uploads import Refused

Given = dict[str, list[str]]
"""The query: name -> all values that it is given."""


def query_of(request: Request) -> Given:
    """The query of the request."""
    given: Given = {}
    for name, text in request.query_params.multi_items():
        given.setdefault(name, []).append(text)
    if "steps" in given:
        # Where + joins steps it is no space, though many clients write it as it is.
        pairs = (part.partition("=") for part in request.url.query.split("&"))
        given["steps"] = [unquote(text) for name, _, text in pairs if unquote_plus(name) == "steps"]
    return given


def only(given: Given, name: str) -> str | None:
    """The one value of this name; None without one, `OptionError` for several."""
    texts = given.get(name, [])
    if len(texts) > 1:
        raise OptionError(f"{name} is given {len(texts)} times")
    return texts[0] if texts else None


def check_names(given: Given, known: Sequence[str], kind: str) -> None:
    """Raises `OptionError` for a name that is not ``known``; ``kind`` is the word for those that are."""
    for name in given:
        if name not in known:
            raise OptionError(f"{name[:40]!r} is not {kind}; the settings are {', '.join(known)}")


def among(given: Given, declared: type[Declared]) -> Given:
    """The part of the query that these settings declare."""
    names = declared.names()
    return {name: texts for name, texts in given.items() if name in names}


def flag(given: Given, name: str) -> bool:
    """Whether this flag is given and not false."""
    text = only(given, name)
    return text is not None and bool(Setting("", kind="flag", name=name).read(text))


def part_of(given: Given) -> tuple[int, ...] | None:
    """The part of the picture that is asked for; None for all of it."""
    text = only(given, "part")
    box: tuple[int, ...] | None = None if text is None else Setting("", kind="box", name="part").read(text)
    return box


def accepted_of(request: Request, kinds: list[str]) -> str:
    """The first of ``kinds`` that the client accepts, in its own order of preference; `Refused` 406 when it accepts none."""
    weighed: list[tuple[float, str]] = []
    for entry in request.headers.get("accept", "*/*").lower().split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        share = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        with suppress(ValueError):
            weighed.append((float(share), media))
    for weight, media in sorted(weighed, key=lambda pair: -pair[0]):
        for kind in kinds:
            group = kind.partition("/")[0]
            if weight > 0 and (media in ("*/*", kind, f"{group}/*") or (kind == f"{group}/*" and media.startswith(f"{group}/"))):
                return kind
    raise Refused(406, f"Accept must allow {' or '.join(kinds)}")
