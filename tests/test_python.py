"""Python as a product: what is exported, typed and documented; arrays of every kind; saving with metadata."""

from __future__ import annotations

import doctest
import inspect
import pickle
import runpy
import subprocess
import sys
import typing
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import cli, errors, images, samples
from pellucid.errors import ImageError, OptionError
from pellucid.tasks import TASKS, commands


def test_every_public_name_is_there_and_typed() -> None:
    assert set(errors.__all__) <= set(pellucid.__all__)
    assert {"Restorer", "Restoration", "Diagnosis", "Image", *commands()} <= set(pellucid.__all__)
    assert set(pellucid.__all__) <= set(dir(pellucid))
    for name in pellucid.__all__:
        found = getattr(pellucid, name)
        if callable(found):
            typing.get_type_hints(found)
            assert found.__doc__
        for attribute, value in vars(found).items() if isinstance(found, type) else ():
            if not attribute.startswith("_"):
                typing.get_type_hints(value.fget if isinstance(value, property) else value) if callable(value) else None
    with pytest.raises(AttributeError, match="fog"):
        _ = pellucid.fog  # type: ignore[attr-defined]


def test_the_stub_is_as_the_rows_make_it() -> None:
    stubs = runpy.run_path(str(Path(__file__).with_name("stubs.py")))
    assert stubs["STUB"].read_text("utf-8") == stubs["made"](), "run 'make stubs'"


def test_the_package_needs_neither_numpy_nor_an_engine_until_it_is_used() -> None:
    code = "import sys, pellucid; print([name for name in ('numpy', 'openvino', 'onnxruntime', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_begins_with_the_functions() -> None:
    text = inspect.getdoc(pellucid)
    assert text is not None
    first = text.split("\n\n")[2]
    assert all(f"pellucid.{name}(" in first for name in (*commands(), "restore", "inspect", "read", "write", "load"))


SOURCE = Path(pellucid.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(("pellucid", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    for name in ("noisy.jpg", "small.png"):
        PillowImage.fromarray(samples.photograph()[100:148, 200:264]).save(name)
    return tmp_path


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_run(name: str, folder: Path) -> None:
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_most_modules_that_people_import_have_examples() -> None:
    assert {"pellucid", "pellucid.api", "pellucid.restorer", "pellucid.images", "pellucid.diagnosis"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("name", ["restore", "run", "inspect", "load", "read", "write", *commands()])
def test_every_function_has_an_example_that_runs(name: str, folder: Path) -> None:
    (found,) = doctest.DocTestFinder(recurse=False).find(getattr(pellucid, name), name, module=False, globs={})
    assert found.examples
    assert not any(doctest.SKIP in example.options for example in found.examples)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found).failed == 0


@pytest.mark.parametrize("name", commands())
def test_each_task_has_a_function_with_its_settings(name: str) -> None:
    function = getattr(pellucid, name)
    assert function.__name__ == name
    parameters = inspect.signature(function).parameters
    assert set(TASKS[name].settings.names()) < set(parameters)
    assert all(row.help in function.__doc__ for row in TASKS[name].settings.declared())
    array = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    np.testing.assert_array_equal(function(array), pellucid.restore(array, model=TASKS[name].model))
    with pytest.raises(OptionError, match="'fog' is not a setting here"):
        function(array, fog=1)
    other = next(row for row in commands().values() if row.name != name)
    with pytest.raises(OptionError, match=rf"pellucid\.{other.name} takes it"):
        function(array, model=other.model)


def test_restore_takes_the_settings_of_the_model_that_is_named() -> None:
    array = np.zeros((20, 30), np.uint8)
    assert pellucid.restore(array, model="upscale", scale=2).shape == (40, 60)
    with pytest.raises(OptionError, match="'scale' is not a setting here; the settings are sigma"):
        pellucid.restore(array, scale=2)
    for wrong in ("25", b"25", True, [25]):
        with pytest.raises(OptionError, match="sigma must be a number"):
            pellucid.restore(array, sigma=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "uint32", "float16", "uint8", "float32"])
def test_stacks_and_every_dtype_are_taken_as_the_command_line_takes_them(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values: NDArray[Any] = (
        rng.random((3, 24, 36)) if dtype.startswith("f") else rng.integers(0, 2 if dtype == "bool" else 100, (3, 24, 36))
    )
    stack = values.astype(dtype)
    output = pellucid.denoise(stack, sigma=10)
    assert (output.shape, output.dtype) == (stack.shape, stack.dtype)
    np.save(tmp_path / "a.npy", stack)
    assert cli.main(["denoise", str(tmp_path / "a.npy"), "-o", str(tmp_path / "b.npy"), "--sigma", "10"]) == 0
    np.testing.assert_array_equal(output, np.load(tmp_path / "b.npy"))
    # One image of it, by itself, where the range is not the page's own.
    if dtype in ("bool", "uint8", "float32", "float16"):
        np.testing.assert_array_equal(output[1], pellucid.denoise(stack[1], sigma=10))


def test_range_and_axes_say_how_an_array_is_read() -> None:
    rng = np.random.default_rng(0)
    counts = (rng.random((20, 30, 2, 3)) * 4095).astype(np.uint16)
    output = pellucid.denoise(counts, sigma=10, range=(0, 4095), axes="YXZS")
    assert (output.shape, output.dtype) == (counts.shape, counts.dtype)
    assert output.max() <= 4095
    for index in range(2):
        np.testing.assert_array_equal(output[:, :, index], pellucid.denoise(counts[:, :, index], sigma=10, range=(0, 4095)))
    large = pellucid.upscale(np.zeros((2, 10, 12), np.int16), scale=3, range=(-10, 10))
    assert large.shape == (2, 30, 36)
    for axes in ("YX", "YXZZ", "ABCD"):
        with pytest.raises(OptionError, match="axes"):
            pellucid.denoise(counts, axes=axes)
    with pytest.raises(OptionError, match="range and axes"):
        pellucid.denoise(images.from_array(counts[:, :, 0]), axes="YXS")
    for shape in ((7,), (), (0, 3), (20, 30, 2)):
        with pytest.raises(ImageError, match=r"is not an image|no pixels"):
            pellucid.denoise(np.zeros(shape))
    assert pellucid.denoise(np.zeros((20, 30, 2)), axes="ZYX", sigma=10).shape == (20, 30, 2)


@pytest.mark.parametrize("wrong", ["0:255", "dtpye", None, 7, (0,), (5, 5), (0, np.nan), (0, "255"), (False, True)])
def test_a_range_that_is_none_is_refused_and_not_taken_for_auto(wrong: Any, tmp_path: Path) -> None:
    picture = np.full((20, 30), 100, np.uint8)
    pellucid.write(tmp_path / "a.png", picture)
    calls: tuple[Callable[..., Any], ...] = (pellucid.denoise, pellucid.inspect)
    for call in calls:
        for image in (picture, picture.astype(np.float32), tmp_path / "a.png"):
            with pytest.raises(OptionError, match=r"^range must be 'auto', 'dtype' or two different numbers"):
                call(image, range=wrong)
    with pytest.raises(OptionError, match=r"^axes must be letters"):
        pellucid.denoise(picture, axes=5)  # type: ignore[call-overload]
    for right in ((0, 255), [0, 255], np.array([0, 255])):
        np.testing.assert_array_equal(pellucid.denoise(picture, range=right, sigma=0), picture)  # type: ignore[call-overload]


def test_facts_are_those_of_the_picture_that_was_given_and_not_of_what_its_array_holds_later() -> None:
    model = pellucid.load("photo-fast")
    noise = np.random.default_rng(0).normal(128, 20, (96, 128)).clip(0, 255).astype(np.uint8)
    buffer = noise.copy()
    result = model.details(buffer, gain=True)
    buffer[:] = 0
    assert result.facts["expected_gain"] == model.expected_gain(noise) > 1


def test_a_model_inspects_whatever_it_restores() -> None:
    model = pellucid.load("photo-fast")
    stack = np.random.default_rng(0).normal(128, 20, (5, 64, 80)).clip(0, 255)
    for image in (
        stack.astype(np.uint8),
        stack[0].astype(np.int16),
        stack[0].astype(np.float16),
        images.from_array(stack[0] / 255),
    ):
        assert str(model.inspect(image)) == str(pellucid.inspect(image))


def test_an_array_is_written_and_a_function_goes_to_another_process(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    pellucid.write(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(images.to_array(pellucid.read(tmp_path / "a.png")), picture)
    for name in commands():
        function = getattr(pellucid, name)
        assert pickle.loads(pickle.dumps(function)) is function
    with pytest.raises(ImageError, match="complex"):
        pellucid.denoise(np.zeros((4, 5), complex))


def test_a_picture_is_saved_with_the_metadata_of_its_source(tmp_path: Path) -> None:
    from PIL import Image as PillowImage

    exif = PillowImage.Exif()
    exif[0x010E] = "a garden"
    noise = np.random.default_rng(0).normal(128, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8)
    PillowImage.fromarray(noise).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300), quality=95)
    picture = pellucid.read(tmp_path / "a.jpg")
    output = pellucid.upscale(pellucid.denoise(picture), scale=2)
    assert isinstance(output, pellucid.Image)
    pellucid.write(tmp_path / "b.jpg", output)
    with PillowImage.open(tmp_path / "b.jpg") as written:
        assert written.size == (100, 80)
        assert written.getexif()[0x010E] == "a garden"
    with pytest.raises(pellucid.FileError, match="exists"):
        pellucid.write(tmp_path / "b.jpg", output)
    pellucid.write(tmp_path / "b.jpg", output, overwrite=True)


class Unreadable:
    """A tensor that NumPy cannot have, as those of other libraries."""

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        raise RuntimeError("it is on another device")


@pytest.mark.parametrize("wrong", [[[1, 2], [3]], Unreadable(), None, {}], ids=["ragged", "tensor", "none", "dict"])
def test_what_is_no_array_is_one_line(wrong: Any, tmp_path: Path) -> None:
    calls: tuple[Callable[[], Any], ...] = (
        lambda: pellucid.denoise(wrong, sigma=10),
        lambda: pellucid.inspect(wrong),
        lambda: pellucid.write(tmp_path / "a.png", wrong),
        lambda: list(pellucid.denoise(iter([wrong]), sigma=10)),
    )
    for call in calls:
        with pytest.raises(pellucid.PellucidError) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_pictures_of_pillow_are_taken_where_their_values_are_light() -> None:
    from PIL import Image as PillowImage

    colour = PillowImage.fromarray(samples.photograph()[100:148, 200:264])
    for mode in ("P", "PA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa"):
        with pytest.raises(pellucid.ImageError, match=f"mode {mode} is not taken: convert it to RGB"):
            pellucid.denoise(colour.convert(mode), sigma=10)
    for mode in ("L", "RGB", "RGBA"):
        np.testing.assert_array_equal(pellucid.denoise(colour.convert(mode), strength=0), np.asarray(colour.convert(mode)))


@pytest.mark.filterwarnings("ignore::pellucid.RangeWarning")
@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", "<f4", ">f8", ">i4", "<i4", ">u4", ">f2"])
def test_the_bytes_of_values_keep_their_order(dtype: str) -> None:
    values = samples.photograph()[100:140, 200:248, 0]
    array = (values / 255 if dtype[1] == "f" else values.astype(int) * 257).astype(dtype)
    for given, call in (
        (array, lambda image: pellucid.denoise(image, strength=0)),
        (array, lambda image: pellucid.run(image, "denoise:strength=0")),
        (np.stack([array, array]).astype(dtype), lambda image: pellucid.denoise(image, strength=0)),
    ):
        output = call(given)
        assert output.dtype.str == np.dtype(dtype).str
        np.testing.assert_allclose(output.astype(float), given.astype(float), rtol=2e-3 if dtype == ">f2" else 1e-6)


def test_names_with_a_nul_are_one_line(tmp_path: Path) -> None:
    name, noise = tmp_path / "a\0.png", samples.photograph()[100:148, 200:264]
    for call in (
        lambda: pellucid.read(name),
        lambda: pellucid.write(name, noise),
        lambda: pellucid.denoise(noise, sigma=10, out=name),
        lambda: pellucid.colorize(noise, like=str(name)),
        lambda: pellucid.load(str(name)),
    ):
        with pytest.raises(pellucid.PellucidError):
            call()


def test_a_file_is_replaced_where_that_is_asked_for_and_the_input_never(tmp_path: Path) -> None:
    source, target, noise = tmp_path / "a.png", tmp_path / "b.png", samples.photograph()[100:148, 200:264]
    pellucid.write(source, noise)
    pellucid.write(target, noise)
    before = source.read_bytes(), target.read_bytes()
    for call in (
        lambda: pellucid.write(target, noise),
        lambda: pellucid.denoise(source, strength=0, out=target),
        lambda: pellucid.run(noise, "denoise:strength=0", out=target),
    ):
        with pytest.raises(pellucid.FileError, match=r"b\.png exists; overwrite=True overwrites it"):
            call()
    (tmp_path / "link.png").symlink_to(source)
    for name in (source, tmp_path / "link.png"):
        with pytest.raises(pellucid.OptionError, match="this is the input"):
            pellucid.denoise(source, strength=0, out=name, overwrite=True)
        for image in (noise, target):
            with pytest.raises(pellucid.OptionError, match="a setting names this file"):
                pellucid.colorize(image, like=source, out=name, overwrite=True)
        with pytest.raises(pellucid.OptionError, match="a setting names this file"):
            pellucid.run(noise, f"denoise+colorize:like={source}", out=name, overwrite=True)
    with pytest.raises(pellucid.PellucidError):
        pellucid.denoise(source, strength=0, out=tmp_path / f"{'n' * 300}.png")
    assert before == (source.read_bytes(), target.read_bytes())
    assert pellucid.denoise(source, sigma=40, out=target, overwrite=True) == target
    assert target.read_bytes() != before[1]


@pytest.mark.filterwarnings("ignore::pellucid.RangeWarning")
@pytest.mark.parametrize("dtype", ["uint32", "int32", "float32", "float64", "uint16"])
def test_nothing_done_to_a_pixel_leaves_it_to_the_bit(dtype: str) -> None:
    values = np.random.default_rng(1).uniform(0, 1, (2, 40, 48))
    unit = {"uint32": 2.0**32 - 1, "int32": 2.0**31 - 1, "uint16": 65535.0}.get(dtype, 1234.5678)
    stack, half = (values * unit).astype(dtype), np.zeros((40, 48))
    half[:, 24:] = 1
    model = pellucid.load("photo-fast")
    for array in (stack, stack[0]):
        output = model.restore(array, sigma=10, mask=half)
        np.testing.assert_array_equal(output[..., :24], array[..., :24])
        assert (output[..., 24:] != array[..., 24:]).mean() > 0.9
        np.testing.assert_array_equal(model.restore(array, sigma=10, strength=0), array)


def test_models_and_diagnoses_have_readable_names() -> None:
    assert repr(pellucid.load("photo")).startswith("<Restorer 'photo' for denoise: gray photo-gray, colour photo-color")
    assert repr(pellucid.inspect(np.full((64, 64), 0.5))) == "<Diagnosis: no noise to speak of>"
