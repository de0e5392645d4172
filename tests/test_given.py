"""Whatever is given where a number, a name or a path belongs is taken or refused in one line: in Python and on the command line."""

from __future__ import annotations

import argparse
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import cli, images, ranges, restorer, stacks, tasks
from pellucid.errors import ImageError, OptionError, PellucidError
from pellucid.tasks.settings import ClipSettings, Declared, FileSettings, as_number

NO_NUMBERS = (
    *(10**400, -(10**400), 10**5000, float("nan"), float("inf"), -float("inf"), np.float32("nan"), np.float64("inf")),
    *(True, False, np.bool_(True), "5", "nan", b"5", bytearray(b"5"), np.str_("5"), 1j, Decimal("NaN"), Decimal("sNaN")),
    *(np.array([5.0]), np.array([1, 2, 3]), [5], (5,), {}, object(), Fraction(10**500), len),
    *(np.datetime64("2020"), np.timedelta64(5, "s"), np.array(True), np.complex64(2)),
)
"""Values that are no finite number, though Python may make one of some of them."""

NUMBERS = (2, 2.0, np.uint8(2), np.int64(2), np.float16(2), np.float32(2), np.float64(2), np.array(2), Decimal(2), Fraction(2))

TEXTS = (
    *("9" * 400, "9" * 5000, "-" + "9" * 400, "nan", "inf", "1e400", "True", "", "٣", "0:1e400", "9" * 400 + ":0", "nan:1"),
    *(
        "1" * 5000 + ":2",
        "1," + "9" * 5000,
        "1" * 400 + "GiB",
        "1" * 5000 + "kB",
        "\x1b[31m",
        "\ud800",
        "a\nb",
        "9" * 400 + ":00",
        "1/0",
    ),
)


def one_line(error: Exception) -> bool:
    return 0 < len(str(error)) < 1000 and len(str(error).splitlines()) == 1


CLASSES: list[type[Declared]] = [*(row.settings for row in tasks.TASKS.values()), FileSettings, ClipSettings]


def taken(settings: type[Declared], name: str, value: Any) -> Any:
    """The value that a setting keeps, or the error that it raises."""
    try:
        return getattr(settings.of({name: value}), name)
    except PellucidError as error:
        return error


def test_numbers_of_every_kind_are_numbers() -> None:
    assert [as_number(each) for each in NUMBERS] == [2.0] * len(NUMBERS)
    kept = [as_number(each) for each in NO_NUMBERS]
    assert all(each is None or not np.isfinite(each) for each in kept), kept


@pytest.mark.parametrize("settings", CLASSES, ids=lambda each: each.__name__)
def test_every_setting_takes_a_value_or_refuses_it_in_one_line(settings: type[Declared]) -> None:
    for row in settings.declared():
        for value in NO_NUMBERS:
            for given in (value, [value], (value, value), [(value, value)], [(value, value, "red")], (value,) * 4, [(value,) * 4]):
                kept = taken(settings, row.name, given)
                # No number comes of what is none.
                assert "number" not in row.kinds or isinstance(kept, str | PellucidError), (row.name, kept)
                assert not isinstance(kept, PellucidError) or one_line(kept), row.name
        if row.kinds == ("number",) and row.low <= 2 <= row.high and not row.many:
            for value in NUMBERS:
                assert getattr(settings.of({row.name: value}), row.name) == 2


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda each: type(each).__name__)
def test_no_value_that_is_none_makes_a_range_or_a_limit(value: Any) -> None:
    for given in (value, (0, value), (value, 0), (value, value), (0, value, 1)):
        with pytest.raises(OptionError) as raised:
            stacks.reading_of(given, None)
        assert one_line(raised.value)
    with pytest.raises(OptionError) as raised:
        restorer.load("photo-fast-gray", memory=value if not isinstance(value, bool) else str(value))  # type: ignore[arg-type]
    assert one_line(raised.value)
    picture = np.zeros((8, 9), np.uint8)
    for name in ("range", "axes", "sigma", "model", "out", "clip"):
        if isinstance(value, str) and name in ("axes", "model", "out"):
            continue
        with pytest.raises(PellucidError) as refused:
            pellucid.denoise(picture, **{"model": "photo-fast-gray", name: value})
        assert one_line(refused.value)
    for call in (
        lambda: pellucid.run(picture, value),
        lambda: pellucid.run(picture, preset=value),
        lambda: pellucid.read(value),
        lambda: pellucid.write(value, picture),
        lambda: pellucid.load(value),
        lambda: pellucid.load("photo-fast-gray", device=value),
        lambda: pellucid.load("photo-fast-gray", engine=value),
    ):
        with pytest.raises(PellucidError) as refused:
            call()
        assert one_line(refused.value)


@pytest.mark.parametrize(
    "given", [(0, 4095), [0.0, 4095.0], np.array([0, 4095]), (np.uint16(0), np.float32(4095)), (0, Decimal(4095))]
)
def test_a_range_is_two_numbers_of_any_kind(given: Any) -> None:
    assert stacks.reading_of(given, None).value_range == (0.0, 4095.0)


def test_arrays_that_hold_no_numbers_are_refused_in_one_line() -> None:
    for value in (10**400, "5", None, object(), 1j, Decimal(5), np.datetime64("2020")):
        with pytest.raises(ImageError) as raised:
            images.from_array(np.full((4, 4), value))
        assert one_line(raised.value)


def test_every_kind_of_argument_is_read_or_refused() -> None:
    (commands,) = (each for each in cli.parser()._actions if isinstance(each, argparse._SubParsersAction))
    kinds = {action.type for command in commands.choices.values() for action in command._actions if callable(action.type)}
    assert len(kinds) > 5
    for kind in kinds:
        for text in TEXTS:
            # Any other error is no line of argparse's.
            with suppress(argparse.ArgumentTypeError, TypeError, ValueError, PellucidError):
                kind(text)
    for text in TEXTS:
        with pytest.raises(OptionError):
            ranges.parse_range(text)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["manual"], ["presets"], ["recipes"], ["completion", "zsh"]], ids=" ".join
)
def test_what_is_printed_on_a_closed_output_is_a_failure(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err == "pellucid: standard output: it is closed\n"


def test_help_of_every_command_needs_an_open_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (commands,) = (each for each in cli.parser()._actions if isinstance(each, argparse._SubParsersAction))
    for name in commands.choices:
        monkeypatch.setattr("sys.stdout", None)
        assert cli.main([name, "--help"]) == 1
        assert capsys.readouterr().err == "pellucid: standard output: it is closed\n"
