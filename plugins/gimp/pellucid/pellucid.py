#!/usr/bin/env python3
"""A plug-in for GIMP 3: a layer without its noise, or without its background, as a new layer above it, by the program pellucid.

Copy this folder to the folder ``plug-ins`` of GIMP's settings (``~/.config/GIMP/3.0/plug-ins/pellucid/pellucid.py`` on Linux; the
file must be executable), and have ``pellucid`` in the PATH, or name it in the environment variable PELLUCID. It appears under
*Filters > Enhance*. The layer itself stays as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp, Gio, GLib, GObject  # noqa: E402

TASKS = {
    "plug-in-pellucid-denoise": (
        "denoise",
        "Take out _noise (pellucid)...",
        "Measures the noise of the layer and takes it out",
        "clean",
    ),
    "plug-in-pellucid-cutout": ("cutout", "_Cut out (pellucid)...", "Takes away the background of the layer", "cut out"),
}
"""Procedure -> the command, its place in the menu, what it does, what is added to the layer's name."""

PLAIN = (Gimp.Precision.U8_LINEAR, Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL)
"""Pictures of 8 bits. All others are worked on in 16."""


class PluginError(Exception):
    """Something that the user can mend, in a line."""


def program() -> str:
    """Where pellucid is."""
    found = os.environ.get("PELLUCID") or shutil.which("pellucid")
    if not found:
        raise PluginError("the program pellucid is not in the PATH: pipx install pellucid")
    return found


def exported(image: Any, layer: Any, path: Path) -> None:
    """Writes the layer alone, in the colours of its picture, with nothing of its mode, opacity or mask."""
    precision = Gimp.Precision.U8_NON_LINEAR if image.get_precision() in PLAIN else Gimp.Precision.U16_NON_LINEAR
    alone = Gimp.Image.new_with_precision(layer.get_width(), layer.get_height(), image.get_base_type(), precision)
    try:
        profile = image.get_color_profile()
        if profile is not None:
            alone.set_color_profile(profile)
        copy = Gimp.Layer.new_from_drawable(layer, alone)
        alone.insert_layer(copy, None, 0)
        if copy.get_mask() is not None:
            copy.remove_mask(Gimp.MaskApplyMode.DISCARD)
        copy.set_offsets(0, 0)
        copy.set_opacity(100)
        copy.set_mode(Gimp.LayerMode.NORMAL)
        copy.set_visible(True)
        if not Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, alone, Gio.File.new_for_path(str(path)), None):
            raise PluginError("the layer could not be written")
    finally:
        alone.delete()


def restored(command: str, options: list[str], source: Path, target: Path) -> None:
    """Runs pellucid. Raises `PluginError` with its own line."""
    try:
        done = subprocess.run(
            [program(), command, str(source), "-o", str(target), *options],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise PluginError(f"pellucid could not be started: {error}") from error
    if done.returncode != 0:
        raise PluginError((done.stderr.strip().splitlines() or [f"pellucid ended with status {done.returncode}"])[-1])


def added(image: Any, layer: Any, path: Path, name: str) -> None:
    """Puts the picture in a file above the layer, at its place."""
    above = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(path)))
    image.undo_group_start()
    try:
        above.set_name(f"{layer.get_name()} {name}")
        image.insert_layer(above, layer.get_parent(), image.get_item_position(layer))
        found, left, top = layer.get_offsets()
        above.set_offsets(left if found else 0, top if found else 0)
    finally:
        image.undo_group_end()
    Gimp.displays_flush()


def work(task: tuple[str, str, str, str], image: Any, layer: Any, options: list[str]) -> None:
    """One layer, from the picture to the new layer above it."""
    command, _, _, name = task
    Gimp.progress_init(f"pellucid {command}")
    with tempfile.TemporaryDirectory(prefix="pellucid-gimp-") as folder:
        source, target = Path(folder) / "layer.png", Path(folder) / "output.png"
        exported(image, layer, source)
        Gimp.progress_pulse()
        restored(command, options, source, target)
        added(image, layer, target, name)
    Gimp.progress_end()


class Pellucid(Gimp.PlugIn):
    """The plugin as GIMP loads it: its procedures, and how each is called."""

    def do_set_i18n(self, name: str) -> bool:
        return False

    def do_query_procedures(self) -> list[str]:
        return list(TASKS)

    def do_create_procedure(self, name: str) -> Any:
        command, label, blurb, _ = TASKS[name]
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, self.run, None)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label(label)
        procedure.add_menu_path("<Image>/Filters/Enhance")
        procedure.set_documentation(blurb, f"{blurb}; the output is a new layer above it.", name)
        procedure.set_attribution("The pellucid authors", "The pellucid authors", "2026")
        if command == "denoise":
            flags = GObject.ParamFlags.READWRITE
            procedure.add_double_argument("strength", "_Strength", "How much of the noise goes: 1 all, 0 nothing", 0, 2, 1, flags)
            procedure.add_double_argument("keep-grain", "Keep _grain", "The share of the finest grain that stays", 0, 1, 0, flags)
        return procedure

    def run(self, procedure: Any, mode: Any, image: Any, drawables: list[Any], config: Any, data: Any) -> Any:
        task = TASKS[procedure.get_name()]
        if len(drawables) != 1 or not isinstance(drawables[0], Gimp.Layer):
            return self.failure(procedure, "pellucid works on one layer: choose one")
        if mode == Gimp.RunMode.INTERACTIVE and task[0] == "denoise" and not self.asked(procedure, config, task[2]):
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
        options = []
        if task[0] == "denoise":
            for name in ("strength", "keep-grain"):
                options += [f"--{name}", f"{config.get_property(name):.3f}"]
        try:
            work(task, image, drawables[0], options)
        except PluginError as error:
            return self.failure(procedure, str(error))
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)

    def asked(self, procedure: Any, config: Any, title: str) -> bool:
        gi.require_version("GimpUi", "3.0")
        from gi.repository import GimpUi

        GimpUi.init("pellucid")
        dialog = GimpUi.ProcedureDialog.new(procedure, config, title)
        dialog.fill(None)
        answer = bool(dialog.run())
        dialog.destroy()
        return answer

    def failure(self, procedure: Any, line: str) -> Any:
        error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), line, 0)
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)


Gimp.main(Pellucid.__gtype__, sys.argv)
