"""The plugin for napari: commands that make a widget each, from their own signatures (`napari.yaml` names them).

Needs nothing of napari to be imported: a layer is whatever has ``data``, ``name``, ``rgb`` and the settings of its place. Outputs
are napari's layer data: (array, settings, kind).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import napari.layers
    import napari.types

__all__ = ["denoise_layer", "inspect_layer", "upscale_layer"]

PLACE = ("scale", "translate", "units", "axis_labels")
"""Settings of a layer that say where its pixels lie."""

LOOK = ("colormap", "blending", "opacity", "gamma")


def denoise_layer(
    layer: napari.layers.Image, strength: float = 1.0, sigma: float = 0.0, keep_grain: float = 0.0
) -> napari.types.LayerDataTuple:
    """Takes the noise out of an image layer, a stack plane by plane.

    ``strength`` 0 to 2; ``sigma`` is the noise level in 255ths of the range, 0 measures it; ``keep_grain`` 0 to 1. The output has
    the layer's own shape, dtype and units. Raises `pellucid.PellucidError` with a line for people.
    """
    import pellucid

    settings: dict[str, Any] = {"strength": strength, "keep_grain": keep_grain}
    if sigma > 0:
        settings["sigma"] = sigma
    values = pellucid.denoise(_values(layer), axes=axes_of(layer), **settings)
    return values, _settings(layer, "clean"), "image"


def upscale_layer(layer: napari.layers.Image, scale: float = 2.0) -> napari.types.LayerDataTuple:
    """Enlarges an image layer by a factor above 1 and up to 8; its pixels become smaller, so that it covers the same place."""
    import pellucid

    values = pellucid.upscale(_values(layer), scale=scale, axes=axes_of(layer))
    settings = _settings(layer, "large")
    first = values.ndim - 2 - bool(layer.rgb)
    grown = [values.shape[first + axis] / layer.data.shape[first + axis] for axis in (0, 1)]
    before = np.asarray(settings.get("scale", np.ones(first + 2)), dtype=float)
    settings["scale"] = [*before[:-2], before[-2] / grown[0], before[-1] / grown[1]]
    return values, settings, "image"


def inspect_layer(layer: napari.layers.Image) -> str:
    """The noise in an image layer in a line; of a stack that of its middle plane."""
    import pellucid

    values = _values(layer)
    while values.ndim > 2 + bool(layer.rgb):
        values = values[values.shape[0] // 2]
    return str(pellucid.inspect(values))


def axes_of(layer: Any) -> str:
    """The names of the layer's axes: the last two (before colours) are the picture's, all before them planes."""
    count = int(layer.data.ndim) - 2 - int(layer.rgb)
    return "Q" * count + "YX" + ("S" if layer.rgb else "")


def _values(layer: Any) -> NDArray[Any]:
    # A layer may be lazy (dask, zarr): it is taken as it comes.
    return np.asarray(layer.data)


def _settings(layer: Any, mark: str) -> dict[str, Any]:
    kept = {name: value for name in (*PLACE, *LOOK) if (value := getattr(layer, name, None)) is not None}
    return {**kept, "name": f"{layer.name} {mark}", "rgb": bool(layer.rgb)}
