"""The bridges to other programs: napari's plugin, the nodes of ComfyUI, the script of darktable."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import napari, samples

ROOT = Path(__file__).parent.parent
MANIFEST = Path(pellucid.__file__).parent / "napari.yaml"


def layer(values: Any, *, rgb: bool = False, **place: Any) -> SimpleNamespace:
    return SimpleNamespace(data=values, name="cells", rgb=rgb, **place)


@pytest.fixture(scope="module")
def noisy() -> Any:
    clean = samples.photograph()[100:148, 200:264].astype(float)
    return np.clip(clean + np.random.default_rng(1).normal(0, 25, clean.shape), 0, 255).astype(np.uint8)


def test_a_layer_in_colours_is_restored(noisy: Any) -> None:
    values, settings, kind = napari.denoise_layer(layer(noisy, rgb=True, scale=(0.5, 0.5)), sigma=25)
    np.testing.assert_array_equal(values, pellucid.denoise(noisy, sigma=25))
    assert kind == "image"
    assert settings == {"scale": (0.5, 0.5), "name": "cells clean", "rgb": True}


def test_a_stack_is_restored_plane_by_plane(noisy: Any) -> None:
    stack = np.stack([noisy[..., 0], noisy[..., 1]]).astype(np.uint16) * 16
    values, settings, _ = napari.denoise_layer(layer(stack, colormap="green"), strength=0.5)
    assert (values.shape, values.dtype) == (stack.shape, stack.dtype)
    assert not np.array_equal(values, stack)
    assert settings["colormap"] == "green"


def test_strength_nothing_leaves_a_layer_as_it_is(noisy: Any) -> None:
    values, _, _ = napari.denoise_layer(layer(noisy, rgb=True), strength=0)
    np.testing.assert_array_equal(values, noisy)


def test_an_enlarged_layer_covers_the_same_place(noisy: Any) -> None:
    values, settings, _ = napari.upscale_layer(layer(noisy[..., 1], scale=(2.0, 3.0)), scale=2)
    assert values.shape == (96, 128)
    assert settings["scale"] == [1.0, 1.5]


def test_the_noise_of_a_stack_is_that_of_its_middle_plane(noisy: Any) -> None:
    gray = noisy[..., 1]
    stack = np.stack([np.zeros_like(gray), gray, np.zeros_like(gray)])
    assert napari.inspect_layer(layer(stack)) == str(pellucid.inspect(gray)) != ""


def test_the_manifest_names_functions_that_there_are() -> None:
    # `make plugins` has npe2 check its form; npe2 brings a plugin for pytest, and is not installed here for that reason.
    manifest = pytest.importorskip("yaml").safe_load(MANIFEST.read_text("utf-8"))
    made = manifest["contributions"]
    assert {row["command"] for row in made["widgets"]} == {row["id"] for row in made["commands"]}
    assert {row["python_name"].removeprefix("pellucid.napari:") for row in made["commands"]} == set(napari.__all__)


def test_the_package_carries_the_manifest() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '[project.entry-points."napari.manifest"]\npellucid = "pellucid:napari.yaml"' in text
    assert '"napari.yaml"' in text


def test_the_nodes_of_comfyui_restore_a_batch(noisy: Any) -> None:
    torch = pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("comfyui_nodes", ROOT / "plugins" / "comfyui" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    nodes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nodes)
    images = torch.from_numpy(np.stack([noisy, noisy[::-1]]).astype(np.float32) / 255)
    for name, change in (("PellucidDenoise", 1), ("PellucidUpscale", 2)):
        node = nodes.NODE_CLASS_MAPPINGS[name]
        given = {key: row[1]["default"] for key, row in node.INPUT_TYPES()["required"].items() if key != "image"}
        (output,) = getattr(node(), node.FUNCTION)(images, **given)
        assert tuple(output.shape) == (2, 48 * change, 64 * change, 3)
        assert output.dtype == torch.float32
        assert 0 <= float(output.min()) <= float(output.max()) <= 1
        assert name in nodes.NODE_DISPLAY_NAME_MAPPINGS


LUA = """
-- darktable as the script needs it: what it registers is called with one photograph.
local stored
local dt = {
  configuration = { check_version = function() end, running_os = "linux" },
  new_widget = function() return function(table) return table end end,
  print = function(text) io.stderr:write(text, "\\n") end,
  control = { execute = function(line)
    print(line)
    return os.execute((line:gsub("^pellucid denoise ('.*') %-o ('.*') %-%-strength.*$", "cp %1 %2"))) and 0 or 1
  end },
  database = { import = function(path) print(path); return { group_with = function() print("grouped") end } end },
  register_storage = function(_, _, store, _, supported) stored = store; assert(supported(nil, { extension = "tif" })) end,
}
package.loaded.darktable = dt
dofile(arg[1])
stored(nil, { filename = "a.nef", path = arg[3] }, nil, arg[2], 1, 1)
"""


@pytest.mark.skipif(shutil.which("lua5.4") is None, reason="no Lua here")
def test_the_script_of_darktable_restores_beside_the_photograph(tmp_path: Path) -> None:
    (tmp_path / "host.lua").write_text(LUA, "utf-8")
    folder, exported = tmp_path / "it's here", tmp_path / "export $(x).tif"
    folder.mkdir()
    (folder / "export $(x).clean.tif").write_text("the user's own")
    exported.write_text("pixels")
    script = ROOT / "plugins" / "darktable" / "pellucid.lua"
    done = subprocess.run(
        ["lua5.4", str(tmp_path / "host.lua"), str(script), str(exported), str(folder)], capture_output=True, text=True, check=True
    )
    line, made, grouped = done.stdout.splitlines()
    assert line.startswith("pellucid denoise '")
    assert line.endswith(" --strength 1.00")
    assert grouped == "grouped"
    assert Path(made).read_text() == "pixels"
    assert (folder / "export $(x).clean.tif").read_text() == "the user's own"
    assert not exported.exists()
