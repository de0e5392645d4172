"""RAW: what a sensor saw is read, measured, restored and written, in the layouts of several makers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import batch, cli, developing, files, images, metrics, plan, restorer, sensor
from pellucid.diagnosis import sensors
from pellucid.diagnosis import shot as shot_noise
from pellucid.errors import FileError, OptionError
from pellucid.files import dng
from pellucid.maps import Curve
from pellucid.mosaics import ORDER, CameraData
from pellucid.restorer import Restorer
from pellucid.tasks import raw as task

sys.path.insert(0, str(Path(__file__).parent))

from shots import LAYOUTS, Layout, developed, mosaic_in, scene, smooth, taken, written

rawpy = pytest.importorskip("rawpy", reason="the extra raw is not installed")


@pytest.fixture(scope="module")
def model() -> Restorer:
    return restorer.load("raw")


@pytest.fixture(scope="module")
def photo() -> Restorer:
    return restorer.load("photo")


def run(photo: Restorer, source: Path, target: Path, **given: Any) -> batch.Outcome:
    (outcome,) = batch.restore_files(plan.plan([source], target, mosaic=True), photo, photo.settings(**given))
    assert outcome.error is None, outcome.error
    return outcome


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    return metrics.psnr(one[8:-8, 8:-8], other[8:-8, 8:-8], data_range=1.0)


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_makers_layout_is_read(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    shot = taken(smooth(), layout, gain=1e-3)
    image = mosaic_in(written(tmp_path / "a.dng", shot))
    data = image.mosaic
    assert data is not None
    assert (data.phase, data.turn, data.white, data.black) == (layout.phase, layout.turn, layout.white, layout.black)
    np.testing.assert_allclose(data.gains, layout.gains, rtol=1e-4)
    assert data.noise is not None
    np.testing.assert_allclose(data.noise, [(1e-3, shot.sensor.read**2)] * 3, rtol=1e-6)
    assert data.crop == (None if layout.crop is None else tuple(map(float, layout.crop)))
    assert image.pixels.shape == (64, 96, 1)
    # The samples are the shot's, as far as whole numbers tell.
    light = shot_noise.lit(image, replace(data, gains=(1.0, 1.0, 1.0)), 0, 64)
    np.testing.assert_allclose(light, np.minimum(shot.samples, 1), atol=0.51 / (layout.white - max(layout.black)) + 1e-5)


def test_without_being_asked_a_file_is_developed_as_ever(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dng", taken(scene(), gain=1e-3))
    image = files.read(path)
    assert image.mosaic is None
    assert image.pixels.shape == (64, 96, 3)
    assert files.writable_name(path).suffix == ".tif"
    assert files.writable_name(path, mosaic=True).suffix == ".dng"
    assert files.writable_name(Path("a.NEF"), mosaic=True) == Path("a.dng")
    assert files.writable_name(Path("a.jpg"), mosaic=True) == Path("a.jpg")


def test_a_picture_that_is_developed_is_no_dng(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"developed: write TIFF"):
        files.write(tmp_path / "a.dng", images.from_array(scene()))
    assert not (tmp_path / "a.dng").exists()


# -- what becomes of it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_clean_shot_has_the_sources_colours_in_another_program(name: str, photo: Restorer, tmp_path: Path) -> None:
    shot = taken(smooth(), LAYOUTS[name])
    source = written(tmp_path / "a.dng", shot, profile=False)
    target, picture, mosaic = (tmp_path / name for name in ("a.clean.dng", "a.tif", "m.dng"))
    run(photo, source, target)
    run(photo, source, picture)
    run(photo, source, mosaic, keep_mosaic=True)
    ciede = metrics.METRICS["ciede2000"].function
    before, after = developed(source), developed(target)
    assert before.shape == after.shape
    assert ciede(before, after, data_range=1.0) < 0.5
    assert ciede(before, developed(mosaic), data_range=1.0) < 0.5
    own = images.floating(files.read(picture)).pixels
    assert own.shape == before.shape
    assert ciede(after, own, data_range=1.0) < 0.1
    again = mosaic_in(mosaic).mosaic
    assert again is not None
    assert (again.phase, again.turn) == (LAYOUTS[name].phase, LAYOUTS[name].turn)


@pytest.mark.parametrize("name", LAYOUTS)
def test_noise_is_taken_out_in_every_phase(name: str, photo: Restorer, tmp_path: Path) -> None:
    layout = replace(LAYOUTS[name], turn=1)
    shot = taken(scene(), layout, gain=4e-3, seed=1)
    source = written(tmp_path / "a.dng", shot)
    run(photo, source, tmp_path / "a.clean.dng")
    how = {"gamma": (1, 1), "output_color": rawpy.ColorSpace.raw}
    truth = np.clip(shot.colours, 0, 1)
    assert psnr(truth, developed(tmp_path / "a.clean.dng", **how)) > psnr(truth, developed(source, **how)) + 2


def test_the_written_file_says_what_the_source_said(photo: Restorer, tmp_path: Path) -> None:
    layout = LAYOUTS["as Canon's"]
    notes = b"Maker\0\0\1" + bytes(range(100))
    xmp = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta><?xpacket end="w"?>'
    private = b"Adobe\0MakN" + (6 + len(notes)).to_bytes(4, "big") + b"II\0\0\2\0" + notes
    extra = ((700, 1, len(xmp), xmp, True), (50740, 1, len(private), private, True))
    source = written(tmp_path / "a.dng", taken(scene(), layout, gain=1e-3), extra=extra)
    run(photo, source, tmp_path / "b.dng")
    before, after = (dng.source_of((tmp_path / name).read_bytes()) for name in ("a.dng", "b.dng"))
    for tag in (271, 272, 274, 306, 700, 50708, 50721, 50728, 50730, 50778):
        assert after.first[tag][2] == before.first[tag][2], tag
    assert after.maker_note == private
    with tifffile.TiffFile(tmp_path / "b.dng") as opened:
        page: Any = opened.pages[0]
        inner = page.pages[0]
        assert (page.tags[254].value, inner.tags[254].value) == (1, 0)
        assert (inner.shape, inner.dtype, inner.compression) == ((64, 96, 3), np.dtype(np.uint16), 7)
        assert inner.tags[50719].value == (80000000, 10000000, 60000000, 10000000)
        profile = page.tags[51041].value
        with PillowImage.open(io.BytesIO((tmp_path / "b.dng").read_bytes()[page.dataoffsets[0] :])) as preview:
            shown = np.asarray(preview, np.float32) / 255
    # Little noise is left, and the file says so.
    assert 0 < profile[0] < 1e-4
    linear = mosaic_free(tmp_path / "b.dng")
    truth = linear.reshape(64, 96, 3)
    assert shown.shape == (64, 96, 3)
    assert np.abs(shown - truth).mean() < 0.01
    if shutil.which("exiftool"):
        asked = ["exiftool", "-validate", "-warning", "-error", "-a", str(tmp_path / "b.dng")]
        told = subprocess.run(asked, capture_output=True, text=True)
        assert "Error" not in told.stdout
        # The notes are made up.
        assert {line for line in told.stdout.splitlines() if "Warning  " in line} <= {NOTES}, told.stdout


NOTES = "Warning                         : Maker notes could not be parsed"


def mosaic_free(path: Path) -> NDArray[np.float32]:
    """A file, developed by LibRaw and not turned, (h, w, 3)."""
    return developed(path, user_flip=0)


def test_half_the_strength_leaves_half_the_noise(model: Restorer, tmp_path: Path) -> None:
    image = mosaic_in(written(tmp_path / "a.dng", taken(np.full((64, 96, 3), 0.4, np.float32), gain=4e-3)))

    def spread(**given: Any) -> float:
        pixels = model.restore(image, **given).pixels
        return float(pixels[8:-8, 8:-8, 1].std())

    none, half, whole, more = (spread(strength=strength) for strength in (0, 0.5, 1, 2))
    assert more <= whole < 0.3 * none
    assert half == pytest.approx((none + whole) / 2, rel=0.15)
    assert spread(keep_grain=1) > 0.6 * none
    colour = model.restore(image, strength=0, colour_noise=1).pixels[8:-8, 8:-8]
    kept, clean = (model.restore(image, strength=strength).pixels[8:-8, 8:-8] for strength in (0, 1))
    balance = np.array((2.0, 1.0, 1.6), np.float32)
    # Brightness is as it was, the differences of the colours are not.
    np.testing.assert_allclose((colour * balance) @ task.BRIGHTNESS, (kept * balance) @ task.BRIGHTNESS, atol=1e-4)
    first, second = (np.diff(each * balance, axis=2) for each in (colour, clean))
    np.testing.assert_allclose(first, second, atol=1e-4)
    with pytest.raises(OptionError, match="measured from its mosaic"):
        model.restore(image, sigma=10)


def test_pieces_answer_as_the_whole(model: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    shot = taken(scene(161, 211), gain=1e-3)
    data = CameraData(phase=(1, 1), black=(0.0,) * 4, gains=(2.0, 1.0, 1.6))
    whole = np.rint(np.clip(shot.samples, 0, 1) * 65535).astype(np.uint16)[..., None]
    image = images.Image(pixels=whole, dtype=np.dtype(np.uint16), mosaic=replace(data, white=65535.0))
    rows = images.Rows(whole.shape, whole.dtype, lambda top, bottom: whole[top:bottom])
    one = model.restore(image).pixels
    monkeypatch.setattr(task, "TILE", {"bf16": 96, "f32": 96})
    pieces = model.restore(image).pixels
    banded = images.whole(model.restore(replace(image, pixels=rows)).pixels)
    assert one.shape == (161, 211, 3)
    np.testing.assert_array_equal(pieces, banded)
    assert np.abs(pieces - one).max() < 2 / 255
    assert np.abs(pieces - one).mean() < 0.05 / 255


# -- noise ------------------------------------------------------------------------------------------------------------


def blurred(height: int, width: int) -> NDArray[np.float32]:
    """A photograph as soft as lenses draw."""
    return np.clip(images.enlarged(scene(height // 2, width // 2, 0, 0), 2), 0, 1).astype(np.float32)


@pytest.mark.parametrize("phase", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("gain", [1e-4, 1e-3, 1e-2])
def test_the_law_of_the_noise_is_measured(gain: float, phase: tuple[int, int]) -> None:
    shot = taken(blurred(640, 960), Layout(phase=phase), gain=gain)
    law = sensors.law([shot.samples], phase)
    assert law.gain == pytest.approx(gain, rel=0.08)
    assert law.read == pytest.approx(shot.sensor.read, rel=0.15)
    assert law.sure
    assert sensors.beside([shot.samples], phase, *law[:2]) == (1, 1, 1)


@pytest.mark.parametrize("times", [0.5, 2])
def test_read_noise_that_is_not_usual_is_measured_in_the_dark(times: float) -> None:
    usual = taken(scene(), gain=4e-3).sensor.read
    shot = taken(blurred(640, 960) ** 2, gain=4e-3, read=times * usual)
    law = sensors.law([shot.samples])
    assert law.gain == pytest.approx(4e-3, rel=0.08)
    assert law.read == pytest.approx(times * usual, rel=0.15)


def test_colours_with_noise_of_their_own_are_found() -> None:
    shot = taken(smooth(640, 960), gain=1e-3)
    samples = shot.samples.copy()
    # A maker who multiplies the values of red by 1.6.
    ideal = taken(smooth(640, 960)).samples
    samples[::2, ::2] = ideal[::2, ::2] + (samples - ideal)[::2, ::2] * np.float32(np.sqrt(1.6))
    factors = sensors.beside([samples], (0, 0), 1e-3, shot.sensor.read)
    assert factors == (pytest.approx(1.6, rel=0.08), 1, 1)


def test_texture_everywhere_is_said_and_the_files_law_is_taken(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    busy = rng.uniform(0.2, 0.8, (64, 96, 3)).astype(np.float32)
    for gain, profile in ((1e-4, True), (1e-4, False)):
        image = mosaic_in(written(tmp_path / f"{profile}.dng", taken(busy, gain=gain), profile=profile))
        assert image.mosaic is not None
        found = task.measured(image, image.mosaic)
        assert found.measured is not profile
        if profile:
            assert found.gain == pytest.approx(1e-4)
            assert "as the file states" in str(found)


def test_a_file_that_states_another_law_is_found_out(tmp_path: Path) -> None:
    shot = taken(blurred(320, 480), gain=1e-3)
    other = replace(shot, sensor=replace(shot.sensor, gain=4e-3))
    image = mosaic_in(written(tmp_path / "a.dng", other))
    assert image.mosaic is not None
    found = task.measured(image, image.mosaic)
    assert found.gain == pytest.approx(1e-3, rel=0.1)
    assert found.stated == pytest.approx(2, rel=0.1)
    assert "the file states 2" in str(found)


@pytest.mark.parametrize("bits", [12, 14])
def test_rounding_belongs_to_the_read_noise(bits: int, tmp_path: Path) -> None:
    layout = Layout(black=(0,) * 4, white=2**bits - 1)
    shot = taken(blurred(640, 960), layout, gain=2e-5)
    image = mosaic_in(written(tmp_path / "a.dng", shot, profile=False))
    assert image.mosaic is not None
    found = task.measured(image, image.mosaic)
    assert found.gain == pytest.approx(2e-5, rel=0.08)
    assert found.read == pytest.approx(np.hypot(shot.sensor.read, 1 / (layout.white * np.sqrt(12))), rel=0.15)


@pytest.mark.parametrize(("gain", "error"), [(1e-3, 0.08), (1e-2, 0.25)])
def test_texture_is_not_taken_for_noise(gain: float, error: float) -> None:
    # A photograph as sharp as pixels can be, and not large.
    law = sensors.law([taken(scene(320, 480, 0, 0), gain=gain).samples])
    assert law.gain == pytest.approx(gain, rel=error)


def test_no_noise_is_found_where_there_is_none() -> None:
    shot = taken(smooth(320, 480))
    law = sensors.law([shot.samples])
    assert law.gain < 1e-6
    assert law.read < 1e-4


def test_hot_and_dead_pixels_are_found_and_mended(model: Restorer) -> None:
    shot = taken(scene(160, 240), gain=1e-3)
    struck = shot.samples.copy()
    rng = np.random.default_rng(0)
    places = np.stack([rng.integers(4, 156, 30), rng.integers(4, 236, 30)], axis=1)
    struck[places[:20, 0], places[:20, 1]] = 1.0
    data = CameraData(gains=shot.layout.gains)
    image = images.Image(pixels=struck[..., None], dtype=np.dtype(np.float32), mosaic=data)
    details = model.details(image)
    found = task.measured(image, data)
    assert found.marks.rows is not None
    assert found.marks.columns is not None
    marked = set(zip(found.marks.rows.tolist(), found.marks.columns.tolist(), strict=True))
    wanted = {(int(y), int(x)) for y, x in places[:20]}
    assert len(wanted & marked) >= 0.8 * len(wanted)
    assert len(marked - wanted) <= 3
    assert "hot" in details.facts["saw"]
    clean = model.restore(replace(image, pixels=shot.samples[..., None])).pixels
    assert psnr(clean, details.image.pixels) > 38


@pytest.mark.parametrize("width", [1.3, 2.0, 3.0])
def test_stars_are_no_hot_pixels(width: float) -> None:
    rng = np.random.default_rng(1)
    sky = np.full((200, 300), 0.002)
    for _ in range(120):
        y, x, light = rng.uniform(3, 197), rng.uniform(3, 297), 0.02 * rng.pareto(1.0)
        part = np.s_[max(0, int(y) - 6) : min(200, int(y) + 7), max(0, int(x) - 6) : min(300, int(x) + 7)]
        down, right = np.mgrid[part]
        sky[part] += light * np.exp(-((down - y) ** 2 + (right - x) ** 2) / 2 / (width / 2.355) ** 2)
    stars = np.repeat(sensor.toned(np.clip(sky, 0, 1))[..., None], 3, axis=2).astype(np.float32)
    shot = taken(stars, gain=5e-4)
    gains = [shot.layout.gains[colour] for colour in CameraData().sites]
    noise = [Curve(shot.sensor.read, 5e-4).scaled(gain) for gain in gains]
    places = np.stack([rng.integers(4, 196, 20), rng.integers(4, 296, 20)], axis=1)

    def hot(samples: NDArray[np.float32]) -> set[tuple[int, int]]:
        light = samples.copy()
        for (row, column), gain in zip(ORDER, gains, strict=True):
            light[row::2, column::2] *= gain
        rows, columns = sensors.struck(light, noise)[0]
        return set(zip(rows.tolist(), columns.tolist(), strict=True))

    assert not hot(shot.samples)
    struck = shot.samples.copy()
    struck[places[:, 0], places[:, 1]] += 0.3
    wanted = {(int(y), int(x)) for y, x in places}
    assert hot(struck) <= wanted
    assert len(hot(struck)) >= 0.9 * len(wanted)


def test_row_noise_is_found_and_taken_away(model: Restorer) -> None:
    shot = taken(smooth(160, 240), gain=2e-4)
    rows = np.random.default_rng(1).standard_normal((160, 1)).astype(np.float32) * np.float32(0.004)
    found, off = sensors.rows_of(shot.samples + rows)
    assert found == pytest.approx(0.004, rel=0.25)
    assert np.std(off[8:-8] - rows[8:-8, 0]) < 0.5 * np.std(rows)
    quiet, none = sensors.rows_of(shot.samples)
    assert quiet == 0
    assert not none.any()
    textured = taken(scene(160, 240), gain=2e-4)
    assert sensors.rows_of(textured.samples)[0] == 0


# -- the parts --------------------------------------------------------------------------------------------------------


def test_interpolation_is_exact_where_light_changes_evenly() -> None:
    down, right = np.mgrid[:24, :32].astype(np.float32)
    colours = np.stack([0.2 + 0.01 * right, 0.3 + 0.005 * down, 0.1 + 0.004 * (down + right)])
    made = sensor.interpolated(sensor.sampled(colours))
    np.testing.assert_allclose(made[:, 2:-2, 2:-2], colours[:, 2:-2, 2:-2], atol=1e-5)
    np.testing.assert_array_equal(sensor.sampled(made), sensor.sampled(colours))


def test_the_level_follows_the_light() -> None:
    mosaic = np.full((24, 32), 0.25, np.float32)
    noise = [Curve(0.01 * index, 0.001) for index in (1, 2, 3, 4)]
    level = sensor.levels(mosaic, noise)
    for (row, column, _), curve in zip(sensor.SITES, noise, strict=True):
        np.testing.assert_allclose(level[row::2, column::2], np.sqrt(curve.sigma**2 + 0.001 * 0.25), rtol=1e-5)


def test_the_tone_curve_is_undone() -> None:
    light = np.linspace(0, 1, 257, dtype=np.float32)
    np.testing.assert_allclose(sensor.linear(sensor.toned(light)), light, atol=1e-6)
    grays = np.repeat(light[:, None, None], 3, axis=2)
    image = images.Image(pixels=grays, camera=CameraData(white=65535.0))
    shown = developing.developed(image)
    assert shown.camera is None
    assert shown.pixels.dtype == np.uint16
    # ITU-R BT.709 at black, at its knee, at middle gray and at white.
    for at, value in ((0.0, 0.0), (0.018, 0.081), (0.18, 0.409), (1.0, 1.0)):
        found = np.interp(at, light, shown.pixels[:, 0, 0] / 65535)
        assert found == pytest.approx(value, abs=2e-3)


def test_the_mean_of_mirrored_answers_is_no_worse(model: Restorer) -> None:
    shot = taken(scene(96, 128), gain=4e-3)
    image = images.Image(pixels=shot.samples[..., None], dtype=np.dtype(np.float32), mosaic=CameraData(gains=shot.layout.gains))
    truth = shot.colours / np.array(shot.layout.gains, np.float32)
    once, best = (psnr(truth, model.restore(image, best=best).pixels) for best in (False, True))
    assert best > once


def test_plain_planes_are_restored_too(model: Restorer) -> None:
    truth = sensor.linear(scene(256, 384, 0, 0)).astype(np.float32)
    mosaic = sensor.sampled(truth.transpose(2, 0, 1))
    made = model.restore(mosaic)
    assert made.shape == (256, 384, 3)
    assert psnr(truth, made) > psnr(truth, sensor.interpolated(mosaic).transpose(1, 2, 0)) + 3
    with pytest.raises(OptionError, match="has colours already"):
        model.restore(scene())


def test_only_raw_files_depend_on_the_model_for_mosaics(photo: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a.dng", taken(scene(), gain=1e-3))
    files.write(tmp_path / "b.png", images.from_array(np.rint(scene() * 255).astype(np.uint8)))
    planned = plan.plan([tmp_path], tmp_path / "out", mosaic=True)
    assert all(outcome.error is None for outcome in batch.restore_files(planned, photo))

    def skipped(restorer: Restorer) -> set[str]:
        return {each.input.name for each in batch.restore_files(planned, restorer, resume=True) if each.skipped}

    assert skipped(photo) == {"a.dng", "b.png"}
    assert photo.instead("mosaic").fingerprint() not in photo.fingerprint()
    other = restorer.load("photo")
    # Another model for mosaics.
    monkeypatch.setattr(other.instead("mosaic"), "fingerprint", lambda *kinds: "another")
    assert skipped(other) == {"b.png"}


def test_inspect_states_the_law_of_the_sensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = taken(blurred(320, 480), LAYOUTS["as Panasonic's"], gain=2e-3)
    samples = shot.samples.copy()
    samples[100, 200] = 0.9
    samples += np.random.default_rng(1).standard_normal((320, 1)).astype(np.float32) * np.float32(0.004)
    source = written(tmp_path / "a.dng", replace(shot, samples=samples), profile=False)
    assert cli.main(["inspect", str(source)]) == 0
    first, *colours = capsys.readouterr().out.splitlines()
    assert first.startswith("sensor noise: gain 0.00")
    assert "row noise" in first
    assert [line.split(":")[0].strip() for line in colours] == ["red", "green", "blue"]
    assert cli.main(["inspect", str(source), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["hot"], found["dead"], found["measured"]) == ("sensor", 1, 0, True)
    assert (found["black"], found["white"]) == ([128, 130, 126, 128], 4095)
    assert found["rows"] == pytest.approx(0.004, rel=0.25)
    for colour in ("red", "green", "blue"):
        assert found[colour]["gain"] == pytest.approx(2e-3, rel=0.08)
    assert cli.main(["inspect", str(source), "--map", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").exists()


@pytest.mark.parametrize("contrast", [0.15, 0.45])
def test_a_zone_plate_is_neither_noise_nor_rows(contrast: float) -> None:
    down, right = np.mgrid[:256, :256] - 127.5
    rings = 0.5 + contrast * np.cos(np.pi / 256 * (down**2 + right**2))
    shot = taken(np.repeat(rings[..., None], 3, axis=2).astype(np.float32), gain=5e-4)
    law = sensors.law([shot.samples])
    assert not law.sure
    assert 1 / 4 < law.gain / 5e-4 < 4
    assert sensors.rows_of(shot.samples)[0] == 0
