"""Each file imports only from the rows above it in the design's table, and nothing heavy at module level."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pellucid

SOURCE = Path(pellucid.__file__).parent

ROWS = (
    {"errors", "families", "regular", "same"},
    {"tasks.kinds"},
    {"tasks.settings"},
    {"tasks.colorize_settings", "tasks.cutout_settings", "tasks.film_settings"},
    {"tasks"},
    {"steps"},
    {"memory", "pillow", "protobuf"},
    {"ranges", "rows", "mosaics"},
    {"masks", "units"},
    {"images", "samples"},
    {"maps", "rgba", "views", "alphas", "colour"},
    {"depths", "drawings", "walls"},
    {"laws", "spreading"},
    {"asked", "wear"},
    {"clipping", "motion"},
    {"following", "moving", "paths", "quantised", "registration"},
    {"mending"},
    {"passing"},
    {"camera"},
    {"sensor"},
    {"developing"},
    {"degradations"},
    {"metrics"},
    {"diagnosis"},
    {"reels"},
    {"tiling"},
    {"weighing"},
    {"matting", "cutting"},
    {"cards"},
    {"saving", "graphs"},
    {"files"},
    {"confidence"},
    {"compiled"},
    {"engines"},
    {"noise"},
    {"denoising", "detailing"},
    {"wholes"},
    {"tasks.base"},
    {"hinting", "tinting"},
    {"tasks.denoise_clips", "tasks.denoise_sizes"},
    {"tasks.colorize_learning", "tasks.cutout_learning", "tasks.denoise_clips_learning", "tasks.film_learning"},
    {"tasks.denoise_learning"},
    {"tasks.denoise"},
    {"tasks.*"},
    {"stacks", "manifest", "restoration"},
    {"restorer"},
    {"chains"},
    {"scenes", "windows", "resuming"},
    {"stages"},
    {"footage"},
    {"api"},
    {"napari"},
    {"baselines", "recognition"},
    {"methods"},
    {"digits"},
    {"references", "comparing"},
    {"evaluation"},
    {"screening"},
    {"exhibits"},
    {"report"},
    {"htmlreport"},
    {"training"},
    {"kept"},
    {"plan"},
    {"working"},
    {"batch", "demo"},
    {"watching", "cluster"},
    {"web"},
    {"cli"},
)
"""A package has one row, or its modules have rows of their own: ``tasks`` is then its ``__init__``, ``tasks.*`` all its other
modules."""

LIGHT = (
    "errors",
    "regular",
    "families",
    "tasks.kinds",
    "tasks.settings",
    "tasks.colorize_settings",
    "tasks.cutout_settings",
    "tasks.film_settings",
    "tasks",
    "steps",
)
"""Modules of the standard library alone: ``pellucid --help`` reads them."""

TYPES_FROM_BELOW = {"tasks"}
"""Modules that may name types from rows below: the table of tasks names the protocol of their modules."""

TRAINING_ROWS = (
    {"quantisation"},
    {"networks"},
    {"losses", "rounding", "trimming"},
    {"mnist", "photos"},
    {"recipes", "survey"},
    {"forms"},
    {"shards"},
    {"cache"},
    {"packs"},
    {"splits"},
    {"pictures"},
    {"batches"},
    {"mosaics"},
    {"adversary", "echo", "feed", "looks", "ondevice"},
    {"validating"},
    {"adopting", "checkpoints"},
    {"loop"},
    {"export"},
    {"scoring"},
    {"figures", "calibration"},
    {"likes"},
    {"between", "damage", "fading"},
    {"page", "tensorboard"},
    {"run"},
)

CLUSTER_ROWS = (
    {"libraries"},
    {"stores"},
    {"parts"},
    {"portions"},
    {"work"},
    {"rays"},
)

CLI_ROWS = (
    {"arguments", "manual"},
    {"beside", "showing", "spreading", "piping"},
    {"about", "pictures", "training", "evaluating", "serving"},
)

WEB_ROWS = (
    {"limits", "worker", "folder"},
    {"uploads", "pool", "catalogue"},
    {"answers", "openapi", "metrics", "query", "refusals"},
    {"security", "service"},
    {"requests"},
    {"app", "connections"},
    {"server"},
)

FILES_ROWS = (
    {"claims", "codecs", "encoders", "ends", "matroska", "stored", "yuv"},
    {"clips"},
    {"joining"},
    {"base", "companions", "idx", "packing"},
    {"groups"},
    {"metadata", "profiles"},
    {"directories", "geometry", "photographs"},
    {"dng"},
    {"arrays", "jpegxl", "omezarr", "png", "pnm", "raw"},
    {"embedded"},
    {"dicom", "tiff_checks", "tiff_notes"},
    {"tiff", "tiff_writing"},
    {"formats"},
    {"reading", "writing"},
)

DIAGNOSIS_ROWS = (
    {"neighbours", "sampling"},
    {"stars"},
    {"impulses", "spots"},
    {"noise", "jpeg", "squared"},
    {
        "bands",
        "blotches",
        "clipped",
        "dots",
        "edges",
        "enlarged",
        "estimator",
        "grounds",
        "halftone",
        "palette",
        "quiet",
        "repeats",
        "sensors",
    },
    {"photons"},
    {"drawn", "extremes"},
    {"damage", "described", "doubt", "dyes", "gain", "places", "shot"},
    {"between"},
    {"exposure", "fine"},
    {"believing"},
)

INNER = {
    "wear": ({"reel", "shapes"}, {"covering", "whole", "tape"}),
    "training": TRAINING_ROWS,
    "cli": CLI_ROWS,
    "cluster": CLUSTER_ROWS,
    "web": WEB_ROWS,
    "files": FILES_ROWS,
    "diagnosis": DIAGNOSIS_ROWS,
}
"""Packages whose own modules have an order; their ``__init__`` may import all of them."""

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
    "deflate",
    "pillow_heif",
    "rawpy",
    "pydicom",
    "OpenEXR",
    "av",
    "starlette",
    "uvicorn",
    "python_multipart",
    "fsspec",
    "pyarrow",
    "ray",
}


def rank(rows: tuple[set[str], ...], name: str) -> int | None:
    """The row of a module: its own, that of its package's other modules, or that of its package."""
    package = name.split(".")[0]
    for wanted in (name, f"{package}.*" if name != package else package, package):
        for index, row in enumerate(rows):
            if wanted in row:
                return index
    return None


def module_of(dotted: str) -> str:
    """The module that an imported name belongs to, without ``pellucid.``: ``tasks.base`` of ``pellucid.tasks.base.Pair``."""
    words = dotted.split(".")[1:]
    while len(words) > 1 and not (SOURCE.joinpath(*words).with_suffix(".py").is_file() or SOURCE.joinpath(*words).is_dir()):
        words.pop()
    return ".".join(words)


def for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def run_at_import(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported, in ``try``, ``if`` and classes, too; no function, nothing for type checkers."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        if isinstance(node, ast.If) and for_types_alone(node):
            yield from run_at_import(node.orelse)
        else:
            yield from run_at_import(ast.iter_child_nodes(node))


def imported(text: str, *, at_import: bool = False, types: bool = True) -> set[str]:
    """The full names of the modules that a file's text imports; with ``at_import`` those that importing the file brings at once,
    without ``types`` all but those for type checkers alone."""
    found: set[str] = set()
    tree = ast.parse(text)
    if not types:
        tree.body = [node for node in tree.body if not for_types_alone(node)]
    for node in run_at_import([tree]) if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def broken_layers(name: str, text: str) -> list[str]:
    """The modules that the file of that dotted name (``restorer``, ``training.loop``) imports from its own row or below."""
    package, *inside = name.split(".")
    own = rank(ROWS, name)
    wrong = []
    for dotted in imported(text, types=name not in TYPES_FROM_BELOW):
        if not dotted.startswith("pellucid."):
            continue
        module = module_of(dotted)
        mine, other = own, rank(ROWS, module)
        if module.split(".")[0] == package:
            if module == name or not inside:
                # The __init__ of a package with an order inside may import all of it.
                mine, other = (None, None) if module == name or package in INNER else (own, other)
            elif package in INNER:
                within = module.split(".")[1:2]
                mine = rank(INNER[package], inside[0])
                other = rank(INNER[package], within[0]) if within and within[0] != inside[0] else None
        # A dotted name without a row is a name of the package itself, such as its version.
        if mine is not None and other is not None and other >= mine:
            wrong.append(dotted)
    return sorted(wrong)


def files_of_the_package() -> dict[str, str]:
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path.read_text("utf-8")
        for path in sorted(SOURCE.rglob("*.py"))
    }


def test_every_file_has_a_row() -> None:
    names = files_of_the_package().keys() - {"__init__", "__main__"}
    assert {name for name in names if rank(ROWS, name) is None} == set()
    for package, rows in INNER.items():
        inner = {name.split(".")[1] for name in files_of_the_package() if name.startswith(f"{package}.")}
        assert {name for name in inner if rank(rows, name) is None} == set()


def test_the_page_names_every_file_and_none_that_is_not_there() -> None:
    page = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text("utf-8")
    named = set()
    for row in re.findall(r"(?m)^\| `.*$", page.partition("## Layers")[2].partition("The longest way")[0]):
        _, files, purpose, _ = row.split("|")
        named |= set(re.findall(r"`([\w/]+\.py)`", files))
        for folder in re.findall(r"`([\w/]+/)`", files):
            named |= {f"{folder}{name}" for name in re.findall(r"`([\w/]+\.py)`", purpose)}
    assert {name for name in named if "NAME" not in name and not (SOURCE / name).is_file()} == set()
    there = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.name != "__init__.py"}
    # One for each task, and one for each network.
    assert {name for name in there - named if not name.startswith(("tasks/", "training/networks/"))} == set()


def test_imports_go_upwards_only() -> None:
    wrong = {name: found for name, text in files_of_the_package().items() if (found := broken_layers(name, text))}
    assert wrong == {}


def test_the_layer_check_sees_a_breach() -> None:
    assert broken_layers("images", "from pellucid.restorer import load") == ["pellucid.restorer", "pellucid.restorer.load"]
    assert broken_layers("tiling", "def f():\n    from pellucid import cli") == ["pellucid.cli"]
    assert broken_layers("training.networks.unet", "import pellucid.training.loop") == ["pellucid.training.loop"]
    assert broken_layers("cli.serving", "from pellucid.cli import training") == ["pellucid.cli.training"]
    assert broken_layers("cli.serving", "from pellucid.cli import arguments") == []
    assert broken_layers("web.security", "from pellucid.web.app import application") == [
        "pellucid.web.app",
        "pellucid.web.app.application",
    ]
    assert broken_layers("restorer", "from pellucid import tiling, errors") == []
    assert broken_layers("tiling", "from pellucid.tasks import Task, find\nfrom pellucid.tasks.settings import Settings") == []
    assert broken_layers("tiling", "from pellucid.tasks.base import Pass") == ["pellucid.tasks.base", "pellucid.tasks.base.Pass"]
    assert broken_layers("tasks", "from pellucid.tasks import settings") == []
    assert broken_layers("tasks", "from pellucid.tasks import base") == ["pellucid.tasks.base"]
    assert broken_layers("tasks.base", "from pellucid.tasks import find, upscale") == ["pellucid.tasks.upscale"]
    assert broken_layers("tasks.denoise", "from pellucid.tasks import base, upscale") == ["pellucid.tasks.upscale"]
    assert broken_layers("tasks.upscale", "from pellucid.tasks import base, denoise") == []
    assert broken_layers("files", "from pellucid.files import tiff") == []


def test_the_table_of_tasks_needs_the_standard_library_alone() -> None:
    files = files_of_the_package()
    for name in LIGHT:
        for dotted in imported(files[name], at_import=True):
            root = dotted.split(".")[0]
            light = module_of(dotted) in LIGHT if root == "pellucid" else root in sys.stdlib_module_names
            assert light or dotted == "pellucid", (name, dotted)
    heavy = "{'numpy', 'PIL', 'pellucid.tasks.base'}"
    code = f"import sys, pellucid.tasks, pellucid.families; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_module_level_is_what_runs_at_import() -> None:
    text = """
from typing import TYPE_CHECKING
import one
try:
    import two
except ImportError:
    import three
if TYPE_CHECKING:
    import types_only
elif one:
    with two:
        import four
class Kept:
    import five
    def method(self):
        import later
def function():
    if one:
        import later
"""
    assert imported(text, at_import=True) - {"typing", "typing.TYPE_CHECKING"} == {"one", "two", "three", "four", "five"}
    assert imported(text) >= {"types_only", "later"}


def test_nothing_heavy_at_module_level() -> None:
    for name, text in files_of_the_package().items():
        roots = {module.split(".")[0] for module in imported(text, at_import=True)}
        # training/ is the room of PyTorch, web/ that of the server, cluster/ that of the manifest.
        rooms = {"training": {"torch"}, "cluster": {"pyarrow", "ray"}, "web": {"starlette", "uvicorn", "python_multipart"}}
        allowed = rooms.get(name.split(".")[0], set())
        assert roots & HEAVY <= allowed, name


def test_importing_the_package_brings_neither_torch_nor_the_engine() -> None:
    heavy = "{'torch', 'openvino', 'onnx', 'onnxruntime'}"
    code = f"import sys, pellucid, pellucid.cli, pellucid.restorer; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_print_and_exit_stay_in_the_command_line() -> None:
    for name, text in files_of_the_package().items():
        if name.split(".")[0] in ("cli", "__main__"):
            continue
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not {"print", "sys.exit", "exit"} & set(calls), name
