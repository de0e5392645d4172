"""How far to trust an output: expected errors are calibrated, larger where true ones are, written as a picture or as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import api, chains, cli, confidence, files, images, samples, steps
from pellucid.diagnosis import doubt
from pellucid.errors import FileError, OptionError

SIGMA = 20


@pytest.fixture(scope="module")
def clean() -> NDArray[np.float64]:
    return samples.photograph()[60:316, 120:440].astype(np.float64)


@pytest.fixture(scope="module")
def noisy(clean: NDArray[np.float64]) -> NDArray[np.uint8]:
    spoiled = clean + np.random.default_rng(2).standard_normal(clean.shape) * SIGMA
    return np.asarray(np.rint(np.clip(spoiled, 0, 255)), dtype=np.uint8)


@pytest.fixture(scope="module")
def result(noisy: NDArray[np.uint8]) -> Any:
    return api._kept("photo-fast").details(noisy, sigma=SIGMA, confidence=True)


def test_about_two_thirds_of_the_errors_lie_inside_one(result: Any, clean: NDArray[np.float64]) -> None:
    expected = 255 * result.planes["confidence"][..., None]
    error = np.abs(result.image - clean)
    # One picture: the benchmark has the figures over many.
    assert 0.58 < (error <= expected).mean() < 0.79
    assert (error <= 2 * expected).mean() > 0.88
    # Where more is expected there is more.
    order = np.argsort(np.broadcast_to(expected, error.shape).ravel())
    true = [np.sqrt(np.square(part).mean()) for part in np.array_split(error.ravel()[order], 5)]
    assert true == sorted(true)
    assert true[-1] > 2 * true[0]


def test_what_is_not_restored_is_as_far_off_as_the_noise(noisy: NDArray[np.uint8], clean: NDArray[np.float64]) -> None:
    model = api._kept("photo-fast")
    mask = np.zeros(noisy.shape[:2], np.float32)
    mask[:, :160] = 1
    plane = 255 * model.details(noisy, sigma=SIGMA, mask=mask, confidence=True).planes["confidence"]
    assert np.median(plane[:, 200:]) == pytest.approx(SIGMA, rel=0.25)
    assert np.median(plane[:, :120]) < 0.6 * SIGMA


def test_without_noise_nothing_is_expected(clean: NDArray[np.float64]) -> None:
    plane = api._kept("photo-fast").details(clean.astype(np.uint8), sigma=0, confidence=True).planes["confidence"]
    assert plane.shape == clean.shape[:2]
    assert (plane == 0).all()


def test_more_noise_is_farther_off(clean: NDArray[np.float64]) -> None:
    means = []
    for sigma in (3, 10, 30, 60):
        spoiled = clean[:128, :128, :1] + np.random.default_rng(2).standard_normal((128, 128, 1)) * sigma
        given = np.rint(np.clip(spoiled, 0, 255)).astype(np.uint8)
        means.append(float(api._kept("photo-fast").details(given, sigma=sigma, confidence=True).planes["confidence"].mean()))
    assert means == sorted(means)


def test_bands_are_the_whole(monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    given = rng.random((3, 150, 80)).astype(np.float32)
    output = (given + rng.normal(0, 0.05, given.shape)).astype(np.float32)
    level = np.full((150, 80), 0.05, np.float32)
    whole = doubt.expected(given, output, level, white=True, density=0.0)
    monkeypatch.setattr(doubt, "ROWS", 1600)
    # Mirrored at a band's edge, windows differ; inside, not.
    np.testing.assert_allclose(doubt.expected(given, output, level, white=True, density=0.0), whole, rtol=1e-3)


def test_an_enlargement_is_hatched_where_it_has_what_the_picture_cannot_hold(clean: NDArray[np.float64]) -> None:
    fine = np.zeros((96, 96, 1), np.float32) + 0.5
    assert not confidence.invented(fine, 48, 48).any()
    stripes = fine.copy()
    stripes[:, :48:2] = 0.8
    found = confidence.invented(stripes, 48, 48)
    assert found[:, 8:40].all()
    assert not found[:, 64:].any()
    given = clean[:64, :64].astype(np.uint8)
    planes = api._kept("upscale").details(given, scale=2, noise="keep", confidence=True).planes
    assert planes["invented"].shape == (128, 128)
    assert planes["invented"].dtype == bool


def test_made_colours_are_hatched_where_the_model_is_not_sure() -> None:
    given = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    planes = api._kept("colorize").details(given, confidence=True).planes
    assert {name: plane.shape for name, plane in planes.items()} == {"invented": (48, 64)}


@pytest.mark.parametrize(("model", "task"), [("cutout", "cutout"), ("seed-digits", "denoise")])
def test_a_task_or_a_model_that_does_not_say_it_refuses(model: str, task: str) -> None:
    given = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with pytest.raises(OptionError, match=f"{task} does not say here how far to trust its output"):
        api._kept(model).details(given, confidence=True)


def test_of_a_chain_it_has_the_size_of_the_output(noisy: NDArray[np.uint8]) -> None:
    chain = chains.of(steps.parse(f"denoise:sigma={SIGMA}:model=photo-fast+upscale:scale=1.5:noise=keep"), api._kept)
    picture = images.from_array(noisy[:96, :128])
    planes = chain.details(picture, confidence=True).planes
    assert {name: plane.shape for name, plane in planes.items()} == {"confidence": (144, 192), "invented": (144, 192)}
    alone = api._kept("photo-fast").details(picture, sigma=SIGMA, confidence=True).planes["confidence"]
    assert planes["confidence"].mean() == pytest.approx(alone.mean(), rel=0.05)


def test_of_an_enlargement_it_has_what_is_left_of_the_noise(noisy: NDArray[np.uint8], clean: NDArray[np.float64]) -> None:
    """However the noise was taken away first; and as much as the whole chain is off."""
    picture = images.from_array(noisy[:96, :128])
    alone = api._kept("photo").details(picture, confidence=True).planes["confidence"].mean()
    assert alone > 2 / 255
    for text in ("upscale:auto", "upscale:noise=remove", "denoise+upscale"):
        planes = chains.of(steps.parse(text), api._kept).details(picture, confidence=True).planes
        assert planes["confidence"].shape == planes["invented"].shape == (192, 256)
        assert planes["confidence"].mean() == pytest.approx(alone, rel=0.05), text
    # A model that learnt from noise has faint noise left to it, and takes most of it.
    faint = np.clip(np.rint(np.random.default_rng(2).normal(clean[:96, :128], 5)), 0, 255).astype(np.uint8)
    left = api._kept("upscale-photo").details(images.from_array(faint), confidence=True)
    assert not left.facts.get("denoised")
    assert 1 < 255 * left.planes["confidence"].mean() < 5


def test_deviations_of_two_steps_add_up_as_of_errors_apart() -> None:
    first = {"confidence": np.full((4, 6), 0.03, np.float32), "invented": np.eye(4, 6, dtype=bool)}
    second = {"confidence": np.full((4, 6), 0.04, np.float32), "invented": np.zeros((4, 6), bool)}
    both = confidence.joined(first, second, 4, 6)
    np.testing.assert_allclose(both["confidence"], 0.05, rtol=1e-6)
    np.testing.assert_array_equal(both["invented"], first["invented"])
    # A step that finds nothing to do leaves what was known, and either may be smaller than the output.
    none = {"confidence": np.zeros((2, 3), np.float32)}
    np.testing.assert_array_equal(confidence.joined(first, none, 4, 6)["confidence"], first["confidence"])


def test_the_picture_and_the_numbers(tmp_path: Path) -> None:
    level = np.linspace(0, 0.2, 64, dtype=np.float32)[None].repeat(32, axis=0)
    planes: dict[str, NDArray[Any]] = {"confidence": level, "invented": np.zeros((32, 64), bool)}
    gray = confidence.drawn(planes)
    np.testing.assert_array_equal(gray, np.rint(np.clip(level * 255 / 32, 0, 1) * 255).astype(np.uint8))
    planes["invented"][:16] = True
    hatched = confidence.drawn(planes)
    assert 0.15 < (hatched != gray)[:16].mean() < 0.35
    np.testing.assert_array_equal(hatched[16:], gray[16:])
    # Numbers are in the units of the picture.
    picture = images.from_array(np.zeros((32, 64), np.uint16), (0, 4095))
    confidence.save(tmp_path / "c.npy", planes, picture)
    np.testing.assert_allclose(np.load(tmp_path / "c.npy"), level * 4095, rtol=1e-6)
    confidence.save(tmp_path / "c.png", planes, picture)
    np.testing.assert_array_equal(images.to_array(files.read(tmp_path / "c.png")), hatched)
    with pytest.raises(FileError, match="name a PNG for that"):
        confidence.save(tmp_path / "d.tif", {"invented": planes["invented"]}, picture)


def test_the_command(tmp_path: Path, noisy: NDArray[np.uint8], capsys: Any) -> None:
    (tmp_path / "in").mkdir()
    for number in range(2):
        files.write(tmp_path / f"in/{number}.png", images.from_array(noisy[:48, :64]))
    command = ["denoise", "--model", "photo-fast", "--sigma", str(SIGMA)]
    one, place = str(tmp_path / "in/0.png"), tmp_path / "c.png"
    assert cli.main([*command, one, "-o", str(tmp_path / "a.png"), "--confidence", str(place)]) == 0
    assert images.to_array(files.read(place)).shape == (48, 64)
    # Nobody's file is overwritten, and nothing is done for nothing.
    assert cli.main([*command, one, "-o", str(tmp_path / "b.png"), "--confidence", str(place)]) == 1
    assert not (tmp_path / "b.png").exists()
    assert cli.main([*command, one, "-o", str(tmp_path / "b.png"), "--confidence", one]) == 2
    assert cli.main([*command, str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--confidence", str(tmp_path / "x.png")]) == 2
    assert cli.main([*command, str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--confidence", f"{tmp_path / 'doubt'}/"]) == 0
    assert sorted(path.name for path in (tmp_path / "doubt").iterdir()) == ["0.png.confidence.png", "1.png.confidence.png"]
    np.save(tmp_path / "stack.npy", noisy[:96, :64, 0].reshape(2, 48, 64))
    assert cli.main([*command, str(tmp_path / "stack.npy"), "--confidence", str(tmp_path / "y.png")]) == 1
    assert "has 2 pages, and the confidence is that of one picture" in capsys.readouterr().err


def test_each_output_of_a_tree_has_its_own_and_a_missing_one_is_made_again(
    tmp_path: Path, noisy: NDArray[np.uint8], capsys: Any
) -> None:
    for name in ("a/x.png", "b/x.png", "b/x.tif"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        files.write(tmp_path / "in" / name, images.from_array(noisy[:48, :64]))
    command = ["denoise", "--model", "photo-fast", "--sigma", str(SIGMA), "-r", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    command += ["--confidence", f"{tmp_path / 'doubt'}/"]
    assert cli.main(command) == 0
    doubt_of = {name: tmp_path / "doubt" / f"{name}.confidence.png" for name in ("a/x.png", "b/x.png", "b/x.tif")}
    assert set((tmp_path / "doubt").rglob("*.png")) == set(doubt_of.values())
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("x.*")}
    # As after a run that was killed between the two.
    doubt_of["b/x.png"].unlink()
    assert cli.main([*command, "--resume"]) == 0
    assert "skipped 3" in capsys.readouterr().err
    assert files.read(doubt_of["b/x.png"]).pixels.shape[:2] == (48, 64)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("x.*")} == before
