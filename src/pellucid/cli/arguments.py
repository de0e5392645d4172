"""What several commands share: kinds of values, and groups of arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeAlias

from pellucid.errors import OptionError

__all__ = ["Commands", "add", "add_engine", "add_settings", "count", "number"]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The place where commands are added: what `ArgumentParser.add_subparsers` answers."""


def add(commands: Commands, name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
    """A new command; ``run`` gets what was read and answers the exit status."""
    command = commands.add_parser(name, help=help_text, description=help_text)
    command.set_defaults(command=run)
    return command


def number(low: float, high: float) -> Callable[[str], float]:
    """A kind of value: a number from ``low`` to ``high``."""

    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    read.__name__ = "number"
    return read


def count(text: str) -> int:
    """A kind of value: a whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def add_engine(command: argparse.ArgumentParser) -> None:
    """Where models run, and what runs them."""
    command.add_argument("--device", default="auto", help="where models run: auto, cpu or cuda (default: auto, the CPU)")
    command.add_argument("--engine", default="auto", help="what runs them: auto, openvino or onnxruntime (default: auto)")


def add_settings(command: argparse.ArgumentParser, task: str) -> None:
    """The settings of a restoration, as `options` declares them."""
    from pellucid import options

    for option in options.of_task(task):
        text = option.help.replace("sigma counts", "--sigma counts")
        if option.default not in (None, False):
            default = f"{option.default:g}" if isinstance(option.default, float) else option.default
            text += f" (default: {default})"
        if option.kind == "flag":
            command.add_argument(option.flag, action="store_true", help=text)
            continue

        def read(given: str, option: options.Option = option) -> Any:
            try:
                return option.read(given)
            except OptionError as error:
                raise argparse.ArgumentTypeError(str(error)) from error

        place = command.add_mutually_exclusive_group() if option.shorthands else command
        place.add_argument(option.flag, type=read, default=option.default, metavar=option.metavar, help=text)
        for name, value, about in option.shorthands:
            place.add_argument(
                f"--{name}", dest=option.name, action="store_const", const=value, default=argparse.SUPPRESS, help=about
            )
