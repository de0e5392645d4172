"""Drawings, pixel by pixel, with whatever noise on them: the output is never worse than the input, at any pitch."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

import pellucid
from pellucid import degradations, drawings, samples
from pellucid.diagnosis import bands, believing, blotches, extremes, grounds, impulses, palette, repeats
from pellucid.quantised import Quantised

Levels = NDArray[np.uint8]

SIDE = 128


def levels(values: NDArray[np.floating]) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def tiled(pitch: int, colours: int, kinds: int) -> NDArray[np.intp]:
    """Which colour each pixel of a map of so many kinds of tiles has."""
    rng = np.random.default_rng(pitch)
    made, chosen = rng.integers(0, colours, (kinds, pitch, pitch)), rng.integers(0, kinds, (SIDE // pitch + 1,) * 2)
    return np.concatenate([np.concatenate(list(made[row]), axis=1) for row in chosen])[:SIDE, :SIDE]


def dithered() -> NDArray[np.intp]:
    """A slope of light in black and white."""
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE
    light = levels(255 * (0.5 + 0.3 * np.sin(3 * down + 2 * right)))
    return np.asarray(PillowImage.fromarray(light).convert("1")).astype(np.intp)


def drawn(kind: str, pitch: int) -> NDArray[np.intp]:
    down, right = np.mgrid[:SIDE, :SIDE]
    match kind:
        case "checkers":
            return (down // pitch + right // pitch) % 2
        case "lines":
            return (down // pitch) % 2
        case "grid":
            return ((down % (pitch + 1) == 0) | (right % (pitch + 1) == 0)).astype(np.intp)
        case "dots":
            return ((down % (pitch + 1) == 0) & (right % (pitch + 1) == 0)).astype(np.intp)
        case "wall":
            return tiled(pitch, 4, 1)
        case "squares":
            return np.random.default_rng(pitch).integers(0, 4, (SIDE, SIDE))[down // pitch, right // pitch]
        case "dither":
            return dithered()
    return tiled(pitch, 4, 6)


PALETTES = {
    "gray": [[90], [160], [40], [215]],
    "colour": [[200, 60, 40], [50, 110, 180], [230, 220, 90], [30, 40, 45]],
    "ink": [[0], [255], [0], [255]],
}


def spoiled(clean: Levels, noise: str) -> Levels:
    if noise.startswith("jpeg"):
        file = io.BytesIO()
        PillowImage.fromarray(clean.squeeze()).save(file, "JPEG", quality=int(noise[5:]))
        return np.asarray(PillowImage.open(file)).reshape(clean.shape)
    made = degradations.parse(noise)(clean / np.float64(255), np.random.default_rng(1))
    return levels(255 * np.asarray(made, np.float64))


def psnr(clean: Levels, other: Levels) -> float:
    return -10 * float(np.log10(np.square((clean - other.astype(np.float64)) / 255).mean() + 1e-12))


@pytest.fixture(scope="module")
def fast() -> pellucid.Restorer:
    return pellucid.load("photo-fast")


@pytest.mark.parametrize(
    ("kind", "pitch", "colours", "noise", "gain"),
    [
        ("checkers", 1, "gray", "gaussian:8", 20),
        ("checkers", 2, "ink", "gaussian:8", 20),
        ("checkers", 1, "colour", "speckle:0.1", 0.5),
        ("checkers", 8, "gray", "gaussian:3", 15),
        ("lines", 1, "ink", "gaussian:15", 20),
        ("grid", 2, "gray", "gaussian:25", 3),
        ("grid", 2, "colour", "salt-pepper:0.02", 3),
        ("dots", 1, "colour", "poisson:60", 0),
        ("dots", 3, "gray", "speckle:0.05", 5),
        ("wall", 16, "colour", "speckle:0.05", 3),
        ("wall", 3, "gray", "gaussian:50", 0),
        ("wall", 6, "colour", "poisson:200", 3),
        ("tiles", 12, "ink", "poisson:200", 10),
        ("tiles", 2, "colour", "gaussian:15", 3),
        ("tiles", 16, "gray", "gaussian:5", 10),
        ("squares", 1, "gray", "poisson:30", 0),
        ("squares", 1, "colour", "impulses:0.1", 0),
        ("squares", 16, "colour", "gaussian:5", 0),
        ("squares", 32, "gray", "speckle:0.1", 5),
        ("squares", 4, "gray", "jpeg:90", 0),
        ("squares", 4, "colour", "jpeg:40", 0),
        ("tiles", 8, "gray", "jpeg:40", 0),
        ("squares", 2, "colour", "salt-pepper:0.02", 8),
        ("squares", 4, "colour", "impulses:0.02", 8),
        ("dither", 1, "ink", "gaussian:50", 0),
        ("dither", 1, "ink", "speckle:0.05", 2),
        ("dither", 1, "gray", "poisson:60", 0),
    ],
)
def test_no_output_is_worse_than_its_input(
    fast: pellucid.Restorer, kind: str, pitch: int, colours: str, noise: str, gain: float
) -> None:
    clean = levels(np.array(PALETTES[colours], np.float64)[drawn(kind, pitch)])
    given = spoiled(clean, noise)
    output = fast.restore(given.squeeze()).reshape(clean.shape)
    assert psnr(clean, output) > psnr(clean, given) + gain - 0.1


@pytest.mark.parametrize(
    ("noise", "law", "amount"),
    [("gaussian:10", "sigma", 10 / 255), ("poisson:100", "gain", 0.01), ("speckle:0.01", "speckle", 0.01)],
)
def test_few_colours_tell_the_law_of_their_noise(noise: str, law: str, amount: float) -> None:
    clean = levels(np.array(PALETTES["gray"], np.float64)[drawn("squares", 1)])
    found = palette.of(palette.histograms([spoiled(clean, noise).astype(np.float32) / np.float32(255)]))
    assert found is not None
    assert found.noisy
    told = {name: getattr(found.curve, name) for name in ("sigma", "gain", "speckle")}
    assert told.pop(law) == pytest.approx(amount, rel=0.5)
    assert not any(told.values())
    # The value that is most often there stands for each colour.
    for value in np.unique(clean):
        assert 255 * found.table[0, value] == pytest.approx(value, abs=8)


def test_what_comes_again_is_no_noise() -> None:
    wall = np.array(PALETTES["gray"], np.float64)[drawn("wall", 8)] / 255
    rng = np.random.default_rng(0)
    given = (wall + rng.normal(0, 0.08, wall.shape)).astype(np.float32)
    found = repeats.of([given])
    assert found is not None
    assert found.pattern
    assert np.sqrt(found.most) == pytest.approx(0.08, rel=0.1)
    # Rows that are lighter and darker by chance are refuted where there is no room for them.
    assert not found.refute(0.08, 0, 0)
    assert found.refute(0.08, 0.2, 0)
    alone = repeats.of([rng.normal(0.5, 0.1, (SIDE, SIDE, 1)).astype(np.float32)])
    assert alone is not None
    assert not alone.pattern
    assert np.sqrt(alone.most) == pytest.approx(0.1, rel=0.05)


def test_rows_of_tiles_are_no_bands() -> None:
    rows = np.random.default_rng(1).normal(0, 0.05, 8)
    noise = np.random.default_rng(2).normal(0.5, 0.02, (SIDE, SIDE, 1))
    assert bands.measured([(noise + np.tile(rows, SIDE // 8)[:, None, None]).astype(np.float32)]) == (0, 0)
    by_chance = np.random.default_rng(3).normal(0, 0.05, (SIDE, 1, 1))
    assert bands.measured([(noise + by_chance).astype(np.float32)])[0] == pytest.approx(0.05, rel=0.3)


@pytest.mark.parametrize(("kind", "pitch"), [("dither", 1), ("grid", 2), ("tiles", 12), ("checkers", 1)])
def test_dots_that_keep_their_distance_are_no_impulses(kind: str, pitch: int) -> None:
    part = np.array(PALETTES["ink"], np.float32)[drawn(kind, pitch)] / np.float32(255)
    assert extremes.measured([part]) is None


def test_impulses_on_tiles_are_counted_and_nothing_else_changes(fast: pellucid.Restorer) -> None:
    clean = levels(np.array(PALETTES["colour"], np.float64)[drawn("tiles", 8)])
    given = spoiled(clean, "salt-pepper:0.05")
    found = pellucid.inspect(given)
    assert (found.kind, found.sigma) == ("salt-pepper", 0)
    assert found.impulse_density == pytest.approx(0.05, rel=0.2)
    assert ((fast.restore(given) != given).any(axis=2) <= (given != clean).any(axis=2)).all()


# -- colours ----------------------------------------------------------------------------------------------------------


def pale(side: int, count: int) -> Levels:
    """Squares of a few colours that are nearly alike (h, w, 3)."""
    rng = np.random.default_rng(side)
    colours = rng.integers(60, 200, 3) + rng.integers(-14, 15, (6, 3))
    return levels(colours[rng.integers(0, 6, (count, count))].repeat(side, 0).repeat(side, 1).astype(np.float64))


@pytest.mark.parametrize(("side", "sigma"), [(2, 5), (2, 12), (4, 5)])
def test_noise_on_pale_squares_has_its_level(fast: pellucid.Restorer, side: int, sigma: float) -> None:
    clean = pale(side, 256 // side)
    given = spoiled(clean, f"gaussian:{sigma}")
    assert pellucid.inspect(given).sigma == pytest.approx(sigma, rel=0.15)
    assert psnr(clean, fast.restore(given)) > psnr(clean, given) + 2


def test_noise_on_colours_is_white_and_what_a_photograph_has_is_not() -> None:
    def white(given: Levels) -> bool:
        part = given.astype(np.float32) / np.float32(255)
        found = palette.of(palette.histograms([part]))
        return found is not None and found.white([part])

    photo = samples.photograph()[:256, :256]
    assert white(spoiled(pale(2, 64), "gaussian:5"))
    assert not white(photo)
    for noise in ("gaussian:5", "grain:8", "camera:0.002", "jpeg:85"):
        assert not white(spoiled(photo, noise))


@pytest.mark.parametrize("side", [8, 16])
def test_squares_of_any_colour_are_no_blotches(fast: pellucid.Restorer, side: int) -> None:
    colours = np.random.default_rng(side).integers(30, 226, (256 // side, 256 // side, 3)).astype(np.float64)
    clean = levels(colours.repeat(side, 0).repeat(side, 1))
    given = spoiled(clean, "gaussian:15")
    assert blotches.measured([given.astype(np.float32) / np.float32(255)], 15) is None
    assert psnr(clean, fast.restore(given)) > psnr(clean, given) + 3


@pytest.mark.parametrize("level", [30.0, 45.0, 60.0])
def test_noise_puts_as_many_pixels_far_from_their_neighbours_as_is_reckoned(level: float) -> None:
    part = np.random.default_rng(0).normal(0.5, level / 255, (256, 256, 1)).astype(np.float32)
    found = impulses.differing([part], believing.FINE_DETAIL)
    assert found < believing._far_by_chance(level) < 2.5 * found + 1e-3


# -- impulses ---------------------------------------------------------------------------------------------------------


def screen(kind: str) -> Levels:
    """Letters with soft edges on colour, or windows and labels (h, w, 3)."""
    rng = np.random.default_rng(3)
    picture = PillowImage.new("RGB", (192, 192), (40, 60, 110) if kind == "letters" else (246, 246, 248))
    pen = ImageDraw.Draw(picture)
    for top in range(4, 180, 17):
        pen.text(
            (4, top),
            "the quick brown fox jumps over 413",
            fill=(240, 220, 120) if kind == "letters" else (25, 25, 30),
            font=ImageFont.load_default(12),
        )
        if kind == "windows":
            left = int(rng.integers(0, 120))
            pen.rectangle((left, top, left + 60, top + 12), fill=tuple(int(value) for value in rng.integers(0, 256, 3)))
    return np.asarray(picture)


@pytest.mark.parametrize("kind", ["letters", "windows"])
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_impulses_on_drawings_have_colours_of_their_own(fast: pellucid.Restorer, kind: str, share: float) -> None:
    clean = screen(kind)
    rng = np.random.default_rng(0)
    struck = rng.random(clean.shape[:2]) < share
    given = np.where(struck[..., None], rng.integers(0, 256, clean.shape), clean).astype(np.uint8)
    found = pellucid.inspect(given)
    assert found.kind == "impulses"
    assert found.impulse_density == pytest.approx(share, rel=0.2)
    output = fast.restore(given)
    assert np.count_nonzero((output != given).any(axis=2) & ~struck) < 2e-3 * struck.size
    assert psnr(clean, output) > psnr(clean, given) + 8


@pytest.mark.parametrize("kind", ["letters", "windows"])
def test_a_photograph_on_a_screen_and_a_screen_have_no_impulses(kind: str) -> None:
    clean = screen(kind).copy()
    assert grounds.by_colour([clean.astype(np.float32) / np.float32(255)]) is None
    clean[40:140, 60:160] = samples.photograph()[:100, :100]
    assert grounds.by_colour([clean.astype(np.float32) / np.float32(255)]) is None


def test_a_blend_of_two_colours_is_no_impulse() -> None:
    planes = np.zeros((3, 20, 20), np.float32)
    planes[:, :, 10:] = np.array([0.8, 0.6, 0.2], np.float32)[:, None, None]
    colours = drawings.recurring([planes])
    planes[:, 5, 10] = [0.4, 0.3, 0.1]
    planes[:, 15, 10] = [0.1, 0.9, 0.5]
    answer, struck, clear = drawings.recoloured(planes, colours)
    assert struck.nonzero() == (np.array([15]), np.array([10]))
    assert clear[15, 10]
    assert answer[:, 15, 10] == pytest.approx([0.8, 0.6, 0.2])


def dots(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The colours (3, count) of single pixels on an even ground, each of its own."""
    light, along = rng.random((2, count))
    match kind:
        case "any value":
            values = rng.random((3, count))
        case "stars":
            values = np.minimum(rng.pareto(1.0, count) * 0.15 + 0.05, 3) * (1 + rng.normal(0, 0.3, (3, count)))
        case "gray":
            values = light + rng.normal(0, 0.01, (3, count))
        case "hues":
            values = 0.9 - 0.7 * np.clip(np.abs((6 * along + np.array([[3], [5], [1]])) % 6 - 3) - 1, 0, 1)
        case _:
            values = 1.5 - np.abs(4 * along - np.array([[3], [2], [1]]))
    return np.clip(values, 0, 1).astype(np.float32)


@pytest.mark.parametrize("kind", ["stars", "gray", "hues", "scale"])
@pytest.mark.parametrize("count", [60, 2000])
def test_impulses_have_any_value_in_any_channel_and_dots_have_not(kind: str, count: int) -> None:
    rng = np.random.default_rng(count)
    assert all(grounds.of_any_value(dots("any value", count, rng)) for _ in range(100))
    assert not any(grounds.of_any_value(dots(kind, count, rng)) for _ in range(100))


def dotted(kind: str, ground: int = 8) -> Levels:
    """An even ground (200, 200, 3) with dots of one pixel."""
    rng = np.random.default_rng(1)
    picture = np.full((200, 200, 3), ground, np.uint8)
    struck = rng.random((200, 200)) < 0.01
    picture[struck] = levels(255 * dots(kind, int(struck.sum()), rng).T)
    return picture


@pytest.mark.parametrize("kind", ["any value", "stars", "gray", "hues", "scale"])
def test_single_dots_on_even_ground_are_impulses_where_they_have_any_value(kind: str) -> None:
    part = dotted(kind).astype(np.float32) / np.float32(255)
    for found in (grounds.by_colour([part]), grounds.impulses([part])):
        assert (found is not None) == (kind == "any value")


@pytest.mark.parametrize("ground", [8, 250])
@pytest.mark.parametrize("kind", ["stars", "gray", "hues", "scale"])
def test_single_dots_of_other_colours_stay(fast: pellucid.Restorer, kind: str, ground: int) -> None:
    picture = dotted(kind, ground)
    assert (fast.restore(picture) == picture).all()


def test_a_colour_comes_again_where_it_has_more_pixels_than_chance_gives_impulses() -> None:
    rng = np.random.default_rng(0)
    few = np.full((3, 60, 60), 0.5, np.float32)
    few[:, 10, :50] = rng.random((3, 50), np.float32)
    few[:, 20, 20:22] = 0.25
    # Two of a colour are no chance among 50 impulses; in as many as a large picture has, four times hardly are.
    assert len(drawings.recurring([few])) == 2
    many = (rng.integers(0, 256, (3, 1000, 1000)) / 255).astype(np.float32)
    many[:, 0] = 0.5
    names = drawings.named(many)
    colours = drawings.recurring([many[:, :400], many[:, 400:]])
    assert names[0, 0] in colours
    assert np.isin(names[1:], colours).mean() < 1e-3
    # In bands or at once, the colours are the same.
    assert (colours == drawings.recurring([many])).all()


def test_each_frame_of_a_clip_has_colours_of_its_own() -> None:
    rng = np.random.default_rng(3)
    frames, clean = [], []
    for number in range(3):
        picture = np.full((160, 160, 3), (240, 240, 230), np.uint8)
        picture[40:44], picture[:, 100:103] = (20, 30, 90), (200, 40, 40)
        if number > 0:
            # The thing that comes in has a colour that the first frame lacks.
            picture[110:140, 10 * number : 10 * number + 30] = (250, 160, 0)
        struck = rng.random((160, 160, 1)) < 0.03
        clean.append(picture)
        frames.append(np.where(struck, rng.integers(0, 256, picture.shape), picture).astype(np.uint8))
    for truth, output in zip(clean, pellucid.denoise(iter(frames), model="photo-fast"), strict=True):
        assert psnr(truth, output) > 42


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_impulses_on_lines_are_found_on_their_ground(fast: pellucid.Restorer, share: float) -> None:
    clean = np.full((256, 256, 1), 255, np.uint8)
    for top in range(12, 256, 80):
        clean[top : top + 30 : 6, 4:-4] = 0
    rng = np.random.default_rng(0)
    given = np.where(rng.random(clean.shape) < share, rng.integers(0, 256, clean.shape), clean).astype(np.uint8)
    assert pellucid.inspect(given).kind == "impulses"
    assert psnr(clean, fast.restore(given)) > psnr(clean, given) + 1


# -- JPEG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [20, 60, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_was_is_among_what_a_jpeg_may_have_been(quality: int, channels: int) -> None:
    clean = samples.photograph()[:160, :208, :channels]
    given = spoiled(clean, f"jpeg:{quality}")
    whole = Quantised(quality)
    true, planes = (each.transpose(2, 0, 1).astype(np.float32) / np.float32(255) for each in (clean, given))

    def off(output: NDArray[np.float32]) -> float:
        return 255 * float(np.sqrt(np.square(output - true, dtype=np.float64).mean()))

    held = true.copy()
    whole.hold(held, planes)
    # The pixels of a JPEG were rounded, too.
    assert off(held) < 0.35 * off(planes) + 0.3
    # Whatever else is held to it is no farther from the truth than before.
    for other in (np.zeros_like(planes), planes[:, ::-1].copy(), np.roll(planes, 1, axis=2)):
        held = other.copy()
        whole.hold(held, planes)
        assert off(held) < off(other)
        assert off(held) < 1.2 * off(planes)
    # A piece gets what it has in the whole.
    part = planes[:, 37:133, 21:].copy()
    output = np.roll(planes, 1, axis=2)
    piece = output[:, 37:133, 21:].copy()
    whole.hold(output, planes)
    whole.hold(piece, part, 37, 21)
    assert np.abs(piece[:, 16:-16, 16:-16] - output[:, 53:117, 37:-16]).max() < 1e-5
