"""Writes a trained network as one model file, an ONNX graph with the card inside, and reads weights back for fine-tuning.

A weights file (``.weights.npz``: arrays of float16 and the card as JSON, no pickle) carries a network from the machine that trains
to one that exports: training needs neither ONNX nor an engine.
"""

from __future__ import annotations

import json
import logging
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch

from pellucid import graphs, regular, saving, tasks
from pellucid.cards import METADATA_KEY, Card, read_card
from pellucid.errors import FileError, MissingExtra, ModelError
from pellucid.families import FAMILIES, names, shipped_path
from pellucid.files import replacing
from pellucid.metrics import METRICS
from pellucid.training import checkpoints
from pellucid.training.loop import Run
from pellucid.training.networks import Network
from pellucid.training.pictures import Pictures
from pellucid.training.quantisation import int8_layers, plain
from pellucid.training.recipes import Recipe

__all__ = [
    "Outputs",
    "beginning",
    "can_write_models",
    "card_of",
    "for_planes",
    "load_weights",
    "network_of",
    "save_weights",
    "with_scores",
    "write_card",
    "write_model",
]

OPSET = 18
CARD_ENTRY = "card.json"
SCALE = "_scale"
"""The step of the integers ``NAME`` is the initializer ``NAME_scale``."""


@dataclass(frozen=True)
class Outputs:
    """The files of a run, all beside the model: ``results`` stay, ``checkpoint`` is deleted when the run is over."""

    model: Path
    weights: Path
    last: Path
    curve: Path
    samples: Path
    page: Path
    checkpoint: Path

    @classmethod
    def beside(cls, model: Path) -> Outputs:
        """``digits.onnx`` has ``digits.weights.npz``, ``digits.last.weights.npz``, ``digits.curve.png`` and so on."""
        endings = (".weights.npz", ".last.weights.npz", ".curve.png", ".samples.png", ".html", ".checkpoint")
        return cls(model, *(model.with_suffix(ending) for ending in endings))

    @property
    def results(self) -> tuple[Path, ...]:
        """The files that stay."""
        return (self.model, self.weights, self.last, self.curve, self.samples, self.page)


def can_write_models() -> bool:
    """Whether the packages that export to ONNX are installed."""
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError:
        return False
    return bool(onnx.__version__)


def card_of(recipe: Recipe, pictures: Pictures, run: Run, name: str, *, begun_from: str | None = None) -> Card:
    """The card of a run's model, under the name ``name``; ``begun_from`` names the model whose weights the run began from."""
    validated = [line for line in run.history if line.validation_loss is not None]
    last = next((line for line in validated if line.step == run.best_step), validated[-1] if validated else None)
    if run.best_step == 0 and run.before is not None:
        last = run.before
    scores = (
        {f"held-out {noise}{recipe.validated.suffix}": round(value, 3) for noise, value in (last.scores or {}).items()}
        if last
        else {}
    )
    return Card(
        name=name,
        task=recipe.task.name,
        summary=recipe.summary,
        channels=recipe.task.planes(recipe.data.channels)[0],
        maps=recipe.task.maps,
        answer=run.network.answer,
        multiple_of=run.network.multiple_of,
        halo=run.network.halo,
        scale=getattr(recipe.network, "scale", 1),
        scales=recipe.task.scales,
        parameters=sum(weight.numel() for weight in run.network.parameters()),
        licence=recipe.licence,
        training_images=pictures.origin,
        scores=scores,
        spec={"name": recipe.network.network, **asdict(recipe.network)},
        recipe=recipe.to_dict(),
        training={
            "steps": run.steps,
            "minutes": round(run.minutes, 2),
            "device": run.device,
            "seed": run.seed,
            "from": begun_from,
            "torch": torch.__version__,
            "held_out_images": len(pictures.valid),
            "learnt_from": pictures.kind,
            "best_step": run.best_step,
            "validation_loss": round(last.validation_loss, 5) if last and last.validation_loss is not None else None,
        },
    )


def with_scores(card: Card, evaluations: Sequence[Path]) -> Card:
    """The card with the scores of its model, by the headline metric of its task, from files that ``pellucid evaluate --out`` wrote:
    ``bsd68 gaussian:25``.

    Raises `FileError` for a file that is no evaluation, or one that does not score this model.
    """
    scores = dict(card.scores)
    for path in evaluations:
        try:
            data = json.loads(regular.read(path))
            protocol, summary = data["protocol"], data["summary"]
            methods = {name for name, served in protocol["models"].items() if served == [card.name]}
            blind = ", blind" if "sigma" in card.maps and protocol["blind"] else ""
            metric = METRICS[tasks.find(card.task).module().METRICS[0]]
            found = {
                f"{protocol['images']} {row['noise']}{blind}{metric.suffix}": row[metric.name]
                for row in summary
                if row["method"] in methods
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FileError(f"{path}: this is not a file that 'pellucid evaluate --out' wrote: {_reason(error)}") from error
        if not found:
            raise FileError(f"{path}: it has no score of {card.name!r}")
        scores |= {name: round(value, metric.digits) for name, value in found.items()}
    return replace(card, scores=scores)


def beginning(start: str, channels: int) -> tuple[Card | None, dict[str, torch.Tensor]]:
    """The weights that ``start`` names, and their card (None for a checkpoint, which has none).

    ``start`` is a shipped model's name, or a family's: then the first of its files for so many ``channels`` counts, or else its
    first file for the most. Otherwise it is the path of an ``.onnx``, ``.weights.npz`` or ``.checkpoint`` file.
    """
    if start in FAMILIES:
        paths = [shipped_path(file) for file in FAMILIES[start].files.values()]
        learnt = [read_card(path).channels for path in paths]
        return load_weights(paths[learnt.index(channels if channels in learnt else max(learnt))])
    if start in names():
        return load_weights(shipped_path(start))
    path = Path(start)
    if path.suffix == ".checkpoint":
        return None, checkpoints.weights(path)
    return load_weights(path)


def for_planes(weights: dict[str, torch.Tensor], card: Card, recipe: Recipe) -> dict[str, torch.Tensor]:
    """The weights of a card's network for one that is given other planes beside the image: those of planes that both have, by their
    names, and zero for new ones. So it begins with the same answers, and learns what the new planes are good for."""
    wanted, held = recipe.task.maps, card.maps
    first = next((name for name, value in weights.items() if value.ndim == 4), None)
    channels = recipe.task.planes(recipe.data.channels)[0]
    if wanted == held or channels != card.channels or first is None or weights[first].shape[1] != channels + len(held):
        return weights
    old = weights[first]
    new = old.new_zeros((old.shape[0], channels + len(wanted), *old.shape[2:]))
    new[:, :channels] = old[:, :channels]
    for index, name in enumerate(wanted):
        if name in held:
            new[:, channels + index] = old[:, channels + held.index(name)]
    return weights | {first: new}


def network_of(card: Card, weights: dict[str, torch.Tensor]) -> Network:
    """The network that a card describes, with these weights; `ModelError` when they do not belong together."""
    try:
        network = Recipe.from_dict(card.recipe).network.build()
        network.load_state_dict(weights)
    except (RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"model {card.name!r}: its weights do not fit its card: {str(error).splitlines()[0]}") from error
    return network.eval()


def save_weights(path: Path, card: Card, weights: dict[str, torch.Tensor]) -> None:
    """Writes the weights as float16 and the card beside them into one ``.npz``; never a pickle."""
    arrays: dict[str, Any] = {name: _half(value) for name, value in weights.items()}
    arrays[CARD_ENTRY] = np.frombuffer(card.to_json().encode(), dtype=np.uint8)
    with replacing(path, overwrite=True) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_weights(path: Path) -> tuple[Card, dict[str, torch.Tensor]]:
    """Card and weights (float32) of a ``.weights.npz`` or of an ``.onnx`` model."""
    if not saving.exists(path):
        raise FileError(f"{path}: there is no such file")
    if path.suffix == ".onnx":
        return _from_onnx(path)
    try:
        with regular.opened(path) as file, ZipFile(file):
            # Else NumPy takes it for something that it offers to unpickle.
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}
        card = Card.from_json(arrays.pop(CARD_ENTRY).tobytes().decode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: this is not a weights file of pellucid: {_reason(error)}") from error
    return card, {name: _single(value) for name, value in arrays.items()}


def write_model(path: Path, card: Card, network: Network, *, overwrite: bool = False) -> None:
    """Exports the network to ONNX with dynamic batch, height and width, weights in float16 (those of 8-bit layers as integers),
    the card in the metadata.

    Parameter names are kept (``optimize=False``: the optimiser would fold batch normalisation away). Raises `FileError` when
    ``path`` exists, `MissingExtra` without ONNX.
    """
    if saving.exists(path) and not overwrite:
        raise FileError(f"{path} exists; --force overwrites it")
    try:
        import onnx
        import onnxscript  # noqa: F401  # the exporter imports it late and with a long trace
    except ImportError as error:
        raise MissingExtra(str(error.name), "train") from error
    module: torch.nn.Module = network.eval()
    module = module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stub forgets it
    planes = card.channels + len(card.maps)
    side = 4 * card.multiple_of if card.multiple_of > 1 else 28
    batch, height, width = (torch.export.Dim(name, min=1) for name in ("n", "rows", "columns"))
    step = card.multiple_of
    dynamic = {0: batch, 2: step * height, 3: step * width} if step > 1 else {0: batch, 2: height, 3: width}
    with _quiet_exporter(), plain(network):
        program = torch.onnx.export(
            module,
            (torch.rand(2, planes, side, side + 2 * step),),
            dynamo=True,
            optimize=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=[f"x{scale}" for scale in card.scales] or ["output"],
            dynamic_shapes=(dynamic,),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _to_integers(model, network)
    _halve(model)
    # The exporter records its own source paths and the shapes of every value. No reader of the file needs them.
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    ends = [(model.graph.input[0], ("n", None, "height", "width"))]
    ends += [(value, ("n", None, f"{value.name} h", f"{value.name} w")) for value in model.graph.output]
    for value, labels in ends:
        for dim, label in zip(value.type.tensor_type.shape.dim, labels, strict=True):
            if label is not None:
                dim.ClearField("dim_value")
                dim.dim_param = label
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, card.to_json()
    model.producer_name, model.doc_string = "pellucid", card.summary
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    # A graph that could not be opened is not written.
    graphs.check(content, str(path))
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def write_card(path: Path, card: Card) -> None:
    """Puts another card into a model's file; `MissingExtra` without ONNX."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra(str(error.name), "train") from error
    model = onnx.load_model_from_string(regular.read(path, graphs.LARGEST))
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, card.to_json()
    with replacing(path, overwrite=True) as temporary:
        temporary.write_bytes(model.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences the exporter's messages about itself (an absent torchvision, a deprecation within torch): users need none of
    them."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = registry.level
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec", category=FutureWarning)
            yield
    finally:
        registry.setLevel(before)


def _reason(error: Exception) -> str:
    """One line on an error of a file or its content."""
    return str(getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or type(error).__name__)


def _half(value: torch.Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = value.detach().cpu().numpy()
    if not np.issubdtype(array.dtype, np.floating):
        return array
    return array.astype(np.float16)


def _single(array: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array)


def _to_integers(model: Any, network: Network) -> None:
    """Writes the weights of the 8-bit layers as integers, and has their inputs rounded (QuantizeLinear, DequantizeLinear)."""
    from onnx import helper, numpy_helper

    graph = model.graph
    layers = int8_layers(network)
    if not layers:
        return
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    zeros = {True: np.zeros((), np.int8), False: np.zeros((), np.uint8)}
    used = {layer.signed for layer in layers.values()}
    graph.initializer.extend(numpy_helper.from_array(zeros[signed], f"zero_{zeros[signed].dtype}") for signed in sorted(used))
    users = {node.input[1]: node for node in graph.node if node.op_type == "Conv"}
    before: dict[str, list[Any]] = {}
    for name, layer in layers.items():
        stored = f"{name}.weight"
        node, zero = users[stored], f"zero_{zeros[layer.signed].dtype}"
        step = layer.weight_scale().numpy()
        integers = np.rint(layer.weight.detach().numpy() / step.reshape(-1, 1, 1, 1)).astype(np.int8)
        initializers[stored].CopyFrom(numpy_helper.from_array(integers, stored))
        source = layer.input_scale.detach().numpy().astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(step, stored + SCALE))
        graph.initializer.append(numpy_helper.from_array(source, f"{name}.input_scale"))
        rounded, back, wide = f"{name}/rounded", f"{name}/input", f"{name}/weight"
        x, before[node.name] = node.input[0], []
        if layer.signed:
            # A leaky ReLU of slope 1 changes nothing. Without an operator of its own before it, OpenVINO rounds the residual path,
            # which has two readers, in another memory layout, and converts there and back: a tenth of the whole time.
            x = f"{name}/as_it_is"
            before[node.name].append(helper.make_node("LeakyRelu", [node.input[0]], [x], name=x, alpha=1.0))
        before[node.name] += [
            helper.make_node("QuantizeLinear", [x, f"{name}.input_scale", zero], [rounded], name=rounded),
            helper.make_node("DequantizeLinear", [rounded, f"{name}.input_scale", zero], [back], name=back),
            helper.make_node("DequantizeLinear", [stored, stored + SCALE], [wide], name=wide, axis=0),
        ]
        node.input[0], node.input[1] = back, wide
    nodes = [new for node in graph.node for new in (*before.get(node.name, ()), node)]
    del graph.node[:]
    graph.node.extend(nodes)


def _halve(model: Any) -> None:
    """Stores every float32 initializer of more than a few values as float16, cast back where it is used."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    kept = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < 2 or tensor.name.endswith(SCALE):
            kept.append(tensor)
            continue
        # The parameter's own name stays with the stored values.
        wide = f"{tensor.name}/float32"
        kept.append(numpy_helper.from_array(array.astype(np.float16), tensor.name))
        casts.append(helper.make_node("Cast", [tensor.name], [wide], name=f"{tensor.name}/cast", to=TensorProto.FLOAT))
        for node in graph.node:
            for index, name in enumerate(node.input):
                if name == tensor.name:
                    node.input[index] = wide
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _stored(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The graph's initializers by name; those of an 8-bit layer times their steps."""
    from onnx import numpy_helper

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        name = node.input[0] if node.input else ""
        if node.op_type == "DequantizeLinear" and name in stored:
            stored[name] = stored[name].astype(np.float32) * stored[node.input[1]].reshape(-1, 1, 1, 1)
    return stored


def _from_onnx(path: Path) -> tuple[Card, dict[str, torch.Tensor]]:
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx", "train") from error
    try:
        model = onnx.load_model_from_string(regular.read(path, graphs.LARGEST))
    except Exception as error:  # the parser's own error type is not public
        raise ModelError(f"{path}: this is not an ONNX model: {_reason(error)}") from error
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ModelError(f"{path}: this ONNX model has no pellucid card")
    card = Card.from_json(text)
    try:
        stored = _stored(model)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(f"{path}: the weights cannot be read: {error}") from error
    wanted = Recipe.from_dict(card.recipe).network.build().state_dict()
    weights = {name: _single(stored[name].copy()) if name in stored else value for name, value in wanted.items()}
    missing = [name for name in wanted if name not in stored and not name.endswith("num_batches_tracked")]
    if missing:
        raise ModelError(f"{path}: the graph has no parameter named {missing[0]!r}")
    return card, weights
