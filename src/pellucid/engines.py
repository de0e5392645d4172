"""Runs an ONNX graph: OpenVINO on the CPU, ONNX Runtime on an NVIDIA GPU and where OpenVINO is not.

A graph has one input (n, channels + maps, height, width) and one output, both float32, with dynamic sizes; one that enlarges has an
output for each factor, of which one is chosen when it is opened. Where the processor has
bfloat16 arithmetic OpenVINO runs it in that: twice as fast. The picture goes in without being rounded to that (see `_in_two`), and
does not pass through (the network answers with the residual, and the subtraction is done outside in float32).
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import compiled, graphs, regular
from pellucid.cards import Card, read_card
from pellucid.errors import EngineError, ModelError
from pellucid.families import FAMILIES, shipped_path
from pellucid.tasks.settings import check_type

__all__ = [
    "DEVICES",
    "ENGINES",
    "Graph",
    "Models",
    "all_finite",
    "cache_folder",
    "devices",
    "engine_for",
    "in_channels",
    "open_graph",
    "precision",
]

Planes = NDArray[np.float32]
Run = Callable[[Planes], Planes]
Alike = tuple[int | None, ...]

DEVICES = ("auto", "cpu", "cuda")
"""Devices that a graph can run on; ``auto`` is the CPU, so that an output does not depend on the rest of the machine."""

CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""The environment variables, the first that is set counts, that keep OpenVINO's arithmetic (oneDNN) to an older instruction set
than the processor has."""

JOINED = "joined"
"""The name that the input of a graph has beside its own where planes that are alike come once."""

WITHOUT_BFLOAT16 = ("sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni")
"""The values of `CAPS`, in lower case, with which bfloat16 is not in the hardware. OpenVINO asks the processor alone: it would go
on in bfloat16, which fails to compile below AVX-512 and is emulated, at half the speed, below ``avx512_core_bf16``."""


class Graph:
    """A compiled graph. Calls may come from several threads. ``spare``: how many planes behind the card's the engine uses for
    itself; calls that bring them save it a copy of all planes."""

    spare = 0

    def __init__(self, run: Run, card: Card, engine: str, spare: int = 0) -> None:
        self.card = card
        self.engine = engine
        self.spare = spare
        self._run = run

    def __call__(self, planes: Planes) -> Planes:
        """The network's output for (n, channels + maps, height, width) float32, or for as many planes more as are ``spare``, whose
        values do not count. The card's multiple divides height and width."""
        step = self.card.multiple_of
        if planes.shape[2] % step or planes.shape[3] % step:
            # OpenVINO would return another size without an error.
            raise EngineError(f"model {self.card.name!r} takes heights and widths that divide by {step}, not {planes.shape[2:]}")
        try:
            output = self._run(np.ascontiguousarray(planes))
        except Exception as error:  # both engines raise types of their own
            raise EngineError(f"model {self.card.name!r} failed: {_last_line(error)}") from error
        expected = (len(planes), self.card.planes, planes.shape[2] * self.card.scale, planes.shape[3] * self.card.scale)
        if output.shape != expected or output.dtype != np.float32:
            raise EngineError(f"model {self.card.name!r} gave {output.dtype} of shape {output.shape}, not float32 of {expected}")
        if not all_finite(output):
            raise EngineError(f"model {self.card.name!r} gave values that are no numbers (NaN or infinity)")
        return output


class Models:
    """The files of a family by role (see `pellucid.families`): their cards, and their graphs, compiled when first asked for.

    Safe to share between threads. Can be pickled: another process compiles its own. ``streams`` as of `open_graph`. Raises
    `ModelError` for a file that is missing or no model, `EngineError` for a device or an engine that is not here.
    """

    def __init__(self, paths: Mapping[str, Path], *, device: str = "auto", engine: str = "auto", streams: int = 1) -> None:
        self.engine = engine_for(device, engine)
        self.device = device
        self.streams = streams
        self.paths = dict(paths)
        self._cards = {role: read_card(path) for role, path in self.paths.items()}
        self._graphs: dict[tuple[Path, int | None, Alike], Graph] = {}
        self._helpers: dict[str, Models] = {}
        self._hashes: dict[Path, bytes] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Models, self.paths, device=self.device, engine=self.engine, streams=self.streams), ()

    def __contains__(self, role: str) -> bool:
        return role in self.paths

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    @property
    def precision(self) -> str:
        """The precision in which the engine computes: see `precision`."""
        return precision(self.engine)

    def card(self, role: str) -> Card:
        """The card of the file in this role."""
        return self._cards[role]

    def graph(self, role: str, scale: int | None = None, alike: Alike = ()) -> Graph:
        """The graph of the file in this role; ``scale`` and ``alike`` as of `open_graph`."""
        key = (self.paths[role], scale, alike)
        with self._lock:
            if key not in self._graphs:
                self._hash(key[0])
                self._graphs[key] = open_graph(
                    key[0], device=self.device, engine=self.engine, scale=scale, streams=self.streams, alike=alike
                )
            return self._graphs[key]

    def helper(self, family: str) -> Models:
        """The files of another shipped family (see `pellucid.families`), on the same engine, opened when first asked for."""
        with self._lock:
            if family not in self._helpers:
                paths = {role: shipped_path(file) for role, file in FAMILIES[family].files.items()}
                self._helpers[family] = Models(paths, device=self.device, engine=self.engine, streams=self.streams)
            return self._helpers[family]

    def fingerprint(self) -> str:
        """A hash of the files, as they were when they were compiled, and the engine: two with the same fingerprint give the same
        outputs."""
        whole = hashlib.sha256(self.engine.encode())
        for role, path in sorted(self.paths.items()):
            whole.update(f"{role}:".encode() + self._hash(path))
        return whole.hexdigest()

    def _hash(self, path: Path) -> bytes:
        """The SHA-256 of the file's content when it was first asked for: a file may be replaced, and its compiled graph goes on."""
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(_content(path)).digest()
        return self._hashes[path]


def all_finite(values: Planes) -> bool:
    """Whether no value is NaN or infinite. The sum of all values tells: it takes no memory, where a test of each value would."""
    with np.errstate(over="ignore", invalid="ignore"):
        # Only a sum of very large values needs a look at each of them.
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


def in_channels(planes: Planes, channels: int, run: Callable[[Planes], Planes]) -> Planes:
    """``run``, which takes so many ``channels``, on planes (c, h, w) of another count: channel by channel where it takes one, else
    on a gray plane repeated, of which the mean is the output."""
    if channels == len(planes):
        return run(planes)
    if channels == 1:
        return np.concatenate([run(plane[None]) for plane in planes])
    output = run(np.repeat(planes, channels, axis=0))
    return np.asarray(output.mean(axis=0, keepdims=True), dtype=np.float32)


def open_graph(
    path: Path,
    *,
    device: str = "auto",
    engine: str = "auto",
    scale: int | None = None,
    streams: int = 1,
    alike: Alike = (),
) -> Graph:
    """Reads and compiles the model in ``path``; for one that enlarges, the graph for the factor ``scale``, one of its card's.

    ``device`` is one of `DEVICES`; ``engine`` one of `ENGINES`, or ``auto``: ONNX Runtime for ``cuda``, for the CPU OpenVINO where
    it is installed, else ONNX Runtime. ``streams``: how many calls from several threads are answered side by side, each by a
    share of the cores; no answer depends on it. ``alike``: where some of the card's planes are always the same, or 0, calls bring
    each once, and no plane of zeros: the number, among those that are brought, of each of the card's planes, None for zeros. The
    picture's own channels come first. Raises `ModelError` for a missing or foreign file, and for one that takes other planes than
    ``alike`` names, `EngineError` for a device or an engine that is not here, and for a factor that the model does not have.
    """
    card = read_card(path)
    if scale not in (card.scales or (None,)):
        does = f"enlarges by {', '.join(map(str, card.scales))}" if card.scales else "does not enlarge"
        raise EngineError(f"model {card.name!r} {does}; it cannot enlarge by {scale}")
    if scale is not None:
        card = replace(card, scale=scale)
    own = card.channels + len(card.maps)
    if alike and len(alike) != own:
        # OpenVINO would join the weights of other planes without an error.
        raise ModelError(f"{path}: the model takes {own} planes, and gets {len(alike)}")
    name = engine_for(device, engine)
    try:
        run, spare = ENGINES[name](path, card, "cuda" if device == "cuda" else "cpu", streams, alike)
    except (EngineError, ModelError):
        raise
    except Exception as error:  # both engines raise types of their own
        raise EngineError(f"{path}: cannot be compiled: {_last_line(error)}") from error
    return Graph(run, card, name, spare)


def precision(engine: str) -> str:
    """The precision of an engine in layers without 8 bits: ``bf16`` (OpenVINO, on a processor that has it and may use it, see
    `CAPS`) or ``f32``."""
    capped = next(filter(None, map(os.environ.get, CAPS)), "").lower() in WITHOUT_BFLOAT16
    has = engine == "openvino" and not capped and "BF16" in _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if has else "f32"


def devices() -> tuple[str, ...]:
    """The devices of `DEVICES` that this installation has an engine for (whether a GPU works shows when a graph is opened)."""
    found = ["auto", "cpu"] if find_spec("openvino") or find_spec("onnxruntime") else []
    if find_spec("onnxruntime") and "CUDAExecutionProvider" in _onnxruntime().get_available_providers():
        found.append("cuda")
    return tuple(found)


def threads() -> int | None:
    """The threads that an engine may use: the whole number above 0 in ``$PELLUCID_THREADS``; None: one for each core."""
    given = os.environ.get("PELLUCID_THREADS", "")
    return int(given) if given.isdecimal() and int(given) > 0 else None


def cache_folder() -> Path | None:
    """The folder of compiled graphs: ``$PELLUCID_CACHE``, else ``pellucid`` in the user's cache folder; None if unwritable, or
    where the user has no home."""
    named = os.environ.get("PELLUCID_CACHE")
    try:
        base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid"
        base.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no HOME, and no such user (a container with a number of its own)
        return None
    return base if os.access(base, os.W_OK) else None


def engine_for(device: str, engine: str) -> str:
    """The engine for a device; `EngineError` for a device or an engine that is not available."""
    for name, given in (("device", device), ("engine", engine)):
        check_type(name, given, str, "text")
    if device not in ("auto", "cpu") and device not in devices():
        hint = "; pip install 'pellucid[cuda]' brings ONNX Runtime for NVIDIA GPUs" if device == "cuda" else ""
        raise EngineError(f"device {device!r} is not available; this installation has {', '.join(devices()) or 'none'}{hint}")
    if engine == "auto":
        return "onnxruntime" if device == "cuda" or not find_spec("openvino") else "openvino"
    if engine not in ENGINES:
        raise EngineError(f"unknown engine {engine!r}; the engines are auto, {', '.join(ENGINES)}")
    if engine == "openvino" and device == "cuda":
        raise EngineError("engine 'openvino' does not run on 'cuda'; 'onnxruntime' does")
    return engine


def _output(card: Card) -> str:
    """The name of the graph's output."""
    return f"x{card.scale}" if card.scales else "output"


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


# -- OpenVINO ---------------------------------------------------------------------------------------------------------


def _open_openvino(path: Path, card: Card, device: str, streams: int, alike: Alike) -> tuple[Run, int]:
    network = _compiled(path, card, streams, alike)
    import openvino

    taken = _taken(network)
    joined = JOINED in network.input(0).get_names()
    finer = taken - (_brought(alike) if joined else card.channels + len(card.maps))

    # Each thread has its own request: one request serves one call at a time.
    local = threading.local()
    answered = int(network.output(0).get_partial_shape()[1].get_length())
    if answered != card.planes:
        raise EngineError(f"{path}: the graph gives {answered} channels, and its card says {card.planes}")
    side = card.multiple_of
    nothing = (
        openvino.Tensor(openvino.Type.f32, [1, taken, side, side]),
        openvino.Tensor(openvino.Type.f32, [1, answered, side * card.scale, side * card.scale]),
    )

    def run(planes: Planes) -> Planes:
        if not hasattr(local, "request"):
            local.request = network.create_infer_request()
        count, _, height, width = planes.shape
        answer = np.empty((count, answered, height * card.scale, width * card.scale), np.float32)
        brought = planes.shape[1] == taken
        if finer and not brought:
            planes = _halved(planes, finer)
        elif finer:
            _halve(planes, finer)
        try:
            # The engine reads and writes these arrays themselves: of a large piece a copy takes time, and as much memory again.
            local.request.set_input_tensor(openvino.Tensor(planes, shared_memory=True))
            local.request.set_output_tensor(openvino.Tensor(answer, shared_memory=True))
            local.request.infer()
            shape = tuple(local.request.get_output_tensor().shape)
            if shape != answer.shape:
                # It has written less than there is room for: the rest is whatever lay in memory.
                raise ValueError(f"it gave values of shape {shape}, not {answer.shape}")
        finally:
            if finer and brought:
                planes[:, :finer] += planes[:, -finer:]
            # It would hold them until the next call.
            local.request.set_input_tensor(nothing[0])
            local.request.set_output_tensor(nothing[1])
        return answer

    if alike and not joined:
        return partial(_apart, run, alike), 0
    return run, finer


def _brought(alike: Alike) -> int:
    """How many planes are brought."""
    return 1 + max(number for number in alike if number is not None)


def _apart(run: Run, alike: Alike, planes: Planes) -> Planes:
    """``run`` on each of the card's planes, of those that are brought."""
    count, _, height, width = planes.shape
    given = np.zeros((count, len(alike), height, width), np.float32)
    for place, number in enumerate(alike):
        if number is not None:
            given[:, place] = planes[:, number]
    return run(given)


def _compiled(path: Path, card: Card, streams: int, alike: Alike) -> Any:
    """The model compiled by OpenVINO for its output of this ``card``; the compiled form is kept in `cache_folder`."""
    core = _openvino_core()
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision("openvino"), "PERFORMANCE_HINT": "LATENCY"}
    if (most := threads()) is not None:
        settings["INFERENCE_NUM_THREADS"] = str(most)
    if streams > 1:
        settings["NUM_STREAMS"] = str(streams)
    content, folder = _content(path), cache_folder()
    # OpenVINO's own cache (CACHE_DIR) goes by a file's name, size and second, and believes whatever lies in it.
    name = compiled.key(content, output=_output(card), version=openvino.get_version(), settings=settings, inputs=("in two", alike))
    kept = compiled.load(folder, name) if folder is not None else None
    if kept is not None:
        with suppress(RuntimeError):  # as OpenVINO wrote it, but it cannot read it any more: compiled again
            return core.import_model(kept, "CPU", settings)
    graphs.check(content, str(path))
    whole = core.read_model(io.BytesIO(content))
    if card.scales:
        whole = openvino.Model([whole.output(_output(card))], whole.get_parameters())
    if (taken := _taken(whole)) != (own := card.channels + len(card.maps)):
        # Planes beyond these are taken for those that `_in_two` adds.
        raise EngineError(f"{path}: the graph takes {taken} planes, and its card says {own}")
    if alike:
        whole = _joined(whole, alike)
    if settings["INFERENCE_PRECISION_HINT"] == "bf16":
        whole = _in_two(whole, card.channels)
    made = core.compile_model(whole, "CPU", settings)
    if folder is not None:
        compiled.store(folder, name, made.export_model().getvalue())
    return made


def _taken(network: Any) -> int:
    """The input planes of a model, or of a compiled one."""
    return int(network.input(0).get_partial_shape()[1].get_length())


def _in_two(model: Any, channels: int) -> Any:
    """The ``model`` with as many input planes more as the picture has ``channels``: what rounding to bfloat16 took from each.

    bfloat16 has 8 bits: between 0.5 and 1 its steps are one 8-bit level, so that a picture that is rounded to it gets noise of
    level 0.3. The first convolution is linear, and adds up in float32: given both parts of each value, with the same weights, it
    answers as if nothing had been rounded. On six held-out photographs the graph of ``photo-color`` alone gained 0.15, 0.10 and
    0.04 dB at noise of level 1, 2 and 5, where float32 throughout gained 0.20, 0.12 and 0.05. A graph that does not begin with one
    plain convolution stays as it is.
    """
    from openvino import opset13

    def widened(weights: Any) -> Any:
        again = opset13.slice(weights, *(np.array([value]) for value in (0, channels, 1, 1)))
        return opset13.concat([weights, again.output(0)], axis=1)

    return _with_inputs(model, _taken(model) + channels, widened)


def _joined(model: Any, alike: Alike) -> Any:
    """The ``model`` that is given each plane once that several of its own are ``alike``: the first convolution is linear, and the
    sum of their weights does what they do. A graph that does not begin with one plain convolution stays as it is."""
    from openvino import opset13

    def summed(weights: Any) -> Any:
        places: list[list[int]] = [[] for _ in range(_brought(alike))]
        for place, number in enumerate(alike):
            if number is not None:
                places[number].append(place)
        axis = np.array([1])
        sums = [opset13.reduce_sum(opset13.gather(weights, np.array(of), axis), axis, keep_dims=True).output(0) for of in places]
        return opset13.concat(sums, axis=1)

    return _with_inputs(model, _brought(alike), summed, JOINED)


def _with_inputs(model: Any, count: int, weights: Callable[[Any], Any], name: str | None = None) -> Any:
    """The ``model`` that takes ``count`` planes, its first convolution with ``weights`` of its own ones, and its input with a
    ``name`` more; as it is where it does not begin with one plain convolution."""
    from openvino import Model, opset13

    (given,) = model.get_parameters()
    readers = [each for each in given.output(0).get_target_inputs() if each.get_node().get_type_name() != "ConvertLike"]
    if len(readers) != 1 or readers[0].get_node().get_type_name() != "Convolution" or readers[0].get_index() != 0:
        return model
    readers[0].get_node().input(1).replace_source_output(weights(readers[0].get_node().input_value(1)).output(0))
    shape = given.get_partial_shape()
    shape[1] = count
    changed = opset13.parameter(shape, given.get_element_type(), given.get_friendly_name())
    changed.output(0).set_names(given.output(0).get_names() | ({name} if name else set()))
    for each in given.output(0).get_target_inputs():
        each.replace_source_output(changed.output(0))
    return Model(model.get_results(), [changed])


def _halved(planes: Planes, channels: int) -> Planes:
    """The input (n, c, h, w) of a graph made by `_in_two`: the first ``channels`` as bfloat16 holds them, the other planes, and
    what is left of the first."""
    count, own, height, width = planes.shape
    answer = np.empty((count, own + channels, height, width), np.float32)
    answer[:, :own] = planes
    _halve(answer, channels)
    return answer


def _halve(planes: Planes, channels: int) -> None:
    """The same in place, where the last ``channels`` are for what is left of the first: added to these, it gives them back."""
    shown, left = planes[:, :channels], planes[:, -channels:]
    left[:] = shown
    # The first 16 bits of a float32 are a bfloat16.
    bits = shown.view(np.uint32)
    np.bitwise_and(bits, np.uint32(0xFFFF0000), out=bits)
    left -= shown


def _content(path: Path) -> bytes:
    """The bytes of a model's file: what is checked and hashed is what is compiled, whatever becomes of the file."""
    try:
        return regular.read(path, graphs.LARGEST)
    except OSError as error:
        raise ModelError(f"{path}: {regular.unread(error)}") from error


@lru_cache(maxsize=1)
def _openvino_core() -> Any:
    # `import openvino` would send statistics to its makers, from a process that it forks, and leave an identity in the user's home
    # (openvino_telemetry; Linux, 2026.4). Python takes None for a package that is not there, and openvino goes on without.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise EngineError("OpenVINO is not installed; pip install openvino brings the engine") from error
    return openvino.Core()


# -- ONNX Runtime -----------------------------------------------------------------------------------------------------


def _open_onnxruntime(path: Path, card: Card, device: str, streams: int, alike: Alike) -> tuple[Run, int]:
    # Calls from several threads share its threads as they are.
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads() or 0
    options.log_severity_level = 3  # errors; what it warns of on a CPU is no user's concern
    providers = ["CUDAExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]
    content = _content(path)
    graphs.check(content, str(path))
    session = runtime.InferenceSession(content, options, providers=providers)
    if session.get_providers()[0] != providers[0]:
        # ONNX Runtime would go on, on the CPU.
        raise EngineError(f"device {device!r}: ONNX Runtime could not start it (driver or CUDA libraries are missing)")

    def run(planes: Planes) -> Planes:
        answer: Planes = session.run([_output(card)], {"input": planes})[0]
        return answer

    return (partial(_apart, run, alike) if alike else run), 0


@lru_cache(maxsize=1)
def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError("ONNX Runtime is not installed; pip install onnxruntime brings the engine") from error
    return onnxruntime


ENGINES: dict[str, Callable[[Path, Card, str, int, Alike], tuple[Run, int]]] = {
    "openvino": _open_openvino,
    "onnxruntime": _open_onnxruntime,
}
