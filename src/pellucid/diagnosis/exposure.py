"""How far the dyes of a clip have faded, read from how its light changes.

A film that was exposed to a little more or less light from frame to frame, or whose camera moved a thing towards a dark corner,
shows the same thing in two lights. Each channel of it has changed by the light's factor to the power that fading has left of it:
so the changes of all channels are in the ratio of their powers, whatever the colours of the scene. A lamp that flickers when the
film is shown or scanned comes after fading, and changes all channels alike: it says nothing of how they have faded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.dyes import LOSSES, PRIOR, Belief

__all__ = ["Powers", "powers_of", "weighed"]

Floats = NDArray[np.float64]

MOST_FRAMES, GROUPS, LEAST = 300, 8, 60
"""Frames whose changes are looked at, in so many groups for the jackknife, and the least changes that say something."""

CHANGING, ROUND = 0.004, 0.2
"""The deviation of the changes, in the logarithm, from which they say something of powers, and how round their cloud may be: the
deviation across as a share of that along it."""

SLANTED, TOO_SURE, BY_CHANCE = 0.3, 2.0, 0.008
"""The error of a ratio for each unit of roundness, how many times too sure the jackknife is, and the error that is there in any
case: held-out photographs that moved under a camera, worn by all that film has."""

EXPOSED, LAMP, ANY, COLOURED = 0.5, 0.4, 0.1, 0.15
"""The chances that light has changed before the film was exposed, or when it was shown or scanned, and that channels change each in
its own way, by ratios whose logarithms deviate by so much: lamps with colours, cameras that balance them."""

STRANGE = 0.02, 1.0
"""The chance that the picture itself has changed its colours, as one that fades to a coloured screen, and how the logarithms of
ratios deviate then."""

DOUBTED = 0.03
"""The share of the network's answer that is thought to be by chance: it is too sure of some pictures."""

FINE = 0.01
"""Steps of cyan's loss between those of `LOSSES`."""

MAGENTA, YELLOW = np.linspace(0, 0.6, 25), np.linspace(0.2, 0.9, 29)
"""Losses of magenta and yellow as shares of cyan's that are held for possible."""

USUAL, NEAR_USUAL, READ = (0.3, 0.6), 0.03, 0.15
"""Those that are usual (`pellucid.wear.whole.Fading`), how far films that are like that deviate from them, and how far the
network's answers do."""


@dataclass(frozen=True)
class Powers:
    """The logarithms of red's power and of blue's as shares of green's (2,), and their standard ``errors`` (2,)."""

    logs: Floats
    errors: Floats


def powers_of(changes: NDArray[np.floating]) -> Powers | None:
    """The powers of the channels, from how much the logarithms of things' light change (frames, areas, 3; not a number where that
    is not known); None where light hardly changes, or not in one ratio.

    They are the longest axis of the cloud of all changes, by Tukey's weights. The errors are those of the jackknife (Efron 1982),
    and more where the cloud is round.
    """
    changes = np.array(changes[:: -(-len(changes) // MOST_FRAMES) or 1], np.float64)
    known = np.isfinite(changes).all(axis=2)
    if known.sum() < LEAST or known.any(axis=1).sum() < GROUPS:
        return None
    # Grain and what the camera comes upon change an area for long, and that is no change of light.
    changes[~known] = np.nan
    areas = known.any(axis=0)
    changes[:, areas] -= np.nanmedian(changes[:, areas], axis=0)
    cloud = changes[known]
    group = np.cumsum(known.any(axis=1))[np.nonzero(known)[0]] % GROUPS
    axis, squares = _longest(cloud)
    roundness = float(np.sqrt(squares[:2].mean() / max(squares[2], 1e-12)))
    if squares[2] < CHANGING**2 or roundness > ROUND:
        return None
    axes = [axis, *(_longest(cloud[group != each])[0] for each in range(GROUPS))]
    if min(each.min() for each in axes) < 0.1:
        return None
    logs, *without = (np.log(each[[0, 2]] / each[1]) for each in axes)
    squared = (GROUPS - 1) * np.var(without, axis=0)
    return Powers(logs, np.sqrt(TOO_SURE**2 * squared + (SLANTED * roundness) ** 2 + BY_CHANCE**2))


def _longest(cloud: Floats) -> tuple[Floats, Floats]:
    """The longest axis (3,) of a cloud (n, 3) around nothing, towards more light, and its mean squares along all axes, the least
    first."""
    weight = np.ones(len(cloud))
    for _ in range(8):
        squares, axes = np.linalg.eigh((cloud * weight[:, None]).T @ cloud / max(weight.sum(), 1e-9))
        # Rounding may leave less than nothing across a line.
        squares = np.maximum(squares, 0)
        axis = axes[:, 2] * np.sign(axes[:, 2].sum())
        rest = np.linalg.norm(cloud - np.outer(cloud @ axis, axis), axis=1)
        weight = np.square(np.maximum(1 - np.square(rest / (5 * np.median(rest) + 5e-4)), 0))
    return axis, squares


def weighed(belief: Belief, powers: Powers) -> tuple[Belief, float]:
    """The belief of a reel whose light changes in the ratios of ``powers``, and the chance that it did before the film was exposed,
    if that has faded."""
    cyan = np.arange(LOSSES[1], LOSSES[-1] + FINE / 2, FINE)
    magenta, yellow = (each.ravel() for each in np.meshgrid(MAGENTA, YELLOW, indexing="ij"))
    shares = np.stack([np.ones_like(magenta), magenta, yellow])
    read = belief.dyes[1:] / max(float(belief.dyes[0]), LOSSES[1])
    usual = np.exp(-(np.square(shares[1:].T - USUAL) / (2 * NEAR_USUAL**2)).sum(axis=1))
    prior = np.exp(-(np.square(shares[1:].T - read) / (2 * READ**2)).sum(axis=1)) * (usual / usual.sum() + 1 / usual.size)
    prior /= prior.sum()
    left = np.log(1 - cyan[:, None, None] * shares)
    ratios = np.stack([left[:, 0] - left[:, 1], left[:, 2] - left[:, 1]], axis=2)
    # How likely these changes are, with each loss, and without any.
    alike = _likely(powers.logs, powers.errors)
    other = LAMP * alike + ANY * _likely(powers.logs, np.hypot(powers.errors, COLOURED))
    other += STRANGE[0] * _likely(powers.logs, np.hypot(powers.errors, STRANGE[1]))
    exposed = EXPOSED * _likely(ratios - powers.logs, powers.errors)
    own = (1 - DOUBTED) * belief.chances + DOUBTED * PRIOR
    joint = np.interp(cyan, LOSSES[1:], own[1:])[:, None] * prior * FINE / (LOSSES[2] - LOSSES[1])
    of_exposed, of_all = joint * exposed, joint * (exposed + other)
    none = own[0] * (EXPOSED * alike + other)
    total = float(of_all.sum())
    if not total > 0:
        return belief, 0.0
    chances = np.concatenate([[none], _among(of_all.sum(axis=1), cyan)])
    dyes = np.tensordot(shares, np.einsum("i,ij->j", cyan, of_all), axes=1) / total
    return Belief(chances / chances.sum(), dyes), float(of_exposed.sum()) / total


def _likely(off: Floats, errors: Floats) -> Floats:
    """The density of deviations (..., 2)."""
    return np.asarray(np.exp(-(np.square(off / errors) / 2).sum(axis=-1)) / (2 * np.pi * errors.prod()))


def _among(chances: Floats, cyan: Floats) -> Floats:
    """Chances of losses, each shared by the two of `LOSSES` that it lies between."""
    found = np.zeros(len(LOSSES) - 1)
    place = np.clip((cyan - LOSSES[1]) / (LOSSES[2] - LOSSES[1]), 0, len(found) - 1 - 1e-9)
    low = place.astype(int)
    np.add.at(found, low, chances * (1 - (place - low)))
    np.add.at(found, low + 1, chances * (place - low))
    return found
