"""RAW over HTTP: a DNG, or a developed picture by its ending; what the page shows is developed and upright, parts of it, too."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage
from serving import parts_of
from shots import LAYOUTS, Layout, taken, written

from pellucid import developing, files, images, samples, sensor
from pellucid.files import metadata
from pellucid.mosaics import CameraData
from pellucid.web import worker

pytest.importorskip("rawpy", reason="the extra raw is not installed")
pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("python_multipart", reason="the extra web is not installed")

RAW = {"Content_Type": "image/x-adobe-dng"}
HEIGHT, WIDTH = 96, 64
"""The size of the upright picture; the sensor has 64 rows and 96 columns."""


def scene() -> NDArray[np.float32]:
    return samples.photograph()[120:184, 200:296].astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot that is turned when it is shown."""
    layout = Layout(phase=(0, 1), turn=6, black=(2047, 2048, 2049, 2048))
    return written(tmp_path_factory.mktemp("shots") / "a.dng", taken(scene(), layout, gain=2e-3))


def pixels(content: bytes) -> NDArray[np.int64]:
    with PillowImage.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"), dtype=np.int64)


def test_the_answer_is_a_dng_or_a_picture_by_its_ending(served: Any, shot: Path, tmp_path: Path) -> None:
    content = shot.read_bytes()
    raw = served.ask("POST", "/v1/restore", content, **RAW)
    assert raw.status == 200, raw.content
    assert raw.headers["content-type"] == "image/x-adobe-dng"
    assert raw.headers["x-pellucid-model"] == "raw"
    assert "sensor noise" in raw.headers["x-pellucid-noise"]
    assert raw.headers["x-pellucid-size"] == f"{WIDTH}x{HEIGHT}"
    (tmp_path / "b.dng").write_bytes(raw.body)
    shown = images.floating(files.read(tmp_path / "b.dng")).pixels
    assert shown.shape == (HEIGHT, WIDTH, 3)
    picture = served.ask("POST", "/v1/restore?format=png", content, **RAW)
    assert picture.headers["content-type"] == "image/png"
    assert np.abs(pixels(picture.body) - 255 * shown).mean() < 2


def test_the_page_gets_pictures_and_parts_of_them(served: Any, shot: Path) -> None:
    content = shot.read_bytes()
    form = served.ask("POST", "/v1/restore?preview=true", content, **RAW)
    parts = parts_of(form)
    details = json.loads(parts["details"])
    assert (details["width"], details["height"], details["format"]) == (WIDTH, HEIGHT, "DNG")
    assert "sensor noise" in details["diagnosis"]["summary"]
    before, after = pixels(parts["before"]), pixels(parts["after"])
    assert before.shape == after.shape == (HEIGHT, WIDTH, 3)
    assert 2 < np.abs(before - after).mean() < 20
    left, top, right, bottom = 11, 20, 50, 71
    query = f"part={left},{top},{right},{bottom}"
    part = pixels(served.ask("POST", f"/v1/restore?{query}", content, Accept="image/png", **RAW).body)
    assert part.shape == (bottom - top, right - left, 3)
    assert np.abs(part - after[top:bottom, left:right]).max() <= 3
    none = pixels(served.ask("POST", f"/v1/restore?{query}&strength=0&colour_noise=1", content, Accept="image/png", **RAW).body)
    assert np.abs(none - part).mean() > 1


def test_inspect_states_the_law_of_the_sensor(served: Any, shot: Path) -> None:
    answer = served.ask("POST", "/v1/inspect", shot.read_bytes(), **RAW)
    assert answer.status == 200, answer.content
    found = json.loads(answer.body)
    assert (found["width"], found["height"]) == (WIDTH, HEIGHT)
    assert "sensor noise" in found["diagnosis"]["summary"]
    assert found["diagnosis"]["sensor"]["green"]["gain"] == pytest.approx(2e-3, rel=0.3)


def test_what_has_no_mosaic_is_developed(served: Any, shot: Path, tmp_path: Path) -> None:
    tags: list[Any] = [(271, 2, 0, "M", True), (50706, 1, 4, bytes((1, 4, 0, 0)), True), (50708, 2, 0, "M", True)]
    levels = np.full((48, 60, 3), 9000, np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", levels, photometric=34892, metadata=None, software=False, extratags=tags)
    answer = served.ask("POST", "/v1/restore", (tmp_path / "a.dng").read_bytes(), **RAW)
    assert answer.headers["content-type"] == "image/tiff"
    deep = served.ask("POST", "/v1/restore?depth=float32", shot.read_bytes(), **RAW)
    assert deep.headers["content-type"] == "image/tiff"
    assert deep.headers["x-pellucid-model"] != "raw"


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_box_of_the_upright_picture_is_found_in_the_sensors(turn: int) -> None:
    numbers = np.arange(6 * 10, dtype=np.uint16).reshape(6, 10, 1)
    image = images.Image(pixels=numbers, dtype=np.dtype(np.uint16), camera=CameraData(turn=turn))
    exif = PillowImage.Exif()
    exif[274] = turn
    upright = metadata.upright(images.Image(pixels=numbers, dtype=np.dtype(np.uint16), exif=exif.tobytes())).pixels
    box = (1, 2, 5, 6) if upright.shape[0] == 10 else (2, 1, 6, 5)
    left, top, right, bottom = worker._as_it_lies(image, box)
    wanted = upright[box[1] : box[3], box[0] : box[2]]
    assert sorted(numbers[top:bottom, left:right].ravel()) == sorted(wanted.ravel())


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_mosaic_is_shown_with_its_noise(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shot = taken(scene()[:51, :77], LAYOUTS[name], gain=1e-3)
    with files.open_pages(written(tmp_path / "a.dng", shot), mosaic=True) as document:
        image = next(iter(document.pages)).pictures[0]
    light = developing.interpolated(image)
    assert light.camera is not None
    row, column = LAYOUTS[name].phase
    found = light.pixels[row::2, column::2, 0] / 65535
    np.testing.assert_allclose(found, np.clip(shot.samples, 0, 1)[row::2, column::2], atol=1e-3)
    monkeypatch.setattr(developing, "BAND", 4 * 77)
    np.testing.assert_array_equal(developing.interpolated(image).pixels, light.pixels)
    assert files.pictured(image).pixels.shape[:2] == ((77, 51) if LAYOUTS[name].turn in (6, 8) else (51, 77))


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 1), (1, 0), (3, 5)])
def test_a_part_of_a_mosaic_is_in_step(top: int, left: int) -> None:
    data = CameraData(phase=(0, 1), black=(1.0, 2.0, 3.0, 4.0), white=100.0, gains=(2.0, 1.0, 1.5))
    samples = np.random.default_rng(0).uniform(5, 90, (16, 16)).astype(np.float32)
    part = sensor.balanced(np.ascontiguousarray(samples[top:, left:]), data.shifted(top, left), None, 0, 0)
    np.testing.assert_allclose(part, sensor.balanced(samples, data, None, 0, 0)[top:, left:], rtol=1e-6)
