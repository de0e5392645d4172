"""Runs an ONNX graph: OpenVINO, on the CPU.

A graph has one input (n, channels + maps, height, width) and one output, both float32, with dynamic sizes. Where the processor has
bfloat16 arithmetic the graph runs in it: twice as fast; the picture itself never passes through (the network answers with the
residual, and the subtraction is done outside in float32).
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.cards import METADATA_KEY, Card
from pellucid.errors import EngineError, ModelError

__all__ = ["DEVICES", "Graph", "cache_folder", "open_graph", "read_card"]

Planes = NDArray[np.float32]

DEVICES = ("auto", "cpu")


class Graph:
    """A compiled graph. Calls may come from several threads; each has its own request."""

    def __init__(self, compiled: Any, card: Card) -> None:
        self.card = card
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, planes: Planes) -> Planes:
        """(n, channels + maps, height, width) float32 in, the answer out. Height and width must divide by the card's multiple."""
        step = self.card.multiple_of
        if planes.shape[2] % step or planes.shape[3] % step:
            # OpenVINO would answer another size without a word.
            raise EngineError(f"model {self.card.name!r} takes sizes that divide by {step}, not {planes.shape[2:]}")
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        try:
            answers = self._local.request.infer([np.ascontiguousarray(planes)], share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"model {self.card.name!r} failed: {str(error).strip().splitlines()[-1]}") from error
        answer: Planes = np.array(answers[0], dtype=np.float32)
        return answer


def open_graph(path: Path, *, device: str = "auto") -> Graph:
    """Reads and compiles the model in ``path``. The compiled form is kept in `cache_folder` for the next process.

    Raises `ModelError` for a missing or foreign file and `EngineError` for a device that is not here.
    """
    if device not in DEVICES:
        raise EngineError(f"no device {device!r}; here there are {', '.join(DEVICES)}")
    core = _core()
    model = _read(path)
    card = _card(model, path)
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        settings["INFERENCE_PRECISION_HINT"] = "bf16"
    folder = cache_folder()
    if folder is not None:
        settings["CACHE_DIR"] = str(folder)
    try:
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise EngineError(f"{path}: cannot be compiled: {str(error).strip().splitlines()[-1]}") from error
    return Graph(compiled, card)


def read_card(path: Path) -> Card:
    """The card inside a model file; `ModelError` where there is none."""
    return _card(_read(path), path)


def cache_folder() -> Path | None:
    """Where compiled graphs are kept: ``$PELLUCID_CACHE``, else ``pellucid`` in the user's cache folder; None if unwritable."""
    named = os.environ.get("PELLUCID_CACHE")
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return base if os.access(base, os.W_OK) else None


@lru_cache(maxsize=1)
def _core() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise EngineError("OpenVINO is not installed; pip install openvino brings the engine") from error
    return openvino.Core()


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    try:
        return _core().read_model(str(path))
    except RuntimeError as error:
        raise ModelError(f"{path}: not a model that can be read (an .onnx file of pellucid)") from error


def _card(model: Any, path: Path) -> Card:
    try:
        # OpenVINO puts the ONNX file's metadata under "framework".
        text = model.get_rt_info(["framework", METADATA_KEY]).value
    except RuntimeError as error:
        raise ModelError(f"{path}: an ONNX model, but without a pellucid card") from error
    return Card.from_json(str(text))
