"""Laws over the tasks: whatever the picture, its output has the row's shape, strength 0 is what was there, tiles are the whole."""

from __future__ import annotations

import ast
import inspect
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import batch, engines, files, images, plan, restorer, tiling
from pellucid.images import Image
from pellucid.tasks import TASKS, commands
from pellucid.tasks.base import Job, Pass
from pellucid.tasks.settings import Shape
from pellucid.views import View

SOURCE = Path(inspect.getfile(batch)).parent


@pytest.fixture(scope="module", params=TASKS)
def model(request: pytest.FixtureRequest) -> restorer.Restorer:
    return restorer.load(TASKS[request.param].model)


@pytest.fixture(scope="module", params=commands())
def painter(request: pytest.FixtureRequest) -> restorer.Restorer:
    """A model of each task that takes pictures: other rows take what only some files hold (`Task.instead`)."""
    return restorer.load(TASKS[request.param].model)


def of(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    values = np.random.default_rng(len(shape)).random(shape)
    return (values if np.dtype(dtype).kind == "f" else np.rint(values * np.iinfo(dtype).max)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (17, 33), (20, 31, 1), (16, 24, 3), (9, 12, 4)])
def test_the_output_has_the_shape_that_the_row_says(painter: restorer.Restorer, shape: tuple[int, ...], dtype: str) -> None:
    array = of(dtype, shape)
    channels = shape[2] if len(shape) == 3 else 1
    given = Shape(shape[0], shape[1], min(channels, 3), channels == 4)
    due = painter.settings().answer(given)
    output = painter.restore(array)
    assert output.dtype == array.dtype
    assert output.shape[:2] == (due.height, due.width)
    assert (output.shape[2] if output.ndim == 3 else 1) == due.channels + due.alpha
    assert output.ndim == (array.ndim if due.channels + due.alpha == 1 else 3)
    assert np.isfinite(output).all()


def test_strength_zero_is_what_was_there_before(painter: restorer.Restorer) -> None:
    array = of("float32", (40, 52, 3))
    picture = images.from_array(array)
    job = painter.task.module().prepare(View((picture,)), painter.models, painter.settings(strength=0))
    before = array.transpose(2, 0, 1)
    for step in job.passes:
        before = before if step.before is None else step.before(before)
    output = painter.restore(array, strength=0)
    np.testing.assert_allclose(output, np.clip(before, 0, 1).transpose(1, 2, 0), atol=1e-6)


def test_the_settings_as_an_object_are_the_settings_by_name(painter: restorer.Restorer) -> None:
    array = of("uint8", (30, 40, 3))
    settings = painter.settings(strength=0.5)
    np.testing.assert_array_equal(painter.restore(array, settings), painter.restore(array, strength=0.5))
    np.testing.assert_array_equal(painter.restore(array, painter.settings(), strength=0.5), painter.restore(array, strength=0.5))


def test_the_facts_are_those_of_the_row_and_go_to_another_process(model: restorer.Restorer) -> None:
    result = model.details(of("uint8", (30, 40)))
    assert set(result.facts) <= {fact.name for fact in model.task.facts}
    again = pickle.loads(pickle.dumps(result))
    assert again.facts == result.facts
    np.testing.assert_array_equal(again.image, result.image)
    facts = model.task.facts_as_json(result.facts)
    assert list(facts) == [fact.name for fact in model.task.facts]
    assert isinstance(model.settings().line(result.facts), str)


def test_a_model_has_a_readable_name_and_goes_to_another_process(model: restorer.Restorer) -> None:
    again: restorer.Restorer = pickle.loads(pickle.dumps(model))
    assert repr(again) == repr(model)
    assert again.task is model.task
    assert model.task.name in repr(model)
    assert again.fingerprint() == model.fingerprint()


def test_progress_ends_with_all_pieces(model: restorer.Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tiling.cut
    monkeypatch.setattr(tiling, "cut", lambda height, width, tile, **how: cut(height, width, tile=96, **how))
    steps: list[tuple[int, int]] = []
    # Tasks that enlarge have more to do, and a smaller picture is cut into pieces, too.
    shape = (500, 600) if model.settings().answer(Shape(500, 600, 1, False)).height == 500 else (220, 260)
    noisy = np.clip(0.5 + np.random.default_rng(0).normal(0, 0.1, shape), 0, 1)
    model.details(noisy, progress=lambda done, of: steps.append((done, of)))
    # Before the last pass nothing of it is done yet.
    last = [step for step in steps if step[0] > 0]
    assert len(last) > 4
    assert last == [(done, last[0][1]) for done in range(1, last[0][1] + 1)]


def test_no_task_is_known_at_the_door_and_none_is_named_elsewhere() -> None:
    """`grep` for a task's name in quotes, but where tasks, families and baselines are, and the wear of film has its name."""
    names = set(TASKS)
    kept = {SOURCE / "families.py", SOURCE / "baselines.py", *(SOURCE / "tasks").iterdir(), SOURCE / "wear/__init__.py"}
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if path in kept:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        # An extra may have a task's name: `MissingExtra("rawpy", "raw")`.
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtra")
        extras = {id(argument) for call in calls for argument in call.args}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in names and id(node) not in extras:
                found.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    for path in sorted(SOURCE.rglob("*.js")):
        text = path.read_text("utf-8")
        found += [f"{path.relative_to(SOURCE)}: {name}" for name in names for quote in "\"'`" if f"{quote}{name}{quote}" in text]
    assert found == []


def test_fewer_levels_than_thirteen_from_a_folder_to_the_engine(
    gray_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of the package on the stack from `batch.restore_files` to the engine, those of the piece's thread added."""
    files.write(tmp_path / "a.png", images.from_array(of("uint8", (64, 64))))
    stacks: dict[str, list[str]] = {}

    def frames(stop: str) -> list[str]:
        found = []
        frame = sys._getframe(2)
        while frame is not None:
            if str(SOURCE) in frame.f_code.co_filename:
                found.append(frame.f_code.co_qualname)
                if frame.f_code.co_name == stop:
                    return found
            frame = frame.f_back  # type: ignore[assignment]
        return found

    call, stream = engines.Graph.__call__, tiling.stream

    def called(self: engines.Graph, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        stacks["thread"] = frames("")
        return call(self, planes)

    def streamed(*given: Any, **how: Any) -> Any:
        stacks["main"] = frames("restore_files")
        return stream(*given, **how)

    monkeypatch.setattr(engines.Graph, "__call__", called)
    monkeypatch.setattr(restorer.tiling, "stream", streamed)
    planned = plan.plan([tmp_path / "a.png"], None)
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(planned, model, model.settings(sigma=10))
    assert outcome.error is None
    # The two that were replaced here count, too.
    levels = [*stacks["main"], "stream", *stacks["thread"], "Graph.__call__"]
    assert len(levels) < 13, levels


def test_a_job_may_work_on_another_image_and_finish_on_the_picture(
    model: restorer.Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job may work on another image, with other channels, know the place of each piece, and finish on the picture."""
    places: list[tiling.Place] = []
    picture = of("uint8", (50, 70, 3))

    def piece(planes: NDArray[np.float32], place: tiling.Place, room: NDArray[np.float32]) -> NDArray[np.float32]:
        places.append(place)
        assert room.shape[0] == planes.shape[0] + 2
        rows = (np.arange(place.top, place.top + planes.shape[1]) / 255).astype(np.float32)
        return np.broadcast_to(rows[None, :, None], (1, *planes.shape[1:])).copy()

    def finish(given: Image, pixels: Any) -> Image:
        alpha = np.rint(images.whole(pixels)[..., 0] * (1 if pixels.dtype == np.uint8 else 255)).astype(np.uint8)
        return Image(pixels=given.pixels, alpha=alpha, dtype=given.dtype)

    light = images.from_array(picture[..., 0], sparing=True)
    step = Pass(piece, tile=32, engine_bytes=1, piece_bytes=1, room=2, channels=1, halo=4, multiple_of=4)
    job = Job("made", (step,), image=light, finish=finish, facts=lambda: {"sigma": 1.0})
    module = model.task.module()
    prepare: Callable[..., Job] = lambda view, models, settings: job  # noqa: E731
    monkeypatch.setattr(module, "prepare", prepare)
    result = model.details(picture)
    assert (result.model, result.facts) == ("made", {"sigma": 1.0})
    assert result.image.shape == (50, 70, 4)
    np.testing.assert_array_equal(result.image[..., :3], picture)
    np.testing.assert_array_equal(result.image[..., 3], np.broadcast_to(np.arange(50)[:, None], (50, 70)))
    assert len(places) > 4
    assert all(place.within == (50, 70) for place in places)


@pytest.mark.parametrize("alpha", [False, True])
def test_a_stack_may_get_colour_or_alpha(model: restorer.Restorer, monkeypatch: pytest.MonkeyPatch, alpha: bool) -> None:
    def finish(given: Image, pixels: Any) -> Image:
        if not alpha:
            return images.with_pixels(given, pixels)
        return Image(pixels=given.pixels, alpha=images.to_values(given, pixels)[..., 0], dtype=given.dtype)

    channels = 1 if alpha else 3
    step = Pass(lambda planes, place, room: np.repeat(planes, channels, axis=0), 64, 1, 1, channels=channels)
    prepare: Callable[..., Job] = lambda view, models, settings: Job("made", (step,), finish=finish)  # noqa: E731
    monkeypatch.setattr(model.task.module(), "prepare", prepare)
    stack = of("uint8", (5, 20, 30))
    np.testing.assert_array_equal(model.restore(stack, strength=1), np.stack([stack] * (2 if alpha else 3), axis=-1))


def test_a_view_is_the_same_from_memory_and_from_rows(photograph: NDArray[np.float64]) -> None:
    levels = np.rint(np.tile(photograph, (2, 1, 1))[:517, :330] * 255).astype(np.uint8)
    rows = images.Rows(levels.shape, levels.dtype, lambda top, bottom: levels[top:bottom])
    held, sparing = (View((picture,)) for picture in (images.from_array(levels), images.from_rows(rows, "dtype")))
    assert held.shape == sparing.shape == (517, 330, 3)
    for side in (40, 128, 400, 1000):
        small = held.small(side)
        np.testing.assert_allclose(small, sparing.small(side), atol=1e-6)
        assert max(small.shape[:2]) == min(side, 517)
        whole = images.resized(images.floating(held.picture).pixels, *small.shape[:2], images.BICUBIC)
        # Averaging before scaling changes little, and moves nothing.
        assert np.abs(small - whole).mean() < 0.005
        assert small.mean() == pytest.approx(levels.mean() / 255, abs=2e-3)
    for one, two in zip(held.crops(96, 6, 8), sparing.crops(96, 6, 8), strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.shape == (3, 96, 96)
