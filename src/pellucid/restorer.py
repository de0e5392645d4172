"""The one door to the networks: load a model, restore a picture.

A name may stand for a family of files (`pellucid.families`). The task of the family (`pellucid.tasks`) looks at the picture and
plans the work; here the picture is cut into pieces and put together again, in the memory that there is. No task is known here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid import confidence as trusting
from pellucid import diagnosis, images, memory, ranges, stacks, tasks, tiling, weighing
from pellucid.cards import Card, read_card
from pellucid.diagnosis import Diagnosis
from pellucid.engines import Models, all_finite
from pellucid.errors import EngineError, ModelError, OptionError
from pellucid.families import FAMILIES, names, shipped_path
from pellucid.files.base import Reading
from pellucid.files.claims import within
from pellucid.images import Image, Range, Rows
from pellucid.restoration import Restoration
from pellucid.tasks import Task
from pellucid.tasks.base import Batching, Checking, Job, Loading, Pass
from pellucid.tasks.settings import Settings, as_number, check_type, shown
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["Restoration", "Restorer", "load"]

Kind = TypeVar("Kind", bound=np.generic)
"""An array's dtype: the output has the input's."""

IN_FLIGHT = 2
"""Pieces at work at once: the engine has one, the other is being made ready or finished. No output depends on it."""

MARGIN = 32
"""Pixels around a part that is shown by itself. A part of a photograph with noise of level 10, 25 and 50 was within 1, 1 and 4
levels of the whole output, and within 0.2, 0.2 and 0.3 on average (with 16: 2, 2, 6)."""

Progress = Callable[[int, int], None]
"""Called with (pieces done, pieces in all)."""


@dataclass(frozen=True)
class _Blend:
    """How a pass's output is blended with its output of strength 0: the ``share``, times ``weights`` (h, w) at each pixel where
    there are some; and the depth that is kept of it."""

    share: float
    weights: NDArray[np.float32] | None = None
    keep: Literal["source", "float32"] = "source"


class Restorer:
    """A model, or a family of them, ready to restore.

    Graphs are compiled when first needed; safe to share between threads. Can be pickled: another process compiles its own.

    >>> import pellucid
    >>> pellucid.load("film")
    <Restorer 'film' for film: find film-find, fill film-fill>
    """

    def __init__(self, name: str, task: Task, models: Models, *, memory: int | None = None) -> None:
        self.name = name
        self.task = task
        self.models = models
        self.memory = memory
        # Pixels of the largest piece that each graph has had: the engine keeps its room.
        self._held: dict[tuple[str, int], int] = {}
        self._others: dict[str, Restorer] = {}
        self._side_by_side: Restorer | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Restorer, self.name, self.task, self.models, memory=self.memory), ()

    def __repr__(self) -> str:
        files = ", ".join(f"{role} {self.models.card(role).name}" for role in self.models)
        return f"<Restorer {self.name!r} for {self.task.name}: {files}>"

    @property
    def card(self) -> Card:
        """The card of the model; of a family, that of the first file for the most channels."""
        return max((self.models.card(role) for role in self.models), key=lambda card: card.channels)

    @property
    def engine(self) -> str:
        """The name of the engine, one of `pellucid.engines.ENGINES`."""
        return self.models.engine

    @property
    def device(self) -> str:
        """The device as it was asked for."""
        return self.models.device

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of the settings that it takes: those of its task, but for what a model of its kind has no use for."""
        return self.task.settings.taken_by(self.card.maps)

    def fingerprint(self, *kinds: str) -> str:
        """A hash of the files and the engine: two restorers with the same one give the same outputs. ``kinds``: with the files that
        restore documents of these kinds (`instead`)."""
        helpers = (self.models.helper(name).fingerprint() for name in self.task.helpers)
        others = (self.instead(kind).fingerprint() for kind in kinds)
        return "+".join((self.models.fingerprint(), *helpers, *others))

    def serves(self, kind: str) -> bool:
        """Whether documents of this kind (`Task.instead`) are another row's work here: where the task's own family is asked for."""
        return kind in dict(self.task.instead) and self.name == self.task.model

    def instead(self, kind: str) -> Restorer:
        """The restorer of the row that does this one's work on documents of that kind, loaded when first asked for."""
        if kind not in self._others:
            row = tasks.find(dict(self.task.instead)[kind])
            self._others[kind] = load(row.model, device=self.device, engine=self.engine, memory=self.memory)
        return self._others[kind]

    def side_by_side(self) -> Restorer:
        """The same models for calls from `IN_FLIGHT` threads at a time, each of which has a share of the cores: no core waits for
        another, which in all is faster. Its graphs are its own, compiled when first needed; no output depends on it."""
        if self.engine != "openvino":
            return self
        if self._side_by_side is None:
            models = Models(self.models.paths, device=self.device, engine=self.engine, streams=IN_FLIGHT)
            self._side_by_side = Restorer(self.name, self.task, models, memory=self.memory)
        return self._side_by_side

    def settings(self, settings: Settings | None = None, /, **given: Any) -> Settings:
        """The settings of a call: ``settings``, or the task's own, with those ``given`` by name; `OptionError` for what is none."""
        if settings is None:
            return self.task.settings.of(given)
        if not isinstance(settings, self.task.settings):
            raise OptionError(f"{type(settings).__name__} are not settings of {self.task.name}")
        return replace(settings, **self.task.settings.checked(given))

    @overload
    def restore(
        self, image: Image, settings: Settings | None = None, /, *, range: Range = ..., axes: str | None = ..., **given: Any
    ) -> Image: ...

    @overload
    def restore(
        self, image: NDArray[Kind], settings: Settings | None = None, /, *, range: Range = ..., axes: str | None = ..., **given: Any
    ) -> NDArray[Kind]: ...

    @overload
    def restore(
        self, image: ArrayLike, settings: Settings | None = None, /, *, range: Range = ..., axes: str | None = ..., **given: Any
    ) -> NDArray[Any]: ...

    def restore(
        self,
        image: ArrayLike | Image,
        settings: Settings | None = None,
        /,
        *,
        range: Range = "auto",
        axes: str | None = None,
        **given: Any,
    ) -> Any:
        """The image, restored: the same kind and dtype as given, values in [0, 1] for floats.

        ``image``: an `Image`, or an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4; alpha is kept); with other axes before
        these, a stack of such images. Its dtype is uint8, uint16, float32, float64, bool, int8, int16, int32, uint32 or float16.

        ``range`` says which values are black and white: two numbers; ``dtype``, the dtype's own; or ``auto``, which is that, but
        for counts of 8 to 14 bits in uint16, and for floats above 1 (or all below 1/255, or below 0) and signed and 32-bit integers
        the smallest and the largest value in use, as of files; a `RangeWarning` says so. Floats beyond [0, 1] by their noise alone
        are read in [0, 1], without being clipped on the way in. NaN, infinite values, what a masked array
        masks, what lies under alpha 0, and with ``auto`` values far beyond the rest are no image: they have no influence and come
        back as they are; a masked array keeps its mask. ``axes`` names the axes of an array, first to last: Y and X, S for colour,
        other letters for a stack (such as ZYX).

        The settings are those of the task, as keyword arguments or as one object: ``restore(image, sigma=25)`` and
        ``restore(image, DenoiseSettings(sigma=25))`` are the same.

        ``mask`` (h, w) of any size says how much each pixel gets, 0 to 1; see `details`.

        A denoiser takes ``sigma``, the standard deviation of Gaussian noise in 8-bit levels, 0 to 255 (default: the image is
        inspected, for whatever noise it has); ``keep_grain``, the share of the finest grain that is kept; ``strength``, 0 leaves
        the image as it is, 1 restores it, above 1 and up to 2 more noise is taken away; ``colour_noise``, the same for the colours
        alone. A model that enlarges takes ``scale``, how many times as high and wide the output is, above 1 and up to 8 (sides are
        rounded); ``strength`` 0 is then the bicubic enlargement. `pellucid.tasks.TASKS` lists the settings of each task. Raises
        `ImageError` and `OptionError`.

        >>> import numpy as np, pellucid
        >>> pellucid.load("photo").restore(np.full((32, 32), 0.5), sigma=25).shape
        (32, 32)
        """
        reading = stacks.reading_of(range, axes)
        if isinstance(image, Image):
            if reading != Reading():
                raise OptionError("range and axes are for arrays, and this is an Image")
            return self.details(image, settings, **given).image
        values = images.array_of(image)
        if reading == Reading() and values.dtype.name in images.DEPTHS and _is_picture(values.shape):
            done = self.details(values, settings, **given)
            ranges.warn(done.remarks)
            return done.image
        return stacks.restored(values, range, axes, lambda picture: self.details(picture, settings, **given))

    def details(
        self,
        image: ArrayLike | Image | View,
        settings: Settings | None = None,
        /,
        *,
        mask: ArrayLike | None = None,
        keep: Literal["source", "float32"] = "source",
        confidence: bool = False,
        rows: slice | None = None,
        passed: NDArray[Any] | Rows | None = None,
        progress: Progress | None = None,
        **given: Any,
    ) -> Restoration:
        """The same as `restore`, with the file that served, the seconds it took, and the facts of the task.

        A `View` of an `Image` brings what is known of it already: its noise, the frames around it.

        ``mask`` (h, w) of any size, in [0, 1], says how much of the settings' strength each pixel gets: it is scaled to the output,
        and where it is 0 the output is the one of strength 0, which for an output of the picture's size and channels is the picture
        itself, to the bit. ``keep`` float32: the pixels of an `Image` are not rounded to its file's whole numbers. ``confidence``
        adds the ``planes`` of the answer; all of the picture is held then, and `OptionError` raised where the task has none.
        ``progress`` is called with (pieces done, pieces in all) of the last pass, which takes the longest, after every piece of any
        pass; an exception from it ends the restoration.

        ``rows`` and ``passed`` let several processes share one large picture, given as an `Image` or a `View`. ``rows`` are some of
        its `bands`, as a slice: only these are restored, and the answer is a strip as wide as the output, ``image.corner`` the
        place of its first row and column, to which nothing is done yet but the work itself. ``passed`` are the pixels of all
        strips, one below the other: nothing but the rest is done, and the answer is that of a call without either, to the bit.
        `OptionError` for a picture that has no bands.

        >>> import numpy as np, pellucid
        >>> pellucid.load("photo").details(np.full((32, 32), 0.5), sigma=25).model
        'photo-gray'
        """
        begun = time.perf_counter()
        chosen = self.settings(settings, **given)
        if len(chosen.each()) > 1:
            raise OptionError("these settings ask for several pictures, and this makes one: call it once for each")
        if not isinstance(keep, str) or keep not in ("source", "float32"):
            raise OptionError(f"keep must be 'source' or 'float32', not {shown(keep)}")
        view = image if isinstance(image, View) else View((_picture(image),))
        picture = view.picture
        weights = None if mask is None else weighing.plane(mask)
        if weights is not None:
            weighing.check(self.task.name, chosen, picture)
        job = self._prepared(view, chosen)
        if confidence and job.trust is None:
            raise OptionError(f"{self.task.name} does not say here how far to trust its output; leave out the confidence")
        shared = rows is not None or passed is not None
        if rows is not None:
            check_type("rows", rows, slice, "a slice of the bands")
        if shared and not (isinstance(image, Image | View) and len(job.passes) == 1):
            raise OptionError("rows and passed are for an Image or a View that has bands")
        held = job.held or len(job.passes) > 1 or confidence
        # After how many passes those before the task's own are over.
        ahead = len(job.ahead.passes) if confidence and job.ahead is not None else None
        picture = images.held(picture) if held else picture
        source = picture if job.image is None else images.held(job.image) if held else job.image
        before: Mapping[str, NDArray[Any]] = {}
        for number, step in enumerate(job.passes):
            if number == ahead:
                before = _planes(job.ahead, picture, source)
            tell = progress if number + 1 == len(job.passes) else _before_the_last(progress)
            blend = _Blend(chosen.share, weights, keep)
            pixels = passed if passed is not None else self._passed(step, job.model, source, blend, tell, rows)
            source = images.with_pixels(source, images.whole(pixels) if held else pixels)
        if rows is not None:
            first, shape = job.passes[0], (picture if job.image is None else job.image).pixels.shape
            top = _cut(first, shape)[rows].rows[0].core[0] * first.scale
            strip = replace(source, alpha=None, mask=None, kept=None, size=None, corner=(top, 0))
            return Restoration(image=strip, model=job.model, seconds=time.perf_counter() - begun, ask=job.facts)
        spared = weights is not None and weights.min() < 1
        output: Any = (job.in_part if spared and job.in_part is not None else job.finish)(picture, source.pixels)
        if not isinstance(image, Image | View) and not job.passes:
            output = stacks.in_range(output)
        if weights is None and chosen.share == 0:
            weights = weighing.changed(output, picture)
        if weights is not None:
            output = weighing.untouched(output, picture, weights)
        remarks = output.remarks
        planes = trusting.joined(before, _planes(job, picture, output), *output.pixels.shape[:2]) if confidence else {}
        if not isinstance(image, Image | View):
            output = stacks.masked_as(image, images.to_array(output))
            if weights is not None:
                output = weighing.untouched_values(output, image, weights)
        seconds = time.perf_counter() - begun
        result = Restoration(image=output, model=job.model, seconds=seconds, remarks=remarks, planes=planes, ask=job.facts)
        # An array may be changed before its facts are asked for: a camera's buffer has the next picture by then.
        return result if isinstance(image, Image | View) else replace(result, ask=partial(dict, result.facts))

    def check(self, settings: Any) -> None:
        """Before any picture is looked at: raises `OptionError` for settings that this model does not take."""
        for row in settings.declared():
            if row.name not in self.takes and getattr(settings, row.name) != row.default:
                raise OptionError(f"model {self.card.name!r} takes no {row.name}; leave it out")
        module = self.task.module()
        if isinstance(module, Checking):
            module.check(self.models, settings)

    def trusted(self, settings: Any) -> tuple[str, ...]:
        """The names of the planes that say how far to trust an output; `OptionError` where there are none."""
        names = settings.trusted(self.card.maps)
        if not names:
            raise OptionError(f"{self.task.name} does not say here how far to trust its output; leave out the confidence")
        return tuple(names)

    def needs(self, settings: Settings, shape: tuple[int, int, int], *, banded: bool) -> tuple[int, int]:
        """The bytes of memory that a picture of that ``shape`` (height, width, channels; ``banded``: in `Rows`) takes at least,
        float32 in and out, and those of them that the engine keeps. 0 where the task does not say that before the work."""
        module = self.task.module()
        if not isinstance(module, Loading):
            return 0, 0
        most = kept = 0
        for step in module.loads(self.models, settings):
            pieces = _cut(step, shape)
            held = max((pixels for (_, scale), pixels in self._held.items() if scale == step.scale), default=0)
            more, engine = _needed(step, shape, pieces, held, 1, banded=banded, itemsize=4)
            most, kept = max(most, kept + more), kept + engine
            shape = (shape[0] * step.scale, shape[1] * step.scale, step.channels or shape[2])
        return most, kept

    def bands(self, image: Image | View, settings: Settings | None = None, /, **given: Any) -> int:
        """In how many bands a picture goes through, from above to below: those that ``rows`` of `details` chooses from.

        0 for a picture that has none: one that goes through more than once, or that is left as it is.

        >>> import numpy as np, pellucid
        >>> photo = pellucid.load("photo")
        >>> photo.bands(pellucid.images.from_array(np.zeros((32, 32), np.uint8)), sigma=25)
        1
        """
        view = image if isinstance(image, View) else View((image,))
        job = self.task.module().prepare(view, self.models, self.settings(settings, **given))
        if len(job.passes) != 1:
            return 0
        return len(_cut(job.passes[0], (view.picture if job.image is None else job.image).pixels.shape).rows)

    def part(
        self,
        view: View,
        box: tuple[int, int, int, int],
        settings: Settings | None = None,
        /,
        *,
        mask: ArrayLike | None = None,
        **given: Any,
    ) -> Restoration:
        """Only the pixels from column X0 and row Y0 to before X1 and Y1 of the view's picture, as they are in the whole output.
        ``mask`` as of `details`.

        All of the picture is looked at, but only these pixels, and `MARGIN` around them, are restored: a preview. Each value is
        within a few levels of the whole output's. Raises `OptionError` for a box outside the picture, and for a task whose output
        has another size.
        """
        begun = time.perf_counter()
        chosen = self.settings(settings, **given)
        picture = images.held(view.picture)
        height, width = view.shape[:2]
        left, top, right, bottom = box
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise OptionError(f"part {','.join(map(str, box))} is not inside a picture of {width}x{height} pixels")
        job = self._prepared(view, chosen)
        # The colours of a mosaic are a picture of its size.
        channels = all(step.channels is None for step in job.passes) or picture.mosaic is not None
        if job.image is not None or not channels or any(step.scale != 1 for step in job.passes):
            raise OptionError(f"{self.task.name} has no parts to show: its output is not a picture of the same size")
        step_of = math.lcm(1, *(step.multiple_of for step in job.passes))
        up, before = ((start - min(MARGIN, start)) // step_of * step_of for start in (top, left))
        source = images.cropped(picture, up, before, min(bottom + MARGIN, height), min(right + MARGIN, width))
        weights = None if mask is None else weighing.fitted(weighing.plane(mask), height, width)
        for step in job.passes:
            moved = replace(step, piece=partial(_moved, step.piece, up, before, (height, width)))
            blend = _Blend(chosen.share, None if weights is None else weights[up : up + height, before : before + width])
            source = images.with_pixels(source, self._passed(moved, job.model, source, blend, None))
        output = images.cropped(source, top - up, left - before, bottom - up, right - before)
        if picture.mosaic is not None:
            output = job.finish(images.cropped(picture, top, left, bottom, right), output.pixels)
        return Restoration(image=output, model=job.model, seconds=time.perf_counter() - begun, ask=job.facts)

    def _prepared(self, view: View, chosen: Settings) -> Job:
        """The task's work on the picture. Files that settings name are read here, within the same memory."""
        with within(self.memory):
            return self.task.module().prepare(view, self.models, chosen)

    def inspect(self, image: ArrayLike | Image) -> Diagnosis:
        """The noise of anything that `restore` takes, of a stack in its first image: see `pellucid.diagnosis.inspect`."""
        picture = image if isinstance(image, Image) else stacks.first_of(image, "auto", None)
        return diagnosis.look(View((picture,)))

    def expected_gain(
        self, image: ArrayLike | Image, settings: Settings | None = None, /, *, found: Diagnosis | None = None, **given: Any
    ) -> float | None:
        """By how many dB of PSNR the output is expected to be nearer to the clean image than the input, without the clean image.

        0 where nothing is to be done; None where the noise is not white, or the image too small. ``found`` is the image's
        diagnosis, where that is known already. Raises `OptionError` where the task predicts no gain.

        >>> import numpy as np, pellucid
        >>> pellucid.load("photo").expected_gain(np.zeros((64, 64)), sigma=0)
        0.0
        """
        predicted: Callable[..., float | None] | None = getattr(self.task.module(), "expected_gain", None)
        if predicted is None:
            raise OptionError(f"task {self.task.name} cannot predict the gain")
        picture = _picture(image)
        return predicted(View((picture,)), self.models, self.settings(settings, **given), found)

    def restore_batch(
        self, stack: ArrayLike, settings: Settings | None = None, /, *, range: Range = "auto", **given: Any
    ) -> NDArray[Any]:
        """Many small gray images of one size, (n, h, w), at once: the same shape and dtype back.

        Settings and ``range`` as of `restore`, one range for all; a denoiser that takes a level needs ``sigma``, for small images
        are too small to measure. Raises `ImageError` and `OptionError`, the latter where the task restores images one by one.

        >>> import numpy as np, pellucid
        >>> pellucid.load("digits").restore_batch(np.zeros((3, 28, 28))).shape
        (3, 28, 28)
        """
        module = self.task.module()
        if not isinstance(module, Batching):
            raise OptionError(f"task {self.task.name} takes images one by one, not as a stack")
        values, chosen = images.array_of(stack), self.settings(settings, **given)
        if values.ndim != 3 or values.size == 0 or values.dtype.name not in images.DEPTHS:
            return module.batch(stack, self.models, chosen)
        # One tall image is read as any other.
        tall = images.from_array(values.reshape(-1, values.shape[2]), stacks.reading_of(range, None).value_range)
        if (tall.black, tall.white, tall.mask) == (0, None, None):
            return module.batch(stack, self.models, chosen)
        ranges.warn(tall.remarks)
        restored = module.batch(tall.pixels.reshape(values.shape), self.models, chosen)
        output = images.to_array(images.with_pixels(tall, restored.reshape(tall.pixels.shape)))
        return stacks.masked_as(stack, output.reshape(values.shape))

    def _passed(
        self, step: Pass, model: str, picture: Image, blend: _Blend, progress: Progress | None, rows: slice | None = None
    ) -> NDArray[Any] | Rows:
        """The pixels that a pass makes of the picture, of `_kept`; `Rows` for `Rows`. ``rows``: of these bands alone."""
        height, width, channels = picture.pixels.shape
        share = blend.share
        weights = None if blend.weights is None else weighing.fitted(blend.weights, height * step.scale, width * step.scale)
        pieces = _cut(step, picture.pixels.shape)
        if rows is not None:
            pieces = pieces[rows]
        in_flight = self._in_flight(step, model, picture, pieces, _kept(picture, blend.keep))

        def restored(part: NDArray[Any], place: Place) -> NDArray[np.float32]:
            # All of it piece by piece: what is in the processor's cache need not be fetched again, and while the engine works
            # on one piece the next is made ready and the last one finished.
            planes = np.empty((channels + step.room, *part.shape[:2]), np.float32)
            given = images.as_pixels(picture, part, out=planes[:channels])
            weight = None if weights is None else weighing.of_piece(weights, place, step.scale)
            spared = step.spared or step.before
            if weight is not None and not weight.any():
                output = given.copy() if spared is None else spared(given)
                return output.transpose(1, 2, 0)
            output = step.piece(given, place, planes)
            if share < 1 and (weight is None or step.spared is not None):
                before = given if step.before is None else step.before(given)
                output -= before
                output *= np.float32(share)
                output += before
            if weight is not None:
                before = given if spared is None else spared(given)
                output -= before
                output *= weight if step.spared is not None else np.float32(share) * weight
                output += before
            # Noise may have left the range; a picture does not.
            np.clip(output, 0, 1, out=output)
            if weight is not None:
                np.copyto(output, before, where=weight == 0)
            if not all_finite(output):
                raise EngineError(f"model {model!r}: the output has values that are no numbers (NaN)")
            return output.transpose(1, 2, 0)

        def finish(core: NDArray[np.float32], place: NDArray[Any]) -> None:
            images.to_values(picture, core, out=place)

        kept = _kept(picture, blend.keep)
        top, bottom = (pieces.rows[0].core[0] * step.scale, pieces.rows[-1].core[1] * step.scale)
        shape = (bottom - top, width * step.scale, step.channels or channels)
        stream = partial(
            tiling.stream,
            restored,
            picture.pixels,
            pieces,
            scale=step.scale,
            finish=finish if kept == np.uint8 else None,
            in_flight=in_flight,
            progress=progress,
        )
        if isinstance(picture.pixels, Rows):
            streamed = images.streamed(shape, kept, _timed(stream(dtype=kept), lambda: streamed))
            return streamed
        # In memory as the picture: a frame of a clip has its channels one behind the other.
        floats = kept == np.float32
        whole = np.empty_like(picture.pixels, kept, shape=shape, subok=False) if floats else np.empty(shape, kept)
        for _ in stream(into=whole):
            pass
        return whole

    def _in_flight(self, step: Pass, model: str, picture: Image, pieces: tiling.Cut, kept: np.dtype[Any]) -> int:
        """How many pieces may be at work at once; `MemoryShort` when there is no memory even for one. No output depends on it."""
        room = memory.room(self.memory)
        pixels = pieces.piece[0] * pieces.piece[1] * step.scale**2
        height, width, _ = shape = picture.pixels.shape
        most = 1 if pieces.pieces == 1 else IN_FLIGHT
        held = self._held.get((model, step.scale), 0)
        banded = isinstance(picture.pixels, Rows)
        for count in range(most, 0, -1):
            needed, engine = _needed(step, shape, pieces, held, count, banded=banded, itemsize=kept.itemsize)
            needed += (self.models.streams - 1) * engine
            if room is None or needed <= room:
                break
        memory.check(needed, self.memory, f"{width}x{height} pixels")
        self._held[model, step.scale] = max(pixels, held)
        return count


def load(name: str | Path = "photo", *, device: str = "auto", engine: str = "auto", memory: int | None = None) -> Restorer:
    """A shipped family or file by name (see `pellucid.families`), or the model in an ``.onnx`` file.

    ``device`` is auto, cpu or cuda; ``engine`` auto, openvino or onnxruntime (see `pellucid.engines.open_graph`); ``memory`` the
    bytes that this process may have in all (None: as it has, and a share of what is free); outputs never depend on it. Raises
    `ModelError` for an unknown name or a file without a card, `EngineError` for a device or an engine that is not here.

    >>> import pellucid
    >>> pellucid.load("photo").card.licence
    'Apache-2.0'
    """
    check_type("model", name, (str, Path), "a model's name or the path of a file")
    if memory is not None:
        most = as_number(memory)
        if most is None or not 1 <= most < math.inf:
            raise OptionError(f"memory must be a number of bytes, not {shown(memory)}")
        memory = int(memory)
    text = str(name)
    family = FAMILIES.get(text)
    if family is not None:
        paths = {role: shipped_path(file) for role, file in family.files.items()}
        return Restorer(text, tasks.find(family.task), Models(paths, device=device, engine=engine), memory=memory)
    path = shipped_path(text) if text in names() else Path(name)
    if text not in names() and path.suffix != ".onnx" and not path.is_file():
        raise ModelError(f"unknown model {text!r}; give an .onnx file or one of {', '.join(dict.fromkeys([*FAMILIES, *names()]))}")
    card = read_card(path)
    if card.task not in tasks.TASKS:
        raise ModelError(f"model {card.name!r} is for the task {card.task!r}; this version has {', '.join(tasks.TASKS)}")
    models = Models({"gray" if card.channels == 1 else "colour": path}, device=device, engine=engine)
    return Restorer(card.name, tasks.find(card.task), models, memory=memory)


def _needed(
    step: Pass, shape: tuple[int, ...], pieces: tiling.Cut, held: int, count: int, *, banded: bool, itemsize: int
) -> tuple[int, int]:
    """Bytes of a pass with so many pieces in flight, and those of them that the engine keeps, which has had pieces of ``held``
    pixels."""
    # A picture that is not held goes through bands, two of which are read and two written at once.
    height, width, channels = shape
    high = min(height, 4 * pieces.piece[0]) if banded else height
    pixels = pieces.piece[0] * pieces.piece[1] * step.scale**2
    output = high * width * step.scale**2 * (step.channels or channels) * itemsize
    engine = step.engine_bytes * max(0, pixels - held)
    return output + engine + count * step.piece_bytes * pixels, engine


def _planes(job: Job | None, picture: Image, output: Image) -> Mapping[str, NDArray[Any]]:
    return {} if job is None or job.trust is None else job.trust(picture, output)


def _cut(step: Pass, shape: tuple[int, ...]) -> tiling.Cut:
    """The pieces of a picture of that shape."""
    return tiling.cut(*shape[:2], tile=step.tile, halo=step.halo, multiple_of=step.multiple_of)


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))


def _picture(image: ArrayLike | Image) -> Image:
    return image if isinstance(image, Image) else images.from_array(image, "auto", sparing=True)


def _before_the_last(progress: Progress | None) -> Progress | None:
    """Nothing of the last pass is done yet; but what asks for progress may end the restoration."""
    return None if progress is None else lambda done, of: progress(0, of)


def _moved(
    piece: Callable[[Any, Place, Any], Any], top: int, left: int, within: tuple[int, int], planes: Any, place: Place, room: Any
) -> Any:
    """A piece of a part of a picture, at its place in the whole."""
    return piece(planes, place._replace(top=place.top + top, left=place.left + left, within=within), room)


def _kept(picture: Image, keep: Literal["source", "float32"]) -> np.dtype[Any]:
    """The dtype of an output: the levels of an 8-bit image, unless ``keep`` says float32; else float32 pixels, of which any depth
    can be made.

    Where black and white are not 0 and 255, other formats spread the range, and need what lies between the levels.
    """
    plain = keep == "source" and picture.pixels.dtype == np.uint8 and picture.black == 0 and picture.white is None
    return np.dtype(np.uint8 if plain else np.float32)


def _timed(bands: Iterator[NDArray[Any]], rows: Callable[[], Rows]) -> Iterator[NDArray[Any]]:
    """The bands; the rows that they make up get the time since the first one was asked for."""
    begun = time.perf_counter()
    for band in bands:
        rows().seconds = time.perf_counter() - begun
        yield band
