"""The state that all routes share, and the limits that follow from the speed of models."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.restorer import MARGIN
from pellucid.tasks.settings import Settings, Shape
from pellucid.web import openapi
from pellucid.web.catalogue import Catalogue
from pellucid.web.folder import Folder
from pellucid.web.limits import Limits
from pellucid.web.metrics import Metrics
from pellucid.web.pool import Pool, Ticket
from pellucid.web.refusals import AGAIN, shortage
from pellucid.web.uploads import Held, Refused

TRIED = 1 << 20
"""Bytes that `/healthz` writes, to see whether there is room."""

SPARE = 8
"""Descriptors that `/healthz` opens, to see whether there are any to spare."""

SIDE = 1000
"""Side in pixels of a picture by which the sizes of steps are compared."""


class Service:
    """The state that all routes share."""

    def __init__(
        self, pool: Pool, limits: Limits, models: dict[str, str], folder: Folder, speeds: Mapping[str, float], *, token: bool
    ) -> None:
        self.pool = pool
        self.limits = limits
        """Those that hold whatever is done; `limits_of` may allow fewer pixels."""
        self._speeds = dict(speeds)
        self._measuring = asyncio.Lock()
        self.folder = folder
        self.metrics = Metrics()
        self.held = Held()
        self.tickets: dict[str, Ticket] = {}
        self.catalogue = Catalogue(models)
        self.document = openapi.document(self.limits_by(self.catalogue.offer(None).models[0]), self.catalogue, token=token)

    @property
    def models(self) -> dict[str, Any]:
        """The response of `/v1/models`: the limits are those of what was measured until now."""
        return self.catalogue.to_dict(self.limits_by)

    def limits_by(self, model: str) -> Limits:
        """The limits for pictures that this model restores, by its speed where that was measured."""
        speed = self._speeds.get(model)
        return self.limits if speed is None else self.limits.within(speed, MARGIN)

    async def limits_of(self, work: Sequence[tuple[str, Settings]]) -> Limits:
        """The limits for pictures that these models restore one after the other, at these settings. A model is measured when it is
        first asked for."""
        needed, shape = 0.0, Shape(SIDE, SIDE, 3, alpha=False)
        for model, settings in work:
            async with self._measuring:
                if model not in self._speeds:
                    self._speeds[model] = await self.pool.measured(model)
            height, width = shape.height or SIDE, shape.width or SIDE
            # Seconds for each pixel of the picture that is given: a step may have more of them, or fewer.
            needed += height * width / SIDE**2 / self._speeds[model]
            shape = settings.answer(shape)
        return self.limits.within(1 / needed, MARGIN) if needed else self.limits

    def ailment(self) -> Refused | None:
        """The reason for which a request could not be served now; None where what it needs is there: all of it is tried."""
        if not self.pool.ready:
            return Refused(503, "no worker is ready", AGAIN)
        opened: list[int] = []
        try:
            with self.folder.place() as folder:
                (folder / "tried").write_bytes(bytes(TRIED))
            opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(SPARE))
        except (OSError, MemoryError) as error:
            return shortage(error)
        finally:
            for held in opened:
                os.close(held)
        return None
