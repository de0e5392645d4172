"""Damage that was found in a picture alone, judged once more."""

import numpy as np
import pytest

import pellucid
from pellucid import images, mending, samples, tiling, wear
from pellucid.diagnosis import damage
from pellucid.errors import OptionError
from pellucid.images import Pixels
from pellucid.tasks import film
from pellucid.views import View


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    return np.asarray(samples.photograph()[:480, :640], np.float32) / np.float32(255)


def maps_of(frame: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    plane = mending.gray(frame)
    return (mending.upright(plane), *mending.small_things(plane))


def drawn(seed: int) -> tuple[Pixels, Pixels, Pixels]:
    rng = np.random.default_rng(seed)
    return tuple(rng.random(shape, dtype=np.float32) for shape in ((300, 400, 3), (300, 400), (300, 400)))  # type: ignore[return-value]


def test_a_place_is_judged_by_no_more_than_pieces_overlap() -> None:
    frame, first, turned = drawn(1)
    where = np.zeros(first.shape, bool)
    # Pieces begin at multiples of 8: blocks and cells lie alike in both. So does the pyramid of the rough filling here.
    where[136:152, 200:216] = True
    whole = damage.features(frame, maps_of(frame), first, turned, where)
    assert whole.shape == (256, len(damage.load().mean))
    part = np.s_[136 - film.HALO : 152 + film.HALO, 200 - film.HALO : 216 + film.HALO]
    np.testing.assert_allclose(
        damage.features(frame[part], tuple(each[part] for each in maps_of(frame)), first[part], turned[part], where[part]),
        whole,
        # The rough filling of a hole of 18 by 18 pixels goes by pyramids that reach farther, and weigh next to nothing there.
        atol=0.03,
    )


def test_each_feature_has_a_name() -> None:
    frame, first, turned = drawn(4)
    where = first > 0.99
    inputs, names = damage.features(frame, maps_of(frame), first, turned, where), damage.columns()
    assert inputs.shape == (where.sum(), len(names))
    np.testing.assert_allclose(inputs[:, names.index("light")], frame.mean(axis=2)[where], atol=1e-6)
    np.testing.assert_array_equal(inputs[:, names.index("looked at in twice the size")], 0)
    mean = ((first + turned) / 2)[where]
    np.testing.assert_allclose(inputs[:, names.index("odds")], np.log((mean + 1e-5) / (1 - mean + 1e-5)), atol=1e-3)


def test_a_second_answer_counts_only_where_it_was_asked_for() -> None:
    frame, first, turned = drawn(2)
    where = first > 0.9
    expected = damage.features(frame, maps_of(frame), first, turned, where)
    np.testing.assert_array_equal(damage.features(frame, maps_of(frame), first, np.where(where, turned, 0.7), where), expected)
    assert damage.judged(frame, maps_of(frame), first, turned, np.zeros_like(where)).shape == (0,)


def test_what_a_larger_look_alone_glimpses_is_judged() -> None:
    first, larger = np.zeros((2, 40, 60), np.float32)
    larger[20, 30] = 0.3
    first[5, 5] = 0.2
    assert np.argwhere(damage.glimpsed(first, larger)).tolist() == [[5, 5], [20, 30]]
    assert np.argwhere(damage.glimpsed(first, None)).tolist() == [[5, 5]]


def test_what_twice_the_size_does_not_show_is_a_thing_unless_it_is_a_line() -> None:
    frame = np.full((120, 160, 3), 0.6, np.float32)
    frame[30:50, 30:50] = 0.1
    frame[80:82, 20:140] = 0.95
    first = np.full((120, 160), 1e-3, np.float32)
    first[30:50, 30:50] = first[80:82, 20:140] = 0.98
    where = damage.glimpsed(first, first)
    for seen, thing, line in ((1.0, True, True), (0.001, False, True)):
        judged = np.zeros(first.shape, np.float32)
        judged[where] = damage.judged(frame, maps_of(frame), first, first, where, np.float32(seen) * first)
        assert bool(judged[30:50, 30:50].any()) == thing
        assert bool(judged[80:82, 40:120].all()) == line


def test_lines_that_cross_are_left_out_where_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sure:
        def of(self, inputs: Pixels) -> Pixels:
            return np.full((len(inputs), 1), 4, np.float32)

    monkeypatch.setattr(damage, "load", Sure)
    frame = np.full((120, 160, 3), 0.5, np.float32)
    first = np.full((120, 160), 1e-3, np.float32)
    rows, columns = np.mgrid[:120, :160]
    for angle in np.pi * np.arange(1, 8, 2) / 8:
        # Four lines, none of them upright, through one place.
        line = np.abs((rows - 60) * np.cos(angle) - (columns - 80) * np.sin(angle)) <= 2
        frame[line], first[line] = 0.95, 0.98
    where = damage.glimpsed(first, first)
    judged = np.zeros(first.shape, np.float32)
    judged[where] = damage.judged(frame, maps_of(frame), first, first, where, np.float32(0.001) * first)
    assert (judged[56:65, 77:84] > 0.5).all()


@pytest.mark.parametrize("shape", [(40, 64), (477, 424), (1000, 72), (700, 900)])
def test_parts_at_twice_the_size_cover_a_picture_and_are_each_looked_at_once(shape: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    sides = []

    def red(planes: Pixels) -> Pixels:
        sides.append(planes.shape[2:])
        return planes[:, :1]

    twice = film._Twice(red, frame)
    # Cubic interpolation keeps the mean of each pixel but for its neighbours' bends: all parts lie at their places.
    padded = np.pad(frame, ((0, -shape[0] % 8), (0, -shape[1] % 8), (0, 0)), mode="edge")
    whole = np.clip(images.enlarged(padded, 2), 0, 1)[..., 0].reshape(len(padded), 2, -1, 2).mean(axis=(1, 3))
    whole = whole[: shape[0], : shape[1]]
    # A place in the first rows, then all, and beyond them as pieces go.
    for place in (tiling.Place(0, 8, 16, 32, shape), tiling.Place(0, 0, shape[0] + 5, shape[1] + 3, shape)):
        expected = np.pad(whole, ((0, 5), (0, 3)), mode="edge")[place.top :, place.left :][: place.height, : place.width]
        np.testing.assert_allclose(twice.at(place), expected, atol=1e-5)
        asked = len(sides)
    assert twice.at(place).shape == (place.height, place.width)
    assert len(sides) == asked == tiling.cut(*shape, tile=film.TILE // 2, halo=film.BESIDE_TWICE, multiple_of=8).pieces
    assert max(tall * wide for tall, wide in sides) <= film.TILE**2
    assert len(set(sides)) == 1


def test_dust_that_a_look_at_twice_the_size_shows_is_found(photograph: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, model = photograph[:240, :320], pellucid.load("film")
    recalls = []
    for large in (film.LARGE, (1,)):
        monkeypatch.setattr(film, "LARGE", large)
        counts = np.zeros(2)
        for seed in range(3):
            worn = wear.wear(clean[None], "dust:3", np.random.default_rng(50 + seed))
            hole = np.asarray(model.restore(np.rint(255 * worn.frames[0]).astype(np.uint8), show_damage=True)).squeeze() > 0
            counts += (hole & worn.damage[0]).sum(), worn.damage[0].sum()
        recalls.append(counts[0] / counts[1])
    assert recalls[0] > recalls[1] + 0.05


def test_a_line_of_chances_is_told_from_a_spot_of_them() -> None:
    frame, chance = np.full((120, 120, 3), 0.5, np.float32), np.full((120, 120), 0.01, np.float32)
    where = np.zeros(chance.shape, bool)
    where[60, 60] = True
    along = []
    lines = [damage.columns().index(f"{which} short line") for which in ("likeliest", "usual")]
    for part in (np.s_[58:63, 58:63], np.s_[60, 30:90], np.s_[30:90, 60]):
        given = chance.copy()
        given[part] = 0.9
        given[60, 60] = 0.9
        # Where there is no second answer, damage is half as likely as the first one says.
        given = np.where(where, given, 2 * given).astype(np.float32)
        along.append(np.exp(damage.features(frame, maps_of(frame), given, given, where)[0, lines]))
    spot, across, down = along
    np.testing.assert_allclose(across, [0.9 + 1e-3, (0.9 + 8 * 0.01) / 9 + 1e-3], rtol=1e-4)
    np.testing.assert_allclose(down, across, rtol=1e-4)
    assert spot[0] < 0.4


def test_more_of_the_cracks_and_the_dust_of_a_picture_is_found_and_mended(photograph: Pixels) -> None:
    # Without the package's grass, which is out of focus and like creases.
    clean, model = photograph[:240, :320], pellucid.load("film")
    counts, gains = np.zeros(3), []
    for seed, defects in enumerate(("dust:3", "cracks:3", "dust:2+creases:1", "cracks:2+dust:2")):
        worn = wear.wear(clean[None], defects, np.random.default_rng(seed))
        levels, mask = np.rint(255 * worn.frames[0]).astype(np.uint8), worn.damage[0]
        hole = np.asarray(model.restore(levels, show_damage=True)).reshape(mask.shape) > 0
        counts += (hole & mask).sum(), hole.sum(), mask.sum()
        mended = model.restore(levels, only_damage=True)
        before, after = (np.square(each / 255 - clean)[mask].mean() for each in (levels, mended))
        gains.append(10 * np.log10(before / after))
        # The filled pixels reach no farther than one pixel beyond what was found.
        assert not (mended != levels).any(axis=2)[~mending.grown(hole, 1)].any()
    assert counts[0] / counts[1] > 0.8
    assert counts[0] / counts[2] > 0.58
    assert np.mean(gains) > 5.4


def test_pictures_alone_are_judged_and_frames_of_a_clip_are_not(photograph: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        damage, "judged", lambda *given: asked.append(given[-1] is not None) or np.ones(int(given[4].sum()), np.float32)
    )
    picture = images.from_array(np.rint(255 * photograph[:160, :160]).astype(np.uint8))
    model = pellucid.load("film")
    model.details(View((picture,) * 3, 1), show_damage=True)
    assert not asked
    model.details(View((picture,)), show_damage=True)
    assert asked == [True]
    # A large picture is looked at in its own size, and in smaller ones.
    monkeypatch.setattr(film, "LARGE", (160 * 160 - 1,))
    asked.clear()
    model.details(View((picture,)), show_damage=True)
    assert asked == [False, False]


def test_answers_need_a_network_that_finds(photograph: Pixels) -> None:
    first, turned, larger, maps = film.looks(pellucid.load("film").models, photograph[:61, :90])
    assert first.shape == turned.shape == larger.shape == (61, 90)
    assert maps.shape == (3, 61, 90)
    with pytest.raises(OptionError, match="finds damage"):
        film.looks(pellucid.load("photo").models, photograph[:61, :90])
