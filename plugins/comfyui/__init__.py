"""Nodes for ComfyUI: take noise out of images, and enlarge them. Copy this folder to ``ComfyUI/custom_nodes/pellucid``, and install
pellucid into ComfyUI's Python (``pip install pellucid``).

An image of ComfyUI is a float tensor (images, height, width, channels) in [0, 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import pellucid

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]


def each(images: torch.Tensor, call: Any) -> torch.Tensor:
    """The images, each as the call makes it of an array (h, w, c)."""
    outputs = [np.asarray(call(image.cpu().numpy().astype(np.float32))) for image in images]
    return torch.from_numpy(np.stack(outputs)).clamp(0, 1)


class Denoise:
    """Takes the noise out; a sigma of 0 is measured."""

    CATEGORY = "image/pellucid"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  # ComfyUI's name
        return {
            "required": {
                "image": ("IMAGE",),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 2.0, "step": 0.05}),
                "sigma": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 255.0, "step": 0.5}),
                "keep_grain": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.05}),
            }
        }

    def run(self, image: torch.Tensor, strength: float, sigma: float, keep_grain: float) -> tuple[torch.Tensor]:
        settings: dict[str, Any] = {"strength": strength, "keep_grain": keep_grain, "range": (0, 1)}
        if sigma > 0:
            settings["sigma"] = sigma
        return (each(image, lambda values: pellucid.denoise(values, **settings)),)


class Upscale:
    """Enlarges; nothing is invented that the small picture has not."""

    CATEGORY = "image/pellucid"
    FUNCTION = "run"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": ("IMAGE",), "scale": ("FLOAT", {"default": 2.0, "min": 1.1, "max": 8.0, "step": 0.1})}}

    def run(self, image: torch.Tensor, scale: float) -> tuple[torch.Tensor]:
        return (each(image, lambda values: pellucid.upscale(values, scale=scale, range=(0, 1))),)


NODE_CLASS_MAPPINGS: dict[str, Any] = {"PellucidDenoise": Denoise, "PellucidUpscale": Upscale}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, Any] = {"PellucidDenoise": "Denoise (pellucid)", "PellucidUpscale": "Enlarge (pellucid)"}
