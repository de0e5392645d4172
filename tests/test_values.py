"""Which values are black and white, and which are no image: found from the values, with the right value beside each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import pellucid
from pellucid import batch, comparing, files, images, masks, plan, ranges, restorer, working
from pellucid.errors import ImageError, RangeWarning
from pellucid.files import base

SIDE = 160


@pytest.fixture(scope="module")
def gray(photograph: NDArray[np.float64]) -> NDArray[np.float64]:
    """A part of the photograph, (160, 160) in [0, 1]."""
    return images.gray(photograph)[120 : 120 + SIDE, 200 : 200 + SIDE, 0].astype(np.float64)


def noisy(clean: NDArray[np.float64], sigma: float, seed: int = 0) -> NDArray[np.float64]:
    """With Gaussian noise of ``sigma`` in 8-bit levels, and clipped, as a file has it."""
    return np.clip(clean + sigma / 255 * np.random.default_rng(seed).standard_normal(clean.shape), 0, 1)


def error(left: NDArray[Any], right: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """The root mean square of the difference."""
    off = left.astype(np.float64) - right.astype(np.float64)
    return float(np.sqrt(np.mean((off if where is None else off[where]) ** 2)))


def restored(path: Path) -> tuple[Path, batch.Outcome]:
    """The file, denoised as the command line does it, and its outcome."""
    (outcome,) = batch.restore_files(plan.plan([path], path.with_name(f"out-{path.name}")), pellucid.load("photo"))
    assert outcome.error is None
    return outcome.output, outcome


# -- the range --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("share", [1.0, 0.6], ids=["to the top", "less"])
def test_counts_in_sixteen_bits_are_restored_as_counts(gray: NDArray[np.float64], tmp_path: Path, bits: int, share: float) -> None:
    top = 2**bits - 1
    clean = gray / gray.max() * share
    counts = np.rint(noisy(clean, 12) * top).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", counts, metadata=None)
    output, outcome = restored(tmp_path / "a.tif")
    after = tifffile.imread(output)
    assert after.dtype == np.uint16
    assert error(after, clean * top) < 0.65 * error(counts, clean * top)
    assert outcome.remarks == (f"values: black is 0, white {top}, estimated from the values (--range LO:HI sets them)",)
    # The output equals that of the stated range, and Python's.
    np.testing.assert_array_equal(after, pellucid.denoise(counts, range=(0, top)))
    np.testing.assert_array_equal(after, pellucid.denoise(counts))


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_counts_in_the_upper_bits_have_the_largest_of_them_as_white(gray: NDArray[np.float64], bits: int) -> None:
    low = 16 - bits
    top = 2**bits - 1 << low
    clean = np.minimum(1.6 * gray / gray.max(), 1)
    counts = np.rint(noisy(clean, 30, seed=2) * (2**bits - 1)).astype(np.uint16) << low
    with pytest.warns(RangeWarning, match=f"black is 0, white {top},"):
        output = pellucid.denoise(counts)
    # Where noise was cut off at white, that is known.
    np.testing.assert_array_equal(output, pellucid.denoise(counts, range=(0, top)))
    assert error(output, clean * top) < error(pellucid.denoise(counts, range="dtype"), clean * top)


@pytest.mark.parametrize(
    ("low", "high", "stranger", "ends"),
    [(0, 4000, 60000, (0, 4095)), (28000, 30500, 0, None), (271, 314, 0, None), (0, 900, 20000, (0, 1023))],
)
def test_one_value_far_beyond_the_counts_does_not_set_their_range(
    low: int, high: int, stranger: int, ends: tuple[int, int] | None
) -> None:
    values = np.linspace(low, high, 10_000).astype(np.uint16).reshape(100, 100)
    values[40, 50] = stranger
    image = images.from_values(values, "auto")
    assert (image.black, image.white) == (ends or (low, high))
    assert image.mask is not None
    assert np.argwhere(~np.asarray(image.mask.valid)).tolist() == [[40, 50]]
    # A bright star is no stranger: there are values on the way to it.
    values[10] = np.linspace(high, 60000, 100)
    assert images.from_values(values, "auto").white is None


@pytest.mark.parametrize("largest", [16384, 40000, 65535])
def test_sixteen_bits_that_use_their_range_keep_it(largest: int) -> None:
    values = np.linspace(0, largest, 10_000).astype(np.uint16).reshape(100, 100)
    image = images.from_values(values, "auto")
    assert (image.black, image.white, image.mask, image.remarks) == (0, None, None, ())


def test_a_dark_photograph_with_a_profile_is_not_counts(tmp_path: Path) -> None:
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    dark = np.random.default_rng(0).integers(0, 4096, (40, 50, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", dark, metadata=None, photometric="rgb", iccprofile=icc)
    files.write(tmp_path / "a.png", replace(images.from_array(dark), icc=icc))
    assert files.read(tmp_path / "a.tif").white is None
    assert files.read(tmp_path / "a.png").white is None


def test_a_black_picture_has_no_range_of_its_own() -> None:
    for value in (0, 0.0):
        image = images.from_values(
            np.full((9, 9), value, np.uint16 if value == 0 and isinstance(value, int) else np.float32), "auto"
        )
        assert (image.white, image.remarks) == (None, ())


@pytest.mark.parametrize("scale", [255.0, 4095.0, 1e-10, 3e6], ids=str)
def test_floats_of_any_scale_come_back_clean(gray: NDArray[np.float64], scale: float) -> None:
    array = (noisy(gray, 15) * scale).astype(np.float32)
    output = pellucid.denoise(array)
    assert output.dtype == np.float32
    assert error(output, gray * scale) < 0.6 * error(array, gray * scale)
    if scale == 255:
        # Exactly what the same levels give in [0, 1].
        np.testing.assert_allclose(output, 255 * pellucid.denoise(array / np.float32(255)), atol=0.01)


SCALES = (1e-300, 1e-5, 0.999 / 255, 1.001, 1.02, 1.1, 1.5, 2.0, 3.0, 4.0, 100.0, 300.0, 1e300)


@pytest.mark.parametrize("noise", [0, 15], ids=["clean", "noisy"])
@pytest.mark.parametrize("scale", SCALES)
def test_floats_above_one_or_below_a_level_have_their_own_range(gray: NDArray[np.float64], scale: float, noise: float) -> None:
    """The range found equals the range given, and a remark names it, in Python as for files."""
    array = noisy((gray - gray.min()) / (gray.max() - gray.min()), noise)
    array *= scale / array.max()
    image, stated = images.from_array(array, "auto"), images.from_array(array, (0, scale))
    assert (image.black, image.white) == (0, pytest.approx(scale))
    np.testing.assert_allclose(image.pixels, stated.pixels, rtol=0, atol=1e-6)
    (remark,) = image.remarks
    assert remark == f"values: black is 0, white {scale:.6g}, estimated from the values (--range LO:HI sets them)"
    assert images.from_values(array, "auto").remarks == image.remarks


@pytest.mark.parametrize("scale", [1 / 255, 0.01, 0.5, 1.0])
def test_floats_within_one_have_no_range_of_their_own(gray: NDArray[np.float64], scale: float) -> None:
    array = gray / gray.max() * scale
    for dtype in (np.float32, np.float64):
        image = images.from_array(array.astype(dtype), "auto")
        assert (image.black, image.white, image.mask, image.remarks) == (0, None, None, ())


@pytest.mark.parametrize("scale", [1.02, 1.5, 3.0, 1e-3])
def test_nothing_above_one_is_cut_and_python_says_how_it_was_read(gray: NDArray[np.float64], tmp_path: Path, scale: float) -> None:
    array = (noisy(gray / gray.max(), 15) * scale).astype(np.float32)
    with pytest.warns(RangeWarning, match=r"black is 0, white .*range=\(LO, HI\)") as said:
        output = pellucid.denoise(array)
    assert said[0].filename == __file__
    assert error(output, gray / gray.max() * scale) < 0.6 * error(array, gray / gray.max() * scale)
    assert output.max() > 0.9 * scale
    np.testing.assert_array_equal(output, pellucid.denoise(array, range=(float(array.min()), float(array.max()))))
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(output, np.load(restored(tmp_path / "a.npy")[0]))
    # A file of whole numbers holds all of it, too.
    with pytest.warns(RangeWarning):
        pellucid.denoise(array, out=tmp_path / "a.png")
    levels = images.to_array(files.read(tmp_path / "a.png"))
    np.testing.assert_allclose(levels / np.iinfo(levels.dtype).max * array.max(), output, atol=scale / 255)


def test_an_array_that_is_written_is_not_cut(gray: NDArray[np.float64], tmp_path: Path) -> None:
    array = (255 * gray / gray.max()).astype(np.float32)
    with pytest.warns(RangeWarning, match="white 255"):
        pellucid.write(tmp_path / "a.png", array)
    levels = images.to_array(files.read(tmp_path / "a.png")).astype(float)
    np.testing.assert_allclose(levels / levels.max(), array / 255, atol=1 / 255)
    pellucid.write(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)


@pytest.mark.parametrize("sigma", [5, 15, 25, 50, 75])
def test_noise_around_a_picture_in_the_unit_is_told_from_a_range(gray: NDArray[np.float64], sigma: float) -> None:
    noise = sigma / 255 * np.random.default_rng(sigma).standard_normal(gray.shape)
    colour = np.dstack([gray, gray**2, gray[::-1]])
    for array in (gray + noise, (colour + noise[..., None]).astype(np.float32), 0.7 + noise[:64, :64], np.pad(gray + noise, 20)):
        image = images.from_array(array, "auto")
        assert (image.black, image.white) == (0, None)
        assert [remark.split(" (")[0] for remark in image.remarks] == (
            ["values: black is 0, white 1, and what lies beyond"] if array.min() < 0 or array.max() > 1 else []
        )
    # A picture whose highlights lie above 1 is none in it, nor are values around 0.
    for array in (np.where(gray > 0.6, 3 * gray, gray) + noise, 3 * noise):
        image = images.from_array(array, "auto")
        assert (image.black, image.white) == (array.min(), array.max())


@pytest.mark.parametrize("scale", [1e-4, 1.5, 255.0])
def test_a_stack_of_small_images_has_one_range(gray: NDArray[np.float64], scale: float) -> None:
    stack = (noisy(gray / gray.max(), 15).reshape(10, 16, SIDE) * scale / 2).astype(np.float32)
    stack[3] *= scale / stack[3].max()
    # In float32: bfloat16 makes steps out of a last bit that differs.
    model = restorer.load("photo-fast-gray", engine="onnxruntime")
    with pytest.warns(RangeWarning, match=f"white {scale:.6g}"):
        output = model.restore_batch(stack, sigma=15)
    np.testing.assert_allclose(output, scale * model.restore_batch(stack / np.float32(scale), sigma=15, range="dtype"), rtol=1e-5)
    counts = np.rint(stack / stack.max() * 4095).astype(np.uint16)
    with pytest.warns(RangeWarning, match="white 4095"):
        output = model.restore_batch(counts, sigma=15)
    assert np.abs(output / 4095 - model.restore_batch(counts / np.float32(4095), sigma=15, range="dtype")).max() < 2e-4


def test_frames_of_one_clip_have_one_range() -> None:
    frames = [np.full((24, 24), 0.0), *(np.linspace(0, top, 576).reshape(24, 24) for top in (2.0, 1.5, 0.5))]
    with pytest.warns(RangeWarning, match="white 2"):
        outputs = list(pellucid.denoise(iter(frames[1:]), sigma=0, model="photo-fast-gray"))
    for frame, output in zip(frames[1:], outputs, strict=True):
        np.testing.assert_allclose(output, frame, atol=1e-6)


@pytest.mark.parametrize("low", [0, 7000, 29_000])
def test_temperatures_in_sixteen_bits_are_told_by_their_span(gray: NDArray[np.float64], tmp_path: Path, low: int) -> None:
    clean = low + 700 * gray
    counts = np.rint(low + 700 * noisy(gray, 15)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", counts, metadata=None)
    after = tifffile.imread(restored(tmp_path / "a.tif")[0])
    assert error(after, clean) < 0.65 * error(counts, clean)


@pytest.mark.parametrize("ends", [(-1.0, 1.0), (-2.1, 2.6), (-128.0, 127.0)], ids=str)
def test_floats_around_zero_are_not_cut_at_it(gray: NDArray[np.float64], ends: tuple[float, float]) -> None:
    low, high = ends
    array, clean = (low + (high - low) * part for part in (noisy(gray, 15).astype(np.float32), gray))
    assert error(pellucid.denoise(array), clean) < 0.6 * error(array, clean)


def test_strong_noise_around_black_is_no_picture_around_zero() -> None:
    dark = np.zeros((160, 160)) + 0.01
    dark[60:100, 60:100] = 0.9
    array = dark + 50 / 255 * np.random.default_rng(0).standard_normal(dark.shape)
    image = images.from_array(array, "auto")
    assert (image.black, image.white) == (0, None)


@pytest.mark.parametrize("hot", [1e6, -1e6, 50.0, np.inf])
@pytest.mark.parametrize("top", [1.0, 255.0])
def test_one_hot_float_does_not_set_the_range(gray: NDArray[np.float64], tmp_path: Path, hot: float, top: float) -> None:
    array = (noisy(gray, 15) * top).astype(np.float32)
    array[70, 40] = hot * top
    np.save(tmp_path / "a.npy", array)
    output, outcome = restored(tmp_path / "a.npy")
    after = np.load(output)
    assert after[70, 40] == array[70, 40]
    there = np.arange(array.size).reshape(array.shape) != 70 * SIDE + 40
    assert error(after, gray * top, there) < 0.6 * error(array, gray * top, there)
    assert any("stay as they are" in remark for remark in outcome.remarks)
    np.testing.assert_array_equal(pellucid.denoise(array), after)


@pytest.mark.parametrize("stranger", [-9999, -32768, 1e20, -3.4028235e38, 0])
@pytest.mark.parametrize("share", [0.001, 0.3])
def test_a_value_far_beyond_the_others_is_no_image(
    gray: NDArray[np.float64], tmp_path: Path, stranger: float, share: float
) -> None:
    heights = (1200 + 80 * noisy(gray, 8)).astype(np.float32)
    there = np.random.default_rng(1).random(heights.shape) >= share
    heights[~there] = stranger
    np.save(tmp_path / "a.npy", heights)
    output, outcome = restored(tmp_path / "a.npy")
    after = np.load(output)
    assert after[~there].tobytes() == heights[~there].tobytes()
    clean = 1200 + 80 * gray
    assert error(after, clean, there) < 0.75 * error(heights, clean, there)
    assert any(f"({np.float32(stranger):.10g}" in remark for remark in outcome.remarks)


def test_strangers_in_whole_numbers() -> None:
    rng = np.random.default_rng(0)
    for dtype, stranger in (("int16", -32768), ("int32", -(2**31)), ("int16", 32767), ("uint16", 65535), ("uint32", 4294967295)):
        values = rng.integers(100, 900, (50, 60)).astype(dtype)
        values[:5] = stranger
        image = images.from_values(values, "auto")
        assert image.mask is not None
        np.testing.assert_array_equal(image.mask.valid, values != stranger)
        assert image.white is not None
        assert image.white <= 1023
        np.testing.assert_array_equal(images.to_array(image), values)


def test_no_stranger_is_seen_where_all_values_are_an_image() -> None:
    rng = np.random.default_rng(0)
    page = np.where(rng.random((80, 80)) < 0.1, 0.0, 255.0)
    clipped = np.clip(rng.normal(180, 80, (80, 80)), 0, 255)
    few = rng.choice([0.0, 100.0, 255.0], (80, 80))
    speckle = rng.exponential(40.0, (300, 300))
    for array in (page, clipped, few, speckle):
        image = images.from_values(array, "auto")
        assert image.mask is None
        assert (image.black, image.white) == (array.min() if array is speckle else 0, array.max() if array is speckle else 255)


@pytest.mark.parametrize("banded", [False, True], ids=["whole", "in bands"])
@pytest.mark.parametrize("given", ["auto", "dtype", (-1000, 2000), (3500, 0)])
@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("tiff", 0, 4095),
        ("tiff", 90, 16000),
        ("tiff", 0, 65535),
        ("dicom", 0, 4000),
        ("dicom", 28000, 31000),
        ("signed", -700, 2000),
    ],
)
def test_where_zero_is_white_black_and_white_are_values_of_the_file(
    gray: NDArray[np.float64],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    low: int,
    high: int,
    given: ranges.Range,
    banded: bool,
) -> None:
    if banded:
        monkeypatch.setattr(base, "BANDED", 1000)
    scaled = (gray - gray.min()) / np.ptp(gray)
    values = np.rint(low + scaled * (high - low)).astype("int16" if kind == "signed" else "uint16")
    if high < 20000:
        values[40, 50] = np.iinfo(values.dtype).max
    read = []
    for dark in (True, False):
        if kind == "tiff":
            path = tmp_path / f"{dark}.tif"
            tifffile.imwrite(path, values, photometric="minisblack" if dark else "miniswhite", metadata=None)
        else:
            from tests.test_formats import dicom

            path = tmp_path / f"{dark}.dcm"
            dicom(path, values, stored=16, photometric="MONOCHROME2" if dark else "MONOCHROME1")
        read.append(files.read(path, value_range=given))
    # A picture and its negative: the same values are no image, and the same two are the ends of the range.
    image, negative = read
    assert sorted(negative.ends) == sorted(image.ends)
    assert negative.ends[0] > negative.ends[1]
    assert [remark for remark in negative.remarks if not remark.startswith(ranges.SAID)] == [
        remark for remark in image.remarks if not remark.startswith(ranges.SAID)
    ]
    if given == "auto" and image.remarks:
        assert f"black is {negative.ends[0]:.6g}, white {negative.ends[1]:.6g}, " in negative.remarks[0]
    light, shade = (images.as_pixels(each, images.whole(each.pixels)) for each in read)
    np.testing.assert_allclose(shade, light if image.ends[0] > image.ends[1] else 1 - light, atol=1e-5)


def test_pictures_whose_zero_is_white_are_compared_on_the_scale_of_the_first(gray: NDArray[np.float64], tmp_path: Path) -> None:
    counts = np.rint(3000 * gray).astype(np.uint16)
    pairs = []
    for kind in ("minisblack", "miniswhite"):
        for name, values in (("first", counts), ("second", counts // 2 + 700)):
            tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric=kind, metadata=None)
        pairs.append(comparing.read(tmp_path / "first.tif", tmp_path / "second.tif"))
    dark, light = pairs
    np.testing.assert_allclose(light.one, 1 - dark.one, atol=1e-6)
    np.testing.assert_allclose(light.other, 1 - dark.other, atol=1e-6)
    assert "black is 4095, white 0 in both" in light.remarks[0]


def test_what_the_range_is_told_as_is_what_it_is() -> None:
    values = np.array([[0, 5], [4000, 65535]], np.uint16)
    assert images.from_values(values, (0, 4095)).white == 4095
    assert images.from_values(values, "dtype").mask is None
    assert ranges.parse_range("0:4095") == (0, 4095)


# -- what is no image -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tag", "NaN"])
@pytest.mark.parametrize("place", ["a corner", "holes"])
def test_nodata_of_a_tiff_comes_back_to_the_bit(gray: NDArray[np.float64], tmp_path: Path, kind: str, place: str) -> None:
    heights = (1200 + 80 * noisy(gray, 8)).astype(np.float32)
    there = np.random.default_rng(1).random(heights.shape) >= 0.05
    if place == "a corner":
        there[:] = True
        there[:50, :70] = False
    heights[~there] = np.nan if kind == "NaN" else -9999
    tags = [(42113, "s", 0, "nan" if kind == "NaN" else "-9999", True)]
    tifffile.imwrite(tmp_path / "a.tif", heights, metadata=None, extratags=tags)
    output, outcome = restored(tmp_path / "a.tif")
    after = tifffile.imread(output)
    assert after[~there].tobytes() == heights[~there].tobytes()
    assert error(after, 1200 + 80 * gray, there) < 0.7 * error(heights, 1200 + 80 * gray, there)
    assert any(("NaN" if kind == "NaN" else "nodata -9999") in remark for remark in outcome.remarks)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(
    ("dtype", "padding", "limit"), [("int16", -2000, None), ("uint16", 65535, None), ("uint16", 0, 3), ("int16", -2000, -1900)]
)
def test_padding_of_dicom_comes_back_exactly(
    gray: NDArray[np.float64], tmp_path: Path, photometric: str, dtype: str, padding: int, limit: int | None
) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    from tests.test_formats import dicom

    clean = 400 + 900 * gray if dtype == "uint16" else 900 * gray - 300
    values = np.rint(clean + 60 * np.random.default_rng(0).standard_normal(clean.shape)).astype(dtype)
    there = np.hypot(*(np.indices(values.shape) - SIDE / 2)) < 70
    values[~there] = padding if limit is None else np.where(np.arange(np.count_nonzero(~there)) % 2, padding, limit)
    dicom(tmp_path / "a.dcm", values, stored=16, photometric=photometric)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.add_new("PixelPaddingValue", "SS" if dtype == "int16" else "US", padding)
    if limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", "SS" if dtype == "int16" else "US", limit)
    dataset.save_as(tmp_path / "a.dcm")
    output, outcome = restored(tmp_path / "a.dcm")
    after = pydicom.dcmread(output).pixel_array
    np.testing.assert_array_equal(after[~there], values[~there])
    assert error(after, clean, there) < 0.6 * error(values, clean, there)
    said = f"padding {padding}" if limit is None else f"padding {min(padding, limit)} to {max(padding, limit)}"
    assert any(remark.startswith(f"{said}: ") for remark in outcome.remarks)
    (large,) = batch.restore_files(plan.plan([tmp_path / "a.dcm"], tmp_path / "large.dcm"), pellucid.load("upscale"))
    wide = pydicom.dcmread(large.output).pixel_array
    np.testing.assert_array_equal(
        wide[~there.repeat(2, 0).repeat(2, 1)], values.repeat(2, 0).repeat(2, 1)[~there.repeat(2, 0).repeat(2, 1)]
    )


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 0), ("uint8", 255), ("int16", -32768), ("uint16", 65535), ("float32", -3.4028234663852886e38)]
)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_nodata_of_every_depth(tmp_path: Path, gray_model: Path, dtype: str, nodata: float, channels: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(20, 240, (60, 70, channels)).astype(dtype)
    there = rng.random((60, 70)) > 0.2
    values[~there] = np.array(nodata, dtype)
    photometric = "rgb" if channels == 3 else "minisblack"
    tags = [(42113, "s", 0, f"{nodata:.17g}", True)]
    plane = values[..., 0] if channels == 1 else values
    tifffile.imwrite(tmp_path / "a.tif", plane, photometric=photometric, planarconfig="contig", metadata=None, extratags=tags)
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "a.tif"], tmp_path / "b.tif"), model, model.settings(sigma=20))
    assert outcome.error is None
    after = tifffile.imread(outcome.output).reshape(values.shape)
    assert after[~there].tobytes() == values[~there].tobytes()
    if channels != 3:
        assert not (after[there] == np.array(nodata, dtype)).any()


def test_what_is_no_image_has_no_influence(photograph: NDArray[np.float64], tmp_path: Path) -> None:
    """Whatever stands there: the image comes out the same."""
    colours = np.rint(noisy(photograph[100:180, 200:300], 20) * 255).astype(np.uint8)
    shown = np.hypot(*(np.indices((80, 100)) - np.array([40, 50])[:, None, None])) < 35
    outputs = []
    for hidden in (0, 255, [0, 255, 0]):
        image = np.where(shown[..., None], colours, np.uint8(hidden))
        array = np.dstack([image, np.where(shown, 255, 0)]).astype(np.uint8)
        files.write(tmp_path / "a.png", images.from_array(array), overwrite=True)
        output = restored(tmp_path / "a.png")[0]
        after = images.to_array(files.read(output))
        np.testing.assert_array_equal(after[~shown], array[~shown])
        output.unlink()
        large = pellucid.upscale(array, scale=2)
        opaque = large[..., 3] > 0
        np.testing.assert_array_equal(large[~opaque][:, :3], np.broadcast_to(np.uint8(hidden), (np.count_nonzero(~opaque), 3)))
        outputs.append((after[shown], large[opaque]))
    for other in outputs[1:]:
        np.testing.assert_array_equal(other[0], outputs[0][0])
        np.testing.assert_array_equal(other[1], outputs[0][1])


def test_a_transparent_border_does_not_bleed() -> None:
    """One colour, enlarged beside whatever its hidden neighbours have, stays that colour."""
    array = np.zeros((40, 40, 4), np.uint8)
    array[:20] = [200, 120, 40, 255]
    array[20:, :, :3] = [0, 255, 255]
    large = pellucid.upscale(array, scale=3)
    opaque = large[..., 3] > 0
    assert np.abs(large[opaque][:, :3].astype(int) - [200, 120, 40]).max() <= 3


def test_colours_that_are_multiplied_by_alpha_stay_so(tmp_path: Path) -> None:
    array = np.zeros((40, 40, 4), np.uint8)
    array[:20] = [200, 120, 40, 255]
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "a.tif"], tmp_path / "b.tif"), pellucid.load("upscale"))
    large = tifffile.imread(outcome.output).astype(int)
    np.testing.assert_array_equal(large[large[..., 3] == 0], 0)
    # Hardly a colour shines brighter than its alpha lets it: filled ones would by 100 at a sharp edge.
    assert (large[..., 0] - large[..., 3] * 200 / 255).max() < 60


@pytest.mark.parametrize("dtype", ["uint8", "float64", "int32"])
def test_masked_arrays_keep_their_mask(gray: NDArray[np.float64], dtype: str) -> None:
    values = (255 * noisy(gray, 20)).astype(dtype)
    masked = np.ma.MaskedArray(values, mask=False)
    masked[30:90, 40:120] = np.ma.masked
    masked.data[30:90, 40:120] = 99
    output = pellucid.denoise(masked)
    assert isinstance(output, np.ma.MaskedArray)
    np.testing.assert_array_equal(output.mask, masked.mask)
    np.testing.assert_array_equal(output.data[masked.mask], 99)
    assert error(output.data, 255 * gray, ~masked.mask) < 0.7 * error(values, 255 * gray, ~masked.mask)
    large = pellucid.upscale(masked[:40, :60], scale=2)
    np.testing.assert_array_equal(large.mask, masked.mask[:40, :60].repeat(2, 0).repeat(2, 1))
    stack = np.ma.stack([masked[:40, :60]] * 2)
    np.testing.assert_array_equal(pellucid.denoise(stack, axes="ZYX", sigma=5).mask, stack.mask)


def test_no_value_of_the_image_becomes_the_reserved_one() -> None:
    for dtype, reserved, other in (
        ("uint8", 0, 1),
        ("uint8", 255, 254),
        ("float32", -9999, np.nextafter(np.float32(-9999), np.float32(0))),
    ):
        mask = masks.Mask(np.array([[True, False]]), np.full((1, 2, 1), reserved, dtype), reserved)
        back = mask.put_back(np.full((1, 2, 1), reserved, dtype), 0)
        assert back.ravel().tolist() == [other, reserved]


def test_an_array_without_any_image_is_refused() -> None:
    for array in (np.full((5, 5), np.nan), np.ma.masked_all((5, 5), np.uint8)):
        with pytest.raises(ImageError, match="no values"):
            pellucid.denoise(array)
    # Fully transparent: nothing is seen, and nothing is refused.
    assert pellucid.denoise(np.zeros((20, 20, 4), np.uint8)).shape == (20, 20, 4)


def empty_page(path: Path, dtype: str) -> NDArray[Any]:
    """A file with three pages, the middle one without any value; its values (3, 24, 32)."""
    values = 900 * np.random.default_rng(0).random((3, 24, 32)) + 50
    values[1] = np.nan if dtype == "float32" else 7
    values = values.astype(dtype)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".dcm":
        pytest.importorskip("pydicom", reason="the extra dicom is not installed")
        import pydicom
        import test_formats

        test_formats.dicom(path, values[0], stored=16)
        dataset = pydicom.dcmread(path)
        dataset.NumberOfFrames, dataset.PixelData = 3, values.tobytes()
        dataset.add_new("PixelPaddingValue", "US", 7)
        dataset.save_as(path)
    else:
        tags = [(42113, "s", 0, "7", False)] if dtype == "uint16" else []
        how: dict[str, Any] = {"imagej": True} if not tags else {"metadata": None, "extratags": tags}
        tifffile.imwrite(path, values, photometric="minisblack", **how)
    return values


@pytest.mark.parametrize("banded", [False, True], ids=["whole", "in bands"])
@pytest.mark.parametrize(("name", "dtype"), [("a.tif", "float32"), ("a.tif", "uint16"), ("a.npy", "float32"), ("a.dcm", "uint16")])
def test_a_page_without_values_comes_back_among_others(
    tmp_path: Path, gray_model: Path, name: str, dtype: str, banded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = empty_page(tmp_path / name, dtype)
    if banded:
        monkeypatch.setattr(base, "BANDED", 1)
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(plan.plan([tmp_path / name], tmp_path / f"out{name[1:]}"), model, model.settings(sigma=20))
    assert outcome.error is None
    assert "page 2 has no values and stays as it is" in outcome.remarks
    with files.open_pages(outcome.output) as document:
        after = [images.to_array(page.pictures[0]).reshape(24, 32) for page in document.pages]
    assert after[1].tobytes() == values[1].tobytes()
    assert all((after[page] != values[page]).mean() > 0.5 for page in (0, 2))


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_a_stack_is_summed_up_by_its_first_page_with_values(tmp_path: Path, empty: int) -> None:
    values = (0.5 + np.random.default_rng(0).normal(0, 0.1, (2, 40, 48))).astype(np.float32)
    values[0, :2] = np.nan
    nothing = np.full((empty, 40, 48), np.nan, np.float32)
    tifffile.imwrite(tmp_path / "alone.tif", values, photometric="minisblack")
    tifffile.imwrite(tmp_path / "a.tif", np.concatenate([nothing, values, nothing]), photometric="minisblack")
    (_, alone), (output, outcome) = restored(tmp_path / "alone.tif"), restored(tmp_path / "a.tif")
    assert outcome.facts["sigma"] == pytest.approx(25.5, abs=3)
    assert outcome.facts == alone.facts
    named = [number + 1 for number in (*range(empty), *range(empty + 2, 2 * empty + 2))]
    assert outcome.remarks == alone.remarks + working.without_values("page", named)
    assert any("5.0% of the pixels" in remark for remark in outcome.remarks)
    np.testing.assert_array_equal(tifffile.imread(output)[empty : empty + 2], tifffile.imread(tmp_path / "out-alone.tif"))


def test_a_stack_of_nothing_is_refused(tmp_path: Path, gray_model: Path) -> None:
    values = np.full((3, 24, 32), np.nan, np.float32)
    np.save(tmp_path / "a.npy", values)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    model = restorer.load(gray_model)
    planned = plan.plan([tmp_path / "a.npy", tmp_path / "a.tif"], tmp_path / "out")
    for outcome in batch.restore_files(planned, model, model.settings(sigma=20)):
        assert outcome.error is not None
        assert "no values" in outcome.error
        assert not outcome.output.exists()
    for work in (model.restore, pellucid.inspect):
        with pytest.raises(ImageError, match="no values"):
            work(values)
    values[1:] = np.random.default_rng(0).random((2, 24, 32))
    assert pellucid.inspect(values).to_dict() == pellucid.inspect(values[1]).to_dict()
    after = model.restore(np.ma.masked_invalid(values), sigma=20)
    assert np.isnan(np.asarray(after)[0]).all()
    assert np.isfinite(np.asarray(after)[1:]).all()


def test_a_channel_without_values_comes_back_among_others(tmp_path: Path, gray_model: Path) -> None:
    values = np.random.default_rng(0).random((24, 32, 5)).astype(np.float32)
    values[..., 3] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig", metadata=None)
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "a.tif"], tmp_path / "b.tif"), model, model.settings(sigma=20))
    assert "channel 4 has no values and stays as it is" in outcome.remarks
    after = tifffile.imread(tmp_path / "b.tif")
    assert np.isnan(after[..., 3]).all()
    assert np.isfinite(after[..., :3]).all()


# -- filling ----------------------------------------------------------------------------------------------------------


def test_a_fill_is_the_same_in_bands() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (300, 90, 3), dtype=np.uint8)
    valid = (np.hypot(*(np.indices((300, 90)) - np.array([170, 40])[:, None, None])) < 70) & (rng.random((300, 90)) < 0.98)
    whole = masks.fill(values, valid, 127)
    np.testing.assert_array_equal(whole[valid], values[valid])
    take = masks.fill_rows(lambda top, bottom: values[top:bottom], lambda top, bottom: valid[top:bottom], 300, 127)
    for rows in (7, 64, 200, 300):
        bands = np.concatenate([take(top, min(top + rows, 300)) for top in range(0, 300, rows)])
        np.testing.assert_array_equal(bands, whole)
    # Nothing comes from where no image is.
    np.testing.assert_array_equal(masks.fill(np.where(valid[..., None], values, 0).astype(np.uint8), valid, 127), whole)


def test_noise_goes_on_in_a_fill() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(100, 10, (200, 200, 1)).astype(np.float32)
    valid = np.ones((200, 200), bool)
    valid[80:130, 60:150] = False
    filled = masks.fill(values, valid, 0)[~valid]
    assert filled.std() == pytest.approx(10, rel=0.1)
    assert filled.mean() == pytest.approx(100, abs=1)


SOURCES: dict[str, Callable[[Path, NDArray[np.bool_]], None]] = {
    "nodata": lambda path, there: tifffile.imwrite(
        path,
        np.where(there, 900 + 90 * random(), -9999).astype(np.float32),
        metadata=None,
        extratags=[(42113, "s", 0, "-9999", True)],
    ),
    "NaN": lambda path, there: tifffile.imwrite(path, np.where(there, random(), np.nan).astype(np.float32), metadata=None),
    "counts": lambda path, there: tifffile.imwrite(path, np.where(there, 4000 * random(), 65535).astype(np.uint16), metadata=None),
    "alpha": lambda path, there: tifffile.imwrite(
        path,
        np.dstack([np.where(there, 255 * random(), 7)] * 3 + [255 * there]).astype(np.uint8),
        metadata=None,
        photometric="rgb",
        extrasamples=["unassalpha"],
    ),
}


def random() -> NDArray[np.float64]:
    return np.random.default_rng(7).random((301, 213))


@pytest.mark.parametrize("name", SOURCES)
def test_bands_leave_out_what_memory_leaves_out(
    name: str, tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = np.random.default_rng(3).random((301, 213)) > 0.1
    there[100:250, 30:110] = False
    SOURCES[name](tmp_path / "in.tif", there)
    model = restorer.load(gray_model)
    contents = []
    for case in ("whole", "bands"):
        (outcome,) = batch.restore_files(
            plan.plan([tmp_path / "in.tif"], tmp_path / f"{case}.tif"), model, model.settings(sigma=10)
        )
        assert outcome.error is None
        contents.append((tmp_path / f"{case}.tif").read_bytes())
        monkeypatch.setattr(base, "BANDED", 1000)
    assert contents[0] == contents[1]
    before, after = (tifffile.imread(tmp_path / f"{case}.tif") for case in ("in", "bands"))
    assert before[~there].tobytes() == after[~there].tobytes()
    assert (before[there] != after[there]).mean() > 0.5
