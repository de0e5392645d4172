"""Checks the graph of a model: it may contain listed operators, and nothing that runs for ever or comes from elsewhere.

A model comes from anywhere, and an engine does what it says: loops of 2^62 turns, functions, weights out of other files. None of
that is in the graphs that `pellucid.training` writes. `check` walks over the file's bytes before an engine gets them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from pellucid.errors import ModelError
from pellucid.protobuf import fields

__all__ = ["LARGEST", "OPERATORS", "check"]

OPERATORS = frozenset(
    "Abs Add AveragePool BatchNormalization Cast CastLike Clip Concat Constant Conv ConvTranspose DepthToSpace DequantizeLinear "  # noqa: SIM905
    "Div Elu Erf Exp Expand Gelu Gemm GlobalAveragePool GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization "
    "LayerNormalization LeakyRelu MatMul Max MaxPool Min Mul Neg PRelu Pow QuantizeLinear ReduceMean Relu Reshape Shape Sigmoid "
    "Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze".split()
)
"""The operators that a graph may have: those of convolutional networks. None has a graph within, and none but ``Expand`` and
``ConvTranspose`` makes more values than it gets."""

LARGEST = 2**31 - 1
"""Bytes that a model's file has at most, as a message of Protocol Buffers has."""

MOST_NODES = 20_000
"""Operators in a graph at most; the largest shipped one has 415."""

LARGEST_SIZE = 2**24
"""The largest product of whole numbers that a graph has as a constant: they may be a shape, and one that no layer has would take
all the memory. The ends of ``int64`` stand for "to the end"."""

LARGEST_NUMBERS = 2**20
"""Bytes of a constant of whole numbers at most; weights of 8 bits are no such constant."""

# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_OPSET, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 8, 20, 25
OPSET_DOMAIN, OPSET_VERSION = 1, 2

MOST_OPSET = 40
"""The newest version of ONNX's operators that is taken: an engine takes time in proportion to it."""
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN, NODE_OVERLOAD = 4, 5, 7, 8
ATTRIBUTE_INT, ATTRIBUTE_TENSOR, ATTRIBUTE_INTS, ATTRIBUTE_TENSORS = 3, 5, 8, 10
ATTRIBUTE_ELSE = {6: "a graph within", 11: "graphs within", 21: "a reference", 22: "a sparse tensor", 23: "sparse tensors"}
TENSOR_TYPE, TENSOR_INT32, TENSOR_INT64, TENSOR_RAW, TENSOR_UINT64 = 2, 5, 7, 9, 11
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14
INT32, INT64, UINT64 = 6, 7, 13
WHOLE = {INT32: "i", INT64: "q", UINT64: "Q"}
DOMAINS = (b"", b"ai.onnx")


def check(content: bytes, name: str) -> None:
    """Raises `ModelError`, which says why, where the ONNX model in ``content`` is none or has what no model may have; ``name`` is
    what the error calls it."""
    try:
        _check_model(content)
    except ValueError as error:
        raise ModelError(f"{name}: this is not a model that may be run: {error}") from error


def _check_model(content: bytes) -> None:
    file, graphs, nodes = io.BytesIO(content), 0, 0
    for number, _, end in fields(file, len(content)):
        if number == MODEL_GRAPH:
            graphs += 1
            nodes += _check_graph(file, end)
        elif number == MODEL_OPSET:
            for inner, value, stop in fields(file, end):
                _check_domain(inner == OPSET_DOMAIN, file, stop)
                if inner == OPSET_VERSION and (value is None or value > MOST_OPSET):
                    raise ValueError(f"it has operators of opset {value}, newer than {MOST_OPSET}")
        elif number in (MODEL_TRAINING, MODEL_FUNCTIONS):
            raise ValueError("it has functions, or a graph to train with")
    if graphs == 0:
        raise ValueError("it has no graph")
    if nodes > MOST_NODES:
        raise ValueError(f"it has {nodes} operators, more than {MOST_NODES}")


def _check_graph(file: io.BytesIO, end: int) -> int:
    """The count of its operators."""
    nodes = 0
    for number, _, stop in fields(file, end):
        if number == GRAPH_NODE:
            nodes += 1
            _check_node(file, stop)
        elif number == GRAPH_INITIALIZER:
            _check_tensor(file, stop)
        elif number == GRAPH_SPARSE:
            raise ValueError("it has a sparse tensor")
    return nodes


def _check_node(file: io.BytesIO, end: int) -> None:
    known = False
    for number, _, stop in fields(file, end):
        if number == NODE_OPERATOR:
            name = file.read(stop - file.tell()).decode("utf-8", "replace")
            if name not in OPERATORS:
                raise ValueError(f"it has the operator {name[:50]!r}, which is none of those that a model may have")
            known = True
        elif number == NODE_ATTRIBUTE:
            _check_attribute(file, stop)
        elif number in (NODE_DOMAIN, NODE_OVERLOAD):
            _check_domain(True, file, stop)
    if not known:
        raise ValueError("it has an operator without a name")


def _check_domain(there: bool, file: io.BytesIO, stop: int) -> None:
    if there and file.read(stop - file.tell()) not in DOMAINS:
        raise ValueError("it has operators that are not ONNX's own")


def _check_attribute(file: io.BytesIO, end: int) -> None:
    whole: list[int] = []
    for number, value, stop in fields(file, end):
        if number in (ATTRIBUTE_INT, ATTRIBUTE_INTS):
            whole += [_signed(value)] if value is not None else _numbers(_taken(file, file.tell(), stop))
        elif number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
            _check_tensor(file, stop)
        elif number in ATTRIBUTE_ELSE:
            raise ValueError(f"an operator has {ATTRIBUTE_ELSE[number]}")
    _check_sizes(whole)


def _check_tensor(file: io.BytesIO, end: int) -> None:
    kind: int | None = None
    whole: list[int] = []
    packed: list[int] = []
    raw = None
    for number, value, stop in fields(file, end):
        if number == TENSOR_TYPE:
            kind = value
        elif number == TENSOR_EXTERNAL or (number == TENSOR_LOCATION and value != 0):
            raise ValueError("it takes weights out of another file")
        elif number in (TENSOR_INT32, TENSOR_INT64, TENSOR_UINT64):
            if value is not None:
                whole.append(_signed(value))
            else:
                packed += (file.tell(), stop)
        elif number == TENSOR_RAW:
            raw = (file.tell(), stop)
    if kind is None and (whole or packed or raw):
        raise ValueError("it has a tensor without a type")
    if kind not in WHOLE:
        return
    # Only now, for the last type that is named counts, wherever it stands.
    for start, stop in zip(packed[::2], packed[1::2], strict=True):
        whole += _numbers(_taken(file, start, stop))
    if raw is not None:
        content, width = _taken(file, *raw), struct.calcsize(WHOLE[kind])
        whole += struct.unpack(f"<{len(content) // width}{WHOLE[kind]}", content[: len(content) // width * width])
    _check_sizes(whole)


def _taken(file: io.BytesIO, start: int, stop: int) -> bytes:
    if stop - start > LARGEST_NUMBERS:
        raise ValueError(f"it has a constant of whole numbers with {stop - start} bytes, which no network needs")
    file.seek(start)
    return file.read(stop - start)


def _numbers(packed: bytes) -> Iterator[int]:
    """Whole numbers that are packed."""
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield _signed(number)
            number = shift = 0
        elif shift > 63:
            raise ValueError("a number that does not end")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _check_sizes(whole: list[int]) -> None:
    product = 1
    for number in whole:
        # Slices go to one of these, which stand for "to the end".
        if number not in (0, 2**63 - 1, -(2**63), 2**31 - 1, -(2**31)):
            product *= abs(number)
        if product > LARGEST_SIZE:
            raise ValueError(f"it has a constant of {product} or more, which no layer of a network has")
