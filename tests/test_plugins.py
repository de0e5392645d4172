"""The bridges to other programs: napari's plugin, the nodes of ComfyUI, the script of darktable, GIMP's plug-in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

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


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_live_strength_is_the_strength(noisy: Any, kind: Any) -> None:
    values = (
        (noisy[..., 1] * np.float32(1 / 255))
        if kind is np.float32
        else noisy[..., 1].astype(kind) * (256 if kind is np.uint16 else 1)
    )
    live = napari.Live(layer(values), sigma=25)
    np.testing.assert_array_equal(live.at(0), values)
    np.testing.assert_array_equal(live.at(1), pellucid.denoise(values, sigma=25))
    for strength in (0.3, 0.7):
        expected = pellucid.denoise(values, sigma=25, strength=strength)
        assert live.at(strength).dtype == kind
        assert np.abs(live.at(strength).astype(float) - expected.astype(float)).max() <= (1e-5 if kind is np.float32 else 1)
    assert live.settings["name"] == "cells clean"


def test_the_widget_of_napari_shows_a_strength_at_once(noisy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The extra napari is not part of the tests' own; the workflow `checks` has a job that brings it.
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    host = pytest.importorskip("napari")
    pytest.importorskip("magicgui")
    viewer = host.Viewer(show=False)
    try:
        viewer.add_image(noisy[..., 1], name="cells")
        _, widget = viewer.window.add_plugin_dock_widget("pellucid", "Denoise")
        widget.reset_choices()
        widget[3].native.click()
        output = viewer.layers["cells clean"]
        np.testing.assert_array_equal(output.data, pellucid.denoise(noisy[..., 1]))
        whole = np.array(output.data)
        widget[4].value = 0.5
        assert np.abs(output.data.astype(float) - (whole.astype(float) + noisy[..., 1]) / 2).max() <= 1
        assert widget[0].value.name == "cells"
        widget[4].value = 0
        np.testing.assert_array_equal(output.data, noisy[..., 1])
    finally:
        viewer.close()


def test_the_sliders_of_napari_have_room_for_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    host = pytest.importorskip("napari.qt")
    application = host.get_qapp()
    widget = napari.denoise_widget()
    widget.native.setStyleSheet(host.get_stylesheet("dark"))
    widget.native.show()
    application.processEvents()
    for slider in (widget[2], widget[4]):
        (line,) = (child.lineEdit() for child in slider.native.children() if hasattr(child, "lineEdit"))
        assert line.width() > line.fontMetrics().horizontalAdvance("0.00")
    widget.native.close()


def test_an_enlarged_layer_covers_the_same_place(noisy: Any) -> None:
    values, settings, _ = napari.upscale_layer(layer(noisy[..., 1], scale=(2.0, 3.0)), scale=2)
    assert values.shape == (96, 128)
    assert settings["scale"] == [1.0, 1.5]
    # Both begin at the same edge: half a pixel before the middle of the first one.
    for scale in (2.0, 3.0):
        _, settings, _ = napari.upscale_layer(layer(noisy[..., 1], scale=(2.0, 3.0), translate=(7.0, -1.0)), scale=scale)
        np.testing.assert_allclose(np.subtract(settings["translate"], np.array(settings["scale"]) / 2), [7 - 1, -1 - 1.5])


def test_a_turned_layer_stays_turned_and_covers_the_same_place(noisy: Any) -> None:
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    place: dict[str, Any] = {
        "scale": (2.0, 3.0),
        "translate": (7.0, -1.0),
        "rotate": turn,
        "shear": np.array([0.25]),
        "affine": 2 * turn,
    }
    _, settings, _ = napari.denoise_layer(layer(noisy[..., 1], **place), sigma=25)
    assert all(settings[name] is place[name] for name in place)

    def world(given: dict[str, Any], pixel: tuple[float, float]) -> Any:
        # napari's order: scale, slant, turn, move; what `affine` says comes behind all of it.
        slant = np.array([[1, given["shear"][0]], [0, 1]])
        return given["rotate"] @ slant @ np.multiply(given["scale"], pixel) + given["translate"]

    _, settings, _ = napari.upscale_layer(layer(noisy[..., 1], **place), scale=2)
    for corner in ((-0.5, -0.5), (47.5, -0.5), (47.5, 63.5)):
        fine = (2 * (corner[0] + 0.5) - 0.5, 2 * (corner[1] + 0.5) - 0.5)
        np.testing.assert_allclose(world(settings, fine), world(place, corner))
    # A stack may be turned in the plane alone, or in space.
    deep: dict[str, Any] = {"scale": (5.0, 2.0, 3.0), "rotate": turn, "shear": np.array([0.0, 0.0, 0.25])}
    _, settings, _ = napari.upscale_layer(layer(np.stack([noisy[..., 1]] * 2), **deep), scale=2)
    np.testing.assert_allclose(settings["translate"], [0, *(turn @ np.array([[1, 0.25], [0, 1]]) @ [-0.5, -0.75])])


def test_a_stack_of_several_axes_is_restored_plane_by_plane(noisy: Any) -> None:
    gray = noisy[..., 1]
    values, _, _ = napari.denoise_layer(layer(np.array([[gray] * 3] * 2)), sigma=25)
    assert values.shape == (2, 3, *gray.shape)
    np.testing.assert_array_equal(values[1, 2], pellucid.denoise(gray, sigma=25))


def test_a_live_strength_leaves_infinite_values_as_they_are() -> None:
    values = np.random.default_rng(0).normal(100, 20, (40, 48)).astype(np.float32)
    values[3, 3], values[4, 4], values[5, 5] = np.inf, -np.inf, np.nan
    live = napari.Live(layer(values), sigma=20)
    for strength in (0, 0.3, 1):
        output = live.at(strength)
        np.testing.assert_array_equal(output[[3, 4, 5], [3, 4, 5]], values[[3, 4, 5], [3, 4, 5]])
        assert np.isfinite(output).sum() == output.size - 3


def test_the_noise_of_a_stack_is_that_of_its_middle_plane(noisy: Any) -> None:
    gray = noisy[..., 1]
    stack = np.stack([np.zeros_like(gray), gray, np.zeros_like(gray)])
    assert napari.inspect_layer(layer(stack)) == str(pellucid.inspect(gray)) != ""


def test_the_manifest_names_functions_that_there_are() -> None:
    # `make plugins` has npe2 check its form; npe2 brings a plugin for pytest, and is not installed here for that reason.
    manifest = pytest.importorskip("yaml").safe_load(MANIFEST.read_text("utf-8"))
    made = manifest["contributions"]
    assert {row["command"] for row in made["widgets"]} == {row["id"] for row in made["commands"]}
    named = {row["python_name"].removeprefix("pellucid.napari:") for row in made["commands"]}
    assert named == {"denoise_widget", "inspect_layer", "upscale_layer"} <= set(napari.__all__)


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
    return os.execute((line:gsub("^pellucid denoise ('.*') %-o ('.*') %-%-strength.*$", "test ! -e %2 && cp %1 %2"))) and 0 or 1
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
    # The output of a run that could not write into the photograph's folder: pellucid overwrites nothing.
    left = tmp_path / "export $(x).clean.tif"
    left.write_text("left")
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
    assert left.read_text() == "left"


# -- GIMP -------------------------------------------------------------------------------------------------------------

GIMP = ROOT / "plugins" / "gimp" / "pellucid" / "pellucid.py"


@pytest.fixture
def gimp(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plug-in's module, with a stand-in for GIMP: layers are arrays of bytes in files."""
    gi, repository = ModuleType("gi"), ModuleType("gi.repository")
    gi.require_version = lambda name, version: None  # type: ignore[attr-defined]
    precision = SimpleNamespace(U8_LINEAR=1, U8_NON_LINEAR=2, U8_PERCEPTUAL=3, U16_NON_LINEAR=4)
    plugin = type("PlugIn", (), {"__gtype__": None, "error_quark": staticmethod(lambda: 1)})
    repository.Gimp = SimpleNamespace(  # type: ignore[attr-defined]
        PlugIn=plugin,
        Layer=SimpleNamespace,
        Precision=precision,
        PDBStatusType=SimpleNamespace(SUCCESS="success", EXECUTION_ERROR="failed", CANCEL="cancelled"),
        RunMode=SimpleNamespace(INTERACTIVE=0, NONINTERACTIVE=1),
        main=lambda kind, arguments: None,
        progress_init=lambda text: None,
        progress_pulse=lambda: None,
        progress_end=lambda: None,
    )
    repository.GLib = SimpleNamespace(Error=SimpleNamespace(new_literal=lambda quark, line, code: line))  # type: ignore[attr-defined]
    repository.Gio = repository.GObject = SimpleNamespace()  # type: ignore[attr-defined]
    gi.repository = repository  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    spec = importlib.util.spec_from_file_location("gimp_plugin", GIMP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROCEDURE = SimpleNamespace(get_name=lambda: "plug-in-pellucid-denoise", new_return_values=lambda status, error: (status, error))


def test_gimp_s_layer_is_what_the_command_line_makes(
    gimp: Any, noisy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pellucid"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pellucid "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PELLUCID", str(program))
    made: list[Any] = []
    monkeypatch.setattr(gimp, "exported", lambda image, layer, path: PillowImage.fromarray(noisy).save(path))
    monkeypatch.setattr(
        gimp, "added", lambda image, layer, path, name: made.append((np.asarray(PillowImage.open(path)), name, path.parent))
    )
    config = SimpleNamespace(get_property={"strength": 0.5, "keep-grain": 0.0}.__getitem__)
    status, error = gimp.Pellucid().run(PROCEDURE, 1, None, [SimpleNamespace()], config, None)
    assert (status, error) == ("success", None)
    ((values, name, place),) = made
    np.testing.assert_array_equal(values, pellucid.denoise(noisy, strength=0.5))
    assert name == "clean"
    assert not place.exists()


def test_gimp_gets_one_line_when_something_is_wrong(gimp: Any, noisy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(get_property={"strength": 1.0, "keep-grain": 0.0}.__getitem__)
    run = gimp.Pellucid().run
    assert run(PROCEDURE, 1, None, [], config, None) == ("failed", "pellucid works on one layer: choose one")
    monkeypatch.setattr(gimp, "exported", lambda image, layer, path: path.write_bytes(b"no picture"))
    monkeypatch.delenv("PELLUCID", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not in the PATH" in run(PROCEDURE, 1, None, [SimpleNamespace()], config, None)[1]
    monkeypatch.setenv("PELLUCID", str(tmp_path / "nowhere"))
    assert "could not be started" in run(PROCEDURE, 1, None, [SimpleNamespace()], config, None)[1]
    program = tmp_path / "pellucid"
    program.write_text("#!/bin/sh\necho 'pellucid: layer.png: it is damaged' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PELLUCID", str(program))
    assert run(PROCEDURE, 1, None, [SimpleNamespace()], config, None)[1] == "pellucid: layer.png: it is damaged"


IN_GIMP = """
import gi
gi.require_version("Gimp", "3.0")
from gi.repository import Gimp, Gio
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("FOLDER/in.png"))
(layer,) = image.get_layers()
layer.set_offsets(5, 7)
procedure = Gimp.get_pdb().lookup_procedure("plug-in-pellucid-denoise")
config = procedure.create_config()
config.set_property("image", image)
config.set_core_object_array("drawables", [layer])
procedure.run(config)
above, below = image.get_layers()
print("made", above.get_name(), above.get_offsets()[1:], below.get_name())
image.remove_layer(below)
# A file holds what lies on the canvas.
above.set_offsets(0, 0)
Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path("FOLDER/out.png"), None)
"""


@pytest.mark.skipif(shutil.which("gimp-console-3.0") is None or shutil.which("xvfb-run") is None, reason="no GIMP 3 and xvfb here")
def test_gimp_itself_runs_the_plug_in(noisy: Any, tmp_path: Path) -> None:
    shutil.copytree(GIMP.parent, tmp_path / ".config" / "GIMP" / "3.0" / "plug-ins" / "pellucid")
    program = tmp_path / "pellucid"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pellucid "$@"\n')
    program.chmod(0o755)
    PillowImage.fromarray(noisy).save(tmp_path / "in.png")
    (tmp_path / "do.py").write_text(IN_GIMP.replace("FOLDER", str(tmp_path)))
    command = [
        "xvfb-run",
        "-a",
        "gimp-console-3.0",
        "-i",
        "--batch-interpreter",
        "python-fu-eval",
        "-b",
        f'exec(open("{tmp_path}/do.py").read())',
        "--quit",
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = {**kept, "HOME": str(tmp_path), "PELLUCID": str(program)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "clean" in done.stdout, done.stderr
    with PillowImage.open(tmp_path / "out.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pellucid.denoise(noisy))
