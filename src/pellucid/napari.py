"""The plugin for napari (`napari.yaml` names what it has): a widget that denoises, its strength live, and functions that napari
makes a widget each of, by their signatures.

The functions need nothing of napari: a layer is whatever has ``data``, ``name``, ``rgb`` and the settings of its place. Outputs are
napari's layer data: (array, settings, kind).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import napari.layers
    import napari.types

__all__ = ["Live", "denoise_layer", "denoise_widget", "inspect_layer", "upscale_layer"]

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
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
    after = np.array([*before[:-2], before[-2] / grown[0], before[-1] / grown[1]])
    # A layer's place is the middle of its first pixel, which has become smaller, along axes that may be turned and slanted.
    moved = _turn(settings, first + 2) @ ((after - before) / 2)
    place = np.asarray(settings.get("translate", np.zeros(first + 2)), dtype=float) + moved
    settings |= {"scale": after.tolist(), "translate": place.tolist()}
    return values, settings, "image"


def inspect_layer(layer: napari.layers.Image) -> str:
    """The noise in an image layer in a line; of a stack that of its middle plane."""
    import pellucid

    values = _values(layer)
    while values.ndim > 2 + bool(layer.rgb):
        values = values[values.shape[0] // 2]
    return str(pellucid.inspect(values))


class Live:
    """A layer and the same without its noise: the model works once, and any strength from 0 to 1 is a blend of the two.

    ``sigma`` and ``keep_grain`` are those of `denoise_layer`. Raises `pellucid.PellucidError` with a line for people.

    >>> from types import SimpleNamespace
    >>> noisy = np.random.default_rng(1).normal(100, 20, (32, 40)).astype(np.float32)
    >>> live = Live(SimpleNamespace(data=noisy, name="cells", rgb=False), sigma=20)
    >>> [round(float(live.at(strength).std())) for strength in (0, 0.5)]
    [20, 10]
    """

    def __init__(self, layer: Any, sigma: float = 0.0, keep_grain: float = 0.0) -> None:
        self.before = _values(layer)
        values, self.settings, self.kind = denoise_layer(layer, 1.0, sigma, keep_grain)
        self.after: NDArray[Any] = values

    def at(self, strength: float) -> NDArray[Any]:
        """The layer with this share of its noise taken away, 0 to 1: shape and dtype are the layer's."""
        if strength >= 1:
            return self.after
        if strength <= 0:
            return self.before
        wide: Any = np.float32 if self.before.dtype.itemsize <= 2 else np.float64
        before: Any = self.before.astype(wide)
        after: Any = self.after.astype(wide)
        there = np.isfinite(before) & np.isfinite(after)
        blended: Any = before + wide(strength) * np.subtract(after, before, out=np.zeros_like(before), where=there)
        whole = np.issubdtype(self.before.dtype, np.integer)
        output: NDArray[Any] = (np.rint(blended) if whole else blended).astype(self.before.dtype)
        return output


def denoise_widget() -> Any:
    """napari's widget *Denoise*: a button that lets the model work, and a strength that shows at once.

    A new layer gets the output. Moving the strength changes that layer; a noise level of 0 is measured.
    """
    import napari
    from magicgui.widgets import ComboBox, Container, FloatSlider, FloatSpinBox, Label, PushButton
    from napari.layers import Image
    from qtpy.QtWidgets import QAbstractSpinBox

    def images(_: Any) -> list[Any]:
        viewer = napari.current_viewer()
        return [] if viewer is None else [layer for layer in viewer.layers if isinstance(layer, Image)]

    layer = ComboBox(label="layer", choices=images)
    sigma = FloatSpinBox(label="noise level", min=0, max=255, step=0.5, value=0, tooltip="in 255ths of the range; 0 measures it")
    grain = FloatSlider(label="grain to keep", min=0, max=1, value=0)
    strength = FloatSlider(label="strength", min=0, max=1, value=1, tooltip="shows at once")
    button = PushButton(text="Denoise")
    line = Label(value="")
    widget = Container(widgets=[layer, sigma, grain, button, strength, line])
    widget.min_width = 320
    for box in (box for slider in (grain, strength) for box in slider.native.findChildren(QAbstractSpinBox)):
        # Without its arrows, napari's style leaves a value a single pixel.
        box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.PlusMinus)
    shown: dict[str, Any] = {}

    def work() -> None:
        from napari.utils.notifications import show_error

        import pellucid

        viewer = napari.current_viewer()
        if viewer is None or layer.value is None:
            show_error("pellucid: choose an image layer")
            return
        source = layer.value
        try:
            live = Live(source, float(sigma.value), float(grain.value))
        except pellucid.PellucidError as error:
            show_error(f"pellucid: {error}")
            return
        shown["live"] = live
        shown["layer"] = viewer.add_image(live.at(float(strength.value)), **live.settings)
        layer.value = source  # not the output, which is the newest layer
        line.value = f"{shown['layer'].name}: move the strength"

    def moved() -> None:
        viewer = napari.current_viewer()
        if "live" in shown and viewer is not None and shown["layer"] in viewer.layers:
            shown["layer"].data = shown["live"].at(float(strength.value))

    button.clicked.connect(work)
    strength.changed.connect(moved)
    current = napari.current_viewer()
    if current is not None:
        current.layers.events.inserted.connect(layer.reset_choices)
        current.layers.events.removed.connect(layer.reset_choices)
    return widget


def axes_of(layer: Any) -> str:
    """The names of the layer's axes: the last two (before colours) are the picture's, all before them planes, such as times and
    depths."""
    count = int(layer.data.ndim) - 2 - int(layer.rgb)
    return "QRTZCPVWABDEFGHIJKLMNOU"[:count] + "YX" + ("S" if layer.rgb else "")


def _values(layer: Any) -> NDArray[Any]:
    # A layer may be lazy (dask, zarr): it is taken as it comes.
    return np.asarray(layer.data)


def _turn(settings: dict[str, Any], axes: int) -> NDArray[np.float64]:
    """The axes of a layer as its rotation and its slant leave them, (axes, axes): napari applies them after the scale."""
    turned, slanted = np.asarray(settings.get("rotate", 0.0), dtype=float), np.asarray(settings.get("shear", ()), dtype=float)
    slant = np.eye(axes)
    if slanted.ndim == 2:
        slant[-len(slanted) :, -len(slanted) :] = slanted
    elif slanted.size == axes * (axes - 1) // 2:
        slant[np.triu_indices(axes, 1)] = slanted
    turn = np.eye(axes)
    if turned.ndim == 2:
        turn[-len(turned) :, -len(turned) :] = turned
    return turn @ slant


def _settings(layer: Any, mark: str) -> dict[str, Any]:
    kept = {name: value for name in (*PLACE, *LOOK) if (value := getattr(layer, name, None)) is not None}
    return {**kept, "name": f"{layer.name} {mark}", "rgb": bool(layer.rgb)}
