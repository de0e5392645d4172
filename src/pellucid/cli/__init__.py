"""The command line: arguments become calls, and results become text. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from pellucid import __version__
from pellucid.cli import about, evaluating, pictures, serving, training
from pellucid.cli.arguments import Command, shown
from pellucid.errors import FileError, OptionError, PellucidError

__all__ = ["main", "parser", "run"]

COMMANDS = (
    pictures.add_restoring,
    pictures.add_run,
    pictures.add_watch,
    pictures.add_presets,
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
    about.add_cache,
    about.add_completion,
    about.add_manual,
)
"""The functions that add the commands, in the order in which ``pellucid --help`` lists them."""


def run() -> NoReturn:
    """The program ``pellucid``: `main`, and an end that an interrupt cannot make a success of."""
    try:
        try:
            status: object = main()
        except SystemExit as ended:  # argparse's
            status = ended.code
        # Python would say that it ignored the interrupt while it waited for threads, and exit with the status of the command.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)  # type: ignore[arg-type]  # whatever argparse had


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0 done, 1 failed, 2 wrong use, 70 an unexpected error, 130 interrupted."""
    try:
        _prepare_streams()
        return _done(arguments)
    except PellucidError as error:
        _say(str(error))
        return 2 if isinstance(error, OptionError) else 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output has left (as `head` does): nothing to report, and nowhere to report it.
        _mute(sys.stdout)
        _mute(sys.stderr)
        return 1
    except MemoryError:
        _say("not enough memory")
        return 1
    except OSError as error:
        _say(_of_system(error))
        return 1
    except Exception as error:
        _say(_unforeseen(error))
        return 70


def _done(arguments: Sequence[str] | None) -> int:
    try:
        options = parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        status = command(options)
    except SystemExit as ended:
        # argparse has printed its help, or why it cannot go on.
        _flush(heed=not ended.code)
        raise
    # A command that goes on until it is stopped prints for whoever listens; any other one that loses its lines has failed.
    _flush(heed=not status and not getattr(options, "endless", False))
    return status


class _Closed(io.TextIOBase):
    """Stands for the standard output where it is closed: keeps nothing, and knows whether there was anything to keep."""

    lost = False

    def write(self, text: str) -> int:
        self.lost = self.lost or bool(text)
        return len(text)


def _prepare_streams() -> None:
    for descriptor in range(3):
        # Where one of the three is closed, the next file to be opened would be in its place, and get what is printed.
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        # `print` would take the standard output for it.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be valid text: it is shown as well as can be.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush(*, heed: bool) -> None:
    """Raises `FileError` where what was printed cannot be written: Python would find out after the exit status is settled. A closed
    output matters where there is no failure yet, with ``heed``."""
    try:
        sys.stderr.flush()
    except OSError:
        _mute(sys.stderr)
    if isinstance(sys.stdout, _Closed) and sys.stdout.lost and heed:
        raise FileError("standard output: it is closed")
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _mute(sys.stdout)
        raise FileError(f"standard output: cannot be written: {error.strerror}") from error


def _say(line: str) -> None:
    try:
        print(f"pellucid: {shown(line)}", file=sys.stderr, flush=True)
    except OSError:
        _mute(sys.stderr)


def _mute(stream: TextIO | None) -> None:
    """Lets what is still in the stream's buffer go nowhere: Python tries to write it once more at its end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def _of_system(error: OSError) -> str:
    """The line about a system's error that nobody caught."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EBADF, errno.EIO):
        # Only streams have no name.
        _mute(sys.stdout)
        return f"standard output: cannot be written: {error.strerror}"
    return str(error.strerror or error)


def _unforeseen(error: Exception) -> str:
    """The line for an error that nobody foresaw, and where its details are now: in a file that only this user can read."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    lines = (f"pellucid {__version__}, Python {sys.version}, {sys.platform}", repr(sys.argv), traceback.format_exc())
    try:
        descriptor, name = tempfile.mkstemp(prefix="pellucid-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n\n".join(lines))
    except OSError:
        return f"unexpected error: {what}"
    return f"unexpected error: {what[:200]}; please report it with the details in {name}"


class _Parser(Command):
    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse says nothing where help cannot be written.
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)


def parser() -> argparse.ArgumentParser:
    """The parser of the program: a command for each of `COMMANDS`."""
    whole: argparse.ArgumentParser = _Parser(
        prog="pellucid", description="Denoises, enlarges, colours, cuts out and mends pictures and clips, on your own computer."
    )
    whole.add_argument("--version", action="version", version=f"pellucid {__version__}")
    commands = whole.add_subparsers(parser_class=Command, required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return whole
