"""Kinds of values, and groups of arguments, that several commands share."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias, TypeVar

from pellucid.errors import MissingExtra, OptionError
from pellucid.tasks import Task
from pellucid.tasks.settings import Declared, Setting

__all__ = [
    "Command",
    "Commands",
    "add",
    "add_engine",
    "add_model",
    "add_settings",
    "as_json",
    "count",
    "number",
    "requiring",
    "seed",
    "settings_of",
    "shown",
]

Kept = TypeVar("Kept", bound=Declared)

Commands: TypeAlias = "argparse._SubParsersAction[Command]"
"""The place where commands are added: the result of `ArgumentParser.add_subparsers`."""


MAY_BE_EMPTY = {"--exclude"}
"""Options whose value may be empty: a pattern of no letters leaves nothing out."""


class Command(argparse.ArgumentParser):
    """A command's parser. With ``mixed`` arguments may stand on both sides of an option: ``run STEPS --depth 16 IN``."""

    mixed = False
    _within = False
    _given: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Exits with one line: argparse would print all arguments above it."""
        # Not `Path.is_file`, which fails on an argument that is too long for a name.
        dashed = next((text for text in self._given if text[:1] == "-" and text.strip("-") and os.path.isfile(text)), None)  # noqa: PTH113
        hint = f"the file {dashed} is named ./{dashed}" if dashed is not None else f"{self.prog} --help lists the arguments"
        self.exit(2, f"{self.prog}: error: {shown(message)}; {shown(hint)}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments. One that is unknown is an error of this command: its help lists those that it has."""
        if self._within:
            return super().parse_known_args(args, namespace)
        # The method for mixed arguments calls this one, once for the options and once for the rest.
        self._within = True
        args = self._given = _with_places(sys.argv[1:] if args is None else args)
        empty = None if self._subparsers is not None and args[:1] != [""] else self._empty(args)
        if empty is not None:
            self.error(f"{empty} is empty; was a variable not set?")
        try:
            parse = self.parse_known_intermixed_args if self.mixed else super().parse_known_args
            found, unknown = parse(args, namespace)
        finally:
            self._within = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _empty(self, args: Sequence[str]) -> str | None:
        """The option whose value is empty, or "an argument": a path of no letters would be the folder that one is in."""
        for place, text in enumerate(args):
            if re.fullmatch("(--[a-z-]+=)?", text):
                flag = text.rstrip("=") or (args[place - 1] if place else "")
                begun = [
                    each for each in self._actions if flag.strip("-") and any(full.startswith(flag) for full in each.option_strings)
                ]
                options = [each for each in begun if each.nargs != 0]
                if not any(each.default == "" or set(each.option_strings) & MAY_BE_EMPTY for each in options):
                    return flag if options else "an argument"
        return None


def _with_places(args: Sequence[str]) -> list[str]:
    """The arguments, places such as ``-4,5`` joined to the option before them: argparse would take it for an option."""
    joined: list[str] = []
    for text in args:
        if joined and re.match(r"-\d[\d.]*,", text) and re.match(r"--[a-z-]+$", joined[-1]):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


def add(commands: Commands, name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> Command:
    """A new command; ``run`` gets the parsed arguments and returns the exit status."""
    command = commands.add_parser(name, help=help_text, description=help_text)
    command.set_defaults(command=run)
    return command


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys, that turn the order of text round or end a line, and bytes of a name that are no text."""


def shown(text: object) -> str:
    """``text`` as one line of a terminal: a file or a model may have a name that a terminal would obey."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def as_json(value: object, indent: int | None = None) -> str:
    """``value`` as JSON: in ASCII, which every terminal takes; numbers that JSON does not have (NaN, infinities) as null."""
    return json.dumps(_in_json(value), indent=indent, allow_nan=False)


def _in_json(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _in_json(each) for name, each in value.items()}
    return [_in_json(each) for each in value] if isinstance(value, list | tuple) else value


@contextmanager
def requiring(extra: str) -> Iterator[None]:
    """Raises `MissingExtra` where the block imports a package that is not installed; the ``extra`` brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "pellucid":
            raise
        raise MissingExtra(error.name, extra) from error


def number(low: float, high: float) -> Callable[[str], float]:
    """A kind of value: a number from ``low`` to ``high``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return read


def count(text: str) -> int:
    """A kind of value: a whole number above 0."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def seed(text: str) -> int:
    """A kind of value: a whole number that seeds a generator."""
    if not text.isdecimal() or not text.isascii() or int(text[:20]) >= 2**63 - 1 or len(text) > 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**63 - 2")
    return int(text)


def add_engine(command: argparse.ArgumentParser) -> None:
    """The device that models run on, and the engine that runs them."""
    command.add_argument("--device", default="auto", help="where models run: auto, cpu or cuda (default: auto, the CPU)")
    command.add_argument(
        "--engine", default="auto", help="the engine that runs them: auto, openvino or onnxruntime (default: auto)"
    )


def add_model(command: argparse.ArgumentParser, task: Task) -> None:
    """The model, and the shorthands of the task's row for one."""
    place = command.add_mutually_exclusive_group()
    place.add_argument("--model", default=task.model, help=f"a model's name or an .onnx file (default: {task.model})")
    for flag, family, about in task.shorthands:
        place.add_argument(f"--{flag}", dest="model", action="store_const", const=family, default=argparse.SUPPRESS, help=about)


def add_settings(command: argparse.ArgumentParser, declared: type[Declared], *names: str) -> None:
    """The settings that a dataclass declares, or those of these ``names``."""
    for row in (row for row in declared.declared() if not names or row.name in names):
        text = row.help
        if row.kind == "flag" and row.default:
            # A flag that is on by default gets --NAME and --no-NAME.
            command.add_argument(row.flag, action=argparse.BooleanOptionalAction, default=True, help=text)
            continue
        if row.default not in (None, False, ()):
            text += f" (default: {row.default:g})" if isinstance(row.default, float) else f" (default: {row.default})"
        if row.kind == "flag":
            command.add_argument(row.flag, action="store_true", help=text)
            continue

        def read(given: str, row: Setting = row) -> Any:
            try:
                return row.read(given)
            except OptionError as error:
                raise argparse.ArgumentTypeError(str(error)) from error

        # A list of the parser's own would be changed by what is appended.
        how: dict[str, Any] = {"action": "append"} if row.many else {"default": row.default}
        command.add_argument(row.flag, type=read, metavar=row.metavar, help=text, **how)


def settings_of(declared: type[Kept], options: argparse.Namespace) -> Kept:
    """The dataclass with the values that the command line gave."""
    values = {name: getattr(options, name) for name in declared.names()}
    given = {name: value for name, value in values.items() if value is not None}
    return declared.of({name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
