"""The command line: arguments become calls, and results become text. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from pellucid import __version__
from pellucid.cli import evaluating, pictures, serving, training
from pellucid.errors import OptionError, PellucidError

__all__ = ["main"]

COMMANDS = (
    pictures.add_restoring,
    serving.add_serve,
    pictures.add_inspect,
    training.add_train,
    training.add_export,
    training.add_pack,
    training.add_calibrate,
    training.add_fetch,
    evaluating.add_evaluate,
    evaluating.add_compare,
    evaluating.add_models,
    training.add_recipes,
    evaluating.add_demo,
)
"""The functions that add the commands, in the order in which ``pellucid --help`` lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be valid text: it is shown as well as can be.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except PellucidError as error:
        print(f"pellucid: {error}", file=sys.stderr)
        return 2 if isinstance(error, OptionError) else 1
    except KeyboardInterrupt:
        print("pellucid: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has left (as `head` does): nothing to report, and nowhere to report it.
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pellucid", description="Takes the noise out of pictures and makes them larger, on your own computer."
    )
    parser.add_argument("--version", action="version", version=f"pellucid {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser
