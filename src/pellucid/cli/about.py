"""Commands about pellucid itself: cache, completion, manual."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid import __version__
from pellucid.cli.arguments import Commands, add, as_json, shown
from pellucid.errors import FileError

if TYPE_CHECKING:
    from pellucid.kept import Kept

__all__ = ["add_cache", "add_completion", "add_manual"]

SHELLS = ("bash", "zsh", "fish")

PICTURES = ("inputs", "images", "steps")
"""Names of arguments that are files though their kind does not say so."""


def add_cache(commands: Commands) -> None:
    """Adds `cache`."""
    command = add(commands, "cache", _cache, "show what pellucid keeps in its cache, or delete it")
    command.add_argument("--clear", action="store_true", help="delete it; what is needed again is made again")
    command.add_argument("--json", action="store_true", help="print it as JSON")


def add_completion(commands: Commands) -> None:
    """Adds `completion`."""
    command = add(commands, "completion", _completion, "print the completion of a shell; docs/installing.md says where it goes")
    command.add_argument("shell", choices=SHELLS, help="the shell")


def add_manual(commands: Commands) -> None:
    """Adds `manual`."""
    command = add(commands, "manual", _manual, "print the manual page (troff): every command with every option")
    command.add_argument("--markdown", action="store_true", help="print it as Markdown")


# -- cache ------------------------------------------------------------------------------------------------------------


def _cache(options: argparse.Namespace) -> int:
    from pellucid import engines, kept

    folder = engines.cache_folder()
    if folder is None:
        raise FileError("there is no cache: its folder cannot be written; PELLUCID_CACHE names another")
    rows = kept.found(folder)
    if not options.clear:
        _show(options, folder, rows)
        # Asking made the folder; nothing stays of that.
        if not any(folder.iterdir()):
            folder.rmdir()
        return 0
    count, freed, left = kept.clear(folder)
    stuck = [path for row in kept.found(folder) for path in row.paths] if left else []
    if options.json:
        print(as_json({"folder": str(folder), "deleted": count, "bytes": freed, "left": [str(path) for path in left]}))
    else:
        print(f"{shown(folder)}: deleted {_files(count)}, {_size(freed)}")
        if left:
            print(f"left, for they are not pellucid's or could not be deleted: {', '.join(shown(path.name) for path in left[:10])}")
    if stuck:
        raise FileError(f"{_files(len(stuck))} could not be deleted, such as {stuck[0]}")
    return 0


def _show(options: argparse.Namespace, folder: Path, rows: list[Kept]) -> None:
    if options.json:
        kinds = [{"kind": row.kind.about, "files": len(row.paths), "bytes": row.bytes} for row in rows]
        print(as_json({"folder": str(folder), "kinds": kinds}, indent=2))
        return
    print(shown(folder))
    for row in rows:
        print(f"  {row.kind.about:33} {_files(len(row.paths)):>12} {_size(row.bytes):>10}")


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


# -- completion and manual --------------------------------------------------------------------------------------------


def _completion(options: argparse.Namespace) -> int:
    import shtab

    from pellucid import cli

    parser = cli.parser()
    for command in (parser, *_commands(parser)):
        for action in command._actions:
            if action.type is Path or (not action.option_strings and action.dest in PICTURES):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=options.shell), end="")
    return 0


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [
        command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for command in action.choices.values()
    ]


def _manual(options: argparse.Namespace) -> int:
    from pellucid import cli
    from pellucid.cli import manual

    parser = cli.parser()
    print(manual.markdown(parser) if options.markdown else manual.troff(parser, __version__), end="")
    return 0
