"""Each file imports only from the rows above it in the design's table, and nothing heavy at module level."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pellucid

SOURCE = Path(pellucid.__file__).parent

ROWS = (
    {"errors"},
    {"memory"},
    {"images", "samples"},
    {"maps"},
    {"clipping"},
    {"degradations"},
    {"metrics"},
    {"diagnosis"},
    {"tiling"},
    {"tasks"},
    {"options"},
    {"cards"},
    {"saving"},
    {"files"},
    {"engines"},
    {"answering"},
    {"restorer"},
    {"baselines", "recognition"},
    {"evaluation"},
    {"exhibits"},
    {"report"},
    {"htmlreport"},
    {"training"},
    {"batch", "demo"},
    {"web"},
    {"cli"},
)

TRAINING_ROWS = (
    {"quantisation"},
    {"networks"},
    {"mnist", "photos"},
    {"recipes", "survey"},
    {"cache"},
    {"data"},
    {"feed", "looks", "ondevice"},
    {"loop"},
    {"export", "scoring"},
    {"figures", "calibration"},
    {"page", "tensorboard"},
    {"run"},
)

HEAVY = {
    "torch",
    "onnxruntime",
    "openvino",
    "cv2",
    "skimage",
    "scipy",
    "sklearn",
    "pywt",
    "bm3d",
    "matplotlib",
    "tensorboardX",
    "lightning_fabric",
    "onnx",
    "tifffile",
    "imagecodecs",
    "pillow_heif",
    "rawpy",
    "pydicom",
    "OpenEXR",
    "starlette",
    "uvicorn",
    "python_multipart",
}


def rank(rows: tuple[set[str], ...], name: str) -> int | None:
    return next((index for index, row in enumerate(rows) if name in row), None)


def imported(text: str, *, top_only: bool = False) -> set[str]:
    """The full names of the modules that a file's text imports."""
    found: set[str] = set()
    tree = ast.parse(text)
    nodes = tree.body if top_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def broken_layers(name: str, text: str) -> list[str]:
    """What the file of that dotted name (``restorer``, ``training.loop``) imports from its own row or below."""
    parts = name.split(".")
    own = rank(ROWS, parts[0])
    wrong = []
    for module in imported(text):
        words = module.split(".")
        if words[0] != "pellucid" or len(words) < 2:
            continue
        if words[1] != parts[0]:
            other = rank(ROWS, words[1])
            # What is no module of ours is a name of the package itself (its version).
            if other is not None and own is not None and other >= own:
                wrong.append(module)
        elif parts[0] == "training" and len(words) > 2 and len(parts) > 1 and words[2] != parts[1]:
            mine, other = rank(TRAINING_ROWS, parts[1]), rank(TRAINING_ROWS, words[2])
            if mine is not None and other is not None and other >= mine:
                wrong.append(module)
    return sorted(wrong)


def files_of_the_package() -> dict[str, str]:
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path.read_text("utf-8")
        for path in sorted(SOURCE.rglob("*.py"))
    }


def test_every_file_has_a_row() -> None:
    names = {name.split(".")[0] for name in files_of_the_package()} - {"__init__", "__main__"}
    assert {name for name in names if rank(ROWS, name) is None} == set()
    inner = {name.split(".")[1] for name in files_of_the_package() if name.startswith("training.")}
    assert {name for name in inner if rank(TRAINING_ROWS, name) is None} == set()


def test_imports_go_upwards_only() -> None:
    wrong = {name: found for name, text in files_of_the_package().items() if (found := broken_layers(name, text))}
    assert wrong == {}


def test_the_layer_check_sees_a_breach() -> None:
    assert broken_layers("images", "from pellucid.restorer import load") == ["pellucid.restorer", "pellucid.restorer.load"]
    assert broken_layers("tiling", "def f():\n    from pellucid import cli") == ["pellucid.cli"]
    assert broken_layers("training.networks.unet", "import pellucid.training.loop") == ["pellucid.training.loop"]
    assert broken_layers("restorer", "from pellucid import tiling, errors") == []


def test_nothing_heavy_at_module_level() -> None:
    for name, text in files_of_the_package().items():
        roots = {module.split(".")[0] for module in imported(text, top_only=True)}
        # training/ is the room of PyTorch, web/ that of the server.
        rooms = {"training": {"torch"}, "web": {"starlette", "uvicorn", "python_multipart"}}
        allowed = rooms.get(name.split(".")[0], set())
        assert roots & HEAVY <= allowed, name


def test_importing_the_package_brings_neither_torch_nor_the_engine() -> None:
    heavy = "{'torch', 'openvino', 'onnx', 'onnxruntime'}"
    code = f"import sys, pellucid, pellucid.cli, pellucid.restorer; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_print_and_exit_stay_in_the_command_line() -> None:
    for name, text in files_of_the_package().items():
        if name in ("cli", "__main__"):
            continue
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not {"print", "sys.exit", "exit"} & set(calls), name
