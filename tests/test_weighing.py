"""Where to work and what to spare: outside the mask nothing changes, to the bit; soft edges blend linearly; sizes are fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid import api, batch, files, images, plan, steps, weighing, working
from pellucid.chains import Chain
from pellucid.errors import ImageError, OptionError
from pellucid.tasks import TASKS, DenoiseSettings, UpscaleSettings
from pellucid.tasks.settings import Attached, FileSettings

TOLD = DenoiseSettings(sigma=12)
HEIGHT, WIDTH = 40, 52


def noisy(channels: int = 0) -> NDArray[np.float64]:
    """A smooth picture in [0, 1] with noise of level 12, and values that reach both ends."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    clean = 0.5 + 0.5 * np.sin(x / 9) * np.cos(y / 7)
    clean = clean if channels == 0 else np.repeat(clean[..., None], channels, axis=2)
    return np.clip(clean + np.random.default_rng(1).normal(0, 12 / 255, clean.shape), 0, 1)


def half(soft: int = 0) -> NDArray[np.float32]:
    """White on the left, black on the right, with an edge of so many pixels between."""
    ramp = np.clip((WIDTH / 2 + soft / 2 - np.arange(WIDTH)) / max(1, soft), 0, 1)
    return np.repeat(np.asarray(ramp, dtype=np.float32)[None], HEIGHT, axis=0)


def attached(path: Path, mask: NDArray[Any]) -> Attached:
    """The mask as a picture in a file."""
    files.write(path, images.from_array(np.rint(mask * 255).astype(np.uint8)), overwrite=True)
    return Attached.of(path)


def done(source: Path, target: Path, how: FileSettings, by: Any = None, settings: Any = TOLD) -> batch.Outcome:
    by = api._kept("photo-fast") if by is None else by
    (outcome,) = batch.restore_files(plan.plan([source], target), by, settings, how, overwrite=True)
    assert outcome.error is None, outcome.error
    return outcome


SOURCES: dict[str, Any] = {
    "uint8": lambda unit: np.rint(unit * 255).astype(np.uint8),
    "uint16": lambda unit: np.rint(unit * 65535).astype(np.uint16),
    "counts of 12 bits": lambda unit: np.rint(unit * 4095).astype(np.uint16),
    "int16": lambda unit: np.rint(unit * 2000 - 1000).astype(np.int16),
    "uint32": lambda unit: np.rint(unit * 4e9).astype(np.uint32),
    "float32": lambda unit: unit.astype(np.float32),
    "float64": lambda unit: unit,
    "degrees": lambda unit: 273.15 + 40 * unit.astype(np.float32),
    "tiny": lambda unit: 1e-12 * unit,
    "beyond": lambda unit: (unit * 1.2 - 0.1).astype(np.float32),
    "NaN": lambda unit: np.where(unit > 0.9, np.nan, unit).astype(np.float32),
}
"""Arrays of every dtype and unit, from pixels in [0, 1]."""


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("chained", [False, True], ids=["one task", "two steps"])
def test_outside_the_mask_nothing_changes_to_the_bit(kind: str, chained: bool, tmp_path: Path) -> None:
    values = SOURCES[kind](noisy())
    np.save(tmp_path / "a.npy", values)
    mask = half()
    how = FileSettings(mask=attached(tmp_path / "mask.png", mask))
    by, settings = None, TOLD
    if chained:
        settings = steps.parse("denoise:sigma=12+denoise:sigma=3")  # type: ignore[assignment]
        by = Chain(settings, [api._kept("photo-fast")] * 2)  # type: ignore[arg-type]
    done(tmp_path / "a.npy", tmp_path / "b.npy", how, by, settings)
    after = np.load(tmp_path / "b.npy")
    assert after.dtype == values.dtype
    assert after[:, mask[0] == 0].tobytes() == values[:, mask[0] == 0].tobytes()
    assert (after != values)[:, mask[0] == 1].mean() > 0.5


def test_large_pictures_that_go_through_in_bands(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(files.base, "BANDED", 1000)
    for kind in ("uint8", "degrees", "NaN"):
        values = SOURCES[kind](noisy())
        np.save(tmp_path / "a.npy", values)
        done(tmp_path / "a.npy", tmp_path / "b.npy", FileSettings(mask=attached(tmp_path / "m.png", half())))
        after = np.load(tmp_path / "b.npy")
        assert after[:, WIDTH // 2 + 1 :].tobytes() == values[:, WIDTH // 2 + 1 :].tobytes()
        assert (after != values)[:, : WIDTH // 2].mean() > 0.5


@pytest.mark.parametrize("ending", [".png", ".tif", ".pgm"])
def test_what_is_spared_is_the_rest(ending: str, tmp_path: Path) -> None:
    values = np.rint(noisy() * 255).astype(np.uint8)
    source, target = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    files.write(source, images.from_array(values))
    mask = attached(tmp_path / "mask.png", half())
    done(source, target, FileSettings(mask=mask))
    worked = images.to_array(files.read(target))
    done(source, target, FileSettings(protect=attached(tmp_path / "rest.png", 1 - half())))
    np.testing.assert_array_equal(images.to_array(files.read(target)), worked)
    # Both: only where the first is white and the second is black.
    done(source, target, FileSettings(mask=mask, protect=mask))
    np.testing.assert_array_equal(images.to_array(files.read(target)).reshape(HEIGHT, WIDTH), values)


def test_soft_edges_blend_linearly() -> None:
    model = api._kept("photo-fast")
    picture = images.from_array(noisy(3).astype(np.float32))
    before, after = picture.pixels, model.details(picture, TOLD).image.pixels
    mask = half(20)
    for strength in (1.0, 0.5):
        blended = model.details(picture, DenoiseSettings(sigma=12, strength=strength), mask=mask).image.pixels
        expected = before + strength * mask[..., None] * (after - before)
        np.testing.assert_allclose(blended, expected, atol=1e-6)
    # Half of it everywhere is half the strength.
    even = model.details(picture, TOLD, mask=np.full((HEIGHT, WIDTH), 0.5)).image.pixels
    np.testing.assert_allclose(even, model.details(picture, DenoiseSettings(sigma=12, strength=0.5)).image.pixels, atol=1e-6)


@pytest.mark.parametrize("task", [row for row in TASKS.values() if row.command], ids=lambda row: row.name)
def test_every_task_takes_a_mask(task: Any) -> None:
    """Black all over gives the picture, or the output of strength 0 where that has another shape; white all over that without a
    mask."""
    picture = images.from_array(np.rint(noisy(3) * 255).astype(np.uint8))
    model = api._kept(task.model)
    settings = task.settings()
    black, white = (model.details(picture, settings, mask=np.full((7, 9), level)).image for level in (0.0, 1.0))
    none = images.to_array(model.details(picture, task.settings(strength=0)).image)
    spared = images.to_array(picture)
    np.testing.assert_array_equal(images.to_array(black), spared if none.shape == spared.shape else none)
    np.testing.assert_array_equal(images.to_array(white), images.to_array(model.details(picture, settings).image))


def test_a_colour_picture_keeps_its_colours_outside_the_mask() -> None:
    """Soft edges lead from the picture to its new colours, whatever the strength: not to gray."""
    values = np.repeat(noisy()[..., None], 3, axis=2).astype(np.float32) * np.float32((0.9, 0.6, 0.3))
    model, mask = api._kept("colorize"), half(20)
    for strength in (1.0, 0.4):
        everywhere = model.restore(values, strength=strength)
        expected = values + mask[..., None] * (everywhere - values)
        np.testing.assert_allclose(model.restore(values, strength=strength, mask=mask), expected, atol=2e-6)


def test_of_a_larger_output_the_rest_is_the_bicubic_enlargement(tmp_path: Path) -> None:
    values = np.rint(noisy() * 255).astype(np.uint8)
    files.write(tmp_path / "a.png", images.from_array(values))
    how = FileSettings(mask=attached(tmp_path / "m.png", half()))
    settings = UpscaleSettings(scale=2, noise="keep")
    outcome = done(tmp_path / "a.png", tmp_path / "b.png", how, api._kept("upscale"), settings)
    large = images.to_array(files.read(tmp_path / "b.png"))
    bicubic = pellucid.upscale(values, scale=2, noise="keep", strength=0.0)
    right = slice(WIDTH + 2, None)
    np.testing.assert_array_equal(large[:, right], bicubic[:, right])
    assert (large != bicubic)[:, : WIDTH - 2].any()
    assert not outcome.remarks


def test_another_size_is_scaled_and_said(tmp_path: Path) -> None:
    values = np.rint(noisy() * 255).astype(np.uint8)
    files.write(tmp_path / "a.png", images.from_array(values))
    small = np.zeros((4, 10), np.float32)
    small[:, :5] = 1
    outcome = done(tmp_path / "a.png", tmp_path / "b.png", FileSettings(mask=attached(tmp_path / "m.png", small)))
    assert outcome.remarks == ("mask m.png is scaled from 10x4 to 52x40",)
    after = images.to_array(files.read(tmp_path / "b.png"))
    np.testing.assert_array_equal(after[:, 30:], values[:, 30:])
    assert (after != values)[:, :22].any()
    # The exact ends stay exact however a mask is scaled.
    fitted = weighing.fitted(small, 401, 997)
    assert (fitted[:, :440] == 1).all()
    assert (fitted[:, 560:] == 0).all()
    assert ((fitted >= 0) & (fitted <= 1)).all()


@pytest.mark.parametrize(
    ("mask", "lines"),
    [
        # The values 0 and 1 in a file of 8 bits: a person sees black, and so does the tool.
        (np.ones((HEIGHT, WIDTH), np.uint8), ("mask m.npy is black or nearly so: its brightest pixel has 0.4% of white",)),
        (
            np.zeros((HEIGHT, WIDTH), np.uint8),
            ("mask m.npy is black or nearly so: its brightest pixel has 0.0% of white", "the masks leave no pixel to work on"),
        ),
        (half(), ()),
    ],
)
def test_a_mask_that_does_hardly_anything_says_so(mask: NDArray[Any], lines: tuple[str, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", mask)
    areas = working.Areas.of(FileSettings(mask=Attached.of(tmp_path / "m.npy")))
    assert areas.fitted(images.from_array(noisy()))[1] == lines


def test_what_is_to_be_done_and_spared_at_once_leaves_nothing() -> None:
    weights, lines = working.Areas(("m", half()), ("p", half())).fitted(images.from_array(noisy()))
    assert weights is not None
    assert not weights.any()
    assert lines == ("the masks leave no pixel to work on",)


def test_alpha_is_the_mask_of_a_cut_out(tmp_path: Path) -> None:
    cut = np.full((HEIGHT, WIDTH, 4), 10, np.uint8)
    cut[..., 3] = np.rint(half() * 255)
    files.write(tmp_path / "cut.png", images.from_array(cut))
    np.testing.assert_array_equal(weighing.of_image(files.read(tmp_path / "cut.png")), half())
    files.write(tmp_path / "opaque.png", images.from_array(np.concatenate([cut[..., :3], np.full_like(cut[..., :1], 255)], axis=2)))
    assert weighing.of_image(files.read(tmp_path / "opaque.png")).max() == pytest.approx(10 / 255)


def test_masks_in_python() -> None:
    values = noisy()
    model = api._kept("photo-fast")
    mask = half()
    after = model.restore(values, sigma=12, mask=mask)
    assert after[:, WIDTH // 2 + 1 :].tobytes() == values[:, WIDTH // 2 + 1 :].tobytes()
    assert (after != values)[:, : WIDTH // 2].mean() > 0.5
    # A whole number is no weight, a mask has two sides, and numbers.
    for bad, line in (
        (np.zeros((3, 3), np.int64), "whole numbers of 8 or 16 bits, not int64"),
        (np.zeros((3, 3, 3)), r"shape \(h, w\), not \(3, 3, 3\)"),
        (np.full((3, 3), np.nan), "numbers alone"),
    ):
        with pytest.raises(ImageError, match=line):
            model.restore(values, sigma=12, mask=bad)


def test_pieces_where_nothing_is_to_be_done_are_not_computed(monkeypatch: Any) -> None:
    from dataclasses import replace

    from pellucid.tasks import denoise

    calls: list[int] = []
    prepare = denoise.prepare

    def small(*given: Any) -> Any:
        job = prepare(*given)

        def counted(piece: Any) -> Any:
            def run(*what: Any) -> Any:
                calls.append(1)
                return piece(*what)

            return run

        return replace(job, passes=tuple(replace(each, piece=counted(each.piece), tile=192) for each in job.passes))

    monkeypatch.setattr(denoise, "prepare", small)
    picture = np.random.default_rng(0).random((380, 380)).astype(np.float32)
    mask = np.zeros((380, 380), np.float32)
    mask[:20, :20] = 1
    model = api._kept("photo-fast")
    model.restore(picture, sigma=5, mask=mask)
    masked = len(calls)
    calls.clear()
    model.restore(picture, sigma=5)
    assert 0 < masked < len(calls) / 2


def test_no_mask_where_the_size_is_not_known() -> None:
    picture = np.rint(noisy(3) * 255).astype(np.uint8)
    with pytest.raises(OptionError, match="a mask cannot be fitted to an output that is cut off"):
        api._kept("cutout").restore(picture, crop=True, mask=half())
