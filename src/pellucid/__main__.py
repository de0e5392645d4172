"""The program ``pellucid``, and ``python -m pellucid``: the command line.

The list of commands lies in a file, as the parser makes it (`make stubs`): reading it takes a tenth of the parser's time.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["HELP", "run"]

HELP = os.path.join(os.path.dirname(__file__), "cli", "help.txt")  # noqa: PTH118, PTH120  # pathlib alone takes as long as all else

WIDTH = 80
"""Columns that the text in the file was made for."""


def run() -> NoReturn:
    """The program: ``--help`` and ``--version`` by themselves are answered at once, all else by `pellucid.cli.run`.

    Whoever has the tasks already may have added one of their own, which the file does not know.
    """
    plain = "pellucid.tasks" not in sys.modules
    if plain and sys.argv[1:] in (["--help"], ["-h"], ["--version"]) and _answered(sys.argv[1]):
        sys.exit(0)
    try:
        from pellucid import cli
    except KeyboardInterrupt:
        # It takes a third of a second, and from there on `pellucid.cli.run` sees to it.
        if sys.stderr is not None:
            sys.stderr.write("pellucid: interrupted\n")
        sys.exit(130)

    cli.run()


def _answered(option: str) -> bool:
    """Whether the answer is printed; where it cannot be, the command line proper says why."""
    try:
        if option == "--version":
            from pellucid import __version__

            text = f"pellucid {__version__}\n"
        else:
            if _columns() < WIDTH:
                return False
            with open(HELP, encoding="utf-8") as file:  # noqa: PTH123
                text = file.read()
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        return False
    return True


def _columns() -> int:
    """The width of the terminal, as argparse takes it."""
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return WIDTH


if __name__ == "__main__":
    run()
