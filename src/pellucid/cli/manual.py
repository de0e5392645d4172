"""The parser as a manual page (troff) and as a page of Markdown: each command with its arguments, from the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Row", "Section", "markdown", "sections", "troff"]


@dataclass(frozen=True)
class Row:
    """An argument or an option as it is typed (``-o OUT, --out OUT``), and its help."""

    typed: str
    help: str


@dataclass(frozen=True)
class Section:
    """A command: its name, what it does, how it is called, its arguments."""

    name: str
    about: str
    usage: str
    rows: tuple[Row, ...]


def sections(parser: argparse.ArgumentParser) -> Iterator[Section]:
    """A section for each command of the parser, in its order."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                # Help's own row is the same everywhere.
                rows = tuple(_rows(command))
                yield Section(name, command.description or "", _usage(command), rows)


def _usage(command: argparse.ArgumentParser) -> str:
    formatter = argparse.HelpFormatter(command.prog, width=100_000)
    formatter.add_usage(command.usage, command._actions, command._mutually_exclusive_groups, prefix="")
    return " ".join(formatter.format_help().split())


def _rows(command: argparse.ArgumentParser) -> Iterator[Row]:
    formatter = argparse.HelpFormatter(command.prog, width=100_000)
    for action in command._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        text = formatter._expand_help(action) if action.help else ""
        yield Row(formatter._format_action_invocation(action), " ".join(text.split()))


# -- troff ------------------------------------------------------------------------------------------------------------


def troff(parser: argparse.ArgumentParser, version: str) -> str:
    """The manual page ``pellucid(1)``."""
    lines = [
        f'.TH PELLUCID 1 "" "pellucid {_escaped(version)}" "User Commands"',
        ".SH NAME",
        "pellucid \\- image restoration on the computer that you have",
        ".SH SYNOPSIS",
        ".B pellucid",
        "[\\-\\-help] [\\-\\-version] COMMAND ...",
        ".SH DESCRIPTION",
        _escaped(parser.description or ""),
        ".PP",
        "No file is overwritten without \\-\\-force. \\- in the place of a picture is standard input, and its output",
        "goes to standard output.",
        ".SH COMMANDS",
    ]
    for section in sections(parser):
        lines += [f".SS {_escaped(section.name)}", _escaped(_sentence(section.about)), ".PP", f".I {_escaped(section.usage)}"]
        for row in section.rows:
            lines += [".TP", f".B {_escaped(row.typed)}", _escaped(row.help)]
    lines += [
        ".SH EXIT STATUS",
        *(
            line
            for status, words in (
                ("0", "All is done."),
                ("1", "A picture or more failed; each has a line that says why."),
                ("2", "The command was used wrongly."),
                ("70", "An error that nobody foresaw; the line names the file with its details."),
                ("130", "Interrupted."),
            )
            for line in (".TP", f".B {status}", words)
        ),
        ".SH ENVIRONMENT",
        *(
            line
            for name, words in (
                ("PELLUCID_CACHE", "The folder of the cache; else pellucid in $XDG_CACHE_HOME or in ~/.cache."),
                ("PELLUCID_TOKEN", "The secret that clients of the service must send."),
            )
            for line in (".TP", f".B {name}", _escaped(words))
        ),
    ]
    return "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _escaped(text: str) -> str:
    """Text that troff takes as it is: a backslash, a hyphen that can be copied, and no line that begins like a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("\n", " ")
    return f"\\&{text}" if text.startswith((".", "'")) else text


# -- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(parser: argparse.ArgumentParser) -> str:
    """A page of Markdown: a heading for each command, its usage, and a table of its arguments."""
    lines = ["# Commands", "", _sentence((parser.description or "").rstrip(".")), ""]
    for section in sections(parser):
        lines += [f"## {section.name}", "", _sentence(section.about), "", "```text", section.usage, "```", ""]
        if section.rows:
            lines += ["| argument | meaning |", "|---|---|"]
            lines += [f"| `{_cell(row.typed)}` | {_cell(_plain(row.help))} |" for row in section.rows]
            lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    for mark in "\\`*_<[":
        text = text.replace(mark, f"\\{mark}")
    return text
