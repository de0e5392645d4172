"""Damage that was found in a picture alone, judged once more."""

import numpy as np
import pytest

import pellucid
from pellucid import images, mending, samples, wear
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
    where[140:160, 192:212] = True
    whole = damage.features(frame, maps_of(frame), first, turned, where)
    assert whole.shape == (400, len(damage.load().mean))
    part = np.s_[140 - film.HALO : 160 + film.HALO, 192 - film.HALO : 212 + film.HALO]
    np.testing.assert_allclose(
        damage.features(frame[part], tuple(each[part] for each in maps_of(frame)), first[part], turned[part], where[part]),
        whole,
        atol=2e-3,
    )


def test_a_second_answer_counts_only_where_it_was_asked_for() -> None:
    frame, first, turned = drawn(2)
    where = first > 0.9
    expected = damage.features(frame, maps_of(frame), first, turned, where)
    np.testing.assert_array_equal(damage.features(frame, maps_of(frame), first, np.where(where, turned, 0.7), where), expected)
    assert damage.judged(frame, maps_of(frame), first, turned, np.zeros_like(where)).shape == (0,)


def test_a_line_of_chances_is_told_from_a_spot_of_them() -> None:
    frame, chance = np.full((120, 120, 3), 0.5, np.float32), np.full((120, 120), 0.01, np.float32)
    where = np.zeros(chance.shape, bool)
    where[60, 60] = True
    along = []
    for part in (np.s_[58:63, 58:63], np.s_[60, 30:90], np.s_[30:90, 60]):
        given = chance.copy()
        given[part] = 0.9
        given[60, 60] = 0.9
        # Where there is no second answer, damage is half as likely as the first one says.
        given = np.where(where, given, 2 * given).astype(np.float32)
        along.append(np.exp(damage.features(frame, maps_of(frame), given, given, where)[0, -2:]))
    spot, across, down = along
    np.testing.assert_allclose(across, [0.9 + 1e-3, (0.9 + 8 * 0.01) / 9 + 1e-3], rtol=1e-4)
    np.testing.assert_allclose(down, across, rtol=1e-4)
    assert spot[0] < 0.4


def test_doubtful_specks_are_likelier_beside_sure_ones() -> None:
    rows, columns = np.ogrid[:256, :256]
    frame = np.full((256, 256, 3), 0.4, np.float32)
    first = np.full((256, 256), 0.02, np.float32)
    places = [(128, 128), *((row, column) for row in (90, 128, 170) for column in (88, 131, 169) if (row, column) != (128, 131))]
    chances = []
    for count in (1, len(places)):
        for index, (row, column) in enumerate(places[:count]):
            near = np.square(rows - row) + np.square(columns - column) <= 4
            frame[near] = 0.8
            first[near] = 0.5 if index == 0 else 0.95
        where = first >= damage.GUESS
        judged = np.zeros(first.shape, np.float32)
        judged[where] = damage.judged(frame, maps_of(frame), first, first, where)
        chances.append(float(judged[126:131, 126:131].max()))
    assert chances[1] > chances[0] + 0.1


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
    assert counts[0] / counts[1] > 0.85
    assert counts[0] / counts[2] > 0.5
    assert np.mean(gains) > 4.4


def test_pictures_alone_are_judged_and_frames_of_a_clip_are_not(photograph: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(damage, "judged", lambda *given: asked.append(1) or np.ones(int(given[-1].sum()), np.float32))
    picture = images.from_array(np.rint(255 * photograph[:160, :160]).astype(np.uint8))
    model = pellucid.load("film")
    model.details(View((picture,) * 3, 1), show_damage=True)
    assert not asked
    model.details(View((picture,)), show_damage=True)
    assert asked


def test_both_answers_need_a_network_that_finds(photograph: Pixels) -> None:
    first, turned, maps = film.looks(pellucid.load("film").models, photograph[:61, :90])
    assert first.shape == turned.shape == (61, 90)
    assert maps.shape == (3, 61, 90)
    with pytest.raises(OptionError, match="finds damage"):
        film.looks(pellucid.load("photo").models, photograph[:61, :90])
