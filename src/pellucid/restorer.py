"""The one door to the networks: load a model, restore an image.

A name may stand for a family: `MODELS` says which file serves which image, `ROUTES` which noise. Here images are cut into pieces
and put together again, in the memory that there is; what happens to a piece is `pellucid.answering`'s, and the graph does nothing
but answer.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid import answering, diagnosis, engines, images, maps, memory, tiling
from pellucid.answering import Told
from pellucid.cards import Card, read_card
from pellucid.diagnosis import Diagnosis, gain
from pellucid.engines import Graph, engine_for, open_graph
from pellucid.errors import ImageError, MemoryShort, ModelError, OptionError
from pellucid.images import Image, Pixels, Rows
from pellucid.maps import Curve

__all__ = ["MODELS", "Restoration", "Restorer", "load", "names", "shipped_card", "shipped_path"]

MODELS: dict[str, dict[int, str]] = {
    "photo": {1: "photo-gray", 3: "photo-color"},
    "photo-fast": {1: "photo-fast-gray", 3: "photo-fast-color"},
    "digits": {1: "digits"},
    "seed-digits": {1: "seed-digits"},
    "upscale": {3: "upscale"},
    "upscale-photo": {3: "upscale-photo"},
}
"""Name -> channels of the image -> the shipped file (without ``.onnx``) that serves it. An image whose channels are not listed is
served channel by channel by the gray file."""

ROUTES: dict[str, dict[str, str]] = {
    family: {
        "salt-pepper": "photo-impulses",
        "impulses": "photo-impulses",
        "correlated": "photo-camera",
        "jpeg": "photo-camera",
    }
    for family in ("photo", "photo-fast")
}
"""Name of a family -> what `diagnosis.inspect` finds (one of its `KINDS`) -> the shipped file that serves such images, gray and
colour, in the place of those in `MODELS`. Only where nothing is said of the noise: given a level, it is Gaussian noise."""

TILE = {"bf16": 2176, "f32": 1616}
"""Side in pixels of the square that no piece of an image has more pixels than, margins included, by the engine's precision. Fixed,
so that an answer never depends on what else a machine does. The engine works as fast on large pieces as on small ones (2.5
megapixels a second, whatever the shape, from 512x512 to 1728x1728), but needs `ENGINE_BYTES` for each pixel: these are the largest
that keep a colour JPEG of 24 megapixels (six of them in bfloat16, a seventh of their pixels margins; twelve in float32, a quarter)
below the 1.5 GiB that are promised."""

ENLARGED_TILE = 1536
"""As `TILE`, of an image that is made larger, on the side of the answer: an engine holds 64 channels for each pixel of the small
image, and six or more numbers for each of the large one stand around it. In float32, too."""

FILLED_TILE = {"bf16": 1536, "f32": 1264}
"""As `TILE`, for an image with impulses: two pieces in flight and the engine need 402 bytes for each pixel of a piece while they
are filled (in bfloat16), where they need 275 otherwise, and 317 where the noise depends on intensity."""

SEEN = 0.85
"""The share of the card's ``halo`` that a tile's margin has. With the whole of it tiles answer as the whole image does, to the bit.
With less, what lies beyond sets off roundings (8-bit integers, bfloat16) that come out by one step here and there. One step of
bfloat16 is a level where noise of sigma 50 is strong, so no margin short of the whole keeps every value to one level.

The promise, in 8-bit levels, on every instruction set, for tiles beside the whole image: 2 anywhere, more than 1 (and a hundredth)
in at most 10 of a million values, 0.05 on average; twice each where noise lies under impulses of any value, for up to five networks
answer one after the other there. `benchmarks/seams.py` measures it; docs/architecture.md has the figures.

With AMX that holds for tiles at least 408 pixels wide, as all are that `TILE` makes of a wider image: where the answer of a strided
convolution is at most 50 pixels wide (the last of them has an eighth of the tile's width), oneDNN sums its bfloat16 products in
another order, and the sum differs in its last bit. Narrower tiles differ from a wider whole even with the whole ``halo`` (by 1.25
levels at most; by 2.1 with this margin), but not from each other."""

NEAR = 64
"""Pixels of reach that a margin always has in full: a network that looks no farther has few layers in which an influence fades."""

IN_FLIGHT = 2
"""Tiles at work at once: the engine has one of them, the other is being made ready or finished. No answer depends on it."""

ENGINE_BYTES = {"bf16": 210, "f32": 400}
ENLARGED_BYTES = 260
PIECE_BYTES = 100
"""Bytes for each pixel of a piece: what the engine needs for the one that it works on, by its precision, and what stands around it
for each that is in flight (its planes, the engine's answer, what is left when that is finished). Measured with `photo-color` and
pieces of 4.4 megapixels, 196 to 208 in OpenVINO in bfloat16, 386 in float32 (ONNX Runtime: 419 with pieces of 2.4 megapixels);
`photo-gray` needs 159 and 283. `upscale` needs 250 for each pixel of the answer, in float32. The last is that of images with
impulses: see `FILLED_TILE`."""

SHARE = 0.8
"""Of the memory that is free, what a picture may take where nothing else is said."""

PROBES = 6
PROBE = 384
LEAST_PROBE = 32
"""The parts, their side in pixels, and the least, of `Restorer.expected_gain`. Large parts: at a border the network sees less,
and what it gains there is less."""

LARGEST = 8
"""The largest factor to enlarge by: beyond it hardly anything of the answer comes from the image."""

BATCH = 512
"""Small images restored at once by `Restorer.restore_batch`."""


@dataclass(frozen=True)
class Restoration:
    """A restored image and how it came about.

    ``image`` is what went in, restored: an `Image` for an `Image`, an array for an array. ``sigma`` is the level in 8-bit
    levels that the model was told (None: it takes none; of noise that depends on intensity, the level at middle gray),
    ``estimated`` whether that was measured from the image, ``model`` the file that served, ``diagnosis`` what was found (None
    where nothing was looked for).
    """

    image: Any
    model: str
    sigma: float | None
    estimated: bool
    seconds: float
    diagnosis: Diagnosis | None = None


class Restorer:
    """A model, or a family of them, ready to restore.

    Graphs are compiled when first needed; safe to share between threads. Can be pickled: another process compiles its own.
    """

    def __init__(
        self,
        paths: dict[int, Path],
        *,
        device: str = "auto",
        engine: str = "auto",
        memory: int | None = None,
        routes: dict[str, Path] | None = None,
    ) -> None:
        self._engine = engine_for(device, engine)
        self.paths = paths
        self.routes = routes or {}
        self.memory = memory
        self._device = device
        # Pixels of the largest piece that each graph has had: the engine keeps its room.
        self._held: dict[tuple[Path, int], int] = {}
        self._graphs: dict[tuple[Path, int | None], Graph] = {}
        self._lock = threading.Lock()
        self.cards: dict[int, Card] = {channels: read_card(path) for channels, path in paths.items()}
        self._cards: dict[Path, Card] = {path: self.cards[channels] for channels, path in paths.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Restorer, self.paths, device=self._device, engine=self._engine, memory=self.memory, routes=self.routes), ()

    @property
    def card(self) -> Card:
        """What the model is; of a family, the card of the file for the most channels."""
        return self.cards[max(self.cards)]

    @property
    def takes_sigma(self) -> bool:
        """Whether the model is told the level of the noise; a blind one is not."""
        return any("sigma" in card.maps for card in self.cards.values())

    @property
    def engine(self) -> str:
        """The name of the engine, one of `pellucid.engines.ENGINES`."""
        return self._engine

    @property
    def device(self) -> str:
        """The device as it was asked for."""
        return self._device

    def fingerprint(self) -> str:
        """A hash of the files and the engine: two restorers with the same one give the same answers."""
        found = hashlib.sha256(self._engine.encode())
        served = [(str(channels), path) for channels, path in sorted(self.paths.items())] + sorted(self.routes.items())
        for what, path in served:
            found.update(f"{what}:".encode() + hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()

    def restore(
        self,
        image: ArrayLike | Image,
        *,
        sigma: float | None = None,
        strength: float = 1.0,
        keep_grain: float = 0.0,
        scale: float | None = None,
    ) -> Any:
        """The image, restored: the same kind, shape and dtype as given, values in [0, 1] for floats.

        ``image``: an `Image`, or an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4; alpha is kept), uint8, uint16,
        float32 or float64 (floats in [0, 1], not clipped on the way in). ``sigma``: standard deviation of Gaussian noise in 8-bit
        levels, 0 to 255; None lets the image be inspected, for whatever noise it has. ``strength``: 0 leaves the image, 1 restores
        it.
        ``keep_grain``: the share, 0 to 1, of the finest grain that is put back of what was taken away. ``scale``: for a model that
        enlarges, and only for one, how many times as high and wide the answer is, above 1 and up to `LARGEST` (sides are rounded);
        ``strength`` 0 is then the bicubic enlargement. Raises `ImageError` and `OptionError`.

        >>> import numpy as np, pellucid
        >>> pellucid.load("photo").restore(np.full((32, 32), 0.5), sigma=25).shape
        (32, 32)
        """
        return self.restore_with_details(image, sigma=sigma, strength=strength, keep_grain=keep_grain, scale=scale).image

    def restore_with_details(
        self,
        image: ArrayLike | Image,
        *,
        sigma: float | None = None,
        strength: float = 1.0,
        keep_grain: float = 0.0,
        scale: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Restoration:
        """As `restore`, with what was found, the level that was used, the file that served and the seconds it took.

        ``progress`` is told (pieces done, pieces in all); what it raises ends the restoration.
        """
        begun = time.perf_counter()
        for name, value in (("strength", strength), ("keep_grain", keep_grain)):
            if not _within(value, 0, 1):
                raise OptionError(f"{name} must be a number from 0 to 1, not {value!r}")
        picture = image if isinstance(image, Image) else images.from_array(image, sparing=True)
        path, told, found = self._prepare(picture, sigma)
        told = replace(told, keep_grain=float(keep_grain))
        card = self._card(path)
        _check_scale(card, scale)
        if scale is not None:
            answer = self._enlarged(path, picture, float(scale), strength, progress)
        elif told.nothing and card.scale == 1:
            # Not one pixel would change but for rounding.
            answer = picture
        else:
            # Impulses are filled on a grid of their own.
            step = max(card.multiple_of, maps.GRID) if told.density > 0 else card.multiple_of
            tile = (TILE if told.density == 0 else FILLED_TILE)[engines.precision(self._engine)]
            margin = _margin(card, told)
            then = self._then(path, picture, told)
            if then is not None:
                # Where it answers twice, all but what was filled is the same the second time: what tiles do not see fades before.
                margin += _margin(then.card, told.mended)
                step = max(step, then.card.multiple_of)
            pieces = tiling.cut(*picture.pixels.shape[:2], tile=tile, halo=margin, multiple_of=step)
            in_flight = self._in_flight(path, picture, pieces, card.scale)
            restored = _restored(self._graph(path), then, picture, told, strength, pieces, in_flight, progress)
            answer = images.with_pixels(picture, restored)
        return Restoration(
            image=answer if isinstance(image, Image) else images.to_array(_in_range(picture) if answer is picture else answer),
            model=card.name,
            sigma=told.level,
            estimated=found is not None,
            seconds=time.perf_counter() - begun,
            diagnosis=found,
        )

    def _enlarged(
        self, path: Path, picture: Image, scale: float, strength: float, progress: Callable[[int, int], None] | None
    ) -> Image:
        """The picture at ``scale`` times its size: by one of the model's factors, or by the least product of them that is enough,
        and then made smaller."""
        card = self._card(path)
        factors = _factors(card.scales, scale)
        wanted = tuple(max(1, round(side * scale)) for side in picture.pixels.shape[:2])
        exact = np.prod(factors) == scale
        if not (exact and len(factors) == 1 and picture.alpha is None):
            picture = replace(
                picture,
                pixels=images.whole(picture.pixels),
                alpha=None if picture.alpha is None else images.whole(picture.alpha),
            )
        answer = picture
        for number, factor in enumerate(factors):

            def tell(done: int, of: int, number: int = number) -> None:
                if progress is not None:
                    # All but the last enlargement are smaller by its factor's square.
                    progress(done if number + 1 == len(factors) else 0, of)

            pieces = tiling.cut(*answer.pixels.shape[:2], tile=ENLARGED_TILE // factor, halo=card.halo)
            in_flight = self._in_flight(path, answer, pieces, factor)
            restored = _restored(self._graph(path, factor), None, answer, Told(None), strength, pieces, in_flight, tell)
            answer = images.with_pixels(answer, restored)
        if not exact:
            smaller = images.resized(images.floating(answer).pixels, wanted[0], wanted[1], images.BICUBIC)
            answer = images.with_pixels(answer, np.clip(smaller, 0, 1, out=smaller))
        return images.with_alpha_resized(answer)

    def inspect(self, image: ArrayLike | Image) -> Diagnosis:
        """What noise the image has (see `pellucid.diagnosis.inspect`), of anything that `restore` takes."""
        picture = image if isinstance(image, Image) else images.from_array(image, sparing=True)
        return diagnosis.inspect_parts(_parts(picture))

    def expected_gain(
        self, image: ArrayLike | Image, *, sigma: float | None = None, found: Diagnosis | None = None
    ) -> float | None:
        """How much nearer to the clean image the restored one is expected to be, in dB of PSNR, without the clean image.

        Told by `pellucid.diagnosis.gain` from the answer, and from its divergence, which is measured with a random probe (Ramani
        et al. 2008, "Monte-Carlo SURE") on `PROBES`
        parts of the image. 0 where nothing is to be done; None where the noise is of another kind. ``image`` and ``sigma`` as of
        `restore`; ``found`` is what was found in it, where that is known already.
        """
        picture = image if isinstance(image, Image) else images.from_array(image, sparing=True)
        measured = self.measured_gain(picture, sigma=sigma, found=found)
        return measured if measured is None or isinstance(measured, float) else gain.expected(measured)

    def measured_gain(
        self, picture: Image, *, sigma: float | None = None, found: Diagnosis | None = None
    ) -> gain.Measured | float | None:
        """What `expected_gain` rests on, or its answer where there is nothing to measure; everything as of that."""
        path, told, _ = self._prepare(picture, sigma, found)
        if told.nothing:
            return 0.0
        if not told.white or told.density > 0 or told.level is None or min(picture.pixels.shape[:2]) < LEAST_PROBE:
            return None
        graph, rng, measured = self._graph(path), np.random.default_rng(0), gain.Measured()
        for part in _probed(picture, max(graph.card.multiple_of, maps.GRID)):
            planes = images.as_pixels(picture, part)
            level = told.sigma(planes)
            step = np.float32(0.05 * float(level.mean()))
            probe = rng.choice(np.array([-1, 1], dtype=np.float32), size=planes.shape)
            moved = np.asarray(planes + step * probe, dtype=np.float32)
            answer = answering.answer(graph, planes, told)
            divergence = ((answering.answer(graph, moved, told) - answer) * probe).mean(axis=0) / step
            measured.add(planes, answer, level, divergence)
        return measured

    def restore_batch(self, stack: ArrayLike, *, sigma: float | None = None) -> NDArray[Any]:
        """Many small gray images of one size, (n, h, w), at once: the same shape and dtype back.

        ``sigma`` as in `restore`; a model that takes a level needs it given, for small images are too small to measure.
        Raises `ImageError` and `OptionError`.
        """
        values = np.asarray(stack)
        if values.ndim != 3 or values.size == 0:
            raise ImageError(f"an array of shape {values.shape} is no stack of gray images; (n, h, w) is taken")
        count, height, width = values.shape
        # One tall image passes the same checks and conversions as any other.
        tall = images.from_array(values.reshape(count * height, width))
        pixels = tall.pixels.reshape(count, 1, height, width)
        if self._card(self._path(1)).scales:
            raise OptionError(f"model {self.card.name!r} enlarges: it takes images one by one")
        graph = self._graph(self._path(1))
        if "sigma" in graph.card.maps and sigma is None:
            raise OptionError(f"model {graph.card.name!r} must be told sigma for a stack of small images")
        told = self._prepare(tall, sigma)[1]
        factor = told.brightness(graph.card)
        told = told.scaled(factor)
        step = graph.card.multiple_of
        margins = ((0, 0), (0, 0), (0, -height % step), (0, -width % step))
        answers = np.empty_like(pixels)
        for start in range(0, count, BATCH):
            shown = pixels[start : start + BATCH] * np.float32(factor)
            part = np.pad(shown, margins, mode="symmetric")
            given = np.stack([answering.with_maps(planes, graph.card, told) for planes in part])
            said = graph(given)[:, :, :height, :width]
            for index, one in enumerate(said):
                answers[start + index] = answering.finished(shown[index], one, graph.card, told)
        flat = np.clip(answers / np.float32(factor), 0, 1).reshape(count * height, width, 1)
        return images.to_array(images.with_pixels(tall, flat)).reshape(values.shape)

    def _prepare(self, picture: Image, sigma: float | None, found: Diagnosis | None = None) -> tuple[Path, Told, Diagnosis | None]:
        """The file that serves this image, what it is told, and what was found, if the image was inspected, now or before."""
        path = self._path(picture.pixels.shape[2])
        card = self._card(path)
        if sigma is not None or not card.maps:
            told = _given(card, sigma)
            if sigma and not _learnt_clipped(card):
                told = replace(told, clipping=diagnosis.clipping(_parts(picture), told.curve))
            return path, told, None
        if found is None:
            found = diagnosis.inspect_parts(_parts(picture))
        path = self.routes.get(found.kind, path)
        told = Told.of(found)
        if found.impulse_density > 0 and not _knows_impulses(self._card(path)):
            # A network that never saw any: what it can do is to take them for noise.
            told = Told(found.sigma, found.curve)
        if _learnt_clipped(self._card(path)):
            told = replace(told, clipping=None)
        return path, told, found

    def _then(self, path: Path, picture: Image, told: Told) -> Graph | None:
        """The graph that takes the noise away once impulses on top of it are filled: the family's own file for white noise."""
        plain = self._path(picture.pixels.shape[2])
        return self._graph(plain) if told.density > 0 and told.level and plain != path else None

    def _in_flight(self, path: Path, picture: Image, pieces: tiling.Cut, scale: int) -> int:
        """How many pieces may be at work at once; `MemoryShort` when there is no memory even for one. No answer depends on it."""
        engine_bytes = ENGINE_BYTES[engines.precision(self._engine)] if scale == 1 else ENLARGED_BYTES
        free = memory.free()
        rooms = [SHARE * free] if free is not None and self.memory is None else []
        if self.memory is not None:
            rooms.append(self.memory - memory.used())
        # Of one that is made larger, the answer's.
        pixels = pieces.piece[0] * pieces.piece[1] * scale**2
        # A picture that is not held goes through bands, of which two are read and two written at once.
        height, width, channels = picture.pixels.shape
        high = min(height, 4 * pieces.piece[0]) if isinstance(picture.pixels, Rows) else height
        answer = high * width * scale**2 * channels * _kept(picture).itemsize
        most = 1 if pieces.pieces == 1 else IN_FLIGHT
        for count in range(most, 0, -1):
            needed = answer + engine_bytes * max(0, pixels - self._held.get((path, scale), 0)) + count * PIECE_BYTES * pixels
            if all(needed <= room for room in rooms):
                self._held[path, scale] = max(pixels, self._held.get((path, scale), 0))
                return count
        there = max(0, min(rooms))
        raise MemoryShort(
            f"{width}x{height} pixels need {memory.shown(needed)} more memory, and {memory.shown(there)} may be taken "
            f"({'--memory says so' if self.memory is not None else '--memory SIZE allows more'})"
        )

    def _path(self, channels: int) -> Path:
        return self.paths.get(channels) or self.paths[min(self.paths)]

    def _card(self, path: Path) -> Card:
        with self._lock:
            if path not in self._cards:
                self._cards[path] = read_card(path)
            return self._cards[path]

    def _graph(self, path: Path, scale: int | None = None) -> Graph:
        with self._lock:
            if (path, scale) not in self._graphs:
                self._graphs[path, scale] = open_graph(path, device=self._device, engine=self._engine, scale=scale)
            return self._graphs[path, scale]


def load(name: str | Path = "photo", *, device: str = "auto", engine: str = "auto", memory: int | None = None) -> Restorer:
    """A shipped model by name (see `names` and `MODELS`), or the model in an ``.onnx`` file.

    ``device`` is auto, cpu or cuda; ``engine`` auto, openvino or onnxruntime (see `pellucid.engines.open_graph`); ``memory`` the
    bytes that this process may have in all (None: as it has, and a share of what is free); answers never depend on it. Raises
    `ModelError` for an unknown name or a file without a card, `EngineError` for a device or an engine that is not here.
    """
    text = str(name)
    if text in MODELS:
        paths = {channels: shipped_path(file) for channels, file in MODELS[text].items()}
        routes = {kind: shipped_path(file) for kind, file in ROUTES.get(text, {}).items()}
        return Restorer(paths, device=device, engine=engine, memory=memory, routes=routes)
    if text in names():
        path = shipped_path(text)
    else:
        path = Path(name)
        if path.suffix != ".onnx" and not path.is_file():
            known = ", ".join(dict.fromkeys([*MODELS, *names()]))
            raise ModelError(f"no model {text!r}: neither an .onnx file nor one of {known}")
    return Restorer({read_card(path).channels: path}, device=device, engine=engine, memory=memory)


def names() -> tuple[str, ...]:
    """The shipped files' names, without ``.onnx``."""
    files = [file for family in MODELS.values() for file in family.values()]
    return tuple(dict.fromkeys(files + [file for routes in ROUTES.values() for file in routes.values()]))


def shipped_path(name: str) -> Path:
    """Where a shipped file lies."""
    return Path(str(resources.files("pellucid") / "models" / f"{name}.onnx"))


def shipped_card(name: str) -> Card:
    """The card of a shipped file."""
    return read_card(shipped_path(name))


def _within(value: Any, low: float, high: float) -> bool:
    try:
        return bool(low <= float(value) <= high)
    except (TypeError, ValueError):
        return False


def _given(card: Card, sigma: float | None) -> Told:
    """A level of Gaussian noise, as the card takes it; `OptionError` when it is out of range or the model cannot be told."""
    if sigma is None:
        return Told(None)
    if not _within(sigma, 0, 255):
        raise OptionError(f"sigma must be a number from 0 to 255 (8-bit levels), not {sigma!r}")
    if "sigma" not in card.maps:
        raise OptionError(f"model {card.name!r} is blind: it takes no sigma")
    return Told(float(sigma), Curve(float(sigma) / 255))


def _check_scale(card: Card, scale: float | None) -> None:
    """`OptionError` unless a factor is given to a model that enlarges, and to no other."""
    if scale is None and card.scales:
        raise OptionError(f"model {card.name!r} enlarges: name a scale, such as {card.scales[0]}")
    if scale is not None and not card.scales:
        raise OptionError(f"model {card.name!r} does not enlarge: it takes no scale")
    if scale is not None and (not _within(scale, 1, LARGEST) or float(scale) == 1):
        raise OptionError(f"scale must be a number above 1 and up to {LARGEST}, not {scale!r}")


def _factors(scales: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """The one of ``scales``, or the fewest of them in turn, with the least product that is ``scale`` or more: the larger first."""
    for count in range(1, LARGEST):
        enough = [chain for chain in combinations_with_replacement(sorted(scales, reverse=True), count) if np.prod(chain) >= scale]
        if enough:
            return min(enough, key=lambda chain: int(np.prod(chain)))
    raise OptionError(f"scale {scale:g} is beyond the model's factors")


def _knows_impulses(card: Card) -> bool:
    """Whether the model learnt from pixels replaced by impulses."""
    kinds = {noise["kind"] for noise in card.noises}
    return "impulses" in card.maps and not kinds.isdisjoint({"salt-pepper", "impulses"})


def _learnt_clipped(card: Card) -> bool:
    """Whether the model learnt from noise that was clipped, beside clean images: its answer is the true intensity by itself."""
    # What a camera makes of noise, and JPEG, is clipped without a word.
    clipped = any(noise.get("clip", False) or noise["kind"] in ("camera", "jpeg") for noise in card.noises)
    return clipped or card.training.get("learnt_from") == "pairs"


def _parts(picture: Image) -> list[Pixels]:
    """The parts of a picture that are looked at, wherever its pixels are."""
    parts: list[Pixels] = []
    windows = diagnosis.windows(*picture.pixels.shape[:2])
    band: NDArray[Any] | None = None
    top = -1
    for window in windows:
        if window.top != top or band is None:
            # Windows beside each other are cut from one band: rows of a file are read once.
            top = window.top
            band = images.rows_of(picture.pixels, top, top + window.height)
        part = band[:, window.left : window.left + window.width]
        parts.append(images.as_pixels(picture, part).transpose(1, 2, 0))
    return parts


def _probed(picture: Image, multiple_of: int) -> Iterator[NDArray[Any]]:
    """Parts (h, w, c) of a picture for `Restorer.expected_gain`, evenly spread; their sides divide by ``multiple_of``."""
    height, width = picture.pixels.shape[:2]
    sides = [min(side, PROBE) // multiple_of * multiple_of for side in (height, width)]
    # Where so many parts cover the picture, overlapping, they do: what one place gains says little of another.
    across = min(math.ceil(width / sides[1]), PROBES)
    down = min(math.ceil(height / sides[0]), PROBES // across)
    for top in _spread(height, sides[0], down):
        band = images.rows_of(picture.pixels, top, top + sides[0])
        for left in _spread(width, sides[1], across):
            yield band[:, left : left + sides[1]]


def _spread(whole: int, part: int, count: int) -> list[int]:
    """Where so many parts of a length begin: from end to end where they cover the ``whole``, else evenly."""
    if count > 1 and count * part >= whole:
        return [(whole - part) * index // (count - 1) for index in range(count)]
    return [(whole - part) * (2 * index + 1) // (2 * count) for index in range(count)]


def _in_range(picture: Image) -> Image:
    """An array's image as it leaves, in memory of its own: noise may have left the range, an answer does not."""
    pixels = picture.pixels
    return images.with_pixels(picture, np.clip(pixels, 0, 1) if pixels.dtype.kind == "f" else pixels.copy())


def _margin(card: Card, told: Told) -> int:
    """The pixels around a tile's core that the model sees, and those that are looked at beyond them."""
    return told.looks * max(round(SEEN * card.halo), min(card.halo, NEAR)) + told.reach


def _kept(picture: Image) -> np.dtype[Any]:
    """What an answer is made of: the levels of an 8-bit image, else float32 pixels, of which any depth can be made.

    Where black and white are not 0 and 255, other formats spread the range, and need what lies between the levels.
    """
    plain = picture.pixels.dtype == np.uint8 and picture.black == 0 and picture.white is None
    return np.dtype(np.uint8 if plain else np.float32)


def _restored(
    graph: Graph,
    then: Graph | None,
    picture: Image,
    told: Told,
    strength: float,
    pieces: tiling.Cut,
    in_flight: int,
    progress: Callable[[int, int], None] | None,
) -> NDArray[Any] | Rows:
    """The restored pixels, of `_kept`; channel by channel where the model has one and the image three. `Rows` for `Rows`."""
    card = graph.card

    def restored(part: NDArray[Any]) -> NDArray[np.float32]:
        # All of it tile by tile: what is at hand in the processor's cache need not be fetched again, and while the engine works
        # on one tile the next is made ready and the last one finished.
        room = np.empty((channels + len(card.maps), *part.shape[:2]), np.float32)
        piece = images.as_pixels(picture, part, out=room[:channels])
        said = answering.answer_in_turn(graph, then, piece, told, room)
        if strength < 1:
            before = answering.larger(piece, card.scale) if card.scales else piece
            said -= before
            said *= np.float32(strength)
            said += before
        # What leaves is a picture: noise may have left the range, the answer does not.
        return np.clip(said, 0, 1, out=said).transpose(1, 2, 0)

    def finish(core: NDArray[np.float32], place: NDArray[Any]) -> None:
        images.to_values(picture, core, out=place)

    height, width, channels = picture.pixels.shape
    kept = _kept(picture)
    shape = (height * card.scale, width * card.scale, channels)
    stream = partial(
        tiling.stream,
        restored,
        picture.pixels,
        pieces,
        scale=card.scale,
        finish=finish if kept == np.uint8 else None,
        in_flight=in_flight,
        progress=progress,
    )
    if isinstance(picture.pixels, Rows):
        rows = images.streamed(shape, kept, _timed(stream(dtype=kept), lambda: rows))
        return rows
    whole = np.empty(shape, kept)
    for _ in stream(into=whole):
        pass
    return whole


def _timed(bands: Iterator[NDArray[Any]], rows: Callable[[], Rows]) -> Iterator[NDArray[Any]]:
    """The bands; the rows that they make up are told how long it took since the first one was asked for."""
    begun = time.perf_counter()
    for band in bands:
        rows().seconds = time.perf_counter() - begun
        yield band
