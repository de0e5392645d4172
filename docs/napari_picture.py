"""Takes the picture of napari with its plugin for docs/plugins.md: the stack, the widget's output, and the widget at strength 0.7.

    make napari-picture

Needs the extra napari and a screen, or xvfb-run; it is napari's real window, filled through the manifest as a user fills it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import napari
import numpy as np
from PIL import Image

from pellucid import samples


def stack() -> np.ndarray:
    """Three noisy planes of the package's photograph in gray, 8 bits."""
    clean = samples.photograph()[60:340, 20:420].mean(axis=2)
    rng = np.random.default_rng(1)
    return np.stack([np.clip(clean + rng.normal(0, 25, clean.shape), 0, 255) for _ in range(3)]).astype(np.uint8)


def main(path: Path) -> int:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 720)
    viewer.add_image(stack(), name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("pellucid", "Denoise")
    widget.reset_choices()
    button, strength = widget[3], widget[4]
    button.native.click()
    output = viewer.layers[-1]
    assert output.name == "cells clean", viewer.layers
    whole = np.array(output.data)
    strength.value = 0.7
    assert not np.array_equal(output.data, whole), "the strength shows at once"
    # Side by side: the left half of the window is the noisy layer.
    viewer.canvas.grid.enabled = True
    viewer.reset_view()
    for _ in range(20):
        napari._qt.qt_event_loop.get_qapp().processEvents()
    picture = viewer.screenshot(canvas_only=False, flash=False)
    Image.fromarray(picture[..., :3]).save(path, quality=80, method=6)
    print(f"{path}: {picture.shape[1]}x{picture.shape[0]}")
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
