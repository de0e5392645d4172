"""Laws of the damage of film, prints and tape: what it covers, what stays, what lasts one frame, and what is true of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import baselines, degradations, wear
from pellucid.errors import ImageError, OptionError
from pellucid.laws import Degradation
from pellucid.wear.whole import moved

LEVELS = {
    "scratches": "scratches:70",
    "dust": "dust:8",
    "hairs": "hairs:20",
    "blotches": "blotches:15",
    "stains": "stains:20",
    "creases": "creases:3",
    "cracks": "cracks:15",
    "mould": "mould:15",
    "film-grain": "film-grain:10",
    "flicker": "flicker:10",
    "weave": "weave:2",
    "fading": "fading:0.5",
    "vignette": "vignette:0.5",
    "splices": "splices:60",
    "dropouts": "dropouts:30",
    "heads": "heads:4",
    "chroma": "chroma:3",
}
COVERING = ("scratches", "dust", "hairs", "blotches", "creases", "cracks", "mould", "dropouts", "heads", "splices")
ONE_FRAME = ("dust", "hairs", "blotches", "creases", "cracks", "mould", "dropouts")
MIXED = ("film:1", "print:1", "tape:1", "film:2:share=0.5", "splices:60+dust:3+weave:1")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def film() -> NDArray[np.float32]:
    """Eight frames (56, 72) in colour of a pattern that moves two pixels a frame."""
    row, column = np.mgrid[:56, :100].astype(np.float32)
    wide = 0.5 + 0.25 * np.stack([np.sin(row / 5), np.cos(column / 7), np.sin((row + column) / 9)], axis=2)
    return np.stack([wide[:, 2 * number : 72 + 2 * number] for number in range(8)]).astype(np.float32)


def test_the_examples_cover_the_table() -> None:
    assert set(LEVELS) == set(wear.DEFECTS)
    assert set(COVERING) == {kind for kind, law in wear.DEFECTS.items() if law(0.5).covers} | {"splices"}


@pytest.mark.parametrize("text", [*LEVELS.values(), *MIXED])
class TestEach:
    def test_the_same_seed_gives_the_same_frames(self, text: str, film: NDArray[np.float32]) -> None:
        before = film.copy()
        first, again, other = (wear.wear(film, text, rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.frames, again.frames)
        np.testing.assert_array_equal(first.damage, again.damage)
        np.testing.assert_array_equal(film, before)
        if text.split(":")[0] not in ("fading", "chroma"):
            assert first.frames.shape != other.frames.shape or (first.frames != other.frames).any()

    def test_nothing_changes_outside_of_the_mask(self, text: str, film: NDArray[np.float32]) -> None:
        worn = wear.wear(film, text, rng(3))
        np.testing.assert_array_equal(worn.frames[~worn.damage], worn.beneath[~worn.damage])
        together = np.zeros_like(worn.damage)
        for mask in worn.marks.values():
            together |= mask
        np.testing.assert_array_equal(together, worn.damage)

    def test_values_and_shapes(self, text: str, film: NDArray[np.float32]) -> None:
        for frames in (film, film[..., :1], film[:1], film[:2, :1, :1]):
            worn = wear.wear(frames, text, rng(4))
            count = len(worn.kept)
            assert worn.frames.shape == worn.beneath.shape == worn.moved.shape == (count, *frames.shape[1:])
            assert worn.damage.shape == worn.frames.shape[:3]
            assert worn.shift.shape == (count, 2)
            assert worn.fading.shape == (2, frames.shape[3])
            np.broadcast_shapes(worn.gain.shape, worn.damage.shape)
            for made in (worn.frames, worn.beneath, worn.moved):
                assert made.dtype == np.float32
                assert np.isfinite(made).all()
                assert made.min() >= 0
                assert made.max() <= 1

    def test_text_round_trip(self, text: str, film: NDArray[np.float32]) -> None:
        case = degradations.parse(text)
        assert isinstance(case, Degradation)
        assert degradations.parse(str(case)) == case
        assert case.scale == 1

    @pytest.mark.parametrize("shape", [(17, 23), (17, 23, 1), (17, 23, 3), (1, 1)])
    def test_a_still_keeps_its_shape(self, text: str, shape: tuple[int, ...], film: NDArray[np.float32]) -> None:
        clean = np.full(shape, 0.5)
        perfect, worn = degradations.parse(text).pair(clean, rng())
        assert perfect.shape == worn.shape == shape
        assert worn.dtype == np.float32


@pytest.mark.parametrize("kind", wear.DEFECTS)
def test_zero_is_identity(kind: str, film: NDArray[np.float32]) -> None:
    worn = wear.wear(film, f"{kind}:0", rng())
    np.testing.assert_array_equal(worn.frames, film)
    assert not worn.damage.any()


@pytest.mark.parametrize("kind", COVERING)
def test_what_is_covered_differs_by_as_much_as_is_promised(kind: str, film: NDArray[np.float32]) -> None:
    # One kind alone, where nothing lies over another: all that the mask has was changed visibly.
    worn = wear.wear(film, LEVELS[kind], rng(5))
    assert worn.damage.any()
    change = np.abs(worn.frames - worn.beneath).max(axis=-1)[worn.damage]
    assert np.mean(change > 0.99 * wear.VISIBLE) > 0.97


@pytest.mark.parametrize("kind", [kind for kind in wear.DEFECTS if kind not in COVERING])
def test_what_does_not_cover_has_no_mask(kind: str, film: NDArray[np.float32]) -> None:
    worn = wear.wear(film, LEVELS[kind], rng(6))
    assert not worn.damage.any()
    assert (worn.frames != film).any()


@pytest.mark.parametrize("kind", ONE_FRAME)
def test_these_last_one_frame(kind: str) -> None:
    sparse = LEVELS[kind].split(":")[0] + (":1" if kind not in ("dust", "creases") else ":0.3")
    hits, chance = 0.0, 0.0
    for seed in range(12):
        mask = wear.wear(np.full((6, 160, 160, 1), 0.5, np.float32), sparse, rng(seed)).damage
        hits += float((mask[1:] & mask[:-1]).mean())
        chance += float(mask.mean())
    assert chance > 0
    # Independent frames meet by chance alone.
    assert hits / 12 < 0.15 * chance / 12


def test_scratches_stay_and_wander() -> None:
    worn = wear.wear(np.full((16, 64, 400, 1), 0.5, np.float32), "scratches:12:broken=0:wander=1.5", rng(2))
    columns = worn.damage.mean(axis=1)
    assert columns.any()
    # Within six columns of where a scratch is in one frame it is in the next, too, for nearly all frames.
    near = np.stack([np.convolve(line, np.ones(13), "same") for line in columns[1:]])
    there = columns[:-1] > 0.9
    assert there.any()
    assert np.mean(near[there] > 0.5) > 0.9
    # They move.
    place = [np.average(np.arange(400), weights=line) for line in columns if line.any()]
    assert np.std(place) > 0.05


@pytest.mark.parametrize(("wide", "most"), [(1, 3), (3, 5)])
def test_scratches_are_as_wide_as_is_asked_for(wide: int, most: int) -> None:
    flat = np.full((1, 50, 300, 1), 0.5, np.float32)
    widths = []
    for seed in range(40):
        text = f"scratches:4:broken=0:wander=0:coloured=0:wide={wide}"
        mask = wear.wear(flat, text, rng(seed)).damage[0]
        widths += [len(run) for row in mask[:3] for run in np.split(row, np.flatnonzero(np.diff(row.astype(int))) + 1) if run[0]]
    # A rim of an antialiased line is at most a pixel on either side; two may touch.
    assert widths
    assert np.percentile(widths, 90) <= most
    assert min(widths) >= 1


def test_weave_says_where_frames_lie(film: NDArray[np.float32]) -> None:
    worn = wear.wear(film, "weave:1.5", rng(7))
    np.testing.assert_array_equal(worn.frames, worn.moved)
    assert worn.shift.std() > 0.3
    # Whole pixels are moved to the bit; back and forth is nearly nothing.
    np.testing.assert_allclose(moved(film, np.tile(np.float32([[2, -3]]), (8, 1)))[:, 5:, :-5], film[:, 3:-2, 3:-2], atol=1e-6)
    back = moved(worn.frames, -worn.shift)
    inside = np.s_[:, 8:-8, 8:-8]
    assert np.abs(back[inside] - film[inside]).max() < 0.01


def test_the_level_of_weave_is_its_deviation() -> None:
    shifts = np.concatenate([wear.wear(np.zeros((40, 2, 2, 1), np.float32), "weave:2", rng(seed)).shift for seed in range(40)])
    assert shifts.std() == pytest.approx(2, rel=0.1)


def test_flicker_is_its_gain(film: NDArray[np.float32]) -> None:
    dim = 0.5 * film
    for text in ("flicker:8:areas=0", "flicker:8", "flicker:8:areas=1"):
        worn = wear.wear(dim, text, rng(8))
        np.testing.assert_allclose(worn.frames, dim * worn.gain[..., None], rtol=1e-5)
    gains = [wear.wear(np.zeros((50, 9, 9, 1), np.float32), "flicker:8:areas=0", rng(seed)).gain for seed in range(20)]
    assert np.std(gains) == pytest.approx(0.08, rel=0.1)


def test_fading_is_undone_by_what_is_true_of_it(film: NDArray[np.float32]) -> None:
    worn = wear.wear(film, "fading:0.6", rng())
    powers, base = worn.fading
    assert powers[0] < powers[2] < powers[1]
    np.testing.assert_allclose((worn.frames / base) ** (1 / powers), film, atol=1e-4)
    # Without cyan dye a picture gets red.
    assert (worn.frames[..., 0] - film[..., 0]).mean() > (worn.frames[..., 1] - film[..., 1]).mean()


def test_vignette_takes_light_from_the_corners(film: NDArray[np.float32]) -> None:
    worn = wear.wear(film, "vignette:0.5", rng())
    np.testing.assert_allclose(worn.frames, film * worn.vignette[..., None], rtol=1e-5)
    assert worn.vignette[[0, 0, -1, -1], [0, -1, 0, -1]].mean() == pytest.approx(0.5, abs=0.12)
    assert worn.vignette[28, 36] > 0.97


def test_splices_take_frames_away_and_say_which(film: NDArray[np.float32]) -> None:
    worn = wear.wear(film, "splices:60:most=2", rng(1))
    assert len(worn.kept) < len(film)
    assert (np.diff(worn.kept) >= 1).all()
    np.testing.assert_array_equal(worn.beneath, film[worn.kept])
    # The joint lies at the foot of the frame before and at the head of the one after.
    after = int(np.flatnonzero(np.diff(worn.kept) > 1)[0]) + 1
    assert worn.damage[after - 1, -1].any()
    assert worn.damage[after, 0].any()


def test_grain_follows_density() -> None:
    flat = np.repeat(np.float32([0.02, 0.5, 0.98]), 128 * 128).reshape(3, 128, 128, 1)
    noise = (wear.wear(flat, "film-grain:8", rng()).frames - flat).std(axis=(1, 2, 3)) * 255
    assert noise[1] == pytest.approx(8, rel=0.05)
    assert noise[0] < 3
    assert noise[2] < 3


def test_grain_is_common_to_colours_as_far_as_is_asked_for() -> None:
    flat = np.full((2, 128, 128, 3), 0.5, np.float32)
    for common in (0.0, 0.5, 1.0):
        noise = wear.wear(flat, f"film-grain:8:common={common}:spread=0", rng()).frames - flat
        assert noise.std() * 255 == pytest.approx(8, rel=0.05)
        assert np.corrcoef(noise.reshape(-1, 3).T)[0, 1] == pytest.approx(common, abs=0.03)


def test_chroma_keeps_the_light_and_moves_the_colours() -> None:
    frames = np.full((1, 4, 60, 3), 0.5, np.float32)
    frames[:, :, 20:40] = (0.7, 0.45, 0.4)
    luma = np.float32([0.299, 0.587, 0.114])
    worn = wear.wear(frames, "chroma:4", rng())
    np.testing.assert_allclose(worn.frames @ luma, frames @ luma, atol=1e-5)
    places = [np.average(np.arange(60), weights=np.abs(made[0, 0, :, 0] - made[0, 0] @ luma)) for made in (frames, worn.frames)]
    assert places[1] - places[0] == pytest.approx(4, abs=0.05)
    assert worn.chroma == pytest.approx(4, abs=0.05)


def test_one_defect_does_not_change_what_another_draws(film: NDArray[np.float32]) -> None:
    alone = wear.wear(film, "dust:5+scratches:0", rng(9))
    both = wear.wear(film, "dust:5+scratches:40", rng(9))
    assert (alone.marks["dust"] & ~both.damage).sum() == 0


def test_density_is_that_of_the_area() -> None:
    """A crop has as much damage as the whole has there: the covered share does not depend on the size."""
    for text in ("dust:3", "hairs:6", "blotches:6", "scratches:20:broken=0"):
        shares = []
        for side, seeds in ((64, 96), (256, 6)):
            masks = [wear.wear(np.full((1, side, side, 1), 0.5, np.float32), text, rng(seed)).damage for seed in range(seeds)]
            shares.append(float(np.mean(masks)))
        assert shares[0] == pytest.approx(shares[1], rel=0.45), text


def test_a_mixture_has_all_of_its_defects(film: NDArray[np.float32]) -> None:
    for kind, usual in wear.MIXTURES.items():
        mixture = wear.parse(f"{kind}:1")
        assert isinstance(mixture, wear.Mixture)
        assert {part.kind for part in mixture.drawn(rng())} == set(usual)
        some = wear.parse(f"{kind}:1:share=0.4")
        assert isinstance(some, wear.Mixture)
        assert len({len(some.drawn(rng(seed))) for seed in range(20)}) > 1


@pytest.mark.parametrize(
    "text",
    [
        "scratches",
        "scratches:",
        "scratches:-1",
        "scratches:nan",
        "scratches:4:broken=2",
        "scratches:4:brokn=1",
        "scratches:4:clip",
        "dust:1:radius=0",
        "fading:1",
        "flicker:1:areas=x",
        "film:9",
        "weave:1e9",
    ],
)
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        degradations.parse(text)


def test_the_error_names_what_would_work() -> None:
    with pytest.raises(OptionError, match="broken="):
        wear.parse("scratches:4:brokn=1")
    with pytest.raises(OptionError, match="dust"):
        wear.wear(np.zeros((1, 4, 4, 3), np.float32), "dusk:1", rng())


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (1, 4, 4, 2), (0, 4, 4, 3), (1, 0, 4, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="frames"):
        wear.wear(np.zeros(shape, np.float32), "dust:1", rng())


def test_defects_go_with_other_degradations() -> None:
    clean = np.full((40, 40, 3), 0.5)
    chain = degradations.parse("scratches:50:broken=1+dust:5+jpeg:40")
    np.testing.assert_array_equal(chain(clean, rng(1)), chain(clean, rng(1)))
    assert degradations.parse(str(chain)) == chain
    with pytest.raises(OptionError, match="no defect"):
        wear.parts_of(chain)


BETTER = {"telea": 6.0, "navier-stokes": 6.0, "masked-median": 4.0}
"""Baselines that are given the true damage, and the least that they gain inside of it on a smooth picture, in dB."""


@pytest.mark.parametrize("name", BETTER)
class TestFillers:
    def test_fills_what_is_damaged_and_nothing_else(self, name: str, film: NDArray[np.float32]) -> None:
        baseline = baselines.find(name)
        for clean in (film[0], film[0][..., :1]):
            worn = wear.wear(clean[None], "scratches:60+dust:10+hairs:20", rng(3))
            filled = baseline.function(worn.frames[0], wear.Covered(worn.damage[0]))
            mask = worn.damage[0]
            np.testing.assert_array_equal(filled[~mask], clean[~mask])
            before, after = (np.square(made - clean)[mask].mean() for made in (worn.frames[0], filled))
            assert 10 * np.log10(before / after) > BETTER[name]

    def test_a_picture_that_is_covered_as_a_whole_does_not_break_it(self, name: str, film: NDArray[np.float32]) -> None:
        filled = baselines.find(name).function(film[0], wear.Covered(np.ones(film.shape[1:3], bool)))
        assert np.isfinite(filled).all()

    def test_needs_to_be_told_where(self, name: str, film: NDArray[np.float32]) -> None:
        with pytest.raises(OptionError, match="known"):
            baselines.find(name).function(film[0], degradations.parse("gaussian:5"))


def test_covered_is_the_mask_of_covering_defects(film: NDArray[np.float32]) -> None:
    case = degradations.parse("scratches:60")
    _, worn = case.pair(film[0], rng(5))
    cover = wear.covered(case, film[0], worn)
    assert cover.mask.any()
    np.testing.assert_array_equal(cover.mask, (worn != film[0]).any(axis=-1))
    assert cover.level == pytest.approx(cover.mask.mean())
    # Where nothing covers, nothing is covered.
    faded = degradations.parse("fading:0.4")
    assert not wear.covered(faded, film[0], faded(film[0], rng())).mask.any()
    with pytest.raises(OptionError, match="fading"):
        wear.covered(degradations.parse("dust:1+fading:0.4"), film[0], worn)
