"""A network's input for a piece, and the pixels made of its output; the tests set the outputs of the networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import denoising
from pellucid.cards import read_card
from pellucid.families import shipped_path
from pellucid.maps import Curve, Extremes, local_mean
from pellucid.noise import Noise


class Says:
    """A graph that takes nothing away, or leaves gray of the value ``clean``, and remembers its inputs."""

    def __init__(self, name: str, clean: float | None = None) -> None:
        self.card = read_card(shipped_path(name))
        self.clean = clean
        self.inputs: list[NDArray[np.float32]] = []

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.inputs.append(batch.copy())
        planes = batch[:, : self.card.channels]
        return np.zeros_like(planes) if self.clean is None else planes - np.float32(self.clean)


def struck(density: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Gray (1, 64, 64) with that share of black and white pixels, and which."""
    rng = np.random.default_rng(0)
    hit = rng.random((64, 64)) < density
    planes = np.where(hit, rng.integers(0, 2, hit.shape), 0.5)[None].astype(np.float32)
    return planes, hit


def test_once_impulses_are_filled_the_noise_is_fainter_by_their_share() -> None:
    noise = Noise(25.0, Curve(25 / 255), extremes=Extremes(0.18, 0.18), density=0.36)
    left = noise.mended
    assert (left.density, left.extremes, left.passes) == (0, None, 1)
    graph: Any = Says("photo-gray")
    planes, _ = struck(0)
    sigma = denoising.with_maps(planes, graph.card, left)[1 + graph.card.maps.index("sigma")]
    np.testing.assert_allclose(sigma, 20 / 255, rtol=1e-6)
    # The bound on the change of a pixel without an impulse still follows the full level.
    answer = denoising.finished(planes, np.ones_like(planes), graph.card, left)
    np.testing.assert_allclose(planes - answer, denoising.FARTHEST * 25 / 255, rtol=1e-5)


def test_impulses_are_filled_by_one_graph_and_the_noise_left_to_another() -> None:
    planes, hit = struck(0.19)
    noise = Noise(25.0, Curve(25 / 255), extremes=Extremes(0.095, 0.095), density=0.19)
    first: Any = Says("photo-impulses")
    then: Any = Says("photo-gray")
    answer = denoising.answer_in_turn(first, then, noise, planes)
    (given,), (given_then,) = first.inputs, then.inputs
    sigma, impulses = (given[0, 3 + first.card.maps.index(name)] for name in ("sigma", "impulses"))
    assert np.ptp(sigma) == 0
    assert sigma[0, 0] == np.float32(25 / 255)
    np.testing.assert_array_equal(impulses > 0.5, hit)
    # The second network gets good pixels as they were, impulses as the first filled them (among many, some may be truly black or
    # white), and the level of the noise that is left.
    np.testing.assert_array_equal(given_then[0, 0][~hit], planes[0][~hit])
    assert np.abs(given_then[0, 0][hit] - 0.5).mean() < 0.01
    np.testing.assert_allclose(given_then[0, 1 + then.card.maps.index("sigma")], 0.9 * 25 / 255, rtol=1e-6)
    np.testing.assert_array_equal(answer, given_then[0, :1])


@pytest.mark.parametrize("then", [None, "photo-gray"])
def test_impulses_of_any_value_are_looked_at_twice(then: str | None) -> None:
    planes, hit = struck(0.1)
    # The graph's output is the clean picture, so the second pass knows every impulse.
    graph: Any = Says("photo-impulses", clean=0.5)
    following: Any = Says(then) if then else None
    noise = Noise(5.0 if then else 0.0, Curve(5 / 255 if then else 0.0), density=0.1)
    if following is None:
        denoising.answer(graph, noise, planes)
    else:
        denoising.answer_in_turn(graph, following, noise, planes)
    first, second = graph.inputs
    at = 3 + graph.card.maps.index("impulses")
    np.testing.assert_array_equal(first[0, at], np.float32(0.1))
    np.testing.assert_array_equal(first[0, :3], np.repeat(planes, 3, axis=0))
    np.testing.assert_array_equal(second[0, at] > 0.9, hit)
    assert second[0, at][~hit].max() < 0.1
    assert np.abs(second[0, 0][hit] - 0.5).mean() < 0.01
    if following is not None:
        # The second network gets the image mirrored in other ways, its impulses replaced by the first network's output.
        assert len(following.inputs) == 3
        for planes_again in following.inputs:
            assert np.abs(planes_again[0, 0] - 0.5).max() < 1e-3


def test_what_lay_under_impulses_is_answered_from_several_sides() -> None:
    class Leans(Says):
        """Takes a little more away the farther to the right, wherever that is."""

        def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            self.inputs.append(batch.copy())
            slope = np.linspace(0, 0.002, batch.shape[3], dtype=np.float32)
            return np.broadcast_to(slope, batch[:, :1].shape).copy()

    planes, _ = struck(0.1)
    planes[0, :, :20] = np.linspace(0.2, 0.7, 20)
    graph: Any = Says("photo-impulses")
    noise = Noise(5.0, Curve(5 / 255), density=0.1)
    leans: Any = Leans("photo-gray")
    answer = denoising.answer_in_turn(graph, leans, noise, planes)
    first, second, third = (given[0, :1] for given in leans.inputs)
    slope = np.linspace(0, 0.002, planes.shape[2], dtype=np.float32)
    answers = (first - slope, second[..., ::-1] - slope[::-1], third[:, ::-1] - slope)
    np.testing.assert_allclose(answer, np.mean(answers, axis=0), atol=1e-6)
    # In gray, the level that the network gets is a little lower than that of the pixels without impulses.
    level = leans.inputs[0][0, 1 + leans.card.maps.index("sigma")]
    np.testing.assert_allclose(level, 5 / 255 * np.sqrt(0.9 * denoising.FAINTER), rtol=1e-6)
    # Where many were replaced, more answers agree no better.
    many: Any = Leans("photo-gray")
    denoising.answer_in_turn(graph, many, replace(noise, density=0.3), planes)
    assert len(many.inputs) == 2
    # Grain is put back once, from the noise that the last pass took away.
    grainy = denoising.answer_in_turn(graph, Leans("photo-gray"), replace(noise, keep_grain=0.5), planes)  # type: ignore[arg-type]
    lost = third[:, ::-1] - answer
    np.testing.assert_allclose(grainy, answer + 0.5 * (lost - local_mean(lost[0])), atol=1e-6)


class Leans:
    """A graph whose answer depends on which way up the image is: it takes away each pixel's neighbour on the right, halved."""

    engine = "none"

    def __init__(self) -> None:
        self.card = read_card(shipped_path("photo-gray"))

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.roll(batch[:, : self.card.channels], -1, axis=-1) / 2


@pytest.mark.parametrize("turns", [4, 8])
def test_the_mean_of_turned_answers_is_the_same_whichever_way_the_image_is_turned(turns: int) -> None:
    image = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    leaning: Any = Leans()
    turned = denoising.Turned(leaning, turns)
    mean = turned(image)
    for axes in ((-1,), (-2,), (-1, -2)):
        assert np.allclose(np.flip(turned(np.ascontiguousarray(np.flip(image, axes))), axes), mean, atol=1e-6)
    across = np.ascontiguousarray(image.swapaxes(-1, -2))
    assert np.allclose(turned(across).swapaxes(-1, -2), mean, atol=1e-6) == (turns == 8)
    # By hand: half of the mean of the neighbours on both sides; of those above and below, too, where rows become columns.
    plane = image[:, :1]
    beside = [np.roll(plane, shift, axis) for axis in (-1, -2)[: turns // 4] for shift in (-1, 1)]
    assert np.allclose(mean, np.mean(beside, axis=0) / 2, atol=1e-6)
